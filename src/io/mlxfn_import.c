/* Functions out of files. The file is read and parsed whole; its constants are lazy, and read when
   they are needed, for all calls once. A stream of the file stands for the caller's default one of
   its device where it is the first of that device, else for one that was made with the function. No
   locks. */

#include "io/mlxfn_import.h"

#include <string.h>

#include "base/bytes.h"
#include "io/load.h"
#include "io/mlxfn_run.h"

struct wr_fn_import {
  struct wr_fn_file *file;
  struct wr_node **constants;
  struct wr_stream **streams; /* references; NULL: the caller's default one */
};

/* ---- making one ---- */

static struct wr_device device_of(const struct wr_fn_stream *s) {
  return (struct wr_device){.type = s->type ? WR_DEVICE_GPU : WR_DEVICE_CPU, .index = s->device};
}

static bool is_first(const struct wr_fn_file *f, uint32_t i) {
  for (uint32_t k = 0; k < i; k++) {
    if (f->streams[k].type == f->streams[i].type && f->streams[k].device == f->streams[i].device) {
      return false;
    }
  }
  return true;
}

static struct wr_error *make_streams(struct wr_fn_import *f) {
  struct wr_error *error = NULL;
  f->streams = wr_calloc((f->file->n_streams + (size_t)1) * sizeof *f->streams);
  if (!f->streams) return wr_error_out_of_memory();
  for (uint32_t i = 0; i < f->file->n_streams && !error; i++) {
    if (is_first(f->file, i)) continue;
    error = wr_stream_new(device_of(&f->file->streams[i]), &f->streams[i]);
  }
  return error;
}

static struct wr_error *make_constants(struct wr_fn_import *f, struct wr_reader *reader) {
  struct wr_node *source = NULL;
  struct wr_stream *s;
  f->constants = wr_calloc((f->file->n_constants + (size_t)1) * sizeof *f->constants);
  if (!f->constants) return wr_error_out_of_memory();
  struct wr_error *error = wr_stream_default((struct wr_device){WR_DEVICE_CPU, 0}, &s);
  if (!error) error = wr_load_source(&source, reader);
  for (uint32_t i = 0; i < f->file->n_constants && !error; i++) {
    error = wr_load_array(&f->constants[i], source, &f->file->constants[i], s);
  }
  wr_node_release(source);
  return error;
}

static struct wr_error *read_all(struct wr_reader *reader, unsigned char **bytes, size_t *n) {
  uint64_t size = 0;
  struct wr_error *error = NULL;
  if ((error = reader->kind->size(reader, &size))) return error;
  *n = (size_t)size;
  *bytes = size < SIZE_MAX ? wr_alloc(*n ? *n : 1) : NULL;
  if (!*bytes) return wr_error_out_of_memory();
  return *n ? reader->kind->read_at(reader, *bytes, *n, 0) : NULL;
}

struct wr_error *wr_fn_import_new(struct wr_fn_import **out, const char *name) {
  struct wr_reader *reader = NULL;
  unsigned char *bytes = NULL;
  size_t n = 0;
  struct wr_fn_import *f = wr_calloc(sizeof *f);
  if (!f) return wr_error_out_of_memory();
  struct wr_error *error = wr_reader_open(&reader, name);
  if (error) error = wr_error_prefix_take(error, "[import_function] ");
  if (!error) error = read_all(reader, &bytes, &n);
  if (!error) error = wr_fn_parse(&f->file, bytes, n, reader->kind->label(reader));
  wr_free(bytes);
  if (!error) error = make_streams(f);
  if (!error) error = make_constants(f, reader);
  wr_reader_release(reader);
  if (error) {
    wr_fn_import_free(f);
  } else {
    *out = f;
  }
  return error;
}

void wr_fn_import_free(struct wr_fn_import *f) {
  if (!f) return;
  for (uint32_t i = 0; f->constants && i < f->file->n_constants; i++) {
    wr_node_release(f->constants[i]);
  }
  for (uint32_t i = 0; f->streams && i < f->file->n_streams; i++) wr_stream_release(f->streams[i]);
  wr_free(f->constants);
  wr_free(f->streams);
  wr_fn_free(f->file);
  wr_free(f);
}

/* ---- which trace ---- */

/* Named arguments of which the trace has none by that name are, in order of name, its positional
   inputs behind those that are given. */
struct given {
  const struct wr_node_list *in;
  const struct wr_map *named;
  size_t n_named;
  const struct wr_map_entry **by_name; /* the named ones, sorted */
  struct wr_node **inputs;             /* as the trace has them */
};

static bool fits(const struct wr_fn_file *f, const struct wr_fn_value *v,
                 const struct wr_node *node) {
  if (v->dtype != wr_node_dtype(node) || v->ndim != wr_node_ndim(node)) return false;
  if (f->shapeless || v->ndim == 0) return true;
  return !memcmp(v->shape, wr_node_shape(node), (size_t)v->ndim * sizeof *v->shape);
}

static bool has_name(const struct wr_fn_trace *t, const char *name) {
  for (size_t i = 0; i < t->n_names; i++) {
    if (!strcmp(t->names[i], name)) return true;
  }
  return false;
}

/* Fills `inputs`. False: a name of the trace is not given, or there are too few or too many. */
static bool arrange(const struct wr_fn_trace *t, const struct given *g) {
  if (t->n_names > g->n_named || t->n_in != g->in->n + g->n_named) return false;
  size_t n = g->in->n;
  const size_t positional = t->n_in - t->n_names;
  for (size_t i = 0; i < n; i++) g->inputs[i] = g->in->items[i];
  for (size_t i = 0; i < t->n_names; i++) {
    void **place = wr_map_find(g->named, t->names[i]);
    if (!place) return false;
    g->inputs[positional + i] = *place;
  }
  for (size_t i = 0; n < positional; i++) {
    if (!has_name(t, g->by_name[i]->key)) g->inputs[n++] = g->by_name[i]->value;
  }
  return true;
}

static bool trace_fits(const struct wr_fn_file *f, const struct wr_fn_trace *t,
                       const struct given *g) {
  bool fit = arrange(t, g);
  for (size_t i = 0; fit && i < t->n_in; i++) fit = fits(f, &t->in[i], g->inputs[i]);
  return fit;
}

static void add_value(struct wr_bytes *b, enum wr_dtype dtype, int ndim, const int32_t *shape) {
  char text[WR_MAX_NDIM * 12 + 3];
  wr_bytes_add_text(b, wr_shape_format(shape, ndim, text, (int)sizeof text));
  wr_bytes_format(b, " %s\n", wr_dtype_name(dtype));
}

static void add_beginning(struct wr_bytes *b, size_t n, size_t n_named) {
  wr_bytes_format(b, "%zu positional inputs and %zu keyword inputs:\n", n - n_named, n_named);
}

static void add_traces(struct wr_bytes *b, const struct wr_fn_file *f) {
  for (uint32_t k = 0; k < f->n_traces; k++) {
    const struct wr_fn_trace *t = &f->traces[k];
    const size_t positional = t->n_in - t->n_names;
    wr_bytes_format(b, " %u. Function with ", k + 1);
    add_beginning(b, t->n_in, t->n_names);
    for (size_t i = 0; i < t->n_in; i++) {
      if (i < positional) {
        wr_bytes_format(b, "   %zu: ", i + 1);
      } else {
        wr_bytes_add_text(b, "   \"");
        wr_bytes_add_text(b, t->names[i - positional]);
        wr_bytes_add_text(b, "\": ");
      }
      add_value(b, t->in[i].dtype, t->in[i].ndim, t->in[i].shape);
    }
  }
}

static void add_given(struct wr_bytes *b, const struct given *g) {
  wr_bytes_add_text(b, "\nCalled with ");
  add_beginning(b, g->in->n + g->n_named, g->n_named);
  for (size_t i = 0; i < g->in->n; i++) {
    const struct wr_node *node = g->in->items[i];
    wr_bytes_format(b, "  %zu: ", i + 1);
    add_value(b, wr_node_dtype(node), wr_node_ndim(node), wr_node_shape(node));
  }
  for (size_t i = 0; i < g->n_named; i++) {
    const struct wr_node *node = g->by_name[i]->value;
    wr_bytes_add_text(b, "  \"");
    wr_bytes_add_text(b, g->by_name[i]->key);
    wr_bytes_add_text(b, "\": ");
    add_value(b, wr_node_dtype(node), wr_node_ndim(node), wr_node_shape(node));
  }
}

static struct wr_error *no_match(const struct wr_fn_file *f, const struct given *g) {
  struct wr_bytes b = {0};
  wr_bytes_add_text(&b,
                    "[import_function::call] No imported function found which matches the given "
                    "positional and keyword arguments. Possible functions include:\n");
  add_traces(&b, f);
  add_given(&b, g);
  wr_bytes_add(&b, "", 1);
  struct wr_error *error = b.refused ? wr_error_out_of_memory()
                                     : wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "%s", b.data);
  wr_free(b.data);
  return error;
}

/* ---- calling ---- */

static struct wr_error *run(const struct wr_fn_import *f, uint32_t i, const struct given *g,
                            struct wr_ptrs *outputs) {
  struct wr_stream **streams = wr_calloc((f->file->n_streams + (size_t)1) * sizeof *streams);
  struct wr_error *error = streams ? NULL : wr_error_out_of_memory();
  for (uint32_t k = 0; k < f->file->n_streams && !error; k++) {
    streams[k] = f->streams[k];
    if (!streams[k]) error = wr_stream_default(device_of(&f->file->streams[k]), &streams[k]);
  }
  if (!error) error = wr_fn_run(f->file, i, g->inputs, f->constants, streams, outputs);
  wr_free(streams);
  return error;
}

struct wr_error *wr_fn_import_call(const struct wr_fn_import *f, const struct wr_node_list *in,
                                   const struct wr_map *named, struct wr_ptrs *outputs) {
  struct given g = {.in = in, .named = named, .n_named = named ? named->count : 0};
  g.inputs = wr_calloc((in->n + g.n_named + 1) * sizeof *g.inputs);
  if (named) g.by_name = wr_map_sorted(named);
  struct wr_error *error = NULL;
  if (!g.inputs || (named && !g.by_name)) {
    error = wr_error_out_of_memory();
  } else {
    uint32_t i = 0;
    while (i < f->file->n_traces && !trace_fits(f->file, &f->file->traces[i], &g)) i++;
    error = i < f->file->n_traces ? run(f, i, &g, outputs) : no_match(f->file, &g);
  }
  wr_free(g.inputs);
  wr_free(g.by_name);
  return error;
}
