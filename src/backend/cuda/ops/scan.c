/* Scans along one axis, from either end, with or without the element itself. Where many lines lie
   side by side each has a thread, or 32 of them a block, and where they are short a warp. Else a
   line is cut into tiles, with a block for each, which tell each other what they come to
   (kernels/scan.cuh). Logarithms of sums of floats of 16 and 32 bits have kernels of their own
   (log_scan.cu), the rest scan.cu. */

#include "backend/cuda/ops/internal.h"

/* What the kernels have of each. */
enum { THREADS = 256, GROUP = 32, SPAN = THREADS - 32 };
enum { FEW_PACKS = 4, MANY_PACKS = 8, PACK = 16 /* bytes */ };
enum { LOG_EACH = 16 }; /* elements of a thread of log_scan.cu */
enum { TALL_THREADS = 1024, LOG_TALL_THREADS = 512, TALL_LINES = 32 };

/* The kernels' structs. */
struct lines_of {
  int64_t lines;
  int64_t n;
  int64_t stride;
  int64_t inner;
  int64_t reverse, inclusive;
  int64_t tiles;
};

struct told {
  void *drawn;
  void *totals, *groups, *upto;
};

struct scan {
  struct wr_line_axis axis;
  struct lines_of lines;
  struct told told;
  struct wr_module_id id;
  const struct wr_call *call;
  bool logs; /* by log_scan.cu */
};

/* Elements of a thread. */
static int64_t each(const struct scan *s) {
  if (s->logs) return LOG_EACH;
  return wr_dtype_size((enum wr_dtype)s->id.a) == 8 ? 8 : 16;
}

static void start(struct wr_launch *l, struct scan *s, int entry) {
  wr_launch_start(l, s->id, entry);
  wr_launch_pointer(l, s->call->out.data);
  wr_launch_pointer(l, s->call->in[0].data);
}

static struct wr_error *columns(struct scan *s, struct wr_run *run) {
  struct wr_launch l;
  start(&l, s, s->logs ? WR_ENTRY_LOG_SCAN_COLUMNS : WR_ENTRY_SCAN_COLUMNS);
  wr_launch_struct(&l, &s->lines, sizeof s->lines);
  wr_launch_layout(&l, &s->axis.other);
  wr_launch_threads(&l, run, s->lines.lines, 64);
  return wr_launch(&l, run);
}

static int64_t tall_blocks(const struct lines_of *l) {
  return l->lines / l->inner * ((l->inner + TALL_LINES - 1) / TALL_LINES);
}

static struct wr_error *tall_columns(struct scan *s, struct wr_run *run) {
  struct wr_launch l;
  start(&l, s, s->logs ? WR_ENTRY_LOG_SCAN_TALL_COLUMNS : WR_ENTRY_SCAN_TALL_COLUMNS);
  wr_launch_struct(&l, &s->lines, sizeof s->lines);
  wr_launch_layout(&l, &s->axis.other);
  wr_launch_blocks(&l, tall_blocks(&s->lines), 1, s->logs ? LOG_TALL_THREADS : TALL_THREADS);
  return wr_launch(&l, run);
}

/* Lines side by side that are too few for a thread each to be what the GPU has room for, but enough
   for half of its multiprocessors. */
static bool is_tall(const struct scan *s, int64_t multiprocessors) {
  const struct lines_of *l = &s->lines;
  return l->inner >= TALL_LINES && l->n >= 128 && l->lines < multiprocessors * 1024 &&
         2 * tall_blocks(l) >= multiprocessors;
}

static struct wr_error *by_warps(struct scan *s, struct wr_run *run) {
  struct wr_launch l;
  start(&l, s, s->logs ? WR_ENTRY_LOG_SCAN_SHORT_LINES : WR_ENTRY_SCAN_SHORT_LINES);
  wr_launch_struct(&l, &s->lines, sizeof s->lines);
  wr_launch_layout(&l, &s->axis.other);
  wr_launch_threads(&l, run, s->lines.lines * 32, THREADS);
  return wr_launch(&l, run);
}

/* True when elements are read and written by packs of 16 bytes. A line that is begun at its end has
   to end on one. */
static bool is_packed(const struct scan *s) {
  const size_t item = wr_dtype_size((enum wr_dtype)s->id.a);
  const void *in = s->call->in[0].data;
  const bool dense = s->lines.stride == 1 && s->lines.inner == 1;
  const bool whole = s->lines.n * (int64_t)item % 16 == 0;
  return dense && wr_layout_is_aligned(&s->axis.other, 0, in, item, 16) &&
         wr_aligned(s->call->out.data, 16) && (whole || (s->lines.lines == 1 && !s->lines.reverse));
}

/* The counter comes first; all is zeroed. */
static struct wr_error *place_told(struct scan *s, struct wr_run *run) {
  enum { FIRST = 16 };
  const size_t each_told = s->logs || s->id.a == WR_COMPLEX64 ? 32 : 16; /* twice a total */
  const size_t lines = (size_t)s->lines.lines, tiles = (size_t)s->lines.tiles * lines;
  const size_t of_line = ((size_t)s->lines.tiles + GROUP - 1) / GROUP, groups = of_line * lines;
  const size_t spans = (of_line + SPAN - 1) / SPAN * lines;
  const size_t bytes = FIRST + (tiles + groups + spans) * each_told;
  void *all;
  struct wr_error *error = wr_run_scratch(run, bytes, &all);
  if (error) return error;
  char *totals = (char *)all + FIRST;
  s->told = (struct told){.drawn = all,
                          .totals = totals,
                          .groups = totals + tiles * each_told,
                          .upto = totals + (tiles + groups) * each_told};
  return wr_run_zero(run, all, bytes);
}

/* The kernel for lines of blocks, and the elements of a thread there. */
struct way {
  int entry;
  int64_t of_thread;
};

static struct way way_of(const struct scan *s) {
  const bool packed = is_packed(s);
  const int64_t of_pack = PACK / (int64_t)wr_dtype_size((enum wr_dtype)s->id.a);
  if (s->logs) {
    return (struct way){packed ? WR_ENTRY_LOG_SCAN_PACKED_LINES : WR_ENTRY_LOG_SCAN_LINES, each(s)};
  }
  if (!packed) return (struct way){WR_ENTRY_SCAN_LINES, each(s)};
  if (s->lines.n > THREADS * FEW_PACKS * of_pack) {
    return (struct way){WR_ENTRY_SCAN_PACKED_TILES, MANY_PACKS * of_pack};
  }
  return (struct way){WR_ENTRY_SCAN_PACKED_LINES, FEW_PACKS * of_pack};
}

static struct wr_error *by_blocks(struct scan *s, struct wr_run *run) {
  struct wr_launch l;
  const struct way way = way_of(s);
  const int64_t tile = THREADS * way.of_thread;
  s->lines.tiles = (s->lines.n + tile - 1) / tile;
  struct wr_error *error = s->lines.tiles > 1 ? place_told(s, run) : NULL;
  if (error) return error;
  start(&l, s, way.entry);
  wr_launch_struct(&l, &s->told, sizeof s->told);
  wr_launch_struct(&l, &s->lines, sizeof s->lines);
  wr_launch_layout(&l, &s->axis.other);
  wr_launch_blocks(&l, s->lines.lines * s->lines.tiles, 1, THREADS);
  return wr_launch(&l, run);
}

/* True for the logarithms of sums of complex numbers: there are many, a whole turn apart, and which
   of them comes out depends on the order in which elements are joined. So they are joined one by
   one, in the order of the line. */
static bool in_order(enum wr_op by, enum wr_dtype t) {
  return by == WR_OP_LOGADDEXP && t == WR_COMPLEX64;
}

bool wr_gpu_scans_logs(enum wr_op by, enum wr_dtype t) {
  return by == WR_OP_LOGADDEXP && (t == WR_FLOAT32 || t == WR_FLOAT16 || t == WR_BFLOAT16);
}

struct wr_error *wr_gpu_scan(struct wr_run *run, const struct wr_call *call) {
  const struct wr_tensor *in = &call->in[0];
  const struct wr_scan_params *params = call->params;
  struct scan s = {.call = call};
  if (in->size == 0) return NULL;
  wr_line_axis_of(&s.axis, in, params->axis);
  s.lines = (struct lines_of){.lines = s.axis.other.size,
                              .n = s.axis.n,
                              .stride = s.axis.stride,
                              .inner = s.axis.inner,
                              .reverse = params->reverse,
                              .inclusive = params->inclusive};
  s.logs = wr_gpu_scans_logs(params->by, in->dtype);
  s.id = (struct wr_module_id){s.logs ? WR_SOURCE_LOG_SCAN : WR_SOURCE_SCAN,
                               (uint8_t)params->by,
                               (uint8_t)in->dtype,
                               (uint8_t)in->dtype,
                               wr_layout_is_big(&s.axis.other),
                               0};
  const int64_t processors = run->gpu->multiprocessors;
  const bool side_by_side = s.axis.inner >= 32 && s.lines.lines >= 32 * processors;
  const bool tiny = s.axis.n <= 32 && s.lines.lines >= 1024;
  if (in_order(params->by, in->dtype)) return columns(&s, run);
  if (is_tall(&s, processors)) return tall_columns(&s, run);
  if (side_by_side || tiny) return columns(&s, run);
  return s.axis.n <= 32 * each(&s) ? by_warps(&s, run) : by_blocks(&s, run);
}
