/* The linear layers see all tokens of all texts as the rows of one matrix, so that no product is
   spent on padding; only attention, which must not look from one text into another, sees texts of
   one length, padded and masked. Texts that are equally long need neither.

   A result handle that holds an array is replaced, so that one handle carries a value through the
   steps; the chains stop at the first call that fails. */
#include "minilm.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <weir/weir.h>

#include "complain.h"

enum {
  HEAD_WIDTH = MINILM_WIDTH / MINILM_HEADS,
  POSITIONS = 512,
  PATH_ROOM = 4096,
  NAME_ROOM = 96
};

static const float norm_eps = 1e-12f;

/* ---- weights ---- */

typedef mlx_map_string_to_array weight_map;

/* The name is in three parts, as the callers have it. */
static int take_weight(mlx_array *weight, weight_map map, const char *prefix, const char *name,
                       const char *which) {
  char key[2 * NAME_ROOM];
  snprintf(key, sizeof(key), "%s%s%s", prefix, name, which);
  return mlx_map_string_to_array_get(weight, map, key);
}

/* torch keeps (outputs, inputs); laid out anew once, every product reads it row by row. */
static int turn(mlx_array *weight, mlx_stream s) {
  return mlx_transpose(weight, *weight, s) || mlx_contiguous(weight, *weight, false, s);
}

static int take_linear(struct minilm_linear *linear, weight_map map, const char *prefix,
                       const char *name, mlx_stream s) {
  return take_weight(&linear->weight, map, prefix, name, ".weight") ||
         take_weight(&linear->bias, map, prefix, name, ".bias") || turn(&linear->weight, s);
}

static int take_norm(struct minilm_norm *norm, weight_map map, const char *prefix,
                     const char *name) {
  return take_weight(&norm->weight, map, prefix, name, ".weight") ||
         take_weight(&norm->bias, map, prefix, name, ".bias");
}

static int join_three(mlx_array *res, const mlx_array *three, int axis, mlx_stream s) {
  mlx_vector_array parts = mlx_vector_array_new_data(three, 3);
  const int rc = mlx_concatenate_axis(res, parts, axis, s);
  mlx_vector_array_free(parts);
  return rc;
}

/* One product for queries, keys and values instead of three. */
static int take_qkv(struct minilm_linear *qkv, weight_map map, const char *prefix, mlx_stream s) {
  static const char *const names[] = {"attention.self.query", "attention.self.key",
                                      "attention.self.value"};
  mlx_array weights[3];
  mlx_array biases[3];
  int rc = 0;
  for (int i = 0; i < 3; i++) {
    struct minilm_linear one = {mlx_array_new(), mlx_array_new()};
    rc = rc || take_linear(&one, map, prefix, names[i], s);
    weights[i] = one.weight;
    biases[i] = one.bias;
  }
  rc = rc || join_three(&qkv->weight, weights, 1, s) || join_three(&qkv->bias, biases, 0, s);
  for (int i = 0; i < 3; i++) {
    mlx_array_free(weights[i]);
    mlx_array_free(biases[i]);
  }
  return rc;
}

static int take_layer(struct minilm_layer *layer, weight_map map, int number, mlx_stream s) {
  char prefix[NAME_ROOM];
  snprintf(prefix, sizeof(prefix), "encoder.layer.%d.", number);
  return take_qkv(&layer->qkv, map, prefix, s) ||
         take_linear(&layer->out, map, prefix, "attention.output.dense", s) ||
         take_norm(&layer->attention_norm, map, prefix, "attention.output.LayerNorm") ||
         take_linear(&layer->up, map, prefix, "intermediate.dense", s) ||
         take_linear(&layer->down, map, prefix, "output.dense", s) ||
         take_norm(&layer->norm, map, prefix, "output.LayerNorm");
}

static int take_embeddings(struct minilm *model, weight_map map, mlx_stream s) {
  const int row[] = {0, 0};
  const int row_stop[] = {1, MINILM_WIDTH};
  const int stride[] = {1, 1};
  mlx_array type = mlx_array_new();
  const int rc =
      take_weight(&model->words, map, "embeddings.", "word_embeddings", ".weight") ||
      take_weight(&model->positions, map, "embeddings.", "position_embeddings", ".weight") ||
      take_weight(&type, map, "embeddings.", "token_type_embeddings", ".weight") ||
      mlx_slice(&type, type, row, 2, row_stop, 2, stride, 2, s) ||
      mlx_add(&model->positions, model->positions, type, s) ||
      take_norm(&model->norm, map, "embeddings.", "LayerNorm");
  mlx_array_free(type);
  return rc;
}

/* Calls visit for every weight of the model. */
static void each_weight(struct minilm *model, void (*visit)(mlx_array *weight, void *data),
                        void *data) {
  mlx_array *const outer[] = {&model->words, &model->positions, &model->norm.weight,
                              &model->norm.bias};
  for (size_t i = 0; i < sizeof(outer) / sizeof(outer[0]); i++) visit(outer[i], data);
  for (int i = 0; i < MINILM_LAYERS; i++) {
    struct minilm_layer *const layer = &model->layers[i];
    mlx_array *const inner[] = {
        &layer->qkv.weight,  &layer->qkv.bias,  &layer->out.weight,
        &layer->out.bias,    &layer->up.weight, &layer->up.bias,
        &layer->down.weight, &layer->down.bias, &layer->attention_norm.weight,
        &layer->norm.weight, &layer->norm.bias, &layer->attention_norm.bias,
    };
    for (size_t k = 0; k < sizeof(inner) / sizeof(inner[0]); k++) visit(inner[k], data);
  }
}

static void make_empty(mlx_array *weight, void *data) {
  (void)data;
  *weight = mlx_array_new();
}

static void let_go(mlx_array *weight, void *data) {
  (void)data;
  mlx_array_free(*weight);
  *weight = mlx_array_new();
}

static void add_to_list(mlx_array *weight, void *data) {
  const mlx_vector_array *const list = data;
  mlx_vector_array_append_value(*list, *weight);
}

static int eval_weights(struct minilm *model) {
  mlx_vector_array all = mlx_vector_array_new();
  each_weight(model, add_to_list, &all);
  const int rc = mlx_eval(all);
  mlx_vector_array_free(all);
  return rc;
}

/* The file is read by the CPU, wherever the model is to run. */
static int read_map(weight_map *map, const char *path) {
  mlx_map_string_to_string notes = mlx_map_string_to_string_new();
  mlx_stream cpu = mlx_default_cpu_stream_new();
  const int rc = mlx_load_safetensors(map, &notes, path, cpu);
  mlx_stream_free(cpu);
  mlx_map_string_to_string_free(notes);
  return rc;
}

/* Of the shapes only those that tokens are looked up in: products check the others themselves. */
static int check_shapes(const struct minilm *model) {
  return mlx_array_ndim(model->words) != 2 ||
         mlx_array_dim(model->words, 0) != model->pieces.count ||
         mlx_array_dim(model->words, 1) != MINILM_WIDTH ||
         mlx_array_dim(model->positions, 0) != POSITIONS;
}

static int read_weights(struct minilm *model, const char *path, mlx_stream s) {
  weight_map map = mlx_map_string_to_array_new();
  int rc = read_map(&map, path) || take_embeddings(model, map, s);
  for (int i = 0; rc == 0 && i < MINILM_LAYERS; i++) rc = take_layer(&model->layers[i], map, i, s);
  rc = rc || eval_weights(model);
  mlx_map_string_to_array_free(map);
  if (rc != 0) {
    complain("%s: %s", path, weir_last_error());
  } else if (check_shapes(model)) {
    complain("%s: not the model whose vocabulary lies beside it", path);
    rc = 1;
  }
  return rc;
}

int minilm_load(struct minilm *model, const char *folder, mlx_stream s) {
  char path[PATH_ROOM];
  *model = (struct minilm){0};
  each_weight(model, make_empty, NULL);
  snprintf(path, sizeof(path), "%s/vocab.txt", folder);
  if (wordpiece_load(&model->pieces, path) != 0) return 1;
  snprintf(path, sizeof(path), "%s/model.safetensors", folder);
  const int rc = read_weights(model, path, s);
  if (rc != 0) minilm_free(model);
  return rc;
}

void minilm_free(struct minilm *model) {
  each_weight(model, let_go, NULL);
  wordpiece_free(&model->pieces);
}

/* ---- where tokens lie, packed and padded ---- */

/* How texts of several lengths become equally long, and back; empty where they are already. */
struct padding {
  int texts, longest;
  mlx_array spread; /* int32 [texts * longest]: the token that stands there, or any */
  mlx_array pack;   /* int32 [tokens]: where it stands */
  mlx_array seen;   /* bool [texts, longest]: whether a token stands there */
};

static struct padding padding_empty(const struct token_batch *batch) {
  struct padding padding = {.texts = batch->count,
                            .spread = mlx_array_new(),
                            .pack = mlx_array_new(),
                            .seen = mlx_array_new()};
  for (int i = 0; i < batch->count; i++) {
    if (batch->lengths[i] > padding.longest) padding.longest = batch->lengths[i];
  }
  return padding;
}

static bool is_padded(const struct padding *padding) { return padding->spread.ctx != NULL; }

static void padding_free(struct padding *padding) {
  mlx_array_free(padding->seen);
  mlx_array_free(padding->pack);
  mlx_array_free(padding->spread);
}

static void fill_places(int32_t *spread, int32_t *pack, bool *seen, const struct token_batch *batch,
                        int longest) {
  int token = 0;
  for (int text = 0; text < batch->count; text++) {
    for (int i = 0; i < batch->lengths[text]; i++, token++) {
      const int at = text * longest + i;
      pack[token] = at;
      spread[at] = token;
      seen[at] = true;
    }
  }
}

static int padding_make(struct padding *padding, const struct token_batch *batch) {
  const int shape[] = {padding->texts, padding->longest};
  const int places = padding->texts * padding->longest;
  if (places == batch->total) return 0;
  int32_t *const spread = calloc((size_t)places, sizeof(*spread));
  int32_t *const pack = calloc((size_t)batch->total, sizeof(*pack));
  bool *const seen = calloc((size_t)places, sizeof(*seen));
  int rc = spread == NULL || pack == NULL || seen == NULL;
  if (rc == 0) {
    fill_places(spread, pack, seen, batch, padding->longest);
    rc = mlx_array_set_data(&padding->spread, spread, &places, 1, MLX_INT32) ||
         mlx_array_set_data(&padding->pack, pack, &batch->total, 1, MLX_INT32) ||
         mlx_array_set_data(&padding->seen, seen, shape, 2, MLX_BOOL);
  }
  free(seen);
  free(pack);
  free(spread);
  return rc;
}

/* ---- layers ---- */

static int linear(mlx_array *res, const struct minilm_linear *of, mlx_array x, mlx_stream s) {
  return mlx_addmm(res, of->bias, x, of->weight, 1, 1, s);
}

static int norm(mlx_array *res, const struct minilm_norm *of, mlx_array x, mlx_stream s) {
  return mlx_fast_layer_norm(res, x, of->weight, of->bias, norm_eps, s);
}

/* x (1 + erf(x / sqrt 2)) / 2. Hendrycks, Gimpel: Gaussian Error Linear Units, 2016. */
static int gelu(mlx_array *x, mlx_stream s) {
  mlx_array root = mlx_array_new_float(sqrtf(0.5f));
  mlx_array one = mlx_array_new_float(1);
  mlx_array half = mlx_array_new_float(0.5f);
  mlx_array bell = mlx_array_new();
  const int rc = mlx_multiply(&bell, *x, root, s) || mlx_erf(&bell, bell, s) ||
                 mlx_add(&bell, bell, one, s) || mlx_multiply(&bell, bell, half, s) ||
                 mlx_multiply(x, *x, bell, s);
  mlx_array_free(bell);
  mlx_array_free(half);
  mlx_array_free(one);
  mlx_array_free(root);
  return rc;
}

/* Queries, keys or values: the view [texts, heads, longest, 32] of [texts, longest, 3, heads, 32].
 */
static int heads_of(mlx_array *res, mlx_array qkv, int which, mlx_stream s) {
  const int axes[] = {0, 2, 1, 3};
  const int start[] = {0, 0, which, 0, 0};
  const int stop[] = {mlx_array_dim(qkv, 0), mlx_array_dim(qkv, 1), which + 1, MINILM_HEADS,
                      HEAD_WIDTH};
  const int strides[] = {1, 1, 1, 1, 1};
  return mlx_slice(res, qkv, start, 5, stop, 5, strides, 5, s) ||
         mlx_squeeze_axis(res, *res, 2, s) || mlx_transpose_axes(res, *res, axes, 4, s);
}

static int attend(mlx_array *res, mlx_array qkv, mlx_array mask, mlx_stream s) {
  const float scale = 1 / sqrtf((float)HEAD_WIDTH);
  const mlx_array none = {0};
  mlx_array q = mlx_array_new();
  mlx_array k = mlx_array_new();
  mlx_array v = mlx_array_new();
  const int rc = heads_of(&q, qkv, 0, s) || heads_of(&k, qkv, 1, s) || heads_of(&v, qkv, 2, s) ||
                 mlx_fast_scaled_dot_product_attention(res, q, k, v, scale, "", mask, none, s);
  mlx_array_free(v);
  mlx_array_free(k);
  mlx_array_free(q);
  return rc;
}

/* *res becomes [tokens, 384] of qkv [tokens, 3 * 384]. */
static int attention(mlx_array *res, mlx_array qkv, const struct padding *padding, mlx_stream s) {
  const int apart[] = {padding->texts, padding->longest, 3, MINILM_HEADS, HEAD_WIDTH};
  const int rows[] = {padding->texts * padding->longest, MINILM_WIDTH};
  const int places[] = {1, 2};
  const int heads_last[] = {0, 2, 1, 3};
  const bool padded = is_padded(padding);
  mlx_array spread = mlx_array_new();
  mlx_array mask = mlx_array_new();
  int rc = padded ? mlx_take_axis(&spread, qkv, padding->spread, 0, s) ||
                        mlx_expand_dims_axes(&mask, padding->seen, places, 2, s)
                  : mlx_array_set(&spread, qkv);
  rc = rc || mlx_reshape(&spread, spread, apart, 5, s) || attend(res, spread, mask, s) ||
       mlx_transpose_axes(res, *res, heads_last, 4, s) || mlx_reshape(res, *res, rows, 2, s);
  if (rc == 0 && padded) rc = mlx_take_axis(res, *res, padding->pack, 0, s);
  mlx_array_free(mask);
  mlx_array_free(spread);
  return rc;
}

static int add_normed(mlx_array *x, mlx_array more, const struct minilm_norm *of, mlx_stream s) {
  return mlx_add(x, *x, more, s) || norm(x, of, *x, s);
}

static int run_layer(mlx_array *x, const struct minilm_layer *layer, const struct padding *padding,
                     mlx_stream s) {
  mlx_array y = mlx_array_new();
  const int rc = linear(&y, &layer->qkv, *x, s) || attention(&y, y, padding, s) ||
                 linear(&y, &layer->out, y, s) || add_normed(x, y, &layer->attention_norm, s) ||
                 linear(&y, &layer->up, *x, s) || gelu(&y, s) || linear(&y, &layer->down, y, s) ||
                 add_normed(x, y, &layer->norm, s);
  mlx_array_free(y);
  return rc;
}

/* ---- from tokens to rows ---- */

static int embed_tokens(mlx_array *x, const struct minilm *model, const struct token_batch *batch,
                        mlx_stream s) {
  int32_t *const places = malloc(sizeof(*places) * (size_t)batch->total);
  if (places == NULL) return 1;
  int token = 0;
  for (int text = 0; text < batch->count; text++) {
    for (int i = 0; i < batch->lengths[text]; i++) places[token++] = i;
  }
  mlx_array ids = mlx_array_new_data(batch->ids, &batch->total, 1, MLX_INT32);
  mlx_array positions = mlx_array_new_data(places, &batch->total, 1, MLX_INT32);
  free(places);
  const int rc = mlx_take_axis(x, model->words, ids, 0, s) ||
                 mlx_take_axis(&positions, model->positions, positions, 0, s) ||
                 mlx_add(x, *x, positions, s) || norm(x, &model->norm, *x, s);
  mlx_array_free(positions);
  mlx_array_free(ids);
  return rc;
}

/* The sum over a text's tokens, divided by its length; the average would give the same. */
static int pool(mlx_array *x, const struct padding *padding, mlx_stream s) {
  const int apart[] = {padding->texts, padding->longest, MINILM_WIDTH};
  mlx_array least = mlx_array_new_float(1e-12f);
  mlx_array length = mlx_array_new();
  mlx_array seen = mlx_array_new();
  int rc = 0;
  if (is_padded(padding)) {
    rc = mlx_take_axis(x, *x, padding->spread, 0, s) || mlx_reshape(x, *x, apart, 3, s) ||
         mlx_expand_dims(&seen, padding->seen, 2, s) || mlx_multiply(x, *x, seen, s);
  } else {
    rc = mlx_reshape(x, *x, apart, 3, s);
  }
  rc = rc || mlx_sum_axis(x, *x, 1, false, s) || mlx_square(&length, *x, s) ||
       mlx_sum_axis(&length, length, 1, true, s) || mlx_sqrt(&length, length, s) ||
       mlx_maximum(&length, length, least, s) || mlx_divide(x, *x, length, s);
  mlx_array_free(seen);
  mlx_array_free(length);
  mlx_array_free(least);
  return rc;
}

int minilm_embed(mlx_array *rows, const struct minilm *model, const struct token_batch *batch,
                 mlx_stream s) {
  struct padding padding = padding_empty(batch);
  int rc = padding_make(&padding, batch) || embed_tokens(rows, model, batch, s);
  for (int i = 0; rc == 0 && i < MINILM_LAYERS; i++) {
    rc = run_layer(rows, &model->layers[i], &padding, s);
  }
  rc = rc || pool(rows, &padding, s);
  padding_free(&padding);
  return rc;
}
