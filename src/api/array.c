/* Arrays: making them, what they are, forcing. Values are in array_item.c. No locks. */

#include "mlx/c/array.h"

#include "api/api.h"
#include "base/base.h"
#include "core/shape.h"

/* ---- making ---- */

mlx_array mlx_array_new(void) { return (mlx_array){NULL}; }

int mlx_array_free(mlx_array arr) {
  struct wr_error *error = NULL;
  struct wr_handle *handle = arr.ctx;
  if (!wr_handle_is_plain(handle, WR_KIND_ARRAY)) {
    handle = wr_api_take(arr.ctx, WR_KIND_ARRAY, "arr", &error);
    if (!handle) return wr_api_return("mlx_array_free", error);
  }
  wr_free_scope_enter();
  wr_handle_free(handle);
  wr_free_scope_leave();
  return 0;
}

int mlx_array_set(mlx_array *arr, const mlx_array src) {
  struct wr_error *error = NULL;
  wr_api_result_handle(arr, WR_KIND_ARRAY, "arr", &error);
  struct wr_node *node = wr_api_array(src, "src", &error);
  if (!error) error = wr_api_put_array(arr, wr_node_retain(node));
  return wr_api_return("mlx_array_set", error);
}

static int set_scalar(const char *function, mlx_array *arr, const void *value,
                      enum wr_dtype dtype) {
  struct wr_error *error = NULL;
  struct wr_node *node = NULL;
  wr_api_result_handle(arr, WR_KIND_ARRAY, "arr", &error);
  if (!error) error = wr_node_from_data(&node, value, 0, NULL, dtype);
  return wr_api_return_array(function, error, arr, node);
}

static mlx_array new_scalar(const char *function, const void *value, enum wr_dtype dtype) {
  mlx_array arr = {NULL};
  set_scalar(function, &arr, value, dtype);
  return arr;
}

/* mlx_array_new_<name> and mlx_array_set_<name> */
#define SCALAR(name, type, dtype)                                \
  mlx_array mlx_array_new_##name(type val) {                     \
    return new_scalar("mlx_array_new_" #name, &val, dtype);      \
  }                                                              \
  int mlx_array_set_##name(mlx_array *arr, type val) {           \
    return set_scalar("mlx_array_set_" #name, arr, &val, dtype); \
  }
SCALAR(bool, bool, WR_BOOL)
SCALAR(int, int, WR_INT32)
SCALAR(float32, float, WR_FLOAT32)
SCALAR(float, float, WR_FLOAT32)
SCALAR(float64, double, WR_FLOAT64)
SCALAR(double, double, WR_FLOAT64)
#undef SCALAR

mlx_array mlx_array_new_complex(float real_val, float imag_val) {
  wr_complex64 val = {real_val, imag_val};
  return new_scalar("mlx_array_new_complex", &val, WR_COMPLEX64);
}

int mlx_array_set_complex(mlx_array *arr, float real_val, float imag_val) {
  wr_complex64 val = {real_val, imag_val};
  return set_scalar("mlx_array_set_complex", arr, &val, WR_COMPLEX64);
}

/* The checks of everything that is made from the user's memory. */
static enum wr_dtype check_data(const void *data, const int *shape, int dim, mlx_dtype dtype,
                                struct wr_error **error) {
  int64_t size = 0;
  enum wr_dtype type = wr_api_dtype(dtype, "dtype", error);
  if (dim < 0) wr_api_reject(error, "dim", "%d is negative", dim);
  if (!*error) wr_api_shape(shape, (size_t)dim, "shape", error);
  if (!*error && !wr_shape_size(shape, dim, &size)) {
    wr_api_reject(error, "shape", "is too large for memory");
  }
  if (size) wr_api_result(data, "data", error);
  return type;
}

static int set_data(const char *function, mlx_array *arr, const void *data, const int *shape,
                    int dim, mlx_dtype dtype) {
  struct wr_error *error = NULL;
  struct wr_node *node = NULL;
  wr_api_result_handle(arr, WR_KIND_ARRAY, "arr", &error);
  enum wr_dtype type = check_data(data, shape, dim, dtype, &error);
  if (!error) error = wr_node_from_data(&node, data, dim, shape, type);
  return wr_api_return_array(function, error, arr, node);
}

int mlx_array_set_data(mlx_array *arr, const void *data, const int *shape, int dim,
                       mlx_dtype dtype) {
  return set_data("mlx_array_set_data", arr, data, shape, dim, dtype);
}

mlx_array mlx_array_new_data(const void *data, const int *shape, int dim, mlx_dtype dtype) {
  mlx_array arr = {NULL};
  set_data("mlx_array_new_data", &arr, data, shape, dim, dtype);
  return arr;
}

/* The handle comes first: once there is a node, the destructor would run if anything failed. A
   node's first handle is part of it. */
static mlx_array new_managed(const char *function, void *data, const int *shape, int dim,
                             mlx_dtype dtype, void *payload, void (*dtor)(void *)) {
  struct wr_error *error = NULL;
  struct wr_node *node = NULL;
  mlx_array arr = {NULL};
  enum wr_dtype type = check_data(data, shape, dim, dtype, &error);
  if (!error && !wr_handle_reserve(&arr.ctx, WR_KIND_ARRAY)) error = wr_error_out_of_memory();
  if (!error) error = wr_node_from_managed(&node, data, dim, shape, type, payload, dtor);
  if (!error) {
    wr_handle_lead(&arr.ctx, wr_handle_new(node));
  } else if (arr.ctx) {
    wr_handle_take(arr.ctx, WR_KIND_ARRAY);
    arr.ctx = NULL;
  }
  wr_api_return(function, error);
  return arr;
}

mlx_array mlx_array_new_data_managed(void *data, const int *shape, int dim, mlx_dtype dtype,
                                     void (*dtor)(void *)) {
  return new_managed("mlx_array_new_data_managed", data, shape, dim, dtype, data, dtor);
}

mlx_array mlx_array_new_data_managed_payload(void *data, const int *shape, int dim, mlx_dtype dtype,
                                             void *payload, void (*dtor)(void *)) {
  return new_managed("mlx_array_new_data_managed_payload", data, shape, dim, dtype, payload, dtor);
}

/* ---- what it is ---- */

/* The node, or NULL after the failure was reported. */
static struct wr_node *node_of(const char *function, mlx_array arr) {
  struct wr_error *error = NULL;
  struct wr_node *node = wr_api_array(arr, "arr", &error);
  wr_api_return(function, error);
  return node;
}

size_t mlx_dtype_size(mlx_dtype dtype) {
  struct wr_error *error = NULL;
  enum wr_dtype type = wr_api_dtype(dtype, "dtype", &error);
  return wr_api_return("mlx_dtype_size", error) ? 0 : wr_dtype_size(type);
}

size_t mlx_array_itemsize(const mlx_array arr) {
  struct wr_node *node = node_of("mlx_array_itemsize", arr);
  return node ? wr_dtype_size(wr_node_dtype(node)) : 0;
}

size_t mlx_array_size(const mlx_array arr) {
  struct wr_node *node = node_of("mlx_array_size", arr);
  return node ? (size_t)wr_node_size(node) : 0;
}

size_t mlx_array_nbytes(const mlx_array arr) {
  struct wr_node *node = node_of("mlx_array_nbytes", arr);
  return node ? (size_t)wr_node_size(node) * wr_dtype_size(wr_node_dtype(node)) : 0;
}

size_t mlx_array_ndim(const mlx_array arr) {
  struct wr_node *node = node_of("mlx_array_ndim", arr);
  return node ? (size_t)wr_node_ndim(node) : 0;
}

const int *mlx_array_shape(const mlx_array arr) {
  struct wr_node *node = node_of("mlx_array_shape", arr);
  return node ? wr_node_shape(node) : NULL;
}

/* mlx-c's type has no sign; a reversed axis shows its stride modulo 2^64, as there. */
const size_t *mlx_array_strides(const mlx_array arr) {
  struct wr_node *node = node_of("mlx_array_strides", arr);
  return node ? (const size_t *)wr_node_strides(node) : NULL;
}

/* Negative axes count from the last, as everywhere in MLX. */
int mlx_array_dim(const mlx_array arr, int dim) {
  struct wr_error *error = NULL;
  struct wr_node *node = wr_api_array(arr, "arr", &error);
  int ndim = node ? wr_node_ndim(node) : 0;
  if (dim < -ndim || dim >= ndim) {
    wr_api_reject(&error, "dim", "%d is out of range for an array with %d dimensions", dim, ndim);
  }
  if (wr_api_return("mlx_array_dim", error)) return 0;
  return wr_node_shape(node)[dim < 0 ? dim + ndim : dim];
}

mlx_dtype mlx_array_dtype(const mlx_array arr) {
  struct wr_node *node = node_of("mlx_array_dtype", arr);
  return node ? (mlx_dtype)wr_node_dtype(node) : MLX_BOOL;
}

int mlx_array_tostring(mlx_string *str, const mlx_array arr) {
  struct wr_error *error = NULL;
  char *text = NULL;
  wr_api_result_handle(str, WR_KIND_STRING, "str", &error);
  struct wr_node *node = wr_api_array(arr, "arr", &error);
  if (!error) error = wr_api_format_array(node, &text);
  if (!error) error = wr_api_set_string(str, text);
  wr_free(text);
  return wr_api_return("mlx_array_tostring", error);
}

/* ---- forcing, and where the value stands ---- */

int mlx_array_eval(mlx_array arr) {
  struct wr_error *error = NULL;
  struct wr_node *node = wr_api_array(arr, "arr", &error);
  if (!error) error = wr_eval(&node, 1);
  return wr_api_return("mlx_array_eval", error);
}

int _mlx_array_wait(const mlx_array arr) {
  struct wr_error *error = NULL;
  struct wr_node *node = wr_api_array(arr, "arr", &error);
  if (!error) error = wr_node_force(node);
  return wr_api_return("_mlx_array_wait", error);
}

static int ask(const char *function, bool *res, mlx_array arr,
               bool (*answer)(const struct wr_node *)) {
  struct wr_error *error = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *node = wr_api_array(arr, "arr", &error);
  if (!error) *res = answer(node);
  return wr_api_return(function, error);
}

/* The axis with extent above 1 whose stride is `stride`; -1 when there is none. */
static int axis_with_stride(const struct wr_node *node, int64_t stride) {
  for (int i = 0; i < wr_node_ndim(node); i++) {
    if (wr_node_shape(node)[i] > 1 && wr_node_strides(node)[i] == stride) return i;
  }
  return -1;
}

/* Without the repetitions along broadcast axes, whose stride is 0. */
static int64_t distinct_elements(const struct wr_node *node) {
  int64_t n = 1;
  for (int i = 0; i < wr_node_ndim(node); i++) {
    if (wr_node_strides(node)[i] != 0) n *= wr_node_shape(node)[i];
  }
  return wr_node_size(node) == 0 ? 0 : n;
}

/* Dense in some order of the axes: from the innermost stride 1 outwards, each axis begins where the
   one inside it ends. */
static bool is_dense(const struct wr_node *node) {
  int64_t covered = 1;
  while (covered < distinct_elements(node)) {
    int axis = axis_with_stride(node, covered);
    if (axis < 0) return false;
    covered *= wr_node_shape(node)[axis];
  }
  return true;
}

int _mlx_array_is_available(bool *res, const mlx_array arr) {
  return ask("_mlx_array_is_available", res, arr, wr_node_is_available);
}

int _mlx_array_is_contiguous(bool *res, const mlx_array arr) {
  return ask("_mlx_array_is_contiguous", res, arr, is_dense);
}

int _mlx_array_is_row_contiguous(bool *res, const mlx_array arr) {
  return ask("_mlx_array_is_row_contiguous", res, arr, wr_node_is_row_contiguous);
}

int _mlx_array_is_col_contiguous(bool *res, const mlx_array arr) {
  return ask("_mlx_array_is_col_contiguous", res, arr, wr_node_is_col_contiguous);
}
