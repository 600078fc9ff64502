/* A text token by token: the turns of a step file, each of which takes the states that the one before gave. */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mai_text {
  mai_call *call;
  states states;
  const json *step;
  size_t tokens, past, turn, ended; /* the places of ports; the number of ports where there is none */
  int64_t *waiting;                 /* what is not read yet */
  size_t count;
  int64_t read, turns, most;
  size_t counted;     /* the place of the setting that `most` is, where turns have it */
  time_limit limit;   /* of all turns together */
  long cancels;       /* how often the call had been cancelled when the text began */
  int is_over;
  char failure[1024]; /* why it ended, where by an error */
};

static int find_ports(mai_text *text) {
  const mai_model *model = text->call->model;
  text->tokens = place_of(model, json_text(text->step, "tokens"), 0);
  text->past = place_of(model, json_text(text->step, "past"), 0);
  text->turn = place_of(model, json_text(text->step, "turn"), 0);
  text->ended = place_of(model, json_text(text->step, "ended"), 0);
  text->counted = place_of_count(model);
  if (text->tokens == model->count || text->past == model->count) return fail("the step file has no input of tokens");
  return find_states(&text->states, text->call, json_member(text->step, "states"));
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
  if (!check_prompt(text->call, &port, &row, text->most)) return 0;
  text->count = (size_t)count_of_row(prompt, (int64_t)length);
  memmove(prompt, prompt + (length - text->count), text->count * sizeof *prompt);
  return 1;
}

static int check_others(const mai_text *text) {
  const mai_model *model = text->call->model;
  for (size_t p = 0; p < model->count; p++) {
    const mai_port *port = &model->ports[p];
    const array *value = &text->call->values[p];
    if (port->kind != MAI_INPUT || p == text->tokens || is_state(&text->states, p)) continue;
    if (!value->data) return fail("the input `%s` is missing", port->name); /* The names of states help nobody. */
    if (value->dims[0] != 1) return fail("a text is one row, `%s` has a batch of %" PRId64, port->name, value->dims[0]);
  }
  return check_sizes(text->call);
}

mai_text *mai_text_new(mai_call *call, const int64_t *prompt, size_t length, int64_t most) {
  if (!call) return NULL;
  const mai_model *model = call->model;
  const json *step = json_member(model->manifest, "step");
  if (!step) return fail("this is no file of one turn: take NAME.step.onnx"), NULL;
  mai_text *text = calloc(1, sizeof *text);
  if (!text) return out_of_memory(), NULL;
  text->call = text->states.call = call;
  text->step = step;
  text->limit = call->limit;
  text->most = most < 0 ? (int64_t)json_number(json_member(model->manifest, "text"), "usual", 0) : most;
  text->waiting = malloc((length + 1) * sizeof *text->waiting);
  text->cancels = cancels_of(call);
  int right = text->waiting ? 1 : out_of_memory();
  if (right && length) memcpy(text->waiting, prompt, length * sizeof *prompt);
  if (right && find_ports(text) && take_prompt(text, text->waiting, length) && check_others(text) && put_defaults(call) &&
      begin_states(&text->states, 1, find_steady_size, text))
    return text;
  mai_text_free(text);
  return NULL;
}

void mai_text_free(mai_text *text) {
  if (!text) return;
  free_states(&text->states);
  free(text->waiting);
  free(text);
}

/* The tensor of a port for one turn, over an array; none where the file has no such port. */
static int feed(mai_text *text, size_t p, const array *value) {
  const mai_model *model = text->call->model;
  if (p == model->count || !model->taken[p]) return 1;
  return (text->call->feeds[p] = tensor_over(model, value, model->ports[p].type)) != NULL;
}

/* All tensors of one turn but its states: new tokens, counts, and the inputs and settings that stay the same. */
static int feed_turn(mai_text *text, int64_t *tokens, size_t count) {
  mai_call *call = text->call;
  const mai_model *model = call->model;
  const array new_tokens = {tokens, 2, {1, (int64_t)count}};
  const array past = {&text->read, 0, {0}}, turn = {&text->turns, 0, {0}}, most = {&text->most, 0, {0}};
  int right = feed(text, text->tokens, &new_tokens) && feed(text, text->past, &past) && feed(text, text->turn, &turn) &&
              feed(text, text->counted, &most);
  for (size_t p = 0; right && p < model->count; p++) {
    if (model->ports[p].kind == MAI_OUTPUT || is_state(&text->states, p) || call->feeds[p]) continue;
    if (call->values[p].data) right = feed(text, p, &call->values[p]);
  }
  return right;
}

/* Read tokens, and choose the one after them. What the prompt's first parts choose counts for nothing. */
static int take(mai_text *text, int64_t *tokens, size_t count, int is_part, int64_t *chosen) {
  mai_call *call = text->call;
  if (!begin(call, text->cancels, text->limit)) return 0;
  int right = feed_turn(text, tokens, count) && compute_turn(&text->states);
  forget_feeds(call);
  text->limit = call->current;
  if (!right) return 0;
  const mai_result *next = mai_output(call, "next");
  if (!next || !next->integers) return fail("the step file gives no token");
  *chosen = next->integers[0];
  take_states(&text->states, is_part ? text->ended : call->model->count); /* A part of a prompt ends no row. */
  call->outputs = 0;                                                      /* Its results were states. */
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
  if (!text) return -1;
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
