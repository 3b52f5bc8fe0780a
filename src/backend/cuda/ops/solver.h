#ifndef WR_BACKEND_CUDA_OPS_SOLVER_H
#define WR_BACKEND_CUDA_OPS_SOLVER_H

/* What the operations of linear algebra on a GPU share: a call of cuSOLVER and cuBLAS, with handles
   and memory for it; and the kernels around it. A matrix of ours lies row by row, one of theirs
   column by column: the same memory is the transposed one there. */

#include "backend/cuda/ops/internal.h"
#include "core/matrix_fault.h"

/* Handles of the libraries', for one thread at a time; both work on one stream of the driver's. */
struct wr_solver {
  wr_solver_handle dense;
  wr_solver_params params;
  wr_solver_jacobi jacobi;
  wr_blas_handle blas;
  wr_cu_stream stream; /* where it was used last */
  wr_cu_event event;   /* behind that */
};

/* Taken for a call and not used yet; bound to its stream; or, where that failed half-way or they
   were not all made, of no use. */
enum wr_solver_use { WR_SOLVER_TAKEN, WR_SOLVER_BOUND, WR_SOLVER_BROKEN };

/* A call while it is encoded. */
struct wr_solving {
  struct wr_run *run;
  const struct wr_call *call;
  int64_t m, n, k;    /* rows and columns of each matrix of the first input; the lesser of them */
  int64_t columns;    /* of the second input, where there is one */
  int64_t count;      /* matrices */
  int64_t bytes;      /* of an element */
  enum wr_dtype type; /* in which it is computed: float32 or float64 */
  int cuda_type;
  int *info;  /* on the device, one for each matrix */
  int *flags; /* the same, or NULL: 1 for a matrix that is not finite */
  void *rows; /* room of wr_solving_rows, or NULL: it needs none */
  const struct wr_cusolver *cusolver;
  const struct wr_cusolver_new *newer; /* or NULL */
  const struct wr_cublas *cublas;
  struct wr_solver by;
  enum wr_solver_use use;
  int64_t stretch; /* of matrices, between two waits */
};

/* Says what the call is about; and takes room for what routines say of each matrix. */
struct wr_error *wr_solving_begin(struct wr_solving *s, struct wr_run *run,
                                  const struct wr_call *call);
/* From now on it is computed in float64. */
void wr_solving_widen(struct wr_solving *s);
/* Runs `body` with handles of the libraries'. */
struct wr_error *wr_solving_run(struct wr_solving *s,
                                struct wr_error *(*body)(struct wr_solving *s));
/* The end of the command: as it is over it fails where a matrix has a flag or an info that is not
 * 0.
 */
struct wr_error *wr_solving_judge(struct wr_solving *s, enum wr_matrix_fault fault);

/* Before calls of the libraries' that launch something: until then all launches of the command are
   held back, so that what is refused by then, memory above all, costs no wait (K9). Where it fails
   they are not to be called: what they read, arrays of pointers among it, was not written. */
struct wr_error *wr_solving_direct(struct wr_solving *s);
/* The same before some for each matrix; and whether they go on with matrix i, after what the last
   one gave. A long batch would fill the driver's queue, and the driver would hold up the thread
   inside a call, with its own locks: so the thread waits here, outside the gate, until all but the
   last few are over (R8, K8). */
struct wr_error *wr_solving_each(struct wr_solving *s);
/* Of matrices of so many rows and columns: how many are between two waits. */
int64_t wr_solver_stretch(int64_t m, int64_t n);
bool wr_solving_goes_on(struct wr_solving *s, int64_t i, int status, struct wr_error **error);
/* What a call gave; NULL for success. */
struct wr_error *wr_cusolver_result(int status, const char *call);
struct wr_error *wr_cublas_result(int status, const char *call);

/* Workspaces: in the device's memory and, as pinned by nobody, in the host's. */
struct wr_spaces {
  size_t device_bytes, host_bytes;
  void *device, *host;
};
/* After a call that asks how large they are, and what it gave: takes them, and goes on as
   wr_solving_each does. */
struct wr_error *wr_spaces_begin(struct wr_solving *s, int status, const char *call,
                                 struct wr_spaces *spaces);

/* Rows of square matrices up to which several go to such routines; and in those of eigenvalues. */
enum { WR_SOLVER_MANY = 256, WR_SOLVER_EIGH_MANY = 256, WR_SOLVER_JACOBI = 32 };
/* Whether the routine for singular values of many takes them. */
static inline bool wr_solver_jacobi_takes(int64_t m, int64_t n) {
  return m <= WR_SOLVER_JACOBI && n <= WR_SOLVER_JACOBI;
}

/* The same for eigenvalues. */
static inline bool wr_solver_eigh_takes(int64_t n, int64_t count) {
  return n <= WR_SOLVER_EIGH_MANY && count > (n > 64 ? 4 : 1);
}

/* Whether the matrices are so many and so small that routines for arrays of pointers take them. */
static inline bool wr_solver_is_many(int64_t m, int64_t n, int64_t count) {
  return count > 1 && m == n && n <= WR_SOLVER_MANY;
}
bool wr_solving_is_many(const struct wr_solving *s);
/* An array of pointers to matrices of so many elements. */
struct wr_error *wr_solving_pointers(struct wr_solving *s, void *first, int64_t elements,
                                     void ***out);

/* ---- memory ---- */

struct wr_error *wr_solving_room(struct wr_solving *s, int64_t elements, void **out);
/* Matrix i of those at `first`, which have so many elements. */
static inline void *wr_solving_at(const struct wr_solving *s, void *first, int64_t elements,
                                  int64_t i) {
  return (char *)first + i * elements * s->bytes;
}
/* An input, dense at `to` in the type of computing; `turned`: column by column. */
struct wr_error *wr_solving_gather(struct wr_solving *s, int input, void *to, bool turned);
/* Matrices of rows x columns, each in so many elements, which lie column by column with `leading`
   elements from column to column, row by row and dense at `to`, in the type of the input. */
struct wr_error *wr_solving_turn(struct wr_solving *s, void *from, int64_t elements,
                                 int64_t leading, int64_t rows, int64_t columns, void *to);

/* ---- kernels; see kernels/linalg.cu and linalg_factors.cu ---- */

struct wr_error *wr_solving_keep(struct wr_solving *s, void *a, int64_t rows, int64_t columns,
                                 bool upper);
struct wr_error *wr_solving_identity(struct wr_solving *s, void *a, int64_t n);
struct wr_error *wr_solving_mirror(struct wr_solving *s, void *a, bool upper);
/* Matrices of so many elements that are not finite get a flag, and become zeros. */
struct wr_error *wr_solving_survey(struct wr_solving *s, void *a, int64_t elements);
/* An info that is not 0 for a matrix with a 0 on its diagonal. */
struct wr_error *wr_solving_diagonal(struct wr_solving *s, const void *a);
/* What it will need, before anything is launched: what is refused later has to be waited for. */
struct wr_error *wr_solving_rows_room(struct wr_solving *s, int64_t m);
/* Of pivots for so many steps: see `rows` in linalg_factors.cu. */
struct wr_error *wr_solving_rows(struct wr_solving *s, const void *pivots, bool wide, int64_t m,
                                 void *out);
struct wr_error *wr_solving_factors(struct wr_solving *s, const void *a, void *l, void *u);

#endif
