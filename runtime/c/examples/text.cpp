// Stream a text whose tokens are bytes: text FILE.step.onnx PROMPT [SETTING=NUMBER ...]
#include "mai.h"

#include <cstdlib>
#include <iostream>

int main(int count, char **words) try {
  if (count < 3) return std::cerr << words[0] << " FILE.step.onnx PROMPT [SETTING=NUMBER ...]\n", 2;
  mai::model model(words[1]);
  mai::call call(model);
  for (int i = 3; i < count; i++) {
    std::string word = words[i];
    size_t equals = word.find('=');
    if (equals == std::string::npos) throw std::invalid_argument(word + ": write SETTING=NUMBER");
    call.set(word.substr(0, equals).c_str(), std::strtod(word.c_str() + equals + 1, nullptr));
  }
  if (!mai_tokens_are_bytes(model.get())) throw std::invalid_argument("the tokens of this file are no bytes");
  std::vector<int64_t> prompt;
  for (const char *byte = words[2]; *byte; byte++) prompt.push_back((unsigned char)*byte);
  mai::text text(call, prompt);
  for (int64_t token; text.next(token);) std::cout << (char)token << std::flush;
  std::cout << "\n";
} catch (const std::exception &error) {
  std::cerr << error.what() << "\n";
  return 1;
}
