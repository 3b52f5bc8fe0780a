/* Fusion changes no result: random graphs, run by a child with WEIR_FUSE=0 and by one with
   WEIR_FUSE=1, give the same bytes. The graphs have all dtypes, broadcasts, views, shared
   subgraphs, handles that live and handles that are overwritten, evaluations in the middle,
   reductions, and empty arrays. NaN is NaN: which bits it has is not part of a value. */

#include <math.h>
#include <sys/mman.h>

#include "anew.h"
#include "api/api.h"
#include "programs.h"

enum { GRAPHS = SANITIZED ? 80 : 600, STEPS = 40, POOL = 10 };

/* Where a child writes down its results: a hash of each. */
struct results {
  size_t used;
  uint64_t hashes[GRAPHS * POOL];
};

static struct results *out;
static uint64_t state;

static uint32_t random_below(uint32_t n) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (uint32_t)(state >> 33) % n;
}

/* ---- writing results down ---- */

static void canonical_float(char *p) {
  float f;
  memcpy(&f, p, sizeof f);
  if (isnan(f)) memcpy(p, &(float){NAN}, sizeof f);
}

static void canonical_double(char *p) {
  double d;
  memcpy(&d, p, sizeof d);
  if (isnan(d)) memcpy(p, &(double){NAN}, sizeof d);
}

static void canonical_half(char *p, uint16_t exponent) {
  uint16_t h;
  memcpy(&h, p, sizeof h);
  if ((h & 0x7fff) > exponent) memcpy(p, &(uint16_t){0x7fff}, sizeof h);
}

static void canonical(char *p, size_t bytes, mlx_dtype dtype) {
  size_t step = mlx_dtype_size(dtype);
  if (dtype == MLX_COMPLEX64) step = sizeof(float);
  for (size_t i = 0; i < bytes; i += step) {
    if (dtype == MLX_FLOAT32 || dtype == MLX_COMPLEX64) canonical_float(p + i);
    if (dtype == MLX_FLOAT64) canonical_double(p + i);
    if (dtype == MLX_FLOAT16) canonical_half(p + i, 0x7c00);
    if (dtype == MLX_BFLOAT16) canonical_half(p + i, 0x7f80);
  }
}

static uint64_t hash(const char *p, size_t bytes) {
  uint64_t h = UINT64_C(0xcbf29ce484222325);
  for (size_t i = 0; i < bytes; i++) h = (h ^ (uint8_t)p[i]) * UINT64_C(0x100000001b3);
  return h;
}

static void write_down(mlx_array a) {
  mlx_array dense = mlx_array_new();
  CHECK(mlx_contiguous(&dense, a, false, (mlx_stream){0}) == 0);
  const void *data;
  struct wr_error *error = NULL;
  struct wr_node *node = wr_api_array(dense, "dense", &error);
  CHECK(!error && wr_node_host_data(node, &data) == NULL);
  size_t bytes = mlx_array_nbytes(dense);
  char *copy = malloc(bytes + 1);
  CHECK(copy != NULL);
  if (bytes) memcpy(copy, data, bytes);
  canonical(copy, bytes, mlx_array_dtype(dense));
  out->hashes[out->used++] = hash(copy, bytes);
  free(copy);
  mlx_array_free(dense);
}

/* ---- inputs ---- */

static const struct {
  int ndim;
  int shape[3];
} bases[] = {{0, {0}},       {1, {1}},        {1, {5}},       {2, {3, 4}}, {2, {64, 65}},
             {3, {2, 1, 7}}, {2, {30, 41}},   {1, {10000}},   {2, {0, 3}}, {2, {7, 1030}},
             {2, {1030, 7}}, {3, {5, 6, 90}}, {2, {2, 70000}}};

static const mlx_dtype dtypes[] = {
    MLX_BOOL,    MLX_UINT8,   MLX_INT8,    MLX_UINT16,  MLX_INT32,   MLX_INT64,    MLX_UINT64,
    MLX_FLOAT16, MLX_FLOAT32, MLX_FLOAT32, MLX_FLOAT32, MLX_FLOAT64, MLX_BFLOAT16, MLX_COMPLEX64};

/* Every other graph has the types that are computed in registers together, so that groups have
   several of them (cpu/lanes.h). */
static const mlx_dtype together[] = {MLX_FLOAT32, MLX_FLOAT32, MLX_BFLOAT16, MLX_BOOL};
static bool is_together;

static mlx_dtype random_dtype(void) {
  if (is_together) return together[random_below(sizeof together / sizeof together[0])];
  return dtypes[random_below(sizeof dtypes / sizeof dtypes[0])];
}

static float random_value(void) {
  static const float special[] = {0, -0.0f, INFINITY, -INFINITY, NAN, 1, -1, 1e30f, 1e-40f, 300};
  uint32_t kind = random_below(40);
  if (kind < 10) return special[kind];
  return ((float)random_below(20001) - 10000) / (kind < 25 ? 1000.0f : 3000000.0f);
}

static void turn(mlx_array *a) { CHECK(mlx_transpose(a, *a, (mlx_stream){0}) == 0); }

/* Every second element along each axis, the last axis backwards. */
static void thin_out(mlx_array *a, int ndim) {
  int start[3] = {0}, stop[3], step[3];
  const int *shape = mlx_array_shape(*a);
  for (int d = 0; d < ndim; d++) {
    bool back = d == ndim - 1;
    start[d] = back ? shape[d] - 1 : 0;
    stop[d] = back ? -shape[d] - 1 : shape[d];
    step[d] = back ? -2 : 2;
  }
  CHECK(mlx_slice(a, *a, start, (size_t)ndim, stop, (size_t)ndim, step, (size_t)ndim,
                  (mlx_stream){0}) == 0);
}

/* An array that fits the shape: dense, turned, thinned out, or with axes to broadcast along. */
static mlx_array random_input(int ndim, const int *base) {
  int shape[3], n = 1;
  bool turned = random_below(4) == 0, thin = ndim > 0 && random_below(4) == 0;
  for (int d = 0; d < ndim; d++) {
    int extent = random_below(4) == 0 ? 1 : base[d];
    shape[turned ? ndim - 1 - d : d] = thin ? 2 * extent : extent;
    n *= thin ? 2 * extent : extent;
  }
  float *data = malloc((size_t)n * sizeof *data + 1);
  CHECK(data != NULL);
  for (int i = 0; i < n; i++) data[i] = random_value();
  mlx_array a = mlx_array_new_data(data, shape, ndim, MLX_FLOAT32);
  free(data);
  CHECK(mlx_astype(&a, a, random_dtype(), (mlx_stream){0}) == 0);
  if (random_below(2)) CHECK(mlx_array_eval(a) == 0);
  if (turned) turn(&a);
  if (thin) thin_out(&a, ndim);
  return a;
}

/* ---- graphs ---- */

typedef int (*unary_fn)(mlx_array *, mlx_array, mlx_stream);
typedef int (*binary_fn)(mlx_array *, mlx_array, mlx_array, mlx_stream);

static const unary_fn unaries[] = {
    mlx_abs,    mlx_ceil, mlx_cos,      mlx_erf,      mlx_floor,      mlx_exp,   mlx_expm1,
    mlx_floor,  mlx_log,  mlx_isfinite, mlx_isinf,    mlx_isnan,      mlx_log1p, mlx_log2,
    mlx_square, mlx_sqrt, mlx_sign,     mlx_negative, mlx_reciprocal, mlx_rsqrt, mlx_sin,
    mlx_tan,    mlx_tanh, mlx_sigmoid,  mlx_copy,     mlx_logical_not};

static const binary_fn binaries[] = {
    mlx_add,     mlx_divide,      mlx_equal,      mlx_greater, mlx_greater_equal, mlx_less,
    mlx_maximum, mlx_logical_and, mlx_logical_or, mlx_minimum, mlx_multiply,      mlx_not_equal,
    mlx_power,   mlx_remainder,   mlx_subtract,   mlx_add,     mlx_multiply,      mlx_subtract};

/* What may end a group, or nearly: results over the last axis or over all, of extents that
   broadcast again. */
static int random_end(mlx_array *r, mlx_array a) {
  mlx_stream s = {0};
  bool empty = mlx_array_size(a) == 0;
  if (mlx_array_ndim(a) == 0) return mlx_sum(r, a, true, s);
  switch (random_below(empty ? 2 : 9)) {
    case 0:
      return mlx_sum_axis(r, a, -1, true, s);
    case 1:
      return mlx_sum(r, a, true, s);
    case 2:
      return mlx_max_axis(r, a, -1, true, s);
    case 3:
      return mlx_min(r, a, true, s);
    case 4:
    case 5:
      return mlx_softmax_axis(r, a, -1, false, s);
    case 6:
      return mlx_any_axis(r, a, -1, true, s);
    case 7:
      return mlx_all(r, a, true, s);
    default:
      return mlx_sum_axis(r, a, 0, true, s);
  }
}

/* One random operation on arrays of the pool; some combinations of dtypes are refused, and then the
   result stays what it was. */
static void random_operation(mlx_array *r, const mlx_array *pool) {
  mlx_stream s = {0};
  mlx_array a = pool[random_below(POOL)], b = pool[random_below(POOL)];
  switch (random_below(16)) {
    case 0:
      mlx_where(r, pool[random_below(POOL)], a, b, s);
      break;
    case 1:
      mlx_astype(r, a, random_dtype(), s);
      break;
    case 2:
      random_end(r, a);
      break;
    case 3:
    case 4:
    case 5:
    case 6:
      unaries[random_below(sizeof unaries / sizeof unaries[0])](r, a, s);
      break;
    default:
      binaries[random_below(sizeof binaries / sizeof binaries[0])](r, a, b, s);
      break;
  }
}

static void eval_all(const mlx_array *pool) {
  mlx_vector_array v = mlx_vector_array_new_data(pool, POOL);
  CHECK(mlx_eval(v) == 0);
  mlx_vector_array_free(v);
}

static void random_graph(uint64_t seed) {
  state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
  is_together = seed % 2 == 0;
  uint32_t base = random_below(sizeof bases / sizeof bases[0]);
  mlx_array pool[POOL];
  for (int i = 0; i < POOL; i++) pool[i] = random_input(bases[base].ndim, bases[base].shape);
  for (int i = 0; i < STEPS; i++) {
    random_operation(&pool[random_below(POOL)], pool);
    if (random_below(16) == 0) CHECK(mlx_array_eval(pool[random_below(POOL)]) == 0);
  }
  if (random_below(2)) eval_all(pool);
  for (int i = 0; i < POOL; i++) {
    write_down(pool[i]);
    mlx_array_free(pool[i]);
  }
}

/* ---- both ways ---- */

static void all_graphs(void) {
  mlx_set_error_handler(quiet, NULL, NULL);
  for (uint64_t seed = 1; seed <= GRAPHS; seed++) random_graph(seed);
  CHECK(weir_shutdown(UINT64_C(10000000000)) == 0);
}

/* A file without a name, which the children inherit. */
static struct results *map_results(int file) {
  CHECK(file >= 0 && ftruncate(file, sizeof *out) == 0);
  void *at = mmap(NULL, sizeof *out, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  CHECK(at != MAP_FAILED);
  return at;
}

static const char *fuse;
static char file_text[16];

static void run_again(void) {
  CHECK(setenv("WEIR_FUSE", fuse, 1) == 0);
  run_anew(file_text);
}

static struct results *run_with(const char *value) {
  int file = memfd_create("results", 0);
  struct results *results = map_results(file);
  fuse = value;
  snprintf(file_text, sizeof file_text, "%d", file);
  CHECK(in_child(run_again, 100) == 0);
  close(file);
  return results;
}

int main(int argc, char **argv) {
  mean_cpu();
  if (argc > 1) {
    out = map_results(atoi(argv[1]));
    all_graphs();
    return 0;
  }
  struct results *off = run_with("0"), *on = run_with("1");
  CHECK(off->used == GRAPHS * POOL && on->used == off->used);
  for (size_t i = 0; i < off->used; i++) {
    if (off->hashes[i] == on->hashes[i]) continue;
    fprintf(stderr, "graph %zu, array %zu\n", i / POOL + 1, i % POOL);
    CHECK(off->hashes[i] == on->hashes[i]);
  }
  return 0;
}
