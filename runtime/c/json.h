/* JSON as a tree, as far as a manifest needs it: UTF-8 in, UTF-8 out. */
#ifndef MAI_JSON_H
#define MAI_JSON_H

#include "symbols.h"

#include <stddef.h>

typedef enum { JSON_NULL, JSON_BOOLEAN, JSON_NUMBER, JSON_TEXT, JSON_ARRAY, JSON_OBJECT } json_kind;

typedef struct json {
  json_kind kind;
  double number;       /* of numbers, and 0 or 1 of booleans */
  char *text;          /* of texts */
  char *name;          /* of a member of an object */
  size_t count;        /* of arrays and objects */
  struct json *items;
} json;

/* The tree of a text; NULL where it is no JSON, or memory is out. */
json *json_read(const char *text);
void json_free(json *tree);

/* A member of an object, NULL where it is not there or null. */
const json *json_member(const json *object, const char *name);

/* A member's text or number, or another where it is not there. */
const char *json_text(const json *object, const char *name);
double json_number(const json *object, const char *name, double otherwise);

#endif
