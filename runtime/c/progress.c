/* A call some turns of its loops at a time, by a file of some turns (`NAME.step.onnx`): how far it is, and what it has come to. */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define MOST_TURNS 2147483647 /* of one run */

struct mai_progress {
  states states;
  const json *part;
  size_t before, now; /* the places of settings */
  int64_t taken, every, total;
  time_limit limit;   /* of all turns together */
  size_t changes;     /* how often the call had been given a value when these turns began */
  long cancels;       /* how often the call had been cancelled then */
  char failure[1024]; /* why it ended, where by an error */
};

/* How many examples there are: as many as inputs have, or by the setting `batch` where there are no inputs. */
static int64_t examples_of(const mai_call *call) {
  int64_t batch = batch_of(call), said;
  size_t p = place_of(call->model, "batch", 0);
  int is_setting = p < call->model->count && call->model->ports[p].kind == MAI_SETTING;
  return batch == 1 && is_setting && find_size(call, "batch", 5, &said) ? said : batch;
}

/* The tensors of a run but for states, checked. */
static int feed_part(mai_progress *progress) {
  mai_call *call = progress->states.call;
  const array before = {&progress->taken, 0, {0}}, now = {&progress->every, 0, {0}};
  return prepare(call) && (call->feeds[progress->before] = tensor_over(call->model, &before, MAI_INTEGER)) &&
         (call->feeds[progress->now] = tensor_over(call->model, &now, MAI_INTEGER));
}

static int begin_turns(mai_progress *progress) {
  mai_call *call = progress->states.call;
  progress->before = place_of(call->model, json_text(progress->part, "before"), 0);
  progress->now = place_of(call->model, json_text(progress->part, "now"), 0);
  if (progress->before == call->model->count || progress->now == call->model->count) return fail("the step file does not say its turns");
  int right = find_states(&progress->states, call, json_member(progress->part, "states")) && feed_part(progress) &&
              begin_states(&progress->states, examples_of(call), find_size, call);
  forget_feeds(call);
  progress->changes = call->changes; /* The defaults of settings that the graph has none for were given, too. */
  return right;
}

mai_progress *mai_progress_new(mai_call *call, int64_t every) {
  if (!call) return NULL;
  const json *part = json_member(call->model->manifest, "part");
  if (!part) return fail("this is no file of some turns: take NAME.step.onnx, which mai compile --progress writes"), NULL;
  if (every < 1) return fail("`every` is at least 1, a whole number, this is %" PRId64, every), NULL;
  mai_progress *progress = calloc(1, sizeof *progress);
  if (!progress) return out_of_memory(), NULL;
  progress->states.call = call;
  progress->part = part;
  progress->every = every < MOST_TURNS ? every : MOST_TURNS;
  progress->total = 1;
  progress->limit = call->limit;
  progress->cancels = cancels_of(call);
  if (begin_turns(progress)) return progress;
  mai_progress_free(progress);
  return NULL;
}

void mai_progress_free(mai_progress *progress) {
  if (!progress) return;
  free_states(&progress->states);
  free(progress);
}

/* How many turns there are, by the example that has most. */
static int read_total(mai_progress *progress) {
  mai_result total;
  if (!read_output(progress->states.call, json_text(progress->part, "total"), &total) || !total.integers) return 0;
  progress->total = 0;
  for (size_t i = 0; i < total.count; i++)
    if (total.integers[i] > progress->total) progress->total = total.integers[i];
  return 1;
}

static int take_turns(mai_progress *progress) {
  mai_call *call = progress->states.call;
  if (call->changes != progress->changes) return fail("the call was given a value between two turns: begin the progress anew");
  if (!begin(call, progress->cancels, progress->limit)) return 0;
  int right = feed_part(progress) && compute_turn(&progress->states) && read_total(progress) && check_arrival(call);
  forget_feeds(call);
  progress->limit = call->current;
  if (!right) return 0;
  take_states(&progress->states, call->model->count);
  progress->taken += progress->every;
  if (progress->taken > progress->total) progress->taken = progress->total;
  return 1;
}

int mai_advance(mai_progress *progress, int64_t *turns, int64_t *total) {
  if (!progress) return -1;
  if (progress->failure[0]) return fail("%s", progress->failure), -1;
  if (progress->taken >= progress->total) return 0;
  if (!take_turns(progress)) {
    progress->states.call->outputs = 0;
    snprintf(progress->failure, sizeof progress->failure, "%s", mai_message());
    return -1;
  }
  if (turns) *turns = progress->taken;
  if (total) *total = progress->total;
  return 1;
}

int run_all_turns(mai_call *call) {
  mai_progress *progress = mai_progress_new(call, MOST_TURNS);
  int state = progress ? 1 : -1;
  while (state == 1) state = mai_advance(progress, NULL, NULL);
  mai_progress_free(progress);
  return state == 0;
}
