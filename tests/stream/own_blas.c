/* T4: a program's own OpenBLAS is left as it is. Opened before Weir's first product or after it,
   for itself or for all to see, it has the program's number of threads, and none of its own
   products or of Weir's is wrong while both run; also in the child of a fork. K8: nor does the end
   of the process come upon either. Many threads that come and go with one product each leave no
   memory behind. */

#include <dlfcn.h>

#include "programs.h"

enum { N = 96, ROUNDS = 40 };

typedef void (*gemm)(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a,
                     int lda, const float *b, int ldb, float beta, float *c, int ldc);

static struct {
  gemm multiply;
  void (*set_threads)(int);
  int (*threads)(void);
} own;

static void find(void *library, const char *name, void *slot) {
  void *address = dlsym(library, name);
  CHECK(address != NULL);
  memcpy(slot, &address, sizeof address);
}

static void open_own(int flags) {
  void *found = dlopen("libopenblas.so.0", RTLD_NOW | flags);
  CHECK(found != NULL);
  find(found, "cblas_sgemm", &own.multiply);
  find(found, "openblas_set_num_threads", &own.set_threads);
  find(found, "openblas_get_num_threads", &own.threads);
}

/* Small integers, so that every order of the sums gives the same. */
static void fill(float *a) {
  for (int i = 0; i < N * N; i++) a[i] = (float)(i % 7 - 3);
}

static void expect_right(const float *c) {
  for (int i = 0; i < N; i += 5) {
    for (int j = 0; j < N; j += 7) {
      float sum = 0;
      for (int k = 0; k < N; k++) {
        sum += (float)((i * N + k) % 7 - 3) * (float)((k * N + j) % 7 - 3);
      }
      CHECK(c[i * N + j] == sum);
    }
  }
}

static void own_product(void) {
  float a[N * N], c[N * N];
  fill(a);
  own.multiply(101, 111, 111, N, N, N, 1, a, N, a, N, 0, c, N);
  expect_right(c);
}

/* Of complex numbers, by OpenBLAS. */
static void weirs_product(void) {
  float data[N * N];
  const int shape[] = {N, N};
  fill(data);
  mlx_array a = mlx_array_new_data(data, shape, 2, MLX_FLOAT32), r = mlx_array_new();
  CHECK(mlx_astype(&a, a, MLX_COMPLEX64, (mlx_stream){0}) == 0);
  CHECK(mlx_matmul(&r, a, a, (mlx_stream){0}) == 0);
  CHECK(mlx_real(&r, r, (mlx_stream){0}) == 0);
  CHECK(mlx_array_eval(r) == 0);
  const float *c = mlx_array_data_float32(r);
  CHECK(c != NULL);
  expect_right(c);
  mlx_array_free(a);
  mlx_array_free(r);
}

static void either(int i) {
  for (int n = 0; n < ROUNDS; n++) {
    if (i % 2) {
      own_product();
    } else {
      weirs_product();
    }
  }
}

static void in_a_fork(void) {
  weirs_product();
  CHECK(own.threads() == 3);
  _exit(42);
}

static void side_by_side(void) {
  run_threads(4, either);
  CHECK(own.threads() == 3);
  if (!SANITIZED) CHECK(in_child(in_a_fork, 30) == 42);
}

static void before(int flags) {
  open_own(flags);
  own.set_threads(3);
  own_product();
  weirs_product();
  CHECK(own.threads() == 3);
  side_by_side();
  exit(42);
}

static void opened_before(void) { before(RTLD_LOCAL); }
static void opened_before_for_all(void) { before(RTLD_GLOBAL); }

/* Processors of the process, as the library counts them by itself. */
static int usual_threads(void) {
  open_own(RTLD_LOCAL);
  return own.threads();
}

static void tells_usual_threads(void) { _exit(usual_threads()); }

static int usual;

static void opened_after(void) {
  weirs_product();
  CHECK(usual_threads() == usual);
  own.set_threads(3);
  own_product();
  weirs_product();
  side_by_side();
  exit(42);
}

static void *for_ever(void *arg) {
  for (;;) weirs_product();
  return arg;
}

static void ends_meanwhile(void) {
  pthread_t thread;
  open_own(RTLD_LOCAL);
  own_product();
  for (int i = 0; i < 3; i++) CHECK(pthread_create(&thread, NULL, for_ever, NULL) == 0);
  usleep(20000);
  exit(42);
}

static void *one_product(void *arg) {
  weirs_product();
  return arg;
}

static void many_short_threads(int n) {
  for (int i = 0; i < n; i++) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, one_product, NULL) == 0);
    pthread_join(thread, NULL);
  }
}

static void threads_leave_nothing(void) {
  many_short_threads(100);
  const size_t at_first = rss_bytes();
  many_short_threads(1500);
  CHECK(rss_bytes() < at_first + ((size_t)1 << 20));
  _exit(42);
}

int main(void) {
  mean_cpu();
  usual = in_child(tells_usual_threads, 30);
  repeat(opened_before, "opened before", 2);
  repeat(opened_before_for_all, "opened before, for all to see", 2);
  repeat(opened_after, "opened after", 2);
  repeat(ends_meanwhile, "the end", 10);
  if (!SANITIZED) repeat(threads_leave_nothing, "short threads", 1);
  return 0;
}
