/* The tokens and rows of examples/serve beside those of sentence-transformers
   (minilm/reference.py), of 200 texts of many scripts: alone, in batches of different lengths, and
   on a GPU where there is one. Usage: minilm_test MODEL_FOLDER REFERENCE_FOLDER; exits 77 where
   there is no model. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <weir/matmul.h>
#include <weir/weir.h>

#include "minilm.h"

enum { TEXTS = 200, BATCH = 25 };

static const double bound = 1e-5;

static int32_t ids[TEXTS][MINILM_TOKENS_MOST];
static int lengths[TEXTS];
static int failures;

static void check_tokens(const struct wordpiece *pieces, int number, json_t *entry) {
  json_t *const text = json_object_get(entry, "text");
  const json_t *const wanted = json_object_get(entry, "ids");
  lengths[number] = (int)wordpiece_encode(pieces, ids[number], MINILM_TOKENS_MOST,
                                          json_string_value(text), json_string_length(text));
  bool same = lengths[number] == (int)json_array_size(wanted);
  for (int i = 0; same && i < lengths[number]; i++) {
    same = ids[number][i] == json_integer_value(json_array_get(wanted, (size_t)i));
  }
  if (same) return;
  failures++;
  printf("FAILED: tokens of text %d, '%.60s': %d, not %zu\n ", number, json_string_value(text),
         lengths[number], json_array_size(wanted));
  for (int i = 0; i < lengths[number] && i < 30; i++) printf(" %d", ids[number][i]);
  printf("\n");
}

static int check_all_tokens(const struct wordpiece *pieces, const char *folder) {
  char path[4096];
  json_error_t error;
  snprintf(path, sizeof(path), "%s/texts.json", folder);
  json_t *const entries = json_load_file(path, JSON_ALLOW_NUL, &error);
  const size_t count = json_array_size(entries);
  for (size_t i = 0; i < count && i < TEXTS; i++) {
    check_tokens(pieces, (int)i, json_array_get(entries, i));
  }
  json_decref(entries);
  return count != TEXTS;
}

/* The largest difference of a batch's rows from those of the reference. */
static double difference(const struct minilm *model, const float *wanted, int first, int count,
                         mlx_stream s) {
  int32_t packed[BATCH * MINILM_TOKENS_MOST];
  struct token_batch batch = {.ids = packed, .lengths = lengths + first, .count = count};
  for (int i = first; i < first + count; i++) {
    memcpy(packed + batch.total, ids[i], sizeof(*packed) * (size_t)lengths[i]);
    batch.total += lengths[i];
  }
  mlx_array rows = mlx_array_new();
  double most = INFINITY;
  if (minilm_embed(&rows, model, &batch, s) == 0 && mlx_array_eval(rows) == 0) {
    const float *const got = mlx_array_data_float32(rows);
    most = 0;
    for (int i = 0; i < count * MINILM_WIDTH; i++) {
      const double off = fabs((double)got[i] - (double)wanted[first * MINILM_WIDTH + i]);
      if (!(off <= most)) most = off; /* NaN too */
    }
  }
  mlx_array_free(rows);
  return most;
}

static void check_rows(const struct minilm *model, const float *wanted, int size, const char *where,
                       mlx_stream s) {
  double most = 0;
  for (int first = 0; first < TEXTS; first += size) {
    const double off = difference(model, wanted, first, size, s);
    if (off > most || isnan(off)) most = off;
    if (off <= bound) continue;
    failures++;
    printf("FAILED: rows from text %d on, %d at once, %s: off by %g\n", first, size, where, off);
  }
  printf("%d at once, %s: off by %.2g at most\n", size, where, most);
}

static int check_on(const char *model_folder, const char *folder, const char *where, mlx_stream s) {
  struct minilm model;
  char path[4096];
  if (minilm_load(&model, model_folder, s) != 0) return 1;
  mlx_stream cpu = mlx_default_cpu_stream_new();
  mlx_array wanted = mlx_array_new();
  snprintf(path, sizeof(path), "%s/rows.npy", folder);
  int rc = check_all_tokens(&model.pieces, folder) || mlx_load(&wanted, path, cpu) ||
           mlx_array_eval(wanted);
  if (rc == 0) {
    check_rows(&model, mlx_array_data_float32(wanted), 1, where, s);
    check_rows(&model, mlx_array_data_float32(wanted), BATCH, where, s);
  }
  mlx_array_free(wanted);
  mlx_stream_free(cpu);
  minilm_free(&model);
  return rc;
}

static int check_gpu(const char *model_folder, const char *folder) {
  bool there = false;
  mlx_device gpu = mlx_device_new_type(MLX_GPU, 0);
  int rc = mlx_device_is_available(&there, gpu);
  if (rc == 0 && there) {
    rc = weir_set_matmul_precision(WEIR_MATMUL_FLOAT32);
    mlx_stream s = mlx_default_gpu_stream_new();
    rc = rc || check_on(model_folder, folder, "on the GPU", s);
    mlx_stream_free(s);
  }
  mlx_device_free(gpu);
  return rc;
}

int main(int argc, char **argv) {
  char path[4096];
  if (argc != 3) return 2;
  snprintf(path, sizeof(path), "%s/model.safetensors", argv[1]);
  if (access(path, R_OK) != 0) {
    printf("skipped: no model in %s (tools/setup model)\n", argv[1]);
    return 77;
  }
  mlx_stream s = mlx_default_cpu_stream_new();
  const int rc = check_on(argv[1], argv[2], "on the CPU", s) || check_gpu(argv[1], argv[2]);
  mlx_stream_free(s);
  if (rc != 0) printf("FAILED: %s\n", weir_last_error());
  return rc != 0 || failures > 0;
}
