/* The line of those that a GPU refuses memory, over the stand-in driver: the first in it waits also
   for an attempt of another's that has taken memory and is not encoded yet, and then for what that
   encoded, before it is told that what it lacks is held by values: K14. The encoders are the
   streams' own, and this thread is whoever encodes on them. */

#include "backend/backend.h"
#include "stand_in_case.h"
#include "stream/stream.h"

static const struct wr_async_device *line;

struct waiting {
  struct wr_completion_hook hook;
  _Atomic int told; /* the watching thread tells */
};

static void told(struct wr_completion_hook *hook, struct wr_error *error) {
  CHECK(error == NULL);
  ((struct waiting *)(void *)hook)->told++;
}

static struct wr_encoder *encoder_of(mlx_stream s) { return wr_stream_encoder(s.ctx); }

static void expect_pending(struct wr_encoder *e, struct waiting *w) {
  *w = (struct waiting){.hook = {.fn = told}};
  CHECK(line->line_wait(e, &w->hook) == WR_ENCODE_PENDING && w->told == 0);
}

static void expect_done(struct wr_encoder *e) {
  struct waiting w = {.hook = {.fn = told}};
  CHECK(line->line_wait(e, &w.hook) == WR_ENCODE_DONE);
  line->line_leave(e);
}

static uint64_t launches(void) {
  return cuda->calls("cuLaunchKernel") + cuda->calls("cuGraphLaunch");
}

/* An attempt that gives back what it took. */
static void an_attempt_is_waited_for(struct wr_encoder *taker, struct wr_encoder *first,
                                     struct wr_encoder *late) {
  struct waiting w;
  CHECK(line->take_begin(taker, false));
  expect_pending(first, &w);
  CHECK(!line->take_begin(late, false) && w.told <= 1);
  expect_pending(first, &w);
  line->take_end(taker);
  CHECK(w.told == 1);
  expect_done(first);
  CHECK(line->take_begin(taker, false));
  line->take_end(taker);
}

/* One that is encoded: a kernel that the stand-in holds. */
static void so_is_what_it_encodes(mlx_stream s, struct wr_encoder *first) {
  struct waiting w;
  mlx_array x = floats(1000, 0), sum = mlx_array_new();
  CHECK(line->take_begin(encoder_of(s), false));
  expect_pending(first, &w);
  line->line_leave(first); /* so that the operation may begin */
  cuda->hold();
  const uint64_t before = launches();
  CHECK(mlx_cumsum(&sum, x, 0, false, true, s) == 0);
  mlx_vector_array v = mlx_vector_array_new_value(sum);
  CHECK(mlx_async_eval(v) == 0);
  for (int i = 0; i < 10000 && launches() == before; i++) usleep(1000);
  expect_pending(first, &w);
  line->take_end(encoder_of(s));
  CHECK(w.told == 1);
  expect_pending(first, &w);
  cuda->release();
  CHECK(mlx_synchronize(s) == 0);
  for (int i = 0; i < 10000 && w.told == 0; i++) usleep(1000);
  CHECK(w.told > 0);
  expect_done(first);
  mlx_vector_array_free(v);
  mlx_array_free(x);
  mlx_array_free(sum);
}

int main(void) {
  stand_in_start();
  mlx_stream taker = new_gpu_stream(), first = new_gpu_stream(), late = new_gpu_stream();
  line = wr_backend_for(WR_DEVICE_GPU)->async;
  for (int i = 0; i < 100; i++) {
    an_attempt_is_waited_for(encoder_of(taker), encoder_of(first), encoder_of(late));
  }
  for (int i = 0; i < 100; i++) so_is_what_it_encodes(taker, encoder_of(first));
  mlx_stream_free(taker);
  mlx_stream_free(first);
  mlx_stream_free(late);
  return 0;
}
