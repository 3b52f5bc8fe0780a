/* What weir_dump tells of arrays and batches: by peeks, see stream/dump.h. Nothing that is read is
   believed before it looks like what it should be. No locks. */

#include "stream/dump.h"

#include <stdio.h>
#include <string.h>

#include "core/shape.h"
#include "graph/internal.h"

enum { SHAPE = 96, MOST_INPUTS = 64, MOST_NODES = 1 << 16 };

/* ---- arrays ---- */

/* Also of a node whose handle was freed: then its word says that. */
static bool look_at(const struct wr_node *at, struct wr_node *copy) {
  if (!at || !wr_peek(copy, at, sizeof *copy)) return false;
  const uint32_t kind = wr_load_relaxed(&copy->own.kind.word) & ~WR_KIND_OWN_BITS;
  return (kind == WR_KIND_ARRAY || kind == WR_KIND_FREED) && wr_dtype_valid(copy->dtype) &&
         copy->op < WR_OP_COUNT && copy->ndim <= WR_MAX_NDIM;
}

/* "float32[4,3]". */
static void tell_type(const struct wr_node *copy, char text[SHAPE]) {
  int32_t shape[WR_MAX_NDIM];
  const char *dtype = wr_dtype_name((enum wr_dtype)copy->dtype);
  int n = snprintf(text, SHAPE, "%s[", dtype);
  if (copy->ndim && !wr_peek(shape, copy->shape, copy->ndim * sizeof *shape)) return;
  for (int i = 0; i < copy->ndim && n < SHAPE - 16; i++) {
    n += snprintf(text + n, (size_t)(SHAPE - n), "%s%d", i ? "," : "", (int)shape[i]);
  }
  snprintf(text + n, (size_t)(SHAPE - n), "]");
}

/* A callee and its name are the library's, or a test's, for good. */
static void tell_callee(const struct wr_node *copy, char *text, size_t n) {
  struct wr_call_params params;
  struct wr_callee callee;
  *text = '\0';
  if (!wr_peek(&params, copy->params, sizeof params)) return;
  if (wr_peek(&callee, params.callee, sizeof callee)) wr_peek_text(text, callee.name, n);
}

/* The operations of a group, joined: "multiply+add+exp". */
static void tell_group(const struct wr_edges *at, const struct wr_edges *copy, char *text,
                       size_t n) {
  struct wr_group_step steps[WR_GROUP_LONG];
  const size_t count = copy->n_steps <= WR_GROUP_LONG ? copy->n_steps : 0;
  size_t length = 0;
  *text = '\0';
  if (!wr_peek(steps, at->in + copy->n, count * sizeof *steps)) return;
  for (size_t i = 0; i < count && length + 24 < n && steps[i].op < WR_OP_COUNT; i++) {
    length += (size_t)snprintf(text + length, n - length, "%s%s", i ? "+" : "",
                               wr_op_info((enum wr_op)steps[i].op)->name);
  }
}

static void tell_op(const struct wr_node *copy, char *text, size_t n) {
  const struct wr_edges *at = wr_edges_of(copy);
  struct wr_edges edges = {0};
  (void)(at && wr_peek(&edges, at, sizeof edges));
  if (edges.n_steps) {
    tell_group(at, &edges, text, n);
  } else if (copy->op == WR_OP_CALL) {
    tell_callee(copy, text, n);
  } else {
    snprintf(text, n, "%s", wr_op_info((enum wr_op)copy->op)->name);
  }
}

/* The edges of a node that is claimed or submitted: how many were copied. */
static uint32_t look_at_inputs(const struct wr_node *copy, const struct wr_node *in[MOST_INPUTS]) {
  const struct wr_edges *at = wr_edges_of(copy);
  struct wr_edges edges;
  if (!at || !wr_peek(&edges, at, sizeof edges)) return 0;
  const uint32_t n = edges.n <= MOST_INPUTS ? edges.n : MOST_INPUTS;
  return n && wr_peek(in, at->in, n * sizeof *in) ? n : 0;
}

/* "matmul float32[4,2] of float32[4,3], float32[3,2]"; of a call, whose inputs are the callee's
   affair, the result alone. */
static void tell_array(const struct wr_node *at, char text[WR_DUMP_WORDS]) {
  enum { TOLD_INPUTS = 3 };
  struct wr_node copy, input;
  const struct wr_node *in[MOST_INPUTS];
  char op[96], type[SHAPE];
  if (!look_at(at, &copy)) {
    *text = '\0';
    return;
  }
  tell_op(&copy, op, sizeof op);
  tell_type(&copy, type);
  int n = snprintf(text, WR_DUMP_WORDS, "%s %s", op, type);
  const uint32_t count = copy.op == WR_OP_CALL ? 0 : look_at_inputs(&copy, in);
  for (uint32_t i = 0; i < count && i < TOLD_INPUTS && n < WR_DUMP_WORDS - SHAPE; i++) {
    if (!look_at(in[i], &input)) return;
    tell_type(&input, type);
    n += snprintf(text + n, (size_t)(WR_DUMP_WORDS - n), "%s%s", i ? ", " : " of ", type);
  }
  if (count > TOLD_INPUTS) snprintf(text + n, (size_t)(WR_DUMP_WORDS - n), ", ...");
}

static bool is_claimed(const struct wr_node *at, struct wr_node *copy) {
  return look_at(at, copy) && wr_completion_phase(&copy->completion) == WR_PHASE_CLAIMED;
}

/* Of a claimed array the input that is claimed and has no such input itself: its planner may be
   another one, whom the others wait for. */
static const struct wr_node *deepest_claimed(const struct wr_node *at) {
  const struct wr_node *in[MOST_INPUTS], *deeper = at;
  struct wr_node copy;
  for (int depth = 0; depth < MOST_NODES && deeper && is_claimed(deeper, &copy); depth++) {
    at = deeper;
    deeper = NULL;
    const uint32_t n = look_at_inputs(&copy, in);
    for (uint32_t i = 0; i < n && !deeper; i++) {
      if (is_claimed(in[i], &copy)) deeper = in[i];
    }
    if (!deeper) return at;
  }
  return at;
}

static void tell_completion(const void *work, struct wr_dump_work *told) {
  if (!work) return; /* it waits for no array */
  const struct wr_node *at =
      WR_CONTAINER_OF((const struct wr_completion *)work, struct wr_node, completion);
  struct wr_node copy;
  tell_array(at, told->what);
  if (!is_claimed(at, &copy)) return;
  told->wait = WR_DUMP_WAITS_CLAIM;
  tell_array(deepest_claimed(at), told->for_what);
}

/* ---- what the next command waits for ---- */

static bool stays(const struct wr_node *copy) {
  struct wr_call_params params;
  struct wr_callee callee;
  return copy->op == WR_OP_CALL && wr_peek(&params, copy->params, sizeof params) &&
         wr_peek(&callee, params.callee, sizeof callee) && callee.begin;
}

/* As blocking_input in run.c, of which this is a copy that changes nothing. */
static bool tell_input(const struct wr_node *at, uint64_t stream_id, bool all,
                       struct wr_dump_work *told) {
  struct wr_node in;
  if (!look_at(at, &in)) return false;
  const enum wr_phase phase = wr_completion_phase(&in.completion);
  if (phase == WR_PHASE_CLAIMED) {
    told->wait = WR_DUMP_WAITS_CLAIM;
  } else if (phase != WR_PHASE_SUBMITTED) {
    return false;
  } else if (stays(&in)) {
    told->wait = WR_DUMP_WAITS_OTHERS;
  } else if (all || in.stream_id != stream_id) {
    told->wait = WR_DUMP_WAITS_STREAM;
    told->by = in.stream_id;
  } else {
    return false;
  }
  tell_array(at, told->for_what);
  return true;
}

static void tell_inputs(const struct wr_node *node, struct wr_dump_work *told) {
  struct wr_node copy;
  const struct wr_node *in[MOST_INPUTS];
  if (!look_at(node, &copy)) return;
  const uint32_t n = look_at_inputs(&copy, in);
  for (uint32_t i = 0; i < n; i++) {
    if (tell_input(in[i], copy.stream_id, stays(&copy), told)) return;
  }
}

/* ---- batches ---- */

static const struct wr_node *node_at(const struct wr_batch *at, uint32_t i) {
  const struct wr_node *node;
  return wr_peek((void *)&node, at->nodes + i, sizeof node) ? node : NULL;
}

/* The command that runs, or comes next; nodes that were taken back are NULL. */
static const struct wr_node *next_of(const struct wr_batch *at, const struct wr_batch *copy) {
  if (copy->begun) return copy->begun;
  const struct wr_node *node = NULL;
  for (uint32_t i = copy->next; i < copy->count && !node; i++) node = node_at(at, i);
  return node;
}

static void tell_wait(const struct wr_batch *at, const struct wr_batch *copy,
                      const struct wr_node *next, struct wr_dump_work *told) {
  if (copy->room && copy->has_seat) {
    told->wait = WR_DUMP_WAITS_SEAT;
  } else if (copy->room) {
    told->wait = copy->lacking == WR_LACKING_NOTHING ? WR_DUMP_WAITS_ROOM : WR_DUMP_WAITS_MEMORY;
  } else if (next) {
    tell_inputs(next, told);
  } else if (copy->staying) {
    told->wait = WR_DUMP_WAITS_OTHERS;
    tell_array(node_at(at, copy->staying - 1), told->for_what);
  }
}

static void tell_batch(const struct wr_batch *at, struct wr_dump_work *told) {
  struct wr_batch copy;
  if (!wr_peek(&copy, at, sizeof copy) || copy.count > MOST_NODES || copy.next > copy.count) return;
  const struct wr_node *next = next_of(at, &copy);
  if (next) tell_array(next, told->what);
  told->left = copy.count - copy.next + (copy.begun ? 1 : 0);
  told->all = copy.count;
  told->request = copy.work.request;
  told->task = &at->task;
  told->stream = copy.stream;
  tell_wait(at, &copy, next, told);
}

static void tell_task(const void *work, struct wr_dump_work *told) {
  tell_batch(WR_CONTAINER_OF((const struct wr_task *)work, struct wr_batch, task), told);
}

static void tell_work(const void *work, struct wr_dump_work *told) {
  tell_batch(WR_CONTAINER_OF((const struct wr_request_work *)work, struct wr_batch, work), told);
}

static void tell_hook(const void *work, struct wr_dump_work *told) {
  tell_array(wr_pending_peek(work), told->what);
}

static struct wr_dump_kind completion_kind = {.tell = tell_completion};
static struct wr_dump_kind task_kind = {.key = (void (*)(void))wr_batch_run, .tell = tell_task};
static struct wr_dump_kind work_kind = {.tell = tell_work};
static struct wr_dump_kind hook_kind = {.tell = tell_hook};

void wr_graph_let_know(void) {
  work_kind.key = (void (*)(void))wr_batch_work.take_back;
  hook_kind.key = wr_pending_key();
  wr_dump_know(&completion_kind);
  wr_dump_know(&task_kind);
  wr_dump_know(&work_kind);
  wr_dump_know(&hook_kind);
}
