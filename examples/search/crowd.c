/* Every visitor has a place, of which there are as many as threads may be alive together. A visitor
   that is done puts its place on the list of free ones as its last act; the sending thread takes it
   from there and joins the old thread before it lets a new one have it, so that no more than the
   places are ever alive. Lock: `lock`, for the list alone. */
#include "crowd.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "progress.h"

enum outcome { OUTCOME_FAILED, OUTCOME_SAME, OUTCOME_DIFFERENT };

/* What became of one question: its visitor's until that has been joined, then the sender's. */
struct visit {
  double asked;
  double latency;
  enum outcome outcome;
};

struct crowd;

struct place {
  struct crowd *crowd;
  pthread_t thread; /* the sender's */
  bool taken;       /* the sender's: `thread` is to be joined */
  int number;       /* the visit; set before the thread is made */
};

struct crowd {
  const struct crowd_order *order; /* immutable */
  struct visit *visits;            /* one per thread of the order */
  struct place *places;            /* at_once of them */
  pthread_mutex_t lock;
  pthread_cond_t freed;
  int *free_places; /* under lock */
  int free_count;   /* under lock */
};

static enum outcome ask(const struct crowd_order *order, int number) {
  const struct question *const question = &order->bank->questions[number % order->bank->count];
  mlx_stream stream = mlx_default_cpu_stream_new();
  struct index index = index_empty();
  struct answer answer;
  const int rc = shelf_take(order->shelf, &index) ||
                 query_answer(&answer, &index, question->text, question->size, order->top, stream);
  index_free(&index);
  mlx_stream_free(stream);
  if (rc != 0) return OUTCOME_FAILED;
  return answer_equal(&answer, &question->answer) ? OUTCOME_SAME : OUTCOME_DIFFERENT;
}

static void leave(struct crowd *crowd, const struct place *place) {
  pthread_mutex_lock(&crowd->lock);
  crowd->free_places[crowd->free_count++] = (int)(place - crowd->places);
  pthread_cond_signal(&crowd->freed);
  pthread_mutex_unlock(&crowd->lock);
}

static void *visit(void *data) {
  const struct place *const place = data;
  struct crowd *const crowd = place->crowd;
  struct visit *const mine = &crowd->visits[place->number];
  mine->outcome = ask(crowd->order, place->number);
  mine->latency = gauge_seconds() - mine->asked;
  leave(crowd, place);
  return NULL;
}

static void join(struct place *place) {
  if (place->taken) pthread_join(place->thread, NULL);
  place->taken = false;
}

static struct place *await_place(struct crowd *crowd) {
  pthread_mutex_lock(&crowd->lock);
  while (crowd->free_count == 0) pthread_cond_wait(&crowd->freed, &crowd->lock);
  struct place *const place = &crowd->places[crowd->free_places[--crowd->free_count]];
  pthread_mutex_unlock(&crowd->lock);
  join(place);
  return place;
}

/* Returns 0, or the error of a system that gives no thread. */
static int send_one(struct crowd *crowd, int number) {
  struct place *const place = await_place(crowd);
  place->number = number;
  crowd->visits[number].asked = gauge_seconds();
  const int error = pthread_create(&place->thread, NULL, visit, place);
  place->taken = error == 0;
  if (error != 0) leave(crowd, place);
  return error;
}

static void send_all(struct crowd *crowd, struct gauge *most) {
  const int threads = crowd->order->threads;
  const int between = threads / 100 + 1; /* the gauges are read some hundred times */
  struct progress progress = progress_begin("asking", threads);
  int error = 0;
  for (int i = 0; i < threads && error == 0; i++) {
    error = send_one(crowd, i);
    if (i % between == 0) *most = gauge_most(*most, gauge_read());
    progress_show(&progress, i + 1);
  }
  for (int i = 0; i < crowd->order->at_once; i++) join(&crowd->places[i]);
  progress_end(&progress);
  if (error != 0) fprintf(stderr, "search: no further thread: %s\n", strerror(error));
}

static int compare_latency(const void *a, const void *b) {
  const double x = ((const struct visit *)a)->latency;
  const double y = ((const struct visit *)b)->latency;
  return (x > y) - (x < y);
}

static void sum_up(struct crowd_result *result, struct visit *visits, int count) {
  qsort(visits, (size_t)count, sizeof(*visits), compare_latency);
  result->median = visits[count / 2].latency;
  result->p99 = visits[(int)((long)count * 99 / 100)].latency;
  for (int i = 0; i < count; i++) {
    result->same += visits[i].outcome == OUTCOME_SAME;
    result->different += visits[i].outcome == OUTCOME_DIFFERENT;
    result->failed += visits[i].outcome == OUTCOME_FAILED;
  }
}

static int crowd_init(struct crowd *crowd, const struct crowd_order *order) {
  *crowd = (struct crowd){
      .order = order,
      .visits = calloc((size_t)order->threads, sizeof(*crowd->visits)),
      .places = calloc((size_t)order->at_once, sizeof(*crowd->places)),
      .free_places = calloc((size_t)order->at_once, sizeof(*crowd->free_places)),
  };
  if (crowd->visits == NULL || crowd->places == NULL || crowd->free_places == NULL) return 1;
  pthread_mutex_init(&crowd->lock, NULL);
  pthread_cond_init(&crowd->freed, NULL);
  for (int i = 0; i < order->at_once; i++) {
    crowd->places[i].crowd = crowd;
    crowd->free_places[crowd->free_count++] = i;
  }
  return 0;
}

static void crowd_free_memory(struct crowd *crowd) {
  free(crowd->visits);
  free(crowd->places);
  free(crowd->free_places);
}

int crowd_send(struct crowd_result *result, const struct crowd_order *order) {
  struct crowd crowd;
  *result = (struct crowd_result){0};
  if (crowd_init(&crowd, order) != 0) {
    fprintf(stderr, "search: out of memory\n");
    crowd_free_memory(&crowd);
    return 1;
  }
  const double begin = gauge_seconds();
  send_all(&crowd, &result->most);
  result->seconds = gauge_seconds() - begin;
  sum_up(result, crowd.visits, order->threads);
  pthread_cond_destroy(&crowd.freed);
  pthread_mutex_destroy(&crowd.lock);
  crowd_free_memory(&crowd);
  return 0;
}
