/* What is said of a name that a file does not have: the nearest one of its own, or all of them. */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#define LONGEST 64 /* of names that are compared */

/* How many letters two words have in common in the order of both: the longest common part, and so on at both its sides. */
static size_t common(const char *a, size_t a_length, const char *b, size_t b_length) {
  size_t best = 0, a_at = 0, b_at = 0;
  for (size_t i = 0; i < a_length; i++)
    for (size_t j = 0; j < b_length; j++) {
      size_t k = 0;
      while (i + k < a_length && j + k < b_length && a[i + k] == b[j + k]) k++;
      if (k > best) best = k, a_at = i, b_at = j;
    }
  if (!best) return 0;
  size_t a_end = a_at + best, b_end = b_at + best;
  return best + common(a, a_at, b, b_at) + common(a + a_end, a_length - a_end, b + b_end, b_length - b_end);
}

/* How alike two words are, from 0 to 1: the measure of Ratcliff and Obershelp, "Gestalt pattern matching", 1988. */
static double likeness(const char *a, const char *b) {
  size_t a_length = strlen(a), b_length = strlen(b);
  if (a_length > LONGEST || b_length > LONGEST || a_length + b_length == 0) return 0;
  return 2.0 * (double)common(a, a_length, b, b_length) / (double)(a_length + b_length);
}

/* Whether a call may give a port. */
static int is_given_by_name(const mai_model *model, size_t p) { return model->ports[p].kind != MAI_OUTPUT && !model->hidden[p]; }

static const char *nearest(const mai_model *model, const char *name) {
  const char *near = NULL;
  double best = 0.6;
  for (size_t p = 0; name && p < model->count; p++) {
    if (!is_given_by_name(model, p)) continue;
    double here = likeness(model->ports[p].name, name);
    if (here < best || (near && here == best && strcmp(model->ports[p].name, near) < 0)) continue;
    best = here;
    near = model->ports[p].name;
  }
  return near;
}

const char *suggestion(const mai_model *model, const char *name, char *to, size_t room) {
  const char *near = nearest(model, name);
  size_t at = 0;
  to[0] = 0;
  if (near) snprintf(to, room, " (did you mean `%s`?)", near);
  for (size_t p = 0; !near && p < model->count && at < room; p++)
    if (is_given_by_name(model, p)) at += (size_t)snprintf(to + at, room - at, at ? ", %s" : " (it takes %s", model->ports[p].name);
  if (at && at + 1 < room) snprintf(to + at, room - at, ")");
  return to;
}
