/* Forks amid planning, fusing, submitting, running and freeing: K11, P5. Threads force graphs that
   fuse, with doubled references and shared inputs, and free them; the process forks all the while,
   and each child forces what was in flight: every value is right. A few hundred forks, and ten
   thousand with WEIR_TEST_FULL=1. */

#include "fixtures.h"

enum { THREADS = 3, N = 2048 };

static mlx_array current[THREADS]; /* under LOCK: what each thread forces now */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int over;

static void apply(mlx_array *a,
                  int (*fn)(mlx_array *, const mlx_array, const mlx_array, const mlx_stream),
                  mlx_array b, mlx_stream s) {
  mlx_array out = mlx_array_new();
  CHECK(fn(&out, *a, b, s) == 0);
  mlx_array_free(*a);
  *a = out;
}

/* 1 + 1 is 2, times itself 4, and so on, down to 2 again: each step reads one value twice. */
static mlx_array graph_of_two(mlx_stream s) {
  int n = N;
  mlx_array one = mlx_array_new_float(1), x = mlx_array_new();
  CHECK(mlx_full(&x, &n, 1, one, MLX_FLOAT32, s) == 0);
  apply(&x, mlx_add, x, s);
  for (int i = 0; i < 3; i++) {
    mlx_array before = another(x);
    apply(&x, mlx_multiply, x, s);
    apply(&x, mlx_divide, before, s);
    mlx_array_free(before);
  }
  mlx_array_free(one);
  return x;
}

static void expect_two(mlx_array a) {
  const float *data = mlx_array_data_float32(a);
  CHECK(data != NULL);
  for (int i = 0; i < N; i++) CHECK(data[i] == 2);
}

static void *force_until_over(void *arg) {
  mlx_array *mine = arg;
  mlx_stream s = new_stream();
  for (int i = 0; !__atomic_load_n(&over, __ATOMIC_ACQUIRE); i++) {
    mlx_array next = graph_of_two(s), forced = another(next);
    pthread_mutex_lock(&lock);
    mlx_array old = *mine;
    *mine = next;
    pthread_mutex_unlock(&lock);
    mlx_array_free(old);
    if (i % 2) CHECK(submit(forced) == 0);
    expect_two(forced);
    mlx_array_free(forced);
  }
  mlx_stream_free(s);
  return NULL;
}

/* The forking thread holds the test's own lock, so that no handle is being changed. */
static void fork_once(void) {
  int status = 0;
  pthread_mutex_lock(&lock);
  pid_t pid = fork();
  pthread_mutex_unlock(&lock);
  CHECK(pid >= 0);
  if (pid == 0) {
    alarm(20 * patience());
    for (int i = 0; i < THREADS; i++) expect_two(current[i]);
    mlx_array more = graph_of_two(new_stream());
    expect_two(more);
    for (int i = 0; i < THREADS; i++) mlx_array_free(current[i]);
    mlx_array_free(more);
    _exit(43);
  }
  CHECK(waitpid(pid, &status, 0) == pid);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 43);
}

int main(void) {
  if (SANITIZED) return 77;
  pthread_t threads[THREADS];
  const int forks = times(300, 10000);
  mean_cpu();
  for (int i = 0; i < THREADS; i++) current[i] = graph_of_two((mlx_stream){0});
  for (int i = 0; i < THREADS; i++) threads[i] = start_thread(force_until_over, &current[i]);
  for (int i = 0; i < forks; i++) fork_once();
  __atomic_store_n(&over, 1, __ATOMIC_RELEASE);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < THREADS; i++) mlx_array_free(current[i]);
  printf("%d forks\n", forks);
  return 0;
}
