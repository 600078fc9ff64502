/* What the sources of this folder share, and a program does not see. */
#ifndef MAI_INTERNAL_H
#define MAI_INTERNAL_H

#include "json.h"
#include "mai.h"
#include "onnxruntime_c_api.h"

#include <stdio.h>

extern const OrtApi *api; /* of ONNX Runtime, once a file was loaded */

/* What a manifest calls a `mai_type`, its bytes for one number, and ONNX Runtime's own constant. */
typedef struct {
  const char *name;
  size_t width;
  ONNXTensorElementDataType element;
} number_type;
extern const number_type types[]; /* by `mai_type` */

struct mai_model {
  OrtEnv *env;
  OrtSession *session;
  OrtMemoryInfo *memory;
  json *manifest;
  mai_port *ports;
  size_t count;
  unsigned char *taken; /* of each port that is no output: whether the graph has it */
  unsigned char *hidden; /* of each port: whether it is for the turns of a file of some turns alone, and no call gives or gets it */
  mai_port *shown;      /* the others */
  size_t shown_count;
};

/* An array that a call owns; `data` is NULL where there is none. */
typedef struct {
  void *data;
  int rank;
  int64_t dims[MAI_AXES];
} array;

/* The seconds that a run may compute, or all turns of a text or of a progress together, INFINITY for no limit; and what of them is left. */
typedef struct {
  double seconds, left;
} time_limit;

struct mai_call {
  const mai_model *model;
  array *values;       /* that were given, by the places of ports */
  array *repeated;     /* of one run: inputs of one example, repeated for each of the others */
  OrtValue **feeds;    /* what one run takes, by the places of ports */
  OrtValue **fetches;  /* what it gave, in the order of the outputs */
  mai_result *results; /* in the order of the outputs */
  size_t outputs;
  OrtRunOptions *options;
  volatile long cancels; /* how often `mai_cancel` was called */
  long cancels_before;   /* how often it had been when what runs now began */
  int was_cancelled, timed_out;
  time_limit limit, current; /* of what begins later, and of what runs now */
  size_t changes;            /* how often it was given a value */
  int64_t length;            /* the most tokens that a text of the last run, or the last text that began, may have; 0 where there was none */
  char *notes;               /* what `mai_notes` gave; NULL for none */
};

/* What goes on from one turn to the next: inputs whose next values are outputs of the turn before. */
typedef struct {
  mai_call *call;
  size_t *after;     /* of an input that is a state, the place of the output that is its next value; else the number of ports */
  OrtValue **values; /* of an input that is a state, its value */
  size_t count;      /* of the ports */
} states;

/* 0, with the sentence that `mai_message` gives. */
int fail(const char *form, ...);
int fail_more(const char *form, ...); /* with words after those of the failure before */
int out_of_memory(void);

/* 1 where a call of ONNX Runtime went well; else 0, with its message after a few words. */
int done(OrtStatus *status, const char *words);

/* The place of an input or a setting (`output` 0), or of an output (1); the number of ports where there is none, or no name. */
size_t place_of(const mai_model *model, const char *name, int output);

/* The place of the setting that says how many tokens a text grows by; the number of ports where that is fixed. */
size_t place_of_count(const mai_model *model);

/* The checksum of the tensors of an ONNX file, as its manifest states it; 0 where it cannot be read as one. */
int checksum_of(FILE *file, char digits[17]);
/* The SHA-256 of a file that is read from where it is, in hexadecimal; 0 where it cannot be read. */
int sha256_of(FILE *file, char digits[65]);

/* The product of sizes; of what a program gives, `count_within` is 0 where it and its bytes are beyond all memory. */
int count_within(int rank, const int64_t *dims, size_t width);
size_t count_of(int rank, const int64_t *dims);

/* Copy numbers, in the place of those that an array had. */
int put(array *to, const void *data, size_t bytes, int rank, const int64_t *dims);

/* A tensor of ONNX Runtime over the numbers of an array, which stay where they are; NULL where it fails. */
OrtValue *tensor_over(const mai_model *model, const array *of, mai_type type);

/* Release tensors, and forget them. */
void drop(OrtValue **values, size_t count);

/* Check a number against the range of a port. NaN passes: in an input it stands for what is missing. */
int check_range(const mai_port *port, double value);

/* A port in the manifest; NULL where there is none. */
const json *entry_of(const mai_model *model, const char *port);

/* What an input was in the training data; NULL where it was no field of it. */
const json *facts_of(const mai_model *model, const mai_port *port);

/* Check numbers of an input that was a field of the training data: they are finite, not missing where nothing stands for that, and where
   they were dates, near those. */
int check_field(const mai_model *model, const mai_port *port, const float *values, size_t count);

/* Put NaN in the place of numbers that said in the data's tables that there is no value, as -999. */
void blank_absent(const mai_model *model, const mai_port *port, float *values, size_t count);

/* Where a name is none of a model's, what is said of it: " (did you mean `batch`?)", or " (it takes x, seed)". */
const char *suggestion(const mai_model *model, const char *name, char *to, size_t room);

/* Check that the inputs that a call has go together: one batch, one value of each named size, within its limits. */
int check_sizes(const mai_call *call);
int64_t batch_of(const mai_call *call);

/* The size of a name, by the first input that has it, or by a setting that is a whole number: `of` is a call. */
int find_size(const void *of, const char *name, size_t length, int64_t *size);

/* Check the rows of a prompt, [batch, length] of int64 on a port, after which so many tokens come, and keep how long the longest may become. */
int check_prompt(mai_call *call, const mai_port *port, const array *rows, int64_t count);
int64_t count_of_row(const int64_t *row, int64_t length);

/* How often `mai_cancel` was called; and the start of a run or a turn within a limit, 0 where that was since. */
long cancels_of(const mai_call *call);
int begin(mai_call *call, long since, time_limit limit);

/* Do something within the time that is left of what runs now, which is less by as much after it. */
typedef int runner(void *of);
int run_within_limit(mai_call *call, runner *run, void *of);

/* Give the settings that the graph has no defaults for theirs, where the call does not. */
int put_defaults(mai_call *call);

/* Make the tensors of all ports in `feeds` from what a call was given, checked; and release them after a run. */
int prepare(mai_call *call);
void forget_feeds(mai_call *call);

/* Compute the outputs from the tensors in `feeds`. */
int compute(mai_call *call);

/* Read an output of the last run by its name, of those that no program sees, too. */
int read_output(const mai_call *call, const char *name, mai_result *result);

/* Check that every adaptive solver reached the end of its interval. */
int check_arrival(const mai_call *call);

/* Run a file of some turns until none is left. */
int run_all_turns(mai_call *call);

/* Whether a text is a name alone, and whether it is this name, of so many bytes. */
int is_name(const char *text);
int is_this_name(const char *text, const char *name, size_t length);

/* The size that a text as "P" or "2 * P + 1" is, by the sizes of names; 0 where one is not known, or it is no such text. */
typedef int size_finder(const void *of, const char *name, size_t length, int64_t *size);
int size_of(const char *text, size_finder *find, const void *of, int64_t *size);

/* Find states by the pairs of names in a manifest; make them zeros, of sizes by name; compute a turn from them and from the tensors in
   `feeds`, which it releases; take what it gave as the states of the next turn, but for one place, or for the number of ports none. */
int find_states(states *of, mai_call *call, const json *pairs);
int is_state(const states *of, size_t p);
int begin_states(states *of, int64_t batch, size_finder *find, const void *sizes);
int compute_turn(states *of);
void take_states(states *of, size_t but);
void free_states(states *of);

#endif
