#ifndef MLX_TRANSFORMS_H
#define MLX_TRANSFORMS_H

/* Forcing several arrays at once, and derivatives of functions (mlx/c/closure.h).

   A function is run on the calling thread, on views of its arguments, while what it records is
   written down; values may be forced meanwhile. Other threads' work is constant to it, and so is
   what it knows other than as an argument. Transforms may stand in each other in any order. Rules
   run on the stream of the operation that they belong to; results are lazy. Complex derivatives are
   such that Re(conj(cotangent) tangent) is the same at both ends. Of equal values the second
   operand of maximum and minimum has all of the derivative, and those of max and min over axes
   share it. An operation without a rule is an error that names it.

   Functions return 0, or 1 after an error: weir_last_error() then has the message, which names
   the operation and the parameter, and the handler of mlx_set_error_handler has been called.
   Those that return a handle, a pointer or a value return an empty handle, NULL or 0 instead.
   Any function may be called from any thread with any handle; only changing one handle variable
   while another thread uses that same variable needs a lock of the caller's. */

#include "mlx/c/array.h"
#include "mlx/c/closure.h"
#include "mlx/c/vector.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Submits and returns; a few operations on small arrays, which take microseconds, may be computed
   meanwhile. Where a stream has a limit it waits for room (weir/stream.h). 1 only for what is known
   at once: handles, and inputs that have failed before. */
int mlx_async_eval(const mlx_vector_array outputs);

/* Submits and waits for all of them; returns 1 with the first error, and the others are complete
   all the same. */
int mlx_eval(const mlx_vector_array outputs);

/* The outputs of fun, and for each primal what the cotangents of the outputs mean for it: zeros
   where no output depends on it. Cotangents have the shapes of the outputs, in their order, but of
   those that come from mlx_stop_gradient, which take none; what is left over is ignored. */
int mlx_vjp(mlx_vector_array *res_0, mlx_vector_array *res_1, const mlx_closure fun,
            const mlx_vector_array primals, const mlx_vector_array cotangents);

/* The outputs of fun, and the tangent of each for the tangents of the primals, one for each, of its
   shape. */
int mlx_jvp(mlx_vector_array *res_0, mlx_vector_array *res_1, const mlx_closure fun,
            const mlx_vector_array primals, const mlx_vector_array tangents);

/* Makes *res a closure that gives the outputs of fun, and the gradients of the first one, which has
   shape (), for the arguments of these numbers, in ascending order. Negative numbers count from the
   end. Outputs but the first are constant to transforms around this one. */
int mlx_value_and_grad(mlx_closure_value_and_grad *res, const mlx_closure fun, const int *argnums,
                       size_t argnums_num);

/* Makes *res the function fun with derivatives of its own; without any it is fun itself.
   fun_vjp:  from arguments, cotangents and outputs to a cotangent for each argument.
   fun_jvp:  from arguments, the tangents of those that have one, and their numbers, to a tangent
   for each output.
   fun_vmap: from arguments of all calls, and the axis of each along which they are (-1: it is the
   same for all), to outputs of all calls and their axes (mlx/c/transforms_impl.h).
   What is not given is that of fun. A derivative has the shape of what it is for, or one that
   broadcasts to it. */
int mlx_custom_function(mlx_closure *res, const mlx_closure fun,
                        const mlx_closure_custom fun_vjp /* may be empty */,
                        const mlx_closure_custom_jvp fun_jvp /* may be empty */,
                        const mlx_closure_custom_vmap fun_vmap /* may be empty */);

/* The same with fun_vjp alone. */
int mlx_custom_vjp(mlx_closure *res, const mlx_closure fun,
                   const mlx_closure_custom fun_vjp /* may be empty */);

/* Makes *res a function that gives what fun gives; what fun computes on the way is not kept for
   its derivatives, but computed again for them, after the outputs. */
int mlx_checkpoint(mlx_closure *res, const mlx_closure fun);

#ifdef __cplusplus
}
#endif

#endif
