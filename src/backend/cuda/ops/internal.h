#ifndef WR_BACKEND_CUDA_OPS_INTERNAL_H
#define WR_BACKEND_CUDA_OPS_INTERNAL_H

/* What operations use of each other, and layouts in the form in which kernels take them. */

#include "backend/cuda/ops/ops.h"

/* ---- exchange.c ---- */

/* A few bytes of the host's, at most WR_UPLOAD_BYTES; it has taken them when it returns. */
struct wr_error *wr_gpu_put(struct wr_run *run, void *to, const void *from, size_t bytes);

/* ---- layout.c ---- */

enum { WR_AXES = 8, WR_AXES_BIG = 32, WR_LAYOUT_OPERANDS = 9 };

/* Axes of several operands, as the kernels' layout<N>: neighbouring axes that lie in memory as one
   are merged. */
struct wr_layout {
  int operands;
  int ndim; /* at least 1 after wr_layout_end */
  int64_t size;
  int64_t shape[WR_AXES_BIG];
  int64_t strides[WR_LAYOUT_OPERANDS][WR_AXES_BIG];
  int64_t packed[1 + (1 + WR_LAYOUT_OPERANDS) * WR_AXES_BIG]; /* as it is handed to a kernel */
};

void wr_layout_start(struct wr_layout *l, int operands);
/* Axes from the outermost to the innermost. */
void wr_layout_push(struct wr_layout *l, int64_t extent, const int64_t *strides);
void wr_layout_end(struct wr_layout *l);
/* The axes of `t` whose bit in `axes` is set. */
void wr_layout_of(struct wr_layout *l, const struct wr_tensor *t, uint32_t axes);
static inline uint32_t wr_layout_all(const struct wr_tensor *t) {
  return t->ndim >= 32 ? UINT32_MAX : (1u << t->ndim) - 1u;
}
/* True when operand 0 is one run of neighbours. */
bool wr_layout_is_dense(const struct wr_layout *l);
/* True when indices of 32 bits or 8 axes do not do. */
bool wr_layout_is_big(const struct wr_layout *l);

/* Lines along one axis, as the kernels' line_start counts them. */
struct wr_line_axis {
  struct wr_layout other; /* all axes but that one */
  int64_t n;
  int64_t stride;
  int64_t inner;
};
void wr_line_axis_of(struct wr_line_axis *l, const struct wr_tensor *t, int axis);

void wr_launch_layout(struct wr_launch *l, struct wr_layout *layout);
/* The end of an elementwise launch, whose last arguments are the number of elements and, unless the
   kernel goes by packs of `pack` elements, their layout. A pack of 0: a thread for each element. */
struct wr_error *wr_launch_elements(struct wr_launch *l, struct wr_run *run, int64_t size,
                                    size_t pack, struct wr_layout *layout);
/* The same by rows of packs, which are what the layout counts (wr_layout_by_packs). */
struct wr_error *wr_launch_rows_of_packs(struct wr_launch *l, struct wr_run *run,
                                         struct wr_layout *layout);

/* How many threads have a short row of so many pieces: the smallest power of two that is at least
   as many, up to a warp. */
unsigned wr_lanes_of(int64_t pieces);
/* Blocks of `lanes` threads for each row: of several rows where that is no more than a warp. */
void wr_launch_lanes(struct wr_launch *l, int64_t rows, unsigned lanes);

/* True when the address lies on a multiple of `bytes`. */
bool wr_aligned(const void *p, size_t bytes);
/* True when all positions of an operand do, which begins at `data` with elements of `item` bytes.
 */
bool wr_layout_is_aligned(const struct wr_layout *l, int operand, const void *data, size_t item,
                          size_t bytes);
/* What a pack of k elements lies on a multiple of; and whether an address does. */
static inline size_t wr_pack_bytes(size_t k, size_t item) { return k * item < 16 ? k * item : 16; }
bool wr_pack_is_aligned(const void *p, size_t k, size_t item);
/* True when operand i can be read by packs of k elements of `item` bytes along the innermost axis,
   or has one element all along it; it begins at `data`. */
bool wr_layout_has_packs(const struct wr_layout *l, int i, const void *data, size_t item, size_t k);
/* Makes k elements of the innermost axis, whose extent is a multiple of it, one step. */
void wr_layout_by_packs(struct wr_layout *l, size_t k);
/* Where elements are only moved, one dtype stands for all that have its size: this one for t. */
enum wr_dtype wr_dtype_of_size(enum wr_dtype t);

/* ---- reduce.c: what groups use of it ---- */

/* How a reduction is spread over the GPU. */
struct wr_reduction {
  int64_t results;
  int64_t n; /* elements of each */
  int64_t splits;
  int64_t per_split;
  int entry;
  int side;  /* of columns: how many results a block computes; of rows 0 */
  int lanes; /* of short rows: threads of each; else 0 */
  struct {
    void *out;
    void *totals;
    uint32_t *counters;
  } target; /* as it is handed to a kernel */
};

/* For `results` rows of n elements of `item` bytes each. `packs` says that they lie dense and that
   each begins at a multiple of 16 bytes. */
void wr_reduction_of_rows(struct wr_reduction *r, const struct wr_run *run, int64_t results,
                          int64_t n, size_t item, bool packs);
/* Says where results go, and takes scratch for the totals of splits; the elements that are reduced
   have the type `from`. */
struct wr_error *wr_reduction_target(struct wr_reduction *r, struct wr_run *run, enum wr_dtype from,
                                     void *out);
/* Adds the arguments that all these kernels end with, and sets the grid. */
void wr_reduction_grid(const struct wr_reduction *r, const struct wr_run *run, struct wr_launch *l);

/* softmax.c: rows of n elements of `item` bytes are kept in the registers of a block of *threads
   threads. Returns how many packs of 16 bytes each thread has, 1 or 4; 0 where rows do not fit. */
int wr_softmax_packs(int64_t n, size_t item, unsigned *threads);

/* Lines as the kernels of sorts have them. */
struct wr_lines_of {
  int64_t lines;
  int64_t n;
  int64_t stride; /* of the input */
  int64_t inner;  /* of the result */
};
/* select.c: a partition of lines that a block does not hold; `big` as in a wr_module_id. */
struct wr_error *wr_gpu_part_lines(struct wr_run *run, const struct wr_call *call,
                                   const struct wr_line_axis *axis, const struct wr_lines_of *lines,
                                   bool big);

/* unary.c: an elementwise kernel of one input; its source has an entry for dense inputs and one for
   strided ones. */
struct wr_error *wr_gpu_map(struct wr_run *run, enum wr_source source, const struct wr_call *call);
/* The error of an operation that has no body for the dtype of its first input. */
struct wr_error *wr_gpu_no_body(const struct wr_call *call);
/* Whether a concatenation is done by join.c; and that, of a result that is not empty. */
bool wr_gpu_joins(const struct wr_call *call);
struct wr_error *wr_gpu_join(struct wr_run *run, const struct wr_call *call);
/* copy.c: a dense copy of `t` in type `to` at `out`. */
struct wr_error *wr_gpu_convert(struct wr_run *run, const struct wr_tensor *t, enum wr_dtype to,
                                void *out);
/* The same by a kernel, which is held back as other launches are. */
struct wr_error *wr_gpu_convert_held(struct wr_run *run, const struct wr_tensor *t,
                                     enum wr_dtype to, void *out);
/* group_turned.c: an elementwise operation whose inputs have this layout, by tiles. False: it is
   not for that, or the kernel is not there; the layout is as it was then. */
bool wr_gpu_by_tiles(struct wr_run *run, const struct wr_call *call, struct wr_layout *layout);
/* group.c */
struct wr_error *wr_gpu_group(struct wr_run *run, const struct wr_group *group);

#endif
