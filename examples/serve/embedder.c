/* One of two ways, and the count of who uses it. */
#include "embedder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "complain.h"

static bool has_files(const char *folder) {
  char path[4096];
  snprintf(path, sizeof(path), "%s/model.safetensors", folder);
  return access(path, R_OK) == 0;
}

static int fill(struct embedder *embedder, const char *folder, bool need_model, mlx_stream s) {
  if (!has_files(folder) && need_model) {
    complain("%s: no model.safetensors", folder);
    return 1;
  }
  if (!has_files(folder)) {
    complain(
        "no model in %s (tools/setup model brings it): hashed trigrams stand in, which find words "
        "and not meanings",
        folder);
    embedder->name = "trigrams";
    embedder->width = TRIGRAMS_WIDTH;
    return 0;
  }
  embedder->name = "all-MiniLM-L6-v2";
  embedder->width = MINILM_WIDTH;
  embedder->has_model = true;
  return minilm_load(&embedder->minilm, folder, s);
}

/* Whether a row has length 1: weights that are no numbers, or of other shapes, do not serve. */
static bool try_row(const struct embedder *embedder, mlx_stream s) {
  static const char text[] = "weir";
  int32_t ids[EMBEDDER_TOKENS_MOST];
  int length = embedder_encode(embedder, ids, text, sizeof(text) - 1);
  const struct token_batch batch = {ids, &length, 1, length};
  mlx_array row = mlx_array_new();
  const int rc = embedder_rows(&row, embedder, &batch, s) || mlx_array_eval(row);
  const float *const data = rc == 0 ? mlx_array_data_float32(row) : NULL;
  double sum = 0;
  for (int i = 0; data != NULL && i < embedder->width; i++)
    sum += (double)data[i] * (double)data[i];
  mlx_array_free(row);
  return fabs(sum - 1) < 1e-3;
}

struct embedder *embedder_load(const char *folder, bool need_model, mlx_stream s) {
  struct embedder *const embedder = calloc(1, sizeof(*embedder));
  if (embedder == NULL) {
    complain("out of memory");
    return NULL;
  }
  atomic_init(&embedder->references, 1);
  if (fill(embedder, folder, need_model, s) != 0) {
    free(embedder);
    return NULL;
  }
  if (try_row(embedder, s)) return embedder;
  complain("%s: a model whose rows are none", folder);
  embedder_release(embedder);
  return NULL;
}

struct embedder *embedder_keep(struct embedder *embedder) {
  /* Relaxed: who keeps it has a reference already. */
  atomic_fetch_add_explicit(&embedder->references, 1, memory_order_relaxed);
  return embedder;
}

void embedder_release(struct embedder *embedder) {
  if (embedder == NULL) return;
  /* Release what was read of it, acquire what the others read, before it goes. */
  if (atomic_fetch_sub_explicit(&embedder->references, 1, memory_order_acq_rel) > 1) return;
  if (embedder->has_model) minilm_free(&embedder->minilm);
  free(embedder);
}

int embedder_encode(const struct embedder *embedder, int32_t *ids, const char *text, size_t size) {
  if (!embedder->has_model) return (int)trigrams_encode(ids, EMBEDDER_TOKENS_MOST, text, size);
  return (int)wordpiece_encode(&embedder->minilm.pieces, ids, MINILM_TOKENS_MOST, text, size);
}

/* A place is that of a token, or none, in texts padded to one length. The model's widest moment is
   between the two products of a layer, with 4992 numbers a token; memory comes in size classes. */
size_t embedder_bytes_bound(const struct token_batch *texts, int most) {
  const size_t place_bytes = 32 << 10;
  const int count = texts->count < most ? texts->count : most;
  int longest = 0;
  for (int i = 0; i < texts->count; i++) {
    if (texts->lengths[i] > longest) longest = texts->lengths[i];
  }
  return place_bytes * (size_t)count * ((size_t)longest + 1);
}

int embedder_rows(mlx_array *rows, const struct embedder *embedder, const struct token_batch *batch,
                  mlx_stream s) {
  if (!embedder->has_model) return trigrams_embed(rows, batch, s);
  return minilm_embed(rows, &embedder->minilm, batch, s);
}
