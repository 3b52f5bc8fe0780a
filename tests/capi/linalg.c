/* Linear algebra: wrong calls, MLX's message and the result left alone; matrices of which there is
   no factorisation or inverse, an error of that array, also of each of several results, while
   others go on; what is not finite; threads with small stacks. E1, K13. */

#include <math.h>
#include <pthread.h>

#include "fails.h"
#include "mean_cpu.h"
#include "mlx/c/linalg.h"

static const mlx_stream cpu = {NULL};
static const mlx_array none = {NULL};

#define CHECKED(condition)                                         \
  do {                                                             \
    if (!(condition)) {                                            \
      failures++;                                                  \
      fprintf(stderr, "%d: not true: %s\n", __LINE__, #condition); \
    }                                                              \
  } while (0)

static mlx_array matrix(const float *data, int rows, int columns) {
  return mlx_array_new_data(data, INTS(rows, columns), 2, MLX_FLOAT32);
}

static void test_calls(void) {
  static const float data[12] = {0};
  mlx_array x = matrix(data, 3, 3), wide = matrix(data, 3, 4), scalar = mlx_array_new_float(1);
  mlx_array ints = mlx_array_new_data(data, INTS(3, 3), 2, MLX_INT32), other = mlx_array_new();
  FAILS(mlx_linalg_inv, "[linalg::inv] a is an empty array", &res, none, cpu);
  FAILS(mlx_linalg_inv, "[linalg::inv] Inverses are only defined for square matrices.", &res, wide,
        cpu);
  FAILS(mlx_linalg_inv,
        "[linalg::inv] Arrays must have type float32 or float64. Received array with type int32.",
        &res, ints, cpu);
  FAILS(mlx_linalg_cholesky,
        "[linalg::cholesky] Arrays must have >= 2 dimensions. Received array with 0 dimensions.",
        &res, scalar, false, cpu);
  FAILS(mlx_linalg_qr, "[linalg::qr] res_1 is NULL", &res, NULL, x, cpu);
  FAILS(mlx_linalg_eigh, "[linalg::eigh] UPLO is \"x\"", &res, &other, x, "x", cpu);
  FAILS(mlx_linalg_eigvals, "[linalg::eigvals] Only defined for square matrices.", &res, wide, cpu);
  FAILS(mlx_linalg_solve,
        "[linalg::solve] First input must be a square matrix. Received array with", &res, wide, x,
        cpu);
  FAILS(mlx_linalg_norm, "[linalg::norm] Invalid ord 3 for matrix norm.", &res, x, 3, NULL, 0,
        false, cpu);
  FAILS(mlx_linalg_norm_matrix, "[linalg::norm] Invalid ord value 'x' for matrix norm.", &res, x,
        "x", NULL, 0, false, cpu);
  FAILS(mlx_linalg_norm_l2, "[linalg::norm] Received too many axes for norm.", &res, x,
        INTS(0, 1, 0), 3, false, cpu);
  FAILS(mlx_linalg_cross, "[linalg::cross] The specified axis must have size 2 or 3.", &res, wide,
        wide, 1, cpu);
  FAILS(mlx_linalg_cross, "[linalg::cross] Axis -3 is out of bounds for array with 2 dimensions.",
        &res, x, x, -3, cpu);
  FAILS(mlx_linalg_cross, "[linalg::cross] Axis 0 is out of bounds for array with 0 dimensions.",
        &res, scalar, x, 0, cpu);
  const mlx_array all[] = {x, wide, scalar, ints, other};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) mlx_array_free(all[i]);
}

/* The array cannot be had, and why. */
static void cannot(int rc, mlx_array a, const char *why) {
  CHECKED(rc == 0 && mlx_array_eval(a) == 1);
  if (strstr(weir_last_error(), why)) return;
  failures++;
  fprintf(stderr, "message \"%s\", expected \"%s\"\n", weir_last_error(), why);
}

static void test_values(void) {
  static const float singular[] = {1, 2, 2, 4}, indefinite[] = {1, 2, 2, 1}, odd[] = {1, NAN, 2, 3};
  static const float triangle[] = {1, 9, 5, 0}, batch[] = {1, 0, 0, 1, 1, 2, 2, 4};
  mlx_array a = matrix(singular, 2, 2), b = matrix(indefinite, 2, 2), c = matrix(odd, 2, 2);
  mlx_array d = matrix(triangle, 2, 2), r = mlx_array_new(), other = mlx_array_new();
  mlx_array many = mlx_array_new_data(batch, INTS(2, 2, 2), 3, MLX_FLOAT32);
  mlx_vector_array parts = mlx_vector_array_new();
  cannot(mlx_linalg_inv(&r, a, cpu), r, "the matrix is singular");
  cannot(mlx_linalg_inv(&r, many, cpu), r, "matrix 1 of the batch is singular");
  cannot(mlx_linalg_solve(&r, a, a, cpu), r, "the matrix is singular");
  cannot(mlx_linalg_cholesky(&r, b, false, cpu), r, "is not positive definite");
  cannot(mlx_linalg_tri_inv(&r, d, false, cpu), r, "element 1 of its diagonal is 0");
  cannot(mlx_linalg_solve_triangular(&r, d, a, true, cpu), r, "element 1 of its diagonal is 0");
  cannot(mlx_linalg_svd(&parts, c, true, cpu), none, "");
  for (size_t i = 0; i < 3; i++) {
    CHECKED(mlx_vector_array_get(&r, parts, i) == 0);
    cannot(0, r, "has a NaN or an infinity");
  }
  CHECKED(mlx_linalg_eigh(&r, &other, c, "U", cpu) == 0);
  cannot(0, other, "has a NaN or an infinity");
  cannot(0, r, "has a NaN or an infinity");
  /* Only the other triangle is read. */
  CHECKED(mlx_linalg_eigvalsh(&r, c, "L", cpu) == 0 && mlx_array_eval(r) == 0);
  CHECKED(mlx_linalg_lu(&parts, a, cpu) == 0 && mlx_vector_array_get(&r, parts, 2) == 0);
  CHECKED(mlx_array_eval(r) == 0);
  const mlx_array all[] = {a, b, c, d, r, other, many};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) mlx_array_free(all[i]);
  mlx_vector_array_free(parts);
}

/* K13: everything on a thread with 64 KB, on a matrix for which routines work in blocks. */
static void *on_small_stack(void *arg) {
  enum { N = 150 };
  static float data[N * N];
  int *bad = arg;
  uint32_t seed = 1;
  for (int i = 0; i < N * N; i++) {
    seed = seed * 1664525u + 1013904223u;
    data[i] = (float)(seed >> 16) / 65536 + (i % (N + 1) == 0 ? N : 0);
  }
  mlx_array a = matrix(data, N, N), r[2] = {mlx_array_new(), mlx_array_new()};
  mlx_vector_array parts = mlx_vector_array_new();
  *bad += mlx_linalg_inv(&r[0], a, cpu) || mlx_array_eval(r[0]);
  *bad += mlx_linalg_solve(&r[0], a, a, cpu) || mlx_array_eval(r[0]);
  *bad += mlx_linalg_pinv(&r[0], a, cpu) || mlx_array_eval(r[0]);
  *bad += mlx_linalg_tri_inv(&r[0], a, true, cpu) || mlx_array_eval(r[0]);
  *bad += mlx_linalg_qr(&r[0], &r[1], a, cpu) || mlx_array_eval(r[1]);
  *bad += mlx_linalg_eigh(&r[0], &r[1], a, "L", cpu) || mlx_array_eval(r[1]);
  *bad += mlx_linalg_cholesky(&r[0], a, false, cpu) || mlx_array_eval(r[0]);
  *bad += mlx_linalg_eig(&r[0], &r[1], a, cpu) || mlx_array_eval(r[1]);
  *bad += mlx_linalg_svd(&parts, a, true, cpu) || mlx_vector_array_get(&r[0], parts, 1) ||
          mlx_array_eval(r[0]);
  mlx_vector_array_free(parts);
  for (int i = 0; i < 2; i++) mlx_array_free(r[i]);
  mlx_array_free(a);
  return NULL;
}

static void test_small_stack(void) {
  pthread_attr_t attributes;
  pthread_t thread;
  int bad = 0;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 64 << 10);
  CHECKED(pthread_create(&thread, &attributes, on_small_stack, &bad) == 0);
  pthread_join(thread, NULL);
  pthread_attr_destroy(&attributes);
  CHECKED(bad == 0);
}

int main(void) {
  mean_cpu();
  begin_failing();
  test_calls();
  test_values();
  test_small_stack();
  mlx_array_free(res);
  return failures != 0;
}
