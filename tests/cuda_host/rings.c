/* R7 over the stand-in driver: evaluations on streams of the GPU and of the CPU, started by many
   threads, some of them cancelled, and a driver that fails: each gives one completion. */

#include <poll.h>

#include "stand_in_case.h"

enum { EACH = 100, STREAMS = 6, REQUESTS = 4 };

static mlx_stream streams[STREAMS];
static weir_request requests[REQUESTS];
static weir_ring ring;
static int told[MOST_THREADS * EACH], failed;

static void begin(mlx_array a, weir_request r, void *user) {
  mlx_vector_array v = mlx_vector_array_new_value(a);
  CHECK(weir_ring_eval(ring, v, r, user) == 0);
  mlx_vector_array_free(v);
}

static void note(const weir_completion *c) {
  CHECK((c->status == WEIR_OK) == (c->message[0] == '\0'));
  __atomic_add_fetch((int *)c->user, 1, __ATOMIC_ACQ_REL);
  if (c->status == WEIR_OK || c->status == WEIR_ERROR_CANCELLED) return;
  CHECK(c->status == WEIR_ERROR_DEVICE);
  __atomic_add_fetch(&failed, 1, __ATOMIC_ACQ_REL);
}

static void start(int thread) {
  for (int i = 0; i < EACH; i++) {
    mlx_array a = floats(16, (float)i);
    for (int k = 0; k < 3; k++) turn(&a, streams[(thread + i * k) % STREAMS]);
    begin(a, i % 2 ? requests[i % REQUESTS] : (weir_request){0}, &told[thread * EACH + i]);
    mlx_array_free(a);
    if (i == EACH / 2) CHECK(weir_request_cancel(requests[thread % REQUESTS]) == 0);
  }
}

/* By the descriptor alone, as an event loop does. */
static void take_all(int wanted) {
  weir_completion c[8];
  struct pollfd p = {.events = POLLIN};
  CHECK(weir_ring_fd(&p.fd, ring) == 0);
  while (wanted > 0) {
    size_t n = 0;
    CHECK(poll(&p, 1, 20 * 1000) == 1);
    CHECK(weir_ring_take(&n, ring, c, 8, 0) == 0 && n > 0);
    for (size_t i = 0; i < n; i++) note(&c[i]);
    wanted -= (int)n;
  }
  CHECK(wanted == 0 && poll(&p, 1, 0) == 0);
}

static void among_threads(void) {
  const int threads = many(16);
  for (int i = 0; i < REQUESTS; i++) requests[i] = weir_request_new();
  run_threads(threads, start);
  take_all(threads * EACH);
  for (int i = 0; i < threads * EACH; i++) CHECK(told[i] == 1);
  for (int i = 0; i < REQUESTS; i++) CHECK(weir_request_free(requests[i]) == 0);
  CHECK(failed == 0);
}

/* The GPU faults with work in flight: what needed it fails in words, the rest has its values. */
static void a_fault(void) {
  int once[20] = {0};
  failed = 0;
  cuda->fault(1, 719);
  for (int i = 0; i < 20; i++) {
    mlx_array a = floats(16, (float)i);
    turn(&a, streams[i % STREAMS]);
    begin(a, (weir_request){0}, &once[i]);
    mlx_array_free(a);
  }
  take_all(20);
  for (int i = 0; i < 20; i++) CHECK(once[i] == 1);
  CHECK(failed > 0 && failed < 20);
}

static void program(void) {
  stand_in_start();
  mlx_set_error_handler(quiet, NULL, NULL);
  for (int i = 0; i < STREAMS; i++) streams[i] = i % 3 ? new_gpu_stream() : new_stream();
  ring = weir_ring_new();
  among_threads();
  a_fault();
  CHECK(weir_ring_free(ring) == 0);
  for (int i = 0; i < STREAMS; i++) mlx_stream_free(streams[i]);
}

int main(void) {
  program();
  return 0;
}
