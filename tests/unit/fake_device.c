/* The fake device itself, through backend.h alone: memory that only read and write reach, work that
   is queued and completes in order, the gate, failures on demand, counters, a clean end. */

#include "fake_device.h"

#include <pthread.h>

#include "base/base.h"
#include "kernel_case.h"

enum { N = 1000 };

static const struct wr_backend *fake;

/* A hook that notes its turn and error, and wakes a waiter. */
struct done {
  struct wr_completion_hook hook;
  enum weir_status status;
  int turn; /* 0: not yet; under lock */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int turns;

static void on_done(struct wr_completion_hook *hook, struct wr_error *error) {
  struct done *d = WR_CONTAINER_OF(hook, struct done, hook);
  pthread_mutex_lock(&lock);
  d->status = error ? wr_error_status(error) : WEIR_OK;
  d->turn = ++turns;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
  wr_error_release(error);
}

static int wait_for(struct done *d) {
  pthread_mutex_lock(&lock);
  while (d->turn == 0) pthread_cond_wait(&changed, &lock);
  int turn = d->turn;
  pthread_mutex_unlock(&lock);
  return turn;
}

/* out = in + in; the operands' extents are gone when it returns. */
static void encode_double(struct wr_encoder *e, struct wr_buffer *in, struct wr_buffer *out,
                          struct done *d) {
  struct kernel_operand from, to;
  *d = (struct done){.hook = {on_done}};
  operand_dense(&from, in->data, WR_FLOAT32, 1, SHAPE(N));
  operand_dense(&to, out->data, WR_FLOAT32, 1, SHAPE(N));
  struct wr_tensor inputs[2] = {from.t, from.t};
  struct wr_call call = {.op = WR_OP_ADD, .n_in = 2, .in = inputs, .out = to.t};
  struct wr_error *error = NULL;
  EXPECT(fake->encode(e, &call, &d->hook, &error) == WR_ENCODE_PENDING);
  memset(&from, 0xff, sizeof from);
  memset(&to, 0xff, sizeof to);
}

static struct wr_buffer *new_buffer(void) {
  struct wr_buffer *b = NULL;
  struct wr_error *error = wr_buffer_alloc(fake->memory(0), N * sizeof(float), &b);
  EXPECT(error == NULL);
  wr_error_release(error);
  return b;
}

static float first_of(struct wr_buffer *b) {
  float x = -1.0f;
  EXPECT(fake->read(0, &x, b->data, sizeof x) == NULL);
  return x;
}

static void fill(struct wr_buffer *b, float value) {
  float x[N];
  for (int i = 0; i < N; i++) x[i] = value;
  EXPECT(fake->write(0, b->data, x, sizeof x) == NULL);
}

static void test_order_and_gate(struct wr_encoder *e) {
  struct wr_buffer *a = new_buffer();
  struct wr_buffer *b = new_buffer();
  fill(a, 3.0f);
  struct done first, second, marker;
  fake_device_hold();
  encode_double(e, a, b, &first);
  encode_double(e, b, a, &second);
  marker = (struct done){.hook = {on_done}};
  struct wr_error *error = NULL;
  EXPECT(fake->encode_marker(e, &marker.hook, &error) == WR_ENCODE_PENDING);
  fake->async->flush(e);
  EXPECT(fake_device_stats().queued == 3 && first_of(a) == 3.0f);
  fake_device_release();
  int third = wait_for(&marker);
  EXPECT(wait_for(&first) < wait_for(&second) && wait_for(&second) < third);
  EXPECT(first_of(a) == 12.0f && first_of(b) == 6.0f);
  EXPECT(fake_device_stats().queued == 0 && fake_device_stats().markers == 1);
  wr_buffer_release(a);
  wr_buffer_release(b);
}

static void test_failures(struct wr_encoder *e) {
  struct wr_buffer *a = new_buffer();
  struct wr_buffer *b = new_buffer();
  fill(a, 1.0f);
  fill(b, 9.0f);
  struct done d[3];
  fake_device_fail_next(2, WEIR_ERROR_DEVICE, "the device caught fire");
  for (int i = 0; i < 3; i++) encode_double(e, i == 1 ? b : a, i == 1 ? a : b, &d[i]);
  fake->async->flush(e);
  for (int i = 0; i < 3; i++) wait_for(&d[i]);
  EXPECT(d[0].status == WEIR_OK && d[1].status == WEIR_ERROR_DEVICE && d[2].status == WEIR_OK);
  EXPECT(first_of(a) == 1.0f && first_of(b) == 2.0f && fake_device_stats().failed == 1);
  wr_memory_clear_cache();
  fake_device_fail_alloc(2);
  struct wr_buffer *refused = NULL;
  struct wr_error *error = wr_buffer_alloc(fake->memory(0), (size_t)1 << 24, &refused);
  EXPECT(error && wr_error_status(error) == WEIR_ERROR_OUT_OF_MEMORY);
  wr_error_release(error);
  wr_buffer_release(a);
  wr_buffer_release(b);
}

static void test_foreign_address(struct wr_encoder *e) {
  struct wr_buffer *a = new_buffer();
  struct wr_buffer host = {.data = &host}; /* twice an input */
  struct done d;
  encode_double(e, &host, a, &d);
  fake->async->flush(e);
  wait_for(&d);
  EXPECT(d.status == WEIR_ERROR_INTERNAL && fake_device_stats().violations == 2);
  wr_buffer_release(a);
}

int main(void) {
  fake_device_install();
  fake = wr_backend_for(WR_DEVICE_GPU);
  EXPECT(fake && strcmp(fake->name, "fake") == 0 && fake->device_count() == 2);
  EXPECT(!wr_memory_host_visible(fake->memory(0)));
  struct wr_encoder *e = NULL;
  EXPECT(fake->encoder_new(0, &e) == NULL);
  test_order_and_gate(e);
  test_failures(e);
  test_foreign_address(e);
  fake->encoder_free(e);
  EXPECT(fake_device_stats().encoders == 0);
  EXPECT(fake_device_shutdown() == 0);
  return kernel_case_failures() != 0;
}
