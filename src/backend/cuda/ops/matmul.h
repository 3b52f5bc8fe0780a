#ifndef WR_BACKEND_CUDA_OPS_MATMUL_H
#define WR_BACKEND_CUDA_OPS_MATMUL_H

/* One matrix product as cuBLASLt takes it, between the file that describes products to it
   (matmul.c) and the one that makes three of one (matmul_split.c). Any thread; no locks. */

#include "backend/cuda/ops/internal.h"

/* The matrices of an operand, one or a batch: rows of `ld` elements from one to the next, or, where
   transposed, columns. A stride of 0 is one matrix for all of the batch. */
struct wr_matrices {
  const void *data;
  bool transposed;
  int64_t ld;
  int64_t batch_stride;
};

/* out = alpha a b + beta out, with a of m rows and k columns, b of k rows and n columns, and out
   dense. */
struct wr_product {
  struct wr_matrices a, b;
  int64_t m, n, k, batch;
  enum wr_dtype dtype;
  bool tf32; /* float32 operands are shortened to TF32 as they are multiplied */
  void *out;
  float alpha, beta;
};

struct wr_error *wr_product_run(struct wr_run *run, const struct wr_product *p);
/* The same as it was recorded to be (enum wr_precision), where that counts; p->tf32 is for it. */
struct wr_error *wr_product_run_as(struct wr_run *run, struct wr_product *p, int32_t recorded);

/* matmul_split.c. Whether the product is faster as three of TF32 than as one of float32, and may
   be: float32 and an alpha of ordinary size. */
bool wr_product_splits(const struct wr_product *p);
/* The same as three products of TF32, as accurate as one of float32 (weir/matmul.h). */
struct wr_error *wr_product_run_split(struct wr_run *run, const struct wr_product *p);

#endif
