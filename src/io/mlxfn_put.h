#ifndef WR_IO_MLXFN_PUT_H
#define WR_IO_MLXFN_PUT_H

/* A trace while it is written: for mlxfn_write.c and mlxfn_steps.c. */

#include "base/bytes.h"
#include "io/mlxfn.h"
#include "ops/capture.h"

struct wr_fn_put {
  struct wr_bytes text; /* entries */
  uint64_t entries;     /* how many */
  uint64_t next_id;
  struct wr_error *error; /* then nothing is added */
  struct wr_fn_stream stream;
  const struct wr_capture *capture;
  bool shapeless; /* the file */
  uint64_t *ids;  /* of the capture's values */
};

void wr_fn_put_i32(struct wr_bytes *b, int64_t x);
void wr_fn_put_u64(struct wr_bytes *b, uint64_t x);
void wr_fn_put_bool(struct wr_bytes *b, bool x);
void wr_fn_put_shape(struct wr_bytes *b, const int32_t *shape, int ndim);
void wr_fn_put_dtype(struct wr_bytes *b, enum wr_dtype t);
void wr_fn_put_text(struct wr_bytes *b, const char *text);

/* An operation, whose state is taken; the id of its first result, the others follow. */
uint64_t wr_fn_put_entry(struct wr_fn_put *w, enum wr_fn_kind kind, const uint64_t *in, size_t n_in,
                         struct wr_bytes *state, const struct wr_fn_value *out, size_t n_out);
/* A constant of one element: its value, and an id. */
uint64_t wr_fn_put_scalar(struct wr_fn_put *w, double value, enum wr_dtype t);

/* One step of the capture, as one operation of MLX's or several. */
void wr_fn_put_step(struct wr_fn_put *w, uint32_t step);

#endif
