/* Arrays as text, as MLX prints them: rows of at most six elements in full, of longer ones the
   first and the last three. Numbers have six significant digits, in every locale (T3). The text
   grows on the heap; one stack frame per dimension, of which there are at most WR_MAX_NDIM. No
   locks. */

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/value.h"
#include "base/base.h"
#include "base/text.h"
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

static void add_complex(struct text *t, double re, double im) {
  bool plus = im >= 0 || isnan(im);
  text_format(t, "%g%c%gj", re, plus ? '+' : '-', plus ? im : -im);
}

static void add_element(struct text *t, enum wr_dtype dtype, const void *at) {
  const struct wr_api_value v = wr_api_load(dtype, at);
  if (dtype == WR_BOOL) {
    /* As MLX prints in C++, and so through mlx-c; only its Python prints True. */
    text_add(t, v.u ? "true" : "false");
  } else if (v.form == WR_FORM_UNSIGNED) {
    text_format(t, "%llu", (unsigned long long)v.u);
  } else if (v.form == WR_FORM_SIGNED) {
    text_format(t, "%lld", (long long)v.i);
  } else if (dtype == WR_COMPLEX64) {
    add_complex(t, v.re, v.im);
  } else {
    text_format(t, "%g", v.re);
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
