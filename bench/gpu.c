// The GPU table: what Weir takes on gpu:0 through its C API, beside what the driver itself takes
// for the same in this very run. Values are random and lie on the GPU before the clock starts.
// Prints `name<TAB>floor<TAB>Weir<TAB>unit`; a floor that is not known is a dash. With the argument
// "matmul" the products alone, with "small" the rows of small operations alone. Sees the library's
// insides, for the driver's functions alone.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend/cuda/codegen/codegen.h"
#include "backend/cuda/device.h"
#include "backend/cuda/memory/memory.h"
#include "calls.h"
#include "mlx/c/mlx.h"
#include "weir/weir.h"

static mlx_stream gpu;
static struct wr_gpu *device;

static void need(struct wr_error *error) {
  if (!error) return;
  fprintf(stderr, "%s\n", wr_error_message(error));
  exit(1);
}

static void driver(wr_cu_result result, const char *call) {
  need(wr_gpu_result(device, result, call));
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

// Seconds per call: the median of 9 batches of `count` calls, each batch with `end` after it.
static double median(void (*step)(void), void (*end)(void), int count) {
  double times[9];
  for (int batch = -1; batch < 9; batch++) {
    double start = seconds();
    for (int i = 0; i < count; i++) step();
    if (end) end();
    if (batch >= 0) times[batch] = (seconds() - start) / count;
  }
  qsort(times, 9, sizeof times[0], by_value);
  return times[4];
}

static void report(const char *name, double floor, double weir, const char *unit) {
  char text[32] = "-";
  if (floor > 0) snprintf(text, sizeof text, "%.2f", floor);
  printf("%s\t%s\t%.2f\t%s\n", name, text, weir, unit);
  fflush(stdout);
}

// ---- the driver's side ----

static wr_cu_stream stream;
static wr_cu_function kernel;
static wr_cu_address here, there;
static size_t copied;

static void floor_launch(void) {
  void *out = NULL;
  uint32_t n = 0;
  void *args[] = {&out, &out, &out, &n};
  driver(wr_cu->launch(kernel, 1, 1, 1, 32, 1, 1, 0, stream, args, NULL), "cuLaunchKernel");
}

static void floor_finish(void) { driver(wr_cu->stream_synchronize(stream), "cuStreamSynchronize"); }

static void floor_launch_and_finish(void) {
  floor_launch();
  floor_finish();
}

// As Weir launches what comes often: a graph of one kernel, whose arguments are set anew.
static wr_cu_graph_exec exec;
static wr_cu_node node;
static struct wr_cu_node_values node_values;

static void floor_graph_new(void) {
  static uint32_t n;
  static void *out, *args[] = {&out, &out, &out, &n};
  wr_cu_graph graph;
  node_values = (struct wr_cu_node_values){
      .function = kernel, .grid = {1, 1, 1}, .block = {32, 1, 1}, .arguments = args};
  driver(wr_cu->graph_new(&graph, 0), "cuGraphCreate");
  driver(wr_cu->graph_add_kernel(&node, graph, NULL, 0, &node_values), "cuGraphAddKernelNode");
  driver(wr_cu->graph_exec_new(&exec, graph, 0), "cuGraphInstantiate");
}

static void floor_graph_and_finish(void) {
  driver(wr_cu->graph_exec_set_kernel(exec, node, &node_values), "cuGraphExecKernelNodeSetParams");
  driver(wr_cu->graph_launch(exec, stream), "cuGraphLaunch");
  floor_finish();
}

static void floor_stream(void) {
  wr_cu_stream s;
  driver(wr_cu->stream_new(&s, WR_CU_STREAM_NON_BLOCKING), "cuStreamCreate");
  driver(wr_cu->stream_free(s), "cuStreamDestroy");
}

static void floor_copy(void) {
  driver(wr_cu->copy_on_device(there, here, copied, stream), "cuMemcpyDtoDAsync");
}

// The same as Weir's request below: a thread that sends 16 bytes, adds them, has them back and
// ends.
static void *pinned;

static void *floor_request(void *arg) {
  enum { BYTES = 16 };
  uint32_t n = BYTES / sizeof(float);
  void *args[] = {&there, &here, &here, &n};
  wr_gpu_enter(device);
  driver(wr_cu->copy_to_device(here, pinned, BYTES, stream), "cuMemcpyHtoDAsync");
  driver(wr_cu->launch(kernel, 1, 1, 1, 32, 1, 1, 0, stream, args, NULL), "cuLaunchKernel");
  driver(wr_cu->copy_to_host(pinned, there, BYTES, stream), "cuMemcpyDtoHAsync");
  floor_finish();
  wr_gpu_leave();
  return arg;
}

static void floor_thread(void) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, floor_request, NULL)) exit(1);
  pthread_join(thread, NULL);
}

static wr_cu_event event;

static void floor_record(void) { driver(wr_cu->event_record(event, stream), "cuEventRecord"); }

static void floor_wait(void) { driver(wr_cu->stream_wait(stream, event, 0), "cuStreamWaitEvent"); }

static wr_cu_address room_on_gpu(size_t bytes) {
  struct wr_buffer *buffer;
  need(wr_buffer_alloc(wr_gpu_buffers(device), bytes, &buffer));
  return (wr_cu_address)(uintptr_t)buffer->data;
}

static double copy_rate;  // bytes read and written per second

static void measure_floor(void) {
  const struct wr_module_id id = {WR_SOURCE_BINARY, WR_OP_ADD, WR_FLOAT32, WR_FLOAT32, false, 0};
  need(wr_gpu_get(0, &device));
  wr_gpu_enter(device);
  driver(wr_cu->stream_new(&stream, WR_CU_STREAM_NON_BLOCKING), "cuStreamCreate");
  driver(wr_cu->event_new(&event, WR_CU_EVENT_NO_TIMING), "cuEventCreate");
  need(wr_kernel_find(device, id, WR_ENTRY_DENSE, &kernel));
  copied = (size_t)1 << 30;
  here = room_on_gpu(copied);
  there = room_on_gpu(copied);
  driver(wr_cu->fill_bytes(here, 0x3f, copied, stream), "cuMemsetD8Async");
  copy_rate = 2.0 * (double)copied / median(floor_copy, floor_finish, 20);
  driver(wr_cu->host_alloc(&pinned, 16, WR_CU_HOST_PORTABLE), "cuMemHostAlloc");
  memset(pinned, 0, 16);
}

// ---- Weir's side ----

static mlx_array a, b, c, y;

static mlx_array on_gpu(const int *shape, int ndim, mlx_dtype dtype) {
  mlx_array r = mlx_array_new(), made = mlx_array_new(), low = mlx_array_new_float(-1.0f),
            high = mlx_array_new_float(1.0f);
  must(mlx_random_uniform(&r, low, high, shape, (size_t)ndim, MLX_FLOAT32, (mlx_array){0}, gpu));
  must(mlx_astype(&made, r, dtype, gpu));
  must(mlx_array_eval(made));
  mlx_array_free(r);
  mlx_array_free(low);
  mlx_array_free(high);
  return made;
}

static void set(mlx_array *to, mlx_array taken) {
  mlx_array_free(*to);
  *to = taken;
}

static void submit(mlx_array r) {
  mlx_vector_array v = mlx_vector_array_new_value(r);
  must(mlx_async_eval(v));
  mlx_vector_array_free(v);
}

static void finish(void) { must(mlx_synchronize(gpu)); }

// A thousand operations recorded one on the other, evaluated at once.
enum { CHAIN = 1000 };
static void step_chain(void) {
  mlx_array r = mlx_array_new();
  must(mlx_add(&r, a, b, gpu));
  for (int i = 1; i < CHAIN; i++) {
    mlx_array next = mlx_array_new();
    must(mlx_add(&next, r, b, gpu));
    set(&r, next);
  }
  must(mlx_array_eval(r));
  mlx_array_free(r);
}

// The same of operations that are kernels of their own.
enum { LINKS = 300 };
static void step_links(void) {
  mlx_array r = mlx_array_new();
  must(mlx_cumsum(&r, a, 0, false, true, gpu));
  for (int i = 1; i < LINKS; i++) {
    mlx_array next = mlx_array_new();
    must(mlx_cumsum(&next, r, 0, false, true, gpu));
    set(&r, next);
  }
  must(mlx_array_eval(r));
  mlx_array_free(r);
}

static void step_small(void) {
  mlx_array r = mlx_array_new();
  must(mlx_add(&r, a, b, gpu));
  must(mlx_array_eval(r));
  mlx_array_free(r);
}

// A hundred elementwise steps on small arrays: each handed to the GPU by itself, all at once as
// they are called, and as they were compiled. The value is waited for at the end of each hundred.
enum { STEPS = 100 };

static int hundred_of(mlx_array *x, bool each) {
  for (int i = 0; i < STEPS; i++) {
    must(i % 2 ? mlx_abs(x, *x, gpu) : mlx_add(x, *x, b, gpu));
    if (each) submit(*x);
  }
  return 0;
}

static int hundred(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = mlx_array_new();
  must(mlx_vector_array_get(&x, in, 0));
  const int rc = hundred_of(&x, false) || mlx_vector_array_set_value(res, x);
  mlx_array_free(x);
  return rc;
}

static void step_steps_each(void) {
  mlx_array x = mlx_array_new();
  must(mlx_array_set(&x, a));
  must(hundred_of(&x, true));
  must(mlx_array_eval(x));
  mlx_array_free(x);
}

static mlx_closure function;

static void step_function(void) {
  mlx_vector_array in = mlx_vector_array_new_value(a), out = mlx_vector_array_new();
  must(mlx_closure_apply(&out, function, in));
  must(mlx_eval(out));
  mlx_vector_array_free(in);
  mlx_vector_array_free(out);
}

static void floor_steps(void) {
  for (int i = 0; i < STEPS; i++) floor_launch();
  floor_finish();
}

static void steps_rows(void) {
  mlx_closure plain = mlx_closure_new_func(hundred), made = mlx_closure_new();
  report("100 small steps, each handed over", median(floor_steps, NULL, 30) * 1e6,
         median(step_steps_each, NULL, 30) * 1e6, "us");
  function = plain;
  report("the same, called", 0, median(step_function, NULL, 300) * 1e6, "us");
  must(mlx_compile(&made, plain, false));
  function = made;
  report("the same, compiled", median(floor_launch_and_finish, NULL, 300) * 1e6,
         median(step_function, NULL, 300) * 1e6, "us");
  mlx_closure_free(plain);
  mlx_closure_free(made);
}

static void step_stream(void) {
  mlx_device d = mlx_device_new_type(MLX_GPU, 0);
  mlx_stream_free(mlx_stream_new_device(d));
  mlx_device_free(d);
}

static weir_event mark;
static mlx_stream other;

static void step_record(void) { must(weir_event_record(mark, gpu)); }
static void step_wait(void) { must(weir_event_wait(mark, other)); }

static void finish_other(void) {
  finish();
  must(mlx_synchronize(other));
}

static void step_elementwise(void) {
  mlx_array r[6];
  for (int i = 0; i < 6; i++) r[i] = mlx_array_new();
  must(mlx_multiply(&r[0], a, b, gpu));
  must(mlx_add(&r[1], r[0], c, gpu));
  must(mlx_abs(&r[2], r[1], gpu));
  must(mlx_sqrt(&r[3], r[2], gpu));
  must(mlx_negative(&r[4], a, gpu));
  must(mlx_exp(&r[5], r[4], gpu));
  mlx_array out = mlx_array_new();
  must(mlx_multiply(&out, r[3], r[5], gpu));
  for (int i = 0; i < 6; i++) mlx_array_free(r[i]);
  submit(out);
  set(&y, out);
}

static void step_add(void) {
  mlx_array r = mlx_array_new();
  must(mlx_add(&r, a, b, gpu));
  submit(r);
  set(&y, r);
}

static void step_softmax(void) {
  mlx_array r = mlx_array_new();
  must(mlx_softmax_axis(&r, a, -1, false, gpu));
  submit(r);
  set(&y, r);
}

static void step_sum(void) {
  mlx_array r = mlx_array_new();
  must(mlx_sum(&r, a, false, gpu));
  submit(r);
  set(&y, r);
}

static void step_sum_of_product(void) {
  mlx_array r = mlx_array_new(), out = mlx_array_new();
  must(mlx_multiply(&r, a, b, gpu));
  must(mlx_sum(&out, r, false, gpu));
  mlx_array_free(r);
  submit(out);
  set(&y, out);
}

// b is one row, added to all.
static void step_softmax_of_sum(void) {
  mlx_array r = mlx_array_new(), out = mlx_array_new();
  must(mlx_add(&r, a, b, gpu));
  must(mlx_softmax_axis(&out, r, -1, false, gpu));
  mlx_array_free(r);
  submit(out);
  set(&y, out);
}

static void step_matmul(void) {
  mlx_array r = mlx_array_new();
  must(mlx_matmul(&r, a, b, gpu));
  submit(r);
  set(&y, r);
}

static void *request(void *arg) {
  mlx_stream s = mlx_default_gpu_stream_new();
  float data[] = {1, 2, 3, 4}, value[4];
  int n = 4;
  mlx_array x = mlx_array_new_data(data, &n, 1, MLX_FLOAT32), r = mlx_array_new();
  must(mlx_add(&r, x, x, s));
  const float *out = mlx_array_data_float32(r);
  must(out == NULL);
  memcpy(value, out, sizeof value);
  if (value[3] != 8) exit(1);
  mlx_array_free(x);
  mlx_array_free(r);
  mlx_stream_free(s);
  return arg;
}

static void step_request(void) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, request, NULL)) exit(1);
  pthread_join(thread, NULL);
}

// ---- the table ----

static void small_rows(void) {
  const int n = 16;
  a = on_gpu(&n, 1, MLX_FLOAT32);
  b = on_gpu(&n, 1, MLX_FLOAT32);
  report("small operation, pipelined", median(floor_launch, floor_finish, 1000) * 1e6,
         median(step_chain, NULL, 3) * 1e6 / CHAIN, "us");
  report("small operation that does not fuse, pipelined",
         median(floor_launch, floor_finish, 1000) * 1e6, median(step_links, NULL, 5) * 1e6 / LINKS,
         "us");
  report("small operation + synchronize", median(floor_launch_and_finish, NULL, 300) * 1e6,
         median(step_small, NULL, 300) * 1e6, "us");
  floor_graph_new();
  report("the same, beside a graph of one kernel", median(floor_graph_and_finish, NULL, 300) * 1e6,
         median(step_small, NULL, 300) * 1e6, "us");
  steps_rows();
  report("new stream", median(floor_stream, NULL, 100) * 1e6, median(step_stream, NULL, 1000) * 1e6,
         "us");
  mark = weir_event_new();
  mlx_device d = mlx_device_new_type(MLX_GPU, 0);
  other = mlx_stream_new_device(d);
  report("event, recorded", median(floor_record, floor_finish, 1000) * 1e6,
         median(step_record, finish, 1000) * 1e6, "us");
  report("event, waited for by a stream", median(floor_wait, floor_finish, 1000) * 1e6,
         median(step_wait, finish_other, 1000) * 1e6, "us");
  mlx_stream_free(other);
  weir_event_free(mark);
  mlx_device_free(d);
  report("thread per request", median(floor_thread, NULL, 100) * 1e6,
         median(step_request, NULL, 100) * 1e6, "us");
}

static void large_rows(void) {
  const int n = 64 << 20, square[] = {16384, 4096};
  const double bytes = 4.0 * n;
  set(&a, on_gpu(&n, 1, MLX_FLOAT32));
  set(&b, on_gpu(&n, 1, MLX_FLOAT32));
  c = on_gpu(&n, 1, MLX_FLOAT32);
  report("a + b, 64M floats", 3 * bytes / copy_rate * 1e6, median(step_add, finish, 20) * 1e6,
         "us");
  report("sqrt(abs(a*b+c))*exp(-a), 64M floats", 4 * bytes / copy_rate * 1e6,
         median(step_elementwise, finish, 20) * 1e6, "us");
  report("sum of 64M floats", bytes / copy_rate * 1e6, median(step_sum, finish, 100) * 1e6, "us");
  report("sum of a*b, 64M floats", 2 * bytes / copy_rate * 1e6,
         median(step_sum_of_product, finish, 100) * 1e6, "us");
  set(&a, on_gpu(square, 2, MLX_FLOAT32));
  set(&b, on_gpu(square + 1, 1, MLX_FLOAT32));
  report("softmax 16384x4096 f32", 2 * bytes / copy_rate * 1e6,
         median(step_softmax, finish, 20) * 1e6, "us");
  report("softmax of a sum, 16384x4096 f32", 2 * bytes / copy_rate * 1e6,
         median(step_softmax_of_sum, finish, 20) * 1e6, "us");
}

// From rest, and few at a time: after some thirty such products the GPU's power limit sets the
// rate.
static void matmul_row(const char *name, int side, mlx_dtype dtype) {
  const struct timespec rest = {.tv_sec = 3};
  const int shape[] = {side, side};
  const double flops = 2.0 * side * side * side;
  set(&a, on_gpu(shape, 2, dtype));
  set(&b, on_gpu(shape, 2, dtype));
  must(mlx_array_eval(a));
  must(mlx_array_eval(b));
  nanosleep(&rest, NULL);
  report(name, 0, flops / median(step_matmul, finish, 3) * 1e-12, "TFLOP/s");
}

// float32 in the three ways of weir/matmul.h.
static void precision_rows(void) {
  static const char *const ways[] = {"", ", TF32", ", three of TF32"};
  char name[64];
  for (int side = 2048; side <= 8192; side *= 2) {
    for (int way = WEIR_MATMUL_FLOAT32; way <= WEIR_MATMUL_TF32X3; way++) {
      must(weir_set_matmul_precision((weir_matmul_precision)way));
      snprintf(name, sizeof name, "matmul %d f32%s", side, ways[way]);
      matmul_row(name, side, MLX_FLOAT32);
    }
  }
  must(weir_set_matmul_precision(WEIR_MATMUL_TF32));
}

int main(int argc, char **argv) {
  const bool small = argc > 1 && strcmp(argv[1], "small") == 0;
  const bool all = argc < 2 || strcmp(argv[1], "matmul") != 0;
  int count = 0;
  must(mlx_device_count(&count, MLX_GPU));
  if (count == 0) {
    printf("skipped: there is no GPU\n");
    return 77;
  }
  gpu = mlx_default_gpu_stream_new();
  must(gpu.ctx == NULL);
  y = mlx_array_new();
  measure_floor();
  printf("name\tfloor\tWeir\tunit\ncopy on the GPU, read and written\t%.2f\t-\tTB/s\n",
         copy_rate * 1e-12);
  if (all) small_rows();
  if (small) return 0;
  if (all) large_rows();
  matmul_row("matmul 8192 bf16", 8192, MLX_BFLOAT16);
  precision_rows();
  return 0;
}
