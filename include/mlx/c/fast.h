#ifndef MLX_FAST_H
#define MLX_FAST_H

/* What models are made of, as one call each: normalisation of rows, rotary positions, attention.

   `res` and `s` are as in mlx/c/ops.h, and so are the rules of threads and ownership: arguments are
   borrowed, the result belongs to the caller, any function may be called from any thread.
   Floating means float16, bfloat16, float32 and float64; 16-bit types are computed in float32.

   Functions return 0, or 1 after an error: weir_last_error() then has the message, which names the
   operation and the argument, and the handler of mlx_set_error_handler has been called. */

#include <stdbool.h>

#include "mlx/c/array.h"
#include "mlx/c/optional.h"
#include "mlx/c/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Each row along the last axis less its mean, divided by the root of its variance + eps, times
   weight, plus bias; both are of the row's extent, and may be absent. The result has the common
   type of x, weight and bias where there is a weight, x's else; floating. A row is rounded to that
   type before it is multiplied, and before bias is added, as in MLX.
   Ba, Kiros, Hinton: Layer Normalization, 2016. */
int mlx_fast_layer_norm(mlx_array *res, const mlx_array x, const mlx_array weight /* may be null */,
                        const mlx_array bias /* may be null */, float eps, const mlx_stream s);

/* Each row along the last axis divided by the root of its mean square + eps, times weight, which is
   of the row's extent, and may be absent. Types and rounding as of mlx_fast_layer_norm.
   Zhang, Sennrich: Root Mean Square Layer Normalization, 2019. */
int mlx_fast_rms_norm(mlx_array *res, const mlx_array x, const mlx_array weight /* may be null */,
                      float eps, const mlx_stream s);

/* Rotary positions. x has the shape (B, heads.., T, D) and a floating type. The first `dims`
   elements of each row along D, at most D and even, are pairs: elements 2i and 2i + 1 in the
   traditional order, i and i + dims / 2 else. Pair i at t is turned by the angle
   (t + offset) scale base^(-2i / dims), or (t + offset) scale / freqs[i], in float32 where x is not
   float64. The other elements stay. Exactly one of base and freqs, of the shape (dims / 2), is
   given. In mlx_fast_rope_dynamic the offset is an integer array: one, or one for each of B.
   Su et al.: RoFormer: Enhanced Transformer with Rotary Position Embedding, 2021. */
int mlx_fast_rope(mlx_array *res, const mlx_array x, int dims, bool traditional,
                  mlx_optional_float base, float scale, int offset,
                  const mlx_array freqs /* may be null */, const mlx_stream s);
int mlx_fast_rope_dynamic(mlx_array *res, const mlx_array x, int dims, bool traditional,
                          mlx_optional_float base, float scale, const mlx_array offset,
                          const mlx_array freqs /* may be null */, const mlx_stream s);

/* Attention: softmax(scale queries keys^T + mask) values, of queries (B, H, L, D), keys
   (B, K, M, D) and values (B, K, M, E), as (B, H, L, E) in their common type, which is floating.
   H is a multiple of K: query head h reads head h / (H / K) of keys and values.
   mask_mode is "causal": query i sees the keys up to i + M - L, and mask_arr is absent; or "array"
   or "": mask_arr, where there is one, broadcasts to (B, H, L, M). A mask of bool says which keys
   are seen, any other is added, and promotes to the common type. A query that sees no key gives
   the mean of the values, but where a mask adds -infinity everywhere NaN. sinks, of the shape (H),
   are the scores of one more key for each head, which has no value.
   Vaswani et al.: Attention Is All You Need, 2017; for sinks Xiao et al.: Efficient Streaming
   Language Models with Attention Sinks, 2023. */
int mlx_fast_scaled_dot_product_attention(mlx_array *res, const mlx_array queries,
                                          const mlx_array keys, const mlx_array values, float scale,
                                          const char *mask_mode,
                                          const mlx_array mask_arr /* may be null */,
                                          const mlx_array sinks /* may be null */,
                                          const mlx_stream s);

#ifdef __cplusplus
}
#endif

#endif
