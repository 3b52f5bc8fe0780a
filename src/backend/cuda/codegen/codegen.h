#ifndef WR_BACKEND_CUDA_CODEGEN_CODEGEN_H
#define WR_BACKEND_CUDA_CODEGEN_CODEGEN_H

/* What leaves the room `codegen`: kernels, from CUDA source to what the driver has loaded. A module
   is one file of CUDA source compiled for an operation and element types; its kernels are its
   entries. A group of fused operations gets source of its own. Any thread. */

#include "backend/cuda/driver/driver.h"
#include "core/kernel_text.h"

enum wr_source {
#define WR_SOURCE(ID, file, ...) WR_SOURCE_##ID,
#include "backend/cuda/codegen/sources.def"
#undef WR_SOURCE
  WR_SOURCE_COUNT
};

enum { WR_ENTRIES_MAX = 8 };

/* Entries by their number in sources.def. */
enum {
  WR_ENTRY_DENSE = 0, /* unary, binary, where, cast */
  WR_ENTRY_STRIDED = 1,
  WR_ENTRY_PACKS = 2,
  WR_ENTRY_SCALAR_LEFT = 3,
  WR_ENTRY_SCALAR_RIGHT = 4,
  WR_ENTRY_COPY_STRIDED = 0,
  WR_ENTRY_COPY_PASTE = 1,
  WR_ENTRY_COPY_TURN = 2,
  WR_ENTRY_COPY_STRIDED_PACKS = 3,
  WR_ENTRY_COPY_PASTE_PACKS = 4,
  WR_ENTRY_COPY_PASTE_ROWS = 5,
  WR_ENTRY_COPY_PASTE_ROWS_PACKS = 6,
  WR_ENTRY_COPY_FRAMED = 7,
  WR_ENTRY_JOIN_ELEMENTS = 0,
  WR_ENTRY_JOIN_PACKS = 1,
  WR_ENTRY_PUT_FEW = 0,
  WR_ENTRY_PUT = 1,
  WR_ENTRY_GET = 2,
  WR_ENTRY_ONLY = 0, /* arange, scale, update */
  WR_ENTRY_SCATTER = 0,
  WR_ENTRY_SCATTER_ROWS = 1,
  WR_ENTRY_SPLIT_SURVEY_ROWS = 0,
  WR_ENTRY_SPLIT_SURVEY_COLUMNS = 1,
  WR_ENTRY_SPLIT_PARTS = 2,
  WR_ENTRY_SPLIT_MEND = 3,
  WR_ENTRY_REDUCE_ROWS_DENSE = 0,
  WR_ENTRY_REDUCE_ROWS = 1,
  WR_ENTRY_REDUCE_SHORT_ROWS = 2,
  WR_ENTRY_REDUCE_COLUMNS = 3,
  WR_ENTRY_REDUCE_PACKED_COLUMNS = 4,
  WR_ENTRY_REDUCE_SHORT_ROWS_DENSE = 5,
  WR_ENTRY_REDUCE_ROWS_STREAMED = 6,
  WR_ENTRY_ARG_ROWS = 0,
  WR_ENTRY_ARG_COLUMNS = 1,
  WR_ENTRY_ARG_PACKED_ROWS = 2,
  WR_ENTRY_ARG_SHORT_ROWS = 3,
  WR_ENTRY_ARG_PACKED_COLUMNS = 4,
  WR_ENTRY_SOFTMAX = 0,
  WR_ENTRY_LOGSUMEXP = 1,
  WR_ENTRY_SOFTMAX_1 = 2,
  WR_ENTRY_SOFTMAX_4 = 3,
  WR_ENTRY_LOGSUMEXP_1 = 4,
  WR_ENTRY_LOGSUMEXP_4 = 5,
  WR_ENTRY_NORM_PACKS_1 = 0,
  WR_ENTRY_NORM_PACKS_4 = 1,
  WR_ENTRY_NORM_PACKS_LONG = 2,
  WR_ENTRY_NORM_ONES_8 = 3,
  WR_ENTRY_NORM_ONES_LONG = 4,
  WR_ENTRY_SCAN_LINES = 0,
  WR_ENTRY_SCAN_PACKED_LINES = 1,
  WR_ENTRY_SCAN_PACKED_TILES = 2,
  WR_ENTRY_SCAN_SHORT_LINES = 3,
  WR_ENTRY_SCAN_COLUMNS = 4,
  WR_ENTRY_SCAN_TALL_COLUMNS = 5,
  WR_ENTRY_LOG_SCAN_LINES = 0,
  WR_ENTRY_LOG_SCAN_PACKED_LINES = 1,
  WR_ENTRY_LOG_SCAN_SHORT_LINES = 2,
  WR_ENTRY_LOG_SCAN_COLUMNS = 3,
  WR_ENTRY_LOG_SCAN_TALL_COLUMNS = 4,
  WR_ENTRY_SORT_FEW = 0,
  WR_ENTRY_SORT_ROWS = 1,
  WR_ENTRY_SORT_COUNT = 2,
  WR_ENTRY_SORT_SWEEP = 3,
  WR_ENTRY_SORT_PARTS = 4,
  WR_ENTRY_SELECT_LEARN = 0,
  WR_ENTRY_SELECT_PART = 1,
  WR_ENTRY_TAKE = 0,
  WR_ENTRY_GATHER = 1,
  WR_ENTRY_TAKE_ALONG = 2,
  WR_ENTRY_TAKE_PACKS = 3,
  WR_ENTRY_TAKE_ROWS = 4,
  WR_ENTRY_HADAMARD_BY_8 = 0,
  WR_ENTRY_HADAMARD_BY_2 = 1,
  WR_ENTRY_HADAMARD_ACROSS = 2,
  WR_ENTRY_CONV_SUMS = 0,
  WR_ENTRY_CONV_SINGLE = 1,
  WR_ENTRY_CONV_TILES = 0,
  WR_ENTRY_CONV_JOIN = 1,
  WR_ENTRY_FFT_SCALE = 0,
  WR_ENTRY_FFT_REAL_ENDS = 1,
  WR_ENTRY_LINALG_KEEP = 0,
  WR_ENTRY_LINALG_SURVEY = 1,
  WR_ENTRY_LINALG_CLEAR = 2,
  WR_ENTRY_LINALG_MIRROR = 3,
  WR_ENTRY_LINALG_IDENTITY = 4,
  WR_ENTRY_LINALG_DIAGONAL = 0,
  WR_ENTRY_LINALG_ROWS = 1,
  WR_ENTRY_LINALG_FACTORS = 2,
  WR_ENTRY_LINALG_POINTERS = 3,
  WR_ENTRY_LINALG_JUDGE = 4,
  WR_ENTRY_LINALG_ZERO = 5,
  WR_ENTRY_RANDOM_BITS = 0,
  WR_ENTRY_RANDOM_PACKS = 1,
  WR_ENTRY_QUANTIZE = 0,
  WR_ENTRY_DEQUANTIZE = 1,
  WR_ENTRY_QUANTIZED_ONE = 0,
  WR_ENTRY_QUANTIZED_FEW = 1,
  WR_ENTRY_QUANTIZED_MANY = 2,
  WR_ENTRY_QUANTIZED_TILES = 0, /* and those behind it: quantized.c has them in a table */
  WR_ENTRY_ATTENTION = 0,
  WR_ENTRY_ATTENTION_JOIN = 1
};

/* Kernels of these sources are launched with shared memory, up to gpu->shared_most bytes. */
static inline bool wr_source_shares(enum wr_source source) {
  return source == WR_SOURCE_ATTENTION_TILES || source == WR_SOURCE_ATTENTION_FEW ||
         source == WR_SOURCE_ATTENTION_WIDE || source == WR_SOURCE_CONV_TILES ||
         source == WR_SOURCE_QUANTIZED_TILES || source == WR_SOURCE_QUANTIZED_WIDE;
}

/* What a module is compiled for. */
struct wr_module_id {
  uint8_t source;  /* enum wr_source */
  uint8_t op;      /* enum wr_op; its name is part of the source where that asks for it */
  uint8_t a, b;    /* enum wr_dtype */
  bool big;        /* indices of 64 bits and up to 32 axes; else 32 bits and 8 */
  uint8_t variant; /* of the source, where it has some: WR_VARIANT */
};

/* ---- modules.c: loaded modules of a GPU ---- */

struct wr_error *wr_module_table_new(struct wr_module_table **out);
void wr_module_table_free(struct wr_module_table *table); /* NULL is a no-op; nothing was loaded */
/* The kernel on this GPU, loaded and, where the cache has no machine code, compiled at first use;
   a thread that asks meanwhile for the same module waits for it. Between enter and leave. */
struct wr_error *wr_kernel_find(struct wr_gpu *gpu, struct wr_module_id id, int entry,
                                wr_cu_function *out);

/* The same for a user's kernel, and how many threads a block of it may have at most; such that it
   can be launched with so much dynamic memory. */
struct wr_error *wr_kernel_find_users(struct wr_gpu *gpu, const struct wr_kernel_text *text,
                                      unsigned shared_bytes, wr_cu_function *out,
                                      unsigned *most_threads);

/* ---- groups ---- */

/* How a group's kernel goes over its elements. All but the first are for groups that end in a
   reduction or a softmax: the kernel computes the elements of each row, and reduces them in the way
   of the operation's own kernel (kernels/reduce.cuh, softmax.cuh). */
enum wr_group_way {
  WR_GROUP_EACH, /* element by element: the entries "dense" and "strided", "packs", or "turned" */
  WR_GROUP_ROWS_BY_PACKS,
  WR_GROUP_ROWS_BY_TURNS,
  WR_GROUP_ROWS,
  WR_GROUP_SHORT_ROWS,
  WR_GROUP_SOFTMAX_1, /* packs in the registers of each thread */
  WR_GROUP_SOFTMAX_4
};

/* All that a group's kernel depends on: no extents, and of strides only what is said here. */
struct wr_group_form {
  const struct wr_group *group;
  enum wr_group_way way;
  bool packed;     /* inputs are read by packs along each row, or are the same all along it */
  bool big;        /* as in a wr_module_id */
  uint8_t values;  /* a bit for each input that is an argument by value */
  uint8_t scalars; /* packed: a bit for each input that is the same all along a row. It is part of
                      the form, since a kernel that had to test it would begin each load only after
                      the one before */
  uint8_t turned; /* not of rows: a bit for each input that is read by tiles (kernels/turned.cuh) */
};

enum { WR_TURNED_MOST = 2 }; /* such inputs, for which there is shared memory */
/* The side of the form's tiles. */
int wr_group_tile(const struct wr_group_form *form);

/* Whether a step draws random bits; and whether an input is the key of one. */
bool wr_group_draws(const struct wr_group *group);
bool wr_group_is_key(const struct wr_group *group, int input);
/* An operand that has the shape of its elementwise steps. */
static inline const struct wr_tensor *wr_group_like(const struct wr_group *group) {
  return wr_group_draws(group) ? &group->out : &group->in[0];
}

/* Its steps that are elementwise, draws too. */
static inline int wr_group_steps(const struct wr_group_form *form) {
  return form->group->n_steps - (form->way != WR_GROUP_EACH);
}

/* How many elements a thread of an elementwise kernel makes: 16 bytes of the result, but no more
   than `most` bytes of anything; `widest` is the size of what is largest among inputs and result.
   The kernels' own is pack_of (types.cuh). Of one input 32 bytes at most are best, of several 16:
   what a thread reads before it writes is enough then. */
static inline size_t wr_pack_count(size_t result, size_t widest, size_t most) {
  return 16 / result < most / widest ? 16 / result : most / widest;
}

/* What the form's source is compiled for. */
struct wr_module_id wr_group_module(const struct wr_group_form *form);
/* How many elements make a pack. */
size_t wr_group_pack(const struct wr_group_form *form);

struct wr_error *wr_group_table_new(struct wr_group_table **out);
void wr_group_table_free(struct wr_group_table *table); /* NULL is a no-op; nothing was loaded */
/* The kernels of the form on this GPU, by their entries; NULL when the group is to run step by
   step. Between enter and leave. */
const wr_cu_function *wr_group_kernels(struct wr_gpu *gpu, const struct wr_group_form *form);

#endif
