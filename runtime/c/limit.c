/* The time that a call may compute: a thread waits beside a run, and ends it when that is over. */
#if !defined(_WIN32) && !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200809L /* clocks and threads, under -std=c99 */
#endif
#ifdef __APPLE__
#define _DARWIN_C_SOURCE
#endif
#include "internal.h"

#include <math.h>

#define LONGEST 1e6 /* seconds, some eleven days: a longer limit is none */

#ifdef _WIN32
#include <windows.h>

struct alarm {
  HANDLE thread, stopped;
  double seconds;
  OrtRunOptions *options;
  volatile int rang;
};

static DWORD WINAPI wait_and_ring(void *of) {
  struct alarm *alarm = of;
  if (WaitForSingleObject(alarm->stopped, (DWORD)ceil(alarm->seconds * 1000)) != WAIT_TIMEOUT) return 0;
  alarm->rang = 1;
  done(api->RunOptionsSetTerminate(alarm->options), "the call goes on");
  return 0;
}

static int start(struct alarm *alarm) {
  alarm->stopped = CreateEvent(NULL, TRUE, FALSE, NULL);
  alarm->thread = alarm->stopped ? CreateThread(NULL, 0, wait_and_ring, alarm, 0, NULL) : NULL;
  if (alarm->stopped && !alarm->thread) CloseHandle(alarm->stopped);
  return alarm->thread != NULL;
}

static void stop(struct alarm *alarm) {
  SetEvent(alarm->stopped);
  WaitForSingleObject(alarm->thread, INFINITE);
  CloseHandle(alarm->thread);
  CloseHandle(alarm->stopped);
}

static double now(void) {
  LARGE_INTEGER count, each;
  QueryPerformanceCounter(&count);
  QueryPerformanceFrequency(&each);
  return (double)count.QuadPart / (double)each.QuadPart;
}
#else
#include <errno.h>
#include <pthread.h>
#include <time.h>

struct alarm {
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  int is_stopped, rang;
  double seconds, end;
  OrtRunOptions *options;
};

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Wait for a change until a time of `now`, which no change of the wall's clock moves; what is returned is of pthread_cond_timedwait. */
static int wait_until(struct alarm *alarm, double end) {
#ifdef __APPLE__
  double left = fmax(end - now(), 0);
  struct timespec time = {(time_t)left, (long)((left - floor(left)) * 1e9)};
  return pthread_cond_timedwait_relative_np(&alarm->changed, &alarm->lock, &time);
#else
  struct timespec time = {(time_t)end, (long)((end - floor(end)) * 1e9)};
  return pthread_cond_timedwait(&alarm->changed, &alarm->lock, &time);
#endif
}

static void *wait_and_ring(void *of) {
  struct alarm *alarm = of;
  pthread_mutex_lock(&alarm->lock);
  while (!alarm->is_stopped && !alarm->rang) alarm->rang = wait_until(alarm, alarm->end) == ETIMEDOUT;
  if (!alarm->is_stopped) done(api->RunOptionsSetTerminate(alarm->options), "the call goes on");
  pthread_mutex_unlock(&alarm->lock);
  return NULL;
}

static int make_condition(pthread_cond_t *condition) {
#ifdef __APPLE__
  return pthread_cond_init(condition, NULL) == 0;
#else
  pthread_condattr_t clock;
  if (pthread_condattr_init(&clock)) return 0;
  int right = pthread_condattr_setclock(&clock, CLOCK_MONOTONIC) == 0 && pthread_cond_init(condition, &clock) == 0;
  pthread_condattr_destroy(&clock);
  return right;
#endif
}

static void forget(struct alarm *alarm) {
  pthread_cond_destroy(&alarm->changed);
  pthread_mutex_destroy(&alarm->lock);
}

static int start(struct alarm *alarm) {
  alarm->end = now() + alarm->seconds;
  if (pthread_mutex_init(&alarm->lock, NULL)) return 0;
  if (!make_condition(&alarm->changed)) return pthread_mutex_destroy(&alarm->lock), 0;
  if (pthread_create(&alarm->thread, NULL, wait_and_ring, alarm) == 0) return 1;
  forget(alarm);
  return 0;
}

static void stop(struct alarm *alarm) {
  pthread_mutex_lock(&alarm->lock);
  alarm->is_stopped = 1;
  pthread_cond_signal(&alarm->changed);
  pthread_mutex_unlock(&alarm->lock);
  pthread_join(alarm->thread, NULL);
  forget(alarm);
}
#endif

int mai_set_timeout(mai_call *call, double seconds) {
  if (!call) return 0;
  if (!(seconds > 0)) return fail("`timeout` is a number of seconds above 0, this is %g", seconds);
  call->limit = (time_limit){seconds, seconds};
  return 1;
}

int mai_timed_out(const mai_call *call) { return call && call->timed_out; }

static int is_over(mai_call *call) {
  call->timed_out = 1;
  return fail("the call was ended: it took more than %g seconds", call->current.seconds);
}

int run_within_limit(mai_call *call, runner *run, void *of) {
  double *left = &call->current.left;
  if (!(*left < LONGEST)) return run(of);
  if (*left <= 0) return is_over(call);
  struct alarm alarm = {.seconds = *left, .options = call->options};
  double since = now();
  if (!start(&alarm)) return fail("no thread can be had to watch the time");
  int right = run(of);
  stop(&alarm);
  *left -= now() - since;
  return alarm.rang || *left < 0 ? is_over(call) : right; /* A run may end before the thread has begun to wait. */
}
