/* A job by ONNX Runtime's C interface: run_c JOB. The job is job.txt: the model, then lines
   "run", "input NAME TYPE RANK DIMS... FILE BYTES" and "output NAME FILE"; results have lines in out_RUN.txt. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnxruntime_c_api.h"

#define MOST 64
#define AXES 8

static const OrtApi *api;
static char folder[512];

static FILE *file_of(const char *name, const char *mode) {
  char path[1024];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return fopen(path, mode);
}

static void check(OrtStatus *status) {
  if (status == NULL) return;
  FILE *out = file_of("refused.txt", "w");
  fputs(api->GetErrorMessage(status), out);
  fclose(out);
  exit(0);
}

typedef struct {
  int inputs, outputs;
  char *names[MOST], *results[MOST], *files[MOST];
  OrtValue *values[MOST];
} Run;

static void read_input(Run *run, FILE *job, OrtMemoryInfo *memory) {
  char name[256], type[16], file[256];
  int rank, place = run->inputs++;
  int64_t dims[AXES];
  long bytes;
  if (fscanf(job, "%255s %15s %d", name, type, &rank) != 3 || rank > AXES) exit(2);
  for (int i = 0; i < rank; i++)
    if (fscanf(job, "%ld", &dims[i]) != 1) exit(2);
  if (fscanf(job, "%255s %ld", file, &bytes) != 2) exit(2);
  void *data = malloc(bytes + 1);
  FILE *in = file_of(file, "rb");
  if (fread(data, 1, bytes, in) != (size_t)bytes) exit(2);
  fclose(in);
  ONNXTensorElementDataType element = strcmp(type, "float32") == 0   ? ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT
                                      : strcmp(type, "int64") == 0 ? ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64
                                                                   : ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL;
  run->names[place] = strdup(name);
  check(api->CreateTensorWithDataAsOrtValue(memory, data, bytes, dims, rank, element, &run->values[place]));
}

static void write_result(OrtValue *value, const char *name, const char *file, FILE *told) {
  OrtTensorTypeAndShapeInfo *info;
  ONNXTensorElementDataType element;
  size_t count, rank;
  int64_t dims[AXES];
  void *data;
  check(api->GetTensorTypeAndShape(value, &info));
  check(api->GetTensorElementType(info, &element));
  check(api->GetTensorShapeElementCount(info, &count));
  check(api->GetDimensionsCount(info, &rank));
  check(api->GetDimensions(info, dims, rank));
  check(api->GetTensorMutableData(value, &data));
  int is_real = element == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, is_whole = element == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64;
  FILE *out = file_of(file, "wb");
  fwrite(data, is_real ? 4 : is_whole ? 8 : 1, count, out);
  fclose(out);
  fprintf(told, "%s %s %s", name, file, is_real ? "float32" : is_whole ? "int64" : "bool");
  for (size_t i = 0; i < rank; i++) fprintf(told, " %ld", (long)dims[i]);
  fprintf(told, "\n");
  api->ReleaseTensorTypeAndShapeInfo(info);
}

static void compute(OrtSession *session, Run *run, int number) {
  OrtValue *results[MOST] = {0};
  char name[64];
  check(api->Run(session, NULL, (const char *const *)run->names, (const OrtValue *const *)run->values, run->inputs,
                 (const char *const *)run->results, run->outputs, results));
  snprintf(name, sizeof name, "out_%d.txt", number);
  FILE *told = file_of(name, "w");
  for (int i = 0; i < run->outputs; i++) write_result(results[i], run->results[i], run->files[i], told);
  fclose(told);
}

int main(int count, char **words) {
  if (count < 2) return 2; /* The other folders get processes of their own. */
  snprintf(folder, sizeof folder, "%s", words[1]);
  api = OrtGetApiBase()->GetApi(ORT_API_VERSION);
  if (api == NULL) return 3;
  OrtEnv *env;
  OrtSessionOptions *options;
  OrtMemoryInfo *memory;
  OrtSession *session;
  check(api->CreateEnv(ORT_LOGGING_LEVEL_FATAL, "mai", &env));
  check(api->CreateSessionOptions(&options));
  check(api->SetIntraOpNumThreads(options, 1));
  check(api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
  FILE *job = file_of("job.txt", "r");
  char word[256], path[1024];
  if (fscanf(job, "%255s", word) != 1) return 2;
  snprintf(path, sizeof path, "%s/%s", folder, word);
  check(api->CreateSession(env, path, options, &session));
  Run run = {0};
  int number = 0;
  while (fscanf(job, "%255s", word) == 1) {
    if (strcmp(word, "input") == 0) read_input(&run, job, memory);
    if (strcmp(word, "output") == 0) {
      char name[256], file[256];
      if (fscanf(job, "%255s %255s", name, file) != 2) return 2;
      run.results[run.outputs] = strdup(name);
      run.files[run.outputs++] = strdup(file);
    }
    if (strcmp(word, "end") == 0) {
      compute(session, &run, number++);
      run = (Run){0};
    }
  }
  return 0;
}
