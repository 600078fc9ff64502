/* A file: its session, its manifest, its ports. */
#include "internal.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOWEST 24 /* of ONNX Runtime 1.x: earlier ones fail on texts that grow, or take other tokens */
#define FORMAT 1  /* of manifests */

const OrtApi *api;

/* The lists of ports in a manifest, by `mai_kind`. */
static const char *const lists[] = {"inputs", "settings", "outputs"};

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
  int type = MAI_FLOAT;
  while (type < MAI_BOOLEAN && !(name && strcmp(name, types[type].name) == 0)) type++;
  return (mai_type)type;
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
  size_t most = 0;
  for (int kind = 0; kind < 3; kind++) {
    const json *list = json_member(model->manifest, lists[kind]);
    most += list ? list->count : 0;
  }
  model->ports = calloc(most + 1, sizeof *model->ports);
  model->taken = calloc(most + 1, 1);
  model->hidden = calloc(most + 1, 1);
  model->shown = calloc(most + 1, sizeof *model->shown);
  if (!model->ports || !model->taken || !model->hidden || !model->shown) return out_of_memory();
  for (int kind = 0; kind < 3; kind++) {
    const json *list = json_member(model->manifest, lists[kind]);
    for (size_t i = 0; list && i < list->count; i++)
      if (!read_port(&list->items[i], (mai_kind)kind, &model->ports[model->count++])) return 0;
  }
  return 1;
}

static void hide(mai_model *model, const char *name, int output) {
  size_t p = place_of(model, name, output);
  if (p < model->count) model->hidden[p] = 1;
}

/* Mark the ports of a file of some turns that are for its turns alone, and list the others. */
static void list_shown(mai_model *model) {
  const json *part = json_member(model->manifest, "part"), *states = json_member(part, "states");
  if (part) hide(model, json_text(part, "before"), 0), hide(model, json_text(part, "now"), 0), hide(model, json_text(part, "total"), 1);
  for (size_t i = 0; states && i < states->count; i++) hide(model, states->items[i].name, 0), hide(model, states->items[i].text, 1);
  for (size_t p = 0; p < model->count; p++)
    if (!model->hidden[p]) model->shown[model->shown_count++] = model->ports[p];
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
static FILE *open_file(const char *path) {
  wchar_t wide[4096];
  return MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, 4096) ? _wfopen(wide, L"rb") : NULL;
}
#else
static FILE *open_file(const char *path) { return fopen(path, "rb"); }
static int create_session(mai_model *model, const char *path, OrtSessionOptions *options) {
  return done(api->CreateSession(model->env, path, options, &model->session), path);
}
#endif

static int cannot_open(const char *path, int reason) {
  const char *words = reason == EISDIR ? "it is a folder" : strerror(reason);
  return fail("cannot open %s: %c%s", path, tolower((unsigned char)words[0]), words[0] ? words + 1 : "");
}

#define HEAD 8 /* bytes of a file that say what it is */

/* Whether bytes begin as a file in ONNX Runtime's own format does (.ort). */
static int begins_as_ort(const unsigned char *bytes, size_t count) { return count == HEAD && memcmp(bytes + 4, "ORTM", 4) == 0; }

/* The same, or as an ONNX file: the field `ir_version`, then the key of another field of a model. */
static int begins_as_model(const unsigned char *bytes, size_t count) {
  if (begins_as_ort(bytes, count)) return 1;
  return count >= 3 && bytes[0] == 0x08 && bytes[1] && bytes[1] < 0x80 && strchr("\x12\x1a\x22\x28\x32\x3a\x42\x72", bytes[2]) && bytes[2];
}

/* Say what is wrong with a file before ONNX Runtime, whose words are for others, is asked. */
static int check_file(const char *path) {
  unsigned char bytes[HEAD];
  if (!path) return fail("there is no path of a file");
  errno = 0;
  FILE *file = open_file(path);
  if (!file) return cannot_open(path, errno);
  size_t count = fread(bytes, 1, sizeof bytes, file);
  int reason = ferror(file) ? errno : 0;
  const char *ending = strrchr(path, '.');
  fclose(file);
  if (reason) return cannot_open(path, reason);
  if (!count) return fail("%s is empty", path);
  if (ending && strcmp(ending, ".mai") == 0) return fail("%s is a spec (compile it first: mai compile %s)", path, path);
  return begins_as_model(bytes, count) ? 1 : fail("%s is no ONNX file", path);
}

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

/* Whether the file beside it is the one that mai wrote, where large weights lie there. */
static int check_data(const mai_model *model, const char *path) {
  static const char ending[] = ".data";
  const char *stated = json_text(json_member(model->manifest, "data"), "sha256");
  char digits[65] = "", *beside = stated ? malloc(strlen(path) + sizeof ending) : NULL;
  if (!stated) return 1;
  if (!beside) return out_of_memory();
  strcat(strcpy(beside, path), ending);
  FILE *file = open_file(beside);
  int right = file ? sha256_of(file, digits) && strcmp(digits, stated) == 0 : cannot_open(beside, errno);
  if (file && !right) fail("the weights in %s are not those that mai wrote: it is damaged, or of another file", beside);
  if (file) fclose(file);
  free(beside);
  return right;
}

/* Whether the weights are those that mai wrote. A file in ONNX Runtime's own format has rearranged them, and has all of them inside;
   older files have no checksum. */
static int check_weights(const mai_model *model, const char *path) {
  const char *stated = json_text(model->manifest, "checksum");
  unsigned char bytes[HEAD];
  char digits[17] = "";
  FILE *file = open_file(path);
  if (!file) return cannot_open(path, errno);
  int is_ort = begins_as_ort(bytes, fread(bytes, 1, HEAD, file));
  int right = is_ort || !stated || (checksum_of(file, digits) && strcmp(digits, stated) == 0);
  fclose(file);
  if (!right) return fail("the weights of %s are not those that mai wrote: it is damaged, or another program has changed it", path);
  return is_ort || check_data(model, path);
}

static mai_model *load(const char *path, int threads, int may_be_changed) {
  if (!find_api() || !check_file(path)) return NULL;
  mai_model *model = calloc(1, sizeof *model);
  if (!model) return out_of_memory(), NULL;
  if (open_session(model, path, threads) && read_manifest(model, path) && read_ports(model) &&
      mark_taken(model, api->SessionGetInputCount, api->SessionGetInputName) &&
      mark_taken(model, api->SessionGetOverridableInitializerCount, api->SessionGetOverridableInitializerName)) {
    list_shown(model);
    if (may_be_changed || check_weights(model, path)) return model;
  }
  mai_free(model);
  return NULL;
}

mai_model *mai_load(const char *path, int threads) { return load(path, threads, 0); }
mai_model *mai_load_changed(const char *path, int threads) { return load(path, threads, 1); }

void mai_free(mai_model *model) {
  if (!model) return;
  if (model->session) api->ReleaseSession(model->session);
  if (model->memory) api->ReleaseMemoryInfo(model->memory);
  if (model->env) api->ReleaseEnv(model->env);
  json_free(model->manifest);
  free(model->ports);
  free(model->taken);
  free(model->hidden);
  free(model->shown);
  free(model);
}

const mai_port *mai_ports(const mai_model *model, size_t *count) {
  if (count) *count = model ? model->shown_count : 0;
  return model ? model->shown : NULL;
}

size_t place_of(const mai_model *model, const char *name, int output) {
  for (size_t p = 0; name && p < model->count; p++)
    if ((model->ports[p].kind == MAI_OUTPUT) == output && strcmp(model->ports[p].name, name) == 0) return p;
  return model->count;
}

size_t place_of_count(const mai_model *model) {
  size_t p = place_of(model, json_text(json_member(model->manifest, "text"), "count"), 0);
  return p < model->count && model->ports[p].kind == MAI_SETTING && model->ports[p].type == MAI_INTEGER ? p : model->count;
}

const mai_port *mai_port_named(const mai_model *model, const char *name) {
  if (!model) return NULL;
  size_t p = place_of(model, name, 0);
  if (p == model->count) p = place_of(model, name, 1);
  return p < model->count && !model->hidden[p] ? &model->ports[p] : NULL;
}

const json *entry_of(const mai_model *model, const char *port) {
  for (int kind = 0; model && kind < 3; kind++) {
    const json *list = json_member(model->manifest, lists[kind]);
    for (size_t i = 0; list && i < list->count; i++) {
      const char *name = json_text(&list->items[i], "name");
      if (name && strcmp(name, port) == 0) return &list->items[i];
    }
  }
  return NULL;
}

int mai_tokens_are_bytes(const mai_model *model) {
  const char *tokenizer = model ? json_text(model->manifest, "tokenizer") : NULL;
  return tokenizer && strcmp(tokenizer, "bytes") == 0;
}

const char *mai_tokenizer(const mai_model *model) {
  return !model || mai_tokens_are_bytes(model) ? NULL : json_text(model->manifest, "tokenizer");
}
