/* A reader of JSON that goes down from values to their parts, no deeper than `DEEPEST`. */
#include "json.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#define DEEPEST 100

typedef struct {
  const char *at;
  int depth, failed;
} reader;

static json read_value(reader *in);

static void skip_blanks(reader *in) { in->at += strspn(in->at, " \t\r\n"); }

static int accept(reader *in, char sign) {
  skip_blanks(in);
  if (*in->at != sign) return 0;
  in->at++;
  return 1;
}

static int accept_word(reader *in, const char *word) {
  size_t length = strlen(word);
  if (strncmp(in->at, word, length) != 0) return 0;
  in->at += length;
  return 1;
}

/* Four hexadecimal digits; -1 where there are none. */
static long read_unit(reader *in) {
  char digits[5] = {0}, *end;
  for (int i = 0; i < 4; i++) {
    if (!in->at[i]) return -1;
    digits[i] = in->at[i];
  }
  long unit = strtol(digits, &end, 16);
  if (end != digits + 4) return -1;
  in->at += 4;
  return unit;
}

static char *put_code(char *out, unsigned long code) {
  if (code < 0x80) {
    *out++ = (char)code;
  } else if (code < 0x800) {
    *out++ = (char)(0xC0 | code >> 6);
    *out++ = (char)(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    *out++ = (char)(0xE0 | code >> 12);
    *out++ = (char)(0x80 | (code >> 6 & 0x3F));
    *out++ = (char)(0x80 | (code & 0x3F));
  } else {
    *out++ = (char)(0xF0 | code >> 18);
    *out++ = (char)(0x80 | (code >> 12 & 0x3F));
    *out++ = (char)(0x80 | (code >> 6 & 0x3F));
    *out++ = (char)(0x80 | (code & 0x3F));
  }
  return out;
}

/* A character behind a backslash, which two units of UTF-16 may make. */
static char *read_escaped(reader *in, char *out) {
  static const char signs[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
  char sign = *in->at++;
  const char *place = sign ? strchr(signs, sign) : NULL;
  if (place) {
    *out = meant[place - signs];
    return out + 1;
  }
  long high = sign == 'u' ? read_unit(in) : -1;
  if (high < 0) {
    in->failed = 1;
    return out;
  }
  if (high >= 0xD800 && high < 0xDC00 && in->at[0] == '\\' && in->at[1] == 'u') {
    in->at += 2;
    long low = read_unit(in);
    return put_code(out, 0x10000UL + ((unsigned long)(high - 0xD800) << 10) + (unsigned long)(low & 0x3FF));
  }
  return put_code(out, (unsigned long)high);
}

static char *read_text(reader *in) {
  const char *end = in->at; /* The text is at most as long as it is written. */
  while (*end && *end != '"') end += *end == '\\' && end[1] ? 2 : 1;
  char *text = malloc((size_t)(end - in->at) + 1), *out = text;
  if (!text || *end != '"') {
    in->failed = 1;
    free(text);
    return NULL;
  }
  while (in->at < end && !in->failed) {
    char sign = *in->at++;
    if (sign == '\\')
      out = read_escaped(in, out);
    else
      *out++ = sign;
  }
  *out = 0;
  in->at = end + 1;
  return text;
}

/* A number, whatever sign the program's locale has before decimals. */
static double read_number(reader *in) {
  char digits[64], *end, *point;
  size_t length = strspn(in->at, "+-0123456789.eE");
  if (length == 0 || length >= sizeof digits) {
    in->failed = 1;
    return 0;
  }
  memcpy(digits, in->at, length);
  digits[length] = 0;
  point = strchr(digits, '.');
  if (point) *point = *localeconv()->decimal_point;
  double number = strtod(digits, &end);
  if (end != digits + length) in->failed = 1;
  in->at += length;
  return number;
}

static void read_items(reader *in, json *tree, char close) {
  size_t room = 0;
  while (!in->failed && !accept(in, close)) {
    char *name = NULL;
    if (tree->count && !accept(in, ',')) in->failed = 1;
    if (tree->kind == JSON_OBJECT && !in->failed) {
      if (accept(in, '"')) name = read_text(in);
      if (!name || !accept(in, ':')) in->failed = 1;
    }
    if (tree->count == room) {
      room = room ? 2 * room : 8;
      json *larger = realloc(tree->items, room * sizeof *larger);
      if (larger) tree->items = larger;
      else in->failed = 1;
    }
    if (in->failed) {
      free(name);
      return;
    }
    json item = read_value(in);
    item.name = name;
    tree->items[tree->count++] = item;
  }
}

static json read_value(reader *in) {
  json value = {JSON_NULL, 0, NULL, NULL, 0, NULL};
  skip_blanks(in);
  if (++in->depth > DEEPEST) {
    in->failed = 1;
  } else if (accept(in, '{')) {
    value.kind = JSON_OBJECT;
    read_items(in, &value, '}');
  } else if (accept(in, '[')) {
    value.kind = JSON_ARRAY;
    read_items(in, &value, ']');
  } else if (accept(in, '"')) {
    value.kind = JSON_TEXT;
    value.text = read_text(in);
  } else if (accept_word(in, "true")) {
    value.kind = JSON_BOOLEAN;
    value.number = 1;
  } else if (accept_word(in, "false")) {
    value.kind = JSON_BOOLEAN;
  } else if (!accept_word(in, "null")) {
    value.kind = JSON_NUMBER;
    value.number = read_number(in);
  }
  in->depth--;
  return value;
}

static void release(json *tree) {
  for (size_t i = 0; i < tree->count; i++) release(&tree->items[i]);
  free(tree->items);
  free(tree->text);
  free(tree->name);
}

json *json_read(const char *text) {
  reader in = {text, 0, 0};
  json *tree = malloc(sizeof *tree);
  if (!tree) return NULL;
  *tree = read_value(&in);
  skip_blanks(&in);
  if (in.failed || *in.at) {
    json_free(tree);
    return NULL;
  }
  return tree;
}

void json_free(json *tree) {
  if (tree) release(tree);
  free(tree);
}

const json *json_member(const json *object, const char *name) {
  for (size_t i = 0; object && object->kind == JSON_OBJECT && i < object->count; i++)
    if (strcmp(object->items[i].name, name) == 0) return object->items[i].kind == JSON_NULL ? NULL : &object->items[i];
  return NULL;
}

const char *json_text(const json *object, const char *name) {
  const json *member = json_member(object, name);
  return member && member->kind == JSON_TEXT ? member->text : NULL;
}

double json_number(const json *object, const char *name, double otherwise) {
  const json *member = json_member(object, name);
  return member && (member->kind == JSON_NUMBER || member->kind == JSON_BOOLEAN) ? member->number : otherwise;
}
