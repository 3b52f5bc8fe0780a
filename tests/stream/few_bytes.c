/* Few bytes between host and device, which move as commands of a stream: they are there in time for
   what needs them on any stream (O2), a result is read with one wait and behind nobody's backlog
   (O3), and what does not arrive fails what would have read it and nothing else (E1, E3). */

#include "backend/backend.h"
#include "fake_device.h"
#include "inside.h"
#include "programs.h"
#include "stream/stream.h"

static mlx_stream first, second;

static void allow(mlx_stream s, int64_t commands) {
  fake_device_allow(wr_stream_encoder(inside(s)), commands);
}

static mlx_array sum_of(mlx_array a, mlx_array b, mlx_stream s) {
  mlx_array out = mlx_array_new();
  CHECK(mlx_add(&out, a, b, s) == 0);
  return out;
}

static void free_all(mlx_array *arrays, int n) {
  for (int i = 0; i < n; i++) mlx_array_free(arrays[i]);
}

/* Nothing is copied while somebody waits: up by a command, down by a command. */
static void commands_alone(void) {
  const uint64_t moved = fake_device_stats().bytes_moved, before = fake_device_stats().commands;
  mlx_array a = floats(4, 2), r = sum_of(a, a, first);
  CHECK(mlx_array_data_float32(r)[3] == 10);
  CHECK(fake_device_stats().bytes_moved == moved);
  CHECK(fake_device_stats().commands == before + 3);
  mlx_array again = sum_of(a, r, first); /* a is there already */
  CHECK(mlx_array_data_float32(again)[0] == 6);
  CHECK(fake_device_stats().commands == before + 5);
  free_all((mlx_array[]){a, r, again}, 3);
}

/* More than moves that way is copied; at the very limits it is not. */
static void sizes(void) {
  static const int n[] = {1, 256, 257, 1024, 1025, 5000};
  for (size_t i = 0; i < sizeof n / sizeof n[0]; i++) {
    const uint64_t moved = fake_device_stats().bytes_moved;
    mlx_array a = floats(n[i], 1), r = sum_of(a, a, first);
    const float *data = mlx_array_data_float32(r);
    for (int k = 0; k < n[i]; k++) CHECK(data[k] == 2 * (float)(1 + k));
    const size_t bytes = (size_t)n[i] * sizeof(float);
    const uint64_t up = bytes > WR_UPLOAD_BYTES ? bytes : 0;
    const uint64_t down = bytes > WR_DOWNLOAD_BYTES ? bytes : 0;
    CHECK(fake_device_stats().bytes_moved == moved + up + down);
    free_all((mlx_array[]){a, r}, 2);
  }
}

/* O2: the first stream has stalled before it brings `a`; the second brings its own. */
static void o2_each_stream_brings_its_own(void) {
  mlx_array a = floats(4, 1), x = sum_of(a, a, first), y = sum_of(a, a, second);
  allow(first, 0);
  CHECK(async_eval(x) == 0);
  while (fake_device_stats().queued == 0) sched_yield();
  CHECK(mlx_array_data_float32(y)[1] == 4);
  allow(first, -1);
  CHECK(mlx_array_data_float32(x)[1] == 4);
  free_all((mlx_array[]){a, x, y}, 3);
}

/* O3: the bytes come right behind the value, before what others have put behind it. */
static void o3_no_backlog(void) {
  enum { BACKLOG = 50 };
  mlx_array a = floats(4, 1), x = sum_of(a, a, first), later[BACKLOG];
  allow(first, 2); /* a, x */
  CHECK(async_eval(x) == 0);
  for (int i = 0; i < BACKLOG; i++) {
    later[i] = sum_of(a, x, first);
    CHECK(async_eval(later[i]) == 0);
  }
  CHECK(mlx_array_data_float32(x)[0] == 2);
  allow(first, -1);
  for (int i = 0; i < BACKLOG; i++) CHECK(mlx_array_data_float32(later[i])[0] == 3);
  free_all(later, BACKLOG);
  free_all((mlx_array[]){a, x}, 2);
}

/* Views: of a result, with strides that turn back; and of bytes that never left the host. */
static void views(void) {
  mlx_array a = floats(6, 1), r = sum_of(a, a, first), turned = mlx_array_new();
  const int from[] = {5}, to[] = {-7}, steps[] = {-2};
  CHECK(mlx_slice(&turned, r, from, 1, to, 1, steps, 1, first) == 0);
  mlx_array twice = sum_of(turned, turned, first);
  CHECK(mlx_array_data_float32(twice)[2] == 8);
  mlx_array of_host = mlx_array_new();
  CHECK(mlx_slice(&of_host, a, from, 1, to, 1, steps, 1, first) == 0);
  mlx_string text = mlx_string_new();
  CHECK(mlx_array_tostring(&text, of_host) == 0);
  CHECK(strstr(mlx_string_data(text), "6, 4, 2"));
  CHECK(mlx_array_tostring(&text, turned) == 0);
  CHECK(strstr(mlx_string_data(text), "12, 8, 4"));
  mlx_string_free(text);
  free_all((mlx_array[]){a, r, turned, twice, of_host}, 5);
}

/* E1, E3: what should have come did not, so what was to read it fails, also where a device ran it
   all the same; later readers have it brought anew. */
static void e1_lost_on_the_way(void) {
  mlx_array a = floats(4, 1), x = sum_of(a, a, first), y = sum_of(a, x, first);
  fake_device_fail_next(1, WEIR_ERROR_DEVICE, "lost on purpose");
  CHECK(mlx_array_eval(x) == 1);
  CHECK(strstr(weir_last_error(), "did not reach the device"));
  CHECK(mlx_array_eval(y) == 1);
  mlx_array z = sum_of(a, a, first), w = sum_of(a, a, second);
  CHECK(mlx_array_data_float32(z)[0] == 2);
  CHECK(mlx_array_data_float32(w)[0] == 2);
  free_all((mlx_array[]){a, x, y, z, w}, 5);
}

/* The value is there, its way to the host fails: it is copied. */
static void download_fails(void) {
  mlx_array a = floats(4, 1), r = sum_of(a, a, first);
  const uint64_t moved = fake_device_stats().bytes_moved;
  fake_device_fail_next(3, WEIR_ERROR_DEVICE, "lost on purpose"); /* a, r, the way back */
  const float *data = mlx_array_data_float32(r);
  CHECK(data && data[3] == 8);
  CHECK(fake_device_stats().bytes_moved == moved + 4 * sizeof(float));
  free_all((mlx_array[]){a, r}, 2);
}

/* Many threads, each on a stream of its own, with constants that all of them use. */
static mlx_array shared[4];

static void use_shared(int i) {
  enum { TIMES = 60 };
  mlx_stream s = new_gpu_stream();
  for (int k = 0; k < TIMES; k++) {
    mlx_array one = mlx_array_new_float(1), x = sum_of(shared[(i + k) % 4], one, s);
    mlx_array y = sum_of(x, shared[k % 4], s);
    const float want = (float)((i + k) % 4 + k % 4 + 1);
    CHECK(mlx_array_data_float32(y)[1] == want + 2);
    free_all((mlx_array[]){one, x, y}, 3);
  }
  mlx_stream_free(s);
}

static void many_threads(void) {
  for (int i = 0; i < 4; i++) shared[i] = floats(4, (float)i);
  run_threads(many(8), use_shared);
  free_all(shared, 4);
}

int main(void) {
  mlx_set_error_handler(quiet, NULL, NULL);
  fake_device_install();
  fake_device_take_groups();
  fake_device_take_few_bytes();
  first = new_gpu_stream();
  second = new_gpu_stream();
  commands_alone();
  sizes();
  o2_each_stream_brings_its_own();
  o3_no_backlog();
  views();
  e1_lost_on_the_way();
  download_fails();
  many_threads();
  mlx_stream_free(first);
  mlx_stream_free(second);
  CHECK(weir_shutdown(UINT64_C(10000000000)) == 0);
  CHECK(fake_device_stats().violations == 0);
  CHECK(fake_device_shutdown() == 0);
  return 0;
}
