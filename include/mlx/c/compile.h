#ifndef MLX_COMPILE_H
#define MLX_COMPILE_H

/* Compiled functions: closures (mlx/c/closure.h) that are run once for each kind of call, and
   repeated from then on.

   The first application with inputs of such shapes and dtypes runs the function on the calling
   thread, with no lock held, on arrays that stand for the inputs and have no values: forcing one,
   or what is made of it, is an error. What it did with them is planned and fused once, and later
   applications record that, without running the function: from any thread, any number at once. What
   threads compile is shared; of several that do it at the same time each runs the function, and one
   result is kept. Results are lazy.

   What the function knows other than as an argument is constant: an array is kept as it is,
   something lazy is computed at most once. Using an input so, instead of the argument, is an error.
   Random keys that it would draw from the thread's sequence are drawn at each application, in the
   same order. Operations that were not given a stream, or the calling thread's default one, run on
   the default stream of whoever applies the closure; others on the stream that they were given.
   What a function does only with an output that it does not give does not happen again.

   Inside a transform (mlx/c/transforms.h), and inside another compiled function, the function
   itself is run where the transform follows an input: so gradients of compiled functions are those
   of the functions, and gradients may be compiled. A function that fails gives its own error, and
   is run again at the next application. Applying a compiled closure is like applying any other.

   What was compiled is kept until its closure ends, its identity is erased or all is cleared, and
   within WEIR_COMPILE_CACHE_BYTES of the environment (256 MB) together: beyond it, what was used
   longest ago goes, and is compiled again when it is needed.

   Functions return 0, or 1 after an error: weir_last_error() then has the message, which names
   the operation and the parameter, and the handler of mlx_set_error_handler has been called.
   Any function may be called from any thread with any handle; only changing one handle variable
   while another thread uses that same variable needs a lock of the caller's. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mlx/c/closure.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How functions are compiled, in the whole process; set when a closure is first applied, but for
   DISABLED, which counts when it is made. */
typedef enum mlx_compile_mode_ {
  MLX_COMPILE_MODE_DISABLED,    /* not at all: mlx_compile gives the function itself */
  MLX_COMPILE_MODE_NO_SIMPLIFY, /* equal operations are all kept */
  MLX_COMPILE_MODE_NO_FUSE,     /* operations run one by one */
  MLX_COMPILE_MODE_ENABLED      /* unless MLX_DISABLE_COMPILE is in the environment, the default */
} mlx_compile_mode;

/* Makes *res the compiled fun. shapeless: what is compiled for inputs of some shapes serves others
   with as many axes and these dtypes, as far as its operations say what they do with other extents;
   shapes that the function itself has read stay those of the first call. Where they do not say it,
   as slices, reshapes and means do not, it is run once more for such shapes. */
int mlx_compile(mlx_closure *res, const mlx_closure fun, bool shapeless);

/* The same under an identity and constants that the caller gives, as bindings do: what is compiled
   is shared by all closures with that identity, shapeless or not, for equal constants, and stays
   when they end. Two functions under one identity are taken for the same. */
int mlx_detail_compile(mlx_closure *res, const mlx_closure fun, uintptr_t fun_id, bool shapeless,
                       const uint64_t *constants, size_t constants_num);

/* Drops all that was compiled, of all closures; they compile again when they are applied. */
int mlx_detail_compile_clear_cache(void);

/* Drops what was compiled under the identity. */
int mlx_detail_compile_erase(uintptr_t fun_id);

/* The modes DISABLED and ENABLED; the latter goes before the environment. */
int mlx_disable_compile(void);
int mlx_enable_compile(void);

/* 1 for what is no mode. */
int mlx_set_compile_mode(mlx_compile_mode mode);

#ifdef __cplusplus
}
#endif

#endif
