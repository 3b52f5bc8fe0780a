/* Streams of one device that wait for each other there: O2, O3, W2. The fake device stalls one
   stream behind a certain command, so that what waits for more than it has to would never end. */

#include "backend/backend.h"
#include "fake_device.h"
#include "inside.h"
#include "programs.h"
#include "stream/stream.h"

static mlx_stream first, second;

static void allow(mlx_stream s, int64_t commands) {
  fake_device_allow(wr_stream_encoder(inside(s)), commands);
}

static mlx_array plus_one(mlx_array a, mlx_stream s) {
  mlx_array out = mlx_array_new(), one = mlx_array_new_float(1);
  CHECK(mlx_add(&out, a, one, s) == 0);
  mlx_array_free(one);
  return out;
}

static bool available(mlx_array a) {
  bool yes = false;
  CHECK(_mlx_array_is_available(&yes, a) == 0);
  return yes;
}

/* O3: x is the first command, a backlog stands behind it, and what needs x alone does not wait for
   that; not even by a view of it. */
static void o3_only_what_is_needed(void) {
  enum { BACKLOG = 40 };
  mlx_array a = floats(4, 1), x = plus_one(a, first), later[BACKLOG];
  allow(first, 1);
  CHECK(async_eval(x) == 0);
  for (int i = 0; i < BACKLOG; i++) {
    later[i] = plus_one(a, first);
    CHECK(async_eval(later[i]) == 0);
  }
  mlx_array y = plus_one(x, second), turned = mlx_array_new(), z = mlx_array_new();
  CHECK(mlx_transpose(&turned, x, second) == 0 && mlx_add(&z, turned, y, second) == 0);
  CHECK(mlx_array_data_float32(y)[0] == 3);
  CHECK(mlx_array_data_float32(z)[3] == 11);
  CHECK(!available(later[0]) && !available(later[BACKLOG - 1]));
  allow(first, -1);
  for (int i = 0; i < BACKLOG; i++) {
    CHECK(mlx_array_data_float32(later[i])[1] == 3);
    mlx_array_free(later[i]);
  }
  mlx_array all[] = {a, x, y, turned, z};
  for (int i = 0; i < 5; i++) mlx_array_free(all[i]);
}

/* W2: who waits for an event waits for what stood before it; nobody's thread does. */
static void w2_events_on_the_device(void) {
  mlx_array a = floats(4, 1), x = plus_one(a, first), behind = plus_one(a, first);
  weir_event event = weir_event_new();
  bool over = true;
  allow(first, 0);
  CHECK(async_eval(x) == 0 && weir_event_record(event, first) == 0);
  CHECK(async_eval(behind) == 0);
  CHECK(weir_event_wait(event, second) == 0);
  mlx_array y = plus_one(a, second);
  CHECK(async_eval(y) == 0);
  CHECK(weir_event_query(&over, event) == 0 && !over && !available(y));
  allow(first, 2); /* x and the event */
  CHECK(mlx_array_data_float32(y)[0] == 2 && available(x) && !available(behind));
  CHECK(weir_event_synchronize(event, INT64_MAX) == 0);
  allow(first, -1);
  CHECK(mlx_array_eval(behind) == 0);
  CHECK(weir_event_free(event) == 0);
  mlx_array all[] = {a, x, y, behind};
  for (int i = 0; i < 4; i++) mlx_array_free(all[i]);
}

/* D4, O2: rings of streams that hand a value on, from several threads. */
static void hand_on(int i) {
  enum { STREAMS = 5, HOPS = 200 };
  mlx_stream s[STREAMS];
  mlx_array x = mlx_array_new_float((float)i), keep[HOPS];
  for (int k = 0; k < STREAMS; k++) s[k] = new_gpu_stream();
  for (int k = 0; k < HOPS; k++) {
    keep[k] = mlx_array_new();
    mlx_array next = plus_one(x, s[(k * 3 + i) % STREAMS]);
    mlx_array_free(x);
    x = next;
    mlx_array_set(&keep[k], x);
    if (k % 7 == 0) CHECK(async_eval(x) == 0);
  }
  CHECK(float_of(x) == (float)(i + HOPS));
  for (int k = 0; k < HOPS; k++) {
    CHECK(float_of(keep[k]) == (float)(i + k + 1));
    mlx_array_free(keep[k]);
  }
  for (int k = 0; k < STREAMS; k++) mlx_stream_free(s[k]);
  mlx_array_free(x);
}

int main(void) {
  fake_device_install();
  fake_device_take_waits();
  first = new_gpu_stream();
  second = new_gpu_stream();
  o3_only_what_is_needed();
  w2_events_on_the_device();
  run_threads(many(8), hand_on);
  mlx_stream_free(first);
  mlx_stream_free(second);
  CHECK(weir_shutdown(UINT64_C(10000000000)) == 0);
  CHECK(fake_device_stats().violations == 0);
  CHECK(fake_device_shutdown() == 0);
  return 0;
}
