/* Lazy arrays that are read when they are needed. What a file's cache holds is read where the
   stream is drained, in pieces spread over the pool; for the rest the command stays pending, and
   threads that may block read it piece by piece, a reader of the user's in one call. A failure is
   the array's. No locks. */

#include "io/load.h"

#include <string.h>

#include "backend/backend.h"
#include "base/base.h"
#include "io/decode.h"
#include "ops/ops.h"
#include "stream/stream.h"

struct load_params {
  struct wr_call_params call;
  uint64_t offset;
  uint32_t form; /* enum wr_load_form */
};

enum { RUNNERS = 4, SCRATCH_BYTES = 16384 };

struct job;

struct runner {
  struct wr_blocking work;
  struct job *job;
};

/* One array while it is read. */
struct job {
  wr_atomic_u32 refs;       /* atomic ACQ_REL: runners, and whoever starts them */
  wr_atomic_u64 next;       /* atomic RELAXED: the piece that is taken next */
  wr_atomic_ptr error;      /* atomic ACQ_REL: the first failure, a reference */
  struct wr_reader *reader; /* immutable after publish, like all below; the input's */
  const struct wr_decoder *decoder;
  enum wr_load_form form;
  enum wr_dtype dtype;
  char *out;
  uint64_t offset;
  size_t in_unit, out_unit; /* bytes of a block, or 1 */
  size_t units;
  size_t piece; /* units of a piece */
  size_t pieces;
  struct wr_completion_hook *hook;
  struct runner runners[RUNNERS];
  bool done[]; /* pieces that need not be read any more; whoever has taken the piece */
};

/* ---- one piece ---- */

/* Where the bytes come from: both give whether all came. */
typedef bool (*get)(struct job *job, void *to, size_t n, uint64_t offset);

static bool get_waiting(struct job *job, void *to, size_t n, uint64_t offset) {
  struct wr_error *error = job->reader->kind->read_at(job->reader, to, n, offset);
  wr_error_keep_first(&job->error, error);
  return !error;
}

static bool get_now(struct job *job, void *to, size_t n, uint64_t offset) {
  return job->reader->kind->read_now(job->reader, to, n, offset) == n;
}

static bool read_stored(struct job *job, size_t first, size_t units, get from) {
  char *to = job->out + first;
  if (!from(job, to, units, job->offset + first)) return false;
  wr_decode_in_place(to, units, job->dtype, job->form);
  return true;
}

static bool read_blocks(struct job *job, size_t first, size_t units, get from) {
  unsigned char scratch[SCRATCH_BYTES];
  const size_t most = sizeof scratch / job->in_unit;
  while (units > 0) {
    size_t n = units < most ? units : most;
    if (!from(job, scratch, n * job->in_unit, job->offset + first * job->in_unit)) return false;
    job->decoder->run(job->out + first * job->out_unit, scratch, n);
    first += n;
    units -= n;
  }
  return true;
}

static bool read_piece(struct job *job, size_t i, get from) {
  size_t first = i * job->piece;
  size_t units = job->units - first < job->piece ? job->units - first : job->piece;
  return (job->decoder->in ? read_blocks : read_stored)(job, first, units, from);
}

static void pieces_now(void *ctx, int64_t begin, int64_t end) {
  struct job *job = ctx;
  for (int64_t i = begin; i < end; i++) job->done[i] = read_piece(job, (size_t)i, get_now);
}

/* How many pieces are left. */
static size_t read_cached(struct job *job) {
  size_t left = 0;
  if (job->reader->kind->read_now) {
    wr_parallel_for((int64_t)job->pieces, 1, pieces_now, job);
  }
  for (size_t i = 0; i < job->pieces; i++) left += job->done[i] ? 0 : 1;
  return left;
}

/* ---- the rest ---- */

/* Takes a reference; the last one ends the job, and with it the command. */
static void job_release(struct job *job) {
  if (!wr_ref_drop(&job->refs)) return;
  struct wr_completion_hook *hook = job->hook;
  struct wr_error *error = wr_load_relaxed(&job->error); /* relaxed: the last reference is ours */
  wr_free(job);
  hook->fn(hook, error);
}

static void run(void *work) {
  struct runner *runner = WR_CONTAINER_OF((struct wr_blocking *)work, struct runner, work);
  struct job *job = runner->job;
  size_t i;
  /* Acquire: of the error nothing is read here, but what failed needs no more pieces. */
  while (!wr_load_acquire(&job->error) && (i = wr_fetch_add_relaxed(&job->next, 1)) < job->pieces) {
    if (!job->done[i]) (void)read_piece(job, i, get_waiting);
  }
  job_release(job);
}

/* PENDING once one thread has it; more of them only make it faster. */
static enum wr_encode_status read_later(struct job *job, size_t left, struct wr_error **error) {
  size_t started = 0, wanted = left < RUNNERS ? left : RUNNERS;
  for (; started < wanted; started++) {
    struct runner *runner = &job->runners[started];
    *runner = (struct runner){.work = {.run = run}, .job = job};
    wr_ref_take(&job->refs);
    *error = wr_blocking_submit(&runner->work);
    if (!*error) continue;
    (void)wr_ref_drop(&job->refs); /* ours is left */
    break;
  }
  if (started == 0) {
    wr_free(job);
    return WR_ENCODE_DONE;
  }
  wr_error_release(*error);
  *error = NULL;
  job_release(job);
  return WR_ENCODE_PENDING;
}

/* ---- the command ---- */

static struct job *job_new(const struct wr_call *call) {
  const struct load_params *params = call->params;
  struct wr_reader *reader = call->in[0].data;
  const struct wr_decoder *decoder = wr_decoder_of((enum wr_load_form)params->form);
  const size_t bytes = (size_t)call->out.size * wr_dtype_size(call->out.dtype);
  const size_t in_unit = decoder->in ? decoder->in : 1, out_unit = decoder->in ? decoder->out : 1;
  const size_t units = bytes / out_unit, whole = reader->kind->piece;
  const size_t piece = whole ? (whole + in_unit - 1) / in_unit : units;
  const size_t pieces = (units + piece - 1) / piece;
  struct job *job = wr_calloc(sizeof *job + pieces * sizeof job->done[0]);
  if (!job) return NULL;
  wr_store_relaxed(&job->refs, 1u); /* relaxed: not yet shared */
  job->reader = reader;
  job->decoder = decoder;
  job->form = (enum wr_load_form)params->form;
  job->dtype = call->out.dtype;
  job->out = call->out.data;
  job->offset = params->offset;
  job->in_unit = in_unit;
  job->out_unit = out_unit;
  job->units = units;
  job->piece = piece;
  job->pieces = pieces;
  return job;
}

static enum wr_encode_status begin(const struct wr_call *call, struct wr_completion_hook *hook,
                                   struct wr_error **error) {
  if (call->out.size == 0) return WR_ENCODE_DONE;
  struct job *job = job_new(call);
  if (!job) {
    *error = wr_error_out_of_memory();
    return WR_ENCODE_DONE;
  }
  job->hook = hook;
  size_t left = read_cached(job);
  if (left > 0) return read_later(job, left, error);
  wr_free(job);
  return WR_ENCODE_DONE;
}

static const struct wr_callee load = {
    .name = "load", .params_bytes = sizeof(struct load_params), .begin = begin};

/* ---- recording ---- */

static void let_go(void *reader) { wr_reader_release(reader); }

struct wr_error *wr_load_source(struct wr_node **out, struct wr_reader *reader) {
  const int32_t shape[1] = {sizeof *reader};
  struct wr_error *error =
      wr_node_from_managed(out, reader, 1, shape, WR_UINT8, wr_reader_retain(reader), let_go);
  if (error) wr_reader_release(reader);
  return error;
}

static struct wr_error *on_cpu(struct wr_stream **stream) {
  struct wr_device cpu = {.type = WR_DEVICE_CPU, .index = 0};
  if (wr_stream_device(*stream).type == WR_DEVICE_CPU) return NULL;
  return wr_stream_default(cpu, stream);
}

struct wr_error *wr_load_array(struct wr_node **out, struct wr_node *source,
                               const struct wr_stored *stored, struct wr_stream *stream) {
  const struct load_params params = {
      .call = {.callee = &load}, .offset = stored->offset, .form = (uint32_t)stored->form};
  struct wr_error *error = on_cpu(&stream);
  if (error) return error;
  const struct wr_record record = {.op = WR_OP_CALL,
                                   .dtype = stored->dtype,
                                   .ndim = stored->ndim,
                                   .shape = stored->shape,
                                   .n_in = 1,
                                   .in = &source,
                                   .params = &params,
                                   .params_bytes = sizeof params,
                                   .stream = stream};
  struct wr_node *node = NULL;
  error = wr_node_record(&node, &record);
  if (error || !stored->fortran) {
    *out = node;
    return error;
  }
  error = wr_ops_transpose_all(out, node, stream);
  wr_node_release(node);
  return error;
}

void wr_load_end(struct wr_map *nodes) {
  for (size_t i = 0; i < nodes->count; i++) wr_node_release(nodes->entries[i].value);
  wr_map_end(nodes);
}

struct wr_error *wr_load_arrays(struct wr_map *arrays, struct wr_reader *reader,
                                struct wr_stream *stream) {
  struct wr_node *source = NULL;
  struct wr_error *error = wr_load_source(&source, reader);
  for (size_t i = 0; i < arrays->count; i++) {
    struct wr_stored *stored = arrays->entries[i].value;
    struct wr_node *node = NULL;
    if (!error) error = wr_load_array(&node, source, stored, stream);
    arrays->entries[i].value = node;
    wr_free(stored);
  }
  wr_node_release(source);
  if (error) wr_load_end(arrays);
  return error;
}
