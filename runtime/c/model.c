/* A file: its session, its manifest, its ports. */
#include "internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOWEST 24 /* of ONNX Runtime 1.x: earlier ones fail on texts that grow, or take other tokens */
#define FORMAT 1  /* of manifests */

const OrtApi *api;

static int find_api(void) {
  const OrtApiBase *base = OrtGetApiBase();
  int whole = 0, part = 0;
  sscanf(base->GetVersionString(), "%d.%d", &whole, &part);
  if (whole == 1 && part < LOWEST)
    return fail("this is ONNX Runtime %s, on which files of mai fail or are wrong: 1.%d is the lowest", base->GetVersionString(), LOWEST);
  api = base->GetApi(ORT_API_VERSION);
  return api ? 1 : fail("ONNX Runtime %s is older than the header that this program was compiled with", base->GetVersionString());
}

static mai_type type_of(const json *port) {
  const char *name = json_text(port, "dtype");
  return name && strcmp(name, "float32") == 0 ? MAI_FLOAT : name && strcmp(name, "int64") == 0 ? MAI_INTEGER : MAI_BOOLEAN;
}

static int read_port(const json *from, mai_kind kind, mai_port *port) {
  const json *shape = json_member(from, "shape"), *initial = json_member(from, "default");
  memset(port, 0, sizeof *port);
  port->name = json_text(from, "name");
  if (!port->name || (shape && shape->count >= MAI_AXES)) return fail("a port has no name, or too many axes");
  port->kind = kind;
  port->type = type_of(from);
  port->batch = json_number(from, "batch", 0) != 0;
  port->rank = shape ? (int)shape->count : 0;
  for (int i = 0; i < port->rank; i++) {
    const json *size = &shape->items[i];
    port->shape[i] = size->kind == JSON_NUMBER ? (int64_t)size->number : -1;
    port->sizes[i] = size->kind == JSON_TEXT ? size->text : NULL;
  }
  port->has_initial = initial != NULL;
  port->initial = initial ? initial->number : 0;
  port->minimum = json_number(from, "minimum", -INFINITY);
  port->maximum = json_number(from, "maximum", INFINITY);
  port->classes = (int64_t)json_number(from, "classes", 0);
  return 1;
}

static int read_ports(mai_model *model) {
  static const char *const lists[] = {"inputs", "settings", "outputs"};
  size_t most = 0;
  for (int kind = 0; kind < 3; kind++) {
    const json *list = json_member(model->manifest, lists[kind]);
    most += list ? list->count : 0;
  }
  model->ports = calloc(most + 1, sizeof *model->ports);
  model->taken = calloc(most + 1, 1);
  if (!model->ports || !model->taken) return out_of_memory();
  for (int kind = 0; kind < 3; kind++) {
    const json *list = json_member(model->manifest, lists[kind]);
    for (size_t i = 0; list && i < list->count; i++)
      if (!read_port(&list->items[i], (mai_kind)kind, &model->ports[model->count++])) return 0;
  }
  return 1;
}

/* Mark the ports with the names that a pair of functions of ONNX Runtime lists. */
static int mark_taken(mai_model *model, OrtStatus *(ORT_API_CALL *number)(const OrtSession *, size_t *),
                      OrtStatus *(ORT_API_CALL *name_at)(const OrtSession *, size_t, OrtAllocator *, char **)) {
  OrtAllocator *allocator;
  size_t count;
  if (!done(api->GetAllocatorWithDefaultOptions(&allocator), "an allocator") || !done(number(model->session, &count), "its inputs")) return 0;
  for (size_t i = 0; i < count; i++) {
    char *name;
    if (!done(name_at(model->session, i, allocator, &name), "its inputs")) return 0;
    for (size_t p = 0; p < model->count; p++)
      if (model->ports[p].kind != MAI_OUTPUT && strcmp(model->ports[p].name, name) == 0) model->taken[p] = 1;
    allocator->Free(allocator, name);
  }
  return 1;
}

static int read_manifest(mai_model *model, const char *path) {
  OrtModelMetadata *metadata;
  OrtAllocator *allocator;
  char *text = NULL;
  if (!done(api->GetAllocatorWithDefaultOptions(&allocator), "an allocator")) return 0;
  if (!done(api->SessionGetModelMetadata(model->session, &metadata), "its metadata")) return 0;
  int right = done(api->ModelMetadataLookupCustomMetadataMap(metadata, allocator, "mai.manifest", &text), "its metadata");
  api->ReleaseModelMetadata(metadata);
  if (!right) return 0;
  if (!text) return fail("%s is not a file that mai compiled", path);
  model->manifest = json_read(text);
  allocator->Free(allocator, text);
  if (!model->manifest) return fail("%s is damaged: its manifest cannot be read", path);
  int format = (int)json_number(model->manifest, "format", 0);
  return format <= FORMAT ? 1 : fail("%s has format %d, and this mai.c reads up to %d: take a newer one", path, format, FORMAT);
}

#ifdef _WIN32
#include <windows.h>
static int create_session(mai_model *model, const char *path, OrtSessionOptions *options) {
  int length = MultiByteToWideChar(CP_UTF8, 0, path, -1, NULL, 0);
  wchar_t *wide = malloc((size_t)length * sizeof *wide);
  if (!wide) return out_of_memory();
  MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, length);
  int right = done(api->CreateSession(model->env, wide, options, &model->session), path);
  free(wide);
  return right;
}
#else
static int create_session(mai_model *model, const char *path, OrtSessionOptions *options) {
  return done(api->CreateSession(model->env, path, options, &model->session), path);
}
#endif

static int open_session(mai_model *model, const char *path, int threads) {
  OrtSessionOptions *options;
  if (threads < 0) return fail("the number of threads is 0, for all cores, or more; this is %d", threads);
  if (!done(api->CreateEnv(ORT_LOGGING_LEVEL_FATAL, "mai", &model->env), "ONNX Runtime") ||
      !done(api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &model->memory), "ONNX Runtime") ||
      !done(api->CreateSessionOptions(&options), "ONNX Runtime"))
    return 0;
  int right = (threads == 0 || done(api->SetIntraOpNumThreads(options, threads), "the number of threads")) &&
              /* Products with weights in few bits round their other operand to 8 bits, which makes them fast. */
              done(api->AddSessionConfigEntry(options, "session.qdq_matmulnbits_accuracy_level", "4"), "an option") &&
              create_session(model, path, options);
  api->ReleaseSessionOptions(options);
  return right;
}

mai_model *mai_load(const char *path, int threads) {
  if (!find_api()) return NULL;
  mai_model *model = calloc(1, sizeof *model);
  if (!model) return out_of_memory(), NULL;
  if (open_session(model, path, threads) && read_manifest(model, path) && read_ports(model) &&
      mark_taken(model, api->SessionGetInputCount, api->SessionGetInputName) &&
      mark_taken(model, api->SessionGetOverridableInitializerCount, api->SessionGetOverridableInitializerName))
    return model;
  mai_free(model);
  return NULL;
}

void mai_free(mai_model *model) {
  if (!model) return;
  if (model->session) api->ReleaseSession(model->session);
  if (model->memory) api->ReleaseMemoryInfo(model->memory);
  if (model->env) api->ReleaseEnv(model->env);
  json_free(model->manifest);
  free(model->ports);
  free(model->taken);
  free(model);
}

const mai_port *mai_ports(const mai_model *model, size_t *count) {
  *count = model->count;
  return model->ports;
}

size_t place_of(const mai_model *model, const char *name, int output) {
  for (size_t p = 0; p < model->count; p++)
    if ((model->ports[p].kind == MAI_OUTPUT) == output && strcmp(model->ports[p].name, name) == 0) return p;
  return model->count;
}

const mai_port *mai_port_named(const mai_model *model, const char *name) {
  size_t p = place_of(model, name, 0);
  if (p == model->count) p = place_of(model, name, 1);
  return p < model->count ? &model->ports[p] : NULL;
}

/* The names of the labels of a port, an array of JSON, or NULL. */
static const json *labels_of(const mai_model *model, const char *port) {
  static const char *const lists[] = {"inputs", "settings", "outputs"};
  const json *labels = json_member(model->manifest, "labels");
  for (int kind = 0; kind < 3; kind++) {
    const json *list = json_member(model->manifest, lists[kind]);
    for (size_t i = 0; list && i < list->count; i++) {
      const char *name = json_text(&list->items[i], "name"), *field = json_text(&list->items[i], "field");
      if (name && strcmp(name, port) == 0) return json_member(labels, field ? field : name);
    }
  }
  return NULL;
}

const char *mai_label_name(const mai_model *model, const char *port, int64_t label) {
  const json *names = labels_of(model, port);
  return names && label >= 0 && (size_t)label < names->count ? names->items[label].text : NULL;
}

int64_t mai_label_of(const mai_model *model, const char *port, const char *name) {
  const json *names = labels_of(model, port);
  for (size_t i = 0; names && i < names->count; i++)
    if (names->items[i].text && strcmp(names->items[i].text, name) == 0) return (int64_t)i;
  return -1;
}

const char *mai_tokenizer(const mai_model *model) { return json_text(model->manifest, "tokenizer"); }

int mai_tokens_are_bytes(const mai_model *model) {
  const char *tokenizer = mai_tokenizer(model);
  return tokenizer && strcmp(tokenizer, "bytes") == 0;
}
