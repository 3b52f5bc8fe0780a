#ifndef WR_TESTS_SUPPORT_REQUEST_CASE_H
#define WR_TESTS_SUPPORT_REQUEST_CASE_H

/* Ends and budgets at random among many threads that share subgraphs (R2, R3, R4), for programs
   that choose the streams: of the CPU, of the fake device, of the stand-in for NVIDIA's driver.
   Each round has a graph of integers in layers, each made of two of the layer before, with values
   that are known; threads force parts of it in requests of their own and of others, and in none,
   while others cancel, or set deadlines and budgets and move them. */

#include "fixtures.h"

enum { RANDOM_STREAMS = 6, LAYERS = 6, WIDTH = 8, REQUESTS = 8 };

static struct {
  mlx_stream streams[RANDOM_STREAMS];
  mlx_array arrays[LAYERS][WIDTH];
  uint32_t values[LAYERS][WIDTH];
  weir_request requests[REQUESTS];
  unsigned seed;
  bool computes;
  int cancelled, passed, over, finished;
} random_graph;

static inline uint32_t draw(unsigned *state, uint32_t n) {
  *state = *state * 1664525u + 1013904223u;
  return (*state >> 8) % n;
}

static inline mlx_array words(uint32_t value, int n) {
  uint32_t data[64];
  CHECK(n <= 64);
  for (int i = 0; i < n; i++) data[i] = value + (uint32_t)i;
  return mlx_array_new_data(data, &n, 1, MLX_UINT32);
}

static inline void random_graph_make(unsigned *state) {
  for (int x = 0; x < WIDTH; x++) {
    random_graph.values[0][x] = draw(state, 1000);
    random_graph.arrays[0][x] = words(random_graph.values[0][x], 8);
  }
  for (int layer = 1; layer < LAYERS; layer++) {
    for (int x = 0; x < WIDTH; x++) {
      uint32_t a = draw(state, WIDTH), b = draw(state, WIDTH);
      mlx_array out = mlx_array_new();
      CHECK(mlx_add(&out, random_graph.arrays[layer - 1][a], random_graph.arrays[layer - 1][b],
                    random_graph.streams[draw(state, RANDOM_STREAMS)]) == 0);
      random_graph.arrays[layer][x] = out;
      random_graph.values[layer][x] =
          random_graph.values[layer - 1][a] + random_graph.values[layer - 1][b];
    }
  }
  for (int i = 0; i < REQUESTS; i++) {
    weir_request r = random_graph.requests[i] = weir_request_new();
    if (draw(state, 3) == 0) CHECK(weir_request_set_budget(r, draw(state, 16) * 64) == 0);
  }
}

/* The first elements; the bytes on the stand-in are nothing that was computed. */
static inline void random_check(int layer, int x) {
  const uint32_t *data = mlx_array_data_uint32(random_graph.arrays[layer][x]);
  CHECK(data != NULL);
  if (random_graph.computes) CHECK(data[0] == random_graph.values[layer][x]);
}

static inline void random_count(int rc, bool inside) {
  int *which = &random_graph.finished;
  if (rc && weir_last_status() == WEIR_ERROR_CANCELLED) which = &random_graph.cancelled;
  if (rc && weir_last_status() == WEIR_ERROR_DEADLINE) which = &random_graph.passed;
  if (rc && weir_last_status() == WEIR_ERROR_BUDGET) which = &random_graph.over;
  CHECK(rc == 0 || (inside && which != &random_graph.finished));
  __atomic_add_fetch(which, 1, __ATOMIC_RELAXED);
}

static inline void random_force(unsigned *state) {
  int layer = 1 + (int)draw(state, LAYERS - 1), x = (int)draw(state, WIDTH);
  mlx_array a = random_graph.arrays[layer][x];
  int request = (int)draw(state, REQUESTS + 2);
  bool inside = request < REQUESTS;
  if (inside) CHECK(weir_request_enter(random_graph.requests[request]) == 0);
  int rc = draw(state, 3) ? mlx_array_eval(a) : submit(a);
  if (rc == 0 && draw(state, 4) == 0) {
    rc = mlx_synchronize(random_graph.streams[draw(state, RANDOM_STREAMS)]);
  }
  random_count(rc, inside);
  if (inside) CHECK(weir_request_leave() == 0);
  if (!inside && rc == 0) random_check(layer, x);
}

/* Half of the deadlines come while the round lasts. A result takes 64 bytes. */
static inline void random_end(unsigned *state) {
  weir_request r = random_graph.requests[draw(state, REQUESTS)];
  switch (draw(state, 5)) {
    case 0:
      CHECK(weir_request_cancel(r) == 0);
      break;
    case 1:
      CHECK(weir_request_set_deadline(r, draw(state, 2000) * INT64_C(1000)) == 0);
      break;
    case 2:
      CHECK(weir_request_set_deadline(r, draw(state, 2) ? INT64_MAX : 1000000000) == 0);
      break;
    case 3:
      CHECK(weir_request_set_budget(r, SIZE_MAX) == 0);
      break;
    default:
      CHECK(weir_request_set_budget(r, draw(state, 10) * 64) == 0);
  }
}

static inline void random_thread(int i) {
  unsigned state = random_graph.seed * 97u + (unsigned)i;
  for (int k = 0; k < 6; k++) {
    if (draw(&state, 4) == 0) {
      random_end(&state);
    } else {
      random_force(&state);
    }
  }
}

/* Once no array is left nothing counts any more, but what still runs: for ten seconds at most. */
static inline void random_has_nothing(weir_request r) {
  weir_request_stats_t stats;
  for (int i = 0; i < 10000; i++) {
    CHECK(weir_request_stats(&stats, r) == 0);
    if (stats.live_bytes == 0 && stats.queued == 0) return;
    usleep(1000);
  }
  CHECK(!"bytes of results that are gone");
}

/* What was taken back has its value for whoever asks; some of it nobody does. */
static inline void random_graph_end(unsigned *state) {
  for (int i = 0; i < REQUESTS; i++) {
    if (draw(state, 2)) CHECK(weir_request_cancel(random_graph.requests[i]) == 0);
    if (i % 2) CHECK(weir_request_free(random_graph.requests[i]) == 0);
  }
  for (int layer = 0; layer < LAYERS; layer++) {
    for (int x = 0; x < WIDTH; x++) {
      if (draw(state, 4)) random_check(layer, x);
      mlx_array_free(random_graph.arrays[layer][x]);
    }
  }
  for (int i = 0; i < REQUESTS; i += 2) {
    random_has_nothing(random_graph.requests[i]);
    CHECK(weir_request_free(random_graph.requests[i]) == 0);
  }
}

static inline bool all_ends_came(void) {
  return random_graph.cancelled > 0 && random_graph.passed > 0 && random_graph.over > 0 &&
         random_graph.finished > 0;
}

/* What is drawn may lack one of the ends in a few rounds: some more are drawn then. */
static inline void end_at_random(int threads, int rounds, bool computes) {
  mlx_set_error_handler(quiet, NULL, NULL);
  random_graph.computes = computes;
  for (int round = 0; round < rounds || (!all_ends_came() && round < 50 * rounds); round++) {
    unsigned state = random_graph.seed = (unsigned)round * 31u + (unsigned)getpid();
    random_graph_make(&state);
    run_threads(threads, random_thread);
    random_graph_end(&state);
  }
  for (int i = 0; i < RANDOM_STREAMS; i++) CHECK(mlx_synchronize(random_graph.streams[i]) == 0);
  mlx_set_error_handler(NULL, NULL, NULL);
  printf("%d cancelled, %d past their deadline, %d over their budget, %d finished\n",
         random_graph.cancelled, random_graph.passed, random_graph.over, random_graph.finished);
  CHECK(all_ends_came());
}

#endif
