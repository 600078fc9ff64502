/* Sizes that a file states as sums and products of others: "P + 2", "(P - 1) // 2". */
#include "internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  const char *at;
  size_finder *find;
  const void *of;
  int failed;
} reader;

/* Letters beyond ASCII have bytes from 0x80 on. */
static int is_in_names(char byte) { return isalnum((unsigned char)byte) || byte == '_' || ((unsigned char)byte & 0x80); }

int is_name(const char *text) {
  for (const char *at = text; *at; at++)
    if (!is_in_names(*at)) return 0;
  return !isdigit((unsigned char)text[0]);
}

int is_this_name(const char *text, const char *name, size_t length) { return strncmp(text, name, length) == 0 && !text[length]; }

static int64_t read_sum(reader *in);

static int accept(reader *in, char sign) {
  while (*in->at == ' ') in->at++;
  if (*in->at != sign) return 0;
  in->at++;
  return 1;
}

static int64_t read_one(reader *in) {
  int64_t value = 0;
  if (accept(in, '-')) return -read_one(in);
  if (accept(in, '(')) {
    value = read_sum(in);
    if (!accept(in, ')')) in->failed = 1;
    return value;
  }
  if (isdigit((unsigned char)*in->at)) return (int64_t)strtoll(in->at, (char **)&in->at, 10);
  const char *name = in->at;
  while (is_in_names(*in->at)) in->at++;
  if (in->at == name || !in->find(in->of, name, (size_t)(in->at - name), &value)) in->failed = 1;
  return value;
}

/* The largest whole number below a ratio, as `//` of the language is. */
static int64_t divide(reader *in, int64_t left, int64_t right) {
  if (right == 0) {
    in->failed = 1;
    return 0;
  }
  return left / right - (left % right != 0 && (left < 0) != (right < 0));
}

static int64_t read_product(reader *in) {
  int64_t value = read_one(in);
  while (!in->failed) {
    if (accept(in, '*')) value *= read_one(in);
    else if (accept(in, '/') && accept(in, '/')) value = divide(in, value, read_one(in));
    else break;
  }
  return value;
}

static int64_t read_sum(reader *in) {
  int64_t value = read_product(in);
  while (!in->failed) {
    if (accept(in, '+')) value += read_product(in);
    else if (accept(in, '-')) value -= read_product(in);
    else break;
  }
  return value;
}

int size_of(const char *text, size_finder *find, const void *of, int64_t *size) {
  reader in = {text, find, of, 0};
  *size = read_sum(&in);
  accept(&in, ' ');
  return !in.failed && !*in.at;
}
