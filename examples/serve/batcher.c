/* Each job takes one place of a batch by turns, so that a request of one text does not stand behind
   one of two thousand. A job leaves the list when its last text is taken, and its thread leaves
   batcher_embed when the last row is there, so a batch may hold pointers to jobs without the lock.

   Whoever ends a batch wakes the threads whose rows are all there, and one more, whose job waits
   and that does not compute already: so while anything waits, somebody computes or is about to. */
#include "batcher.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <weir/weir.h>

struct batcher_job {
  const struct embedder *embedder; /* immutable, as the next two */
  const struct token_batch *texts;
  float *rows;
  pthread_cond_t changed;
  int taken, tokens_taken; /* under the batcher's lock, as what follows */
  int done;
  bool computing; /* its thread computes a batch */
  bool failed;
  char error[BATCHER_ERROR_BYTES];
  struct batcher_job *next;
};

struct part {
  struct batcher_job *job;
  int text; /* which of the job's */
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

static bool has_room_locked(const struct batch *batch, const struct batcher_job *job) {
  if (batch->count == 0) return true;
  return job->embedder == batch->embedder && batch->count < BATCH_TEXTS_MOST &&
         batch->total + job->texts->lengths[job->taken] <= BATCH_TOKENS_MOST;
}

static void take_text_locked(struct batch *batch, struct batcher_job *job) {
  const int length = job->texts->lengths[job->taken];
  memcpy(batch->ids + batch->total, job->texts->ids + job->tokens_taken,
         sizeof(*batch->ids) * (size_t)length);
  batch->embedder = job->embedder;
  batch->parts[batch->count] = (struct part){job, job->taken};
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
static bool take_turn_locked(struct batcher *batcher, struct batch *batch) {
  bool took = false;
  struct batcher_job **link = &batcher->first;
  while (*link != NULL) {
    struct batcher_job *const job = *link;
    if (has_room_locked(batch, job)) {
      take_text_locked(batch, job);
      took = true;
    }
    if (job->taken == job->texts->count) {
      *link = job->next;
    } else {
      link = &job->next;
    }
  }
  rebuild_last_locked(batcher);
  return took;
}

static void take_batch_locked(struct batcher *batcher, struct batch *batch) {
  batch->count = 0;
  batch->total = 0;
  while (take_turn_locked(batcher, batch)) continue;
  note_batch_locked(batcher, batch->count, batch->total);
}

static void wake_next_locked(struct batcher *batcher) {
  for (struct batcher_job *job = batcher->first; job != NULL; job = job->next) {
    if (job->computing) continue;
    pthread_cond_signal(&job->changed);
    return;
  }
}

static void hand_out_locked(const struct batch *batch, const char *error) {
  for (int i = 0; i < batch->count; i++) {
    struct batcher_job *const job = batch->parts[i].job;
    if (error != NULL && !job->failed) {
      job->failed = true;
      snprintf(job->error, sizeof(job->error), "%s", error);
    }
    if (++job->done == job->texts->count) pthread_cond_signal(&job->changed);
  }
}

static void append_locked(struct batcher *batcher, struct batcher_job *job) {
  if (batcher->last != NULL) {
    batcher->last->next = job;
  } else {
    batcher->first = job;
  }
  batcher->last = job;
  batcher->counts.waiting += (size_t)job->texts->count;
}

/* ---- without it ---- */

static int compute(const struct batch *batch, const struct token_batch *tokens) {
  const mlx_stream mine = {0}; /* this thread's default */
  const size_t width = (size_t)batch->embedder->width;
  mlx_array rows = mlx_array_new();
  int rc = embedder_rows(&rows, batch->embedder, tokens, mine) || mlx_array_eval(rows);
  const float *const data = rc == 0 ? mlx_array_data_float32(rows) : NULL;
  if (data == NULL) rc = 1;
  for (int i = 0; rc == 0 && i < batch->count; i++) {
    const struct part *const part = &batch->parts[i];
    memcpy(part->job->rows + (size_t)part->text * width, data + (size_t)i * width,
           width * sizeof(*data));
  }
  mlx_array_free(rows);
  return rc;
}

/* Called and left with the lock held, which is let go meanwhile. */
static void compute_locked(struct batcher *batcher, struct batcher_job *own) {
  struct batch batch;
  take_batch_locked(batcher, &batch);
  batcher->computing++;
  own->computing = true;
  if (batcher->computing < batcher->computing_most) wake_next_locked(batcher);
  pthread_mutex_unlock(&batcher->lock);

  const struct token_batch tokens = {batch.ids, batch.lengths, batch.count, batch.total};
  const char *const error = compute(&batch, &tokens) != 0 ? weir_last_error() : NULL;

  pthread_mutex_lock(&batcher->lock);
  own->computing = false;
  batcher->computing--;
  hand_out_locked(&batch, error);
  wake_next_locked(batcher);
}

int batcher_embed(struct batcher *batcher, const struct embedder *embedder,
                  const struct token_batch *texts, float *rows, char *error) {
  struct batcher_job job = {.embedder = embedder, .texts = texts, .rows = rows};
  if (texts->count == 0) return 0;
  pthread_cond_init(&job.changed, NULL);
  pthread_mutex_lock(&batcher->lock);
  append_locked(batcher, &job);
  while (job.done < texts->count) {
    if (batcher->first != NULL && batcher->computing < batcher->computing_most) {
      compute_locked(batcher, &job);
    } else {
      pthread_cond_wait(&job.changed, &batcher->lock);
    }
  }
  pthread_mutex_unlock(&batcher->lock);
  pthread_cond_destroy(&job.changed);
  if (job.failed) memcpy(error, job.error, BATCHER_ERROR_BYTES);
  return job.failed;
}
