/* Rules of the commands of modules above the backends: collectives have some, as MLX's have. A
   reduction over processes passes its cotangent on as it is, as each process has its own. No
   locks. */

#include "distributed/distributed.h"
#include "transforms/rules.h"

static struct wr_node *own_part(const struct wr_rule *r, struct wr_node *d) {
  if (r->c->error) return NULL;
  const int rank = wr_collective_rank(r->in[0]), ndim = wr_node_ndim(r->in[1]);
  const int32_t rows = ndim ? wr_node_shape(r->in[1])[0] : 1;
  return wr_rule_reshape_like(
      r, wr_compose_slice_axis(r->c, d, 0, (int32_t)rank * rows, (int32_t)(rank + 1) * rows),
      r->in[1]);
}

static void fail(const struct wr_rule *r, const char *way, bool known, enum wr_collective what) {
  static const char *const names[WR_COLLECTIVES] = {
      [WR_SUM_SCATTER] = "ReduceScatter", [WR_SEND] = "Send", [WR_RECV] = "Recv"};
  wr_compose_fail(r->c, "[Primitive::%s] Not implemented for %s.", way,
                  known && names[what] ? names[what] : "call");
}

void wr_vjp_call(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  enum wr_collective what = WR_COLLECTIVES;
  const bool known = wr_collective_is(r->params, &what);
  if (known && what <= WR_ALL_MIN) {
    grads[1] = d;
  } else if (known && what == WR_ALL_GATHER) {
    grads[1] = own_part(r, d);
  } else {
    fail(r, "vjp", known, what);
  }
}

struct wr_node *wr_jvp_call(const struct wr_rule *r, struct wr_node *const *t) {
  enum wr_collective what = WR_COLLECTIVES;
  const bool known = wr_collective_is(r->params, &what);
  if (known && what <= WR_ALL_GATHER && !r->c->error) {
    struct wr_node *const in[2] = {r->in[0], t[1]};
    struct wr_node **slot = wr_compose_slot(r->c);
    return wr_compose_step(r->c, wr_collective_again(slot, r->params, in, r->c->stream));
  }
  fail(r, "jvp", known, what);
  return NULL;
}
