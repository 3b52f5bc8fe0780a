#ifndef WR_IO_MLXFN_CALL_H
#define WR_IO_MLXFN_CALL_H

/* One operation of a file while it is recorded: for mlxfn_run.c and mlxfn_run_models.c, which have
   a function wr_fn_<run> for each row of mlxfn.def. No locks. */

#include "core/op.h"
#include "graph/node.h"
#include "io/mlxfn.h"
#include "stream/stream.h"

enum { WR_FN_FEW = 64 }; /* entries of lists that become arrays of int */

struct wr_fn_call {
  const struct wr_fn_entry *e;
  enum wr_op op; /* of the row */
  struct wr_node *const *in;
  int n;
  struct wr_stream *s;
  struct wr_node **out;             /* e->n_out of them */
  const struct wr_fn_value *result; /* as the file has them */
  int lists[4][WR_FN_FEW];
};

#define FN(name, state, least, most, run, op) struct wr_error *wr_fn_##run(struct wr_fn_call *f);
#include "io/mlxfn.def"
#undef FN

struct wr_error *wr_fn_wrong(const struct wr_fn_call *f, const char *what);

/* Parameter number i. */
static inline int64_t wr_fn_arg(const struct wr_fn_call *f, int i) {
  return f->e->field[i].items[0];
}
static inline int wr_fn_arg_int(const struct wr_fn_call *f, int i) { return (int)wr_fn_arg(f, i); }
static inline bool wr_fn_arg_flag(const struct wr_fn_call *f, int i) {
  return wr_fn_arg(f, i) != 0;
}
static inline float wr_fn_arg_real(const struct wr_fn_call *f, int i) {
  return (float)f->e->field[i].real;
}
/* A list as ints, in room number k; NULL where it is too long or one does not fit. */
const int *wr_fn_arg_ints(struct wr_fn_call *f, int i, int k, int *n);

#define WR_FN_INTS(name, i, k)                          \
  int n_##name = 0;                                     \
  const int *name = wr_fn_arg_ints(f, i, k, &n_##name); \
  if (!name) return wr_fn_wrong(f, "a list that is too long")

#endif
