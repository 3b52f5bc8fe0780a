/* From trigrams to a row: log(1 + count) of each bucket, divided by the length of the row. ASCII is
   folded by hand: the result must not depend on the locale. */
#include "trigrams.h"

#include <stdbool.h>
#include <stdlib.h>

/* A letter as it is compared, or a space. Bytes above 127 are parts of letters in UTF-8. */
static unsigned char fold(char c) {
  const unsigned char byte = (unsigned char)c;
  if (byte >= 'A' && byte <= 'Z') return (unsigned char)(byte - 'A' + 'a');
  const bool letter = (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte >= 0x80;
  return letter ? byte : ' ';
}

/* Fibonacci hashing of three bytes: Knuth, The Art of Computer Programming 3, 6.4. */
static int32_t bucket(uint32_t trigram) {
  return (int32_t)((trigram & 0xffffffu) * 2654435769u >> 21);
}
_Static_assert(TRIGRAMS_WIDTH == 1 << (32 - 21), "the hash's bits are the width's");

size_t trigrams_encode(int32_t *ids, size_t most, const char *text, size_t size) {
  uint32_t last = ' ';
  size_t count = 0;
  for (size_t i = 0; i <= size && count < most; i++) {
    const unsigned char letter = i < size ? fold(text[i]) : ' ';
    if (letter == ' ' && (last & 0xff) == ' ') continue;
    last = last << 8 | letter;
    if (last > 0xffff) ids[count++] = bucket(last);
  }
  if (count == 0) ids[count++] = bucket(0x202020);
  return count;
}

/* Divides each row by its length, which is not 0: each text has a trigram. */
static int normalise(mlx_array *rows, mlx_stream s) {
  mlx_array length = mlx_array_new();
  const int rc = mlx_square(&length, *rows, s) || mlx_sum_axis(&length, length, 1, true, s) ||
                 mlx_sqrt(&length, length, s) || mlx_divide(rows, *rows, length, s);
  mlx_array_free(length);
  return rc;
}

/* The number of its text for each trigram. */
static int number_texts(mlx_array *texts, const struct token_batch *batch) {
  int32_t *const numbers = malloc(sizeof(*numbers) * (size_t)batch->total);
  if (numbers == NULL) return 1;
  int at = 0;
  for (int text = 0; text < batch->count; text++) {
    for (int i = 0; i < batch->lengths[text]; i++) numbers[at++] = text;
  }
  const int rc = mlx_array_set_data(texts, numbers, &batch->total, 1, MLX_INT32);
  free(numbers);
  return rc;
}

static int count_trigrams(mlx_array *counts, mlx_array texts, mlx_array buckets, int text_count,
                          mlx_stream s) {
  const int shape[] = {text_count, TRIGRAMS_WIDTH};
  const int ones_shape[] = {mlx_array_dim(buckets, 0), 1, 1};
  const int axes[] = {0, 1};
  const mlx_array where[] = {texts, buckets};
  mlx_vector_array indices = mlx_vector_array_new_data(where, 2);
  mlx_array ones = mlx_array_new();
  const int rc = mlx_ones(&ones, ones_shape, 3, MLX_FLOAT32, s) ||
                 mlx_zeros(counts, shape, 2, MLX_FLOAT32, s) ||
                 mlx_scatter_add(counts, *counts, indices, ones, axes, 2, s);
  mlx_array_free(ones);
  mlx_vector_array_free(indices);
  return rc;
}

int trigrams_embed(mlx_array *rows, const struct token_batch *batch, mlx_stream s) {
  mlx_array texts = mlx_array_new();
  mlx_array buckets = mlx_array_new_data(batch->ids, &batch->total, 1, MLX_INT32);
  const int rc = number_texts(&texts, batch) ||
                 count_trigrams(rows, texts, buckets, batch->count, s) ||
                 mlx_log1p(rows, *rows, s) || normalise(rows, s);
  mlx_array_free(buckets);
  mlx_array_free(texts);
  return rc;
}
