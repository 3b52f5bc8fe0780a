/* Arrays as text, as MLX prints them: rows of at most six elements in full, of longer ones the
   first and the last three. Numbers have six significant digits, in every locale (T3). The text
   grows on the heap; one stack frame per dimension, of which there are at most WR_MAX_NDIM. No
   locks. */

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "base/base.h"
#include "base/text.h"
#include "core/half.h"
#include "core/shape.h"

enum { SHOWN = 3, INDENT = 7 /* the length of "array([" */ };

struct text {
  char *data;
  size_t length;
  size_t capacity;
  bool refused; /* memory was; what follows is dropped */
};

static bool text_reserve(struct text *t, size_t more) {
  size_t need = t->length + more + 1;
  if (need <= t->capacity) return true;
  size_t capacity = need * 2;
  char *data = wr_realloc(t->data, capacity);
  if (!data) {
    t->refused = true;
    return false;
  }
  t->data = data;
  t->capacity = capacity;
  return true;
}

static void text_add(struct text *t, const char *s) {
  size_t n = strlen(s);
  if (t->refused || !text_reserve(t, n)) return;
  memcpy(t->data + t->length, s, n + 1);
  t->length += n;
}

__attribute__((format(printf, 2, 3))) static void text_format(struct text *t, const char *format,
                                                              ...) {
  char piece[64];
  va_list args;
  va_start(args, format);
  vsnprintf(piece, sizeof piece, format, args);
  va_end(args);
  text_add(t, piece);
}

/* ---- one element ---- */

static void add_complex(struct text *t, wr_complex64 z) {
  bool plus = z.im >= 0 || isnan(z.im);
  text_format(t, "%g%c%gj", (double)z.re, plus ? '+' : '-', (double)(plus ? z.im : -z.im));
}

static void add_integer(struct text *t, enum wr_dtype dtype, const void *at) {
  union {
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    int8_t i8;
    int16_t i16;
    int32_t i32;
    int64_t i64;
  } v;
  memcpy(&v, at, wr_dtype_size(dtype));
  switch (dtype) {
    case WR_UINT8:
      text_format(t, "%u", v.u8);
      break;
    case WR_UINT16:
      text_format(t, "%u", v.u16);
      break;
    case WR_UINT32:
      text_format(t, "%u", v.u32);
      break;
    case WR_UINT64:
      text_format(t, "%llu", (unsigned long long)v.u64);
      break;
    case WR_INT8:
      text_format(t, "%d", v.i8);
      break;
    case WR_INT16:
      text_format(t, "%d", v.i16);
      break;
    case WR_INT32:
      text_format(t, "%d", v.i32);
      break;
    default:
      text_format(t, "%lld", (long long)v.i64);
      break;
  }
}

static void add_inexact(struct text *t, enum wr_dtype dtype, const void *at) {
  union {
    uint16_t half;
    float f32;
    double f64;
    wr_complex64 c64;
  } v;
  memcpy(&v, at, wr_dtype_size(dtype));
  switch (dtype) {
    case WR_FLOAT16:
      text_format(t, "%g", (double)wr_f16_to_f32(v.half));
      break;
    case WR_BFLOAT16:
      text_format(t, "%g", (double)wr_bf16_to_f32(v.half));
      break;
    case WR_FLOAT32:
      text_format(t, "%g", (double)v.f32);
      break;
    case WR_FLOAT64:
      text_format(t, "%g", v.f64);
      break;
    default:
      add_complex(t, v.c64);
      break;
  }
}

static void add_element(struct text *t, enum wr_dtype dtype, const void *at) {
  if (dtype == WR_BOOL) {
    /* As MLX prints in C++, and so through mlx-c; only its Python prints True. */
    text_add(t, *(const uint8_t *)at ? "true" : "false");
  } else if (wr_dtype_is_integer(dtype)) {
    add_integer(t, dtype, at);
  } else {
    add_inexact(t, dtype, at);
  }
}

/* ---- rows ---- */

struct printer {
  struct text text;
  const struct wr_node *node;
  int ndim;
  enum wr_dtype dtype;
};

static void add_axis(struct printer *p, int axis, const char *at);

static void add_item(struct printer *p, int axis, const char *at) {
  if (axis == p->ndim) {
    add_element(&p->text, p->dtype, at);
  } else {
    add_axis(p, axis, at);
  }
}

static void add_separator(struct printer *p, int axis) {
  if (axis == p->ndim - 1) {
    text_add(&p->text, ", ");
  } else {
    text_format(&p->text, ",\n%*s", INDENT + axis, "");
  }
}

static void add_axis(struct printer *p, int axis, const char *at) {
  int64_t n = wr_node_shape(p->node)[axis];
  int64_t step = wr_node_strides(p->node)[axis] * (int64_t)wr_dtype_size(p->dtype);
  bool cut = n > 2 * SHOWN;
  text_add(&p->text, "[");
  for (int64_t i = 0; i < n; i++) {
    if (i) add_separator(p, axis);
    if (cut && i == SHOWN) {
      text_add(&p->text, "...");
      i = n - SHOWN - 1;
    } else {
      add_item(p, axis + 1, at + i * step);
    }
  }
  text_add(&p->text, "]");
}

struct wr_error *wr_api_format_array(struct wr_node *node, char **text) {
  const void *data;
  struct wr_error *error = wr_node_host_data(node, &data);
  if (error) return error;
  struct printer p = {.node = node, .ndim = wr_node_ndim(node), .dtype = wr_node_dtype(node)};
  struct wr_text_state before = wr_text_begin();
  text_add(&p.text, "array(");
  add_item(&p, 0, data);
  text_format(&p.text, ", dtype=%s)", wr_dtype_name(p.dtype));
  wr_text_end(before);
  if (p.text.refused) {
    wr_free(p.text.data);
    return wr_error_out_of_memory();
  }
  *text = p.text.data;
  return NULL;
}
