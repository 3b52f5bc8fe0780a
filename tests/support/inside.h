#ifndef WR_TESTS_SUPPORT_INSIDE_H
#define WR_TESTS_SUPPORT_INSIDE_H

/* What a handle leads to, for tests that see the library's insides; also under WEIR_CHECK=handles.
   Header-only. */

#include "api/handle.h"
#include "check.h"
#include "mlx/c/stream.h"

struct wr_stream;

/* Borrowed from the handle. */
static inline struct wr_stream *inside(mlx_stream s) {
  struct wr_stream *stream = wr_handle_object(s.ctx, WR_KIND_STREAM);
  CHECK(stream != NULL);
  return stream;
}

#endif
