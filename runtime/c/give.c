/* What a call is given: settings and inputs by name, checked one by one. */
#include "internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Copy a value of a port into the call. */
static int keep(mai_call *call, const mai_port *port, const void *data, size_t bytes, int rank, const int64_t *dims) {
  call->changes++;
  return put(&call->values[port - call->model->ports], data, bytes, rank, dims);
}

/* The port of an input or a setting; NULL, with a message, where there is none. */
static const mai_port *port_to_give(const mai_model *model, const char *name, mai_kind kind) {
  if (!name) {
    fail("an input or a setting is given by its name, and there is none");
    return NULL;
  }
  size_t p = place_of(model, name, 0);
  if (p < model->count && model->hidden[p]) p = model->count;
  if (p < model->count && model->ports[p].kind == kind) return &model->ports[p];
  if (p < model->count) {
    fail(kind == MAI_SETTING ? "`%s` is an input, which mai_give_... takes" : "`%s` is a setting, which mai_set takes", name);
    return NULL;
  }
  char words[512];
  fail("there is no input or setting `%.60s`%s", name, suggestion(model, name, words, sizeof words));
  return NULL;
}

int check_range(const mai_port *port, double value) {
  int digits = port->type == MAI_FLOAT ? 9 : 16;
  if (!(value < port->minimum) && !(value > port->maximum)) return 1;
  if (isinf(port->maximum)) return fail("`%s` is at least %.*g, this holds %.*g", port->name, digits, port->minimum, digits, value);
  if (isinf(port->minimum)) return fail("`%s` is at most %.*g, this holds %.*g", port->name, digits, port->maximum, digits, value);
  return fail("`%s` is from %.*g to %.*g, this holds %.*g", port->name, digits, port->minimum, digits, port->maximum, digits, value);
}

int mai_set_integer(mai_call *call, const char *setting, int64_t value) {
  if (!call) return 0;
  const mai_port *port = port_to_give(call->model, setting, MAI_SETTING);
  if (!port) return 0;
  if (port->type != MAI_INTEGER) return mai_set(call, setting, (double)value);
  return check_range(port, (double)value) && keep(call, port, &value, sizeof value, 0, NULL);
}

/* A number is whole, and not so large that a double has only every second one. */
static int check_whole(const mai_port *port, double value) {
  if (port->type == MAI_BOOLEAN && value != floor(value)) return fail("`%s` is false or true, 0 or 1, this is %g", port->name, value);
  if (value == floor(value) && fabs(value) <= 9007199254740992.0) return 1;
  const char *help = value == floor(value) && isfinite(value) ? " (mai_set_integer takes large ones)" : "";
  return fail("`%s` is a whole number (int64), this holds %.16g%s", port->name, value, help);
}

int mai_set(mai_call *call, const char *setting, double value) {
  if (!call) return 0;
  const mai_port *port = port_to_give(call->model, setting, MAI_SETTING);
  if (!port) return 0;
  if (!isfinite(value) && isfinite(port->initial) && port->type != MAI_INTEGER) return fail("`%s` is a finite number, this is %g", setting, value);
  if (port->type == MAI_FLOAT && isfinite(value) && !isfinite((float)value)) return fail("`%s` is a real number (float32), this holds %g", setting, value);
  if (port->type != MAI_FLOAT && !check_whole(port, value)) return 0;
  if (!check_range(port, value)) return 0;
  if (port->type == MAI_FLOAT) {
    float real = (float)value;
    return keep(call, port, &real, sizeof real, 0, NULL);
  }
  int64_t whole = (int64_t)value;
  unsigned char truth = whole != 0;
  return port->type == MAI_INTEGER ? keep(call, port, &whole, sizeof whole, 0, NULL) : keep(call, port, &truth, 1, 0, NULL);
}

static void write_sizes(char *to, size_t room, int rank, const int64_t *dims) {
  size_t at = 0;
  to[0] = 0;
  for (int i = 0; i < rank && at < room; i++) at += (size_t)snprintf(to + at, room - at, i ? ", %" PRId64 : "%" PRId64, dims[i]);
}

static void write_shape(char *to, size_t room, const mai_port *port) {
  size_t at = (size_t)snprintf(to, room, "batch");
  for (int i = 0; i < port->rank && at < room; i++)
    at += port->sizes[i] ? (size_t)snprintf(to + at, room - at, ", %s", port->sizes[i])
                         : (size_t)snprintf(to + at, room - at, ", %" PRId64, port->shape[i]);
}

static int fits(const mai_port *port, int rank, const int64_t *dims) {
  if (rank != port->rank) return 0;
  for (int i = 0; i < rank; i++)
    if (port->shape[i] >= 0 && port->shape[i] != dims[i]) return 0;
  return 1;
}

static int check_numbers(const mai_port *port, const void *values, size_t count) {
  if (port->type == MAI_BOOLEAN || (isinf(port->minimum) && isinf(port->maximum))) return 1;
  for (size_t i = 0; i < count; i++)
    if (!check_range(port, port->type == MAI_FLOAT ? ((const float *)values)[i] : (double)((const int64_t *)values)[i])) return 0;
  return 1;
}

/* Take a value: the sizes with the batch in front, and where an example is given alone, with a batch of one. */
static int give(mai_call *call, const char *input, mai_type type, const void *values, int rank, const int64_t *dims) {
  if (!call) return 0;
  const mai_port *port = port_to_give(call->model, input, MAI_INPUT);
  int64_t whole[MAI_AXES] = {1};
  if (!port) return 0;
  if (port->type != type) return fail("`%s` is %s, this is %s", input, types[port->type].name, types[type].name);
  if (rank > 0 && !dims) return fail("`%s` is given %d sizes, and they are not there", input, rank);
  if (rank < 0 || rank > MAI_AXES) return fail("`%s` is given %d sizes, and at most %d are taken", input, rank, MAI_AXES);
  for (int i = 0; i < rank; i++)
    if (dims[i] < 0) return fail("a size of `%s` is %" PRId64, input, dims[i]);
  if (rank >= 1 && fits(port, rank - 1, dims + 1)) {
    memcpy(whole, dims, (size_t)rank * sizeof *dims);
  } else if (rank < MAI_AXES && fits(port, rank, dims)) {
    if (rank) memcpy(whole + 1, dims, (size_t)rank * sizeof *dims);
    rank++;
  } else {
    char wanted[512], here[512];
    write_shape(wanted, sizeof wanted, port);
    write_sizes(here, sizeof here, rank, dims);
    return fail("`%s` is [%s], this is [%s]", input, wanted, here);
  }
  if (!count_within(rank, whole, types[type].width)) return fail("the sizes of `%s` are more than any memory holds", input);
  size_t count = count_of(rank, whole);
  if (count && !values) return fail("there are no numbers for `%s`", input);
  if (!check_numbers(port, values, count) || (type == MAI_FLOAT && !check_field(call->model, port, values, count))) return 0;
  if (!keep(call, port, values, count * types[type].width, rank, whole)) return 0;
  if (type == MAI_FLOAT) blank_absent(call->model, port, call->values[port - call->model->ports].data, count);
  return 1;
}

int mai_give_floats(mai_call *call, const char *input, const float *values, int rank, const int64_t *dims) {
  return give(call, input, MAI_FLOAT, values, rank, dims);
}

int mai_give_booleans(mai_call *call, const char *input, const unsigned char *values, int rank, const int64_t *dims) {
  if (!give(call, input, MAI_BOOLEAN, values, rank, dims)) return 0;
  array *taken = &call->values[place_of(call->model, input, 0)];
  unsigned char *truths = taken->data;
  for (size_t i = 0; i < count_of(taken->rank, taken->dims); i++) truths[i] = truths[i] != 0; /* ONNX Runtime takes others amiss. */
  return 1;
}

int mai_give_integers(mai_call *call, const char *input, const int64_t *values, int rank, const int64_t *dims) {
  return give(call, input, MAI_INTEGER, values, rank, dims);
}
