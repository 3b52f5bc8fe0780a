/* Streams and arrays used on threads that did not make them. A1, A3, A6, A7 and A10 stand in
   any_thread.c. */

#include "fixtures.h"

static mlx_array shared;
static mlx_stream stream;

/* A2: T1 lives on, and sees the value that T2 has forced. */
static sem_t built, forced;

static void *build_then_look(void *arg) {
  shared = chain(0, 500, (mlx_stream){0});
  sem_post(&built);
  while (sem_wait(&forced)) continue;
  CHECK(available(shared));
  CHECK(float_of(shared) == 500);
  return arg;
}

static void a2_chain_of_a_thread_that_lives(void) {
  CHECK(sem_init(&built, 0, 0) == 0 && sem_init(&forced, 0, 0) == 0);
  for (int i = 0; i < 100; i++) {
    pthread_t t1 = start_thread(build_then_look, NULL);
    while (sem_wait(&built)) continue;
    mlx_array root = chain(0, 0, (mlx_stream){0});
    add_to(&root, shared, (mlx_stream){0});
    CHECK(float_of(root) == 500);
    sem_post(&forced);
    pthread_join(t1, NULL);
    mlx_array_free(root);
    mlx_array_free(shared);
  }
}

/* A4: a stream that another thread has made, with work pending behind a stall. */
static int synchronized;

static void *synchronize_it(void *arg) {
  CHECK(mlx_synchronize(stream) == 0);
  CHECK(available(shared));
  __atomic_store_n(&synchronized, 1, __ATOMIC_RELEASE);
  return arg;
}

static void a4_synchronize_from_another_thread(void) {
  for (int i = 0; i < 20; i++) {
    struct stall stall;
    synchronized = 0;
    stream = new_stream();
    stall_begin(&stall, stream);
    shared = chain(0, 100, stream);
    CHECK(submit(shared) == 0);
    pthread_t t2 = start_thread(synchronize_it, NULL);
    usleep(2000);
    CHECK(!__atomic_load_n(&synchronized, __ATOMIC_ACQUIRE));
    stall_end(&stall);
    pthread_join(t2, NULL);
    CHECK(float_of(shared) == 100);
    mlx_array_free(shared);
    mlx_stream_free(stream);
  }
}

/* A8: the very first call of a thread, whichever it is, is about a graph made elsewhere. */
static void first_call(int i) {
  const char *text;
  mlx_string s = {0};
  switch (i % 8) {
    case 0:
      CHECK(mlx_array_eval(shared) == 0);
      break;
    case 1:
      CHECK(float_of(shared) == 10);
      break;
    case 2:
      CHECK(mlx_array_data_float32(shared)[0] == 10);
      break;
    case 3:
      s = mlx_string_new();
      CHECK(mlx_array_tostring(&s, shared) == 0);
      text = mlx_string_data(s);
      CHECK(strstr(text, "10") != NULL);
      mlx_string_free(s);
      break;
    case 4:
      CHECK(submit(shared) == 0);
      break;
    case 5:
      CHECK(_mlx_array_wait(shared) == 0);
      break;
    case 6:
      CHECK(mlx_synchronize(stream) == 0);
      break;
    default:
      mlx_array_free(another(shared));
  }
}

static void a8_first_call_of_a_thread(void) {
  stream = new_stream();
  for (int i = 0; i < 100; i++) {
    shared = chain(0, 10, i % 2 ? stream : (mlx_stream){0});
    run_threads(many(8), first_call);
    CHECK(float_of(shared) == 10);
    mlx_array_free(shared);
  }
  mlx_stream_free(stream);
}

/* A13: the default of a worker that has ended, next to this thread's: printed form and index tell
   them apart, and the printed form is the same on every thread. */
static char printed[2][64];

static void print(mlx_stream s, char *out, size_t room) {
  mlx_string text = mlx_string_new();
  CHECK(mlx_stream_tostring(&text, s) == 0);
  snprintf(out, room, "%s", mlx_string_data(text));
  mlx_string_free(text);
}

static void *keep_default(void *arg) {
  stream = mlx_default_cpu_stream_new();
  print(stream, printed[0], sizeof printed[0]);
  return arg;
}

static void a13_default_of_a_thread_that_ended(void) {
  char here[64];
  mlx_stream mine = mlx_default_cpu_stream_new();
  for (int i = 0; i < 100; i++) {
    run_one(keep_default, NULL);
    print(stream, here, sizeof here);
    print(mine, printed[1], sizeof printed[1]);
    CHECK(strcmp(here, printed[0]) == 0);
    CHECK(strcmp(here, printed[1]) != 0);
    mlx_array a = chain(0, 10, stream);
    mlx_stream_free(stream);
    CHECK(float_of(a) == 10);
    mlx_array_free(a);
  }
  mlx_stream_free(mine);
}

int main(void) {
  mean_cpu();
  a2_chain_of_a_thread_that_lives();
  a4_synchronize_from_another_thread();
  a8_first_call_of_a_thread();
  a13_default_of_a_thread_that_ended();
  return 0;
}
