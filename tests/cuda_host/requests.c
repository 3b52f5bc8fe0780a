/* R2, R3, R4 over the stand-in driver: ends and budgets at random among many threads that share
   subgraphs on streams of the GPU and of the CPU. The stand-in computes nothing, so values are not
   looked at. */

#include "request_case.h"
#include "stand_in_case.h"

int main(void) {
  stand_in_start();
  for (int i = 0; i < RANDOM_STREAMS; i++) {
    random_graph.streams[i] = i % 3 ? new_gpu_stream() : new_stream();
  }
  end_at_random(many(32), times(SANITIZED || WR_TORTURED ? 5 : 20, 200), false);
  for (int i = 0; i < RANDOM_STREAMS; i++) mlx_stream_free(random_graph.streams[i]);
  return 0;
}
