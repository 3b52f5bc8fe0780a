/* Parsing files of functions. Every count is held against what is left of the bytes before memory
   is asked for, every id against those that came before, so that whatever the bytes are, what comes
   out has no value that is not there. What operations want of their parameters they check
   themselves, as the function is called. No locks. */

#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/map.h"
#include "io/mlxfn.h"

const struct wr_fn_info wr_fn_infos[WR_FN_KINDS] = {
#define FN(name, state, least, most, ...) [WR_FN_##name] = {#name, state, least, most},
#include "io/mlxfn.def"
#undef FN
};

const enum wr_op wr_fn_bitwise_ops[WR_FN_BITWISE_OPS] = {
    WR_OP_BITWISE_AND, WR_OP_BITWISE_OR, WR_OP_BITWISE_XOR, WR_OP_LEFT_SHIFT, WR_OP_RIGHT_SHIFT,
};

enum wr_fn_kind wr_fn_kind_of(const char *name, size_t n) {
  for (int i = 0; i < WR_FN_KINDS; i++) {
    const char *known = wr_fn_infos[i].name;
    if (strlen(known) == n && !memcmp(known, name, n)) return (enum wr_fn_kind)i;
  }
  return WR_FN_KINDS;
}

/* A parse: once there is an error, what is read is 0 and nothing happens. */
struct parse {
  const unsigned char *bytes;
  size_t n, at;
  const char *label;
  bool later;   /* a form of MLX's after 0.32.0 */
  bool options; /* of a kernel's compiler, from 0.32.0 on */
  struct wr_error *error;
  struct wr_fn_file *file;
  struct wr_map constants; /* numbers from 1 by id */
  struct wr_map ids;       /* the trace's, values from 1 by id */
  size_t room_constants, room_streams;
};

static void fail(struct parse *p, const char *what) {
  if (p->error) return;
  p->error = wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "[import_function] %s: %s at byte %zu",
                          p->label, what, p->at);
}

static void refused(struct parse *p) {
  if (!p->error) p->error = wr_error_out_of_memory();
}

/* Zeroed; NULL only after an error. */
static void *room(struct parse *p, size_t n, size_t item) {
  size_t bytes;
  if (p->error) return NULL;
  void *block = wr_mul_size(n ? n : 1, item, &bytes) ? wr_calloc(bytes) : NULL;
  if (block && wr_ptrs_push(p->file->blocks, block)) return block;
  wr_free(block);
  refused(p);
  return NULL;
}

/* ---- elements ---- */

static bool take(struct parse *p, void *to, size_t n) {
  memset(to, 0, n);
  if (p->error) return false;
  if (p->n - p->at < n) {
    fail(p, "the file ends");
    return false;
  }
  memcpy(to, p->bytes + p->at, n);
  p->at += n;
  return true;
}

static int32_t take_i32(struct parse *p) {
  int32_t x;
  (void)take(p, &x, sizeof x);
  return x;
}

static uint64_t take_u64(struct parse *p) {
  uint64_t x;
  (void)take(p, &x, sizeof x);
  return x;
}

static bool take_bool(struct parse *p) {
  uint8_t x;
  if (take(p, &x, sizeof x) && x > 1) fail(p, "a flag that is neither 0 nor 1");
  return x != 0;
}

/* How many of something that takes at least so many bytes each. */
static size_t take_count(struct parse *p, size_t bytes) {
  const uint64_t n = take_u64(p);
  if (!p->error && n > (p->n - p->at) / bytes) fail(p, "a count of more than the file has");
  if (!p->error && n >= UINT32_MAX / 2) fail(p, "too large a count");
  return p->error ? 0 : (size_t)n;
}

static enum wr_dtype take_dtype(struct parse *p) {
  const int32_t value = take_i32(p);
  uint8_t size;
  (void)take(p, &size, sizeof size);
  /* MLX counts as Weir does. */
  if (!p->error && (!wr_dtype_valid(value) || wr_dtype_size((enum wr_dtype)value) != size)) {
    fail(p, "a dtype that is none");
  }
  return p->error ? WR_BOOL : (enum wr_dtype)value;
}

static const char *take_text(struct parse *p, size_t *length) {
  const size_t n = take_count(p, 1);
  char *text = room(p, n + 1, 1);
  if (text) (void)take(p, text, n);
  if (text && length) *length = n;
  if (text && strlen(text) != n) fail(p, "a text with a zero in it");
  return text ? text : "";
}

static void take_shape(struct parse *p, struct wr_fn_value *v) {
  const size_t n = take_count(p, sizeof(int32_t));
  int64_t size;
  if (n > WR_MAX_NDIM) fail(p, "a shape of too many dimensions");
  int32_t *shape = room(p, n, sizeof *shape);
  for (size_t i = 0; i < n && !p->error; i++) shape[i] = take_i32(p);
  for (size_t i = 0; i < n && !p->error; i++) {
    if (shape[i] < 0) fail(p, "a negative extent");
  }
  if (!p->error && !wr_shape_size(shape, (int)n, &size)) fail(p, "a shape that is too large");
  if (p->error) return;
  v->ndim = (int)n;
  v->shape = shape;
}

/* ---- parameters ---- */

static void take_number(struct parse *p, char kind, struct wr_fn_field *f) {
  int64_t *item = room(p, 1, sizeof *item);
  float single;
  if (!item) return;
  f->n = 1;
  f->items = item;
  if (kind == 'i') *item = take_i32(p);
  if (kind == 'b') *item = take_bool(p);
  if (kind == 't') *item = take_dtype(p);
  if (kind == 'q') *item = (int64_t)take_u64(p);
  if (kind == 'd') (void)take(p, &f->real, sizeof f->real);
  if (kind == 'f' && take(p, &single, sizeof single)) f->real = (double)single;
}

static void take_items(struct parse *p, char kind, size_t n, size_t each, struct wr_fn_field *f) {
  int64_t *items = room(p, n, each * sizeof *items);
  for (size_t i = 0; i < n * each && !p->error; i++) {
    if (kind == 'B') items[i] = take_bool(p);
    if (kind == 'I' || kind == 'T') items[i] = take_i32(p);
    if (kind == 'L' || kind == 'U') items[i] = (int64_t)take_u64(p);
  }
  if (p->error) return;
  f->n = n;
  f->items = items;
}

static void take_list(struct parse *p, char kind, struct wr_fn_field *f) {
  const size_t bytes = kind == 'B' ? 3 : kind == 'I' ? sizeof(int32_t) : sizeof(int64_t);
  take_items(p, kind, take_count(p, bytes), kind == 'B' ? 3 : 1, f);
}

static void take_optional(struct parse *p, struct wr_fn_field *f) {
  if (!take_bool(p)) return;
  take_number(p, 'f', f);
}

static void take_none(struct parse *p) {
  if (take_count(p, 1) > 0) fail(p, "numbers beside a kernel's arrays");
}

static void take_field(struct parse *p, char kind, struct wr_fn_field *f) {
  switch (kind) {
    case 's':
      f->text = take_text(p, &f->n);
      return;
    case 'T':
      take_items(p, kind, 3, 1, f);
      return;
    case 'o':
      take_optional(p, f);
      return;
    case 'v':
      take_none(p);
      return;
    case 'B':
    case 'I':
    case 'L':
    case 'U':
      take_list(p, kind, f);
      return;
    default:
      take_number(p, kind, f);
  }
}

/* What releases have added to states; `later` is of what came after 0.32.0. */
static const char *state_of(const struct parse *p, enum wr_fn_kind kind) {
  if (kind == WR_FN_FFT && p->later)
    return "Ubbb"; /* whether the result is odd, which its shape says */
  if (kind == WR_FN_ScaledDotProductAttention && p->later) return "fbbbb"; /* fused, or an error */
  if (kind == WR_FN_CustomKernel && !p->options) return "ssTTBbovbi";
  return wr_fn_infos[kind].state;
}

static void take_state(struct parse *p, struct wr_fn_entry *e) {
  const char *state = state_of(p, e->kind);
  e->field = room(p, strlen(state) + 1, sizeof *e->field);
  for (size_t i = 0; state[i] && !p->error; i++) take_field(p, state[i], &e->field[i]);
}

/* ---- values ---- */

static void id_text(char text[20], uint64_t id) {
  snprintf(text, 20, "%llx", (unsigned long long)id);
}

/* Numbers stand in the pointers themselves, from 1. */
static void give_id(struct parse *p, struct wr_map *ids, uint64_t id, size_t number) {
  char text[20];
  bool added;
  if (p->error) return;
  id_text(text, id);
  void **place = wr_map_add(ids, text, &added);
  if (!place) {
    refused(p);
  } else if (!added) {
    fail(p, "an id that comes twice");
  } else {
    *place = (void *)(uintptr_t)(number + 1);
  }
}

/* 0: there is none. */
static size_t find_id(const struct wr_map *ids, uint64_t id) {
  char text[20];
  id_text(text, id);
  void **place = wr_map_find(ids, text);
  return place ? (size_t)(uintptr_t)*place : 0;
}

static uint32_t take_value(struct parse *p) {
  const size_t found = find_id(&p->ids, take_u64(p));
  if (!p->error && !found) fail(p, "an id that no value has");
  return p->error ? 0 : (uint32_t)(found - 1);
}

/* Results come behind the inputs, and constants behind those: while a trace is read nobody knows
   how many constants the file will have, so a constant is counted from this bit on. */
static const uint32_t constant_bit = UINT32_C(1) << 31;

/* Room for one more of a list that grows. */
static bool grow(struct parse *p, void *list, size_t n, size_t *capacity, size_t item) {
  void *old, *more;
  if (p->error) return false;
  if (n < *capacity) return true;
  memcpy(&old, list, sizeof old);
  const size_t wanted = *capacity ? 2 * *capacity : 8;
  if (!(more = room(p, wanted, item))) return false;
  if (n) memcpy(more, old, n * item);
  memcpy(list, &more, sizeof more);
  *capacity = wanted;
  return true;
}

static void take_constant(struct parse *p, uint64_t id) {
  struct wr_fn_file *f = p->file;
  size_t number = find_id(&p->constants, id);
  if (!number) {
    struct wr_fn_value v = {.ndim = 0};
    int64_t size = 0;
    take_shape(p, &v);
    v.dtype = take_dtype(p);
    if (p->error) return;
    (void)wr_shape_size(v.shape, v.ndim, &size); /* in range: just checked */
    const uint64_t item = wr_dtype_size(v.dtype);
    if ((uint64_t)size > (p->n - p->at) / item) {
      fail(p, "a constant of more bytes than the file has");
      return;
    }
    if (!grow(p, &f->constants, f->n_constants, &p->room_constants, sizeof *f->constants)) return;
    struct wr_stored *stored = &f->constants[f->n_constants];
    *stored = (struct wr_stored){
        .offset = p->at, .dtype = v.dtype, .form = WR_LOAD_PLAIN, .ndim = v.ndim};
    if (v.ndim) memcpy(stored->shape, v.shape, (size_t)v.ndim * sizeof *v.shape);
    give_id(p, &p->constants, id, f->n_constants);
    if (p->error) return;
    p->at += (size_t)((uint64_t)size * item);
    number = ++f->n_constants;
  }
  give_id(p, &p->ids, id, (number - 1) | constant_bit);
}

/* ---- entries ---- */

static uint32_t take_stream(struct parse *p) {
  struct wr_fn_file *f = p->file;
  struct wr_fn_stream s;
  s.index = take_i32(p);
  s.type = take_i32(p);
  s.device = take_i32(p);
  if (!p->error && (s.type < 0 || s.type > 1 || s.device < 0 || s.device > UINT8_MAX)) {
    fail(p, "a stream of no device");
  }
  if (p->error) return 0;
  for (uint32_t i = 0; i < f->n_streams; i++) {
    if (!memcmp(&f->streams[i], &s, sizeof s)) return i;
  }
  if (f->n_streams == 1024) {
    fail(p, "more streams than functions have");
    return 0;
  }
  if (!grow(p, &f->streams, f->n_streams, &p->room_streams, sizeof s)) return 0;
  f->streams[f->n_streams] = s;
  return f->n_streams++;
}

static void take_kind(struct parse *p, struct wr_fn_entry *e) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_ ";
  size_t length = 0;
  const char *name = take_text(p, &length);
  if (p->error) return;
  /* What follows the first space is what an operation says of itself. */
  const char *space = memchr(name, ' ', length);
  e->kind = wr_fn_kind_of(name, space ? (size_t)(space - name) : length);
  if (e->kind == WR_FN_KINDS) {
    if (strspn(name, letters) != length) fail(p, "an operation whose name is none");
    if (p->error) return;
    p->error = wr_error_new(WEIR_ERROR_UNSUPPORTED,
                            "[import_function] Unable to deserialize primitive %.100s", name);
    return;
  }
  if (e->n_in < wr_fn_infos[e->kind].least || e->n_in > wr_fn_infos[e->kind].most) {
    fail(p, "an operation with another number of inputs than it has");
  }
}

struct growing {
  size_t room_entries, room_results;
};

static struct wr_fn_value *add_result(struct parse *p, struct wr_fn_trace *t, struct growing *g) {
  if (!grow(p, &t->results, t->n_results, &g->room_results, sizeof *t->results)) return NULL;
  return &t->results[t->n_results++];
}

/* The results of an operation with several, in their order. */
static void take_siblings(struct parse *p, struct wr_fn_trace *t, struct growing *g,
                          struct wr_fn_entry *e, uint64_t id, size_t siblings) {
  const size_t n = take_count(p, sizeof(uint64_t));
  if (!p->error && n != siblings + 1) fail(p, "results that are not as many as siblings");
  bool itself = false;
  for (size_t i = 0; i < n && !p->error; i++) {
    const uint64_t one = take_u64(p);
    itself = itself || one == id;
    if (!add_result(p, t, g)) return;
    give_id(p, &p->ids, one, t->n_in + t->n_results - 1);
  }
  if (!p->error && !itself) fail(p, "an operation that is not among its results");
  const size_t shapes = take_count(p, sizeof(uint64_t));
  if (!p->error && shapes != n) fail(p, "shapes that are not as many as results");
  for (size_t i = 0; i < n && !p->error; i++)
    take_shape(p, &t->results[e->first_out - t->n_in + i]);
  const size_t dtypes = take_count(p, 5);
  if (!p->error && dtypes != n) fail(p, "dtypes that are not as many as results");
  for (size_t i = 0; i < n && !p->error; i++) {
    t->results[e->first_out - t->n_in + i].dtype = take_dtype(p);
  }
  e->n_out = (uint32_t)n;
}

static void take_operation(struct parse *p, struct wr_fn_trace *t, struct growing *g, uint64_t id) {
  if (!grow(p, &t->entries, t->n_entries, &g->room_entries, sizeof *t->entries)) return;
  struct wr_fn_entry *e = &t->entries[t->n_entries];
  e->n_in = (uint32_t)take_count(p, sizeof(uint64_t));
  uint32_t *in = room(p, e->n_in, sizeof *in);
  for (uint32_t i = 0; i < e->n_in && !p->error; i++) in[i] = take_value(p);
  e->in = in;
  e->stream = take_stream(p);
  take_kind(p, e);
  if (p->error) return;
  take_state(p, e);
  const size_t siblings = take_count(p, sizeof(uint64_t));
  e->first_out = t->n_in + t->n_results;
  if (siblings) {
    take_siblings(p, t, g, e, id, siblings);
  } else {
    struct wr_fn_value *v = add_result(p, t, g);
    if (!v) return;
    give_id(p, &p->ids, id, e->first_out);
    take_shape(p, v);
    v->dtype = take_dtype(p);
    e->n_out = 1;
  }
  if (!p->error) t->n_entries++;
}

static void take_entry(struct parse *p, struct wr_fn_trace *t, struct growing *g) {
  const uint64_t id = take_u64(p);
  if (take_bool(p)) {
    take_operation(p, t, g, id);
    return;
  }
  if (p->error) return;
  if (take_bool(p)) {
    take_constant(p, id);
  } else if (!p->error && !find_id(&p->ids, id)) {
    fail(p, "an input that is none of the function's");
  }
}

/* ---- traces ---- */

/* Each stands for one input: twice the same would let an argument go to both, and another to none.
 */
static void take_names(struct parse *p, struct wr_fn_trace *t) {
  struct wr_map known = {0};
  t->n_names = (uint32_t)take_count(p, sizeof(uint64_t));
  t->names = room(p, t->n_names, sizeof *t->names);
  for (uint32_t i = 0; i < t->n_names && !p->error; i++) {
    bool added = false;
    t->names[i] = take_text(p, NULL);
    if (p->error) break;
    if (!wr_map_add(&known, t->names[i], &added)) refused(p);
    if (!p->error && !added) fail(p, "a keyword that was there before");
  }
  wr_map_end(&known);
}

static void take_inputs(struct parse *p, struct wr_fn_trace *t) {
  take_names(p, t);
  t->n_in = (uint32_t)take_count(p, sizeof(uint64_t));
  if (!p->error && t->n_names > t->n_in) fail(p, "more names than inputs");
  for (uint32_t i = 0; i < t->n_in && !p->error; i++) give_id(p, &p->ids, take_u64(p), i);
  const size_t n = take_count(p, 13);
  if (!p->error && n != t->n_in) fail(p, "inputs that are not as many as their ids");
  t->in = room(p, n, sizeof *t->in);
  for (size_t i = 0; i < n && !p->error; i++) {
    take_shape(p, &t->in[i]);
    t->in[i].dtype = take_dtype(p);
  }
}

static void forget_ids(struct wr_map *ids) {
  wr_map_end(ids);
  *ids = (struct wr_map){0};
}

static void take_trace(struct parse *p, struct wr_fn_trace *t) {
  struct growing g = {0, 0};
  take_inputs(p, t);
  t->n_out = (uint32_t)take_count(p, sizeof(uint64_t));
  uint64_t *ids = room(p, t->n_out, sizeof *ids);
  for (uint32_t i = 0; i < t->n_out && !p->error; i++) ids[i] = take_u64(p);
  const size_t n = take_count(p, 10);
  for (size_t i = 0; i < n && !p->error; i++) take_entry(p, t, &g);
  uint32_t *out = room(p, t->n_out, sizeof *out);
  for (uint32_t i = 0; i < t->n_out && !p->error; i++) {
    const size_t found = find_id(&p->ids, ids[i]);
    if (!found) fail(p, "an output that no value is");
    out[i] = (uint32_t)(found - 1);
  }
  t->out = out;
  forget_ids(&p->ids);
}

/* Inputs, constants, results. */
static uint32_t renumbered(const struct wr_fn_file *f, const struct wr_fn_trace *t,
                           uint32_t value) {
  if (value & constant_bit) return t->n_in + (value & ~constant_bit);
  return value < t->n_in ? value : value + f->n_constants;
}

static void renumber(const struct wr_fn_file *f, struct wr_fn_trace *t) {
  for (uint32_t i = 0; i < t->n_entries; i++) {
    struct wr_fn_entry *e = &t->entries[i];
    for (uint32_t k = 0; k < e->n_in; k++) ((uint32_t *)e->in)[k] = renumbered(f, t, e->in[k]);
    e->first_out += f->n_constants;
  }
  for (uint32_t i = 0; i < t->n_out; i++) ((uint32_t *)t->out)[i] = renumbered(f, t, t->out[i]);
}

#define RELEASE(major, minor, patch) \
  ((uint64_t)(major) << 40 | (uint64_t)(minor) << 20 | (uint64_t)(patch))

/* Of a text like 0.32.0, in order; what is no such text is later than all, numbers past 20 bits are
   the largest. */
static uint64_t number_of(const char *release) {
  uint64_t number = 0;
  for (int i = 0; i < 3; i++) {
    uint64_t part = 0;
    if (i > 0 && *release == '.') release++;
    if (i < 2 && (*release < '0' || *release > '9')) return UINT64_MAX;
    for (; *release >= '0' && *release <= '9'; release++) {
      part = part * 10 + (uint64_t)(*release - '0');
      if (part > 0xfffff) part = 0xfffff;
    }
    number = number << 20 | part;
  }
  return number;
}

/* MLX's releases after 0.32.0 have a text of the user's in the header, and more of transforms. The
   version is told, and nothing promises that it says so: a file that does not parse in one form is
   tried in the other.
 */
static void set_form(struct parse *p, const char *release, bool other) {
  const uint64_t number = number_of(release);
  p->later = (number > RELEASE(0, 32, 0)) != other;
  p->options = p->later || number >= RELEASE(0, 32, 0);
}

static void take_file(struct parse *p, bool other_form) {
  struct wr_fn_file *f = p->file;
  const char *release = take_text(p, NULL);
  const int32_t count = take_i32(p);
  f->shapeless = take_bool(p);
  set_form(p, release, other_form);
  if (!p->error && p->later) (void)take_text(p, NULL);
  if (!p->error && (count < 0 || (size_t)count > (p->n - p->at) / 40)) {
    fail(p, "a count of more functions than the file has");
  }
  f->traces = room(p, p->error ? 0 : (size_t)count, sizeof *f->traces);
  for (int32_t i = 0; i < count && !p->error; i++) {
    take_trace(p, &f->traces[i]);
    f->n_traces++;
  }
  for (uint32_t i = 0; i < f->n_traces && !p->error; i++) renumber(f, &f->traces[i]);
}

void wr_fn_free(struct wr_fn_file *file) {
  if (!file) return;
  for (size_t i = 0; i < file->blocks->count; i++) wr_free(file->blocks->items[i]);
  wr_ptrs_free(file->blocks);
  wr_free(file->blocks);
  wr_free(file);
}

static struct wr_error *parse(struct wr_fn_file **out, const unsigned char *bytes, size_t n,
                              const char *label, bool other_form) {
  struct parse p = {.bytes = bytes, .n = n, .label = label, .file = wr_calloc(sizeof *p.file)};
  if (p.file) p.file->blocks = wr_calloc(sizeof *p.file->blocks);
  if (!p.file || !p.file->blocks) {
    wr_free(p.file);
    return wr_error_out_of_memory();
  }
  take_file(&p, other_form);
  forget_ids(&p.ids);
  forget_ids(&p.constants);
  if (p.error) {
    wr_fn_free(p.file);
  } else {
    *out = p.file;
  }
  return p.error;
}

struct wr_error *wr_fn_parse(struct wr_fn_file **out, const unsigned char *bytes, size_t n,
                             const char *label) {
  struct wr_error *error = parse(out, bytes, n, label, false);
  if (!error || wr_error_status(error) != WEIR_ERROR_INVALID_ARGUMENT) return error;
  struct wr_error *other = parse(out, bytes, n, label, true);
  wr_error_release(other ? other : error);
  return other ? error : NULL;
}
