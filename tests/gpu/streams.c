/* Streams on the GPU, through the public API: order across streams and devices, a thread per
   request, values that several threads force, failing arrays, memory that is refused, views of
   queued results, the child of a fork; and after all that nothing is left. */

#include "programs.h"

static mlx_stream gpu, cpu;

/* O2: a chain that hops between streams of both devices, evaluated whole and link by link. */
static void across_streams(void) {
  enum { STREAMS = 8, HOPS = 400 };
  mlx_stream s[STREAMS];
  for (int i = 0; i < STREAMS; i++) s[i] = i % 4 == 3 ? new_stream() : new_gpu_stream();
  for (int round = 0; round < 2; round++) {
    mlx_array a = floats(1000, 0), one = mlx_array_new_float(1);
    for (int i = 0; i < HOPS; i++) {
      add_to(&a, one, s[(i * 5 + i / 7) % STREAMS]);
      if (round == 1 && i % 10 == 0) CHECK(async_eval(a) == 0);
    }
    const float *data = mlx_array_data_float32(a);
    CHECK(data != NULL);
    for (int i = 0; i < 1000; i++) CHECK(data[i] == (float)(i + HOPS));
    mlx_array_free(a);
    mlx_array_free(one);
  }
  for (int i = 0; i < STREAMS; i++) mlx_stream_free(s[i]);
}

/* D4: streams that wait for one another in a chain, submitted from the far end. */
static void reverse_chain(void) {
  enum { STREAMS = 16, EACH = 50 };
  mlx_stream s[STREAMS];
  mlx_array link[STREAMS + 1], one = mlx_array_new_float(1);
  link[0] = mlx_array_new_float(0);
  for (int i = 0; i < STREAMS; i++) {
    s[i] = new_gpu_stream();
    link[i + 1] = mlx_array_new();
    mlx_array_set(&link[i + 1], link[i]);
    for (int k = 0; k < EACH; k++) add_to(&link[i + 1], one, s[i]);
  }
  for (int i = STREAMS; i > 0; i--) CHECK(async_eval(link[i]) == 0);
  for (int i = STREAMS; i > 0; i--) CHECK(float_of(link[i]) == (float)(i * EACH));
  for (int i = 0; i <= STREAMS; i++) mlx_array_free(link[i]);
  for (int i = 0; i < STREAMS; i++) mlx_stream_free(s[i]);
  mlx_array_free(one);
}

/* O3, W2: a value and an event that stand before a long backlog are waited for on the GPU, by
   another stream, and the backlog is not. */
static void no_foreign_backlog(void) {
  enum { SIDE = 4096, BACKLOG = 60 };
  const int square[] = {SIDE, SIDE};
  mlx_stream busy = new_gpu_stream(), other = new_gpu_stream();
  mlx_array one = mlx_array_new_float(1), m = mlx_array_new(), x = floats(1000, 0);
  CHECK(mlx_full(&m, square, 2, one, MLX_FLOAT32, busy) == 0 && mlx_array_eval(m) == 0);
  mlx_array product = mlx_array_new(), y = mlx_array_new();
  weir_event event = weir_event_new();
  bool over = false, idle = true;
  add_to(&x, one, busy);
  CHECK(async_eval(x) == 0 && weir_event_record(event, busy) == 0);
  for (int i = 0; i < BACKLOG; i++) {
    CHECK(mlx_matmul(&product, m, m, busy) == 0 && async_eval(product) == 0);
  }
  CHECK(weir_event_wait(event, other) == 0 && mlx_add(&y, x, one, other) == 0);
  CHECK(mlx_array_data_float32(y)[7] == 9);
  CHECK(weir_stream_query(&idle, busy) == 0 && !idle);
  CHECK(weir_event_synchronize(event, INT64_MAX) == 0);
  CHECK(weir_event_query(&over, event) == 0 && over);
  CHECK(mlx_array_eval(product) == 0 && weir_event_free(event) == 0);
  mlx_array all[] = {one, m, x, product, y};
  for (int i = 0; i < 5; i++) mlx_array_free(all[i]);
  mlx_stream_free(busy);
  mlx_stream_free(other);
}

/* K14: results that come faster than the GPU makes them, each let go of at once, and more of them
   than it has memory for. */
static void more_than_there_is(void) {
  enum { SIDE = 1 << 16, RESULTS = 48 }; /* of 4 GB */
  const int shape[] = {SIDE, SIDE / 4};
  mlx_stream s = new_gpu_stream();
  mlx_array one = mlx_array_new_float(1), m = mlx_array_new(), last = mlx_array_new();
  mlx_array sum = mlx_array_new();
  CHECK(mlx_full(&m, shape, 2, one, MLX_FLOAT32, s) == 0);
  for (int i = 0; i < RESULTS; i++) {
    CHECK(mlx_add(&last, m, one, s) == 0 && async_eval(last) == 0);
  }
  CHECK(mlx_mean(&sum, last, false, s) == 0 && float_of(sum) == 2);
  mlx_array all[] = {one, m, last, sum};
  for (int i = 0; i < 4; i++) mlx_array_free(all[i]);
  mlx_stream_free(s);
  CHECK(mlx_clear_cache() == 0);
}

/* A thread per request: its own default stream, one sum, the value. */
static void request(int i) {
  mlx_stream s = mlx_default_gpu_stream_new();
  CHECK(s.ctx != NULL);
  mlx_array a = mlx_array_new_float((float)i), one = mlx_array_new_float(1);
  for (int k = 0; k < 20; k++) add_to(&a, one, s);
  CHECK(float_of(a) == (float)i + 20);
  mlx_array_free(one);
  mlx_array_free(a);
  mlx_stream_free(s);
}

/* A1, A2, B5: 8 threads on one stream, and all of them force one array. */
static mlx_array shared;

static void on_shared_stream(int i) {
  mlx_array a = floats(100, (float)i), one = mlx_array_new_float(1);
  for (int k = 0; k < 100; k++) add_to(&a, one, gpu);
  CHECK(mlx_array_data_float32(a)[99] == (float)(i + 199));
  CHECK(mlx_array_data_float32(shared)[3] == 53);
  mlx_array_free(a);
  mlx_array_free(one);
}

static void from_many_threads(void) {
  mlx_array one = mlx_array_new_float(1);
  shared = floats(10, 0);
  for (int i = 0; i < 50; i++) add_to(&shared, one, gpu);
  run_threads(8, on_shared_stream);
  mlx_array_free(shared);
  mlx_array_free(one);
  for (int i = 0; i < 20; i++) run_threads(16, request);
}

/* Views of results that are only queued, and a strided view read back. */
static void views(void) {
  mlx_array a = floats(12, 0), one = mlx_array_new_float(1);
  for (int i = 0; i < 10; i++) add_to(&a, one, gpu);
  mlx_array square = mlx_array_new(), turned = mlx_array_new();
  const int shape[] = {3, 4};
  CHECK(mlx_reshape(&square, a, shape, 2, gpu) == 0);
  CHECK(mlx_transpose(&turned, square, gpu) == 0);
  add_to(&turned, one, gpu);
  const float *data = mlx_array_data_float32(turned);
  CHECK(data && data[1] == 4 + 11 && data[3] == 1 + 11);
  mlx_array_free(turned);
  mlx_array_free(square);
  mlx_array_free(one);
  mlx_array_free(a);
}

/* E1, E2: too much memory fails in words, in the array alone, and small work goes on. */
static void refused_memory(void) {
  const int huge[] = {1 << 20, 1 << 20, 4};
  mlx_array one = mlx_array_new_float(1), wide = mlx_array_new(), sum = mlx_array_new();
  CHECK(mlx_broadcast_to(&wide, one, huge, 3, gpu) == 0);
  CHECK(mlx_add(&sum, wide, one, gpu) == 0);
  mlx_array after = mlx_array_new();
  CHECK(mlx_exp(&after, sum, gpu) == 0);
  for (int i = 0; i < 3; i++) {
    CHECK(mlx_array_eval(after) == 1);
    CHECK(weir_last_status() == WEIR_ERROR_OUT_OF_MEMORY);
    CHECK(strstr(weir_last_error(), "add") != NULL);
    CHECK(mlx_synchronize(gpu) == 0);
  }
  mlx_array fine = mlx_array_new();
  CHECK(mlx_exp(&fine, one, gpu) == 0);
  CHECK(float_of(fine) > 2.7f);
  mlx_array all[] = {one, wide, sum, after, fine};
  for (int i = 0; i < 5; i++) mlx_array_free(all[i]);
}

/* Large enough for several staging pieces each way. */
static void large_transfers(void) {
  enum { N = 5 << 20 };
  mlx_array a = floats(N, 1), one = mlx_array_new_float(1);
  add_to(&a, one, gpu);
  const float *data = mlx_array_data_float32(a);
  CHECK(data != NULL);
  for (int i = 0; i < N; i++) CHECK(data[i] == (float)i + 2);
  mlx_array_free(a);
  mlx_array_free(one);
}

/* K11: in a child of this process the GPU is an error and the CPU works. */
static void child(void) {
  mlx_array a = floats(4, 1), one = mlx_array_new_float(1);
  mlx_array b = mlx_array_new(), c = mlx_array_new();
  CHECK(mlx_add(&b, a, one, gpu) == 0);
  CHECK(mlx_array_eval(b) == 1);
  CHECK(strstr(weir_last_error(), "forked") != NULL);
  mlx_device device = mlx_device_new_type(MLX_GPU, 0);
  CHECK(mlx_stream_new_device(device).ctx == NULL);
  CHECK(mlx_add(&c, a, one, cpu) == 0);
  CHECK(mlx_array_data_float32(c)[3] == 5);
  _exit(42);
}

static void device_facts(void) {
  int count = 0;
  bool available = false;
  const char *text = NULL;
  size_t bytes = 0;
  mlx_device device = mlx_device_new_type(MLX_GPU, 0);
  mlx_device_info info = mlx_device_info_new();
  CHECK(mlx_device_count(&count, MLX_GPU) == 0 && count > 0);
  CHECK(mlx_device_is_available(&available, device) == 0 && available);
  CHECK(mlx_device_info_get(&info, device) == 0);
  CHECK(mlx_device_info_get_string(&text, info, "device_name") == 0);
  CHECK(mlx_device_info_get_size(&bytes, info, "memory_size") == 0 && bytes > 1u << 30);
  printf("%d of %s, %zu MiB", count, text, bytes >> 20);
  CHECK(mlx_device_info_get_size(&bytes, info, "free_memory") == 0 && bytes > 1u << 20);
  printf(", %zu MiB free", bytes >> 20);
  CHECK(mlx_device_info_get_string(&text, info, "uuid") == 0 && strlen(text) == 40);
  printf(", %s", text);
  CHECK(mlx_device_info_get_string(&text, info, "pci_bus_id") == 0 && strlen(text) >= 12);
  printf(" at %s\n", text);
  mlx_device_info_free(info);
  mlx_device_free(device);
}

int main(void) {
  mlx_set_error_handler(quiet, NULL, NULL);
  if (!has_gpu()) return 77;
  gpu = mlx_default_gpu_stream_new();
  cpu = mlx_default_cpu_stream_new();
  CHECK(gpu.ctx && cpu.ctx);
  device_facts();
  across_streams();
  reverse_chain();
  no_foreign_backlog();
  more_than_there_is();
  from_many_threads();
  views();
  refused_memory();
  large_transfers();
  for (int i = 0; i < 5; i++) CHECK(in_child(child, 20) == 42);
  mlx_stream_free(gpu);
  mlx_stream_free(cpu);
  CHECK(weir_shutdown(UINT64_C(10000000000)) == 0);
  CHECK(streams_become(0));
  size_t bytes = 1;
  CHECK(mlx_get_active_memory(&bytes) == 0 && bytes == 0);
  return 0;
}
