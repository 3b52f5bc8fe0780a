/* Writing functions. A trace is made in memory first, then appended, and last the header is written
   over the one that was there, so that what fails on the way leaves the file as it was. Arrays that
   a function has captured are constants of the file: computed, dense, and stored once. No locks. */

#include "io/mlxfn_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/numbers.h"
#include "base/text.h"
#include "io/mlxfn_put.h"
#include "ops/ops.h"
#include "ops/steps.h"

static const char version[] = "0.32.4"; /* the release of MLX whose files these are */

/* What tells traces apart. */
struct signature {
  size_t n, n_names;
  struct wr_node **in; /* placeholders, references: shapes and dtypes */
  char **names;
};

struct wr_fn_exporter {
  int file;
  bool shapeless;
  uint64_t next_id;
  int32_t count;
  off_t end; /* of what is whole */
  struct signature *signatures;
  struct wr_ptrs constants;    /* that are in the file, references */
  struct wr_numbers positions; /* in `constants` */
  uint64_t *ids;               /* of them */
  char *name;
};

/* ---- elements ---- */

void wr_fn_put_i32(struct wr_bytes *b, int64_t x) {
  const int32_t value = (int32_t)x;
  wr_bytes_add(b, &value, sizeof value);
}
void wr_fn_put_u64(struct wr_bytes *b, uint64_t x) { wr_bytes_add(b, &x, sizeof x); }
void wr_fn_put_bool(struct wr_bytes *b, bool x) {
  const uint8_t value = x;
  wr_bytes_add(b, &value, 1);
}
void wr_fn_put_shape(struct wr_bytes *b, const int32_t *shape, int ndim) {
  wr_fn_put_u64(b, (uint64_t)ndim);
  if (ndim) wr_bytes_add(b, shape, (size_t)ndim * sizeof *shape);
}
void wr_fn_put_dtype(struct wr_bytes *b, enum wr_dtype t) {
  const uint8_t size = (uint8_t)wr_dtype_size(t);
  wr_fn_put_i32(b, (int32_t)t);
  wr_bytes_add(b, &size, 1);
}
void wr_fn_put_text(struct wr_bytes *b, const char *text) {
  wr_fn_put_u64(b, strlen(text));
  wr_bytes_add_text(b, text);
}

uint64_t wr_fn_put_entry(struct wr_fn_put *w, enum wr_fn_kind kind, const uint64_t *in, size_t n_in,
                         struct wr_bytes *state, const struct wr_fn_value *out, size_t n_out) {
  struct wr_bytes *b = &w->text;
  const uint64_t id = w->next_id;
  w->next_id += n_out;
  if (!w->error && !(state && state->refused)) {
    w->entries++;
    wr_fn_put_u64(b, id);
    wr_fn_put_bool(b, true);
    wr_fn_put_u64(b, n_in);
    for (size_t i = 0; i < n_in; i++) wr_fn_put_u64(b, in[i]);
    wr_fn_put_i32(b, w->stream.index);
    wr_fn_put_i32(b, w->stream.type);
    wr_fn_put_i32(b, w->stream.device);
    wr_fn_put_text(b, wr_fn_infos[kind].name);
    if (state) wr_bytes_add(b, state->data, state->n);
    wr_fn_put_u64(b, n_out - 1);
    if (n_out > 1) {
      wr_fn_put_u64(b, n_out);
      for (size_t i = 0; i < n_out; i++) wr_fn_put_u64(b, id + i);
      wr_fn_put_u64(b, n_out);
      for (size_t i = 0; i < n_out; i++) wr_fn_put_shape(b, out[i].shape, out[i].ndim);
      wr_fn_put_u64(b, n_out);
      for (size_t i = 0; i < n_out; i++) wr_fn_put_dtype(b, out[i].dtype);
    } else {
      wr_fn_put_shape(b, out->shape, out->ndim);
      wr_fn_put_dtype(b, out->dtype);
    }
  }
  if (state) {
    b->refused = b->refused || state->refused;
    wr_free(state->data);
  }
  return id;
}

/* ---- constants ---- */

/* The bytes of a constant, row by row; *dense keeps them. */
static struct wr_error *bytes_of(struct wr_node *node, struct wr_node **dense, const void **data) {
  struct wr_stream *s;
  struct wr_error *error = wr_stream_default((struct wr_device){WR_DEVICE_CPU, 0}, &s);
  if (!error) error = wr_ops_contiguous(dense, node, false, s);
  return error ? error : wr_node_host_data(*dense, data);
}

static void put_constant(struct wr_fn_put *w, uint64_t id, struct wr_node *node, bool first) {
  struct wr_node *dense = NULL;
  const void *data = NULL;
  if (w->error) return;
  if (first) w->error = bytes_of(node, &dense, &data);
  if (!w->error) {
    w->entries++;
    wr_fn_put_u64(&w->text, id);
    wr_fn_put_bool(&w->text, false);
    wr_fn_put_bool(&w->text, true);
    if (first) {
      wr_fn_put_shape(&w->text, wr_node_shape(node), wr_node_ndim(node));
      wr_fn_put_dtype(&w->text, wr_node_dtype(node));
      const size_t item = wr_dtype_size(wr_node_dtype(node));
      wr_bytes_add(&w->text, data, (size_t)wr_node_size(node) * item);
    }
  }
  wr_node_release(dense);
}

uint64_t wr_fn_put_scalar(struct wr_fn_put *w, double value, enum wr_dtype t) {
  struct wr_node *node = NULL;
  const uint64_t id = w->next_id++;
  if (!w->error) w->error = wr_ops_scalar(&node, value, t);
  if (!w->error) put_constant(w, id, node, true);
  wr_node_release(node);
  return id;
}

/* Those of this trace that the file has not are remembered once it is written. */
static void put_constants(struct wr_fn_exporter *x, struct wr_fn_put *w) {
  const struct wr_capture *c = w->capture;
  const uint32_t first = wr_capture_first_constant(c);
  for (uint32_t i = 0; i < c->n_constants && !w->error; i++) {
    const uint32_t known = wr_numbers_find(&x->positions, c->constants[i]);
    const bool is_new = known == UINT32_MAX;
    w->ids[first + i] = is_new ? w->next_id++ : x->ids[known];
    put_constant(w, w->ids[first + i], c->constants[i], is_new);
  }
}

static struct wr_error *remember(struct wr_fn_exporter *x, const struct wr_fn_put *w) {
  const struct wr_capture *c = w->capture;
  const size_t all = x->constants.count + c->n_constants;
  uint64_t *ids = wr_realloc(x->ids, (all + 1) * sizeof *ids);
  if (!ids) return wr_error_out_of_memory();
  x->ids = ids;
  for (uint32_t i = 0; i < c->n_constants; i++) {
    uint32_t number = (uint32_t)x->constants.count;
    if (wr_numbers_find(&x->positions, c->constants[i]) != UINT32_MAX) continue;
    if (!wr_numbers_add(&x->positions, c->constants[i], &number) ||
        !wr_ptrs_push(&x->constants, c->constants[i])) {
      return wr_error_out_of_memory();
    }
    wr_node_retain(c->constants[i]);
    ids[number] = w->ids[wr_capture_first_constant(c) + i];
  }
  return NULL;
}

/* ---- signatures ---- */

static bool like(const struct wr_fn_exporter *x, const struct wr_node *a, const struct wr_node *b) {
  const int ndim = wr_node_ndim(a);
  if (wr_node_dtype(a) != wr_node_dtype(b) || ndim != wr_node_ndim(b)) return false;
  if (x->shapeless || ndim == 0) return true;
  return !memcmp(wr_node_shape(a), wr_node_shape(b), (size_t)ndim * sizeof(int32_t));
}

bool wr_fn_exporter_has(const struct wr_fn_exporter *x, struct wr_node *const *in, size_t n,
                        const char *const *names, size_t n_names) {
  for (int32_t k = 0; k < x->count; k++) {
    const struct signature *s = &x->signatures[k];
    bool same = s->n == n && s->n_names == n_names;
    for (size_t i = 0; i < n_names && same; i++) same = !strcmp(s->names[i], names[i]);
    for (size_t i = 0; i < n && same; i++) same = like(x, s->in[i], in[i]);
    if (same) return true;
  }
  return false;
}

static void signature_end(struct signature *s) {
  for (size_t i = 0; s->in && i < s->n; i++) wr_node_release(s->in[i]);
  for (size_t i = 0; s->names && i < s->n_names; i++) wr_free(s->names[i]);
  wr_free(s->in);
  wr_free(s->names);
}

static bool signature_make(struct signature *s, const struct wr_capture *c,
                           const char *const *names, size_t n) {
  *s = (struct signature){.n = c->n_in, .n_names = n};
  s->in = wr_calloc((s->n + 1) * sizeof(struct wr_node *));
  s->names = wr_calloc((n + 1) * sizeof *s->names);
  bool whole = s->in && s->names;
  for (size_t i = 0; i < s->n && whole; i++) s->in[i] = wr_node_retain(c->placeholders[i]);
  for (size_t i = 0; i < n && whole; i++) {
    s->names[i] = wr_text_copy(names[i]);
    whole = s->names[i] != NULL;
  }
  if (!whole) signature_end(s);
  return whole;
}

/* ---- the file ---- */

static struct wr_error *cannot_write(const struct wr_fn_exporter *x) {
  return wr_error_new(WEIR_ERROR_DEVICE, "[export_function] Unable to write to %s: %s", x->name,
                      wr_text_of_errno(errno));
}

static bool write_at(int file, const void *data, size_t n, off_t at) {
  const char *from = data;
  while (n > 0) {
    const ssize_t done = pwrite(file, from, n, at);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    from += done;
    at += done;
    n -= (size_t)done;
  }
  return true;
}

static struct wr_error *write_header(struct wr_fn_exporter *x, int32_t count, size_t *bytes) {
  struct wr_bytes b = {0};
  wr_fn_put_text(&b, version);
  wr_fn_put_i32(&b, count);
  wr_fn_put_bool(&b, x->shapeless);
  wr_fn_put_text(&b, ""); /* what a program may say of the file */
  struct wr_error *error = b.refused ? wr_error_out_of_memory() : NULL;
  if (!error && !write_at(x->file, b.data, b.n, 0)) error = cannot_write(x);
  if (bytes) *bytes = b.n;
  wr_free(b.data);
  return error;
}

static struct wr_error *append(struct wr_fn_exporter *x, const struct wr_bytes *trace) {
  struct wr_error *error =
      write_at(x->file, trace->data, trace->n, x->end) ? NULL : cannot_write(x);
  if (!error) error = write_header(x, x->count + 1, NULL);
  if (error) (void)!ftruncate(x->file, x->end);
  return error;
}

struct wr_error *wr_fn_exporter_new(struct wr_fn_exporter **out, const char *name, bool shapeless) {
  size_t bytes = 0;
  struct wr_fn_exporter *x = wr_calloc(sizeof *x);
  if (!x) return wr_error_out_of_memory();
  x->shapeless = shapeless;
  x->name = wr_text_copy(name);
  x->file = x->name ? open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : -1;
  struct wr_error *error = x->name ? NULL : wr_error_out_of_memory();
  if (!error && x->file < 0) {
    error = wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "[export_function] Failed to open %s: %s",
                         name, wr_text_of_errno(errno));
  }
  if (!error) error = write_header(x, 0, &bytes);
  x->end = (off_t)bytes;
  if (error) {
    wr_fn_exporter_free(x);
  } else {
    *out = x;
  }
  return error;
}

void wr_fn_exporter_free(struct wr_fn_exporter *x) {
  if (!x) return;
  if (x->file >= 0) close(x->file);
  for (int32_t i = 0; i < x->count; i++) signature_end(&x->signatures[i]);
  for (size_t i = 0; i < x->constants.count; i++) wr_node_release(x->constants.items[i]);
  wr_ptrs_free(&x->constants);
  wr_numbers_end(&x->positions);
  wr_free(x->signatures);
  wr_free(x->ids);
  wr_free(x->name);
  wr_free(x);
}

/* ---- a trace ---- */

/* Inputs have the first ids, in their order. */
static void put_inputs(struct wr_fn_put *w) {
  for (uint32_t i = 0; i < w->capture->n_in; i++) {
    w->ids[i] = w->next_id++;
    w->entries++;
    wr_fn_put_u64(&w->text, w->ids[i]);
    wr_fn_put_bool(&w->text, false);
    wr_fn_put_bool(&w->text, false);
  }
}

/* The streams that the function named are told apart; 0 stands for a default one. */
static void set_stream(struct wr_fn_put *w, struct wr_numbers *streams, uint32_t i) {
  const struct wr_capture_step *step = &w->capture->steps[i];
  uint32_t number = (uint32_t)streams->count + 1;
  if (!step->stream) {
    number = 0;
  } else if (!wr_numbers_add(streams, step->stream, &number)) {
    w->text.refused = true;
  }
  w->stream = (struct wr_fn_stream){.index = (int32_t)number,
                                    .type = step->device.type == WR_DEVICE_GPU,
                                    .device = step->device.index};
}

static void put_beginning(struct wr_bytes *b, const struct wr_fn_put *w, const char *const *names,
                          size_t n) {
  const struct wr_capture *c = w->capture;
  wr_fn_put_u64(b, n);
  for (size_t i = 0; i < n; i++) wr_fn_put_text(b, names[i]);
  wr_fn_put_u64(b, c->n_in);
  for (uint32_t i = 0; i < c->n_in; i++) wr_fn_put_u64(b, w->ids[i]);
  wr_fn_put_u64(b, c->n_in);
  for (uint32_t i = 0; i < c->n_in; i++) {
    const struct wr_node *in = c->placeholders[i];
    wr_fn_put_shape(b, wr_node_shape(in), wr_node_ndim(in));
    wr_fn_put_dtype(b, wr_node_dtype(in));
  }
  wr_fn_put_u64(b, c->n_out);
  for (uint32_t i = 0; i < c->n_out; i++) wr_fn_put_u64(b, w->ids[c->out[i]]);
  wr_fn_put_u64(b, w->entries);
}

static struct wr_error *put_trace(struct wr_fn_exporter *x, struct wr_fn_put *w,
                                  struct wr_bytes *all, const char *const *names, size_t n) {
  struct wr_numbers streams = {0};
  put_inputs(w);
  put_constants(x, w);
  for (uint32_t i = 0; i < w->capture->n_steps && !w->error; i++) {
    set_stream(w, &streams, i);
    wr_fn_put_step(w, i);
  }
  wr_numbers_end(&streams);
  if (w->error) return w->error;
  put_beginning(all, w, names, n);
  wr_bytes_add(all, w->text.data, w->text.n);
  return all->refused || w->text.refused ? wr_error_out_of_memory() : NULL;
}

struct wr_error *wr_fn_exporter_add(struct wr_fn_exporter *x, const struct wr_capture *capture,
                                    const char *const *names, size_t n) {
  struct wr_fn_put w = {.next_id = x->next_id, .capture = capture, .shapeless = x->shapeless};
  struct wr_bytes all = {0};
  struct signature signature;
  struct signature *more =
      wr_realloc(x->signatures, ((size_t)x->count + 1) * sizeof *x->signatures);
  if (!more) return wr_error_out_of_memory();
  x->signatures = more;
  if (!signature_make(&signature, capture, names, n)) return wr_error_out_of_memory();
  w.ids = wr_calloc((wr_capture_values(capture) + (size_t)1) * sizeof *w.ids);
  struct wr_error *error = w.ids ? put_trace(x, &w, &all, names, n) : wr_error_out_of_memory();
  if (!error) error = append(x, &all);
  if (!error) {
    x->end += (off_t)all.n;
    x->next_id = w.next_id;
    x->signatures[x->count++] = signature;
    error = remember(x, &w);
  } else {
    signature_end(&signature);
  }
  wr_free(w.text.data);
  wr_free(w.ids);
  wr_free(all.data);
  return error;
}
