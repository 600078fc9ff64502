/* What a model of a table says of one row, each result on a line: row FILE.onnx INPUT=VALUE ...
   A value is a number, the name of a label, or a day, 2024-03-14; nothing, `INPUT=`, is missing. */
#include "mai.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int say(const char *words) { return fprintf(stderr, "%s\n", words), 0; }

/* A number, or the days to a date. A text of neither is refused. */
static int read_number(const char *text, float *number) {
  int year, month, day, end = 0;
  char *rest;
  if (sscanf(text, "%d-%d-%d%n", &year, &month, &day, &end) == 3 && !text[end]) return mai_days_of(year, month, day, number) || say(mai_message());
  *number = *text ? strtof(text, &rest) : NAN;
  return !*text || !*rest || say("a value is a number, the name of a label, or a day, 2024-03-14");
}

/* The label that a text names, or whose number it is where labels have no names; -1 for none. */
static int64_t read_label(const mai_model *model, const char *input, const char *text) {
  char *rest;
  if (mai_label_name(model, input, 0)) return mai_label_of(model, input, text);
  int64_t label = strtoll(text, &rest, 10);
  return *text && !*rest ? label : -1;
}

static int give_word(mai_call *call, const mai_model *model, char *word) {
  char *value = strchr(word, '=');
  if (!value) return say("write INPUT=VALUE");
  *value++ = 0;
  const mai_port *port = mai_port_named(model, word);
  float number;
  if (port && port->classes) {
    const int64_t label = read_label(model, word, value);
    return label < 0 ? say("there is no label of that name") : mai_give_integers(call, word, &label, 0, NULL) || say(mai_message());
  }
  return read_number(value, &number) && (mai_give_floats(call, word, &number, 0, NULL) || say(mai_message()));
}

static void print(const mai_model *model, const mai_result *result) {
  for (size_t i = 0; i < result->count; i++) {
    const char *name = result->integers ? mai_label_name(model, result->name, result->integers[i]) : NULL;
    if (name) printf("%s", name);
    else if (result->floats) printf("%.9g", result->floats[i]);
    else printf("%" PRId64, result->integers ? result->integers[i] : result->booleans[i]);
    putchar(i + 1 < result->count ? ',' : '\n');
  }
}

int main(int count, char **words) {
  if (count < 2) return fprintf(stderr, "%s FILE.onnx INPUT=VALUE ...\n", words[0]), 2;
  mai_model *model = mai_load(words[1], 0);
  mai_call *call = mai_call_new(model);
  size_t ports;
  const mai_port *port = mai_ports(model, &ports);
  int right = call || say(mai_message());
  for (int i = 2; right && i < count; i++) right = give_word(call, model, words[i]);
  right = right && (mai_run(call) || say(mai_message()));
  const char *notes = right ? mai_notes(call) : NULL;
  if (notes) fputs(notes, stderr);
  for (size_t i = 0; right && i < ports; i++)
    if (port[i].kind == MAI_OUTPUT) print(model, mai_output(call, port[i].name));
  mai_call_free(call);
  mai_free(model);
  return right ? 0 : 1;
}
