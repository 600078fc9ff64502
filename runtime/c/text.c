/* A text token by token: the turns of a step file, each of which takes the states that the one before gave. */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mai_text {
  mai_call *call;
  const json *step;
  size_t tokens, past, turn, ended; /* the places of ports; the number of ports where there is none */
  size_t *after;                    /* of an input that is a state, the place of the output that is its next value */
  OrtValue **states;                /* of an input that is a state, its value */
  int64_t *waiting;                 /* what is not read yet */
  size_t count;
  int64_t read, turns, most;
  size_t counted;     /* the place of the setting that `most` is, where turns have it */
  long begun;         /* how often the call had been cancelled when the text began */
  int is_over;
  char failure[1024]; /* why it ended, where by an error */
};

static int find_ports(mai_text *text) {
  const mai_model *model = text->call->model;
  const json *states = json_member(text->step, "states");
  text->tokens = place_of(model, json_text(text->step, "tokens"), 0);
  text->past = place_of(model, json_text(text->step, "past"), 0);
  text->turn = place_of(model, json_text(text->step, "turn"), 0);
  text->ended = place_of(model, json_text(text->step, "ended"), 0);
  text->counted = place_of_count(model);
  if (text->tokens == model->count || text->past == model->count) return fail("the step file has no input of tokens");
  for (size_t p = 0; p < model->count; p++) text->after[p] = model->count;
  for (size_t i = 0; states && i < states->count; i++) {
    size_t from = place_of(model, states->items[i].name, 0), to = place_of(model, states->items[i].text, 1);
    if (from == model->count || to == model->count) return fail("the step file lacks the state `%s`", states->items[i].name);
    text->after[from] = to;
  }
  return 1;
}

/* The sizes of what stays the same in all turns, by which those of states are known. */
static int find_steady_size(const void *of, const char *name, size_t length, int64_t *size) {
  const mai_text *text = of;
  const char *past = json_text(text->step, "past_size");
  if (past && is_this_name(past, name, length)) {
    *size = 0;
    return 1;
  }
  return find_size(text->call, name, length, size);
}

/* A state before the first turn: zeros, and none along the axis of the text so far. */
static int begin_state(mai_text *text, size_t p) {
  const mai_port *port = &text->call->model->ports[p];
  OrtAllocator *allocator;
  int64_t dims[MAI_AXES] = {1};
  void *data;
  for (int i = 0; i < port->rank; i++) {
    dims[i + 1] = port->shape[i];
    if (port->sizes[i] && !size_of(port->sizes[i], find_steady_size, text, &dims[i + 1]))
      return fail("the state `%s` has an unknown size %s", port->name, port->sizes[i]);
  }
  const number_type *type = &types[port->type];
  size_t rank = (size_t)port->rank + 1, bytes = count_of((int)rank, dims) * type->width;
  if (!done(api->GetAllocatorWithDefaultOptions(&allocator), "a state") ||
      !done(api->CreateTensorAsOrtValue(allocator, dims, rank, type->element, &text->states[p]), "a state") ||
      !done(api->GetTensorMutableData(text->states[p], &data), "a state"))
    return 0;
  if (bytes) memset(data, 0, bytes);
  return 1;
}

static int begin_states(mai_text *text) {
  const mai_model *model = text->call->model;
  for (size_t p = 0; p < model->count; p++)
    if (text->after[p] < model->count && !begin_state(text, p)) return 0;
  return 1;
}

/* Take the prompt, without the -1 that may stand before its tokens. */
static int take_prompt(mai_text *text, int64_t *prompt, size_t length) {
  const mai_model *model = text->call->model;
  const char *name = json_text(json_member(model->manifest, "text"), "prompt");
  mai_port port = model->ports[text->tokens];
  array row = {prompt, 2, {1, (int64_t)length}};
  if (name) port.name = name;
  for (size_t i = 0; i < length; i++)
    if (!check_range(&port, (double)prompt[i])) return 0;
  if (text->counted < model->count && !check_range(&model->ports[text->counted], (double)text->most)) return 0;
  if (!check_prompt(model, &port, &row, text->most)) return 0;
  text->count = (size_t)count_of_row(prompt, (int64_t)length);
  memmove(prompt, prompt + (length - text->count), text->count * sizeof *prompt);
  return 1;
}

static int check_others(const mai_text *text) {
  const mai_model *model = text->call->model;
  for (size_t p = 0; p < model->count; p++) {
    const mai_port *port = &model->ports[p];
    const array *value = &text->call->values[p];
    if (port->kind != MAI_INPUT || p == text->tokens || text->after[p] < model->count) continue;
    if (!value->data) return fail("the input `%s` is missing", port->name); /* The names of states help nobody. */
    if (value->dims[0] != 1) return fail("a text is one row, `%s` has a batch of %" PRId64, port->name, value->dims[0]);
  }
  return check_sizes(text->call);
}

mai_text *mai_text_new(mai_call *call, const int64_t *prompt, size_t length, int64_t most) {
  const mai_model *model = call->model;
  const json *step = json_member(model->manifest, "step");
  if (!step) return fail("this is no file of one turn: take NAME.step.onnx"), NULL;
  mai_text *text = calloc(1, sizeof *text);
  if (!text) return out_of_memory(), NULL;
  text->call = call;
  text->step = step;
  text->most = most < 0 ? (int64_t)json_number(json_member(model->manifest, "text"), "usual", 0) : most;
  text->after = malloc((model->count + 1) * sizeof *text->after);
  text->states = calloc(model->count + 1, sizeof *text->states);
  text->waiting = malloc((length + 1) * sizeof *text->waiting);
  text->begun = cancels_of(call);
  int right = text->after && text->states && text->waiting ? 1 : out_of_memory();
  if (right && length) memcpy(text->waiting, prompt, length * sizeof *prompt);
  if (right && find_ports(text) && take_prompt(text, text->waiting, length) && check_others(text) && put_defaults(call) && begin_states(text))
    return text;
  mai_text_free(text);
  return NULL;
}

void mai_text_free(mai_text *text) {
  if (!text) return;
  drop(text->states, text->call->model->count);
  free(text->states);
  free(text->after);
  free(text->waiting);
  free(text);
}

/* The tensor of a port for one turn, over an array; none where the file has no such port. */
static int feed(mai_text *text, size_t p, const array *value) {
  const mai_model *model = text->call->model;
  if (p == model->count || !model->taken[p]) return 1;
  return (text->call->feeds[p] = tensor_over(model, value, model->ports[p].type)) != NULL;
}

/* All tensors of one turn: new tokens, counts, states, and the inputs and settings that stay the same. */
static int feed_turn(mai_text *text, int64_t *tokens, size_t count) {
  mai_call *call = text->call;
  const mai_model *model = call->model;
  const array new_tokens = {tokens, 2, {1, (int64_t)count}};
  const array past = {&text->read, 0, {0}}, turn = {&text->turns, 0, {0}}, most = {&text->most, 0, {0}};
  int right = feed(text, text->tokens, &new_tokens) && feed(text, text->past, &past) && feed(text, text->turn, &turn) &&
              feed(text, text->counted, &most);
  for (size_t p = 0; right && p < model->count; p++) {
    if (model->ports[p].kind == MAI_OUTPUT || !model->taken[p] || call->feeds[p]) continue;
    if (text->after[p] < model->count) call->feeds[p] = text->states[p];
    else if (call->values[p].data) right = feed(text, p, &call->values[p]);
  }
  return right;
}

/* Forget the tensors of a turn; states belong to the text. */
static void drop_turn(mai_text *text) {
  mai_call *call = text->call;
  for (size_t p = 0; p < call->model->count; p++)
    if (text->after[p] < call->model->count) call->feeds[p] = NULL;
  drop(call->feeds, call->model->count);
}

/* Take what a turn gave as the states of the next. A part of a prompt ends no row. */
static void take_states(mai_text *text, int is_part) {
  mai_call *call = text->call;
  const mai_model *model = call->model;
  size_t first = 0;
  while (model->ports[first].kind != MAI_OUTPUT) first++;
  for (size_t p = 0; p < model->count; p++) {
    if (text->after[p] == model->count || (is_part && p == text->ended)) continue;
    OrtValue **next = &call->fetches[text->after[p] - first];
    api->ReleaseValue(text->states[p]);
    text->states[p] = *next;
    *next = NULL;
  }
  call->outputs = 0; /* Its results were states. */
}

/* Read tokens, and choose the one after them. What the prompt's first parts choose counts for nothing. */
static int take(mai_text *text, int64_t *tokens, size_t count, int is_part, int64_t *chosen) {
  mai_call *call = text->call;
  if (!begin(call, text->begun)) return 0;
  int right = feed_turn(text, tokens, count) && compute(call);
  drop_turn(text);
  if (!right) return 0;
  const mai_result *next = mai_output(call, "next");
  if (!next || !next->integers) return fail("the step file gives no token");
  *chosen = next->integers[0];
  take_states(text, is_part);
  text->read += (int64_t)count;
  return 1;
}

/* Read a long prompt in parts of one block, the first one the shortest, but for the last. */
static int read_parts(mai_text *text) {
  size_t block = (size_t)json_number(text->step, "block", 0), at = 0;
  int64_t ignored;
  while (block && text->count - at > block) {
    size_t left = text->count - at, part = left % block ? left % block : block;
    if (!take(text, text->waiting + at, part, 1, &ignored)) return 0;
    at += part;
  }
  memmove(text->waiting, text->waiting + at, (text->count - at) * sizeof *text->waiting);
  text->count -= at;
  return 1;
}

int mai_next(mai_text *text, int64_t *token) {
  if (text->failure[0]) return fail("%s", text->failure), -1;
  if (text->is_over || text->turns >= text->most) return 0;
  if ((text->turns == 0 && !read_parts(text)) || !take(text, text->waiting, text->count, 0, token)) {
    snprintf(text->failure, sizeof text->failure, "%s", mai_message());
    return -1;
  }
  text->turns++;
  text->waiting[0] = *token;
  text->count = 1;
  text->is_over = *token < 0;
  return !text->is_over;
}
