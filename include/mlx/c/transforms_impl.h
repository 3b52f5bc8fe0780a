#ifndef MLX_TRANSFORMS_IMPL_H
#define MLX_TRANSFORMS_IMPL_H

/* A function vectorised in two steps: what it does with one part of each input is traced once, and
   then done for all parts at once, as often as wanted. Both on any thread; several may replace one
   trace at the same time. A trace is its arrays, and goes with them. Errors are reported as in
   mlx/c/transforms.h. */

#include "mlx/c/array.h"
#include "mlx/c/closure.h"
#include "mlx/c/vector.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Runs fun once, on the calling thread, and gives what it was given and what it gave. For an input
   with an axis it is given an array without that axis, which has no value: forcing it, or what is
   made of it, is an error, before and after the call. An axis of -1 means the input itself. in_axes
   has one entry for each input; all that are not -1 are of the same extent. */
int mlx_detail_vmap_trace(mlx_vector_array *res_0, mlx_vector_array *res_1, const mlx_closure fun,
                          const mlx_vector_array inputs, const int *in_axes, size_t in_axes_num);

/* The outputs for all parts of the inputs, where s_inputs and s_outputs are a trace: of the parts'
   shapes and types, and the same inputs have an axis. An output has the parts along its axis of
   out_axes, which has one entry for each output; what is the same for all parts is repeated.
   Operations are recorded on the streams that the function named. One without a rule is an error
   that names it. */
int mlx_detail_vmap_replace(mlx_vector_array *res, const mlx_vector_array inputs,
                            const mlx_vector_array s_inputs, const mlx_vector_array s_outputs,
                            const int *in_axes, size_t in_axes_num, const int *out_axes,
                            size_t out_axes_num);

#ifdef __cplusplus
}
#endif

#endif
