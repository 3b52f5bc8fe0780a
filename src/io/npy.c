/* npy, versions 1 and 2 (and 3, which differs in the names of fields alone): NumPy's format for one
   array. The header is a dictionary of Python's, whose keys may stand in any order. No locks. */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "io/formats.h"

static const struct {
  char text[4];
  enum wr_dtype dtype;
} types[] = {{"b1", WR_BOOL},     {"u1", WR_UINT8},    {"u2", WR_UINT16},  {"u4", WR_UINT32},
             {"u8", WR_UINT64},   {"i1", WR_INT8},     {"i2", WR_INT16},   {"i4", WR_INT32},
             {"i8", WR_INT64},    {"f2", WR_FLOAT16},  {"f4", WR_FLOAT32}, {"f8", WR_FLOAT64},
             {"V2", WR_BFLOAT16}, {"c8", WR_COMPLEX64}};

enum { TYPES = sizeof types / sizeof types[0] };

struct wr_error *wr_npy_begin(const unsigned char *bytes, const char *label, size_t *length_bytes) {
  if (memcmp(bytes, "\x93NUMPY", 6) != 0) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "[load] Invalid header in %s", label);
  }
  if (bytes[6] < 1 || bytes[6] > 3 || bytes[7] != 0) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "[load] Unsupported npy format version in %s",
                        label);
  }
  *length_bytes = bytes[6] == 1 ? 2 : 4;
  return NULL;
}

/* ---- reading a dictionary ---- */

struct cursor {
  const char *at;
  const char *end;
};

static void blanks(struct cursor *c) {
  while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r')) {
    c->at++;
  }
}

/* Takes the character if it comes next. */
static bool take(struct cursor *c, char wanted) {
  blanks(c);
  if (c->at == c->end || *c->at != wanted) return false;
  c->at++;
  return true;
}

static bool take_word(struct cursor *c, const char *word) {
  size_t n = strlen(word);
  blanks(c);
  if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0) return false;
  c->at += n;
  return true;
}

/* A text in quotes of either kind, without escapes. */
static bool take_text(struct cursor *c, const char **text, size_t *n) {
  char quote = take(c, '\'') ? '\'' : take(c, '"') ? '"' : '\0';
  if (!quote) return false;
  *text = c->at;
  while (c->at < c->end && *c->at != quote && *c->at != '\\') c->at++;
  *n = (size_t)(c->at - *text);
  return take(c, quote);
}

static bool take_extent(struct cursor *c, int32_t *extent) {
  int64_t value = 0;
  blanks(c);
  if (c->at == c->end || *c->at < '0' || *c->at > '9') return false;
  while (c->at < c->end && *c->at >= '0' && *c->at <= '9') {
    value = 10 * value + (*c->at++ - '0');
    if (value > INT32_MAX) return false;
  }
  if (c->at < c->end && *c->at == 'L') c->at++; /* Python 2 */
  *extent = (int32_t)value;
  return true;
}

static bool take_shape(struct cursor *c, struct wr_stored *out) {
  bool comma = true;
  if (!take(c, '(')) return false;
  for (out->ndim = 0; !take(c, ')'); out->ndim++) {
    if (!comma || out->ndim == WR_MAX_NDIM || !take_extent(c, &out->shape[out->ndim])) return false;
    comma = take(c, ',');
  }
  return out->ndim != 1 || comma; /* (3) is a number of Python's */
}

/* ---- what the keys say ---- */

static struct wr_error *wrong(const char *label, const char *what) {
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "[load] Invalid header in %s: %s", label, what);
}

static struct wr_error *unknown_type(const char *text, size_t n) {
  return wr_error_new(WEIR_ERROR_UNSUPPORTED,
                      "[from_str] Unsupported array protocol type-string: %.*s",
                      (int)(n < 32 ? n : 32), text);
}

static struct wr_error *take_type(struct cursor *c, const char *label, struct wr_stored *out) {
  const char *text;
  size_t n;
  if (!take_text(c, &text, &n)) return wrong(label, "'descr' is no text");
  if (n != 3 || !strchr("<>|=", text[0])) return unknown_type(text, n);
  for (size_t i = 0; i < TYPES; i++) {
    if (memcmp(types[i].text, text + 1, 2) != 0) continue;
    out->dtype = types[i].dtype;
    bool swapped = text[0] == '>' && wr_dtype_size(out->dtype) > 1;
    out->form = swapped ? WR_LOAD_SWAPPED : WR_LOAD_PLAIN;
    return NULL;
  }
  return unknown_type(text, n);
}

static struct wr_error *take_order(struct cursor *c, const char *label, struct wr_stored *out) {
  out->fortran = take_word(c, "True");
  if (out->fortran || take_word(c, "False")) return NULL;
  return wrong(label, "'fortran_order' is neither True nor False");
}

static struct wr_error *take_extents(struct cursor *c, const char *label, struct wr_stored *out) {
  int64_t size;
  if (!take_shape(c, out)) {
    return wrong(label, "'shape' is no tuple of at most 32 whole numbers below 2^31");
  }
  return wr_shape_size(out->shape, out->ndim, &size) ? NULL : wrong(label, "'shape' is too large");
}

static bool is(const char *text, size_t n, const char *word) {
  return n == strlen(word) && !memcmp(text, word, n);
}

enum { DESCR = 1, ORDER = 2, SHAPE = 4 };

static struct wr_error *take_member(struct cursor *c, const char *label, struct wr_stored *out,
                                    int *seen) {
  const char *key;
  size_t n;
  if (!take_text(c, &key, &n) || !take(c, ':')) return wrong(label, "it is no dictionary");
  int which = is(key, n, "descr")           ? DESCR
              : is(key, n, "fortran_order") ? ORDER
              : is(key, n, "shape")         ? SHAPE
                                            : 0;
  if (!which) return wrong(label, "it has a key that is none of npy's");
  if (*seen & which) return wrong(label, "it has a key twice");
  *seen |= which;
  return which == DESCR   ? take_type(c, label, out)
         : which == ORDER ? take_order(c, label, out)
                          : take_extents(c, label, out);
}

/* An array in Fortran's order is stored as the transposed one. */
static void reverse(struct wr_stored *out) {
  for (int i = 0; i < out->ndim / 2; i++) {
    int32_t extent = out->shape[i];
    out->shape[i] = out->shape[out->ndim - 1 - i];
    out->shape[out->ndim - 1 - i] = extent;
  }
}

struct wr_error *wr_npy_parse(const char *header, size_t n, const char *label,
                              struct wr_stored *out) {
  struct cursor c = {header, header + n};
  int seen = 0;
  bool comma = true;
  *out = (struct wr_stored){0};
  if (!take(&c, '{')) return wrong(label, "it is no dictionary");
  while (!take(&c, '}')) {
    if (!comma) return wrong(label, "it is no dictionary");
    struct wr_error *error = take_member(&c, label, out, &seen);
    if (error) return error;
    comma = take(&c, ',');
  }
  if (seen != (DESCR | ORDER | SHAPE)) return wrong(label, "it lacks a key");
  blanks(&c);
  if (c.at != c.end) return wrong(label, "something stands behind the dictionary");
  if (out->fortran) reverse(out);
  return NULL;
}

/* ---- writing ---- */

struct text {
  char bytes[WR_MAX_NDIM * 12 + 128];
  size_t n;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *t, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int n = vsnprintf(t->bytes + t->n, sizeof t->bytes - t->n, format, args);
  va_end(args);
  t->n += (size_t)n;
}

static const char *type_text(enum wr_dtype dtype) {
  size_t i = 0;
  while (i + 1 < TYPES && types[i].dtype != dtype) i++;
  return types[i].text;
}

/* As MLX writes it, byte for byte: with some blanks, and data that are not aligned. */
char *wr_npy_header(enum wr_dtype dtype, int ndim, const int32_t *shape, bool fortran, size_t *n) {
  static const char beginning[] = "\x93NUMPY\x01\x00";
  struct text t = {.n = 0};
  add(&t, "{'descr': '%c%s', 'fortran_order': %s, 'shape': (", wr_dtype_size(dtype) > 1 ? '<' : '|',
      type_text(dtype), fortran ? "True" : "False");
  for (int i = 0; i < ndim; i++) add(&t, "%d, ", (int)shape[i]);
  add(&t, ")}");
  const size_t before = WR_NPY_BEGINNING + 2;
  const size_t blank = (t.n + before + 3) % 16, length = t.n + blank + 1;
  char *header = wr_alloc(before + length);
  if (!header) return NULL;
  memcpy(header, beginning, WR_NPY_BEGINNING);
  header[WR_NPY_BEGINNING] = (char)(length & 0xff);
  header[WR_NPY_BEGINNING + 1] = (char)(length >> 8);
  memcpy(header + before, t.bytes, t.n);
  memset(header + before + t.n, ' ', blank);
  header[before + length - 1] = '\n';
  *n = before + length;
  return header;
}
