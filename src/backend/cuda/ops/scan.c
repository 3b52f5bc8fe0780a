/* Scans along one axis, from either end, with or without the element itself. Where many lines lie
   side by side each has a thread. Else each has a block, and if there are too few lines to fill the
   GPU they are cut in segments with a block each. */

#include "backend/cuda/ops/internal.h"

enum { THREADS = 256, CHUNK = 2048, SEGMENT_LEAST = 4 * CHUNK, SEGMENTS_MOST = 1024 };

/* The kernels' struct lines_of. */
struct lines_of {
  int64_t lines;
  int64_t n;
  int64_t stride;
  int64_t inner;
  int64_t reverse, inclusive;
  int64_t segment;
};

struct scan {
  struct wr_line_axis axis;
  struct lines_of lines;
  struct wr_module_id id;
  const struct wr_call *call;
  int64_t segments;
};

static int64_t blocks_for(const struct wr_run *run) {
  return (int64_t)run->gpu->multiprocessors * 8;
}

static void choose_segments(struct scan *s, const struct wr_run *run) {
  int64_t wanted = blocks_for(run) / s->lines.lines;
  if (wanted > s->lines.n / SEGMENT_LEAST) wanted = s->lines.n / SEGMENT_LEAST;
  if (wanted > SEGMENTS_MOST) wanted = SEGMENTS_MOST;
  if (wanted < 1) wanted = 1;
  s->lines.segment = ((s->lines.n + wanted - 1) / wanted + CHUNK - 1) / CHUNK * CHUNK;
  s->segments = (s->lines.n + s->lines.segment - 1) / s->lines.segment;
}

static struct wr_error *columns(struct scan *s, struct wr_run *run) {
  struct wr_launch l;
  wr_launch_start(&l, s->id, WR_ENTRY_SCAN_COLUMNS);
  wr_launch_pointer(&l, s->call->out.data);
  wr_launch_pointer(&l, s->call->in[0].data);
  wr_launch_struct(&l, &s->lines, sizeof s->lines);
  wr_launch_layout(&l, &s->axis.other);
  wr_launch_threads(&l, run, s->lines.lines, 64);
  return wr_launch(&l, run);
}

static struct wr_error *totals(struct scan *s, struct wr_run *run, void *sums) {
  struct wr_launch l;
  wr_launch_start(&l, s->id, WR_ENTRY_SCAN_TOTALS);
  wr_launch_pointer(&l, sums);
  wr_launch_pointer(&l, s->call->in[0].data);
  wr_launch_struct(&l, &s->lines, sizeof s->lines);
  wr_launch_layout(&l, &s->axis.other);
  wr_launch_blocks(&l, s->lines.lines, s->segments, THREADS);
  struct wr_error *error = wr_launch(&l, run);
  if (error) return error;
  wr_launch_start(&l, s->id, WR_ENTRY_SCAN_CARRIES);
  wr_launch_pointer(&l, sums);
  wr_launch_i64(&l, s->lines.lines);
  wr_launch_i64(&l, s->segments);
  wr_launch_threads(&l, run, s->lines.lines, 32);
  return wr_launch(&l, run);
}

static struct wr_error *by_blocks(struct scan *s, struct wr_run *run) {
  struct wr_launch l;
  void *sums = NULL;
  struct wr_error *error = NULL;
  choose_segments(s, run);
  if (s->segments > 1) {
    const size_t sum = s->id.a == WR_COMPLEX64 ? 16 : 8;
    error = wr_run_scratch(run, (size_t)(s->segments * s->lines.lines) * sum, &sums);
    if (!error) error = totals(s, run, sums);
    if (error) return error;
  }
  wr_launch_start(&l, s->id, WR_ENTRY_SCAN_LINES);
  wr_launch_pointer(&l, s->call->out.data);
  wr_launch_pointer(&l, s->call->in[0].data);
  wr_launch_pointer(&l, sums);
  wr_launch_struct(&l, &s->lines, sizeof s->lines);
  wr_launch_layout(&l, &s->axis.other);
  wr_launch_blocks(&l, s->lines.lines, s->segments, THREADS);
  return wr_launch(&l, run);
}

/* True for the logarithms of sums of complex numbers: there are many, a whole turn apart, and which
   of them comes out depends on the order in which elements are joined. So they are joined one by
   one, in the order of the line. */
static bool in_order(enum wr_op by, enum wr_dtype t) {
  return by == WR_OP_LOGADDEXP && t == WR_COMPLEX64;
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
                              .inclusive = params->inclusive,
                              .segment = s.axis.n};
  s.id = (struct wr_module_id){WR_SOURCE_SCAN,
                               (uint8_t)params->by,
                               (uint8_t)in->dtype,
                               (uint8_t)in->dtype,
                               wr_layout_is_big(&s.axis.other),
                               0};
  bool side_by_side = s.axis.inner >= 32 && s.lines.lines >= blocks_for(run) * 4;
  bool tiny = s.axis.n <= 32 && s.lines.lines >= 1024;
  return side_by_side || tiny || in_order(params->by, in->dtype) ? columns(&s, run)
                                                                 : by_blocks(&s, run);
}
