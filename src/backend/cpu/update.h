#ifndef WR_BACKEND_CPU_UPDATE_H
#define WR_BACKEND_CPU_UPDATE_H

/* Writing elements into a part of a result: in the place of what is there (COPY), or joined with it
   by an elementwise operation of two inputs. No allocation, no locks. */

#include "backend/cpu/loop/loop.h"
#include "core/op.h"

struct wr_update {
  wr_row_fn row; /* NULL: in the place of */
  int64_t item;  /* bytes of an element */
};

/* An error where the operation does not take the type. */
struct wr_error *wr_update_by(struct wr_update *update, enum wr_op by, enum wr_dtype dtype);

/* n elements; strides in elements. Source and destination do not overlap. */
void wr_update_run(const struct wr_update *update, void *dst, int64_t dst_stride, const void *src,
                   int64_t src_stride, int64_t n);

#endif
