/* Says on which library it runs. */

#include <stdio.h>

#include "mlx/c/mlx.h"

int main(void) {
  mlx_string text = mlx_string_new();
  if (mlx_version(&text) != 0) return 1;
  printf("runs on %s\n", mlx_string_data(text));
  return mlx_string_free(text);
}
