/* Order on one stream, and no false waits between several: on the CPU, with streams that stall as
   under a long kernel. With a device in between: D1, D4, D5, D9 in device.c too. D11 stands in
   fork.c. */

#include "fixtures.h"

/* C1: two threads submit to one stream in the order that their own lock gives; when one is done, so
   are all before it. */
enum { ROUNDS = 500 };
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static mlx_stream stream;
static mlx_array in_order[2 * ROUNDS];
static int submitted;

static void submit_under_lock(int i) {
  for (int k = 0; k < ROUNDS; k++) {
    mlx_array a = chain((float)i, 2, stream);
    pthread_mutex_lock(&turn);
    int mine = submitted++;
    in_order[mine] = a;
    CHECK(submit(a) == 0);
    pthread_mutex_unlock(&turn);
    if (k % 16) continue;
    CHECK(float_of(a) == (float)i + 2);
    pthread_mutex_lock(&turn);
    for (int n = mine < 64 ? 0 : mine - 64; n < mine; n++) CHECK(available(in_order[n]));
    pthread_mutex_unlock(&turn);
  }
}

static void c1_order_of_submission(void) {
  stream = new_stream();
  run_threads(2, submit_under_lock);
  CHECK(submitted == 2 * ROUNDS);
  CHECK(mlx_synchronize(stream) == 0);
  for (int i = 0; i < submitted; i++) {
    CHECK(available(in_order[i]));
    mlx_array_free(in_order[i]);
  }
  mlx_stream_free(stream);
}

/* D1: S1 stalls with 400 pending tasks; T2 is done with three adds on S2 meanwhile. */
static void *three_adds(void *arg) {
  mlx_stream s2 = new_stream();
  mlx_array a = chain(0, 3, s2);
  CHECK(float_of(a) == 3);
  CHECK(mlx_synchronize(s2) == 0);
  mlx_array_free(a);
  mlx_stream_free(s2);
  return arg;
}

static void d1_backlog_of_another_stream(void) {
  struct stall stall;
  mlx_stream s1 = new_stream();
  mlx_array pending[400];
  stall_begin(&stall, s1);
  for (int i = 0; i < 400; i++) {
    pending[i] = chain((float)i, 1, s1);
    CHECK(submit(pending[i]) == 0);
  }
  for (int i = 0; i < 50; i++) run_one(three_adds, NULL);
  for (int i = 0; i < 400; i++) CHECK(!available(pending[i]));
  stall_end(&stall);
  for (int i = 0; i < 400; i++) {
    CHECK(float_of(pending[i]) == (float)i + 1);
    mlx_array_free(pending[i]);
  }
  mlx_stream_free(s1);
}

/* D1, once more: every worker of the pool is inside a long kernel, and work still gets done by the
   threads that wait for it, on one stream and across two. */
static void d1_all_workers_busy(void) {
  enum { STALLS = 4 };
  struct stall stalls[STALLS];
  mlx_stream stalled[STALLS], a = new_stream(), b = new_stream();
  long workers = sysconf(_SC_NPROCESSORS_ONLN);
  int n = workers < STALLS ? (int)workers : STALLS;
  for (int i = 0; i < n; i++) {
    stalled[i] = new_stream();
    stall_begin(&stalls[i], stalled[i]);
  }
  for (int i = 0; i < 20; i++) {
    mlx_array x = chain(0, 3, a), y = chain(0, 4, b);
    add_to(&x, y, b);
    add_to(&x, y, a);
    CHECK(float_of(x) == 11);
    mlx_array_free(x);
    mlx_array_free(y);
    run_one(three_adds, NULL);
  }
  for (int i = 0; i < n; i++) {
    stall_end(&stalls[i]);
    mlx_stream_free(stalled[i]);
  }
  mlx_stream_free(a);
  mlx_stream_free(b);
}

/* D4: 16 streams x 200 operations, each waiting for the one before, submitted in reverse. */
static void d4_chain_submitted_in_reverse(void) {
  enum { STREAMS = 16, OPERATIONS = 200 };
  mlx_stream streams[STREAMS];
  mlx_array links[STREAMS * OPERATIONS], one = mlx_array_new_float(1);
  for (int i = 0; i < STREAMS; i++) streams[i] = new_stream();
  for (int i = 0; i < STREAMS * OPERATIONS; i++) {
    links[i] = i ? another(links[i - 1]) : mlx_array_new_float(0);
    add_to(&links[i], one, streams[i % STREAMS]);
  }
  for (int i = STREAMS * OPERATIONS; i-- > 0;) CHECK(submit(links[i]) == 0);
  for (int i = 0; i < STREAMS * OPERATIONS; i++) {
    CHECK(float_of(links[i]) == (float)i + 1);
    mlx_array_free(links[i]);
  }
  for (int i = 0; i < STREAMS; i++) mlx_stream_free(streams[i]);
  mlx_array_free(one);
}

/* D5: one of three fails; the other two are right, and the first error is what the call reports. */
static void d5_one_of_three_fails(void) {
  mlx_stream s = new_stream();
  for (int position = 0; position < 3; position++) {
    mlx_array all[3];
    for (int i = 0; i < 3; i++) all[i] = i == position ? failing(s) : chain((float)i, 5, s);
    mlx_vector_array v = mlx_vector_array_new_data(all, 3);
    CHECK(mlx_eval(v) == 1);
    CHECK(weir_last_status() == WEIR_ERROR_OUT_OF_MEMORY);
    CHECK(strstr(weir_last_error(), "exp") != NULL);
    for (int i = 0; i < 3; i++) {
      CHECK(available(all[i]));
      if (i != position) CHECK(float_of(all[i]) == (float)i + 5);
      if (i == position) CHECK(mlx_array_eval(all[i]) == 1);
      mlx_array_free(all[i]);
    }
    mlx_vector_array_free(v);
  }
  mlx_stream_free(s);
}

/* D9: a failure, then synchronize three times, then new work. */
static void d9_synchronize_after_a_failure(void) {
  mlx_stream s = new_stream();
  for (int i = 0; i < 50; i++) {
    mlx_array bad = failing(s);
    CHECK(i % 2 ? mlx_array_eval(bad) == 1 : submit(bad) == 0);
    for (int k = 0; k < 3; k++) CHECK(mlx_synchronize(s) == 0);
    CHECK(available(bad));
    mlx_array good = chain(1, 3, s);
    CHECK(float_of(good) == 4);
    mlx_array_free(good);
    mlx_array_free(bad);
  }
  mlx_stream_free(s);
}

int main(void) {
  mlx_set_error_handler(quiet, NULL, NULL);
  c1_order_of_submission();
  d1_backlog_of_another_stream();
  d1_all_workers_busy();
  d4_chain_submitted_in_reverse();
  d5_one_of_three_fails();
  d9_synchronize_after_a_failure();
  mlx_set_error_handler(NULL, NULL, NULL);
  return 0;
}
