#ifndef WR_TESTS_SUPPORT_FAR_INDICES_H
#define WR_TESTS_SUPPORT_FAR_INDICES_H

/* Indices far out of range, of every integer type: the ends of the type, powers of two beyond 32
   bits, distances below 0, and what NaN and infinities become as integers. What reads takes the
   nearest, what writes drops them (rule E6), and so do derivatives; nothing else is read or
   written. What is read lies in memory of its own size, so that AddressSanitizer sees a byte beyond
   it. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "mlx/c/mlx.h"

enum { ROWS = 7, COLUMNS = 5, ALL = ROWS * COLUMNS, MOST = 24 };

static const mlx_stream s; /* the default */

/* ---- arrays ---- */

static const mlx_dtype types[] = {MLX_UINT8, MLX_UINT16, MLX_UINT32, MLX_UINT64,
                                  MLX_INT8,  MLX_INT16,  MLX_INT32,  MLX_INT64};
enum { TYPES = sizeof types / sizeof types[0], SIGNED = 4 };

static size_t bytes_of(int type) { return (size_t)1 << type % SIGNED; }

static mlx_array exactly(const void *data, size_t bytes, const int *shape, int ndim,
                         mlx_dtype dtype) {
  void *copy = malloc(bytes);
  CHECK(copy != NULL);
  memcpy(copy, data, bytes);
  mlx_array a = mlx_array_new_data_managed(copy, shape, ndim, dtype, free);
  CHECK(a.ctx != NULL);
  return a;
}

static float element(int i) { return (float)(i + 1); }

/* (ROWS, COLUMNS), or the same of a transposed array. */
static mlx_array source(bool turned) {
  float data[ALL];
  const int shape[] = {turned ? COLUMNS : ROWS, turned ? ROWS : COLUMNS};
  for (int i = 0; i < ROWS; i++) {
    for (int j = 0; j < COLUMNS; j++) {
      data[turned ? j * ROWS + i : i * COLUMNS + j] = element(i * COLUMNS + j);
    }
  }
  mlx_array a = exactly(data, sizeof data, shape, 2, MLX_FLOAT32);
  if (turned) CHECK(mlx_transpose(&a, a, s) == 0);
  return a;
}

/* ---- indices ---- */

struct far {
  int n;
  uint64_t bits[MOST]; /* of the type, the others 0 */
  int64_t at[MOST];    /* what is meant: counted from the start, held in 64 bits */
};

static void add(struct far *f, int type, int64_t value, uint64_t bits, int extent) {
  const uint64_t mask = bytes_of(type) == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * bytes_of(type)) - 1;
  CHECK(f->n < MOST);
  f->bits[f->n] = bits & mask;
  f->at[f->n++] = value < 0 ? value + extent : value;
}

static struct far far_of(int type, int extent) {
  static const int64_t values[] = {
      0,          1,         2,         -1,        -2,        -100,          127,
      -128,       255,       32767,     -32768,    65535,     INT32_MAX,     INT32_MIN,
      UINT32_MAX, 1LL << 32, 1LL << 62, INT64_MAX, INT64_MIN, INT64_MIN + 1, -(1LL << 33)};
  struct far f = {0};
  const bool is_signed = type >= SIGNED;
  const int bits = 8 * (int)bytes_of(type);
  const int64_t most = (int64_t)(UINT64_MAX >> (64 - bits + is_signed) & INT64_MAX);
  for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
    const bool fits = values[i] <= most && values[i] >= (is_signed ? -most - 1 : 0);
    if (fits) add(&f, type, values[i], (uint64_t)values[i], extent);
  }
  if (!is_signed && bits == 64) add(&f, type, INT64_MAX, UINT64_MAX, extent);
  if (!is_signed && bits == 64) add(&f, type, INT64_MAX, UINT64_C(1) << 63, extent);
  return f;
}

static mlx_array indices_of(const struct far *f, int type, const int *shape, int ndim, int each) {
  unsigned char data[MOST * COLUMNS * 8];
  const size_t bytes = bytes_of(type);
  for (int i = 0; i < f->n * each; i++) memcpy(data + (size_t)i * bytes, &f->bits[i / each], bytes);
  return exactly(data, (size_t)(f->n * each) * bytes, shape, ndim, types[type]);
}

static int nearest(int64_t at, int last) { return at < 0 ? 0 : at > last ? last : (int)at; }
static bool inside(int64_t at, int extent) { return at >= 0 && at < extent; }

/* ---- reading ---- */

/* Row i of the result is that of the nearest index. Frees it. */
static void expect_rows(mlx_array a, const struct far *f) {
  CHECK(mlx_array_eval(a) == 0 && mlx_array_size(a) == (size_t)(f->n * COLUMNS));
  const float *data = mlx_array_data_float32(a);
  for (int i = 0; i < f->n * COLUMNS; i++) {
    const int row = nearest(f->at[i / COLUMNS], ROWS - 1);
    CHECK(data[i] == element(row * COLUMNS + i % COLUMNS));
  }
  mlx_array_free(a);
}

static void takes(int type, bool turned) {
  const struct far f = far_of(type, ROWS), flat = far_of(type, ALL);
  mlx_array a = source(turned), y = mlx_array_new();
  mlx_array at = indices_of(&f, type, &f.n, 1, 1), places = indices_of(&flat, type, &flat.n, 1, 1);
  CHECK(mlx_take_axis(&y, a, at, 0, s) == 0);
  expect_rows(y, &f);
  y = mlx_array_new();
  CHECK(mlx_transpose(&y, a, s) == 0 && mlx_take_axis(&y, y, at, 1, s) == 0);
  CHECK(mlx_transpose(&y, y, s) == 0 && mlx_contiguous(&y, y, false, s) == 0);
  expect_rows(y, &f);
  y = mlx_array_new();
  CHECK(mlx_take(&y, a, places, s) == 0 && mlx_array_eval(y) == 0);
  for (int i = 0; i < flat.n; i++) {
    CHECK(mlx_array_data_float32(y)[i] == element(nearest(flat.at[i], ALL - 1)));
  }
  mlx_array all[] = {a, at, places, y};
  for (int i = 0; i < 4; i++) mlx_array_free(all[i]);
}

static void takes_along(int type, bool turned) {
  const struct far f = far_of(type, ROWS);
  const int whole[] = {f.n, COLUMNS}, one[] = {f.n, 1};
  mlx_array a = source(turned), y = mlx_array_new(), z = mlx_array_new();
  mlx_array each = indices_of(&f, type, whole, 2, COLUMNS), all = indices_of(&f, type, one, 2, 1);
  CHECK(mlx_take_along_axis(&y, a, each, 0, s) == 0);
  expect_rows(y, &f);
  CHECK(mlx_take_along_axis(&z, a, all, 0, s) == 0);
  expect_rows(z, &f);
  mlx_array_free(a);
  mlx_array_free(each);
  mlx_array_free(all);
}

/* One array of indices for each axis, of which one is far. */
static void gathers(int type, bool turned) {
  const struct far f = far_of(type, ROWS);
  const int axes[] = {0, 1}, ones[] = {1, 1}, rows[] = {2, COLUMNS};
  mlx_array a = source(turned), y = mlx_array_new(), zero = mlx_array_new();
  mlx_array at = indices_of(&f, type, &f.n, 1, 1);
  CHECK(mlx_zeros_like(&zero, at, s) == 0);
  const mlx_array both[] = {at, zero};
  mlx_vector_array v = mlx_vector_array_new_data(both, 2);
  CHECK(mlx_gather(&y, a, v, axes, 2, ones, 2, s) == 0 && mlx_array_eval(y) == 0);
  for (int i = 0; i < f.n; i++) {
    CHECK(mlx_array_data_float32(y)[i] == element(nearest(f.at[i], ROWS - 1) * COLUMNS));
  }
  CHECK(mlx_gather_single(&y, a, at, 0, rows, 2, s) == 0 && mlx_array_eval(y) == 0);
  for (int i = 0; i < f.n * 2 * COLUMNS; i++) {
    const int begin = nearest(f.at[i / (2 * COLUMNS)], ROWS - 2);
    CHECK(mlx_array_data_float32(y)[i] == element(begin * COLUMNS + i % (2 * COLUMNS)));
  }
  mlx_vector_array_free(v);
  mlx_array all[] = {a, y, zero, at};
  for (int i = 0; i < 4; i++) mlx_array_free(all[i]);
}

/* Where a part begins is held inside; what counts from the end is not. */
static void parts(int type, bool turned) {
  const struct far f = far_of(type, 0);
  const int axis = 0, size[] = {3, COLUMNS}, two[] = {3, COLUMNS};
  for (int i = 0; i < f.n; i++) {
    struct far one = {.n = 1, .bits = {f.bits[i]}};
    mlx_array a = source(turned), at = indices_of(&one, type, &one.n, 1, 1);
    mlx_array y = mlx_array_new(), z = mlx_array_new(), zeros = mlx_array_new();
    const int begin = nearest(f.at[i], ROWS - 3);
    CHECK(mlx_slice_dynamic(&y, a, at, &axis, 1, size, 2, s) == 0 && mlx_array_eval(y) == 0);
    CHECK(mlx_zeros(&zeros, two, 2, MLX_FLOAT32, s) == 0);
    CHECK(mlx_slice_update_dynamic(&z, a, zeros, at, &axis, 1, s) == 0 && mlx_array_eval(z) == 0);
    for (int k = 0; k < 3 * COLUMNS; k++) {
      CHECK(mlx_array_data_float32(y)[k] == element(begin * COLUMNS + k));
    }
    for (int k = 0; k < ALL; k++) {
      const bool is = k >= begin * COLUMNS && k < (begin + 3) * COLUMNS;
      CHECK(mlx_array_data_float32(z)[k] == (is ? 0 : element(k)));
    }
    mlx_array all[] = {a, at, y, z, zeros};
    for (int k = 0; k < 5; k++) mlx_array_free(all[k]);
  }
}

/* Matrices that are chosen: a matrix of ones by row k of the source, as a column. */
static void products(int type, bool turned) {
  const struct far f = far_of(type, ROWS);
  const int shape[] = {ROWS, 1, COLUMNS}, column[] = {1, COLUMNS, 1};
  mlx_array a = source(turned), ones = mlx_array_new(), y = mlx_array_new();
  mlx_array at = indices_of(&f, type, &f.n, 1, 1);
  CHECK(mlx_reshape(&a, a, shape, 3, s) == 0 && mlx_ones(&ones, column, 3, MLX_FLOAT32, s) == 0);
  mlx_array zeros = mlx_array_new();
  CHECK(mlx_zeros_like(&zeros, at, s) == 0);
  CHECK(mlx_gather_mm(&y, a, ones, at, zeros, false, s) == 0 && mlx_array_eval(y) == 0);
  for (int i = 0; i < f.n; i++) {
    const int row = nearest(f.at[i], ROWS - 1) * COLUMNS;
    float sum = 0;
    for (int j = 0; j < COLUMNS; j++) sum += element(row + j);
    CHECK(mlx_array_data_float32(y)[i] == sum);
  }
  mlx_array all[] = {a, ones, y, at, zeros};
  for (int i = 0; i < 5; i++) mlx_array_free(all[i]);
}

static void quantised_products(int type) {
  enum { MATRICES = 3, N = 8, K = 32 };
  const struct far f = far_of(type, MATRICES);
  const int shape[] = {MATRICES, N, K}, row[] = {1, 1, K};
  mlx_array w = mlx_array_new(), x = mlx_array_new(), y = mlx_array_new(), all = mlx_array_new();
  mlx_array at = indices_of(&f, type, &f.n, 1, 1), part[3], numbers = mlx_array_new();
  mlx_vector_array packed = mlx_vector_array_new();
  const mlx_array none = {0};
  const mlx_optional_int size = {.value = 32, .has_value = true},
                         bits = {.value = 8, .has_value = true};
  CHECK(mlx_arange(&numbers, 0, MATRICES, 1, MLX_FLOAT32, s) == 0);
  CHECK(mlx_reshape(&numbers, numbers, (const int[]){MATRICES, 1, 1}, 3, s) == 0);
  CHECK(mlx_broadcast_to(&w, numbers, shape, 3, s) == 0);
  CHECK(mlx_ones(&x, row, 3, MLX_FLOAT32, s) == 0);
  CHECK(mlx_quantize(&packed, w, size, bits, "affine", none, s) == 0);
  for (int i = 0; i < 3; i++) {
    part[i] = mlx_array_new();
    CHECK(mlx_vector_array_get(&part[i], packed, (size_t)i) == 0);
  }
  CHECK(mlx_zeros_like(&all, at, s) == 0);
  CHECK(mlx_gather_qmm(&y, x, part[0], part[1], part[2], all, at, true, size, bits, "affine", false,
                       s) == 0 &&
        mlx_array_eval(y) == 0);
  for (int i = 0; i < f.n * N; i++) {
    const float want = (float)(K * nearest(f.at[i / N], MATRICES - 1));
    CHECK(fabsf(mlx_array_data_float32(y)[i] - want) < 0.01f * (want + 1));
  }
  mlx_vector_array_free(packed);
  mlx_array some[] = {w, x, y, all, at, numbers, part[0], part[1], part[2]};
  for (int i = 0; i < 9; i++) mlx_array_free(some[i]);
}

/* From row 0 below index i: all of them where that is far, none below 0. */
static void segments(int type) {
  const struct far f = far_of(type, 0);
  unsigned char data[2 * MOST * 8] = {0};
  const size_t bytes = bytes_of(type);
  const int shape[] = {f.n, 2}, row[] = {1, ROWS};
  for (int i = 0; i < f.n; i++) memcpy(data + (size_t)(2 * i + 1) * bytes, &f.bits[i], bytes);
  mlx_array ends = exactly(data, (size_t)(2 * f.n) * bytes, shape, 2, types[type]);
  mlx_array a = source(false), ones = mlx_array_new(), y = mlx_array_new();
  CHECK(mlx_ones(&ones, row, 2, MLX_FLOAT32, s) == 0);
  CHECK(mlx_segmented_mm(&y, ones, a, ends, s) == 0 && mlx_array_eval(y) == 0);
  for (int i = 0; i < f.n * COLUMNS; i++) {
    float sum = 0;
    for (int k = 0; k < nearest(f.at[i / COLUMNS], ROWS); k++) {
      sum += element(k * COLUMNS + i % COLUMNS);
    }
    CHECK(mlx_array_data_float32(y)[i] == sum);
  }
  mlx_array all[] = {ends, a, ones, y};
  for (int i = 0; i < 4; i++) mlx_array_free(all[i]);
}

/* ---- writing ---- */

enum way { PUT, ADD, MAX, MIN, PROD, WAYS };

static float joined(enum way way, float a, float u) {
  switch (way) {
    case ADD:
      return a + u;
    case MAX:
      return a > u ? a : u;
    case MIN:
      return a < u ? a : u;
    case PROD:
      return a * u;
    default:
      return u;
  }
}

static const float written = 3;

/* What the source becomes where rows, or single elements of their first column, are written. */
static void expect_written(mlx_array y, enum way way, const struct far *f, bool rows) {
  float want[ALL];
  for (int i = 0; i < ALL; i++) want[i] = element(i);
  for (int i = 0; i < f->n; i++) {
    if (!inside(f->at[i], ROWS)) continue;
    for (int j = 0; j < (rows ? COLUMNS : 1); j++) {
      float *at = &want[(int)f->at[i] * COLUMNS + j];
      *at = joined(way, *at, written);
    }
  }
  CHECK(mlx_array_eval(y) == 0 && mlx_array_size(y) == ALL);
  CHECK(memcmp(mlx_array_data_float32(y), want, sizeof want) == 0);
}

static void scatters(int type, bool turned) {
  typedef int (*scatter_one)(mlx_array *, mlx_array, mlx_array, mlx_array, int, mlx_stream);
  typedef int (*scatter_all)(mlx_array *, mlx_array, mlx_vector_array, mlx_array, const int *,
                             size_t, mlx_stream);
  static const scatter_one one[] = {mlx_scatter_single, mlx_scatter_add_single,
                                    mlx_scatter_max_single, mlx_scatter_min_single,
                                    mlx_scatter_prod_single};
  static const scatter_all several[] = {mlx_scatter, mlx_scatter_add, mlx_scatter_max,
                                        mlx_scatter_min, mlx_scatter_prod};
  const struct far f = far_of(type, ROWS);
  const int axes[] = {0, 1}, rows[] = {f.n, 1, COLUMNS}, ones[] = {f.n, 1, 1};
  mlx_array three = mlx_array_new_float(written), zero = mlx_array_new(), a = source(turned);
  mlx_array at = indices_of(&f, type, &f.n, 1, 1), y = mlx_array_new();
  mlx_array whole = mlx_array_new(), single = mlx_array_new();
  CHECK(mlx_zeros_like(&zero, at, s) == 0);
  const mlx_array both[] = {at, zero};
  mlx_vector_array v = mlx_vector_array_new_data(both, 2);
  CHECK(mlx_broadcast_to(&whole, three, rows, 3, s) == 0);
  CHECK(mlx_broadcast_to(&single, three, ones, 3, s) == 0);
  for (int way = 0; way < WAYS; way++) {
    CHECK(one[way](&y, a, at, whole, 0, s) == 0);
    expect_written(y, (enum way)way, &f, true);
    CHECK(several[way](&y, a, v, single, axes, 2, s) == 0);
    expect_written(y, (enum way)way, &f, false);
  }
  mlx_vector_array_free(v);
  mlx_array all[] = {three, zero, a, at, y, whole, single};
  for (int i = 0; i < 7; i++) mlx_array_free(all[i]);
}

/* As take_along_axis reads. */
static void puts_along(int type, bool turned) {
  struct far f = far_of(type, ROWS);
  const int one[] = {f.n, 1};
  mlx_array a = source(turned), at = indices_of(&f, type, one, 2, 1), y = mlx_array_new();
  mlx_array value = mlx_array_new_float(written);
  CHECK(mlx_put_along_axis(&y, a, at, value, 0, s) == 0);
  expect_written(y, PUT, &f, true);
  CHECK(mlx_scatter_add_axis(&y, a, at, value, 0, s) == 0);
  expect_written(y, ADD, &f, true);
  mlx_array all[] = {a, at, y, value};
  for (int i = 0; i < 4; i++) mlx_array_free(all[i]);
}

/* ---- derivatives ---- */

static mlx_array taken_at; /* what the function below takes */
static bool along;

static int takes_it(mlx_vector_array *out, const mlx_vector_array in) {
  mlx_array a = mlx_array_new(), y = mlx_array_new();
  int rc = mlx_vector_array_get(&a, in, 0);
  if (!rc) {
    rc = along ? mlx_take_along_axis(&y, a, taken_at, 0, s) : mlx_take_axis(&y, a, taken_at, 0, s);
  }
  if (!rc) rc = mlx_vector_array_set_value(out, y);
  mlx_array_free(a);
  mlx_array_free(y);
  return rc;
}

/* A cotangent of ones comes back as often as an index was inside. */
static void gradients(int type, bool turned) {
  const struct far f = far_of(type, ROWS);
  const int whole[] = {f.n, COLUMNS}, one[] = {f.n, 1};
  for (int way = 0; way < 2; way++) {
    along = way == 1;
    taken_at = indices_of(&f, type, along ? one : &f.n, along ? 2 : 1, 1);
    mlx_array a = source(turned), ones = mlx_array_new(), g = mlx_array_new();
    CHECK(mlx_ones(&ones, whole, 2, MLX_FLOAT32, s) == 0);
    mlx_closure fun = mlx_closure_new_func(takes_it);
    mlx_vector_array primals = mlx_vector_array_new_value(a);
    mlx_vector_array cotangents = mlx_vector_array_new_value(ones);
    mlx_vector_array values = mlx_vector_array_new(), back = mlx_vector_array_new();
    CHECK(mlx_vjp(&values, &back, fun, primals, cotangents) == 0);
    CHECK(mlx_vector_array_get(&g, back, 0) == 0 && mlx_array_eval(g) == 0);
    for (int i = 0; i < ALL; i++) {
      int times = 0;
      for (int k = 0; k < f.n; k++) times += f.at[k] == i / COLUMNS;
      CHECK(mlx_array_data_float32(g)[i] == (float)times);
    }
    mlx_vector_array vectors[] = {primals, cotangents, values, back};
    for (int i = 0; i < 4; i++) mlx_vector_array_free(vectors[i]);
    mlx_closure_free(fun);
    mlx_array all[] = {a, ones, g, taken_at};
    for (int i = 0; i < 4; i++) mlx_array_free(all[i]);
  }
}

/* ---- of floats ---- */

/* What they become is for the processor to say; it is some index. */
static void of_floats(mlx_dtype dtype) {
  const float values[] = {NAN, INFINITY, -INFINITY, 1e30f, -1e30f, 3e9f, -3e9f, 1e19f};
  const int n = sizeof values / sizeof values[0], rows[] = {n, 1, COLUMNS};
  mlx_array floats = exactly(values, sizeof values, &n, 1, MLX_FLOAT32), at = mlx_array_new();
  mlx_array a = source(false), y = mlx_array_new(), three = mlx_array_new_float(written);
  CHECK(mlx_astype(&at, floats, dtype, s) == 0 && mlx_take_axis(&y, a, at, 0, s) == 0);
  CHECK(mlx_array_eval(y) == 0);
  for (int i = 0; i < n * COLUMNS; i++) {
    const float v = mlx_array_data_float32(y)[i];
    CHECK(v >= 1 && v <= ALL && (int)(v - 1) % COLUMNS == i % COLUMNS);
  }
  CHECK(mlx_broadcast_to(&three, three, rows, 3, s) == 0);
  CHECK(mlx_scatter_single(&y, a, at, three, 0, s) == 0 && mlx_array_eval(y) == 0);
  for (int i = 0; i < ALL; i++) {
    const float v = mlx_array_data_float32(y)[i];
    CHECK(v == written || v == element(i));
  }
  mlx_array all[] = {floats, at, a, y, three};
  for (int i = 0; i < 5; i++) mlx_array_free(all[i]);
}

static inline void far_indices(void) {
  for (int type = 0; type < TYPES; type++) {
    for (int turned = 0; turned < 2; turned++) {
      takes(type, turned);
      takes_along(type, turned);
      gathers(type, turned);
      parts(type, turned);
      products(type, turned);
      scatters(type, turned);
      puts_along(type, turned);
      gradients(type, turned);
    }
    quantised_products(type);
    segments(type);
    of_floats(types[type]);
  }
}

#endif
