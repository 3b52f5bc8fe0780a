/* Races between threads that build, evaluate, synchronize and configure. B1 stands in any_thread.c,
   B2 in defaults.c, B4 in destroy.c, B5 and B6 in once.c, B17 and B18 in deep.c. */

#include "fake_device.h"
#include "fixtures.h"

static mlx_stream stream;
static int over;

static bool is_over(void) { return __atomic_load_n(&over, __ATOMIC_ACQUIRE); }

/* B3: each thread its own stream, all evaluating. */
static void own_stream(int i) {
  mlx_stream s = new_stream();
  for (int k = 0; k < 30; k++) {
    mlx_array a = chain((float)i, 20, s);
    CHECK(float_of(a) == (float)i + 20);
    mlx_array_free(a);
  }
  mlx_stream_free(s);
}

static void b3_a_stream_per_thread(void) { run_threads(many(64), own_stream); }

/* B9: one thread synchronizes in a loop, another evaluates on the same stream. */
static void *synchronize_in_a_loop(void *arg) {
  while (!is_over()) CHECK(mlx_synchronize(stream) == 0);
  return arg;
}

static void b9_synchronize_while_evaluating(void) {
  over = 0;
  stream = new_stream();
  pthread_t t2 = start_thread(synchronize_in_a_loop, NULL);
  for (int i = 0; i < 2000; i++) {
    mlx_array a = chain((float)i, 5, stream);
    CHECK(i % 3 == 0 || submit(a) == 0);
    CHECK(float_of(a) == (float)i + 5);
    mlx_array_free(a);
  }
  __atomic_store_n(&over, 1, __ATOMIC_RELEASE);
  pthread_join(t2, NULL);
  mlx_stream_free(stream);
}

/* B14: the default device flips while another thread builds: each operation is on the one or the
   other, whole. */
static void *flip_default_device(void *arg) {
  mlx_device d[2] = {mlx_device_new_type(MLX_CPU, 0), mlx_device_new_type(MLX_GPU, 0)};
  for (int i = 0; !is_over(); i++) CHECK(mlx_set_default_device(d[i % 2]) == 0);
  CHECK(mlx_set_default_device(d[0]) == 0);
  mlx_device_free(d[0]);
  mlx_device_free(d[1]);
  return arg;
}

static void b14_default_device_flips(void) {
  over = 0;
  pthread_t t1 = start_thread(flip_default_device, NULL);
  for (int i = 0; i < 300; i++) {
    mlx_array a = chain((float)i, 20, (mlx_stream){0});
    CHECK(float_of(a) == (float)i + 20);
    mlx_array_free(a);
    mlx_device now = mlx_device_new();
    CHECK(mlx_get_default_device(&now) == 0);
    mlx_device_type type;
    int index = -1;
    CHECK(mlx_device_get_type(&type, now) == 0 && mlx_device_get_index(&index, now) == 0);
    CHECK((type == MLX_CPU || type == MLX_GPU) && index == 0);
    mlx_device_free(now);
  }
  __atomic_store_n(&over, 1, __ATOMIC_RELEASE);
  pthread_join(t1, NULL);
}

/* B15: a fresh process, whose first use of anything is the same operation on many threads at once.
 */
static pthread_barrier_t together;

static void first_use(int i) {
  int shape[2] = {8, 8};
  mlx_array a = mlx_array_new(), b = mlx_array_new();
  pthread_barrier_wait(&together);
  CHECK(mlx_ones(&a, shape, 2, MLX_FLOAT32, (mlx_stream){0}) == 0);
  CHECK((i % 2 ? mlx_matmul(&b, a, a, (mlx_stream){0}) : mlx_exp(&b, a, (mlx_stream){0})) == 0);
  const float *data = mlx_array_data_float32(b);
  CHECK(data != NULL && (i % 2 ? data[63] == 8 : data[63] > 2.718f && data[63] < 2.719f));
  mlx_array_free(b);
  mlx_array_free(a);
}

static void many_first_users(void) {
  CHECK(pthread_barrier_init(&together, NULL, (unsigned)many(32)) == 0);
  run_threads(many(32), first_use);
  _exit(42);
}

static void b15_first_use_on_many_threads(void) {
  int n = times(20, 200);
  for (int i = 0; i < n; i++) CHECK(in_child(many_first_users, 30) == 42);
}

int main(void) {
  mean_cpu();
  b15_first_use_on_many_threads(); /* first: this process has not used the library yet */
  fake_device_install();
  b3_a_stream_per_thread();
  b9_synchronize_while_evaluating();
  b14_default_device_flips();
  CHECK(weir_shutdown(UINT64_C(10000000000)) == 0);
  CHECK(fake_device_shutdown() == 0);
  return 0;
}
