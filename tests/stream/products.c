/* Matrix products of several shapes from many short-lived threads at once, each bit-equal to the
   one computed alone; on a thread with a small stack, the first one of all (K13); and in children
   of a process that is multiplying (K11). */

#include "programs.h"

enum { SHAPES = 4, ROUNDS = SANITIZED ? 4 : 12 };

static const int shapes[SHAPES][3] = {{1, 300, 700}, {700, 300, 1}, {64, 64, 64}, {96, 200, 33}};
static mlx_array left[SHAPES], right[SHAPES];
static float *expected[SHAPES];

static mlx_array product(int k) {
  mlx_array p = mlx_array_new();
  CHECK(mlx_matmul(&p, left[k], right[k], (mlx_stream){0}) == 0);
  CHECK(mlx_array_eval(p) == 0);
  return p;
}

static size_t bytes(int k) { return (size_t)(shapes[k][0] * shapes[k][2]) * sizeof(float); }

static void compare(int i) {
  for (int n = 0; n < 30; n++) {
    int k = (i + n) % SHAPES;
    mlx_array p = product(k);
    CHECK(memcmp(mlx_array_data_float32(p), expected[k], bytes(k)) == 0);
    mlx_array_free(p);
  }
}

static mlx_array normal(int rows, int columns) {
  int shape[2] = {rows, columns};
  mlx_array a = mlx_array_new();
  CHECK(mlx_random_normal(&a, shape, 2, MLX_FLOAT32, 0, 1, (mlx_array){0}, (mlx_stream){0}) == 0);
  CHECK(mlx_array_eval(a) == 0);
  return a;
}

static void *first_product(void *arg) {
  left[0] = normal(64, 64);
  right[0] = normal(64, 64);
  mlx_array_free(product(0));
  mlx_array_free(left[0]);
  mlx_array_free(right[0]);
  return arg;
}

/* K13, where operands are packed: the thread has 12 KB of its own beside. Who takes a slice of a
   product differs, hence some rounds. */
static void *packed_products(void *arg) {
  static const mlx_dtype types[] = {MLX_FLOAT32, MLX_BFLOAT16, MLX_FLOAT16};
  volatile char own[SANITIZED ? 1 : 12 * 1024];
  const mlx_stream none = {0};
  own[0] = 1;
  for (int n = 0; n < 12; n++) {
    const int image[] = {1, 14, 14, 64}, kernel[] = {128, 3, 3, 64};
    mlx_array x = normal(300, 600), y = normal(600, 300), in = normal(196, 64),
              w = normal(128, 576), r = mlx_array_new();
    CHECK(mlx_astype(&x, x, types[n % 3], none) == 0 && mlx_astype(&y, y, types[n % 3], none) == 0);
    CHECK(mlx_reshape(&in, in, image, 4, none) == 0 && mlx_reshape(&w, w, kernel, 4, none) == 0);
    CHECK(mlx_matmul(&r, x, y, none) == 0 && mlx_array_eval(r) == 0);
    CHECK(mlx_conv2d(&r, in, w, 1, 1, 1, 1, 1, 1, 1, none) == 0 && mlx_array_eval(r) == 0);
    mlx_array all[] = {x, y, in, w, r};
    for (int i = 0; i < 5; i++) mlx_array_free(all[i]);
  }
  return own[0] ? arg : NULL;
}

static void compare_and_leave(void) {
  compare(0);
  _exit(42);
}

static void *multiply(void *arg) {
  for (int n = 0; n < 4 * ROUNDS; n++) run_threads(many(4), compare);
  return arg;
}

static void k11_children(void) {
  pthread_t thread;
  if (SANITIZED) return;
  CHECK(pthread_create(&thread, NULL, multiply, NULL) == 0);
  for (int i = 0; i < 30; i++) CHECK(in_child(compare_and_leave, 20) == 42);
  pthread_join(thread, NULL);
}

int main(void) {
  mean_cpu();
  run_on_small_stack(first_product, NULL);
  if (!SANITIZED) run_on_small_stack(packed_products, NULL); /* stacks are not small there */
  for (int k = 0; k < SHAPES; k++) {
    left[k] = normal(shapes[k][0], shapes[k][1]);
    right[k] = normal(shapes[k][1], shapes[k][2]);
    mlx_array alone = product(k);
    expected[k] = malloc(bytes(k));
    CHECK(expected[k] != NULL);
    memcpy(expected[k], mlx_array_data_float32(alone), bytes(k));
    mlx_array_free(alone);
  }
  for (int n = 0; n < ROUNDS; n++) run_threads(many(32), compare);
  k11_children();
  for (int k = 0; k < SHAPES; k++) {
    free(expected[k]);
    mlx_array_free(left[k]);
    mlx_array_free(right[k]);
  }
  return 0;
}
