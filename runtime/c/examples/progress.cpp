// Run a sampler some steps at a time, within so many seconds, and write its first result, one number a line:
// progress FILE.step.onnx EVERY SECONDS [SETTING=NUMBER ...]
#include "settings.hpp"

#include <cstdio>
#include <iostream>

int main(int count, char **words) try {
  if (count < 4) return std::cerr << words[0] << " FILE.step.onnx EVERY SECONDS [SETTING=NUMBER ...]\n", 2;
  mai::model model(words[1]);
  mai::call call(model);
  set_words(call.timeout(std::strtod(words[3], nullptr)), words + 4, words + count);
  for (mai::progress steps(call, std::atoll(words[2])); steps.next();) std::cerr << steps.turns() << " of " << steps.total() << "\n";
  for (float number : call.floats()) std::printf("%.9g\n", number);
} catch (const std::exception &error) {
  std::cerr << error.what() << "\n";
  return 1;
}
