/* The line of those that a GPU refuses memory, over the stand-in driver: the first in it waits also
   for an attempt of another's that has taken memory and is not encoded yet, and then for what that
   encoded, before it is told that what it lacks is held by values: K14. The encoders are the
   streams' own, and this thread is whoever encodes on them. */

#include "backend/backend.h"
#include "stand_in_case.h"
#include "stream/stream.h"

static const struct wr_async_device *line;

/* Whoever ends an attempt or reports commands tells, perhaps once the first has left the line. */
static struct wr_completion_hook hook;
static _Atomic int n_told;

static void told(struct wr_completion_hook *it, struct wr_error *error) {
  CHECK(it == &hook && error == NULL);
  n_told++;
}

static void wait_until_told(void) {
  while (n_told == 0) usleep(100);
}

static struct wr_encoder *encoder_of(mlx_stream s) { return wr_stream_encoder(s.ctx); }

static bool waits(struct wr_encoder *e) {
  n_told = 0;
  return line->line_wait(e, &hook) == WR_ENCODE_PENDING;
}

static uint64_t launches(void) {
  return cuda->calls("cuLaunchKernel") + cuda->calls("cuGraphLaunch");
}

/* An attempt that gives back what it took; there are no other threads yet. */
static void an_attempt_is_waited_for(struct wr_encoder *taker, struct wr_encoder *first,
                                     struct wr_encoder *late) {
  CHECK(line->take_begin(taker, false));
  CHECK(waits(first) && n_told == 0);
  CHECK(!line->take_begin(late, false) && n_told <= 1);
  CHECK(waits(first) && n_told == 0);
  line->take_end(taker);
  CHECK(n_told == 1);
  CHECK(!waits(first));
  line->line_leave(first);
  CHECK(line->take_begin(taker, false));
  line->take_end(taker);
}

/* One that is encoded: a kernel that the stand-in holds. The worker that encodes it, and the end of
   the copy before it, tell too, for nothing: who is told asks again. */
static void so_is_what_it_encodes(mlx_stream s, struct wr_encoder *first) {
  mlx_array x = floats(1000, 0), sum = mlx_array_new();
  CHECK(line->take_begin(encoder_of(s), false));
  CHECK(waits(first));
  line->line_leave(first); /* so that the operation may begin */
  cuda->hold();
  const uint64_t before = launches();
  CHECK(mlx_cumsum(&sum, x, 0, false, true, s) == 0);
  mlx_vector_array v = mlx_vector_array_new_value(sum);
  CHECK(mlx_async_eval(v) == 0);
  while (launches() == before) usleep(100);
  CHECK(waits(first));
  line->take_end(encoder_of(s));
  wait_until_told();
  CHECK(waits(first));
  cuda->release();
  CHECK(mlx_synchronize(s) == 0);
  do {
    wait_until_told();
  } while (waits(first));
  line->line_leave(first);
  mlx_vector_array_free(v);
  mlx_array_free(x);
  mlx_array_free(sum);
}

int main(void) {
  stand_in_start();
  mlx_stream taker = new_gpu_stream(), first = new_gpu_stream(), late = new_gpu_stream();
  line = wr_backend_for(WR_DEVICE_GPU)->async;
  hook.fn = told;
  for (int i = 0; i < 100; i++) {
    an_attempt_is_waited_for(encoder_of(taker), encoder_of(first), encoder_of(late));
  }
  for (int i = 0; i < 100; i++) so_is_what_it_encodes(taker, encoder_of(first));
  mlx_stream_free(taker);
  mlx_stream_free(first);
  mlx_stream_free(late);
  return 0;
}
