/* What messages begin with: as in MLX, whose messages programs take apart, the operation's name in
   brackets, [reshape] or [linalg::qr]; of functions that read an item, nothing; of closures that
   gave up, the name of their handles. No locks. */

#include <stdio.h>
#include <string.h>

#include "api/error.h"

/* Functions whose operation MLX calls by another name. */
static const struct {
  const char *function;
  const char *name;
} operations[] = {{"mlx_array_eval", "eval"},
                  {"mlx_hadamard_transform", "hadamard"},
                  {"mlx_identity", "eye"},
                  {"mlx_nan_to_num", "nan_to_num"},
                  {"mlx_ones", "full"},
                  {"mlx_scatter_add", "scatter"},
                  {"mlx_scatter_add_single", "scatter"},
                  {"mlx_scatter_max", "scatter"},
                  {"mlx_scatter_max_single", "scatter"},
                  {"mlx_scatter_min", "scatter"},
                  {"mlx_scatter_min_single", "scatter"},
                  {"mlx_scatter_prod", "scatter"},
                  {"mlx_scatter_prod_single", "scatter"},
                  {"mlx_slice_update_add", "slice_update"},
                  {"mlx_slice_update_max", "slice_update"},
                  {"mlx_slice_update_min", "slice_update"},
                  {"mlx_slice_update_prod", "slice_update"},
                  {"mlx_scatter_add_axis", "scatter_add_axis"},
                  {"mlx_random_truncated_normal", "trunc_normal"},
                  {"mlx_random_categorical_shape", "categorical"},
                  {"mlx_random_permutation_arange", "permutation"},
                  {"mlx_zeros", "full"}};

/* Ends of functions' names that tell the forms of one operation apart in C, where C++ overloads one
   name. */
static const char *const forms[] = {
    "_axes",      "_axis",      "_sections", "_num",    "_single", "_dynamic", "_num_samples",
    "_broadcast", "_symmetric", "_reader",   "_writer", "_matrix", "_l2"};

static bool ends_with(const char *name, size_t length, const char *end) {
  size_t n = strlen(end);
  return length > n && !strncmp(name + length - n, end, n);
}

/* The operation's name within the function's, and how long it is. */
static const char *operation_in(const char *function, size_t *length) {
  static const char *const headers[] = {"mlx_random_", "mlx_fast_", "mlx_fft_", "mlx_linalg_",
                                        "mlx_"};
  const char *name = function;
  for (size_t i = 0; i < sizeof headers / sizeof headers[0] && name == function; i++) {
    if (!strncmp(name, headers[i], strlen(headers[i]))) name += strlen(headers[i]);
  }
  *length = strlen(name);
  if (ends_with(name, *length, "_along_axis")) return name;
  for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
    if (!ends_with(name, *length, forms[i])) continue;
    *length -= strlen(forms[i]);
    break;
  }
  return name;
}

void wr_error_prefix(const char *function, char prefix[WR_ERROR_PREFIX]) {
  size_t length;
  const char *name = operation_in(function, &length);
  for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
    if (strcmp(function, operations[i].function) != 0) continue;
    name = operations[i].name;
    length = strlen(name);
  }
  prefix[0] = '\0';
  if (strncmp(function, "mlx_array_item_", strlen("mlx_array_item_")) == 0) return;
  static const char linalg[] = "mlx_linalg_";
  const bool is_linalg = strncmp(function, linalg, strlen(linalg)) == 0;
  snprintf(prefix, WR_ERROR_PREFIX, "[%s%.*s] ", is_linalg ? "linalg::" : "", (int)length, name);
}

bool wr_error_of_closure(const struct wr_error *error) {
  static const char start[] = "mlx_closure";
  return strncmp(wr_error_message(error), start, strlen(start)) == 0;
}
