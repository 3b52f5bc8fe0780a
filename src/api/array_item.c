/* Values of arrays: the element of an array of size one, converted to the type asked for, and the
   address of the elements. Both force the array. A conversion never fails: a real number becomes an
   integer by dropping its fraction, cut off at the ends of 64 bits, NaN is 0; narrower integers
   keep the low bits. No locks. */

#include <math.h>
#include <string.h>

#include "api/value.h"
#include "core/half.h"

/* ---- what a value is as another type ---- */

/* The 64 bits of an integer; of negative ones the two's complement. */
static uint64_t to_bits(struct wr_api_value v) {
  if (v.form == WR_FORM_SIGNED) return (uint64_t)v.i;
  if (v.form == WR_FORM_UNSIGNED) return v.u;
  if (isnan(v.re)) return 0;
  if (v.re >= 0) return v.re < 0x1p64 ? (uint64_t)v.re : UINT64_MAX;
  return v.re > -0x1p63 ? (uint64_t)(int64_t)v.re : (uint64_t)INT64_MIN;
}

static double to_double(struct wr_api_value v) {
  return v.form == WR_FORM_SIGNED ? (double)v.i : v.form == WR_FORM_UNSIGNED ? (double)v.u : v.re;
}

/* By itself, so that large integers are rounded once. */
static float to_float(struct wr_api_value v) {
  return v.form == WR_FORM_SIGNED     ? (float)v.i
         : v.form == WR_FORM_UNSIGNED ? (float)v.u
                                      : (float)v.re;
}

static bool to_bool(struct wr_api_value v) {
  if (v.form == WR_FORM_REAL) return v.re != 0 || v.im != 0;
  return to_bits(v) != 0;
}

/* ---- items ---- */

static void check_size_one(struct wr_node *node, struct wr_error **error) {
  if (!*error && wr_node_size(node) != 1) {
    wr_api_reject(error, "arr", "has %lld elements; only arrays of one element have an item",
                  (long long)wr_node_size(node));
  }
}

static bool item(const char *function, const void *res, mlx_array arr, struct wr_api_value *out) {
  struct wr_error *error = NULL;
  const void *data = NULL;
  wr_api_result(res, "res", &error);
  struct wr_node *node = wr_api_array(arr, "arr", &error);
  check_size_one(node, &error);
  if (!error) error = wr_node_host_data(node, &data);
  if (wr_api_return(function, error)) return false;
  *out = wr_api_load(wr_node_dtype(node), data);
  return true;
}

/* mlx_array_item_<name>: `of` the value, as `kept`. It is copied as bytes, because what complex64
   and the 16-bit floats are differs between compilers. */
#define ITEM(name, type, kept, of)                              \
  int mlx_array_item_##name(type *res, const mlx_array arr) {   \
    struct wr_api_value v;                                      \
    if (!item("mlx_array_item_" #name, res, arr, &v)) return 1; \
    const kept x = of;                                          \
    memcpy(res, &x, sizeof x);                                  \
    return 0;                                                   \
  }
ITEM(bool, bool, bool, to_bool(v))
ITEM(uint8, uint8_t, uint8_t, (uint8_t)to_bits(v))
ITEM(uint16, uint16_t, uint16_t, (uint16_t)to_bits(v))
ITEM(uint32, uint32_t, uint32_t, (uint32_t)to_bits(v))
ITEM(uint64, uint64_t, uint64_t, to_bits(v))
ITEM(int8, int8_t, int8_t, (int8_t)to_bits(v))
ITEM(int16, int16_t, int16_t, (int16_t)to_bits(v))
ITEM(int32, int32_t, int32_t, (int32_t)to_bits(v))
ITEM(int64, int64_t, int64_t, (int64_t)to_bits(v))
ITEM(float32, float, float, to_float(v))
ITEM(float64, double, double, to_double(v))
ITEM(complex64, mlx_complex64_t, wr_complex64, ((wr_complex64){to_float(v), (float)v.im}))
ITEM(float16, float16_t, uint16_t, wr_f32_to_f16(to_float(v)))
ITEM(bfloat16, bfloat16_t, uint16_t, wr_f32_to_bf16(to_float(v)))
#undef ITEM

/* ---- addresses: NULL means an error and nothing else ---- */

/* Elements may be looked at as another type, as in MLX, but not past their end. */
static const void *data_of(const char *function, mlx_array arr, size_t item_size) {
  struct wr_error *error = NULL;
  const void *data = NULL;
  struct wr_node *node = wr_api_array(arr, "arr", &error);
  if (!error && wr_dtype_size(wr_node_dtype(node)) < item_size) {
    wr_api_reject(&error, "arr", "is of %s, whose elements are smaller than what was asked for",
                  wr_dtype_name(wr_node_dtype(node)));
  }
  if (!error) error = wr_node_host_data(node, &data);
  if (wr_api_return(function, error)) return NULL;
  return data;
}

const bool *mlx_array_data_bool(const mlx_array arr) {
  return data_of("mlx_array_data_bool", arr, sizeof(bool));
}

const uint8_t *mlx_array_data_uint8(const mlx_array arr) {
  return data_of("mlx_array_data_uint8", arr, sizeof(uint8_t));
}

const uint16_t *mlx_array_data_uint16(const mlx_array arr) {
  return data_of("mlx_array_data_uint16", arr, sizeof(uint16_t));
}

const uint32_t *mlx_array_data_uint32(const mlx_array arr) {
  return data_of("mlx_array_data_uint32", arr, sizeof(uint32_t));
}

const uint64_t *mlx_array_data_uint64(const mlx_array arr) {
  return data_of("mlx_array_data_uint64", arr, sizeof(uint64_t));
}

const int8_t *mlx_array_data_int8(const mlx_array arr) {
  return data_of("mlx_array_data_int8", arr, sizeof(int8_t));
}

const int16_t *mlx_array_data_int16(const mlx_array arr) {
  return data_of("mlx_array_data_int16", arr, sizeof(int16_t));
}

const int32_t *mlx_array_data_int32(const mlx_array arr) {
  return data_of("mlx_array_data_int32", arr, sizeof(int32_t));
}

const int64_t *mlx_array_data_int64(const mlx_array arr) {
  return data_of("mlx_array_data_int64", arr, sizeof(int64_t));
}

const float *mlx_array_data_float32(const mlx_array arr) {
  return data_of("mlx_array_data_float32", arr, sizeof(float));
}

const double *mlx_array_data_float64(const mlx_array arr) {
  return data_of("mlx_array_data_float64", arr, sizeof(double));
}

const mlx_complex64_t *mlx_array_data_complex64(const mlx_array arr) {
  return data_of("mlx_array_data_complex64", arr, sizeof(wr_complex64));
}

const float16_t *mlx_array_data_float16(const mlx_array arr) {
  return data_of("mlx_array_data_float16", arr, sizeof(uint16_t));
}

const bfloat16_t *mlx_array_data_bfloat16(const mlx_array arr) {
  return data_of("mlx_array_data_bfloat16", arr, sizeof(uint16_t));
}
