/* T2, T1 on a GPU: a driver, a compiler or a library that the system refuses for the moment is an
   error of that call, the next one tries again, and the default device is not decided by it. What
   will not change is kept. The threads of a GPU are as the process. FAILURES: P2, P3. */

#include "anew.h"
#include "library_threads.h"
#include "refusals.h"
#include "stand_in_case.h"

enum { OUT_OF_MEMORY = 2, NO_DEVICE = 100, OPERATING_SYSTEM = 304, NOT_READY = 802 };

static bool default_is(mlx_device_type type) {
  mlx_device d = mlx_device_new();
  mlx_device_type found = type;
  bool is = mlx_get_default_device(&d) == 0 && mlx_device_get_type(&found, d) == 0;
  mlx_device_free(d);
  return is && found == type;
}

static int count(void) {
  int n = -1;
  CHECK(mlx_device_count(&n, MLX_GPU) == 0);
  return n;
}

static void expect_refused(const char *why) {
  CHECK(count() == 0 || strstr(why, "nvrtc"));
  mlx_array one = mlx_array_new_float(1), sum = mlx_array_new();
  CHECK(mlx_add(&sum, one, one, (mlx_stream){0}) == 1 && strstr(weir_last_error(), why));
  mlx_array_free(one);
  mlx_array_free(sum);
}

static void expect_gpu(void) {
  CHECK(count() == 1 && default_is(MLX_GPU));
  mlx_array a = floats(100, 0);
  turn(&a, (mlx_stream){0});
  expect_turned(a, 0, 1);
  mlx_array_free(a);
  CHECK(stand_in_now().kernels > 0);
}

/* Whoever asks for the default device, or how many there are, looks once. */
static void driver_refused(void) {
  static const int results[] = {OUT_OF_MEMORY, OPERATING_SYSTEM, NOT_READY};
  static const char *const calls[] = {"cuInit", "cuDeviceGetCount"};
  mlx_device d = mlx_device_new();
  for (int i = 0; i < 6; i++) {
    cuda->fail(calls[i % 2], 1, results[i / 2]);
    CHECK(mlx_get_default_device(&d) == 1 && strstr(weir_last_error(), "cannot start now"));
    CHECK(weir_last_status() == WEIR_ERROR_NO_DEVICE && cuda->has_failed());
    cuda->fail(calls[i % 2], 1, results[i / 2]);
    CHECK(count() == 0 && cuda->has_failed());
  }
  mlx_device_free(d);
  expect_gpu();
  exit(42);
}

static void driver_kept(void) {
  cuda->fail("cuInit", 1, NO_DEVICE);
  CHECK(count() == 0 && cuda->calls("cuInit") == 1);
  CHECK(default_is(MLX_CPU) && count() == 0 && cuda->calls("cuInit") == 1);
  exit(42);
}

static void no_descriptor(void) {
  take_descriptors();
  expect_refused("no descriptor");
  expect_refused("no descriptor");
  give_descriptors();
  expect_gpu();
  exit(42);
}

/* The driver is there and the compiler is not, for the moment. */
static void no_descriptor_for_the_compiler(void) {
  CHECK(count() == 1);
  take_descriptors();
  expect_refused("nvrtc");
  give_descriptors();
  expect_gpu();
  exit(42);
}

/* Both are there, and what products are computed with is not. */
static mlx_array product_of(mlx_array a) {
  mlx_array out = mlx_array_new();
  CHECK(mlx_matmul(&out, a, a, (mlx_stream){0}) == 0);
  return out;
}

static void expect_no_product(mlx_array a, const char *why) {
  mlx_array product = product_of(a);
  CHECK(mlx_array_eval(product) == 1);
  bool told = strstr(weir_last_error(), "libcublasLt") && strstr(weir_last_error(), why);
  if (!told) fprintf(stderr, "%s\n", weir_last_error());
  CHECK(told);
  mlx_array_free(product);
}

static void products(void (*take_away)(void), void (*give)(void), const char *why) {
  const float values[4] = {1, 2, 3, 4};
  const int shape[] = {2, 2};
  mlx_array a = mlx_array_new_data(values, shape, 2, MLX_FLOAT32);
  mlx_array other = floats(100, 0);
  turn(&other, (mlx_stream){0}); /* the compiler is open, and the GPU has memory */
  expect_turned(other, 0, 1);
  take_away();
  expect_no_product(a, why);
  expect_no_product(a, why);
  give();
  mlx_array product = product_of(a);
  CHECK(mlx_array_eval(product) == 0);
  mlx_array_free(product);
  mlx_array_free(other);
  mlx_array_free(a);
}

static void no_descriptor_for_products(void) {
  products(take_descriptors, give_descriptors, "no descriptor left");
  exit(42);
}

static void no_memory_for_products(void) {
  products(take_memory, give_memory, "no memory left");
  exit(42);
}

static void *first(void *become) {
  void (*fn)(void);
  memcpy(&fn, become, sizeof fn);
  fn();
  mlx_stream s = new_gpu_stream();
  mlx_array a = floats(1000, 0);
  for (int i = 0; i < 40; i++) turn(&a, s);
  CHECK(async_eval(a) == 0 && weir_stream_wait(s, INT64_C(60000000000)) == 0);
  mlx_array_free(a);
  mlx_stream_free(s);
  return NULL;
}

static void (*kind)(void);

static void threads(void) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, first, &kind) == 0 && pthread_join(thread, NULL) == 0);
  weir_runtime_stats_t stats;
  CHECK(weir_runtime_stats(&stats) == 0);
  CHECK(each_library_thread(looks_like_the_process) >= 1);
  exit(42);
}

int main(void) {
  stand_in_start();
  mlx_set_error_handler(quiet, NULL, NULL);
  repeat(driver_refused, "driver", 1);
  repeat(driver_kept, "no device", 1);
  repeat(no_descriptor, "no descriptor", 1);
  repeat(no_descriptor_for_the_compiler, "compiler", 1);
  repeat(no_descriptor_for_products, "products", 1);
  if (!SANITIZED && !emulated()) repeat(no_memory_for_products, "products without memory", 1);
  static void (*const kinds[])(void) = {be_plain, stay_on_one, be_nice, be_for_real_time};
  for (int i = 0; i < 4; i++) {
    kind = kinds[i];
    repeat(threads, "threads", 1);
  }
  return 0;
}
