/* The checked policy: C1 (whose stream it is), C2 (moving it), and that it is set once. */

#include "programs.h"

static mlx_stream shared;
static mlx_array lazy, below;
static weir_thread main_thread;
static pthread_barrier_t turn;

static bool names(const char *part) { return strstr(weir_last_error(), part) != NULL; }

static void wrong_thread(int rc) {
  char owner[32];
  snprintf(owner, sizeof owner, "thread %llu (\"owner\")", (unsigned long long)main_thread);
  CHECK(rc == 1 && weir_last_status() == WEIR_ERROR_WRONG_THREAD);
  CHECK(names("\"loader\"") && names(owner) && names("(\"guest\")"));
  CHECK(names("weir_stream_hand_over") && names("weir_stream_adopt") && names("WEIR_THREADS=free"));
}

/* C1: encoding, synchronizing, forcing what was recorded there, also far down in a graph of this
   thread's own. What has a value may be read. */
static void *guest(void *arg) {
  pthread_setname_np(pthread_self(), "guest");
  mlx_array one = mlx_array_new_float(1), r = mlx_array_new(), mixed = mlx_array_new();
  mlx_string text = mlx_string_new();
  wrong_thread(mlx_add(&r, one, one, shared));
  wrong_thread(mlx_synchronize(shared));
  wrong_thread(weir_stream_wait(shared, 0));
  wrong_thread(mlx_array_eval(lazy));
  wrong_thread(mlx_array_tostring(&text, lazy));
  float v;
  wrong_thread(mlx_array_item_float32(&v, lazy));
  CHECK(mlx_add(&mixed, lazy, one, (mlx_stream){0}) == 0);
  wrong_thread(mlx_array_eval(mixed));
  mlx_vector_array both = mlx_vector_array_new_value(one);
  CHECK(mlx_vector_array_append_value(both, mixed) == 0);
  wrong_thread(mlx_eval(both));
  wrong_thread(mlx_async_eval(both));
  wrong_thread(weir_stream_hand_over(shared, weir_thread_current()));
  wrong_thread(weir_stream_adopt(shared));
  CHECK(weir_try_synchronize(shared) == 0);
  CHECK(mlx_add(&r, below, one, (mlx_stream){0}) == 0 && float_of(r) == 3);
  mlx_vector_array_free(both);
  mlx_string_free(text);
  mlx_array_free(mixed);
  mlx_array_free(r);
  mlx_array_free(one);
  return arg;
}

/* C2: after the hand-over it is this thread's, with what was submitted before in front; it gives it
   on to whoever adopts it. */
static void *receiver(void *arg) {
  *(weir_thread *)arg = weir_thread_current();
  pthread_barrier_wait(&turn);
  pthread_barrier_wait(&turn);
  CHECK(weir_stream_adopt(shared) == 0);
  mlx_array one = mlx_array_new_float(1);
  add_to(&lazy, one, shared);
  CHECK(float_of(lazy) == 1003);
  CHECK(weir_stream_hand_over(shared, 0) == 0);
  CHECK(mlx_synchronize(shared) == 1);
  mlx_array_free(one);
  return arg;
}

static void hand_over_and_back(void) {
  pthread_t thread;
  weir_thread its = 0;
  mlx_array one = mlx_array_new_float(1);
  pthread_barrier_init(&turn, NULL, 2);
  CHECK(pthread_create(&thread, NULL, receiver, &its) == 0);
  pthread_barrier_wait(&turn);
  for (int i = 0; i < 1000; i++) add_to(&lazy, one, shared);
  mlx_vector_array v = mlx_vector_array_new_value(lazy);
  CHECK(mlx_async_eval(v) == 0);
  CHECK(weir_stream_hand_over(shared, its) == 0);
  CHECK(mlx_synchronize(shared) == 1);
  CHECK(weir_last_status() == WEIR_ERROR_WRONG_THREAD);
  pthread_barrier_wait(&turn);
  pthread_join(thread, NULL);
  CHECK(weir_stream_adopt(shared) == 0);
  CHECK(mlx_synchronize(shared) == 0);
  CHECK(weir_stream_hand_over(shared, 4000000000u) == 1);
  CHECK(weir_last_status() == WEIR_ERROR_INVALID_ARGUMENT && names("thread"));
  mlx_vector_array_free(v);
  mlx_array_free(one);
  pthread_barrier_destroy(&turn);
}

/* A default that is handed over is replaced; a stream of a thread that ended can be adopted. */
static void *leave_default_behind(void *arg) {
  mlx_stream s = mlx_default_cpu_stream_new();
  *(mlx_stream *)arg = s;
  return NULL;
}

static void adopt_from_the_ended(void) {
  pthread_t thread;
  mlx_stream left = {0}, mine = mlx_default_cpu_stream_new();
  CHECK(pthread_create(&thread, NULL, leave_default_behind, &left) == 0);
  pthread_join(thread, NULL);
  CHECK(mlx_synchronize(left) == 1);
  CHECK(weir_stream_adopt(left) == 0 && mlx_synchronize(left) == 0);
  CHECK(weir_stream_hand_over(mine, 0) == 0);
  mlx_stream next = mlx_default_cpu_stream_new();
  CHECK(!mlx_stream_equal(mine, next));
  CHECK(weir_stream_adopt(mine) == 0);
  mlx_stream_free(next);
  mlx_stream_free(mine);
  mlx_stream_free(left);
}

/* C2, D4: a scope that ends does not give back what was handed over inside it. */
static void hand_over_inside_a_scope(void) {
  mlx_stream given = new_stream(), inner = new_stream();
  CHECK(weir_stream_scope_push(given) == 0 && weir_stream_scope_push(inner) == 0);
  CHECK(weir_stream_hand_over(given, 0) == 0);
  CHECK(weir_stream_scope_pop() == 0);
  mlx_stream now = mlx_default_cpu_stream_new();
  CHECK(!mlx_stream_equal(now, given) && !mlx_stream_equal(now, inner));
  mlx_array a = mlx_array_new_float(1);
  add_to(&a, a, (mlx_stream){0});
  CHECK(float_of(a) == 2);
  CHECK(weir_stream_scope_pop() == 0);
  mlx_array_free(a);
  mlx_stream_free(now);
  mlx_stream_free(inner);
  mlx_stream_free(given);
}

/* R2: who draws a graph waits for nothing and computes nothing, so it is not the request's. */
static void draw_in_an_ended_request(void) {
  mlx_array a = mlx_array_new_float(1), one = mlx_array_new_float(1);
  weir_request r = weir_request_new();
  mlx_node_namer namer = mlx_node_namer_new();
  for (int i = 0; i < 1000; i++) add_to(&a, one, shared);
  mlx_vector_array v = mlx_vector_array_new_value(a);
  FILE *f = tmpfile();
  CHECK(f && weir_request_cancel(r) == 0 && weir_request_enter(r) == 0);
  CHECK(mlx_export_to_dot(f, namer, v) == 0);
  CHECK(mlx_array_eval(a) == 1 && weir_last_status() == WEIR_ERROR_CANCELLED);
  CHECK(weir_request_leave() == 0 && weir_request_free(r) == 0 && fclose(f) == 0);
  mlx_node_namer_free(namer);
  mlx_vector_array_free(v);
  mlx_array_free(a);
  mlx_array_free(one);
}

int main(void) {
  mean_cpu();
  pthread_t thread;
  mlx_set_error_handler(quiet, NULL, NULL);
  CHECK(weir_get_thread_policy() == WEIR_THREADS_FREE);
  CHECK(weir_set_thread_policy((weir_thread_policy)7) == 1);
  CHECK(weir_set_thread_policy(WEIR_THREADS_CHECKED) == 0);
  CHECK(weir_set_thread_policy(WEIR_THREADS_CHECKED) == 0);
  pthread_setname_np(pthread_self(), "owner");
  main_thread = weir_thread_current();
  shared = new_stream();
  CHECK(weir_set_thread_policy(WEIR_THREADS_FREE) == 1);
  CHECK(weir_last_status() == WEIR_ERROR_STATE);
  CHECK(weir_stream_set_label(shared, "loader") == 0);
  mlx_array one = mlx_array_new_float(1);
  lazy = mlx_array_new_float(1);
  below = mlx_array_new_float(1);
  add_to(&lazy, one, shared);
  add_to(&below, one, shared);
  CHECK(float_of(below) == 2);
  CHECK(pthread_create(&thread, NULL, guest, NULL) == 0);
  pthread_join(thread, NULL);
  /* The array that could not be forced there is still lazy here. */
  bool available = true;
  CHECK(_mlx_array_is_available(&available, lazy) == 0 && !available);
  hand_over_and_back();
  adopt_from_the_ended();
  hand_over_inside_a_scope();
  draw_in_an_ended_request();
  mlx_array_free(one);
  mlx_array_free(below);
  mlx_array_free(lazy);
  mlx_stream_free(shared);
  return 0;
}
