/* K7: a thread that is told to end while it is inside a call ends after that call, whatever files,
   libraries and descriptors the call comes by: so no claim, lock or stream is left behind, and
   others go on. The request stands before the call, so that any cancellation point in it would act.
   FAILURES: P7.
   tests/cuda_host/cancelled.c has the same on a GPU. */

#include "fixtures.h"

static mlx_stream shared;
static mlx_array lazy; /* what another thread forces too */

static mlx_array product(mlx_stream s) {
  const int shape[] = {40, 40};
  mlx_array a = mlx_array_new();
  CHECK(mlx_ones(&a, shape, 2, MLX_FLOAT32, s) == 0 && mlx_matmul(&a, a, a, s) == 0);
  return a;
}

static void events(void) {
  int fd = -1;
  weir_event event = weir_event_new();
  CHECK(weir_event_fd(&fd, event) == 0 && weir_event_record(event, shared) == 0);
  CHECK(weir_event_synchronize(event, INT64_C(60000000000)) == 0);
  CHECK(weir_event_record(event, shared) == 0);
  CHECK(weir_event_free(event) == 0);
}

static void *calls(void *came_back) {
  CHECK(pthread_cancel(pthread_self()) == 0);
  mlx_array failed = mlx_array_new(), a = product((mlx_stream){0});
  CHECK(mlx_array_eval(failed) == 1); /* a line on stderr */
  CHECK(submit(a) == 0 && mlx_array_eval(lazy) == 0);
  CHECK(mlx_array_eval(a) == 0 && mlx_array_data_float32(a)[0] == 40);
  CHECK(mlx_synchronize(shared) == 0 && weir_stream_wait(shared, INT64_C(60000000000)) == 0);
  events();
  CHECK(mlx_clear_cache() == 0 && mlx_clear_streams() == 0);
  mlx_array_free(a);
  *(int *)came_back = 1;
  pthread_testcancel();
  return NULL;
}

static void *force(void *arg) {
  CHECK(mlx_array_eval(lazy) == 0);
  return arg;
}

static void program(void) {
  int came_back = 0;
  void *result;
  mean_cpu();
  shared = new_stream();
  lazy = product(shared);
  pthread_t cancelled = start_thread(calls, &came_back), other = start_thread(force, NULL);
  CHECK(pthread_join(cancelled, &result) == 0 && result == PTHREAD_CANCELED && came_back);
  CHECK(pthread_join(other, NULL) == 0);
  mlx_array a = chain(0, 10, shared);
  CHECK(float_of(a) == 10);
  mlx_array_free(a);
  mlx_array_free(lazy);
  mlx_stream_free(shared);
  _exit(42);
}

/* A destructor in the thread's own free may come by a cancellation point: what is freed with the
   array is freed all the same. */
static int ended;

static void close_something(void *unused) {
  (void)unused;
  close(dup(STDERR_FILENO));
  pthread_testcancel();
  probe_count(&ended);
}

static void *free_two(void *arg) {
  static float data[2] = {1, 2};
  int n = 2;
  mlx_array a = mlx_array_new_data_managed_payload(data, &n, 1, MLX_FLOAT32, NULL, close_something);
  mlx_array b = mlx_array_new_data_managed_payload(data, &n, 1, MLX_FLOAT32, NULL, close_something);
  CHECK(mlx_add(&a, a, b, (mlx_stream){0}) == 0); /* the last handle to a's data */
  mlx_array_free(b);
  CHECK(pthread_cancel(pthread_self()) == 0);
  mlx_array_free(a);
  pthread_testcancel();
  return arg;
}

static void frees(void) {
  void *result;
  mean_cpu();
  CHECK(pthread_join(start_thread(free_two, NULL), &result) == 0 && result == PTHREAD_CANCELED);
  CHECK(ended == 2);
  _exit(42);
}

/* A reader and a writer of the user's, each function of which comes by a cancellation point. */
static struct {
  char bytes[256];
  size_t place, size;
  int freed;
} file;

static bool yes(void *unused) {
  (void)unused;
  pthread_testcancel();
  return true;
}

static const char *label(void *unused) { return yes(unused) ? "memory" : NULL; }

static void read_at(void *unused, char *data, size_t n, size_t offset) {
  CHECK(yes(unused) && offset + n <= file.size);
  memcpy(data, file.bytes + offset, n);
}

static void read_on(void *unused, char *data, size_t n) {
  read_at(unused, data, n, file.place);
  file.place += n;
}

static void write_on(void *unused, const char *data, size_t n) {
  CHECK(yes(unused) && file.size + n <= sizeof file.bytes);
  memcpy(file.bytes + file.size, data, n);
  file.size += n;
}

static void count_freed(void *unused) { file.freed += yes(unused); }

static void *save_and_load(void *came_back) {
  static const mlx_io_vtable vtable = {.is_open = yes,
                                       .good = yes,
                                       .read = read_on,
                                       .read_at_offset = read_at,
                                       .write = write_on,
                                       .label = label,
                                       .free = count_freed};
  CHECK(pthread_cancel(pthread_self()) == 0);
  int32_t value = 0;
  mlx_string text = mlx_string_new();
  mlx_array a = mlx_array_new_int(7), b = mlx_array_new();
  mlx_io_writer to = mlx_io_writer_new(NULL, vtable);
  mlx_io_reader from = mlx_io_reader_new(NULL, vtable);
  CHECK(mlx_save_writer(to, a) == 0 && mlx_io_writer_free(to) == 0 && file.freed == 1);
  CHECK(mlx_io_reader_tostring(&text, from) == 0 && mlx_string_free(text) == 0);
  CHECK(mlx_load_reader(&b, from, shared) == 0 && mlx_io_reader_free(from) == 0);
  CHECK(mlx_array_item_int32(&value, b) == 0 && value == 7);
  CHECK(mlx_array_free(a) == 0 && mlx_array_free(b) == 0);
  *(int *)came_back = 1;
  pthread_testcancel();
  return NULL;
}

static void files(void) {
  int came_back = 0;
  void *result;
  mean_cpu();
  shared = new_stream();
  pthread_t thread = start_thread(save_and_load, &came_back);
  CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED && came_back);
  CHECK(mlx_stream_free(shared) == 0 && weir_shutdown(INT64_C(60000000000)) == 0);
  CHECK(file.freed == 2 && live_streams() == 0);
  _exit(42);
}

int main(void) {
  mean_cpu();
  repeat(files, "cancelled files", 1);
  repeat(program, "cancelled", 5);
  repeat(frees, "cancelled frees", 1);
  return 0;
}
