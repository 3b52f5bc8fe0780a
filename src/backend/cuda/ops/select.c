/* Partitions of lines that are longer than a block holds. The kth key of each is found by its
   digits: a launch for each, which counts them and, once the elements that begin as the key does
   are few, copies those to scratch memory, where the launches after it read. One more launch moves
   all elements. Nothing comes to the host in between. */

#include "backend/cuda/ops/internal.h"

/* What the kernels have of each. */
enum {
  THREADS = 512,
  DIGIT = 11,  /* bits at most */
  KEPT_OF = 8, /* elements are copied once they are one of so many, or fewer */
  KINDS = 2    /* of which tiles tell how many there are */
};

/* The kernels' structs. */
struct known {
  uint64_t bits;
  int64_t rank, count;
  int64_t shift;
  int64_t kept;
};

struct memory {
  void *state;
  void *counts;
  uint32_t *done;
  void *ends;
  void *kept;
  int64_t room;
};

struct selection {
  const struct wr_call *call;
  struct wr_module_id id;
  struct wr_line_axis axis;
  struct wr_lines_of lines;
  int64_t kth;
  int64_t tiles; /* of a line */
  int passes;
  struct memory memory;
  char *told, *drawn; /* zeroed, as the memory but for what is kept */
};

static size_t bins(const struct selection *s) {
  const size_t bits = 8 * wr_dtype_size(s->call->in[0].dtype), passes = (size_t)s->passes;
  return (size_t)1 << (bits + passes - 1) / passes;
}

static struct wr_error *state(struct selection *s, struct wr_run *run) {
  const size_t word = s->id.big ? sizeof(uint64_t) : sizeof(uint32_t);
  const size_t lines = (size_t)s->lines.lines, digits = lines * (size_t)s->passes;
  const size_t known = lines * sizeof(struct known), counts = digits * bins(s) * word;
  const size_t told = lines * (size_t)s->tiles * KINDS * word, ends = lines * word;
  const size_t done = digits * sizeof(uint32_t);
  const size_t bytes = known + counts + told + ends + done + sizeof(uint32_t);
  void *all;
  struct wr_error *error = wr_run_scratch(run, bytes, &all);
  if (error) return error;
  s->memory.state = all;
  s->memory.counts = (char *)all + known;
  s->told = (char *)s->memory.counts + counts;
  s->memory.ends = s->told + told;
  s->memory.done = (uint32_t *)(void *)((char *)s->memory.ends + ends);
  s->drawn = (char *)s->memory.done + done;
  return wr_run_zero(run, all, bytes);
}

/* The first digit is counted where elements lie, and what the last one is counted of is not read
   again. */
static struct wr_error *room(struct selection *s, struct wr_run *run) {
  const struct wr_tensor *in = &s->call->in[0];
  if (s->passes < 3) return NULL;
  s->memory.room = s->lines.n / KEPT_OF;
  const size_t elements = (size_t)(s->lines.lines * s->memory.room);
  return wr_run_scratch(run, elements * wr_dtype_size(in->dtype), &s->memory.kept);
}

static struct wr_error *learn(struct selection *s, struct wr_run *run, int pass) {
  struct wr_launch l;
  /* As many as run at once: one more would begin when they are done, and take as long as they. */
  const int64_t some = (int64_t)run->gpu->multiprocessors * 3 / s->lines.lines;
  const int64_t most = some > 0 ? some : 1;
  wr_launch_start(&l, s->id, WR_ENTRY_SELECT_LEARN);
  wr_launch_struct(&l, &s->memory, sizeof s->memory);
  wr_launch_pointer(&l, s->call->in[0].data);
  wr_launch_struct(&l, &s->lines, sizeof s->lines);
  wr_launch_layout(&l, &s->axis.other);
  wr_launch_i64(&l, s->kth);
  wr_launch_i64(&l, pass);
  wr_launch_blocks(&l, s->tiles < most ? s->tiles : most, s->lines.lines, THREADS);
  return wr_launch(&l, run);
}

static struct wr_error *part(struct selection *s, struct wr_run *run) {
  struct wr_launch l;
  wr_launch_start(&l, s->id, WR_ENTRY_SELECT_PART);
  wr_launch_pointer(&l, s->call->out.data);
  wr_launch_pointer(&l, s->call->in[0].data);
  wr_launch_struct(&l, &s->lines, sizeof s->lines);
  wr_launch_layout(&l, &s->axis.other);
  wr_launch_pointer(&l, s->memory.state);
  wr_launch_pointer(&l, s->told);
  wr_launch_pointer(&l, s->drawn);
  wr_launch_i64(&l, s->tiles);
  wr_launch_i64(&l, s->kth);
  wr_launch_blocks(&l, s->lines.lines * s->tiles, 1, THREADS);
  return wr_launch(&l, run);
}

struct wr_error *wr_gpu_part_lines(struct wr_run *run, const struct wr_call *call,
                                   const struct wr_line_axis *axis, const struct wr_lines_of *lines,
                                   bool big) {
  const struct wr_partition_params *params = call->params;
  const enum wr_dtype t = call->in[0].dtype;
  const int bits = 8 * (int)wr_dtype_size(t);
  const int64_t tile = THREADS * (bits == 64 ? 8 : 16);
  struct selection s = {.call = call,
                        .id = {WR_SOURCE_SELECT, WR_OP_PARTITION, (uint8_t)t, (uint8_t)t, big, 0},
                        .axis = *axis,
                        .lines = *lines,
                        .kth = params->kth,
                        .tiles = (lines->n + tile - 1) / tile,
                        .passes = (bits + DIGIT - 1) / DIGIT};
  struct wr_error *error = room(&s, run);
  if (!error) error = state(&s, run);
  for (int pass = 0; pass < s.passes && !error; pass++) error = learn(&s, run, pass);
  return error ? error : part(&s, run);
}
