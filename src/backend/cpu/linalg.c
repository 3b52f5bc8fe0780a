/* What the kernels of linear algebra share; see linalg.h. */

#include "backend/cpu/linalg.h"

#include <limits.h>
#include <string.h>

#include "backend/cpu/loop/loop.h"
#include "base/base.h"

static const double part_operations = 1e6; /* worth a second thread */

struct wr_linalg wr_linalg_of(const struct wr_call *call) {
  const struct wr_tensor *in = &call->in[0];
  struct wr_linalg g = {.call = call,
                        .m = in->shape[in->ndim - 2],
                        .n = in->shape[in->ndim - 1],
                        .count = 1,
                        .element = (int64_t)wr_dtype_size(in->dtype),
                        .type = in->dtype == WR_COMPLEX64 ? 2 : in->dtype == WR_FLOAT64};
  g.k = g.m < g.n ? g.m : g.n;
  if (call->n_in > 1) g.columns = call->in[1].shape[call->in[1].ndim - 1];
  for (int d = 0; d < in->ndim - 2; d++) g.count *= in->shape[d];
  return g;
}

struct task {
  struct wr_linalg *g;
  size_t scratch;
  wr_linalg_body body;
};

static void run_range(void *ctx, int64_t begin, int64_t end) {
  const struct task *task = ctx;
  char *scratch = wr_alloc_aligned(64, task->scratch + 64);
  if (!scratch) {
    wr_error_keep_first(&task->g->error, wr_error_out_of_memory());
    return;
  }
  for (int64_t i = begin; i < end; i++)
    wr_error_keep_first(&task->g->error, task->body(task->g, i, scratch));
  wr_free(scratch);
}

struct wr_error *wr_linalg_run(struct wr_linalg *g, size_t scratch, double operations,
                               wr_linalg_body body) {
  struct task task = {g, scratch, body};
  const double grain = part_operations / (operations + 1);
  wr_spread(g->count, grain < 1 ? 1 : (int64_t)grain + 1, run_range, &task);
  return wr_load_acquire(&g->error); /* the pool has finished */
}

/* ---- matrices ---- */

void wr_linalg_gather(const struct wr_linalg *g, int which, int64_t i, void *to, bool turned) {
  const struct wr_tensor *t = &g->call->in[which];
  const int size = (int)wr_dtype_size(t->dtype);
  const int64_t rows = t->shape[t->ndim - 2], columns = t->shape[t->ndim - 1];
  const int64_t row = t->strides[t->ndim - 2], column = t->strides[t->ndim - 1];
  const char *from = (const char *)t->data + wr_matrix_offset(t, i) * size;
  for (int64_t r = 0; r < rows; r++) {
    char *at = (char *)to + r * (turned ? 1 : columns) * size;
    wr_copy_run(at, turned ? rows : 1, from + r * row * size, column, columns, size);
  }
}

void wr_linalg_turn(void *to, const void *from, int rows, int columns, int64_t element) {
  for (int64_t r = 0; r < rows; r++) {
    wr_copy_run((char *)to + r * columns * element, 1, (const char *)from + r * element, rows,
                columns, (int)element);
  }
}

void wr_linalg_keep_triangle(void *matrix, int n, int64_t element, bool upper) {
  for (int64_t i = 0; i < n; i++) {
    char *row = (char *)matrix + i * n * element;
    if (upper) {
      memset(row, 0, (size_t)(i * element));
    } else {
      memset(row + (i + 1) * element, 0, (size_t)((n - 1 - i) * element));
    }
  }
}

/* ---- errors ---- */

struct wr_error *wr_linalg_misuse(const char *routine, int info) {
  return wr_error_new(WEIR_ERROR_INTERNAL, "%s refuses its argument %d", routine, -info);
}

/* Of float it has been rounded, perhaps down. */
struct wr_error *wr_linalg_workspace(struct wr_linalg *g, const void *first) {
  double wanted = g->type == 1 ? *(const double *)first : (double)*(const float *)first;
  wanted += wanted / (1 << 22) + 1;
  if (!(wanted < INT_MAX)) {
    return wr_error_new(WEIR_ERROR_UNSUPPORTED, "a matrix of shape (%d,%d) is too large for LAPACK",
                        g->m, g->n);
  }
  g->lwork = (int)wanted;
  return NULL;
}
