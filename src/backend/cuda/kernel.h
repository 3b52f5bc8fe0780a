#ifndef WR_BACKEND_CUDA_KERNEL_H
#define WR_BACKEND_CUDA_KERNEL_H

/* Kernels: which there are, where their machine code comes from, and how one is launched. A module
   is one file of CUDA source compiled for an operation and element types; its kernels are its
   entries. Any thread. */

#include "backend/cuda/gpu.h"

enum wr_source {
#define WR_SOURCE(ID, file, ...) WR_SOURCE_##ID,
#include "backend/cuda/sources.def"
#undef WR_SOURCE
  WR_SOURCE_COUNT
};

enum { WR_ENTRIES_MAX = 5 };

/* Entries by their number in sources.def. */
enum {
  WR_ENTRY_DENSE = 0, /* unary, binary, where, cast */
  WR_ENTRY_STRIDED = 1,
  WR_ENTRY_SCALAR_LEFT = 2,
  WR_ENTRY_SCALAR_RIGHT = 3,
  WR_ENTRY_COPY_STRIDED = 0,
  WR_ENTRY_COPY_PASTE = 1,
  WR_ENTRY_COPY_TURN = 2,
  WR_ENTRY_PUT_FEW = 0,
  WR_ENTRY_PUT = 1,
  WR_ENTRY_GET = 2,
  WR_ENTRY_ONLY = 0, /* arange, scale, scatter, update, random */
  WR_ENTRY_SPLIT_SURVEY_ROWS = 0,
  WR_ENTRY_SPLIT_SURVEY_COLUMNS = 1,
  WR_ENTRY_SPLIT_PARTS = 2,
  WR_ENTRY_SPLIT_MEND = 3,
  WR_ENTRY_REDUCE_ROWS_DENSE = 0,
  WR_ENTRY_REDUCE_ROWS = 1,
  WR_ENTRY_REDUCE_SHORT_ROWS = 2,
  WR_ENTRY_REDUCE_COLUMNS = 3,
  WR_ENTRY_ARG_ROWS = 0,
  WR_ENTRY_ARG_MERGE = 1,
  WR_ENTRY_SOFTMAX = 0,
  WR_ENTRY_LOGSUMEXP = 1,
  WR_ENTRY_SOFTMAX_1 = 2,
  WR_ENTRY_SOFTMAX_4 = 3,
  WR_ENTRY_SCAN_LINES = 0,
  WR_ENTRY_SCAN_TOTALS = 1,
  WR_ENTRY_SCAN_CARRIES = 2,
  WR_ENTRY_SCAN_COLUMNS = 3,
  WR_ENTRY_SORT_TILES = 0,
  WR_ENTRY_SORT_MERGE = 1,
  WR_ENTRY_TAKE = 0,
  WR_ENTRY_GATHER = 1,
  WR_ENTRY_TAKE_ALONG = 2,
  WR_ENTRY_HADAMARD_BY_8 = 0,
  WR_ENTRY_HADAMARD_BY_2 = 1,
  WR_ENTRY_HADAMARD_ACROSS = 2
};

/* What a module is compiled for. */
struct wr_module_id {
  uint8_t source; /* enum wr_source */
  uint8_t op;     /* enum wr_op; its name is part of the source where that asks for it */
  uint8_t a, b;   /* enum wr_dtype */
  bool big;       /* indices of 64 bits and up to 32 axes; else 32 bits and 8 */
};

/* ---- jit.c: source to machine code ---- */

/* The machine code for compute capability `arch` (90 for 9.0), in memory of wr_alloc: from the
   cache on disk, where `driver` (its version) is part of the key, or from the compiler. */
struct wr_error *wr_jit_image(struct wr_module_id id, int arch, int driver, void **image);
/* The same, from the compiler alone. */
struct wr_error *wr_jit_compile(struct wr_module_id id, int arch, void **image, size_t *bytes);
/* Names the module in messages: "unary exp of float32 to float32". */
const char *wr_module_name(struct wr_module_id id, char *buf, size_t n);
/* The entries of a source; NULL past the last. */
const char *wr_source_entry(enum wr_source source, int entry);

/* The same for the text of a group (group.h). */
struct wr_error *wr_jit_group_image(const char *text, struct wr_module_id id, int arch, int driver,
                                    void **image);
struct wr_error *wr_jit_compile_group(const char *text, struct wr_module_id id, int arch,
                                      void **image, size_t *bytes);
/* What the sources call an element type. */
const char *wr_type_name(enum wr_dtype t);

/* ---- groups: group_table.c and group.c ---- */

struct wr_error *wr_group_table_new(struct wr_group_table **out);
void wr_group_table_free(struct wr_group_table *table); /* NULL is a no-op; nothing was loaded */
struct wr_error *wr_gpu_group(struct wr_run *run, const struct wr_group *group);

/* ---- graphs.c: launches as graphs ---- */

struct wr_graph_numbers {
  size_t bytes;      /* what the graphs are thought to take, here and on the GPU */
  uint64_t graphs;   /* that there are */
  uint64_t built;    /* ever */
  uint64_t launched; /* launches of graphs */
};

struct wr_error *wr_graph_table_new(struct wr_graph_table **out);
void wr_graph_table_free(struct wr_graph_table *table); /* NULL is a no-op; no graph was made */
void wr_graph_table_numbers(struct wr_graph_table *table, struct wr_graph_numbers *out);

/* ---- jit_cache.c: machine code on disk ---- */

struct wr_jit_key {
  uint64_t hash[2];
};

/* NULL when there is none, or what is there is damaged. Counts as a use. */
void *wr_jit_cache_read(struct wr_jit_key key, size_t *bytes);
/* Best effort: a cache that cannot be written is one that stays empty. What was used longest ago
   makes room. */
void wr_jit_cache_write(struct wr_jit_key key, const void *image, size_t bytes);

/* ---- kernel.c: loaded modules of a GPU ---- */

struct wr_error *wr_kernel_table_new(struct wr_kernel_table **out);
void wr_kernel_table_free(struct wr_kernel_table *table); /* NULL is a no-op; nothing was loaded */
/* The kernel on this GPU, loaded and, where the cache has no machine code, compiled at first use;
   a thread that asks meanwhile for the same module waits for it. Between enter and leave. */
struct wr_error *wr_kernel_find(struct wr_gpu *gpu, struct wr_module_id id, int entry,
                                wr_cu_function *out);

/* ---- matmul.c ---- */

struct wr_error *wr_matmul_table_new(struct wr_matmul_table **out);
void wr_matmul_table_free(struct wr_matmul_table *table); /* NULL is a no-op */

/* ---- launching ---- */

enum { WR_AXES = 8, WR_AXES_BIG = 32, WR_LAYOUT_OPERANDS = 9 };

/* Axes of several operands, as the kernels' layout<N>: neighbouring axes that lie in memory as one
   are merged. */
struct wr_layout {
  int operands;
  int ndim; /* at least 1 after wr_layout_finish */
  int64_t size;
  int64_t shape[WR_AXES_BIG];
  int64_t strides[WR_LAYOUT_OPERANDS][WR_AXES_BIG];
  int64_t packed[1 + (1 + WR_LAYOUT_OPERANDS) * WR_AXES_BIG]; /* as it is handed to a kernel */
};

void wr_layout_start(struct wr_layout *l, int operands);
/* Axes from the outermost to the innermost. */
void wr_layout_push(struct wr_layout *l, int64_t extent, const int64_t *strides);
void wr_layout_finish(struct wr_layout *l);
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

/* One launch: arguments in the kernel's order, then where and how wide. Addresses given must stay
   until wr_launch. */
enum { WR_LAUNCH_ARGUMENTS = 20 };

struct wr_launch {
  struct wr_module_id id;
  int entry;
  int n;
  const void *args[WR_LAUNCH_ARGUMENTS];
  uint16_t sizes[WR_LAUNCH_ARGUMENTS]; /* bytes */
  union {
    uint32_t u32;
    int64_t i64;
    double f64;
    float f32;
    const void *pointer;
  } values[WR_LAUNCH_ARGUMENTS];
  unsigned grid[3];
  unsigned block[3];
};

void wr_launch_start(struct wr_launch *l, struct wr_module_id id, int entry);
void wr_launch_pointer(struct wr_launch *l, const void *p);
void wr_launch_index(struct wr_launch *l, int64_t i); /* an index_t */
void wr_launch_i64(struct wr_launch *l, int64_t i);
void wr_launch_f64(struct wr_launch *l, double f);
void wr_launch_f32(struct wr_launch *l, float f);
void wr_launch_struct(struct wr_launch *l, const void *s, size_t bytes);
void wr_launch_layout(struct wr_launch *l, struct wr_layout *layout);
/* Blocks of `threads` for `work` pieces, so many that the GPU is full; kernels loop over the rest.
 */
void wr_launch_threads(struct wr_launch *l, const struct wr_run *run, int64_t work,
                       unsigned threads);
/* A thread per piece of `k` elements, and for what is left of n. */
void wr_launch_packs(struct wr_launch *l, int64_t n, size_t k);
void wr_launch_blocks(struct wr_launch *l, int64_t x, int64_t y, unsigned threads);
/* Records the launch; the driver gets it with the next flush (launches.c). */
struct wr_error *wr_launch(struct wr_launch *l, struct wr_run *run);
/* The same for a kernel that was found already. */
void wr_launch_function(const struct wr_launch *l, struct wr_run *run, wr_cu_function function);

/* True when the address lies on a multiple of `bytes`. */
bool wr_aligned(const void *p, size_t bytes);
/* True when all positions of an operand do, which begins at `data` with elements of `item` bytes.
 */
bool wr_layout_is_aligned(const struct wr_layout *l, int operand, const void *data, size_t item,
                          size_t bytes);
/* The dtype that stands for all of an element's size where elements only move. */
enum wr_dtype wr_dtype_of_size(enum wr_dtype t);

/* ---- reduce.c: what groups use of it ---- */

/* How a reduction is spread over the GPU. */
struct wr_reduction {
  int64_t results;
  int64_t n; /* elements of each */
  int64_t splits;
  int64_t per_split;
  int entry;
  struct {
    void *out;
    void *totals;
    uint32_t *counters;
  } target; /* as it is handed to a kernel */
};

/* Of `results` rows of n elements of `item` bytes; `packs`: they lie dense and each begins on 16
   bytes. */
void wr_reduction_of_rows(struct wr_reduction *r, const struct wr_run *run, int64_t results,
                          int64_t n, size_t item, bool packs);
/* Where results go, and room for the totals of splits; elements are of the type `from`. */
struct wr_error *wr_reduction_target(struct wr_reduction *r, struct wr_run *run, enum wr_dtype from,
                                     void *out);
/* The last arguments, and the grid. */
void wr_reduction_grid(const struct wr_reduction *r, const struct wr_run *run, struct wr_launch *l);

/* softmax.c: how many packs of 16 bytes each of so many threads keeps in registers, 1 or 4, of rows
   of n elements of `item` bytes; 0: such rows do not fit. */
int wr_softmax_packs(int64_t n, size_t item, unsigned *threads);

/* unary.c: one input, elementwise, by a source with its two entries. */
struct wr_error *wr_gpu_map(struct wr_run *run, enum wr_source source, const struct wr_call *call);
/* The error of an operation that has no body for the dtype of its first input. */
struct wr_error *wr_gpu_no_body(const struct wr_call *call);
/* copy.c: a dense copy of `t` in type `to` at `out`. */
struct wr_error *wr_gpu_convert(struct wr_run *run, const struct wr_tensor *t, enum wr_dtype to,
                                void *out);

#endif
