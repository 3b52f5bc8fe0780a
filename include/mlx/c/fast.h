#ifndef MLX_FAST_H
#define MLX_FAST_H

/* What models are made of, as one call each: normalisation of rows, rotary positions, attention.
   And kernels that the caller brings as source.

   `res` and `s` are as in mlx/c/ops.h, and so are the rules of threads and ownership: arguments are
   borrowed, the result belongs to the caller, any function may be called from any thread.
   Floating means float16, bfloat16, float32 and float64; 16-bit types are computed in float32.

   Functions return 0, or 1 after an error: weir_last_error() then has the message, which names the
   operation and the argument, and the handler of mlx_set_error_handler has been called. */

#include <stdbool.h>

#include "mlx/c/array.h"
#include "mlx/c/optional.h"
#include "mlx/c/stream.h"
#include "mlx/c/vector.h"

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

/* ---- kernels of the caller's ----

   A kernel is made once, from source, and applied any number of times, by any thread. What changes
   from one application to the next stands in a configuration: results, extents of the grid,
   constants. One thread at a time changes a configuration; an application copies what it needs, so
   it may be changed or freed as soon as the call returns. Handles are freed by their _free. */

typedef struct mlx_fast_cuda_kernel_config_ {
  void *ctx;
} mlx_fast_cuda_kernel_config;

typedef struct mlx_fast_cuda_kernel_ {
  void *ctx;
} mlx_fast_cuda_kernel;

typedef struct mlx_fast_metal_kernel_config_ {
  void *ctx;
} mlx_fast_metal_kernel_config;

typedef struct mlx_fast_metal_kernel_ {
  void *ctx;
} mlx_fast_metal_kernel;

/* A configuration without results and constants: one thread, in a group of one; an empty handle
   when memory is refused. */
mlx_fast_cuda_kernel_config mlx_fast_cuda_kernel_config_new(void);
void mlx_fast_cuda_kernel_config_free(mlx_fast_cuda_kernel_config cls);
/* One more result: its shape, of `size` extents, and type; in the order of the output names. */
int mlx_fast_cuda_kernel_config_add_output_arg(mlx_fast_cuda_kernel_config cls, const int *shape,
                                               size_t size, mlx_dtype dtype);
/* How many threads run along each axis, in all. Where a group does not divide them, there are more;
   the source looks. None along an axis: the kernel does not run. */
int mlx_fast_cuda_kernel_config_set_grid(mlx_fast_cuda_kernel_config cls, int grid1, int grid2,
                                         int grid3);
/* How many of them make a block: at most 1024, and 64 along the last axis. */
int mlx_fast_cuda_kernel_config_set_thread_group(mlx_fast_cuda_kernel_config cls, int thread1,
                                                 int thread2, int thread3);
/* All results hold this value, cast to their types, before the kernel runs; else anything. */
int mlx_fast_cuda_kernel_config_set_init_value(mlx_fast_cuda_kernel_config cls, float value);
/* Each application prints the generated source to standard output. */
int mlx_fast_cuda_kernel_config_set_verbose(mlx_fast_cuda_kernel_config cls, bool verbose);
/* A name that the source finds defined: a type, an int, a bool. */
int mlx_fast_cuda_kernel_config_add_template_arg_dtype(mlx_fast_cuda_kernel_config cls,
                                                       const char *name, mlx_dtype dtype);
int mlx_fast_cuda_kernel_config_add_template_arg_int(mlx_fast_cuda_kernel_config cls,
                                                     const char *name, int value);
int mlx_fast_cuda_kernel_config_add_template_arg_bool(mlx_fast_cuda_kernel_config cls,
                                                      const char *name, bool value);

/* A kernel in CUDA C++. `source` is the body of a function; `header` stands before it. The function
   has a parameter `const T *NAME` for each name of an input, T its type, and behind it, where the
   source has those names and the input has axes, NAME_shape and NAME_strides (of up to 10 axes,
   strides in elements) and NAME_ndim; then `T *NAME` for each output, which is dense and row-major.
   Types are bool, int8_t to uint64_t, __half, __nv_bfloat16, float, double and
   mlx::core::cu::complex64_t. The source stands in the namespace mlx::core::cu and sees cg, for
   cooperative groups, and MLX's elem_to_loc(element, NAME_shape.data(), NAME_strides.data(),
   NAME_ndim), AlignedVector, load_vector, store_vector and Limits.

   With ensure_row_contiguous, inputs that are not row-major are copied first; else they come as
   they lie. shared_memory is how many bytes of dynamic shared memory a block has. The name is part
   of the function's. At most 64 parameters are possible.

   Source is compiled by NVRTC when it is first needed, with the headers of a CUDA toolkit, in
   $CUDA_HOME, beside libnvrtc or in /usr/local/cuda; once for each text that is generated, whatever
   it is called. What the compiler says is the error of the results. So are launches that the GPU
   refuses; a kernel that reads or writes outside its arrays may end all work on its GPU.

   An empty handle, and an error, where there is no GPU ("[cuda_kernel] No CUDA back-end.") and
   without outputs. */
mlx_fast_cuda_kernel mlx_fast_cuda_kernel_new(const char *name, const mlx_vector_string input_names,
                                              const mlx_vector_string output_names,
                                              const char *source, const char *header,
                                              bool ensure_row_contiguous, int shared_memory);
void mlx_fast_cuda_kernel_free(mlx_fast_cuda_kernel cls);
/* Records the kernel on a stream of a GPU: `outputs` gets the results, lazy arrays of which the
   first that is forced computes all. Numbers of inputs and results are those of the names. They
   have no derivatives: mlx_custom_function gives them some. */
int mlx_fast_cuda_kernel_apply(mlx_vector_array *outputs, mlx_fast_cuda_kernel cls,
                               const mlx_vector_array inputs,
                               const mlx_fast_cuda_kernel_config config,
                               const mlx_stream stream /* may be null */);

/* The same for Metal, Apple's interface to its GPUs, which Weir does not use: kernels can be made,
   and applying one is an error. */
mlx_fast_metal_kernel_config mlx_fast_metal_kernel_config_new(void);
void mlx_fast_metal_kernel_config_free(mlx_fast_metal_kernel_config cls);
int mlx_fast_metal_kernel_config_add_output_arg(mlx_fast_metal_kernel_config cls, const int *shape,
                                                size_t size, mlx_dtype dtype);
int mlx_fast_metal_kernel_config_set_grid(mlx_fast_metal_kernel_config cls, int grid1, int grid2,
                                          int grid3);
int mlx_fast_metal_kernel_config_set_thread_group(mlx_fast_metal_kernel_config cls, int thread1,
                                                  int thread2, int thread3);
int mlx_fast_metal_kernel_config_set_init_value(mlx_fast_metal_kernel_config cls, float value);
int mlx_fast_metal_kernel_config_set_verbose(mlx_fast_metal_kernel_config cls, bool verbose);
int mlx_fast_metal_kernel_config_add_template_arg_dtype(mlx_fast_metal_kernel_config cls,
                                                        const char *name, mlx_dtype dtype);
int mlx_fast_metal_kernel_config_add_template_arg_int(mlx_fast_metal_kernel_config cls,
                                                      const char *name, int value);
int mlx_fast_metal_kernel_config_add_template_arg_bool(mlx_fast_metal_kernel_config cls,
                                                       const char *name, bool value);
mlx_fast_metal_kernel mlx_fast_metal_kernel_new(const char *name,
                                                const mlx_vector_string input_names,
                                                const mlx_vector_string output_names,
                                                const char *source, const char *header,
                                                bool ensure_row_contiguous, bool atomic_outputs);
void mlx_fast_metal_kernel_free(mlx_fast_metal_kernel cls);
int mlx_fast_metal_kernel_apply(mlx_vector_array *outputs, mlx_fast_metal_kernel cls,
                                const mlx_vector_array inputs,
                                const mlx_fast_metal_kernel_config config,
                                const mlx_stream stream /* may be null */);

#ifdef __cplusplus
}
#endif

#endif
