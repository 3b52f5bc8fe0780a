/* R2, R3, R4, K3, K6: ends and budgets at random among 64 threads that share subgraphs on the CPU
   and, in the second part, on the fake device too: values are right, nothing is lost, nothing is
   left. */

#include "fake_device.h"
#include "request_case.h"

int main(void) {
  fake_device_install();
  fake_device_take_waits();
  fake_device_take_groups();
  mean_cpu();
  const size_t streams = live_streams();
  for (int part = 0; part < 2; part++) {
    for (int i = 0; i < RANDOM_STREAMS; i++) {
      random_graph.streams[i] = part && i % 2 ? new_gpu_stream() : new_stream();
    }
    end_at_random(many(64), times(SANITIZED || WR_TORTURED ? 10 : 40, 400), true);
    for (int i = 0; i < RANDOM_STREAMS; i++) mlx_stream_free(random_graph.streams[i]);
    CHECK(streams_become(streams));
  }
  CHECK(weir_shutdown(INT64_C(20000000000)) == 0);
  CHECK(fake_device_shutdown() == 0);
  return 0;
}
