/* What goes on from one turn to the next: inputs whose next values are outputs of the turn before. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

int find_states(states *of, mai_call *call, const json *pairs) {
  const mai_model *model = call->model;
  of->call = call;
  of->count = model->count;
  of->after = malloc((model->count + 1) * sizeof *of->after);
  of->values = calloc(model->count + 1, sizeof *of->values);
  if (!of->after || !of->values) return out_of_memory();
  for (size_t p = 0; p < model->count; p++) of->after[p] = model->count;
  for (size_t i = 0; pairs && i < pairs->count; i++) {
    size_t from = place_of(model, pairs->items[i].name, 0), to = place_of(model, pairs->items[i].text, 1);
    if (from == model->count || to == model->count) return fail("the step file lacks the state `%s`", pairs->items[i].name);
    of->after[from] = to;
  }
  return 1;
}

int is_state(const states *of, size_t p) { return of->after[p] < of->call->model->count; }

/* A state before the first turn: zeros. */
static int begin_state(states *of, size_t p, int64_t batch, size_finder *find, const void *sizes) {
  const mai_port *port = &of->call->model->ports[p];
  OrtAllocator *allocator;
  int64_t dims[MAI_AXES] = {batch};
  void *data;
  for (int i = 0; i < port->rank; i++) {
    dims[i + 1] = port->shape[i];
    if (port->sizes[i] && !size_of(port->sizes[i], find, sizes, &dims[i + 1]))
      return fail("the state `%s` has an unknown size %s", port->name, port->sizes[i]);
  }
  const number_type *type = &types[port->type];
  size_t rank = (size_t)port->rank + 1;
  if (!count_within((int)rank, dims, type->width)) return out_of_memory();
  if (!done(api->GetAllocatorWithDefaultOptions(&allocator), "a state") ||
      !done(api->CreateTensorAsOrtValue(allocator, dims, rank, type->element, &of->values[p]), "a state") ||
      !done(api->GetTensorMutableData(of->values[p], &data), "a state"))
    return 0;
  size_t bytes = count_of((int)rank, dims) * type->width;
  if (bytes) memset(data, 0, bytes);
  return 1;
}

int begin_states(states *of, int64_t batch, size_finder *find, const void *sizes) {
  for (size_t p = 0; p < of->call->model->count; p++)
    if (is_state(of, p) && !begin_state(of, p, batch, find, sizes)) return 0;
  return 1;
}

int compute_turn(states *of) {
  OrtValue **feeds = of->call->feeds;
  size_t count = of->call->model->count;
  for (size_t p = 0; p < count; p++)
    if (is_state(of, p)) feeds[p] = of->values[p];
  int right = compute(of->call);
  for (size_t p = 0; p < count; p++)
    if (is_state(of, p)) feeds[p] = NULL; /* They are not the call's to release. */
  drop(feeds, count);
  return right;
}

void take_states(states *of, size_t but) {
  const mai_model *model = of->call->model;
  size_t first = 0;
  while (model->ports[first].kind != MAI_OUTPUT) first++;
  for (size_t p = 0; p < model->count; p++) {
    if (!is_state(of, p) || p == but) continue;
    OrtValue **next = &of->call->fetches[of->after[p] - first];
    api->ReleaseValue(of->values[p]);
    of->values[p] = *next;
    *next = NULL;
  }
}

void free_states(states *of) {
  if (of->values) drop(of->values, of->count); /* The call may be freed already. */
  free(of->values);
  free(of->after);
}
