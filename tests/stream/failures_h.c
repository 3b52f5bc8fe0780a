/* Random numbers of many threads: W4. */

#include "fixtures.h"

enum { DRAWS = 8, PER_DRAW = 4 };

static int threads;
static uint32_t drawn[2][MOST_THREADS][DRAWS * PER_DRAW];
static int round_now, turn;

static void draw(uint32_t *out) {
  int n = PER_DRAW;
  for (int k = 0; k < DRAWS; k++) {
    mlx_array bits = mlx_array_new();
    CHECK(mlx_random_bits(&bits, &n, 1, 4, (mlx_array){0}, (mlx_stream){0}) == 0);
    memcpy(out + k * PER_DRAW, mlx_array_data_uint32(bits), PER_DRAW * sizeof *out);
    mlx_array_free(bits);
  }
}

/* Threads begin to draw in the order of their numbers, and then draw at once. */
static void draw_in_turn(int i) {
  uint32_t *out = drawn[round_now][i];
  int n = PER_DRAW;
  while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != i) sched_yield();
  mlx_array bits = mlx_array_new();
  CHECK(mlx_random_bits(&bits, &n, 1, 4, (mlx_array){0}, (mlx_stream){0}) == 0);
  __atomic_store_n(&turn, i + 1, __ATOMIC_RELEASE);
  memcpy(out, mlx_array_data_uint32(bits), PER_DRAW * sizeof *out);
  mlx_array_free(bits);
  draw(drawn[round_now][i]);
}

static void draw_at_once(int i) { draw(drawn[round_now][i]); }

static void check_distinct(void) {
  for (int a = 0; a < threads; a++) {
    for (int b = 0; b < a; b++) {
      CHECK(memcmp(drawn[round_now][a], drawn[round_now][b], sizeof drawn[0][0]) != 0);
    }
  }
}

/* H2: main seeds, workers draw: the same numbers again after the same seed. */
static void h2_seeded_by_main(void) {
  uint32_t mine[2][DRAWS * PER_DRAW];
  for (round_now = 0; round_now < 2; round_now++) {
    CHECK(mlx_random_seed(42) == 0);
    turn = 0;
    run_threads(threads, draw_in_turn);
    draw(mine[round_now]);
    check_distinct();
    for (int i = 0; i < threads; i++) {
      CHECK(memcmp(mine[round_now], drawn[round_now][i], sizeof mine[0]) != 0);
    }
  }
  CHECK(memcmp(drawn[0], drawn[1], sizeof drawn[0]) == 0);
  CHECK(memcmp(mine[0], mine[1], sizeof mine[0]) == 0);
}

/* H3: many threads draw and evaluate, seeded and not; main seeds meanwhile. */
static void h3_all_at_once(void) {
  for (int i = 0; i < 20; i++) {
    round_now = i % 2;
    if (i % 3 == 2) CHECK(mlx_random_seed((uint64_t)i) == 0);
    run_threads(threads, draw_at_once);
    check_distinct();
  }
}

static void *seed_in_a_loop(void *arg) {
  for (uint64_t i = 0; !count_of(arg); i++) CHECK(mlx_random_seed(i) == 0);
  return NULL;
}

static void h3_seeded_meanwhile(void) {
  int over = 0;
  pthread_t seeder = start_thread(seed_in_a_loop, &over);
  for (int i = 0; i < 10; i++) run_threads(threads, draw_at_once);
  probe_count(&over);
  pthread_join(seeder, NULL);
}

int main(void) {
  mean_cpu();
  threads = many(16);
  h3_all_at_once(); /* first before any seed: a random epoch, distinct all the same */
  h2_seeded_by_main();
  h3_all_at_once();
  h3_seeded_meanwhile();
  return 0;
}
