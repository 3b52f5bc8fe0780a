/* Taking back (R2): work of a request that has ended, and that has not begun, is undone. Its nodes
   are lazy again, with their edges whole and nothing allocated; whoever forces them next plans them
   anew, and never learns of it.

   Whose nodes. Each batch of a request stands in that request's list until all of its nodes have
   begun or were taken back; the order of the list is that of submission, inputs first. A node from
   `next` on has not begun, and its edges are read under the request's LOCK: by its drainer, which
   looks whether the next one can begin and begins it in one section, and by who takes back.
   Once the request has ended that goes from batch to batch, in sections of its own; no drainer
   begins a node of the request meanwhile, also in other batches (request.h).
   Nodes that are claimed and stand in no queue yet are their planner's, who finds the request ended
   while it plans, or when it comes to submit them (wr_withdraw).

   What stays. Others may need a node of the request: another request, or nobody's. Their planners
   have said so at its state word before they relied on it (share, in completion.h). Such a node
   runs in its place, so that nobody's order changes, and all that it needs stays with it: ending
   goes from the last node to the first, and shares the inputs of each that stays before it comes to
   them. So, of what stands in queues, no node has an input that is lazy: of an input that was taken
   back, each reader was submitted later and was looked at before; it was taken back too, or it
   stayed, and then it has shared the input; or it belongs to others, who have.
   A planner that comes upon a node after it was taken back claims it, and finds inputs that are not
   taken back yet: it shares them, and they stay. One that comes before shares the node.

   What was claimed for the request and is shared, but stands in no queue, may need what has been
   taken back from them. Nobody has submitted a reader of it (submit.c), so it need not keep a
   place: its claimer plans it anew, for nobody's request, and it comes to stand at the end of its
   queue.

   At once. What takes microseconds, on a stream where nothing else is, begins as it is submitted
   (submit.c): it is then in no list, and nothing to the end, as what has begun. That takes no LOCK.
   Whether the request ends before or after is the same to everybody, since all that it reads is
   over, and stays so whatever is taken back; and the nodes of one such batch, which read each
   other, begin together: its drain does not stop for the request. With a budget it goes the long
   way, as that may refuse any of them.

   Streams. One that is blocked by what a node that is taken back waits for is woken, to go on with
   what stands behind (struct wr_wake). It was blocked under the LOCK, with the node in its batch;
   so no stream waits on behalf of a node that is lazy, which somebody else may submit behind just
   that stream.

   tests/model/request.pml has the protocol. Lock: REQUEST. */

#include "graph/internal.h"
#include "stream/limit.h"

/* ---- nodes ---- */

static void share_inputs(const struct wr_node *node) {
  const struct wr_edges *edges = wr_edges_of(node);
  for (uint32_t i = 0; i < edges->n; i++) (void)wr_completion_share(&edges->in[i]->completion, 0);
}

/* Drops the plan's reference. The node has neither a buffer nor an error. */
bool wr_take_back(struct wr_node *node, struct wr_taken *taken) {
  wr_store_relaxed(&node->walked_by, NULL); /* relaxed, both: published by the state */
  wr_store_relaxed(&node->encoded, UINT64_C(0));
  const uint32_t edge = node->next_edge;
  node->next_edge = 0;
  wr_torture_point();
  if (!wr_completion_take_back(&node->completion, &taken->waiters)) {
    node->next_edge = edge;
    share_inputs(node);
    return false;
  }
  wr_node_drop_to_list(node, &taken->nodes);
  return true;
}

/* ---- batches ---- */

uint64_t wr_take_back_marked(struct wr_batch *batch, const void *mark, struct wr_taken *taken) {
  uint64_t n = 0, bytes = 0;
  for (uint32_t i = batch->count; i-- > batch->next;) {
    struct wr_node *node = batch->nodes[i];
    /* Relaxed: under LOCK. */
    if (!node || (mark && wr_load_relaxed(&node->walked_by) != mark)) continue;
    const uint64_t counted = wr_node_counted_bytes(node);
    if (!wr_take_back(node, taken)) continue;
    batch->nodes[i] = NULL;
    n++;
    bytes += counted;
  }
  wr_stream_note_taken_back(batch->stream, n);
  if (wr_limit_is_used(batch->stream)) {
    wr_limit_note_taken_back(batch->stream, bytes, &taken->let_in);
  }
  wr_request_taken_locked(batch->work.request, n);
  return n;
}

static void take_back_batch(struct wr_request_work *work, struct wr_taken *taken) {
  (void)wr_take_back_marked(WR_CONTAINER_OF(work, struct wr_batch, work), NULL, taken);
}

static void settle(struct wr_taken *taken) {
  wr_limit_tell(taken->let_in);
  wr_node_free_list(taken->nodes);
}

const struct wr_request_work_kind wr_batch_work = {.take_back = take_back_batch, .settle = settle};

/* ---- beginning ---- */

/* An input, from *edge on, that is neither over nor ready by the order of this stream. *by_host:
   the device cannot wait for it in the host's place, as the node stays pending (run.c). */
static struct wr_node *unready_input(const struct wr_node *node, uint64_t stream, uint32_t *edge,
                                     bool *by_host) {
  const struct wr_edges *edges = wr_edges_of(node);
  *by_host = wr_op_may_stay((enum wr_op)node->op, node->params);
  for (; *edge < edges->n; ++*edge) {
    struct wr_node *in = edges->in[*edge];
    bool ready =
        wr_completion_over(&in->completion) ||
        (!*by_host && in->stream_id == stream && !wr_op_may_stay((enum wr_op)in->op, in->params));
    if (!ready) return in;
  }
  return NULL;
}

static struct wr_node *next_locked(struct wr_batch *batch) {
  while (batch->next < batch->count && !batch->nodes[batch->next]) batch->next++;
  return batch->next < batch->count ? batch->nodes[batch->next] : NULL;
}

static void drop_wake(struct wr_batch *batch) {
  struct wr_request *request = batch->work.request;
  wr_request_lock(request);
  struct wr_wake *wake = batch->work.wake;
  batch->work.wake = NULL;
  wr_request_close(request);
  wr_wake_release(wake);
}

/* Blocks the stream by the input, unless the node was taken back meanwhile. `in` is the caller's.
 */
static bool block(struct wr_batch *batch, const struct wr_node *node, struct wr_node *in,
                  struct wr_stream *stream) {
  bool here = in->stream_id == wr_stream_id(stream), flush = false;
  struct wr_stream *by = here ? NULL : wr_node_pending_stream(in);
  wr_request_lock(batch->work.request);
  bool blocks = next_locked(batch) == node;
  if (blocks) flush = wr_stream_block_locked(stream, &in->completion, by, &batch->work.wake);
  wr_request_close(batch->work.request);
  if (blocks) wr_stream_raise_blocker(stream);
  if (flush) wr_completion_flush(&in->completion);
  wr_stream_release(by);
  return blocks;
}

/* `next` may be NULL: nothing is left. */
static void begin_locked(struct wr_batch *batch, struct wr_node *next) {
  if (next) wr_request_begin_locked(batch->work.request);
  batch->next += next != NULL;
  batch->begun = next;
  batch->over = !next_locked(batch);
  if (batch->over) wr_request_unlink_locked(&batch->work);
}

/* Tells those whom what was taken back concerns. No lock is held. */
static void settle_all(struct wr_taken *taken) {
  wr_completion_fire(taken->waiters);
  wr_wake_all(taken->wakes);
  settle(taken);
}

/* With the LOCK, which it lets go of: begins the next node, *node, or answers what it waits for: a
   reference. Of an input up to *edge it is known that the device waits. What a deadline has passed
   before never begins (R3), nor what would go over the budget (R4). */
static struct wr_node *look_locked(struct wr_batch *batch, uint64_t stream, struct wr_node **node,
                                   uint32_t *edge, bool *by_host) {
  struct wr_request *request = batch->work.request;
  struct wr_node *in = NULL;
  struct wr_taken taken = {0};
  for (;;) {
    struct wr_node *next = next_locked(batch);
    if (next != *node) *edge = 0;
    *node = next;
    if (next) in = unready_input(next, stream, edge, by_host);
    if (in || !next || wr_budget_admits_locked(batch, next, &taken)) break;
  }
  if (in) {
    wr_node_retain(in);
  } else {
    begin_locked(batch, *node);
  }
  wr_request_close(request);
  settle_all(&taken);
  return in;
}

/* Takes the LOCK, once what an end takes back has been. False, and without it, when the drain has
   to stop before that; one for what is brief takes a part at most. */
static bool lock_settled(struct wr_request *request, struct wr_drain *drain) {
  (void)wr_request_ended(request);
  while (!wr_request_lock_if_settled(request)) {
    const bool more = wr_request_take_back_some(request);
    if (more && (wr_drain_is_brief(drain) || wr_drain_stop(drain))) return false;
  }
  return true;
}

enum wr_step wr_batch_begin(struct wr_batch *batch, struct wr_stream *stream,
                            struct wr_drain *drain) {
  const uint64_t id = wr_stream_id(stream);
  struct wr_node *node = NULL, *in;
  uint32_t edge = 0;
  bool by_host = false;
  if (batch->blocked) drop_wake(batch);
  batch->blocked = false;
  while (!batch->blocked) {
    if (!lock_settled(batch->work.request, drain)) return WR_STEP_YIELD;
    in = look_locked(batch, id, &node, &edge, &by_host);
    if (!in) return WR_STEP_DONE;
    if (!by_host && in->stream_id != id && wr_wait_on_device(in, stream)) {
      edge++;
    } else {
      batch->blocked = block(batch, node, in, stream);
    }
    wr_node_release(in);
  }
  return WR_STEP_BLOCKED;
}

/* ---- what stands in no queue ---- */

/* Returns where those that stay begin; they lie at the end. */
static size_t take_back_claimed(struct wr_node **nodes, size_t n, struct wr_taken *taken) {
  size_t kept = n;
  for (size_t i = n; i-- > 0;) {
    struct wr_node *node = nodes[i];
    if (!wr_take_back(node, taken)) nodes[--kept] = node;
  }
  return kept;
}

/* Other plans of the request may rely on these, which they have not shared. So it counts as a
   failure, in one step under the LOCK (request_budget.c). */
void wr_withdraw(struct wr_node **nodes, size_t n, struct wr_request *request) {
  struct wr_taken taken = {0};
  struct wr_plan plan;
  if (request) wr_request_lock(request);
  const size_t kept = take_back_claimed(nodes, n, &taken);
  if (request) {
    wr_budget_count_failure_locked(request);
    wr_request_close(request);
  }
  wr_completion_fire(taken.waiters);
  settle(&taken);
  if (kept == n) return;
  wr_plan_make_anew(&plan, NULL, nodes + kept, n - kept);
  wr_error_release(plan.failed);
  wr_plan_submit(&plan, true);
}
