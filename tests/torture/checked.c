/* The checked policy with the n-th allocation failing: hand-over between threads, the wrong thread,
   the end of a thread's streams and its revival: C1 to C6. */

#include "mean_cpu.h"
#include "sweep.h"

static struct {
  mlx_stream stream;
  mlx_array lazy; /* recorded on the stream */
  weir_thread guest;
  pthread_barrier_t turn;
} shared;

static bool submitted(mlx_array a) {
  mlx_vector_array v = mlx_vector_array_new_value(a);
  bool done = got(v.ctx) && ok(mlx_async_eval(v));
  mlx_vector_array_free(v);
  return done;
}

/* True for an error that the policy, or the want of memory, explains. */
static bool refused(int rc) {
  weir_status status = weir_last_status();
  return rc == 1 && (status == WEIR_ERROR_WRONG_THREAD || status == WEIR_ERROR_THREAD_RETIRED ||
                     status == WEIR_ERROR_OUT_OF_MEMORY);
}

/* Waits for the hand-over, adopts, forces what was recorded before, clears, and works again. */
static void *guest(void *arg) {
  shared.guest = weir_thread_current();
  pthread_barrier_wait(&shared.turn);
  pthread_barrier_wait(&shared.turn);
  float v = 0;
  if (ok(weir_stream_adopt(shared.stream)) && ok(mlx_array_item_float32(&v, shared.lazy))) {
    CHECK(v == 4);
  }
  if (ok(mlx_clear_streams())) {
    CHECK(weir_thread_retired() && refused(mlx_synchronize(shared.stream)));
    ok(weir_thread_revive());
  }
  mlx_array one = mlx_array_new_float(1), two = mlx_array_new();
  if (got(one.ctx) && ok(mlx_add(&two, one, one, (mlx_stream){0})) &&
      ok(mlx_array_item_float32(&v, two))) {
    CHECK(v == 2);
  }
  mlx_array_free(two);
  mlx_array_free(one);
  return arg;
}

static bool recorded(void) {
  mlx_device cpu = mlx_device_new_type(MLX_CPU, 0);
  shared.stream = mlx_stream_new_device(cpu);
  shared.lazy = mlx_array_new_float(1);
  mlx_device_free(cpu);
  bool made = got(shared.stream.ctx) && got(shared.lazy.ctx);
  ok(!made || weir_stream_set_label(shared.stream, "loader"));
  for (int i = 0; i < 2 && made; i++) {
    made = ok(mlx_add(&shared.lazy, shared.lazy, shared.lazy, shared.stream));
  }
  return made;
}

static void *stranger(void *arg) {
  CHECK(refused(mlx_array_eval(shared.lazy)) && refused(mlx_synchronize(shared.stream)));
  CHECK(weir_try_synchronize(shared.stream) == 0);
  return arg;
}

static void run_guest(void) {
  pthread_t thread;
  pthread_barrier_init(&shared.turn, NULL, 2);
  CHECK(pthread_create(&thread, NULL, guest, NULL) == 0);
  pthread_barrier_wait(&shared.turn);
  submitted(shared.lazy);
  /* The thread is there, so only memory can be short; then the stream is nobody's. */
  if (!ok(weir_stream_hand_over(shared.stream, shared.guest))) {
    while (!ok(weir_stream_hand_over(shared.stream, 0))) continue;
  }
  pthread_barrier_wait(&shared.turn);
  pthread_join(thread, NULL);
  pthread_barrier_destroy(&shared.turn);
}

static void hand_over(void) {
  pthread_t thread;
  if (recorded()) {
    CHECK(pthread_create(&thread, NULL, stranger, NULL) == 0);
    pthread_join(thread, NULL);
    run_guest();
  }
  mlx_array_free(shared.lazy);
  mlx_stream_free(shared.stream);
}

static void clear_and_revive(void) {
  if (recorded()) submitted(shared.lazy);
  if (ok(mlx_clear_streams())) {
    mlx_stream s = mlx_default_cpu_stream_new();
    CHECK(!s.ctx && refused(1));
  }
  while (!ok(weir_thread_revive())) continue;
  mlx_array_free(shared.lazy);
  mlx_stream_free(shared.stream);
}

int main(void) {
  mean_cpu();
  mlx_set_error_handler(quiet, NULL, NULL);
  CHECK(weir_set_thread_policy(WEIR_THREADS_CHECKED) == 0);
  sweep(hand_over, "hand-over");
  sweep(clear_and_revive, "clear and revive");
  sweep_all_threads(hand_over, "hand-over, all threads");
  return 0;
}
