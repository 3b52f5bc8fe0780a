#ifndef MLX_VERSION_H
#define MLX_VERSION_H

/* The version of MLX whose functions these are.

   Functions return 0, or 1 after an error: weir_last_error() then has the message, which names
   the operation and the parameter, and the handler of mlx_set_error_handler has been called.
   Those that return a handle, a pointer or a value return an empty handle, NULL or 0 instead.
   Any function may be called from any thread with any handle; only changing one handle variable
   while another thread uses that same variable needs a lock of the caller's. */

#include "mlx/c/string.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Writes the version, such as "0.31.2". */
int mlx_version(mlx_string *str_);

#ifdef __cplusplus
}
#endif

#endif
