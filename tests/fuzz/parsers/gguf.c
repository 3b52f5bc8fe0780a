/* Any bytes as a gguf file, of which as many are at hand as parsing asks for. */

#include "io/decode.h"
#include "io/formats.h"
#include "target.h"

static void check(const struct wr_map *arrays, uint64_t size) {
  for (size_t i = 0; i < arrays->count; i++) {
    const struct wr_stored *stored = arrays->entries[i].value;
    const struct wr_decoder *decoder = wr_decoder_of(stored->form);
    int64_t elements;
    MUST(wr_shape_size(stored->shape, stored->ndim, &elements));
    uint64_t bytes = (uint64_t)elements * wr_dtype_size(stored->dtype);
    if (decoder->in) bytes = bytes / decoder->out * decoder->in;
    MUST(bytes == 0 || stored->offset + bytes <= size);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  struct wr_map arrays, metadata;
  uint64_t wanted = n < 24 ? n : 24, have;
  struct wr_error *error = NULL;
  do {
    have = wanted;
    error =
        wr_gguf_parse(&(struct wr_header){data, have, n, "the file", &arrays, &metadata}, &wanted);
    MUST(wanted == 0 || (!error && wanted > have && wanted <= n));
    MUST(wanted == 0 || (arrays.count == 0 && metadata.count == 0));
    if (wanted < 2 * have && wanted) wanted = 2 * have < n ? 2 * have : n;
  } while (wanted);
  check(&arrays, n);
  wr_formats_end(&arrays);
  wr_formats_end(&metadata);
  drop(error);
  return 0;
}
