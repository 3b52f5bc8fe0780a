/* K7, K9: a thread for real time (SCHED_FIFO) meets an ordinary one on the only processor that both
   may use. What the ordinary one holds for a moment, it lets go only if it gets the processor: so
   the other sleeps for it, and does not only yield, which gives way to nobody of lower priority:
   the system takes the processor from it after 950 ms, and where it does not, never. Skipped where
   the system allows no such thread. */

#include <inttypes.h>
#include <sched.h>
#include <time.h>

#include "fixtures.h"
#include "library_threads.h"

static const uint64_t a_second = 1000000000;

static int over;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Looks into the magazines of all threads all the time. */
static void *clear_until_over(void *arg) {
  while (count_of(&over) == 0) CHECK(mlx_clear_cache() == 0);
  return arg;
}

/* What the other will empty. */
static void fill_magazine(int value) {
  enum { MANY = 60 };
  static char data[MANY * 64];
  mlx_array arrays[MANY], a = chain(value, 3, (mlx_stream){0});
  for (int i = 0; i < MANY; i++) {
    int n = (i % 20 + 1) * 64;
    arrays[i] = mlx_array_new_data(data, &n, 1, MLX_INT8);
  }
  for (int i = 0; i < MANY; i++) mlx_array_free(arrays[i]);
  CHECK(float_of(a) == (float)(value + 3));
  mlx_array_free(a);
}

/* It wakes up in the middle of what the other does, again and again. */
static void *compute_for_real_time(void *arg) {
  const uint64_t start = now_ns();
  uint64_t before = start, longest = 0;
  be_for_real_time();
  for (int i = 0; before < start + a_second; i++) {
    fill_magazine(i % 7);
    usleep(1 + (useconds_t)(i % 60));
    const uint64_t now = now_ns();
    if (now - before > longest) longest = now - before;
    before = now;
  }
  if (longest > 800000000) fprintf(stderr, "%" PRIu64 " ns for a round\n", longest);
  CHECK(longest <= 800000000);
  probe_count(&over);
  return arg;
}

static void program(void) {
  mean_cpu();
  stay_on_one(); /* and so do the threads that this one starts */
  pthread_t ordinary = start_thread(clear_until_over, NULL);
  pthread_t real_time = start_thread(compute_for_real_time, NULL);
  pthread_join(real_time, NULL);
  pthread_join(ordinary, NULL);
  _exit(42);
}

int main(void) {
  if (SANITIZED || !may_be_for_real_time()) return 77;
  repeat(program, "real time", 1);
  return 0;
}
