/* C1, C2: the system gives a thread's number to another once the thread has ended. That other one
   has no stream of the first's: not what was handed over to it and never used, which no call of the
   ended thread's could leave behind. */

#include <fcntl.h>
#include <sys/syscall.h>

#include "fixtures.h"

static weir_thread number;
static mlx_stream given;
static int ready, over;
static bool met;

/* Never uses a stream. Longer than the tick by which the system tells when threads began. */
static void *first(void *arg) {
  number = weir_thread_current();
  __atomic_store_n(&ready, 1, __ATOMIC_RELEASE);
  CHECK(becomes(&over, 1));
  usleep(50000);
  return arg;
}

static void *second(void *arg) {
  if (weir_thread_current() != number) return arg;
  met = true;
  CHECK(mlx_synchronize(given) == 1 && weir_last_status() == WEIR_ERROR_WRONG_THREAD);
  CHECK(strstr(weir_last_error(), "which has ended"));
  mlx_array one = mlx_array_new_float(1), sum = mlx_array_new();
  CHECK(mlx_add(&sum, one, one, given) == 1);
  CHECK(weir_stream_adopt(given) == 0 && mlx_synchronize(given) == 0);
  CHECK(mlx_add(&sum, one, one, given) == 0 && float_of(sum) == 2);
  mlx_array_free(sum);
  mlx_array_free(one);
  return arg;
}

/* Where the system lets us say which number comes next; elsewhere all of them come in turn. */
static void ask_for_number(void) {
  char text[32];
  int n = snprintf(text, sizeof text, "%llu", (unsigned long long)number - 1);
  int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY);
  if (fd >= 0 && write(fd, text, (size_t)n) != n) perror("ns_last_pid");
  if (fd >= 0) close(fd);
}

static int numbers(void) {
  int n = 0;
  FILE *f = fopen("/proc/sys/kernel/pid_max", "r");
  CHECK(f && fscanf(f, "%d", &n) == 1 && fclose(f) == 0);
  return n;
}

int main(void) {
  mean_cpu();
  mlx_set_error_handler(quiet, NULL, NULL);
  CHECK(weir_set_thread_policy(WEIR_THREADS_CHECKED) == 0);
  given = new_stream();
  pthread_t thread = start_thread(first, NULL);
  CHECK(becomes(&ready, 1) && weir_stream_hand_over(given, number) == 0);
  __atomic_store_n(&over, 1, __ATOMIC_RELEASE);
  pthread_join(thread, NULL);
  const int most = numbers() > 70000 ? 1000 : numbers() + 1000;
  for (int i = 0; i < most && !met; i++) {
    ask_for_number();
    run_one(second, NULL);
  }
  mlx_stream_free(given);
  if (!met) fprintf(stderr, "the system has not given the number again\n");
  return met ? 0 : 77;
}
