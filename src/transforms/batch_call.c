/* Rules of vmap for collectives: one for all calls. What is joined or cut along axis 0 of each call
   has the calls' axis behind that meanwhile. No locks. */

#include "distributed/distributed.h"
#include "transforms/batch.h"

static struct wr_node *again(const struct wr_batch *b, struct wr_node *x) {
  if (b->c->error) return NULL;
  struct wr_node *const in[2] = {b->like.in[0], x};
  struct wr_node **slot = wr_compose_slot(b->c);
  return wr_compose_step(b->c, wr_collective_again(slot, b->like.params, in, b->c->stream));
}

struct wr_node *wr_vmap_call(const struct wr_batch *b) {
  enum wr_collective what;
  if (!wr_collective_is(b->like.params, &what)) return wr_vmap_none(b);
  struct wr_node *x = b->like.in[1]; /* the group is not mapped */
  if (what != WR_ALL_GATHER && what != WR_SUM_SCATTER) return again(b, x);
  const bool scalar = wr_batch_ndim(b, 1) == 0;
  x = scalar ? wr_compose_expand(b->c, x, 0) : wr_batch_moved(b, x, 0, 1);
  return wr_batch_moved(b, again(b, x), 1, 0);
}
