/* W3: a device that has a use for labels gets those of its streams, with no lock held, after the
   stream has them; one that was refused changes nothing there either. */

#include "backend/backend.h"
#include "base/lock.h"
#include "fake_device.h"
#include "inside.h"
#include "programs.h"
#include "stream/stream.h"

enum { CALLS = 4, BYTES = 32 };

static mlx_stream stream;
static struct wr_encoder *encoders[CALLS];
static char labels[CALLS][BYTES];
static int calls;

/* To describe the stream takes its lock. */
static void take_label(struct wr_encoder *encoder, const char *label) {
  wr_mutex_assert_none_held();
  char text[WR_STREAM_TEXT];
  wr_stream_describe(inside(stream), text);
  CHECK(!label == !strchr(text, '"') && (!label || strstr(text, label)));
  CHECK(calls < CALLS);
  encoders[calls] = encoder;
  snprintf(labels[calls++], BYTES, "%s", label ? label : "none");
}

int main(void) {
  static struct wr_backend with_labels;
  static char big[1000];
  fake_device_install();
  with_labels = *wr_backend_for(WR_DEVICE_GPU);
  with_labels.label = take_label;
  wr_backend_register(&with_labels);
  mlx_set_error_handler(quiet, NULL, NULL);
  stream = mlx_default_gpu_stream_new();
  mlx_stream cpu = mlx_default_cpu_stream_new();
  CHECK(stream.ctx && cpu.ctx);
  CHECK(weir_stream_set_label(stream, "tokens") == 0);
  CHECK(weir_stream_set_label(cpu, "loader") == 0);
  CHECK(weir_stream_set_label(stream, memset(big, 'x', sizeof big - 1)) == 1);
  CHECK(weir_stream_set_label(stream, NULL) == 0);
  CHECK(calls == 2 && encoders[0] && encoders[0] == encoders[1]);
  CHECK(!strcmp(labels[0], "tokens") && !strcmp(labels[1], "none"));
  mlx_stream_free(stream);
  mlx_stream_free(cpu);
  CHECK(weir_shutdown(INT64_C(10000000000)) == 0);
  CHECK(fake_device_shutdown() == 0);
  return 0;
}
