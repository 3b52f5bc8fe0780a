#ifndef MLX_ARRAY_H
#define MLX_ARRAY_H

/* Arrays: N-dimensional, lazy until forced, then a value or an error for ever.

   A handle is a counted reference. mlx_array_free releases it; freeing an empty handle does
   nothing. Where a function has a result handle `res` or `arr`, what it held is released and
   replaced; it may be one of the inputs. A copy of the struct names the same handle: it follows
   what the handle is set to, and ends with its one free. mlx_array_set makes a second reference.
   Shapes and strides are in elements; an array has 0 to 32 dimensions.

   An empty handle is an error where an array is needed. So is one that is not a live array's,
   because it was freed, was never set (do so with mlx_array_new) or is of another kind, also where
   a result goes and in a free: as far as a look at it tells, and always when the environment has
   WEIR_CHECK=handles (docs/threads.md), as for all kinds of handles.

   Forcing (eval, item, data, tostring, wait) computes what the array needs, each part once,
   however many threads force it, and reports the array's error, if it has one, every time.

   Functions return 0, or 1 after an error: weir_last_error() then has the message, which names
   the operation and the parameter, and the handler of mlx_set_error_handler has been called.
   Those that return a handle, a pointer or a value return an empty handle, NULL or 0 instead.
   Any function may be called from any thread with any handle; only changing one handle variable
   while another thread uses that same variable needs a lock of the caller's. */

#include <complex.h>
#include <float.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "mlx/c/half.h"
#include "mlx/c/string.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mlx_array_ {
  void *ctx; /* NULL: empty */
} mlx_array;

__extension__ typedef float _Complex mlx_complex64_t; /* C++ has it as an extension */

/* An empty handle, for parameters that may be absent. */
__attribute__((unused)) static mlx_array mlx_array_empty;

/* Element types. float16 and bfloat16 are computed in float32 and rounded once. */
typedef enum mlx_dtype_ {
  MLX_BOOL,
  MLX_UINT8,
  MLX_UINT16,
  MLX_UINT32,
  MLX_UINT64,
  MLX_INT8,
  MLX_INT16,
  MLX_INT32,
  MLX_INT64,
  MLX_FLOAT16,
  MLX_FLOAT32,
  MLX_FLOAT64,
  MLX_BFLOAT16,
  MLX_COMPLEX64,
} mlx_dtype;

/* Bytes per element; 0 for an unknown type. */
size_t mlx_dtype_size(mlx_dtype dtype);

/* Forces, and writes the text that MLX prints. */
int mlx_array_tostring(mlx_string *str, const mlx_array arr);

/* A new empty handle. */
mlx_array mlx_array_new(void);

/* Releases the handle. */
int mlx_array_free(mlx_array arr);

/* A 0-dimensional array of bool, int32, float32, float64 or complex64. */
mlx_array mlx_array_new_bool(bool val);
mlx_array mlx_array_new_int(int val);
mlx_array mlx_array_new_float32(float val);
mlx_array mlx_array_new_float(float val);
mlx_array mlx_array_new_float64(double val);
mlx_array mlx_array_new_double(double val);
mlx_array mlx_array_new_complex(float real_val, float imag_val);

/* A copy of row-major data. `shape` has `dim` extents. A bool is a byte, true unless it is 0. */
mlx_array mlx_array_new_data(const void *data, const int *shape, int dim, mlx_dtype dtype);

/* An array over `data` itself, row-major, which stays the caller's memory until dtor(data) is
   called: once, after its last use, on the thread of the last free or on one of the library's
   that holds no lock, which is started here (a refusal of it is WEIR_ERROR_STATE). On failure the
   destructor is not called. A bool has to be 0 or 1. Data at an
   address that is no multiple of an element's alignment (its size; 4 for complex64) is copied, and
   the destructor is called before the function returns. */
mlx_array mlx_array_new_data_managed(void *data, const int *shape, int dim, mlx_dtype dtype,
                                     void (*dtor)(void *));

/* The same, with dtor(payload). */
mlx_array mlx_array_new_data_managed_payload(void *data, const int *shape, int dim, mlx_dtype dtype,
                                             void *payload /* may be null */, void (*dtor)(void *));

/* Makes *arr another reference to src. */
int mlx_array_set(mlx_array *arr, const mlx_array src);

/* Makes *arr a new 0-dimensional array. */
int mlx_array_set_bool(mlx_array *arr, bool val);
int mlx_array_set_int(mlx_array *arr, int val);
int mlx_array_set_float32(mlx_array *arr, float val);
int mlx_array_set_float(mlx_array *arr, float val);
int mlx_array_set_float64(mlx_array *arr, double val);
int mlx_array_set_double(mlx_array *arr, double val);
int mlx_array_set_complex(mlx_array *arr, float real_val, float imag_val);

/* Makes *arr a copy of row-major data. */
int mlx_array_set_data(mlx_array *arr, const void *data, const int *shape, int dim,
                       mlx_dtype dtype);

/* Bytes per element, number of elements, bytes of all elements, number of dimensions. Never
   force. */
size_t mlx_array_itemsize(const mlx_array arr);
size_t mlx_array_size(const mlx_array arr);
size_t mlx_array_nbytes(const mlx_array arr);
size_t mlx_array_ndim(const mlx_array arr);

/* The extents, and the strides in elements (0 where broadcast; a negative stride reads as its
   two's complement). Valid while the array lives. */
const int *mlx_array_shape(const mlx_array arr);
const size_t *mlx_array_strides(const mlx_array arr);

/* The extent of one axis, which may count from the end. */
int mlx_array_dim(const mlx_array arr, int dim);

/* The element type. */
mlx_dtype mlx_array_dtype(const mlx_array arr);

/* Forces, and waits for the value. */
int mlx_array_eval(mlx_array arr);

/* Forces an array of one element and reads it, converted from the array's type where that
   differs. */
int mlx_array_item_bool(bool *res, const mlx_array arr);
int mlx_array_item_uint8(uint8_t *res, const mlx_array arr);
int mlx_array_item_uint16(uint16_t *res, const mlx_array arr);
int mlx_array_item_uint32(uint32_t *res, const mlx_array arr);
int mlx_array_item_uint64(uint64_t *res, const mlx_array arr);
int mlx_array_item_int8(int8_t *res, const mlx_array arr);
int mlx_array_item_int16(int16_t *res, const mlx_array arr);
int mlx_array_item_int32(int32_t *res, const mlx_array arr);
int mlx_array_item_int64(int64_t *res, const mlx_array arr);
int mlx_array_item_float32(float *res, const mlx_array arr);
int mlx_array_item_float64(double *res, const mlx_array arr);
int mlx_array_item_complex64(mlx_complex64_t *res, const mlx_array arr);
int mlx_array_item_float16(float16_t *res, const mlx_array arr);
int mlx_array_item_bfloat16(bfloat16_t *res, const mlx_array arr);

/* Forces and gives the address of the first element, NULL after an error alone. The elements lie as
   mlx_array_strides says. Valid while the array lives; the type is the caller's promise. */
const bool *mlx_array_data_bool(const mlx_array arr);
const uint8_t *mlx_array_data_uint8(const mlx_array arr);
const uint16_t *mlx_array_data_uint16(const mlx_array arr);
const uint32_t *mlx_array_data_uint32(const mlx_array arr);
const uint64_t *mlx_array_data_uint64(const mlx_array arr);
const int8_t *mlx_array_data_int8(const mlx_array arr);
const int16_t *mlx_array_data_int16(const mlx_array arr);
const int32_t *mlx_array_data_int32(const mlx_array arr);
const int64_t *mlx_array_data_int64(const mlx_array arr);
const float *mlx_array_data_float32(const mlx_array arr);
const double *mlx_array_data_float64(const mlx_array arr);
const mlx_complex64_t *mlx_array_data_complex64(const mlx_array arr);
const float16_t *mlx_array_data_float16(const mlx_array arr);
const bfloat16_t *mlx_array_data_bfloat16(const mlx_array arr);

/* True once the array has a value or an error. Never waits. */
int _mlx_array_is_available(bool *res, const mlx_array arr);

/* Waits for an array that was submitted; forces one that was not. */
int _mlx_array_wait(const mlx_array arr);

/* Whether the elements lie without gaps: in any order, which repeated (broadcast) ones do too; in
   row-major; in column-major order. */
int _mlx_array_is_contiguous(bool *res, const mlx_array arr);
int _mlx_array_is_row_contiguous(bool *res, const mlx_array arr);
int _mlx_array_is_col_contiguous(bool *res, const mlx_array arr);

#ifdef __cplusplus
}
#endif

#endif
