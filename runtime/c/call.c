/* A call: its inputs checked together, the run, its results. */
#include "internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

mai_call *mai_call_new(const mai_model *model) {
  if (!model) return NULL;
  mai_call *call = calloc(1, sizeof *call);
  if (!call) return out_of_memory(), NULL;
  call->model = model;
  call->values = calloc(model->count + 1, sizeof *call->values);
  call->repeated = calloc(model->count + 1, sizeof *call->repeated);
  call->feeds = calloc(model->count + 1, sizeof *call->feeds);
  call->fetches = calloc(model->count + 1, sizeof *call->fetches);
  call->results = calloc(model->count + 1, sizeof *call->results);
  call->limit = call->current = (time_limit){INFINITY, INFINITY};
  int right = call->values && call->repeated && call->feeds && call->fetches && call->results;
  if (!right) out_of_memory();
  if (right && done(api->CreateRunOptions(&call->options), "ONNX Runtime")) return call;
  mai_call_free(call);
  return NULL;
}

void mai_call_free(mai_call *call) {
  if (!call) return;
  drop(call->feeds, call->model->count);
  drop(call->fetches, call->model->count);
  for (size_t p = 0; call->values && p < call->model->count; p++) free(call->values[p].data);
  if (call->options) api->ReleaseRunOptions(call->options);
  free(call->notes);
  free(call->values);
  free(call->repeated);
  free(call->feeds);
  free(call->fetches);
  free(call->results);
  free(call);
}

/* An input of one example, repeated for each of a batch. */
static int repeat(const array *value, mai_type type, int64_t batch, array *to) {
  size_t bytes = count_of(value->rank, value->dims) * types[type].width;
  char *all = bytes <= (size_t)(PTRDIFF_MAX - 1) / (size_t)batch ? malloc(bytes * (size_t)batch + 1) : NULL;
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

/* Whether the graph has a port that a call gives. */
static int is_asked(const mai_call *call, size_t p) { return call->model->taken[p] && !call->model->hidden[p]; }

int put_defaults(mai_call *call) {
  const mai_model *model = call->model;
  if (json_number(model->manifest, "required", 0) == 0) return 1;
  for (size_t p = 0; p < model->count; p++)
    if (model->ports[p].kind == MAI_SETTING && is_asked(call, p) && !call->values[p].data && !put_default(call, p)) return 0;
  return 1;
}

/* The tensor of one port, from what the call was given. */
static int feed(mai_call *call, size_t p, int64_t batch) {
  const mai_port *port = &call->model->ports[p];
  const array *value = &call->values[p];
  if (port->kind == MAI_INPUT && value->dims[0] < batch) {
    if (!repeat(value, port->type, batch, &call->repeated[p])) return 0;
    value = &call->repeated[p];
  }
  return (call->feeds[p] = tensor_over(call->model, value, port->type)) != NULL;
}

static int check_all_there(const mai_call *call) {
  const mai_model *model = call->model;
  char words[512];
  for (size_t p = 0; p < model->count; p++)
    if (model->ports[p].kind == MAI_INPUT && !model->hidden[p] && !call->values[p].data)
      return fail("the input `%s` is missing%s", model->ports[p].name, suggestion(model, NULL, words, sizeof words));
  return 1;
}

/* Check the prompt of a file that grows a whole text: the number of new tokens is a setting, its default, or fixed. */
static int check_text(mai_call *call) {
  const mai_model *model = call->model;
  const json *whole = json_member(model->manifest, "text");
  const char *prompt = json_text(whole, "prompt");
  if (!prompt || json_member(model->manifest, "step")) return 1;
  int64_t count = (int64_t)json_number(whole, "count", json_number(whole, "usual", 0));
  size_t p = place_of(model, prompt, 0), counted = place_of_count(model);
  if (counted < model->count && call->values[counted].data) count = *(int64_t *)call->values[counted].data;
  return p == model->count || model->ports[p].rank != 1 || check_prompt(call, &model->ports[p], &call->values[p], count);
}

int prepare(mai_call *call) {
  const mai_model *model = call->model;
  if (!check_all_there(call) || !check_sizes(call) || !check_text(call) || !put_defaults(call)) return 0;
  int64_t batch = batch_of(call);
  for (size_t p = 0; p < model->count; p++)
    if (model->ports[p].kind != MAI_OUTPUT && is_asked(call, p) && call->values[p].data && !feed(call, p, batch)) return 0;
  return 1;
}

void forget_feeds(mai_call *call) {
  drop(call->feeds, call->model->count);
  for (size_t p = 0; p < call->model->count; p++) {
    free(call->repeated[p].data);
    call->repeated[p].data = NULL;
  }
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

/* Read all results that a program sees; none is there where one fails. */
static int read_results(mai_call *call) {
  const mai_model *model = call->model;
  OrtValue **fetch = call->fetches;
  for (size_t p = 0; p < model->count; p++) {
    if (model->ports[p].kind != MAI_OUTPUT) continue;
    OrtValue *value = *fetch++;
    if (model->hidden[p]) continue;
    if (!read_result(&model->ports[p], value, &call->results[call->outputs])) return call->outputs = 0;
    call->outputs++;
  }
  return 1;
}

int read_output(const mai_call *call, const char *name, mai_result *result) {
  const mai_model *model = call->model;
  size_t place = place_of(model, name, 1), first = 0;
  if (place == model->count) return fail("the file has no output `%s`", name ? name : "");
  while (model->ports[first].kind != MAI_OUTPUT) first++;
  return read_result(&model->ports[place], call->fetches[place - first], result);
}

/* Its count of evaluations is negative where a solver did not arrive. */
int check_arrival(const mai_call *call) {
  const char *name = json_text(call->model->manifest, "evaluations");
  for (size_t k = 0; name && k < call->outputs; k++)
    for (size_t i = 0; strcmp(call->results[k].name, name) == 0 && i < call->results[k].count; i++)
      if (call->results[k].integers && call->results[k].integers[i] < 0)
        return fail("an adaptive solver did not arrive for example %zu: allow more steps or larger tolerances in the spec", i);
  return 1;
}

static int cancelled(mai_call *call) {
  call->was_cancelled = 1;
  return fail("the call was ended by mai_cancel");
}

/* The count goes up before the mark is set, and a run takes the mark away before it looks at the count: none is lost. */
int begin(mai_call *call, long since, time_limit limit) {
  call->cancels_before = since;
  call->current = limit;
  call->was_cancelled = call->timed_out = 0;
  if (!done(api->RunOptionsUnsetTerminate(call->options), "the call cannot begin")) return 0;
  return cancels_of(call) == since || cancelled(call);
}

/* A run of ONNX Runtime: what it takes, and what it is to give, by name. */
typedef struct {
  mai_call *call;
  const char **names, **wanted;
  const OrtValue **values;
  size_t count, outputs;
} session_run;

static int run_session(void *of) {
  const session_run *run = of;
  mai_call *call = run->call;
  OrtStatus *status = api->Run(call->model->session, call->options, run->names, run->values, run->count, run->wanted, run->outputs, call->fetches);
  return done(status, "the file failed");
}

int compute(mai_call *call) {
  const mai_model *model = call->model;
  const char **names = malloc((model->count + 1) * sizeof *names), **wanted = malloc((model->count + 1) * sizeof *wanted);
  const OrtValue **values = malloc((model->count + 1) * sizeof *values);
  size_t count = 0, outputs = 0;
  int right = names && wanted && values ? 1 : out_of_memory();
  for (size_t p = 0; right && p < model->count; p++) {
    if (model->ports[p].kind == MAI_OUTPUT) wanted[outputs++] = model->ports[p].name;
    if (call->feeds[p]) {
      names[count] = model->ports[p].name;
      values[count++] = call->feeds[p];
    }
  }
  drop(call->fetches, model->count);
  call->outputs = 0;
  session_run run = {call, names, wanted, values, count, outputs};
  right = right && run_within_limit(call, run_session, &run);
  if (!right && (cancels_of(call) != call->cancels_before || strstr(mai_message(), "terminate flag"))) cancelled(call);
  free(names);
  free(wanted);
  free(values);
  return right && read_results(call);
}

int mai_run(mai_call *call) {
  if (!call) return 0;
  if (json_member(call->model->manifest, "part")) return run_all_turns(call);
  int right = begin(call, cancels_of(call), call->limit) && prepare(call) && compute(call) && check_arrival(call);
  if (!right) call->outputs = 0;
  forget_feeds(call);
  return right;
}

#ifdef _MSC_VER
#include <intrin.h>
long cancels_of(const mai_call *call) { return _InterlockedOr((volatile long *)&call->cancels, 0); }
static void count_cancel(mai_call *call) { _InterlockedIncrement(&call->cancels); }
#else
long cancels_of(const mai_call *call) { return __atomic_load_n(&call->cancels, __ATOMIC_SEQ_CST); }
static void count_cancel(mai_call *call) { __atomic_fetch_add(&call->cancels, 1, __ATOMIC_SEQ_CST); }
#endif

int mai_cancel(mai_call *call) {
  if (!call) return 0;
  count_cancel(call);
  return done(api->RunOptionsSetTerminate(call->options), "the call goes on");
}

int mai_was_cancelled(const mai_call *call) { return call && call->was_cancelled; }

const mai_result *mai_output(const mai_call *call, const char *name) {
  if (!call) return NULL;
  if (!call->outputs) return fail("there are no results: the call has not run, or its last run failed"), NULL;
  for (size_t k = 0; k < call->outputs; k++)
    if (!name || strcmp(call->results[k].name, name) == 0) return &call->results[k];
  return fail("there is no output `%s`", name), NULL;
}
