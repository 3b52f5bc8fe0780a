/* Attention on the GPU against the CPU: 16-bit floats, float32 and that as TF32, rows that fill
   tiles and not, one query, several query heads for one of keys, every kind of mask, sinks; heads
   beside each other in memory, keys and values that all heads share; more tiles than
   multiprocessors. */

#include "gpu_case.h"

/* BESIDE: as models have it, from one product for all heads: (B, L, H, D) seen as (B, H, L, D). */
enum lies { DENSE, BESIDE, SHARED };

static struct wr_node *array(enum wr_dtype t, int32_t b, int32_t h, int32_t l, int32_t d,
                             uint32_t seed, enum lies lies) {
  const int32_t shape[] = {b, h, l, d};
  if (lies == DENSE) return gpu_case_array(t, 4, shape, seed, false);
  if (lies == SHARED) {
    struct wr_node *one = gpu_case_array(t, 2, (const int32_t[]){l, d}, seed, false);
    return gpu_case_view(one, 4, shape, (const int64_t[]){0, 0, d, 1}, 0);
  }
  struct wr_node *base = gpu_case_array(t, 4, (const int32_t[]){b, l, h, d}, seed, false);
  const int64_t strides[] = {(int64_t)l * h * d, d, (int64_t)h * d, 1};
  return gpu_case_view(base, 4, shape, strides, 0);
}

/* Shares are rounded to 11 bits as TF32, and scores in float32 to what is left of them behind the
   greatest. */
static double tolerance_of(enum wr_dtype t, enum wr_precision precision) {
  if (t == WR_FLOAT32) return precision == WR_PRECISION_TF32 ? 4e-3 : 2e-5;
  return t == WR_FLOAT16 ? 8e-3 : 4e-2;
}

static void run_as(enum wr_precision precision, const int32_t *x, enum wr_dtype t, bool causal,
                   int mask, bool sinks, enum lies lies) {
  char what[128];
  struct wr_node *in[5];
  int n = 3;
  const struct wr_attention_params params = {.scale = 0.3f,
                                             .causal = causal,
                                             .has_mask = mask > 0,
                                             .has_sinks = sinks,
                                             .precision = (int32_t)precision};
  in[0] = array(t, x[0], x[1], x[2], x[3], 1u, lies == BESIDE ? BESIDE : DENSE);
  in[1] = array(t, x[0], x[4], x[5], x[3], 2u, lies);
  in[2] = array(t, x[0], x[4], x[5], x[6], 3u, lies);
  const int32_t scores[4] = {x[0], x[1], x[2], x[5]};
  if (mask) in[n++] = gpu_case_array(mask == 1 ? WR_BOOL : t, 4, scores, 4u, false);
  if (sinks) in[n++] = gpu_case_array(t, 1, &x[1], 5u, false);
  snprintf(what, sizeof what,
           "attention of %s, precision %d, %d rows, %d keys of %d, causal %d, mask %d, sinks %d",
           wr_dtype_name(t), (int)precision, x[2], x[5], x[3], causal, mask, sinks);
  const struct gpu_case c = {.op = WR_OP_ATTENTION,
                             .dtype = t,
                             .ndim = 4,
                             .shape = (const int32_t[]){x[0], x[1], x[2], x[6]},
                             .n_in = n,
                             .in = in,
                             .params = &params,
                             .params_bytes = sizeof params,
                             .tolerance = tolerance_of(t, precision)};
  gpu_case_run(&c, what);
  for (int i = 0; i < n; i++) wr_node_release(in[i]);
}

static void run(const int32_t *x, enum wr_dtype t, bool causal, int mask, bool sinks,
                enum lies lies) {
  run_as(WR_PRECISION_FLOAT32, x, t, causal, mask, sinks, lies);
  if (t == WR_FLOAT32) run_as(WR_PRECISION_TF32, x, t, causal, mask, sinks, lies);
}

int main(int argc, char **argv) {
  /* B, H, L, D; K, M; E */
  static const int32_t shapes[][7] = {
      {1, 2, 64, 64, 2, 64, 64},     {2, 4, 70, 128, 1, 300, 128},
      {1, 8, 1, 128, 2, 4000, 128},  {1, 3, 33, 24, 3, 17, 40},
      {1, 1, 1, 8, 1, 1, 8},         {1, 2, 100, 80, 2, 40, 8},
      {1, 2, 500, 128, 2, 700, 128}, {2, 4, 129, 64, 2, 1025, 64},
      {3, 8, 2, 64, 2, 37, 64},      {1, 2, 90, 20, 2, 70, 20},
      {1, 6, 300, 72, 3, 200, 120},  {2, 2, 260, 64, 1, 257, 128},
      {8, 40, 130, 64, 20, 150, 64}, {8, 40, 130, 128, 20, 150, 128},
      {1, 4, 40, 128, 2, 2100, 128}, {2, 40, 150, 128, 40, 2050, 128}};
  if (!gpu_case_start()) return GPU_CASE_SKIPPED;
  const size_t first = argc > 2 ? strtoul(argv[1], NULL, 10) : 0;
  const size_t step = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
  for (size_t i = first; i < sizeof shapes / sizeof *shapes; i += step) {
    for (int k = 0; k < 3; k++) {
      static const enum wr_dtype types[] = {WR_FLOAT16, WR_BFLOAT16, WR_FLOAT32};
      const enum wr_dtype dtype = types[k];
      const enum lies t = (size_t)k % 2 == 1 || (k == 2 && i % 2) ? BESIDE : DENSE;
      const enum lies other = t == BESIDE ? DENSE : BESIDE;
      run(shapes[i], dtype, false, 0, false, t);
      run(shapes[i], dtype, true, 0, true, other);
      run(shapes[i], dtype, true, 0, false, t);
      run(shapes[i], dtype, false, 1, false, other);
      run(shapes[i], dtype, false, 2, true, t);
      run(shapes[i], dtype, true, 0, false, SHARED);
    }
  }
  return gpu_case_end();
}
