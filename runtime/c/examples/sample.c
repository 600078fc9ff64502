/* Run a file with settings and write its first result, one example a line: sample FILE.onnx [SETTING=NUMBER ...] */
#include "mai.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int set_word(mai_call *call, char *word) {
  char *equals = strchr(word, '=');
  if (!equals) {
    fprintf(stderr, "%s: write SETTING=NUMBER\n", word);
    return 0;
  }
  *equals = 0;
  if (mai_set(call, word, strtod(equals + 1, NULL))) return 1;
  fprintf(stderr, "%s\n", mai_message());
  return 0;
}

static void print(const mai_result *result) {
  size_t width = result->count && result->rank ? result->count / (size_t)result->dims[0] : 1;
  for (size_t i = 0; i < result->count; i++) {
    if (result->floats) printf("%.9g", result->floats[i]);
    else printf("%" PRId64, result->integers ? result->integers[i] : result->booleans[i]);
    putchar((i + 1) % width ? ',' : '\n');
  }
}

int main(int count, char **words) {
  if (count < 2) return fprintf(stderr, "%s FILE.onnx [SETTING=NUMBER ...]\n", words[0]), 2;
  mai_model *model = mai_load(words[1], 0);
  mai_call *call = model ? mai_call_new(model) : NULL;
  int right = call != NULL;
  if (!right) fprintf(stderr, "%s\n", mai_message());
  for (int i = 2; right && i < count; i++) right = set_word(call, words[i]);
  if (right && !mai_run(call)) right = 0, fprintf(stderr, "%s\n", mai_message());
  if (right) print(mai_output(call, NULL));
  mai_call_free(call);
  mai_free(model);
  return right ? 0 : 1;
}
