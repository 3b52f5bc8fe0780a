#ifndef MLX_RANDOM_H
#define MLX_RANDOM_H

/* Random numbers: Threefry-2x32, the same sequences as MLX's for a given key or seed.

   `key` is a uint32 array of shape (2); an empty handle means the next key of the calling
   thread. After mlx_random_seed(k) the seeding thread draws MLX's own sequence for k, every
   other thread a distinct one, derived from k and the order in which threads first draw. `res`
   and `s` are as in mlx/c/ops.h.

   Functions return 0, or 1 after an error: weir_last_error() then has the message, which names
   the operation and the parameter, and the handler of mlx_set_error_handler has been called.
   Those that return a handle, a pointer or a value return an empty handle, NULL or 0 instead.
   Any function may be called from any thread with any handle; only changing one handle variable
   while another thread uses that same variable needs a lock of the caller's. */

#include <stddef.h>
#include <stdint.h>

#include "mlx/c/array.h"
#include "mlx/c/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Whether a uniform draw is below p, as bool; p is floating and broadcasts to the shape. */
int mlx_random_bernoulli(mlx_array *res, const mlx_array p, const int *shape, size_t shape_num,
                         const mlx_array key /* may be null */, const mlx_stream s);

/* Uniform bits; width is 1, 2 or 4 bytes: uint8, uint16 or uint32. */
int mlx_random_bits(mlx_array *res, const int *shape, size_t shape_num, int width,
                    const mlx_array key /* may be null */, const mlx_stream s);

/* Indices along the axis of unnormalised log-probabilities, drawn by them, uint32. One for each of
   the others; for the shape, to which the others broadcast; num_samples of each, as a last axis. */
int mlx_random_categorical_shape(mlx_array *res, const mlx_array logits, int axis, const int *shape,
                                 size_t shape_num, const mlx_array key /* may be null */,
                                 const mlx_stream s);
int mlx_random_categorical_num_samples(mlx_array *res, const mlx_array logits_, int axis,
                                       int num_samples, const mlx_array key /* may be null */,
                                       const mlx_stream s);
int mlx_random_categorical(mlx_array *res, const mlx_array logits, int axis,
                           const mlx_array key /* may be null */, const mlx_stream s);

/* Standard Gumbel; float32, float16 or bfloat16. */
int mlx_random_gumbel(mlx_array *res, const int *shape, size_t shape_num, mlx_dtype dtype,
                      const mlx_array key /* may be null */, const mlx_stream s);

/* The key of a seed: (2), uint32. */
int mlx_random_key(mlx_array *res, uint64_t seed);

/* Laplace with mean loc and width scale; a floating dtype. */
int mlx_random_laplace(mlx_array *res, const int *shape, size_t shape_num, mlx_dtype dtype,
                       float loc, float scale, const mlx_array key /* may be null */,
                       const mlx_stream s);

/* Normal vectors: mean (.., n) and covariance cov (.., n, n), whose batches and the shape
   broadcast, as (.., n); float32, the only dtype. The root of the covariance is its singular value
   decomposition (mlx/c/linalg.h), so what is not positive semidefinite is taken for a matrix that
   is. */
int mlx_random_multivariate_normal(mlx_array *res, const mlx_array mean, const mlx_array cov,
                                   const int *shape, size_t shape_num, mlx_dtype dtype,
                                   const mlx_array key /* may be null */, const mlx_stream s);

/* Normal with mean loc and deviation scale; a floating dtype, or complex64. */
int mlx_random_normal(mlx_array *res, const int *shape, size_t shape_num, mlx_dtype dtype,
                      float loc, float scale, const mlx_array key /* may be null */,
                      const mlx_stream s);

/* Normal, with arrays loc and scale, cast to dtype, which broadcast and may make the result larger
   than the shape that is drawn. */
int mlx_random_normal_broadcast(mlx_array *res, const int *shape, size_t shape_num, mlx_dtype dtype,
                                const mlx_array loc /* may be null */,
                                const mlx_array scale /* may be null */,
                                const mlx_array key /* may be null */, const mlx_stream s);

/* x with its parts along an axis in a drawn order; 0 .. x - 1 in one, uint32. */
int mlx_random_permutation(mlx_array *res, const mlx_array x, int axis,
                           const mlx_array key /* may be null */, const mlx_stream s);
int mlx_random_permutation_arange(mlx_array *res, int x, const mlx_array key /* may be null */,
                                  const mlx_stream s);

/* Integers in [low, high), which broadcast to the shape; an integer dtype, or bool. Each of them
   can come. Where low, high and high - low are at most 2^24 they are MLX's. */
int mlx_random_randint(mlx_array *res, const mlx_array low, const mlx_array high, const int *shape,
                       size_t shape_num, mlx_dtype dtype, const mlx_array key /* may be null */,
                       const mlx_stream s);

/* Starts a new sequence for the whole process. */
int mlx_random_seed(uint64_t seed);

/* `num` new keys: (num, 2). An empty key is an error. */
int mlx_random_split_num(mlx_array *res, const mlx_array key, int num, const mlx_stream s);

/* Two new keys: (2) each. An empty key is an error. */
int mlx_random_split(mlx_array *res_0, mlx_array *res_1, const mlx_array key, const mlx_stream s);

/* Normal within [lower, upper], which broadcast to the shape; float32, float16 or bfloat16. */
int mlx_random_truncated_normal(mlx_array *res, const mlx_array lower, const mlx_array upper,
                                const int *shape, size_t shape_num, mlx_dtype dtype,
                                const mlx_array key /* may be null */, const mlx_stream s);

/* Uniform in [low, high), or (high, low] where high is below low; they are finite and broadcast to
   the shape. float32, float16 or bfloat16. */
int mlx_random_uniform(mlx_array *res, const mlx_array low, const mlx_array high, const int *shape,
                       size_t shape_num, mlx_dtype dtype, const mlx_array key /* may be null */,
                       const mlx_stream s);

#ifdef __cplusplus
}
#endif

#endif
