#ifndef MLX_MEMORY_H
#define MLX_MEMORY_H

/* Memory of the process's arrays, in bytes. Active memory is held by live arrays; cached memory
   waits for the next array, or is what is kept packed of matrices that products read again and
   again. What is reported is the sum over the host and all GPUs. The memory limit holds for
   each of them by itself, and so does a cache limit that was never set; one that was set is for the
   sum. Unless told otherwise the cache has 256 MB on the host and an eighth of a GPU's memory
   there, and the memory limit is four fifths of what there is. Setters return the value before (of
   the host) through `res`, atomically.

   Functions return 0, or 1 after an error: weir_last_error() then has the message, which names
   the operation and the parameter, and the handler of mlx_set_error_handler has been called.
   Those that return a handle, a pointer or a value return an empty handle, NULL or 0 instead.
   Any function may be called from any thread with any handle; only changing one handle variable
   while another thread uses that same variable needs a lock of the caller's. */

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Gives idle memory back to the system, and what is kept packed. Never waits for work. */
int mlx_clear_cache(void);

/* Bytes in live arrays, in the cache, the limit, the highest active so far. */
int mlx_get_active_memory(size_t *res);
int mlx_get_cache_memory(size_t *res);
int mlx_get_memory_limit(size_t *res);
int mlx_get_peak_memory(size_t *res);

/* The peak starts again at 0. */
int mlx_reset_peak_memory(void);

/* The most idle memory to keep, of all devices together; what is above goes at once. */
int mlx_set_cache_limit(size_t *res, size_t limit);

/* A guideline: above it the cache is emptied before memory is asked of the system, and a stream on
   a GPU waits for what its own work will release. An array fails only when the system refuses, or
   when the device, or the memory control groups of the process less a sixteenth, do not have room
   for it beside all live arrays: then at once, and with nothing given up. By default four fifths of
   what they have. */
int mlx_set_memory_limit(size_t *res, size_t limit);

/* The most memory to keep resident, 0 at first; weir/memory.h says what that means. */
int mlx_set_wired_limit(size_t *res, size_t limit);

#ifdef __cplusplus
}
#endif

#endif
