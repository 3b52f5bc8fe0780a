/* Any bytes as the header of a safetensors file with a kilobyte of data. */

#include "io/formats.h"
#include "target.h"

enum { DATA = 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  struct wr_map arrays, metadata;
  uint64_t size = WR_SAFETENSORS_LENGTH + n + DATA;
  struct wr_error *error =
      wr_safetensors_parse(&(struct wr_header){data, n, size, "the file", &arrays, &metadata});
  MUST(!error || (arrays.count == 0 && metadata.count == 0));
  for (size_t i = 0; i < arrays.count; i++) {
    const struct wr_stored *stored = arrays.entries[i].value;
    int64_t elements;
    MUST(wr_shape_size(stored->shape, stored->ndim, &elements));
    MUST(stored->offset + (uint64_t)elements * wr_dtype_size(stored->dtype) <= size);
  }
  wr_formats_end(&arrays);
  wr_formats_end(&metadata);
  drop(error);
  return 0;
}
