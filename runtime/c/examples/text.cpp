// Stream a text whose tokens are bytes: text FILE.step.onnx PROMPT [SETTING=NUMBER ...]
#include "settings.hpp"

#include <iostream>

int main(int count, char **words) try {
  if (count < 3) return std::cerr << words[0] << " FILE.step.onnx PROMPT [SETTING=NUMBER ...]\n", 2;
  mai::model model(words[1]);
  mai::call call(model);
  set_words(call, words + 3, words + count);
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
