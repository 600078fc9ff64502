/* The names of labels: which number a word has, read as a cell of a table is, by the rules that stand in the manifest. */
#include "internal.h"

#include <string.h>

typedef struct {
  const char *start;
  size_t length;
} word;

/* The field of the training data that a port is of, NULL for none. Older files do not say: there it has the port's name. */
static const char *field_of(const json *entry) {
  for (size_t i = 0; entry && i < entry->count; i++)
    if (strcmp(entry->items[i].name, "field") == 0) return entry->items[i].text;
  return json_text(entry, "name");
}

/* What the manifest has in a table by fields, as the names of labels, for a port; or NULL. */
static const json *of_field(const mai_model *model, const char *table, const char *port) {
  const char *field = field_of(entry_of(model, port));
  return field ? json_member(json_member(model->manifest, table), field) : NULL;
}

const char *mai_label_name(const mai_model *model, const char *port, int64_t label) {
  const json *names = of_field(model, "labels", port);
  return names && label >= 0 && (size_t)label < names->count ? names->items[label].text : NULL;
}

/* How many bytes a character of UTF-8 has that is among some and at the start of a word, or at its end; 0 where none is. */
static size_t bytes_at(word of, int at_end, const char *some) {
  for (size_t bytes; some && *some; some += bytes) {
    for (bytes = 1; (some[bytes] & 0xC0) == 0x80;) bytes++;
    if (bytes <= of.length && memcmp(of.start + (at_end ? of.length - bytes : 0), some, bytes) == 0) return bytes;
  }
  return 0;
}

static word trimmed(const char *text, const char *spaces) {
  word left = {text, strlen(text)};
  for (size_t bytes; (bytes = bytes_at(left, 0, spaces)) != 0; left.start += bytes) left.length -= bytes;
  for (size_t bytes; (bytes = bytes_at(left, 1, spaces)) != 0;) left.length -= bytes;
  return left;
}

static char small(char letter) { return letter >= 'A' && letter <= 'Z' ? (char)(letter - 'A' + 'a') : letter; }

static int is_same(word of, const char *name, int in_any_letters) {
  if (!name || strlen(name) != of.length) return 0;
  for (size_t i = 0; i < of.length; i++)
    if (of.start[i] != name[i] && !(in_any_letters && small(of.start[i]) == small(name[i]))) return 0;
  return 1;
}

/* The place of a word among texts; their number where it is none of them. */
static size_t find_text(const json *texts, word of, int in_any_letters) {
  size_t i = 0;
  while (i < texts->count && !is_same(of, texts->items[i].text, in_any_letters)) i++;
  return i;
}

/* Whether texts are the names of truth values, in any letters. */
static int are_truths(const json *names, const json *truths) {
  if (!truths || names->count != truths->count) return 0;
  for (size_t i = 0; i < truths->count; i++)
    if (find_text(names, trimmed(truths->items[i].text, NULL), 1) == names->count) return 0;
  return 1;
}

/* The number of a word that is a label in another spelling, an accent as a character of its own; -1 for none. */
static int64_t find_spelling(const json *spellings, word of) {
  for (size_t i = 0; spellings && i < spellings->count; i++)
    if (is_same(of, spellings->items[i].name, 0)) return (int64_t)spellings->items[i].number;
  return -1;
}

int64_t mai_label_of(const mai_model *model, const char *port, const char *name) {
  const json *entry = model && port && name ? entry_of(model, port) : NULL;
  if (!entry) return -1;
  const json *names = of_field(model, "labels", port), *rules = json_member(model->manifest, "words"), *truths = json_member(rules, "truths");
  const int has_names = names && names->count;
  if (!has_names && (!truths || json_number(entry, "classes", 0) != (double)truths->count)) return -1;
  const json *called = has_names ? names : truths; /* Two labels without names are truth values. */
  size_t place = find_text(called, trimmed(name, NULL), 0);
  word of = trimmed(name, json_text(rules, "spaces"));
  if (place == called->count) place = find_text(called, of, are_truths(called, truths));
  if (place < called->count) return (int64_t)place;
  int64_t other = find_spelling(of_field(model, "spellings", port), of);
  if (other >= 0 || !has_names) return other;
  int is_one_more = json_number(entry, "classes", 0) == (double)names->count + 1;
  return json_number(entry, "gaps", is_one_more) != 0 ? (int64_t)names->count : -1;
}
