// A job by ONNX Runtime's C++ interface: run_cpp JOB, as run_c.c reads and answers it.
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "onnxruntime_cxx_api.h"

namespace {

struct Run {
  std::vector<std::string> names, results, files;
  std::vector<std::vector<char>> data;
  std::vector<Ort::Value> values;
};

ONNXTensorElementDataType element_of(const std::string& type) {
  if (type == "float32") return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
  return type == "int64" ? ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64 : ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL;
}

void read_input(Run& run, std::istream& job, const std::string& folder, const Ort::MemoryInfo& memory) {
  std::string name, type, file;
  size_t rank, bytes;
  job >> name >> type >> rank;
  std::vector<int64_t> dims(rank);
  for (auto& size : dims) job >> size;
  job >> file >> bytes;
  std::ifstream in(folder + "/" + file, std::ios::binary);
  run.names.push_back(name);
  run.data.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  run.data.back().reserve(bytes + 1);
  run.values.push_back(
      Ort::Value::CreateTensor(memory, run.data.back().data(), bytes, dims.data(), rank, element_of(type)));
}

std::vector<const char*> pointers(const std::vector<std::string>& names) {
  std::vector<const char*> result;
  for (const auto& name : names) result.push_back(name.c_str());
  return result;
}

void compute(Ort::Session& session, Run& run, const std::string& folder, int number) {
  auto names = pointers(run.names), wanted = pointers(run.results);
  auto results = session.Run(Ort::RunOptions{nullptr}, names.data(), run.values.data(), names.size(), wanted.data(), wanted.size());
  std::ofstream told(folder + "/out_" + std::to_string(number) + ".txt");
  for (size_t i = 0; i < results.size(); i++) {
    auto info = results[i].GetTensorTypeAndShapeInfo();
    const bool is_real = info.GetElementType() == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
    const bool is_whole = info.GetElementType() == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64;
    const size_t bytes = info.GetElementCount() * (is_real ? 4 : is_whole ? 8 : 1);
    std::ofstream out(folder + "/" + run.files[i], std::ios::binary);
    out.write(results[i].GetTensorData<char>(), static_cast<std::streamsize>(bytes));
    told << run.results[i] << " " << run.files[i] << " " << (is_real ? "float32" : is_whole ? "int64" : "bool");
    for (auto size : info.GetShape()) told << " " << size;
    told << "\n";
  }
}

void serve(const std::string& folder) {
  std::ifstream job(folder + "/job.txt");
  std::string model, word;
  job >> model;
  Ort::Env env(ORT_LOGGING_LEVEL_FATAL, "mai");
  Ort::SessionOptions options;
  options.SetIntraOpNumThreads(1);
  Ort::Session session(env, (folder + "/" + model).c_str(), options);
  auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  Run run;
  for (int number = 0; job >> word;) {
    if (word == "input") read_input(run, job, folder, memory);
    if (word == "output") {
      std::string name, file;
      job >> name >> file;
      run.results.push_back(name);
      run.files.push_back(file);
    }
    if (word == "end") {
      compute(session, run, folder, number++);
      run = Run{};
    }
  }
}

}  // namespace

int main(int, char** words) {
  try {
    serve(words[1]);
  } catch (const Ort::Exception& error) {
    std::ofstream(std::string(words[1]) + "/refused.txt") << error.what();
  }
  return 0;
}
