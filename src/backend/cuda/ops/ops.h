#ifndef WR_BACKEND_CUDA_OPS_OPS_H
#define WR_BACKEND_CUDA_OPS_OPS_H

/* What leaves the room `ops`: which operations there are, and how they are encoded. */

#include "backend/cuda/queue/queue.h"

typedef struct wr_error *(*wr_gpu_kernel)(struct wr_run *run, const struct wr_call *call);

/* Views have no kernel; the rows of ops.def say `view` or `none` in its place. */
#define WR_OP(ID, name, family, arity, rule, types, params, fusable, cpu, cuda) \
  struct wr_error *wr_gpu_##cuda(struct wr_run *run, const struct wr_call *call);
#include "core/ops.def"
#undef WR_OP

/* The kernel of the operation, or NULL. */
wr_gpu_kernel wr_gpu_kernel_for(enum wr_op op);
/* Which types products have. */
bool wr_gpu_matmul_has(enum wr_dtype dtype);

/* True when a scan by that operation has log_scan.cu for its kernels. */
bool wr_gpu_scans_logs(enum wr_op by, enum wr_dtype t);

/* ---- matmul.c ---- */

struct wr_error *wr_matmul_table_new(struct wr_matmul_table **out);
void wr_matmul_table_free(struct wr_matmul_table *table); /* NULL is a no-op */

/* ---- fft.c ---- */

struct wr_error *wr_fft_table_new(struct wr_fft_table **out);
void wr_fft_table_free(struct wr_fft_table *table); /* NULL is a no-op; no plan was made */

/* ---- solver.c ---- */

struct wr_error *wr_solver_table_new(struct wr_solver_table **out);
void wr_solver_table_free(struct wr_solver_table *table); /* NULL is a no-op; no handle was made */
/* As in backend.h. */
bool wr_gpu_solves(const struct wr_matrices *what);
/* As in struct wr_async_device. */
bool wr_gpu_waits_within(enum wr_op op, int ndim, const int32_t *shape);

/* ---- conv_cudnn.c ---- */

struct wr_error *wr_conv_table_new(struct wr_conv_table **out);
void wr_conv_table_free(struct wr_conv_table *table); /* NULL is a no-op; no plan was made */

/* ---- encoding: as in backend.h ---- */

bool wr_gpu_supports(enum wr_op op, enum wr_dtype dtype);
enum wr_encode_status wr_gpu_encode(struct wr_encoder *encoder, const struct wr_call *call,
                                    struct wr_completion_hook *hook, struct wr_error **error);
enum wr_encode_status wr_gpu_encode_group(struct wr_encoder *encoder, const struct wr_group *group,
                                          struct wr_completion_hook *hook, struct wr_error **error);
enum wr_encode_status wr_gpu_encode_upload(struct wr_encoder *encoder, void *device,
                                           const void *host, size_t bytes,
                                           struct wr_completion_hook *hook,
                                           struct wr_error **error);
enum wr_encode_status wr_gpu_encode_download(struct wr_encoder *encoder, void *host,
                                             const void *device, size_t bytes,
                                             struct wr_completion_hook *hook,
                                             struct wr_error **error);

#endif
