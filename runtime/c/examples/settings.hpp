// The settings of a call, as the words of a command line.
#include "mai.h"

#include <cstdlib>
#include <stdexcept>
#include <string>

inline void set_words(mai::call &call, char **first, char **end) {
  for (; first != end; first++) {
    std::string word = *first;
    size_t equals = word.find('=');
    if (equals == std::string::npos) throw std::invalid_argument(word + ": write SETTING=NUMBER");
    call.set(word.substr(0, equals).c_str(), std::strtod(word.c_str() + equals + 1, nullptr));
  }
}
