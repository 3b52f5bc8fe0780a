/* Rules of Fourier transforms, which are linear. The adjoint of one is the other with the same
   scale. Where one side is real, each element of half a spectrum stands for two, but for the first
   and, of an even length, the last. No locks. */

#include "transforms/rules.h"

static const struct wr_fft_params *how(const struct wr_rule *r) { return r->params; }

/* The transform of another kind along the same lines. */
static struct wr_node *transform(const struct wr_rule *r, struct wr_node *x, enum wr_fft_kind kind,
                                 const struct wr_node *like) {
  struct wr_fft_params params = *how(r);
  params.kind = (int32_t)kind;
  if (r->c->error) return NULL;
  const struct wr_record record = {.op = WR_OP_FFT,
                                   .dtype = kind == WR_FFT_REAL_INVERSE ? WR_FLOAT32 : WR_COMPLEX64,
                                   .ndim = wr_node_ndim(like),
                                   .shape = wr_node_shape(like),
                                   .n_in = 1,
                                   .in = &x,
                                   .params = &params,
                                   .params_bytes = sizeof params,
                                   .stream = r->c->stream};
  return wr_compose_step(r->c, wr_node_record(wr_compose_slot(r->c), &record));
}

/* Half a spectrum times `inner`, but for the ends that stand for one element. */
static struct wr_node *weighed(const struct wr_rule *r, struct wr_node *half, double inner) {
  struct wr_compose *c = r->c;
  const int32_t n = how(r)->n, m = n / 2 + 1;
  int32_t shape[WR_MAX_NDIM];
  if (c->error) return NULL;
  const int ndim = wr_node_ndim(half);
  for (int i = 0; i < ndim; i++) shape[i] = i == how(r)->axis ? m : 1;
  struct wr_node *at = wr_compose_count(c, 0, m, WR_INT32);
  struct wr_node *one = wr_compose_binary(c, WR_OP_EQUAL, at, wr_compose_scalar(c, 0, WR_INT32));
  if (n % 2 == 0) {
    struct wr_node *last = wr_compose_scalar(c, m - 1, WR_INT32);
    one = wr_compose_binary(c, WR_OP_LOGICAL_OR, one, wr_compose_binary(c, WR_OP_EQUAL, at, last));
  }
  struct wr_node *weight = wr_compose_where(c, one, wr_compose_scalar(c, 1, WR_FLOAT32),
                                            wr_compose_scalar(c, inner, WR_FLOAT32));
  return wr_rule_mul(r, half, wr_compose_reshape(c, weight, ndim, shape));
}

void wr_vjp_fft(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  d = wr_rule_typed(r, d, r->y);
  switch ((enum wr_fft_kind)how(r)->kind) {
    case WR_FFT_FORWARD:
      grads[0] = transform(r, d, WR_FFT_INVERSE, r->in[0]);
      return;
    case WR_FFT_INVERSE:
      grads[0] = transform(r, d, WR_FFT_FORWARD, r->in[0]);
      return;
    case WR_FFT_REAL:
      grads[0] = transform(r, weighed(r, d, 0.5), WR_FFT_REAL_INVERSE, r->in[0]);
      return;
    case WR_FFT_REAL_INVERSE:
      grads[0] = weighed(r, transform(r, d, WR_FFT_REAL, r->in[0]), 2);
      return;
  }
}

struct wr_node *wr_jvp_fft(const struct wr_rule *r, struct wr_node *const *t) {
  struct wr_node *typed = wr_rule_typed(r, t[0], r->in[0]);
  return wr_rule_again(r, &typed);
}
