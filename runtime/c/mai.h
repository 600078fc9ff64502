/* A file that mai compiled, as a function for C and C++, over the C interface of ONNX Runtime, 1.24 or later.

   Include this header, compile the .c files beside it with the program, and link with onnxruntime (CMakeLists.txt does).

       mai_model *model = mai_load("moons_flow.sample.onnx", 0);
       mai_call *call = mai_call_new(model);
       mai_set(call, "batch", 100);                            (a setting; what is left out has its default)
       if (!mai_run(call)) fputs(mai_message(), stderr);
       const mai_result *points = mai_output(call, NULL);      (points->floats, points->dims)

   A function that can fail returns 0 or NULL then, and `mai_message()` says why in a sentence. So does one that gets NULL for a model or a
   call, as nothing could be opened: the message stays that of the first failure, and checking the last step is enough. A model may be used
   from several threads at once, each with calls of its own. C++ programs also get the classes at the end, which free what they hold and
   throw. */
#ifndef MAI_H
#define MAI_H

#include <stddef.h>
#include <stdint.h>

#define MAI_AXES 8

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mai_model mai_model;
typedef struct mai_call mai_call;
typedef struct mai_text mai_text;
typedef struct mai_progress mai_progress;
typedef enum { MAI_INPUT, MAI_SETTING, MAI_OUTPUT } mai_kind;
typedef enum { MAI_FLOAT, MAI_INTEGER, MAI_BOOLEAN } mai_type; /* float32, int64, bool */

/* What a file takes or gives. The shape is that of one example; where `batch`, arrays have the batch as their first axis. */
typedef struct {
  const char *name;
  mai_kind kind;
  mai_type type;
  int batch, rank;
  int64_t shape[MAI_AXES];         /* -1 where a call decides the size */
  const char *sizes[MAI_AXES];     /* the name of such a size, or the sum that it is, as "P + 2"; else NULL */
  int has_initial;                 /* of a setting: whether it has a default, which is `initial` */
  double initial, minimum, maximum; /* the range, both ends included; infinite where it is open */
  int64_t classes;                 /* of labels and tokens, how many there are; 0 for other ports */
} mai_port;

/* What a call gave. One of the last three is there, by `type`; it is kept until the call runs again or is freed. */
typedef struct {
  const char *name;
  mai_type type;
  int rank;
  int64_t dims[MAI_AXES];
  size_t count; /* the product of the sizes */
  const float *floats;
  const int64_t *integers;
  const unsigned char *booleans;
} mai_result;

/* Why the last function of this thread failed, as one sentence. */
const char *mai_message(void);

/* Open a file, .onnx or .ort, on so many threads an operation, 0 for all cores. Large weights lie beside it, in `NAME.onnx.data`. */
mai_model *mai_load(const char *path, int threads);

/* Open a file although its weights are not those that mai wrote: one that another program has quantized. */
mai_model *mai_load_changed(const char *path, int threads);
void mai_free(mai_model *model);

/* The ports of a file, in their order, and one of them by its name, or NULL. */
const mai_port *mai_ports(const mai_model *model, size_t *count);
const mai_port *mai_port_named(const mai_model *model, const char *name);

/* The name of a label that a port takes or gives, or NULL where it has none; and the number of a name, which is read as a cell of a
   table: spaces around it do not count, nor large and small letters of false and true. A name that the file does not know has the
   number of the label for what is missing or not known, which has no name, where there is one; else -1. */
const char *mai_label_name(const mai_model *model, const char *port, int64_t label);
int64_t mai_label_of(const mai_model *model, const char *port, const char *name);

/* What an input that was a date in the data takes for a day: the days from 1970-01-01 to it. The time of a day is a part of it, 0.5 at noon. */
int mai_days_of(int year, int month, int day, float *days);

/* Whether the tokens of a file are the bytes of a text. Of another tokenizer, `mai_tokenizer` is the JSON of `tokenizers`; else NULL. */
int mai_tokens_are_bytes(const mai_model *model);
const char *mai_tokenizer(const mai_model *model);

/* A call: values by name, copied, which stay for the next run, and then the results of the last. */
mai_call *mai_call_new(const mai_model *model);
void mai_call_free(mai_call *call);
int mai_set(mai_call *call, const char *setting, double value); /* a truth value is 0, or any other whole number */
int mai_set_integer(mai_call *call, const char *setting, int64_t value); /* seeds above 2^53, too */

/* An input, [batch, ...] or one example of exactly its shape. A batch of one is repeated for the examples of other inputs.
   Of truth values every byte but 0 is true. The rows of a prompt may have -1, which is no token, before their tokens. */
int mai_give_floats(mai_call *call, const char *input, const float *values, int rank, const int64_t *dims);
int mai_give_integers(mai_call *call, const char *input, const int64_t *values, int rank, const int64_t *dims);
int mai_give_booleans(mai_call *call, const char *input, const unsigned char *values, int rank, const int64_t *dims);

/* Compute. Another thread may end the run that goes on by `mai_cancel`: it fails, "the call was ended by mai_cancel", and
   `mai_was_cancelled` is 1 until the next begins. Where none goes on it does nothing to later runs, but texts of the call end: their
   next `mai_next`, and every one after it, fails with the same words. */
int mai_run(mai_call *call);
int mai_cancel(mai_call *call);
int mai_was_cancelled(const mai_call *call);
const mai_result *mai_output(const mai_call *call, const char *name); /* NULL: the first */

/* What is to be said of the values of a call, which are computed all the same, each sentence on a line; "" where nothing is, NULL where
   memory is out. It tells of numbers that lie far outside of those of the training data, of shares of 1 where these were per cent, and, once
   it ran or a text began, of texts that may become longer than those. It is kept until the next time it is asked for. Of a word that the
   data did not have `mai_label_of` gives a number that has no name: `mai_label_name` is NULL there. */
const char *mai_notes(mai_call *call);

/* End what a call computes when it takes longer than so many seconds, INFINITY for no limit: each run, or all turns of a text or of a
   progress together that begins later. It fails, "the call was ended: it took more than 5 seconds", and `mai_timed_out` is 1 then. */
int mai_set_timeout(mai_call *call, double seconds);
int mai_timed_out(const mai_call *call);

/* A sampler some turns of its loops (steps of its solver) at a time, by the file that `mai compile --progress` writes (`NAME.step.onnx`).
   The call is one of that file, with its values: it must outlive the progress, and gets no others before its end. After each `mai_advance`
   `turns` of `total` are taken, and `mai_output` is what a run would give if these were all; after the last, what a run gives, to the bit.
   Whoever wants no more of them frees it. `mai_run` of such a file takes all turns. */
mai_progress *mai_progress_new(mai_call *call, int64_t every);
int mai_advance(mai_progress *progress, int64_t *turns, int64_t *total); /* 1: turns were taken; 0: there are no more; -1: `mai_message()` */
void mai_progress_free(mai_progress *progress);

/* A text token by token, by the file of one turn (`NAME.step.onnx`). The call is one of that file, with its settings and other
   inputs; it must outlive the text. `most` tokens come at most: by less than 0, as many as the spec says. Where the model reads 64 tokens,
   a prompt of 4 and 61 new ones fit, as the last is not read. A text that failed fails again in the same words. */
mai_text *mai_text_new(mai_call *call, const int64_t *prompt, size_t length, int64_t most);
int mai_next(mai_text *text, int64_t *token); /* 1: a token; 0: the end; -1: `mai_message()` */
void mai_text_free(mai_text *text);

#ifdef __cplusplus
}

#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace mai {

struct error : std::runtime_error {
  error() : std::runtime_error(mai_message()) {}
};

namespace detail {
struct release {
  void operator()(mai_model *model) const { mai_free(model); }
  void operator()(mai_call *call) const { mai_call_free(call); }
  void operator()(mai_text *text) const { mai_text_free(text); }
  void operator()(mai_progress *progress) const { mai_progress_free(progress); }
};
template <class Handle> Handle *checked(Handle *handle) {
  if (!handle) throw error();
  return handle;
}
inline void check(int right) {
  if (!right) throw error();
}
} // namespace detail

/* A file. Calls and texts of it must not outlive it. */
class model {
public:
  explicit model(const std::string &path, int threads = 0) : model(mai_load(path.c_str(), threads)) {}
  static model changed(const std::string &path, int threads = 0) { return model(mai_load_changed(path.c_str(), threads)); }
  const mai_model *get() const { return handle.get(); }
  std::vector<mai_port> ports() const {
    size_t count = 0;
    const mai_port *first = mai_ports(get(), &count);
    return {first, first + count};
  }
  /* As `mai_label_of`, but a name without a number throws; and the name of a label, empty where it has none. */
  int64_t label_of(const char *port, const std::string &name) const {
    int64_t label = mai_label_of(get(), port, name.c_str());
    if (label < 0) throw std::invalid_argument(std::string("`") + port + "` has no label `" + name + "`");
    return label;
  }
  std::string label_name(const char *port, int64_t label) const {
    const char *name = mai_label_name(get(), port, label);
    return name ? name : "";
  }

private:
  explicit model(mai_model *opened) : handle(detail::checked(opened)) {}
  std::unique_ptr<mai_model, detail::release> handle;
};

/* As `mai_days_of`, but a day that is in no calendar throws. */
inline float days_of(int year, int month, int day) {
  float days = 0;
  detail::check(mai_days_of(year, month, day, &days));
  return days;
}

/* `mai::call(model).set("batch", 100).run().floats()`. Numbers between braces, `give("x", {0, 0.5}, {2})`, are of the type of the input. */
class call {
public:
  explicit call(const model &of) : from(of.get()), handle(detail::checked(mai_call_new(of.get()))) {}
  mai_call *get() const { return handle.get(); }
  call &set(const char *setting, double value) & { return right(mai_set(get(), setting, value)); }
  call &set_integer(const char *setting, int64_t value) & { return right(mai_set_integer(get(), setting, value)); }
  call &give(const char *input, const std::vector<float> &values, const std::vector<int64_t> &dims) & {
    return whole(values, dims).right(mai_give_floats(get(), input, values.data(), int(dims.size()), dims.data()));
  }
  call &give(const char *input, const std::vector<int64_t> &values, const std::vector<int64_t> &dims) & {
    return whole(values, dims).right(mai_give_integers(get(), input, values.data(), int(dims.size()), dims.data()));
  }
  call &give(const char *input, const std::vector<unsigned char> &values, const std::vector<int64_t> &dims) & {
    return whole(values, dims).right(mai_give_booleans(get(), input, values.data(), int(dims.size()), dims.data()));
  }
  call &give(const char *input, const std::vector<bool> &values, const std::vector<int64_t> &dims) & {
    return give(input, std::vector<unsigned char>(values.begin(), values.end()), dims);
  }
  template <class Number> call &give(const char *input, std::initializer_list<Number> values, const std::vector<int64_t> &dims) & {
    return give_as(input, values, dims);
  }
  call &give(const char *input, std::initializer_list<double> values, const std::vector<int64_t> &dims) & {
    return give_as(input, values, dims);
  }
  /* A call without a name is handed on, so that `auto done = mai::call(model).set("batch", 100).run();` keeps it. */
  call set(const char *setting, double value) && { return std::move(set(setting, value)); }
  call set_integer(const char *setting, int64_t value) && { return std::move(set_integer(setting, value)); }
  template <class Number> call give(const char *input, const std::vector<Number> &values, const std::vector<int64_t> &dims) && {
    return std::move(give(input, values, dims));
  }
  template <class Number> call give(const char *input, std::initializer_list<Number> values, const std::vector<int64_t> &dims) && {
    return std::move(give(input, values, dims));
  }
  call give(const char *input, std::initializer_list<double> values, const std::vector<int64_t> &dims) && {
    return std::move(give(input, values, dims));
  }
  int cancel() { return mai_cancel(get()); }
  std::string notes() const { return detail::checked(mai_notes(get())); } /* a line each */
  bool was_cancelled() const { return mai_was_cancelled(get()) != 0; }
  call &timeout(double seconds) & { return right(mai_set_timeout(get(), seconds)); }
  call timeout(double seconds) && { return std::move(timeout(seconds)); }
  bool timed_out() const { return mai_timed_out(get()) != 0; }
  call &run() & { return right(mai_run(get())); }
  call run() && { return std::move(run()); }
  const mai_result &output(const char *name = nullptr) const { return *detail::checked(mai_output(get(), name)); }
  std::vector<float> floats(const char *name = nullptr) const { return copy(output(name), &mai_result::floats); }
  std::vector<int64_t> integers(const char *name = nullptr) const { return copy(output(name), &mai_result::integers); }
  std::vector<unsigned char> booleans(const char *name = nullptr) const { return copy(output(name), &mai_result::booleans); }

private:
  call &right(int is) { return detail::check(is), *this; }
  template <class Number> call &whole(const std::vector<Number> &values, const std::vector<int64_t> &dims) {
    size_t count = 1;
    bool is_empty = false, is_small = true; /* as large as no vector, or not */
    for (int64_t size : dims) {
      is_empty = is_empty || size == 0;
      is_small = is_small && size >= 0 && (size == 0 || count <= values.max_size() / size_t(size));
      if (is_small && size) count *= size_t(size);
    }
    if (!is_small || (is_empty ? 0 : count) != values.size()) throw std::invalid_argument("the values are not as many as the sizes say");
    return *this;
  }
  template <class Number> call &give_as(const char *input, std::initializer_list<Number> values, const std::vector<int64_t> &dims) {
    const mai_port *port = mai_port_named(from, input);
    bool is_whole = true;
    for (Number value : values) is_whole = is_whole && double(value) > -9.2e18 && double(value) < 9.2e18 && Number(int64_t(value)) == value;
    if (port && port->type == MAI_INTEGER && is_whole) return give(input, as<int64_t>(values), dims);
    if (port && port->type == MAI_BOOLEAN) return give(input, std::vector<bool>(values.begin(), values.end()), dims);
    return give(input, as<float>(values), dims);
  }
  template <class To, class Number> static std::vector<To> as(std::initializer_list<Number> values) {
    std::vector<To> numbers;
    for (Number value : values) numbers.push_back(static_cast<To>(value));
    return numbers;
  }
  template <class Number> static std::vector<Number> copy(const mai_result &result, const Number *mai_result::*of) {
    const Number *first = result.*of;
    if (!first) throw std::invalid_argument(std::string("`") + result.name + "` has numbers of another type");
    return {first, first + result.count};
  }
  const mai_model *from;
  std::unique_ptr<mai_call, detail::release> handle;
};

/* `mai::text text(call, prompt); for (int64_t token; text.next(token);) ...` */
class text {
public:
  text(call &of, const std::vector<int64_t> &prompt, int64_t most = -1)
      : handle(detail::checked(mai_text_new(of.get(), prompt.data(), prompt.size(), most))) {}
  bool next(int64_t &token) {
    int come = mai_next(handle.get(), &token);
    detail::check(come >= 0);
    return come == 1;
  }

private:
  std::unique_ptr<mai_text, detail::release> handle;
};

/* `mai::progress steps(call, 5); while (steps.next()) std::cout << steps.turns() << " of " << steps.total();` */
class progress {
public:
  explicit progress(call &of, int64_t every = 1) : handle(detail::checked(mai_progress_new(of.get(), every))) {}
  bool next() {
    int came = mai_advance(handle.get(), &taken, &all);
    detail::check(came >= 0);
    return came == 1;
  }
  int64_t turns() const { return taken; } /* after the first `next` */
  int64_t total() const { return all; }

private:
  std::unique_ptr<mai_progress, detail::release> handle;
  int64_t taken = 0, all = 0;
};

} // namespace mai
#endif
#endif
