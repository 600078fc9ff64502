/* A call: its inputs checked together, the run, its results. */
#include "internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

mai_call *mai_call_new(const mai_model *model) {
  mai_call *call = calloc(1, sizeof *call);
  if (!call) return out_of_memory(), NULL;
  call->model = model;
  call->values = calloc(model->count + 1, sizeof *call->values);
  call->spread = calloc(model->count + 1, sizeof *call->spread);
  call->given = calloc(model->count + 1, sizeof *call->given);
  call->came = calloc(model->count + 1, sizeof *call->came);
  call->results = calloc(model->count + 1, sizeof *call->results);
  int right = call->values && call->spread && call->given && call->came && call->results;
  if (!right) out_of_memory();
  if (right && done(api->CreateRunOptions(&call->options), "ONNX Runtime")) return call;
  mai_call_free(call);
  return NULL;
}

void mai_call_free(mai_call *call) {
  if (!call) return;
  drop(call->given, call->model->count);
  drop(call->came, call->model->count);
  for (size_t p = 0; call->values && p < call->model->count; p++) free(call->values[p].data);
  if (call->options) api->ReleaseRunOptions(call->options);
  free(call->values);
  free(call->spread);
  free(call->given);
  free(call->came);
  free(call->results);
  free(call);
}

static int64_t batch_of(const mai_call *call) {
  int64_t batch = 1;
  for (size_t p = 0; p < call->model->count; p++)
    if (call->model->ports[p].kind == MAI_INPUT && call->values[p].data && call->values[p].dims[0] > batch) batch = call->values[p].dims[0];
  return batch;
}

/* The size of a name, by the first input that has it. */
static int find_size(const void *of, const char *name, size_t length, int64_t *size) {
  const mai_call *call = of;
  const mai_model *model = call->model;
  for (size_t p = 0; p < model->count; p++)
    for (int i = 0; model->ports[p].kind == MAI_INPUT && i < model->ports[p].rank; i++) {
      const char *here = model->ports[p].sizes[i];
      if (!here || !call->values[p].data || strncmp(here, name, length) != 0 || here[length]) continue;
      *size = call->values[p].dims[i + 1];
      return 1;
    }
  return 0;
}

/* Check a size that is not a number in the file: "P" has one value everywhere, within its limits, and "P + 2" follows from it. */
static int check_size(const mai_call *call, const char *size, int64_t here, const char *input) {
  const json *manifest = call->model->manifest;
  const char *past = json_text(json_member(manifest, "step"), "past_size"); /* a text has no token before its first turn */
  double usual = strpbrk(size, " +-*/()") || (past && strcmp(size, past) == 0) ? 0 : 1;
  double least = json_number(json_member(manifest, "least"), size, usual);
  double most = json_number(json_member(manifest, "most"), size, INFINITY);
  int64_t wanted;
  if ((double)here < least) return fail("`%s` is at least %g, `%s` has %" PRId64, size, least, input, here);
  if ((double)here > most) return fail("`%s` is at most %g, `%s` has %" PRId64, size, most, input, here);
  if (size_of(size, find_size, call, &wanted) && wanted != here)
    return fail("`%s` is %" PRId64 " here, and `%s` has %" PRId64, size, wanted, input, here);
  return 1;
}

static int check_numbers(const mai_port *port, const array *value) {
  size_t count = count_of(value->rank, value->dims);
  if (port->type == MAI_BOOLEAN || (isinf(port->minimum) && isinf(port->maximum))) return 1;
  for (size_t i = 0; i < count; i++)
    if (!check_range(port, port->type == MAI_FLOAT ? ((float *)value->data)[i] : (double)((int64_t *)value->data)[i])) return 0;
  return 1;
}

/* Check that a row of a prompt has its places without a token, -1, before its tokens. */
static int check_prompt(const mai_call *call, const mai_port *port, const array *value) {
  const char *prompt = json_text(json_member(call->model->manifest, "text"), "prompt");
  if (!prompt || strcmp(prompt, port->name) != 0 || value->rank != 2 || port->type != MAI_INTEGER) return 1;
  const int64_t *tokens = value->data;
  for (int64_t i = 0; i < value->dims[0] * value->dims[1]; i++)
    if (i % value->dims[1] && tokens[i] == -1 && tokens[i - 1] != -1)
      return fail("-1 stands before the tokens of `%s`, not between or after them", prompt);
  return 1;
}

static int check_input(const mai_call *call, size_t p) {
  const mai_port *port = &call->model->ports[p];
  const array *value = &call->values[p];
  int64_t batch = batch_of(call);
  if (!value->data) return fail("the input `%s` is missing", port->name);
  if (value->dims[0] == 0) return fail("the batch of `%s` is empty", port->name);
  if (value->dims[0] != 1 && value->dims[0] != batch)
    return fail("the batch is %" PRId64 ", and %" PRId64 " in `%s`", batch, value->dims[0], port->name);
  for (int i = 0; i < port->rank; i++)
    if (port->sizes[i] && !check_size(call, port->sizes[i], value->dims[i + 1], port->name)) return 0;
  return check_numbers(port, value) && check_prompt(call, port, value);
}

/* An input of one example, repeated for each of a batch. */
static int repeat(const array *value, mai_type type, int64_t batch, array *to) {
  size_t bytes = count_of(value->rank, value->dims) * width_of(type);
  char *all = malloc(bytes * (size_t)batch + 1);
  if (!all) return out_of_memory();
  for (int64_t i = 0; i < batch; i++) memcpy(all + (size_t)i * bytes, value->data, bytes);
  *to = *value;
  to->data = all;
  to->dims[0] = batch;
  return 1;
}

/* The default of a setting, where the graph has none (`--settings required`). */
static int put_default(mai_call *call, size_t p) {
  const mai_port *port = &call->model->ports[p];
  if (!port->has_initial) return fail("the setting `%s` must be given", port->name);
  return port->type == MAI_INTEGER ? mai_set_integer(call, port->name, (int64_t)port->initial) : mai_set(call, port->name, port->initial);
}

int put_defaults(mai_call *call) {
  const mai_model *model = call->model;
  if (json_number(model->manifest, "required", 0) == 0) return 1;
  for (size_t p = 0; p < model->count; p++)
    if (model->ports[p].kind == MAI_SETTING && model->taken[p] && !call->values[p].data && !put_default(call, p)) return 0;
  return 1;
}

/* The tensor of one port, from what the call was given. */
static int spread(mai_call *call, size_t p, int64_t batch) {
  const mai_port *port = &call->model->ports[p];
  const array *value = &call->values[p];
  if (port->kind == MAI_INPUT && value->dims[0] < batch) {
    if (!repeat(value, port->type, batch, &call->spread[p])) return 0;
    value = &call->spread[p];
  }
  return (call->given[p] = tensor_over(call->model, value, port->type)) != NULL;
}

/* The tensors of all ports, checked. */
static int prepare(mai_call *call) {
  const mai_model *model = call->model;
  int64_t batch = batch_of(call);
  for (size_t p = 0; p < model->count; p++)
    if (model->ports[p].kind == MAI_INPUT && !check_input(call, p)) return 0;
  if (!put_defaults(call)) return 0;
  for (size_t p = 0; p < model->count; p++)
    if (model->ports[p].kind != MAI_OUTPUT && model->taken[p] && call->values[p].data && !spread(call, p, batch)) return 0;
  return 1;
}

/* Read a tensor that came as a result. */
static int read_result(const mai_port *port, OrtValue *value, mai_result *result) {
  OrtTensorTypeAndShapeInfo *info;
  size_t rank = 0;
  void *data;
  if (!done(api->GetTensorTypeAndShape(value, &info), port->name)) return 0;
  int right = done(api->GetDimensionsCount(info, &rank), port->name) && rank <= MAI_AXES &&
              done(api->GetDimensions(info, result->dims, rank), port->name) &&
              done(api->GetTensorShapeElementCount(info, &result->count), port->name) &&
              done(api->GetTensorMutableData(value, &data), port->name);
  api->ReleaseTensorTypeAndShapeInfo(info);
  if (!right) return 0;
  result->name = port->name;
  result->type = port->type;
  result->rank = (int)rank;
  result->floats = port->type == MAI_FLOAT ? data : NULL;
  result->integers = port->type == MAI_INTEGER ? data : NULL;
  result->booleans = port->type == MAI_BOOLEAN ? data : NULL;
  return 1;
}

/* Whether every adaptive solver reached the end of its interval: its count of evaluations is negative where not. */
static int check_arrival(const mai_call *call) {
  const char *name = json_text(call->model->manifest, "evaluations");
  for (size_t k = 0; name && k < call->outputs; k++)
    for (size_t i = 0; strcmp(call->results[k].name, name) == 0 && i < call->results[k].count; i++)
      if (call->results[k].integers && call->results[k].integers[i] < 0)
        return fail("an adaptive solver did not arrive for example %zu: allow more steps or larger tolerances in the spec", i);
  return 1;
}

int compute(mai_call *call) {
  const mai_model *model = call->model;
  const char **names = malloc((model->count + 1) * sizeof *names), **wanted = malloc((model->count + 1) * sizeof *wanted);
  const OrtValue **values = malloc((model->count + 1) * sizeof *values);
  size_t count = 0, outputs = 0;
  int right = names && wanted && values ? 1 : out_of_memory();
  for (size_t p = 0; right && p < model->count; p++) {
    if (model->ports[p].kind == MAI_OUTPUT) wanted[outputs++] = model->ports[p].name;
    if (call->given[p]) {
      names[count] = model->ports[p].name;
      values[count++] = call->given[p];
    }
  }
  drop(call->came, model->count);
  call->outputs = 0;
  right = right && done(api->Run(model->session, call->options, names, values, count, wanted, outputs, call->came), "the file failed");
  right = done(api->RunOptionsUnsetTerminate(call->options), "the file failed") && right;
  for (size_t p = 0; right && p < model->count; p++)
    if (model->ports[p].kind == MAI_OUTPUT) {
      right = read_result(&model->ports[p], call->came[call->outputs], &call->results[call->outputs]);
      call->outputs++;
    }
  if (!right) call->outputs = 0;
  free(names);
  free(wanted);
  free(values);
  return right;
}

int mai_run(mai_call *call) {
  int right = prepare(call) && compute(call) && check_arrival(call);
  if (!right) call->outputs = 0;
  drop(call->given, call->model->count);
  for (size_t p = 0; p < call->model->count; p++) {
    free(call->spread[p].data);
    call->spread[p].data = NULL;
  }
  return right;
}

int mai_cancel(mai_call *call) { return done(api->RunOptionsSetTerminate(call->options), "the call goes on"); }

const mai_result *mai_output(const mai_call *call, const char *name) {
  if (!call->outputs) return fail("there are no results: the call has not run, or its last run failed"), NULL;
  for (size_t k = 0; k < call->outputs; k++)
    if (!name || strcmp(call->results[k].name, name) == 0) return &call->results[k];
  return fail("there is no output `%s`", name), NULL;
}
