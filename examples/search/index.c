/* From letters to weights:
     trigram   = three neighbouring letters read as one number of base 256
     bucket    = trigram mod INDEX_BUCKETS
     count     = trigrams per row and bucket                      (scatter_add)
     frequency = log(1 + count)
     rarity    = log(1 + (1 + rows) / (1 + rows that have the bucket))
     weight    = frequency * rarity, divided by the length of the row
   A question goes the same way as the paragraphs, with the rarities of the index.
   A result handle that holds an array is replaced, so that one handle carries a value through the
   steps; the chains stop at the first call that fails. */
#include "index.h"

enum { TRIGRAM = 3 };

static int part(mlx_array *res, mlx_array a, int start, int stop, mlx_stream s) {
  const int stride = 1;
  return mlx_slice(res, a, &start, 1, &stop, 1, &stride, 1, s);
}

/* number = number * 256 + the letters that stand `offset` places further on. */
static int shift_in(mlx_array *number, mlx_array letters, int offset, mlx_array base,
                    mlx_stream s) {
  const int count = mlx_array_dim(letters, 0) - (TRIGRAM - 1);
  mlx_array next = mlx_array_new();
  const int rc = part(&next, letters, offset, offset + count, s) ||
                 mlx_multiply(number, *number, base, s) || mlx_add(number, *number, next, s);
  mlx_array_free(next);
  return rc;
}

static int hash_trigrams(mlx_array *buckets, mlx_array letters, mlx_stream s) {
  const uint32_t base_value = 256;
  const uint32_t modulus_value = INDEX_BUCKETS;
  mlx_array base = mlx_array_new_data(&base_value, NULL, 0, MLX_UINT32);
  mlx_array modulus = mlx_array_new_data(&modulus_value, NULL, 0, MLX_UINT32);
  const int count = mlx_array_dim(letters, 0) - (TRIGRAM - 1);
  const int rc = part(buckets, letters, 0, count, s) ||
                 mlx_astype(buckets, *buckets, MLX_UINT32, s) ||
                 shift_in(buckets, letters, 1, base, s) || shift_in(buckets, letters, 2, base, s) ||
                 mlx_remainder(buckets, *buckets, modulus, s);
  mlx_array_free(modulus);
  mlx_array_free(base);
  return rc;
}

/* One for each trigram that lies within one row, zero for those across a border; shaped as the
   updates of a scatter of single elements. */
static int trigrams_inside(mlx_array *ones, mlx_array first, mlx_array rows, mlx_stream s) {
  const int count = mlx_array_dim(first, 0);
  const int shape[] = {count, 1, 1};
  mlx_array last = mlx_array_new();
  const int rc = part(&last, rows, TRIGRAM - 1, TRIGRAM - 1 + count, s) ||
                 mlx_equal(ones, first, last, s) || mlx_astype(ones, *ones, MLX_FLOAT32, s) ||
                 mlx_reshape(ones, *ones, shape, 3, s);
  mlx_array_free(last);
  return rc;
}

static int scatter_ones(mlx_array *counts, mlx_array row, mlx_array bucket, mlx_array ones,
                        int row_count, mlx_stream s) {
  const int shape[] = {row_count, INDEX_BUCKETS};
  const int axes[] = {0, 1};
  const mlx_array where[] = {row, bucket};
  mlx_vector_array indices = mlx_vector_array_new_data(where, 2);
  const int rc = mlx_zeros(counts, shape, 2, MLX_FLOAT32, s) ||
                 mlx_scatter_add(counts, *counts, indices, ones, axes, 2, s);
  mlx_vector_array_free(indices);
  return rc;
}

/* counts: float32 [row_count, INDEX_BUCKETS]. */
static int count_trigrams(mlx_array *counts, mlx_array letters, mlx_array rows, int row_count,
                          mlx_stream s) {
  const int count = mlx_array_dim(letters, 0) - (TRIGRAM - 1);
  mlx_array bucket = mlx_array_new();
  mlx_array row = mlx_array_new();
  mlx_array ones = mlx_array_new();
  const int rc = hash_trigrams(&bucket, letters, s) || part(&row, rows, 0, count, s) ||
                 trigrams_inside(&ones, row, rows, s) ||
                 scatter_ones(counts, row, bucket, ones, row_count, s);
  mlx_array_free(ones);
  mlx_array_free(row);
  mlx_array_free(bucket);
  return rc;
}

static int weigh_rarity(mlx_array *rarity, mlx_array counts, mlx_stream s) {
  mlx_array zero = mlx_array_new_float(0);
  mlx_array one = mlx_array_new_float(1);
  mlx_array rows = mlx_array_new_float(1 + (float)mlx_array_dim(counts, 0));
  const int rc = mlx_greater(rarity, counts, zero, s) ||
                 mlx_sum_axis(rarity, *rarity, 0, true, s) || mlx_add(rarity, *rarity, one, s) ||
                 mlx_divide(rarity, rows, *rarity, s) || mlx_log1p(rarity, *rarity, s);
  mlx_array_free(rows);
  mlx_array_free(one);
  mlx_array_free(zero);
  return rc;
}

/* Divides each row by its length; a row of zeros stays one. */
static int normalise(mlx_array *rows, mlx_stream s) {
  mlx_array length = mlx_array_new();
  mlx_array least = mlx_array_new_float(1e-12f);
  const int rc = mlx_square(&length, *rows, s) || mlx_sum_axis(&length, length, 1, true, s) ||
                 mlx_sqrt(&length, length, s) || mlx_maximum(&length, length, least, s) ||
                 mlx_divide(rows, *rows, length, s);
  mlx_array_free(least);
  mlx_array_free(length);
  return rc;
}

static int weigh_counts(mlx_array *weights, mlx_array counts, mlx_array rarity, mlx_stream s) {
  return mlx_log1p(weights, counts, s) || mlx_multiply(weights, *weights, rarity, s) ||
         normalise(weights, s);
}

int index_weigh_letters(mlx_array *res, mlx_array letters, mlx_array rows, int row_count,
                        mlx_array rarity, mlx_stream stream) {
  mlx_array counts = mlx_array_new();
  const int rc = count_trigrams(&counts, letters, rows, row_count, stream) ||
                 weigh_counts(res, counts, rarity, stream);
  mlx_array_free(counts);
  return rc;
}

static int eval_index(const struct index *index) {
  const mlx_array parts[] = {index->weights, index->rarity};
  mlx_vector_array both = mlx_vector_array_new_data(parts, 2);
  const int rc = mlx_eval(both);
  mlx_vector_array_free(both);
  return rc;
}

int index_build(struct index *index, const struct index_source *source, mlx_stream stream) {
  mlx_array counts = mlx_array_new();
  const int rc =
      count_trigrams(&counts, source->letters, source->rows, source->row_count, stream) ||
      weigh_rarity(&index->rarity, counts, stream) ||
      weigh_counts(&index->weights, counts, index->rarity, stream) || eval_index(index);
  mlx_array_free(counts);
  return rc;
}

struct index index_empty(void) {
  return (struct index){.weights = mlx_array_new(), .rarity = mlx_array_new()};
}

int index_copy(struct index *index, const struct index *from) {
  return mlx_array_set(&index->weights, from->weights) ||
         mlx_array_set(&index->rarity, from->rarity);
}

void index_free(struct index *index) {
  mlx_array_free(index->weights);
  mlx_array_free(index->rarity);
  *index = index_empty();
}

struct index_source index_source_empty(void) {
  return (struct index_source){.letters = mlx_array_new(), .rows = mlx_array_new()};
}

int index_source_make(struct index_source *source, const struct corpus *corpus) {
  const int shape[] = {(int)corpus->letter_count};
  source->row_count = (int)corpus->paragraph_count;
  return mlx_array_set_data(&source->letters, corpus->letters, shape, 1, MLX_UINT8) ||
         mlx_array_set_data(&source->rows, corpus->rows, shape, 1, MLX_INT32);
}

void index_source_free(struct index_source *source) {
  mlx_array_free(source->letters);
  mlx_array_free(source->rows);
  *source = index_source_empty();
}
