#ifndef MLX_CUDA_H
#define MLX_CUDA_H

/* Whether there are NVIDIA GPUs. Any thread. */

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Writes whether NVIDIA's driver was found, and knows of a GPU. Returns 0, or 1 where res is NULL.
 */
int mlx_cuda_is_available(bool *res);

#ifdef __cplusplus
}
#endif

#endif
