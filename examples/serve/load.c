/* Each client takes the number of the next request and writes what became of it to that number's
   place, which nobody else touches; the numbers are the only thing shared. */
#include "load.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client.h"
#include "complain.h"
#include "progress.h"

enum outcome {
  OUTCOME_UNSENT,
  OUTCOME_FAILED,
  OUTCOME_SAME,
  OUTCOME_DIFFERENT,
  OUTCOME_LATE,
  OUTCOME_HUNG_UP,
  OUTCOMES
};

/* Of impatient ones, one in so many has no time, and one hangs up. */
enum { IMPATIENT_EACH = 20, NO_TIME_MS = 2 };

struct visit {
  double latency;
  enum outcome outcome;
};

struct load {
  const struct load_order *order;
  struct visit *visits; /* one for each request: its client's until that is joined */
  double end;           /* by gauge_seconds */
  atomic_int next;      /* relaxed: numbers only */
  atomic_int done;      /* relaxed: for the progress bar */
};

static int patience_of(const struct load_order *order, int number) {
  if (!order->impatient) return 0;
  const int place = number % IMPATIENT_EACH;
  return place == 0 ? NO_TIME_MS : place == IMPATIENT_EACH / 2 ? CLIENT_HANGS_UP : 0;
}

static void ask(struct load *load, int number, struct text *answer) {
  const struct load_order *const order = load->order;
  const int question = number % order->bank->count;
  struct visit *const visit = &load->visits[number];
  const int patience_ms = patience_of(order, number);
  const double begin = gauge_seconds();
  const unsigned status = client_post(order->port, "/search",
                                      &order->bank->questions[question].body, patience_ms, answer);
  visit->latency = gauge_seconds() - begin;
  if (patience_ms == CLIENT_HANGS_UP) {
    visit->outcome = OUTCOME_HUNG_UP;
  } else if (patience_ms > 0 && status == 504) {
    visit->outcome = OUTCOME_LATE;
  } else if (status != 200) {
    visit->outcome = OUTCOME_FAILED;
  } else {
    visit->outcome = bank_same(order->bank, question, answer) ? OUTCOME_SAME : OUTCOME_DIFFERENT;
  }
}

static void *run_client(void *data) {
  struct load *const load = data;
  struct text answer = {0};
  while (gauge_seconds() < load->end) {
    const int number = atomic_fetch_add_explicit(&load->next, 1, memory_order_relaxed);
    if (number >= load->order->requests) break;
    ask(load, number, &answer);
    atomic_fetch_add_explicit(&load->done, 1, memory_order_relaxed);
  }
  text_free(&answer);
  return NULL;
}

/* Shows how far it is until all have been answered or the time is over. */
static void watch(struct load *load, struct gauge *most) {
  const struct timespec moment = {.tv_nsec = 50000000};
  struct progress progress = progress_begin(load->order->title, load->order->requests);
  int done = 0;
  while (done < load->order->requests && gauge_seconds() < load->end) {
    nanosleep(&moment, NULL);
    done = atomic_load_explicit(&load->done, memory_order_relaxed);
    progress_show(&progress, done);
    *most = gauge_most(*most, gauge_read());
  }
  progress_end(&progress);
}

static int by_latency(const void *a, const void *b) {
  const double x = ((const struct visit *)a)->latency;
  const double y = ((const struct visit *)b)->latency;
  return (x > y) - (x < y);
}

static void sum_up(struct load_result *result, struct visit *visits, int requests) {
  int counts[OUTCOMES] = {0};
  int answered = 0;
  for (int i = 0; i < requests; i++) {
    const enum outcome outcome = visits[i].outcome;
    counts[outcome]++;
    if (outcome == OUTCOME_SAME || outcome == OUTCOME_DIFFERENT) visits[answered++] = visits[i];
  }
  result->sent = requests - counts[OUTCOME_UNSENT];
  result->same = counts[OUTCOME_SAME];
  result->different = counts[OUTCOME_DIFFERENT];
  result->failed = counts[OUTCOME_FAILED];
  result->late = counts[OUTCOME_LATE];
  result->hung_up = counts[OUTCOME_HUNG_UP];
  if (answered == 0) return;
  qsort(visits, (size_t)answered, sizeof(*visits), by_latency);
  result->median = visits[answered / 2].latency;
  result->p99 = visits[(int)((long)answered * 99 / 100)].latency;
}

static int run(struct load_result *result, struct load *load) {
  pthread_t threads[LOAD_CLIENTS_MOST];
  const double begin = gauge_seconds();
  int started = 0;
  int error = 0;
  load->end = begin + load->order->seconds;
  while (started < load->order->clients && error == 0) {
    error = pthread_create(&threads[started], NULL, run_client, load);
    started += error == 0;
  }
  if (started > 0) watch(load, &result->most);
  for (int i = 0; i < started; i++) pthread_join(threads[i], NULL);
  result->seconds = gauge_seconds() - begin;
  sum_up(result, load->visits, load->order->requests);
  if (error != 0) complain("no thread for a client: %s", strerror(error));
  return error != 0;
}

int load_send(struct load_result *result, const struct load_order *order) {
  struct load load = {.order = order,
                      .visits = calloc((size_t)order->requests, sizeof(struct visit))};
  *result = (struct load_result){.sent = 0};
  if (load.visits == NULL) {
    complain("out of memory");
    return 1;
  }
  const int rc = run(result, &load);
  free(load.visits);
  return rc;
}
