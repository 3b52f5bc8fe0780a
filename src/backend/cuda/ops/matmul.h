#ifndef WR_BACKEND_CUDA_OPS_MATMUL_H
#define WR_BACKEND_CUDA_OPS_MATMUL_H

/* One matrix product as cuBLASLt takes it: matmul.c describes it to the library, and matmul_split.c
   makes three such products of one. Any thread; no locks. */

#include "backend/cuda/ops/internal.h"

/* The matrices of an operand, one or a batch: rows of `ld` elements from one to the next, or, where
   transposed, columns. A stride of 0 is one matrix for all of the batch. */
struct wr_factor {
  const void *data;
  bool transposed;
  int64_t ld;
  int64_t batch_stride;
};

/* out = alpha a b + beta out, with a of m rows and k columns, b of k rows and n columns, and out
   dense. */
struct wr_product {
  struct wr_factor a, b;
  int64_t m, n, k, batch;
  enum wr_dtype dtype;
  bool tf32; /* float32 operands are shortened to TF32 as they are multiplied */
  void *out;
  float alpha, beta;
};

struct wr_error *wr_product_run(struct wr_run *run, const struct wr_product *p);
/* The same in the precision that the product was recorded with (enum wr_precision), which decides
   p->tf32 too; only float32 has a choice. */
struct wr_error *wr_product_run_as(struct wr_run *run, struct wr_product *p, int32_t recorded);

/* matmul_split.c. Whether the product is to be made as three of TF32: it is of float32, alpha is
   neither very large nor very small, and three such products take less time than one of float32. */
bool wr_product_splits(const struct wr_product *p);
/* The same as three products of TF32, as accurate as one of float32 (weir/matmul.h). */
struct wr_error *wr_product_run_split(struct wr_run *run, const struct wr_product *p);

#endif
