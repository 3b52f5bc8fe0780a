/* Compiled functions. A call looks for what was compiled for such inputs (compiled.h); the first
   one runs the function on placeholders, and what it did is captured, planned and kept
   (ops/capture.h); each call records that plan on its inputs. The user's function runs with no lock
   held; of threads that compile the same at once the first one's is kept. Inside a transform the
   function itself is called where an input is followed, so that transforms of compiled functions
   are those of the functions. No locks of its own. */

#include "base/atomic.h"
#include "graph/trace.h"
#include "ops/capture.h"
#include "ops/ops.h"
#include "stream/policy.h"
#include "stream/stream.h"
#include "transforms/compiled.h"
#include "transforms/internal.h"

/* ---- the mode ---- */

/* The process's, one more than it is; 0: that of the environment. Atomic RELAXED: a plain value. */
static wr_atomic_u32 mode_set;

void wr_set_compile_mode(enum wr_compile_mode mode) {
  wr_store_relaxed(&mode_set, (uint32_t)mode + 1u); /* relaxed: see the word */
}

static enum wr_compile_mode compile_mode(void) {
  const uint32_t set = wr_load_relaxed(&mode_set); /* relaxed: see the word */
  if (set) return (enum wr_compile_mode)(set - 1u);
  return wr_env_get()->no_compile ? WR_COMPILE_DISABLED : WR_COMPILE_ENABLED;
}

/* ---- calls ---- */

struct compiled_function {
  struct wr_function base;
  struct wr_function *f;        /* immutable after publish; a reference */
  struct wr_identity *identity; /* immutable after publish; a reference */
  bool shapeless;               /* immutable after publish */
  size_t n_constants;           /* immutable after publish */
  uint64_t constants[];         /* immutable after publish: of the key */
};

/* Where a transform follows what goes in, and where another capture is made, whose part this is. */
static bool is_followed(const struct wr_node_list *in) {
  const struct wr_trace *trace = wr_trace_current();
  if (trace && trace->captures > 0) return true;
  for (size_t i = 0; i < in->n; i++) {
    if (wr_node_stands_in(in->items[i])) return true;
    if (trace && wr_trace_follows(trace, in->items[i])) return true;
  }
  return false;
}

/* What a compiled function is for. */
enum shapes { THESE_SHAPES, ANY_SHAPES };

static bool add_shapes(struct wr_key *key, const struct wr_node_list *in, enum shapes shapes) {
  bool added = wr_key_add(key, in->n);
  for (size_t i = 0; i < in->n && added; i++) {
    const struct wr_node *a = in->items[i];
    const int ndim = wr_node_ndim(a);
    added = wr_key_add(key, (uint64_t)ndim << 32 | (uint64_t)wr_node_dtype(a));
    for (int d = 0; d < ndim && shapes == THESE_SHAPES && added; d++) {
      added = wr_key_add(key, (uint64_t)wr_node_shape(a)[d]);
    }
  }
  return added;
}

/* What a recording depends on. Under the checked policy streams are their thread's, and so is what
   was recorded on them. */
static struct wr_error *make_key(struct wr_key *key, const struct compiled_function *c,
                                 const struct wr_node_list *in, enum shapes shapes) {
  struct wr_device device;
  struct wr_stream *stream = NULL;
  struct wr_error *error = wr_default_device(&device);
  if (!error && wr_policy_checked()) error = wr_stream_default(device, &stream);
  if (error) return error;
  bool added = wr_key_add(key, (uint64_t)device.type << 32 | (uint64_t)device.index) &&
               wr_key_add(key, stream ? wr_stream_id(stream) : 0) &&
               wr_key_add(key, (uint64_t)wr_ops_precision() << 1 | shapes) &&
               wr_key_add(key, c->n_constants);
  for (size_t i = 0; i < c->n_constants && added; i++) added = wr_key_add(key, c->constants[i]);
  return added && add_shapes(key, in, shapes) ? NULL : wr_error_out_of_memory();
}

static bool has_shapes(const struct wr_capture *capture, const struct wr_node_list *in) {
  for (size_t i = 0; i < in->n; i++) {
    const struct wr_node *a = in->items[i], *b = capture->placeholders[i];
    if (!wr_shape_equal(wr_node_shape(a), wr_node_ndim(a), wr_node_shape(b), wr_node_ndim(b))) {
      return false;
    }
  }
  return true;
}

/* An input that the function knows other than as its argument would be the first call's for ever.
 */
static struct wr_error *check_constants(const struct wr_capture *capture,
                                        const struct wr_node_list *in) {
  for (uint32_t i = 0; i < capture->n_constants; i++) {
    for (size_t k = 0; k < in->n; k++) {
      if (capture->constants[i] != in->items[k]) continue;
      return wr_error_new(
          WEIR_ERROR_INVALID_ARGUMENT,
          "[compile] Attempting to compile a function with uncaptured inputs is not "
          "allowed.");
    }
  }
  return NULL;
}

/* Whether the function reads what a transform around it follows: that is no constant. */
static bool reads_followed(const struct wr_capture *capture, const struct wr_trace *around) {
  for (uint32_t i = 0; i < capture->n_constants; i++) {
    if (wr_node_stands_in(capture->constants[i])) return true;
    if (around && wr_trace_follows(around, capture->constants[i])) return true;
  }
  return false;
}

/* Steps that need not be go, and groups are made. Takes the reference; gives those of the plan and,
   if `general` is not NULL, of what holds for other extents. */
static struct wr_error *improve(struct wr_capture *taken, struct wr_capture **plan,
                                struct wr_capture **general) {
  const enum wr_compile_mode mode = compile_mode();
  struct wr_capture *c = taken;
  struct wr_error *error = NULL;
  if (mode != WR_COMPILE_NO_SIMPLIFY) {
    error = wr_capture_simplify(&c, taken);
    wr_capture_release(taken);
    if (error) return error;
  }
  if (general && !c->pinned) error = wr_capture_generalize(general, c);
  if (general && *general) wr_capture_forget_streams(*general);
  if (!error) error = wr_capture_plan(plan, c, mode != WR_COMPILE_NO_FUSE);
  wr_capture_release(c);
  if (error && general) wr_capture_release(*general);
  return error;
}

/* NULL without an error: the function has to be called as it is. */
static struct wr_error *compile(struct wr_compiled **out, const struct compiled_function *c,
                                const struct wr_key *key, const struct wr_node_list *in,
                                const struct wr_trace *around, bool generalize) {
  struct wr_capture *capture = NULL, *plan = NULL, *general = NULL;
  const unsigned how = WR_CAPTURE_DRAWS | (generalize ? WR_CAPTURE_VIEWS : 0);
  struct wr_error *error = wr_capture_function(&capture, c->f, in, how);
  if (!error) error = check_constants(capture, in);
  if (error || reads_followed(capture, around)) {
    wr_capture_release(capture);
    return error;
  }
  error = improve(capture, &plan, generalize ? &general : NULL);
  if (error) return error;
  *out = wr_compiled_new(key, plan, general);
  if (!*out) return wr_error_out_of_memory();
  wr_compiled_keep(c->identity, *out);
  return NULL;
}

/* What is to be recorded; none: the function is called. */
struct found {
  struct wr_compiled *compiled; /* a reference */
  bool any_shapes;              /* not its plan, but what holds for other extents */
};

static struct wr_error *find_or_compile(struct found *found, const struct compiled_function *c,
                                        const struct wr_node_list *in,
                                        const struct wr_trace *around, enum shapes shapes) {
  struct wr_key key;
  wr_key_begin(&key);
  struct wr_error *error = make_key(&key, c, in, shapes);
  if (!error) found->compiled = wr_compiled_find(c->identity, &key);
  if (found->compiled && shapes == ANY_SHAPES) {
    found->any_shapes = !has_shapes(found->compiled->capture, in);
  } else if (!error && !found->compiled) {
    error = compile(&found->compiled, c, &key, in, around, shapes == ANY_SHAPES);
  }
  wr_key_end(&key);
  return error;
}

/* *done: the outputs are there, or there is an error. A general capture that fails may fail for
   what it does not know, so then the function is asked. */
static struct wr_error *record(const struct found *found, const struct wr_node_list *in,
                               struct wr_ptrs *outputs, bool *done) {
  const struct wr_compiled *compiled = found->compiled;
  *done = compiled && (!found->any_shapes || compiled->general);
  if (!*done) return NULL;
  if (!found->any_shapes) return wr_capture_run(compiled->capture, in->items, outputs);
  struct wr_error *error = wr_capture_run_general(compiled->general, in->items, outputs, done);
  if (!error || wr_error_status(error) != WEIR_ERROR_INVALID_ARGUMENT) return error;
  wr_error_release(error);
  *done = false;
  return NULL;
}

/* With what was compiled for such shapes, or for any. */
static struct wr_error *try(const struct compiled_function *c, const struct wr_node_list *in,
                            const struct wr_trace *around, enum shapes shapes,
                            struct wr_ptrs *outputs, bool *done) {
  struct found found = {0};
  struct wr_error *error = find_or_compile(&found, c, in, around, shapes);
  if (!error) error = record(&found, in, outputs, done);
  wr_compiled_release(found.compiled);
  return error;
}

/* What is followed does not go in, so no log hears of what is recorded. */
static struct wr_error *call_compiled(struct wr_function *base,
                                      const struct wr_arguments *arguments,
                                      struct wr_results *results) {
  const struct compiled_function *c = (struct compiled_function *)(void *)base;
  const struct wr_node_list *in = &arguments->in[0];
  struct wr_ptrs *outputs = &results->out[0];
  struct wr_error *error = NULL;
  bool done = false;
  if (is_followed(in)) return wr_function_call(c->f, arguments, results);
  struct wr_trace *around = wr_trace_pause();
  if (c->shapeless) error = try(c, in, around, ANY_SHAPES, outputs, &done);
  if (!error && !done) error = try(c, in, around, THESE_SHAPES, outputs, &done);
  wr_trace_resume(around);
  return error || done ? error : wr_function_call(c->f, arguments, results);
}

/* ---- making one ---- */

static void end_compiled(struct wr_function *base) {
  struct compiled_function *c = (struct compiled_function *)(void *)base;
  wr_identity_release(c->identity);
  wr_function_release(c->f);
  wr_free(c);
}

struct wr_error *wr_compile(struct wr_function **out, struct wr_function *f,
                            const struct wr_compile_how *how) {
  size_t bytes;
  struct compiled_function *c = NULL;
  if (compile_mode() == WR_COMPILE_DISABLED) {
    *out = wr_function_retain(f);
    return NULL;
  }
  if (wr_mul_size(how->n_constants, sizeof *how->constants, &bytes) &&
      wr_add_size(bytes, sizeof *c, &bytes)) {
    c = wr_alloc(bytes);
  }
  struct wr_identity *identity = c ? wr_identity_of(how->id, how->own) : NULL;
  if (!identity) {
    wr_free(c);
    return wr_error_out_of_memory();
  }
  wr_function_init(&c->base, call_compiled, end_compiled);
  c->f = wr_function_retain(f);
  c->identity = identity;
  c->shapeless = how->shapeless;
  c->n_constants = how->n_constants;
  for (size_t i = 0; i < how->n_constants; i++) c->constants[i] = how->constants[i];
  *out = &c->base;
  return NULL;
}
