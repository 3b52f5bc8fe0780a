#ifndef MLX_DISTRIBUTED_GROUP_H
#define MLX_DISTRIBUTED_GROUP_H

/* Groups of processes, on one machine or several, for the collectives of mlx/c/distributed.h.

   A group comes from a backend, which the environment configures as it does for MLX:
     "ring"  TCP, between hosts that have nothing else: MLX_RANK, this process's place, and
             MLX_HOSTFILE, a JSON file with a list of "address:port" for each rank;
     "mpi"   Open MPI, where its library is found and mpirun has started the process;
     "nccl"  NCCL, where its library is found, for processes with a GPU each: MLX_RANK,
             MLX_WORLD_SIZE, and NCCL_HOST_IP and NCCL_PORT of rank 0;
     "any"   the first of "nccl", "ring" and "mpi" that has a group.
   docs/distributed.md has the details.

   A handle is a counted reference; mlx_distributed_group_free releases it. The first group of each
   backend is kept until the process ends.

   Functions return 0, or 1 after an error: weir_last_error() then has the message, which names
   the operation and the parameter, and the handler of mlx_set_error_handler has been called.
   Any function may be called from any thread with any handle; only changing one handle variable
   while another thread uses that same variable needs a lock of the caller's. */

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mlx_distributed_group_ {
  void *ctx; /* NULL: empty */
} mlx_distributed_group;

/* A new empty handle, which for the collectives means the group that "any" gives. */
mlx_distributed_group mlx_distributed_group_new(void);

/* Releases the handle; an empty one is a no-op. Never waits. */
int mlx_distributed_group_free(mlx_distributed_group group);

/* Makes *res the group of a backend, in place of what it held: bk NULL means "any". Every call
   gives the same group. The first one waits for the other processes, as long as
   WEIR_DISTRIBUTED_TIMEOUT says. Where the environment has no group it is an error if `strict`,
   else a group of this process alone, of rank 0 and size 1. An error also: a host file or rank that
   makes no sense, processes that do not come, a name that is no backend's. */
int mlx_distributed_init(mlx_distributed_group *res, bool strict, const char *bk /* may be null */);

/* The place of this process in the group, from 0, and how many processes there are. 0 after an
   error. */
int mlx_distributed_group_rank(mlx_distributed_group group);
int mlx_distributed_group_size(mlx_distributed_group group);

/* Called by all processes of the group, each with its own numbers: makes *res the group of those
   that gave the same color, in the order of their keys; of equal keys, and for a negative one, the
   order is that of the ranks. Has its place in the order of the group's collectives, and waits for
   all. A group of one process cannot be split. */
int mlx_distributed_group_split(mlx_distributed_group *res, mlx_distributed_group group, int color,
                                int key);

/* Whether the backend can be used on this machine, configured or not; false after an error. */
bool mlx_distributed_is_available(const char *bk /* may be null */);

#ifdef __cplusplus
}
#endif

#endif
