/* Attention on the GPU against the CPU: 16-bit floats, rows that fill tiles and not, one query,
   several query heads for one of keys, every kind of mask, sinks. */

#include "gpu_case.h"

static void run(const int32_t *x, enum wr_dtype t, bool causal, int mask, bool sinks) {
  char what[128];
  struct wr_node *in[5];
  int n = 3;
  const struct wr_attention_params params = {
      .scale = 0.3f, .causal = causal, .has_mask = mask > 0, .has_sinks = sinks};
  in[0] = gpu_case_array(t, 4, (const int32_t[]){x[0], x[1], x[2], x[3]}, 1u, false);
  in[1] = gpu_case_array(t, 4, (const int32_t[]){x[0], x[4], x[5], x[3]}, 2u, false);
  in[2] = gpu_case_array(t, 4, (const int32_t[]){x[0], x[4], x[5], x[6]}, 3u, false);
  const int32_t scores[4] = {x[0], x[1], x[2], x[5]};
  if (mask) in[n++] = gpu_case_array(mask == 1 ? WR_BOOL : t, 4, scores, 4u, false);
  if (sinks) in[n++] = gpu_case_array(t, 1, &x[1], 5u, false);
  snprintf(what, sizeof what,
           "attention of %s, %d rows, %d keys of %d, causal %d, mask %d, sinks %d",
           wr_dtype_name(t), x[2], x[5], x[3], causal, mask, sinks);
  const struct gpu_case c = {.op = WR_OP_ATTENTION,
                             .dtype = t,
                             .ndim = 4,
                             .shape = (const int32_t[]){x[0], x[1], x[2], x[6]},
                             .n_in = n,
                             .in = in,
                             .params = &params,
                             .params_bytes = sizeof params,
                             .tolerance = t == WR_FLOAT16 ? 8e-3 : 4e-2};
  gpu_case_run(&c, what);
  for (int i = 0; i < n; i++) wr_node_release(in[i]);
}

int main(void) {
  /* B, H, L, D; K, M; E */
  static const int32_t shapes[][7] = {{1, 2, 64, 64, 2, 64, 64},    {2, 4, 70, 128, 1, 300, 128},
                                      {1, 8, 1, 128, 2, 4000, 128}, {1, 3, 33, 24, 3, 17, 40},
                                      {1, 1, 1, 8, 1, 1, 8},        {1, 2, 100, 80, 2, 40, 8}};
  if (!gpu_case_start()) return GPU_CASE_SKIPPED;
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    for (int t = 0; t < 2; t++) {
      const enum wr_dtype dtype = t ? WR_BFLOAT16 : WR_FLOAT16;
      run(shapes[i], dtype, false, 0, false);
      run(shapes[i], dtype, true, 0, true);
      run(shapes[i], dtype, false, 1, false);
      run(shapes[i], dtype, false, 2, true);
    }
  }
  return gpu_case_end();
}
