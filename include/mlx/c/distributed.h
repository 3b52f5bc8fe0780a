#ifndef MLX_DISTRIBUTED_H
#define MLX_DISTRIBUTED_H

/* Collectives: operations in which all processes of a group take part, each with an array of its
   own, of the same shape and dtype everywhere. An empty `group` is the one that "any" gives
   (mlx/c/distributed_group.h).

   They are lazy, and ordinary operations of `s`: what is forced is submitted, and stays pending
   while data move, without a thread of the pool. All processes have to submit the same collectives
   of a group in the same order, on whichever streams; one evaluation of several arrays takes them
   in an order that is the same for the same graph. What is sent to one process, and what is
   received from it, each has an order of its own. They move the values of host memory, to which a
   GPU's are copied; with "nccl" those of the GPU of the process.

   A process that is gone, that does something else, or with which nothing moves for as long as
   WEIR_DISTRIBUTED_TIMEOUT says, is an error of the arrays concerned and of the group: all that is
   under way in it, and all to come, fails, here and in the other processes. So does an array that
   a collective needs and that fails here.

   All dtypes. Sums of bool are logical or; sums of 16-bit floats are rounded to their type at each
   process. All processes get the same bits. Derivatives: all_sum, all_max, all_min, all_gather.

   Functions return 0, or 1 after an error: weir_last_error() then has the message, which names
   the operation and the parameter, and the handler of mlx_set_error_handler has been called.
   Any function may be called from any thread with any handle; only changing one handle variable
   while another thread uses that same variable needs a lock of the caller's. */

#include "mlx/c/array.h"
#include "mlx/c/distributed_group.h"
#include "mlx/c/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The arrays of all processes, one behind the other along axis 0 in the order of ranks; scalars
   become a vector. In a group of one process this, and the next three, is x itself. */
int mlx_distributed_all_gather(mlx_array *res, const mlx_array x,
                               const mlx_distributed_group group /* may be empty */,
                               const mlx_stream S);

/* The maximum, minimum and sum over all processes, element by element. */
int mlx_distributed_all_max(mlx_array *res, const mlx_array x,
                            const mlx_distributed_group group /* may be empty */,
                            const mlx_stream s);
int mlx_distributed_all_min(mlx_array *res, const mlx_array x,
                            const mlx_distributed_group group /* may be empty */,
                            const mlx_stream s);
int mlx_distributed_all_sum(mlx_array *res, const mlx_array x,
                            const mlx_distributed_group group /* may be empty */,
                            const mlx_stream s);

/* An array of that shape and dtype from process src, which sends it; of `x`, its shape and dtype
   alone count. A group of one process is an error; so is, in a ring, one that is not beside this
   one. */
int mlx_distributed_recv(mlx_array *res, const int *shape, size_t shape_num, mlx_dtype dtype,
                         int src, const mlx_distributed_group group /* may be empty */,
                         const mlx_stream s);
int mlx_distributed_recv_like(mlx_array *res, const mlx_array x, int src,
                              const mlx_distributed_group group /* may be empty */,
                              const mlx_stream s);

/* Sends x to process dst when the result is forced, which has x's value. As recv otherwise. */
int mlx_distributed_send(mlx_array *res, const mlx_array x, int dst,
                         const mlx_distributed_group group /* may be empty */, const mlx_stream s);

/* The sum over all processes, cut along axis 0 into as many parts as there are: the part of this
   process's rank. Axis 0 has to be a multiple of the size. */
int mlx_distributed_sum_scatter(mlx_array *res, const mlx_array x,
                                const mlx_distributed_group group /* may be empty */,
                                const mlx_stream s);

#ifdef __cplusplus
}
#endif

#endif
