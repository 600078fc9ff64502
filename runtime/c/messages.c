/* Why something failed, as one sentence: each thread has its own. */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#if defined(_MSC_VER)
#define THREAD_LOCAL __declspec(thread)
#else
#define THREAD_LOCAL __thread
#endif

static THREAD_LOCAL char message[1024];

const char *mai_message(void) { return message; }

int fail(const char *form, ...) {
  va_list words;
  va_start(words, form);
  vsnprintf(message, sizeof message, form, words);
  va_end(words);
  return 0;
}

int fail_more(const char *form, ...) {
  size_t length = strlen(message);
  va_list words;
  va_start(words, form);
  vsnprintf(message + length, sizeof message - length, form, words);
  va_end(words);
  return 0;
}

int out_of_memory(void) { return fail("there is not enough memory"); }

int done(OrtStatus *status, const char *words) {
  if (!status) return 1;
  fail("%s: %s", words, api->GetErrorMessage(status));
  api->ReleaseStatus(status);
  return 0;
}
