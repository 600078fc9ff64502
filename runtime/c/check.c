/* What inputs have to be together: one batch, one value of each named size, tokens that a text can go on from. */
#include "internal.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static int is_given(const mai_call *call, size_t p) { return call->model->ports[p].kind == MAI_INPUT && call->values[p].data; }

int64_t batch_of(const mai_call *call) {
  int64_t batch = 1;
  for (size_t p = 0; p < call->model->count; p++)
    if (is_given(call, p) && call->values[p].dims[0] > batch) batch = call->values[p].dims[0];
  return batch;
}

/* The first input with a named size, and the size there; NULL where none has it. */
static const mai_port *find_first(const mai_call *call, const char *name, size_t length, int64_t *size) {
  const mai_model *model = call->model;
  for (size_t p = 0; p < model->count; p++)
    for (int i = 0; is_given(call, p) && i < model->ports[p].rank; i++) {
      const char *here = model->ports[p].sizes[i];
      if (!here || !is_this_name(here, name, length)) continue;
      *size = call->values[p].dims[i + 1];
      return &model->ports[p];
    }
  return NULL;
}

int find_size(const void *of, const char *name, size_t length, int64_t *size) {
  const mai_call *call = of;
  if (find_first(call, name, length, size)) return 1;
  for (size_t p = 0; p < call->model->count; p++) {
    const mai_port *port = &call->model->ports[p];
    if (port->kind != MAI_SETTING || port->type != MAI_INTEGER || !is_this_name(port->name, name, length)) continue;
    if (!call->values[p].data && !port->has_initial) return 0;
    *size = call->values[p].data ? *(int64_t *)call->values[p].data : (int64_t)port->initial;
    return 1;
  }
  return 0;
}

static int check_batch(const mai_call *call, size_t p) {
  int64_t here = call->values[p].dims[0], first;
  if (here == 0) return fail("the batch of `%s` is empty", call->model->ports[p].name);
  for (size_t q = 0; here != 1 && q < p; q++) {
    if (!is_given(call, q) || (first = call->values[q].dims[0]) == 1 || first == here) continue;
    return fail("the batch is %" PRId64 " in `%s` and %" PRId64 " in `%s`", first, call->model->ports[q].name, here, call->model->ports[p].name);
  }
  return 1;
}

/* The smallest that a named size may be: 1 where the file says nothing, but before the first turn of a text no token is read. */
static double least_of(const mai_model *model, const char *size) {
  const char *past = json_text(json_member(model->manifest, "step"), "past_size");
  return json_number(json_member(model->manifest, "least"), size, past && strcmp(past, size) == 0 ? 0 : 1);
}

/* A named size is the same everywhere and within its limits. */
static int check_named(const mai_call *call, const char *name, int64_t here, const char *input) {
  double least = least_of(call->model, name), most = json_number(json_member(call->model->manifest, "most"), name, INFINITY);
  int64_t size = here;
  const mai_port *first = find_first(call, name, strlen(name), &size);
  if (first && size != here) return fail("`%s` is %" PRId64 " in `%s` and %" PRId64 " in `%s`", name, size, first->name, here, input);
  if ((double)here < least) return fail("`%s` is at least %g, `%s` has %" PRId64, name, least, input, here);
  return (double)here > most ? fail("`%s` is at most %g, `%s` has %" PRId64, name, most, input, here) : 1;
}

/* What is made of several numbers of a call, "n - m", is large enough, as far as these numbers are known. */
static int check_least(const mai_call *call) {
  const json *least = json_member(call->model->manifest, "least");
  int64_t size;
  for (size_t i = 0; least && i < least->count; i++) {
    const json *each = &least->items[i];
    if (!is_name(each->name) && size_of(each->name, find_size, call, &size) && (double)size < each->number)
      return fail("`%s` is at least %g, here it is %" PRId64, each->name, each->number, size);
  }
  return 1;
}

int check_sizes(const mai_call *call) {
  const mai_model *model = call->model;
  int64_t wanted;
  for (size_t p = 0; p < model->count; p++) {
    const mai_port *port = &model->ports[p];
    if (is_given(call, p) && !check_batch(call, p)) return 0;
    for (int i = 0; is_given(call, p) && i < port->rank; i++)
      if (port->sizes[i] && is_name(port->sizes[i]) && !check_named(call, port->sizes[i], call->values[p].dims[i + 1], port->name)) return 0;
  }
  for (size_t p = 0; p < model->count; p++)
    for (int i = 0; is_given(call, p) && i < model->ports[p].rank; i++) {
      const char *size = model->ports[p].sizes[i];
      int64_t here = call->values[p].dims[i + 1];
      if (size && !is_name(size) && size_of(size, find_size, call, &wanted) && wanted != here)
        return fail("`%s` is %" PRId64 " here, and `%s` has %" PRId64, size, wanted, model->ports[p].name, here);
    }
  return check_least(call);
}

int64_t count_of_row(const int64_t *row, int64_t length) {
  int64_t count = 0;
  for (int64_t i = 0; i < length; i++) count += row[i] >= 0;
  return count;
}

/* Check that -1, which is no token, stands before the tokens only; `longest` and `fewest` are counts of tokens of rows. */
static int check_rows(const mai_port *port, const array *rows, int64_t *longest, int64_t *fewest) {
  int64_t length = rows->dims[1];
  for (int64_t r = 0; r < rows->dims[0]; r++) {
    const int64_t *row = (const int64_t *)rows->data + r * length;
    int64_t count = count_of_row(row, length);
    if (!count) return fail("`%s` has no token: the text to go on from needs at least one", port->name);
    if (count_of_row(row + (length - count), count) < count) {
      const char *help = "cut off the -1 that a row which ended early has behind it";
      return fail("-1 stands before the tokens of `%s`, not between or after them (%s)", port->name, help);
    }
    if (!r || count > *longest) *longest = count;
    if (!r || count < *fewest) *fewest = count;
  }
  return 1;
}

int check_prompt(mai_call *call, const mai_port *port, const array *rows, int64_t count) {
  const mai_model *model = call->model;
  const json *text = json_member(model->manifest, "text");
  int64_t longest = 0, fewest = 0, limit = (int64_t)json_number(text, "limit", 0);
  const char *size = port->sizes[0], *setting = json_text(text, "count");
  if (!check_rows(port, rows, &longest, &fewest)) return 0;
  double least = size ? least_of(model, size) : 1;
  if ((double)fewest < least)
    return fail("`%s` is at least %g, a row of `%s` has %" PRId64 " token%s", size, least, port->name, fewest, fewest == 1 ? "" : "s");
  call->length = count < INT64_MAX - longest ? longest + count : INT64_MAX;
  if (!limit || count <= limit - longest + 1) return 1;
  const char *words = "this model reads at most %" PRId64 " tokens: %" PRId64 " of the prompt and %" PRId64 " more are too many";
  fail(words, limit, longest, count);
  return setting && longest <= limit ? fail_more(" (%s=%" PRId64 " fits)", setting, limit - longest + 1) : 0;
}
