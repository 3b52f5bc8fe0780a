#ifndef MLX_METAL_H
#define MLX_METAL_H

/* Metal is Apple's interface to its GPUs. Weir does not use it: these are for programs that ask.
   Any thread may call them. */

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Writes false. */
int mlx_metal_is_available(bool *res);
/* Fail, with WEIR_ERROR_UNSUPPORTED. */
int mlx_metal_start_capture(const char *path);
int mlx_metal_stop_capture(void);

#ifdef __cplusplus
}
#endif

#endif
