/* Each job takes one place of a batch by turns, so that a request of one text does not stand behind
   one of two thousand. A job leaves the list when its last text is taken. While a batch is
   recorded, its jobs are borrowed: a thread does not leave before the texts that were taken of its
   own have their places in a graph, which takes as long as recording does.

   Whoever ends a batch, as the first whose row is there, or as the last to give one up, wakes one
   thread whose job waits: so while anything waits, a batch is computed, or somebody is about to
   record one. */
#include "batcher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gauge.h"

/* A batch that was recorded, until the last of its rows was used or given up. */
struct graph {
  int left;  /* under the batcher's lock, both */
  bool over; /* one of its rows was there: so all are, or soon */
};

/* A text's place in one. */
struct place {
  struct graph *graph;
  mlx_array row; /* recorded, or evaluated */
};

struct batcher_job {
  const struct embedder *embedder; /* immutable, as the next two */
  const struct token_batch *texts;
  const struct batcher_caller *caller;
  pthread_cond_t changed;
  struct place *places;    /* of its texts: its thread's from `used` to `placed` */
  int taken, tokens_taken; /* under the batcher's lock, as what follows: taken into a batch, */
  int placed;              /* recorded, */
  int used;                /* and there, or given up */
  bool waits;              /* in the list */
  bool gone;
  bool failed, over_budget;
  char error[BATCHER_ERROR_BYTES];
  struct batcher_job *next;
};

struct part {
  struct batcher_job *job;
  mlx_array row;
};

struct batch {
  const struct embedder *embedder;
  struct part parts[BATCH_TEXTS_MOST];
  int32_t ids[BATCH_TOKENS_MOST + EMBEDDER_TOKENS_MOST]; /* the first text may be of any length */
  int lengths[BATCH_TEXTS_MOST];
  int count, total;
};

void batcher_init(struct batcher *batcher, int computing_most) {
  *batcher = (struct batcher){.computing_most = computing_most};
  pthread_mutex_init(&batcher->lock, NULL);
}

void batcher_destroy(struct batcher *batcher) { pthread_mutex_destroy(&batcher->lock); }

struct batcher_counts batcher_count(struct batcher *batcher) {
  pthread_mutex_lock(&batcher->lock);
  const struct batcher_counts counts = batcher->counts;
  pthread_mutex_unlock(&batcher->lock);
  return counts;
}

void batcher_note_waiting(struct batcher *batcher, int more) {
  pthread_mutex_lock(&batcher->lock);
  batcher->counts.waiting += (size_t)more;
  pthread_mutex_unlock(&batcher->lock);
}

static void note_batch_locked(struct batcher *batcher, int texts, int tokens) {
  batcher->counts.waiting -= (size_t)texts;
  batcher->counts.batches++;
  batcher->counts.texts += (uint64_t)texts;
  batcher->counts.tokens += (uint64_t)tokens;
}

void batcher_note_batch(struct batcher *batcher, int texts, int tokens) {
  pthread_mutex_lock(&batcher->lock);
  note_batch_locked(batcher, texts, tokens);
  pthread_mutex_unlock(&batcher->lock);
}

/* ---- what follows holds the lock ---- */

/* The texts of a job that is alone are taken by its own thread, `own`, so that they are computed on
   a stream that it can wait for. */
static bool has_room_locked(const struct batch *batch, const struct batcher_job *job,
                            const struct batcher_job *own) {
  if (job->caller->alone && job != own) return false;
  if (batch->count == 0) return true;
  const struct batcher_job *const first = batch->parts[0].job;
  if (job != first && (job->caller->alone || first->caller->alone)) return false;
  return job->embedder == batch->embedder && batch->count < BATCH_TEXTS_MOST &&
         batch->total + job->texts->lengths[job->taken] <= BATCH_TOKENS_MOST;
}

static void take_text_locked(struct batch *batch, struct batcher_job *job) {
  const int length = job->texts->lengths[job->taken];
  memcpy(batch->ids + batch->total, job->texts->ids + job->tokens_taken,
         sizeof(*batch->ids) * (size_t)length);
  batch->embedder = job->embedder;
  batch->parts[batch->count] = (struct part){job, mlx_array_new()};
  batch->lengths[batch->count++] = length;
  batch->total += length;
  job->taken++;
  job->tokens_taken += length;
}

static void rebuild_last_locked(struct batcher *batcher) {
  batcher->last = batcher->first;
  while (batcher->last != NULL && batcher->last->next != NULL) batcher->last = batcher->last->next;
}

/* One turn over the jobs, a text from each that has room. Returns whether any had. */
static bool take_turn_locked(struct batcher *batcher, struct batch *batch,
                             const struct batcher_job *own) {
  bool took = false;
  struct batcher_job **link = &batcher->first;
  while (*link != NULL) {
    struct batcher_job *const job = *link;
    if (has_room_locked(batch, job, own)) {
      take_text_locked(batch, job);
      took = true;
    }
    if (job->taken == job->texts->count) {
      job->waits = false;
      *link = job->next;
    } else {
      link = &job->next;
    }
  }
  rebuild_last_locked(batcher);
  return took;
}

static void take_batch_locked(struct batcher *batcher, struct batch *batch,
                              const struct batcher_job *own) {
  batch->count = 0;
  batch->total = 0;
  while (take_turn_locked(batcher, batch, own)) continue;
  note_batch_locked(batcher, batch->count, batch->total);
}

static void wake_next_locked(struct batcher *batcher) {
  if (batcher->first != NULL) pthread_cond_signal(&batcher->first->changed);
}

static void fail_locked(struct batcher_job *job, const char *error) {
  if (job->failed) return;
  job->failed = true;
  snprintf(job->error, sizeof(job->error), "%s", error);
}

/* The rows, or `error`, to the jobs; wakes their threads. */
static void place_locked(struct batch *batch, struct graph *graph, const char *error) {
  for (int i = 0; i < batch->count; i++) {
    struct batcher_job *const job = batch->parts[i].job;
    if (error != NULL) fail_locked(job, error);
    job->places[job->placed++] = (struct place){graph, batch->parts[i].row};
    pthread_cond_signal(&job->changed);
  }
}

static void end_batch_locked(struct batcher *batcher, struct graph *graph) {
  if (graph->over) return;
  graph->over = true;
  batcher->computing--;
  wake_next_locked(batcher);
}

/* One of the graph's rows is needed no more; it is there, or was given up. */
static void use_locked(struct batcher *batcher, struct batcher_job *job, bool there) {
  struct graph *const graph = job->places[job->used++].graph;
  if (--graph->left == 0 || there) end_batch_locked(batcher, graph);
  if (graph->left == 0) free(graph);
}

static void leave_locked(struct batcher *batcher, struct batcher_job *job) {
  struct batcher_job **link = &batcher->first;
  while (*link != NULL && *link != job) link = &(*link)->next;
  if (*link == NULL) return;
  *link = job->next;
  job->waits = false;
  rebuild_last_locked(batcher);
  batcher->counts.waiting -= (size_t)(job->texts->count - job->taken);
  wake_next_locked(batcher); /* it may have been its turn */
}

static void append_locked(struct batcher *batcher, struct batcher_job *job) {
  if (batcher->last != NULL) {
    batcher->last->next = job;
  } else {
    batcher->first = job;
  }
  batcher->last = job;
  job->waits = true;
  batcher->counts.waiting += (size_t)job->texts->count;
}

/* ---- without it ---- */

static int record_row(mlx_array *row, mlx_array rows, int i, int width, mlx_stream s) {
  const int begin[] = {i, 0}, end[] = {i + 1, width}, step[] = {1, 1};
  return mlx_slice(row, rows, begin, 2, end, 2, step, 2, s);
}

static int record(struct batch *batch) {
  const mlx_stream mine = {0}; /* this thread's default */
  const struct token_batch tokens = {batch->ids, batch->lengths, batch->count, batch->total};
  mlx_array rows = mlx_array_new();
  int rc = embedder_rows(&rows, batch->embedder, &tokens, mine);
  for (int i = 0; rc == 0 && i < batch->count; i++) {
    rc = record_row(&batch->parts[i].row, rows, i, batch->embedder->width, mine);
  }
  mlx_array_free(rows);
  return rc;
}

/* Waits for what this thread has recorded and had computed, until whoever computed it has let go of
   it. */
static void settle(void) {
  mlx_device device = mlx_device_new();
  mlx_stream mine = mlx_stream_new();
  if (mlx_get_default_device(&device) == 0 && mlx_get_default_stream(&mine, device) == 0) {
    mlx_synchronize(mine);
  }
  mlx_stream_free(mine);
  mlx_device_free(device);
}

/* Evaluates the row in the caller's request, and copies it. */
static enum batcher_end evaluate(const struct batcher_job *job, mlx_array row, float *to) {
  if (weir_request_enter(job->caller->request) != 0) return BATCHER_FAILED;
  if (job->caller->alone) settle(); /* its budget counts what it used before */
  const float *const data = mlx_array_data_float32(row);
  weir_request_leave();
  if (data != NULL) {
    memcpy(to, data, sizeof(*to) * (size_t)job->embedder->width);
    return BATCHER_ALL_THERE;
  }
  const weir_status status = weir_last_status();
  if (status == WEIR_ERROR_BUDGET) return BATCHER_OVER_BUDGET;
  const bool ended = status == WEIR_ERROR_CANCELLED || status == WEIR_ERROR_DEADLINE;
  return ended ? BATCHER_GIVEN_UP : BATCHER_FAILED;
}

/* ---- called and left with the lock, which they let go of meanwhile ---- */

static void record_locked(struct batcher *batcher, struct batcher_job *own) {
  struct batch batch;
  struct graph *const graph = malloc(sizeof(*graph));
  if (graph == NULL) {
    fail_locked(own, "out of memory");
    return;
  }
  take_batch_locked(batcher, &batch, own);
  *graph = (struct graph){.left = batch.count};
  batcher->computing++;
  pthread_mutex_unlock(&batcher->lock);
  const char *const error = record(&batch) != 0 ? weir_last_error() : NULL;
  pthread_mutex_lock(&batcher->lock);
  place_locked(&batch, graph, error);
  if (batcher->computing < batcher->computing_most) wake_next_locked(batcher);
}

/* Uses the next row of the job's. */
static void evaluate_locked(struct batcher *batcher, struct batcher_job *job, float *rows) {
  const int text = job->used;
  const mlx_array row = job->places[text].row;
  enum batcher_end end = BATCHER_GIVEN_UP;
  if (!job->gone && !job->failed) {
    pthread_mutex_unlock(&batcher->lock);
    end = evaluate(job, row, rows + (size_t)text * (size_t)job->embedder->width);
    pthread_mutex_lock(&batcher->lock);
    if (end == BATCHER_GIVEN_UP) job->gone = true;
    job->over_budget = end == BATCHER_OVER_BUDGET;
    if (end == BATCHER_FAILED || job->over_budget) fail_locked(job, weir_last_error());
  }
  mlx_array_free(row);
  use_locked(batcher, job, end == BATCHER_ALL_THERE);
}

static void sleep_locked(struct batcher *batcher, struct batcher_job *job) {
  const double until = job->caller->until;
  const struct timespec moment = {(time_t)until, (long)(1e9 * (until - (double)(time_t)until))};
  if (job->gone || job->taken > job->placed) {
    pthread_cond_wait(&job->changed, &batcher->lock); /* somebody records for it */
  } else if (pthread_cond_timedwait(&job->changed, &batcher->lock, &moment) != 0) {
    job->gone = gauge_seconds() >= until;
  }
}

/* One step of the caller's; false when there is none left. */
static bool step_locked(struct batcher *batcher, struct batcher_job *job, float *rows) {
  const bool ends = job->gone || job->failed;
  if (ends) leave_locked(batcher, job);
  if (job->used < job->placed) {
    evaluate_locked(batcher, job, rows);
  } else if (job->taken > job->placed || (!ends && job->used < job->texts->count &&
                                          batcher->computing >= batcher->computing_most)) {
    sleep_locked(batcher, job);
  } else if (!ends && job->used < job->texts->count) {
    record_locked(batcher, job);
  } else {
    return false;
  }
  return true;
}

enum batcher_end batcher_embed(struct batcher *batcher, const struct embedder *embedder,
                               const struct token_batch *texts, float *rows,
                               const struct batcher_caller *caller, char *error) {
  struct batcher_job job = {.embedder = embedder, .texts = texts, .caller = caller};
  job.places = malloc(sizeof(*job.places) * (size_t)texts->count);
  if (job.places == NULL) {
    snprintf(error, BATCHER_ERROR_BYTES, "out of memory");
    return BATCHER_FAILED;
  }
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&job.changed, &attributes);
  pthread_condattr_destroy(&attributes);
  pthread_mutex_lock(&batcher->lock);
  append_locked(batcher, &job);
  while (step_locked(batcher, &job, rows)) continue;
  pthread_mutex_unlock(&batcher->lock);
  pthread_cond_destroy(&job.changed);
  free(job.places);
  if (job.failed) memcpy(error, job.error, BATCHER_ERROR_BYTES);
  if (job.failed) return job.over_budget ? BATCHER_OVER_BUDGET : BATCHER_FAILED;
  return job.gone ? BATCHER_GIVEN_UP : BATCHER_ALL_THERE;
}

void batcher_give_up(struct batcher *batcher, weir_request request) {
  pthread_mutex_lock(&batcher->lock);
  for (struct batcher_job *job = batcher->first; job != NULL; job = job->next) {
    if (job->caller->request.ctx != request.ctx) continue;
    job->gone = true;
    pthread_cond_signal(&job->changed);
  }
  pthread_mutex_unlock(&batcher->lock);
}
