/* Any bytes as a file of npy: its beginning, then its header. */

#include "io/formats.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  struct wr_stored stored;
  size_t more;
  int64_t size;
  if (n < WR_NPY_BEGINNING) return 0;
  struct wr_error *error = wr_npy_begin(data, "the file", &more);
  if (!error && n >= WR_NPY_BEGINNING + more) {
    size_t at = WR_NPY_BEGINNING + more;
    error = wr_npy_parse((const char *)data + at, n - at, "the file", &stored);
    MUST(error || wr_shape_size(stored.shape, stored.ndim, &size));
    MUST(error || wr_dtype_valid((int)stored.dtype));
  }
  drop(error);
  return 0;
}
