/* Paragraphs are embedded in the order of their lengths, so that those of a batch are alike;
   batches are small enough that questions come between them. */
#include "index.h"

#include <stdlib.h>
#include <string.h>
#include <weir/weir.h>

#include "complain.h"

enum { BULK_TEXTS = 16, BULK_TOKENS = 512 };

/* A paragraph as tokens. */
struct entry {
  int32_t *ids;
  int length;
  int row;
};

static int by_length(const void *a, const void *b) {
  const struct entry *const x = a;
  const struct entry *const y = b;
  return x->length != y->length ? (x->length > y->length) - (x->length < y->length)
                                : (x->row > y->row) - (x->row < y->row);
}

static int encode(struct entry *entry, const struct embedder *embedder, const struct corpus *corpus,
                  int row) {
  int32_t ids[EMBEDDER_TOKENS_MOST];
  const struct paragraph *const paragraph = &corpus->paragraphs[row];
  const char *const text = corpus->files[paragraph->file].text + paragraph->begin;
  entry->row = row;
  entry->length = embedder_encode(embedder, ids, text, paragraph->size);
  entry->ids = malloc(sizeof(*ids) * (size_t)entry->length);
  if (entry->ids == NULL) return 1;
  memcpy(entry->ids, ids, sizeof(*ids) * (size_t)entry->length);
  return 0;
}

static void free_entries(struct entry *entries, int count) {
  for (int i = 0; entries != NULL && i < count; i++) free(entries[i].ids);
  free(entries);
}

static struct entry *encode_all(const struct embedder *embedder, const struct corpus *corpus,
                                int count) {
  struct entry *const entries = calloc((size_t)count, sizeof(*entries));
  for (int i = 0; entries != NULL && i < count; i++) {
    if (encode(&entries[i], embedder, corpus, i) == 0) continue;
    free_entries(entries, count);
    return NULL;
  }
  if (entries != NULL) qsort(entries, (size_t)count, sizeof(*entries), by_length);
  return entries;
}

/* How many of the entries make the next batch: at least one. */
static int batch_size(const struct entry *entries, int count) {
  int total = 0;
  int size = 0;
  while (size < count && size < BULK_TEXTS) {
    total += entries[size].length;
    if (size > 0 && total > BULK_TOKENS) break;
    size++;
  }
  return size;
}

/* Writes the rows of `count` entries where they belong in `rows`. */
static int embed_batch(float *rows, const struct embedder *embedder, const struct entry *entries,
                       int count, mlx_stream s) {
  int32_t ids[BULK_TOKENS + EMBEDDER_TOKENS_MOST];
  int lengths[BULK_TEXTS];
  struct token_batch batch = {.ids = ids, .lengths = lengths, .count = count};
  for (int i = 0; i < count; i++) {
    memcpy(ids + batch.total, entries[i].ids, sizeof(*ids) * (size_t)entries[i].length);
    lengths[i] = entries[i].length;
    batch.total += entries[i].length;
  }
  const size_t width = (size_t)embedder->width;
  mlx_array made = mlx_array_new();
  int rc = embedder_rows(&made, embedder, &batch, s) || mlx_array_eval(made);
  const float *const data = rc == 0 ? mlx_array_data_float32(made) : NULL;
  if (data == NULL) rc = 1;
  for (int i = 0; rc == 0 && i < count; i++) {
    memcpy(rows + (size_t)entries[i].row * width, data + (size_t)i * width, width * sizeof(*rows));
  }
  mlx_array_free(made);
  return rc;
}

static bool stopped(const struct index_progress *progress) {
  return atomic_load_explicit(&progress->stop, memory_order_relaxed);
}

static int embed_all(float *rows, const struct embedder *embedder, const struct entry *entries,
                     int count, struct index_progress *progress, mlx_stream s) {
  int rc = 0;
  for (int at = 0; rc == 0 && at < count;) {
    if (stopped(progress)) return 1;
    const int size = batch_size(entries + at, count - at);
    rc = embed_batch(rows, embedder, entries + at, size, s);
    at += size;
    atomic_store_explicit(&progress->done, at, memory_order_relaxed);
    atomic_fetch_add_explicit(&progress->made, (unsigned long long)size, memory_order_relaxed);
  }
  if (rc != 0 && !stopped(progress)) {
    complain("the index could not be made: %s", weir_last_error());
  }
  return rc;
}

static int out_of_memory(void) {
  complain("out of memory for the index");
  return 1;
}

static int make_rows(struct index *index, struct index_progress *progress, mlx_stream s) {
  const int count = (int)index->corpus.paragraph_count;
  const int shape[] = {count, index->embedder->width};
  float *const rows = malloc(sizeof(*rows) * (size_t)count * (size_t)shape[1]);
  struct entry *const entries = encode_all(index->embedder, &index->corpus, count);
  int rc = 1;
  if (rows == NULL || entries == NULL) {
    out_of_memory();
  } else {
    rc = embed_all(rows, index->embedder, entries, count, progress, s) ||
         mlx_array_set_data(&index->rows, rows, shape, 2, MLX_FLOAT32);
  }
  free_entries(entries, count);
  free(rows);
  return rc;
}

static int fill(struct index *index, const char *const *paths, int path_count, int most,
                struct index_progress *progress, mlx_stream s) {
  if (corpus_read_all(&index->corpus, paths, path_count, most) != 0) return 1;
  atomic_store_explicit(&progress->done, 0, memory_order_relaxed);
  atomic_store_explicit(&progress->total, (int)index->corpus.paragraph_count, memory_order_relaxed);
  return make_rows(index, progress, s);
}

struct index *index_build(struct embedder *embedder, const char *const *paths, int path_count,
                          int most, struct index_progress *progress, mlx_stream s) {
  struct index *const index = calloc(1, sizeof(*index));
  if (index == NULL) {
    out_of_memory();
    return NULL;
  }
  atomic_init(&index->references, 1);
  index->embedder = embedder_keep(embedder);
  index->rows = mlx_array_new();
  if (fill(index, paths, path_count, most, progress, s) == 0) return index;
  index_release(index);
  return NULL;
}

struct index *index_keep(struct index *index) {
  /* Relaxed: who keeps it has a reference already. */
  atomic_fetch_add_explicit(&index->references, 1, memory_order_relaxed);
  return index;
}

void index_release(struct index *index) {
  if (index == NULL) return;
  /* Release what was read of it, acquire what the others read, before it goes. */
  if (atomic_fetch_sub_explicit(&index->references, 1, memory_order_acq_rel) > 1) return;
  mlx_array_free(index->rows);
  embedder_release(index->embedder);
  corpus_free(&index->corpus);
  free(index);
}

/* Puts a hit where it belongs among the best so far. Rows come in ascending order, so that an equal
   score goes behind. */
static void insert(struct answer *answer, int top, struct hit hit) {
  int at = answer->count;
  if (at == top && hit.score <= answer->hits[at - 1].score) return;
  if (at == top) {
    at--;
  } else {
    answer->count++;
  }
  for (; at > 0 && answer->hits[at - 1].score < hit.score; at--) {
    answer->hits[at] = answer->hits[at - 1];
  }
  answer->hits[at] = hit;
}

int index_scores(mlx_array *scores, const struct index *index, mlx_array row, mlx_stream s) {
  const int width = index->embedder->width;
  mlx_array question = mlx_array_new();
  const int rc =
      mlx_reshape(&question, row, &width, 1, s) || mlx_matmul(scores, index->rows, question, s);
  mlx_array_free(question);
  return rc;
}

void index_best(struct answer *answer, const struct index *index, const float *scores, int top) {
  const int count = mlx_array_dim(index->rows, 0);
  answer->count = 0;
  for (int i = 0; i < count; i++) insert(answer, top, (struct hit){i, scores[i]});
}

int index_search(struct answer *answer, const struct index *index, const float *row, int top,
                 mlx_stream s) {
  const int width = index->embedder->width;
  mlx_array question = mlx_array_new_data(row, &width, 1, MLX_FLOAT32);
  mlx_array scores = mlx_array_new();
  int rc = index_scores(&scores, index, question, s) || mlx_array_eval(scores);
  const float *const data = rc == 0 ? mlx_array_data_float32(scores) : NULL;
  if (data != NULL) index_best(answer, index, data, top);
  mlx_array_free(scores);
  mlx_array_free(question);
  return data == NULL;
}
