#include "text.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

enum { LENGTH_MOST = 1 << 24 };

/* NULL after an error, which stderr has. */
static int32_t *read_characters(int *length, const char *path) {
  FILE *const file = fopen(path, "rb");
  int32_t *const characters = malloc(sizeof(*characters) * LENGTH_MOST);
  int c = EOF;
  *length = 0;
  while (file != NULL && characters != NULL && *length < LENGTH_MOST && (c = getc(file)) != EOF) {
    characters[(*length)++] = c < MODEL_CHARACTERS ? c : '?';
  }
  if (file == NULL || characters == NULL || ferror(file)) {
    fprintf(stderr, "train: %s: %s\n", path, strerror(errno));
    *length = 0;
  } else if (*length < MODEL_CONTEXT + 2) {
    fprintf(stderr, "train: %s: only %d characters\n", path, *length);
    *length = 0;
  }
  if (file != NULL) fclose(file);
  if (*length > 0) return characters;
  free(characters);
  return NULL;
}

int text_read(mlx_array *text, const char *path) {
  int length;
  int32_t *const characters = read_characters(&length, path);
  if (characters == NULL) return 1;
  const int rc = mlx_array_set_data(text, characters, &length, 1, MLX_INT32);
  free(characters);
  return rc;
}

int text_draw(mlx_array *now, mlx_array *next, mlx_array text, int batch, mlx_stream s) {
  const int column[] = {batch, 1};
  const mlx_array next_key = {0};
  mlx_array least = mlx_array_new_int(0);
  mlx_array most = mlx_array_new_int(mlx_array_dim(text, 0) - MODEL_CONTEXT); /* exclusive */
  mlx_array one = mlx_array_new_int(1);
  mlx_array places = mlx_array_new();
  mlx_array along = mlx_array_new();
  const int rc = mlx_random_randint(&places, least, most, column, 2, MLX_INT32, next_key, s) ||
                 mlx_arange(&along, 0, MODEL_CONTEXT, 1, MLX_INT32, s) ||
                 mlx_add(&places, places, along, s) || mlx_take(now, text, places, s) ||
                 mlx_add(&places, places, one, s) || mlx_take(next, text, places, s);
  mlx_array_free(along);
  mlx_array_free(places);
  mlx_array_free(one);
  mlx_array_free(most);
  mlx_array_free(least);
  return rc;
}
