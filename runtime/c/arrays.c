/* Arrays, and tensors of ONNX Runtime over them. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

const number_type types[] = {
    {"float32", sizeof(float), ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT},
    {"int64", sizeof(int64_t), ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64},
    {"bool", 1, ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL},
};

int count_within(int rank, const int64_t *dims, size_t width) {
  size_t room = (size_t)PTRDIFF_MAX / width;
  for (int i = 0; i < rank; i++) {
    if (dims[i] && (uint64_t)dims[i] > room) return 0;
    if (dims[i]) room /= (size_t)dims[i];
  }
  return 1;
}

size_t count_of(int rank, const int64_t *dims) {
  size_t count = 1;
  for (int i = 0; i < rank; i++) count *= (size_t)dims[i];
  return count;
}

int put(array *to, const void *data, size_t bytes, int rank, const int64_t *dims) {
  void *copy = malloc(bytes ? bytes : 1);
  if (!copy) return out_of_memory();
  if (bytes) memcpy(copy, data, bytes);
  free(to->data);
  to->data = copy;
  to->rank = rank;
  if (rank) memcpy(to->dims, dims, (size_t)rank * sizeof *dims);
  return 1;
}

OrtValue *tensor_over(const mai_model *model, const array *of, mai_type type) {
  OrtValue *value = NULL;
  size_t bytes = count_of(of->rank, of->dims) * types[type].width;
  done(api->CreateTensorWithDataAsOrtValue(model->memory, of->data, bytes, of->dims, (size_t)of->rank, types[type].element, &value), "a tensor");
  return value;
}

void drop(OrtValue **values, size_t count) {
  for (size_t i = 0; values && i < count; i++) {
    if (values[i]) api->ReleaseValue(values[i]);
    values[i] = NULL;
  }
}
