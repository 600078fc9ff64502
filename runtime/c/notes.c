/* What is to be said of the values of a call, which are computed all the same: numbers far outside of those of the training data, shares of
   1 in the place of per cent, texts longer than those that were trained on. The words are those of Python. */
#include "internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_NOTES 5 /* of one input */

/* The numbers of an input, [rows, width], and what its field was in the data: one range for all, or one for each of its columns. */
typedef struct {
  const char *name;
  const json *facts;
  const float *numbers;
  size_t rows, width, columns;
} field;

/* From which to which number a column was in training, and which numbers are near these: none is far where it was one number, or dates. */
typedef struct {
  double low, high, from, to;
} range;

/* Put a line behind the notes of a call. */
static int add(mai_call *call, const char *form, ...) {
  size_t before = call->notes ? strlen(call->notes) : 0;
  va_list words, again;
  va_start(words, form);
  va_copy(again, words);
  size_t more = (size_t)vsnprintf(NULL, 0, form, again);
  va_end(again);
  char *longer = realloc(call->notes, before + more + 1);
  if (longer) vsnprintf((call->notes = longer) + before, more + 1, form, words);
  va_end(words);
  return longer ? 1 : out_of_memory();
}

/* A count with commas between its thousands. */
static void write_count(char to[32], size_t count) {
  char digits[24];
  int length = snprintf(digits, sizeof digits, "%zu", count), at = 0;
  for (int i = 0; i < length; i++) {
    if (i && (length - i) % 3 == 0) to[at++] = ',';
    to[at++] = digits[i];
  }
  to[at] = 0;
}

static range range_of(const field *of, size_t column) {
  const json *low = json_member(of->facts, "low"), *high = json_member(of->facts, "high"), *near = json_member(of->facts, "near");
  range all = {INFINITY, -INFINITY, INFINITY, -INFINITY};
  for (size_t i = 0; low && high && i < low->count && i < high->count; i++) {
    if (of->columns > 1 && i != column) continue;
    all.low = fmin(all.low, low->items[i].number);
    all.high = fmax(all.high, high->items[i].number);
    const json *ends = near && i < near->count ? &near->items[i] : NULL;
    if (!ends || ends->count != 2) continue;
    all.from = fmin(all.from, ends->items[0].number);
    all.to = fmax(all.to, ends->items[1].number);
  }
  return all;
}

/* The numbers of a column in a row, and how many they are. */
static const float *numbers_in(const field *of, size_t row, size_t column, size_t *count) {
  *count = of->columns > 1 ? 1 : of->width;
  return of->numbers + row * of->width + column;
}

/* How many rows hold numbers that lie far outside, as NaN does not, and the first of these. */
static size_t far_rows(const field *of, size_t column, const range *within, double *first) {
  size_t rows = 0, count;
  for (size_t row = 0; within->from < within->to && row < of->rows; row++) {
    const float *numbers = numbers_in(of, row, column, &count);
    size_t i = 0;
    while (i < count && !(numbers[i] < within->from || numbers[i] > within->to)) i++;
    if (i == count) continue;
    if (!rows) *first = numbers[i];
    rows++;
  }
  return rows;
}

static double largest(const field *of, size_t column) {
  double most = 0;
  size_t count;
  for (size_t row = 0; row < of->rows; row++) {
    const float *numbers = numbers_in(of, row, column, &count);
    for (size_t i = 0; i < count; i++) most = fmax(most, fabs(numbers[i])); /* NaN is none. */
  }
  return most;
}

/* What a column is called: in the table that was trained on, or by its place in the input. */
static void write_name(char *to, size_t room, const field *of, size_t column) {
  const json *names = json_member(of->facts, "columns");
  const char *own = of->columns > 1 && names && column < names->count ? names->items[column].text : NULL;
  if (of->columns > 1 && !own) snprintf(to, room, "%s%zu", of->name, column);
  else snprintf(to, room, "%s", own ? own : of->name);
}

static int note_far(mai_call *call, const field *of, size_t column, size_t *count) {
  char name[256], rows[32];
  double first = 0;
  const range within = range_of(of, column);
  const size_t far = far_rows(of, column, &within, &first);
  if (!far || ++*count > MOST_NOTES) return 1;
  write_name(name, sizeof name, of, column);
  write_count(rows, far);
  return add(call, "`%s`: %s row%s far outside of what training had, %.6g to %.6g: %.6g for one\n", name, rows, far == 1 ? " is" : "s are",
             within.low, within.high, first);
}

/* Of a column that was per cent in training, as 52 %, and is no more than 1 here: such numbers may be shares, as 0.52. */
static int note_share(mai_call *call, const field *of, size_t column, size_t *count) {
  const json *cells = json_member(of->facts, "percents"), *middle = json_member(of->facts, "middle");
  const char *cell = cells && column < cells->count ? cells->items[column].text : NULL;
  if (!cell || !strchr(cell, '%') || !middle || column >= middle->count || !(fabs(middle->items[column].number) > 1)) return 1;
  const double size = largest(of, column);
  if (!(size > 0 && size <= 1) || ++*count > MOST_NOTES) return 1;
  char name[256];
  write_name(name, sizeof name, of, column);
  return add(call, "`%s`: training had per cent, as `%s`: %.6g is %.6g %%, and not a share of 1\n", name, cell, size, size);
}

static int note_field(mai_call *call, const field *of) {
  size_t count = 0;
  char more[32];
  for (size_t column = 0; column < of->columns; column++)
    if (!note_far(call, of, column, &count)) return 0;
  for (size_t column = 0; column < of->columns; column++)
    if (!note_share(call, of, column, &count)) return 0;
  if (count <= MOST_NOTES) return 1;
  write_count(more, count - MOST_NOTES);
  return add(call, "`%s`: so are %s more of its numbers\n", of->name, more);
}

/* The notes on an input of real numbers that was a field of the data. */
static int note_input(mai_call *call, const mai_port *port, const array *value) {
  const json *facts = facts_of(call->model, port), *low = json_member(facts, "low");
  const size_t count = value->data ? count_of(value->rank, value->dims) : 0;
  if (port->kind != MAI_INPUT || port->type != MAI_FLOAT || !low || !count) return 1;
  const size_t rows = (size_t)value->dims[0], width = count / rows;
  const field of = {port->name, facts, value->data, rows, width, low->count == width ? width : 1};
  return note_field(call, &of);
}

static int note_length(mai_call *call) {
  const double context = json_number(json_member(call->model->manifest, "text"), "context", INFINITY);
  if (!((double)call->length > context)) return 1;
  const char *words = "this text may have more than %.0f tokens, and the model was trained on none so long: what it writes there may be worse\n";
  return add(call, words, context);
}

const char *mai_notes(mai_call *call) {
  if (!call) return NULL;
  int right = 1;
  free(call->notes);
  call->notes = NULL;
  for (size_t p = 0; right && p < call->model->count; p++) right = note_input(call, &call->model->ports[p], &call->values[p]);
  if (!right || !note_length(call)) return NULL;
  return call->notes ? call->notes : "";
}
