/* Any bytes as a file of functions: what comes out has no value that is not there. */

#include "io/mlxfn.h"
#include "target.h"

static void check_shape(const struct wr_fn_value *v) {
  int64_t size;
  MUST(wr_dtype_valid((int)v->dtype) && wr_shape_size(v->shape, v->ndim, &size));
}

static void check_trace(const struct wr_fn_file *f, const struct wr_fn_trace *t) {
  uint32_t known = t->n_in + f->n_constants;
  const uint32_t given = known;
  for (uint32_t i = 0; i < t->n_in; i++) check_shape(&t->in[i]);
  for (uint32_t i = 0; i < t->n_entries; i++) {
    const struct wr_fn_entry *e = &t->entries[i];
    MUST(e->kind < WR_FN_KINDS && e->stream < f->n_streams);
    for (uint32_t k = 0; k < e->n_in; k++) MUST(e->in[k] < known);
    MUST(e->first_out == known && e->n_out > 0);
    for (uint32_t k = 0; k < e->n_out; k++) check_shape(&t->results[known - given + k]);
    known += e->n_out;
  }
  MUST(known - given == t->n_results);
  for (uint32_t i = 0; i < t->n_out; i++) MUST(t->out[i] < known);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  struct wr_fn_file *file = NULL;
  struct wr_error *error = wr_fn_parse(&file, data, n, "the file");
  MUST(!error == (file != NULL));
  drop(error);
  if (!file) return 0;
  for (uint32_t i = 0; i < file->n_constants; i++) {
    const struct wr_stored *stored = &file->constants[i];
    int64_t elements;
    MUST(wr_shape_size(stored->shape, stored->ndim, &elements));
    MUST(stored->offset + (uint64_t)elements * wr_dtype_size(stored->dtype) <= n);
  }
  for (uint32_t i = 0; i < file->n_traces; i++) check_trace(file, &file->traces[i]);
  wr_fn_free(file);
  return 0;
}
