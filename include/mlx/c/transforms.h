#ifndef MLX_TRANSFORMS_H
#define MLX_TRANSFORMS_H

/* Forcing several arrays at once.

   Functions return 0, or 1 after an error: weir_last_error() then has the message, which names
   the operation and the parameter, and the handler of mlx_set_error_handler has been called.
   Those that return a handle, a pointer or a value return an empty handle, NULL or 0 instead.
   Any function may be called from any thread with any handle; only changing one handle variable
   while another thread uses that same variable needs a lock of the caller's. */

#include "mlx/c/array.h"
#include "mlx/c/vector.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Submits and returns; a few operations on small arrays, which take microseconds, may be computed
   meanwhile. 1 only for what is known at once: handles, and inputs that have failed
   before. */
int mlx_async_eval(const mlx_vector_array outputs);

/* Submits and waits for all of them; returns 1 with the first error, and the others are complete
   all the same. */
int mlx_eval(const mlx_vector_array outputs);

#ifdef __cplusplus
}
#endif

#endif
