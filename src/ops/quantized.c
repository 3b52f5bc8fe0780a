/* Quantised matrices: quantize and dequantize. What quantize makes is one array of bytes, which one
   command writes, and views of its parts. Invariant: what a kernel reads is dense, and affine
   scales and biases are of one type. No locks. */

#include "ops/quantized.h"

#include <stdio.h>
#include <string.h>

#include "graph/trace.h"
#include "stream/stream.h"

static const struct {
  const char *name;
  int group, bits;
} modes[WR_QUANTIZED_MODES] = {
    [WR_AFFINE] = {"affine", 64, 4},
    [WR_MXFP4] = {"mxfp4", 32, 4},
    [WR_MXFP8] = {"mxfp8", 32, 8},
    [WR_NVFP4] = {"nvfp4", 16, 4},
};

const char *wr_ops_quantized_name(enum wr_quantized_mode mode) { return modes[mode].name; }

struct wr_error *wr_ops_quantized_how(struct wr_quantized_params *how,
                                      const struct wr_ops_how *given) {
  int mode = 0;
  while (mode < WR_QUANTIZED_MODES && strcmp(modes[mode].name, given->mode) != 0) mode++;
  if (mode == WR_QUANTIZED_MODES) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "Invalid quantization mode '%s'.",
                        given->mode);
  }
  const int bits = given->bits ? *given->bits : modes[mode].bits;
  const int group = given->group_size ? *given->group_size : modes[mode].group;
  if (bits <= 0 || bits > UINT8_MAX) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "Invalid value for bits: %d", bits);
  }
  if (group <= 0) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "Invalid value for group_size: %d", group);
  }
  *how = (struct wr_quantized_params){.mode = (uint8_t)mode, .bits = (uint8_t)bits, .group = group};
  return NULL;
}

static struct wr_error *check_affine(const struct wr_quantized_params *how) {
  if (how->group != 32 && how->group != 64 && how->group != 128) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "The requested group size %d is not supported. The supported group sizes "
                        "are 32, 64, and 128.",
                        how->group);
  }
  if (how->bits <= 8 && how->bits != 7) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "The requested number of bits %d is not supported. The supported bits are 1, "
                      "2, 3, 4, 5, 6 and 8.",
                      how->bits);
}

struct wr_error *wr_ops_quantized_check_how(const struct wr_quantized_params *how) {
  if (how->mode == WR_AFFINE) return check_affine(how);
  const int group = modes[how->mode].group, bits = modes[how->mode].bits;
  if (how->group != group) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "%s quantization requires group size %d but got %d.", modes[how->mode].name,
                        group, how->group);
  }
  if (how->bits == bits) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "%s quantization requires bits to be %d but got %d.", modes[how->mode].name,
                      bits, how->bits);
}

struct wr_error *wr_ops_quantized_check_global(const struct wr_node *scale,
                                               enum wr_quantized_mode mode) {
  if (!scale) return NULL;
  if (mode != WR_NVFP4) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "Global scale is only supported for 'nvfp4' quantization mode.");
  }
  if (wr_node_size(scale) != 1) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "Global scale must be a scalar but got shape %s.",
                        wr_ops_shape_text(scale).s);
  }
  if (wr_node_dtype(scale) == WR_FLOAT32) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "Global scale must have dtype float32 but got %s.",
                      wr_dtype_name(wr_node_dtype(scale)));
}

enum wr_dtype wr_ops_quantized_type(const struct wr_packed *p) {
  const enum wr_dtype t = wr_node_dtype(p->scales);
  return p->biases ? wr_dtype_promote(t, wr_node_dtype(p->biases)) : t;
}

struct wr_error *wr_ops_quantized_check_scales(const struct wr_packed *p) {
  const bool affine = p->how.mode == WR_AFFINE;
  if (affine && !p->biases) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "Biases must be provided for affine quantization.");
  }
  if (!affine && p->biases) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "Biases must be null for quantization mode '%s'.", modes[p->how.mode].name);
  }
  if (!affine && wr_node_dtype(p->scales) != WR_UINT8) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "Scale type must be uint8 but received type %s.",
                        wr_dtype_name(wr_node_dtype(p->scales)));
  }
  if (!affine || wr_dtype_is_floating(wr_ops_quantized_type(p))) return NULL;
  return wr_error_new(
      WEIR_ERROR_INVALID_ARGUMENT,
      "Only real floating types are supported but scales.dtype() == %s and biases.dtype() == %s.",
      wr_dtype_name(wr_node_dtype(p->scales)), wr_dtype_name(wr_node_dtype(p->biases)));
}

/* ---- quantize ---- */

static struct wr_error *check_matrix(const struct wr_node *w,
                                     const struct wr_quantized_params *how) {
  const int ndim = wr_node_ndim(w);
  if (!wr_dtype_is_floating(wr_node_dtype(w))) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "Only real floating types can be quantized but w has type %s.",
                        wr_dtype_name(wr_node_dtype(w)));
  }
  if (ndim < 2) {
    return wr_error_new(
        WEIR_ERROR_INVALID_ARGUMENT,
        "The matrix to be quantized must have at least 2 dimension but it has only %d.", ndim);
  }
  if (wr_node_shape(w)[ndim - 1] % how->group == 0) return NULL;
  return wr_error_new(
      WEIR_ERROR_INVALID_ARGUMENT,
      "The last dimension of the matrix needs to be divisible by the quantization group size %d. "
      "However the provided  matrix has shape %s",
      how->group, wr_ops_shape_text(w).s);
}

/* Part of the bytes, from a place in them, with the extents of w but for the last. */
static struct wr_node *part(struct wr_compose *c, struct wr_node *bytes, struct wr_node *w,
                            int32_t last, int64_t at, enum wr_dtype t) {
  int32_t shape[WR_MAX_NDIM];
  int64_t strides[WR_MAX_NDIM];
  const int ndim = wr_node_ndim(w);
  if (c->error) return NULL;
  memcpy(shape, wr_node_shape(w), (size_t)ndim * sizeof *shape);
  shape[ndim - 1] = last;
  wr_shape_row_strides(shape, ndim, strides);
  if (wr_node_size(w) == 0) return wr_compose_zeros(c, ndim, shape, t);
  const struct wr_view_params params = {.at = at};
  struct wr_record record = wr_ops_command(WR_OP_VIEW, &bytes, 1, &params, c->stream);
  record.dtype = t;
  record.ndim = ndim;
  record.shape = shape;
  return wr_compose_step(
      c, wr_ops_view_of(wr_compose_slot(c), &record, strides, at / (int64_t)wr_dtype_size(t)));
}

/* Where codes, scales and biases of w stand. */
static struct wr_quantized_layout layout_of(const struct wr_node *w,
                                            const struct wr_quantized_params *how) {
  return wr_quantized_layout_of(wr_node_size(w), how, wr_node_dtype(w));
}

/* Bytes in rows, so that each extent is an int32. */
static struct wr_node *record_bytes(struct wr_compose *c, struct wr_node *w, struct wr_node *global,
                                    const struct wr_quantized_params *how) {
  enum { ROW = 256 };
  const int64_t bytes = layout_of(w, how).bytes;
  struct wr_node *in[2] = {wr_compose_dense(c, w), global ? wr_compose_dense(c, global) : NULL};
  if (c->error) return NULL;
  const int32_t shape[2] = {(int32_t)(bytes / ROW), ROW};
  struct wr_record record = wr_ops_command(WR_OP_QUANTIZE, in, global ? 2 : 1, how, c->stream);
  record.dtype = WR_UINT8;
  record.ndim = 2;
  record.shape = shape;
  return wr_compose_record(c, &record);
}

struct wr_error *wr_ops_quantized_parts(struct wr_node *parts[3], struct wr_node *w,
                                        struct wr_quantized_params how, struct wr_node *global,
                                        struct wr_stream *s) {
  const bool affine = how.mode == WR_AFFINE;
  const int n = affine ? 3 : 2;
  const enum wr_dtype t = affine ? wr_node_dtype(w) : WR_UINT8;
  const int32_t extent = wr_node_shape(w)[wr_node_ndim(w) - 1];
  const struct wr_quantized_layout l = layout_of(w, &how);
  const int64_t at[3] = {0, l.scales, l.biases};
  const int64_t words = (int64_t)extent * how.bits / 32;
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *made[3] = {NULL, NULL, NULL};
  struct wr_node *bytes = wr_node_size(w) > 0 ? record_bytes(&c, w, global, &how) : NULL;
  for (int i = 0; i < n; i++) {
    const int32_t last = i == 0 ? (int32_t)words : extent / how.group;
    made[i] = part(&c, bytes, w, last, at[i], i == 0 ? WR_UINT32 : t);
  }
  for (int i = 0; i < n && !c.error; i++) parts[i] = wr_node_retain(made[i]);
  struct wr_node *first = NULL;
  struct wr_error *error = wr_compose_end(&c, &first, made[0]);
  if (!error) wr_node_release(first); /* it has its reference already */
  return error;
}

/* float64 by way of float32, in which all is computed; scales and biases get the type back. */
static struct wr_error *quantize_double(struct wr_node *parts[3], struct wr_node *w,
                                        struct wr_quantized_params how, struct wr_node *global,
                                        struct wr_stream *s) {
  struct wr_node *narrow;
  struct wr_error *error = wr_ops_astype(&narrow, w, WR_FLOAT32, s);
  if (error) return error;
  error = wr_ops_quantized_parts(parts, narrow, how, global, s);
  wr_node_release(narrow);
  for (int i = 1; i < 3 && !error && how.mode == WR_AFFINE; i++) {
    struct wr_node *wide;
    error = wr_ops_astype(&wide, parts[i], WR_FLOAT64, s);
    if (error) {
      for (int k = 0; k < 3; k++) wr_node_release(parts[k]);
    } else {
      wr_node_release(parts[i]);
      parts[i] = wide;
    }
  }
  return error;
}

struct wr_error *wr_ops_quantize(struct wr_node *parts[3], int *n, struct wr_node *w,
                                 const struct wr_ops_how *given, struct wr_node *global_scale,
                                 struct wr_stream *s) {
  struct wr_quantized_params how;
  struct wr_error *error = wr_ops_quantized_how(&how, given);
  if (!error) error = check_matrix(w, &how);
  if (!error) error = wr_ops_quantized_check_how(&how);
  if (!error) error = wr_ops_quantized_check_global(global_scale, (enum wr_quantized_mode)how.mode);
  if (error) return error;
  *n = how.mode == WR_AFFINE ? 3 : 2;
  if (wr_node_dtype(w) == WR_FLOAT64) return quantize_double(parts, w, how, global_scale, s);
  return wr_ops_quantized_parts(parts, w, how, global_scale, s);
}

/* ---- dequantize ---- */

static struct wr_error *mismatch(const struct wr_packed *p, bool counted) {
  const bool affine = p->how.mode == WR_AFFINE;
  const char *what = affine ? "scales and biases" : "scales";
  if (!counted) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "Shape of %s does not match the matrix", what);
  }
  char settings[64] = ".";
  if (affine) {
    snprintf(settings, sizeof settings, " with group_size=%d and bits=%d.", p->how.group,
             p->how.bits);
  }
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "Shape of %s does not match the matrix given the quantization parameters. "
                      "Provided matrix of shape %s and %s of shape %s%s",
                      what, wr_ops_shape_text(p->w).s, affine ? "scales/biases" : "scales",
                      wr_ops_shape_text(p->scales).s, settings);
}

/* Whether a has the extents of w but for the last. */
static bool is_along(const struct wr_node *a, const struct wr_node *w) {
  const int ndim = wr_node_ndim(w);
  return wr_node_ndim(a) == ndim &&
         wr_shape_equal(wr_node_shape(a), ndim - 1, wr_node_shape(w), ndim - 1);
}

static struct wr_error *check_packed(const struct wr_packed *p) {
  if (wr_node_dtype(p->w) != WR_UINT32) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "The matrix should be given as a uint32");
  }
  if (wr_node_ndim(p->w) < 2) {
    return wr_error_new(
        WEIR_ERROR_INVALID_ARGUMENT,
        "The matrix to be dequantized must have at least 2 dimension but it has only %d.",
        wr_node_ndim(p->w));
  }
  if (p->how.bits > 8) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "Invalid value for bits: %d", p->how.bits);
  }
  struct wr_error *error = wr_ops_quantized_check_scales(p);
  if (error) return error;
  const struct wr_node *s = p->scales, *b = p->biases;
  if (!is_along(s, p->w) || (b && !wr_shape_equal(wr_node_shape(b), wr_node_ndim(b),
                                                  wr_node_shape(s), wr_node_ndim(s)))) {
    return mismatch(p, false);
  }
  const int64_t groups = wr_node_shape(s)[wr_node_ndim(s) - 1];
  const int64_t k = wr_ops_packed_elements(p);
  return k <= INT32_MAX && k == groups * p->how.group ? NULL : mismatch(p, true);
}

struct wr_error *wr_ops_quantized_unpack(struct wr_node **out, const struct wr_packed *p,
                                         struct wr_node *global, enum wr_dtype dtype,
                                         struct wr_stream *s) {
  int32_t shape[WR_MAX_NDIM];
  const int ndim = wr_node_ndim(p->w);
  const bool affine = p->how.mode == WR_AFFINE;
  if (wr_stream_device(s).type == WR_DEVICE_CPU && wr_trace_stores() && ndim < WR_MAX_NDIM &&
      wr_node_size(p->w) > 0) {
    return wr_ops_quantized_steps(out, p, global, dtype, s);
  }
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *in[3] = {wr_compose_dense(&c, p->w), NULL, NULL};
  int n = 1;
  in[n] = affine ? wr_compose_astype(&c, p->scales, dtype) : p->scales;
  in[n] = wr_compose_dense(&c, in[n]);
  n++;
  if (affine) in[n++] = wr_compose_dense(&c, wr_compose_astype(&c, p->biases, dtype));
  if (global) in[n++] = wr_compose_dense(&c, global);
  memcpy(shape, wr_node_shape(p->w), (size_t)ndim * sizeof *shape);
  shape[ndim - 1] = (int32_t)wr_ops_packed_elements(p);
  struct wr_record record = wr_ops_command(WR_OP_DEQUANTIZE, in, n, &p->how, s);
  record.dtype = dtype;
  record.ndim = ndim;
  record.shape = shape;
  return wr_compose_end(&c, out, wr_compose_record(&c, &record));
}

struct wr_error *wr_ops_dequantize(struct wr_node **out, struct wr_node *w, struct wr_node *scales,
                                   struct wr_node *biases, const struct wr_ops_how *given,
                                   struct wr_node *global_scale, const enum wr_dtype *dtype,
                                   struct wr_stream *s) {
  struct wr_packed p = {.w = w, .scales = scales, .biases = biases};
  struct wr_error *error = wr_ops_quantized_how(&p.how, given);
  if (!error && p.how.mode != WR_AFFINE) error = wr_ops_quantized_check_how(&p.how);
  if (!error) error = check_packed(&p);
  if (!error) {
    error = wr_ops_quantized_check_global(global_scale, (enum wr_quantized_mode)p.how.mode);
  }
  if (error) return error;
  const bool affine = p.how.mode == WR_AFFINE;
  const enum wr_dtype own = affine ? wr_ops_quantized_type(&p) : WR_BFLOAT16;
  const enum wr_dtype to = dtype ? *dtype : own;
  if (!wr_dtype_is_floating(to)) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "Only real floating types are supported but output dtype == %s.",
                        wr_dtype_name(to));
  }
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node **slot = wr_compose_slot(&c);
  const enum wr_dtype made = affine ? own : to == WR_FLOAT64 ? WR_FLOAT32 : to;
  struct wr_node *r = wr_compose_step(&c, wr_ops_quantized_unpack(slot, &p, global_scale, made, s));
  return wr_compose_end(&c, out, wr_compose_astype(&c, r, to));
}

/* ---- again ---- */

static struct wr_error *quantize_again(struct wr_node **out, const struct wr_record *like) {
  const struct wr_quantized_params *how = like->params;
  struct wr_node *w = like->in[0], *global = like->n_in > 1 ? like->in[1] : NULL;
  struct wr_error *error = check_matrix(w, how);
  if (!error) {
    error = wr_ops_quantized_check_global(global, (enum wr_quantized_mode)how->mode);
  }
  if (error) return error;
  struct wr_compose c = wr_compose_begin(like->stream);
  return wr_compose_end(&c, out, record_bytes(&c, w, global, how));
}

static struct wr_error *dequantize_again(struct wr_node **out, const struct wr_record *like) {
  struct wr_node *const *in = like->in;
  struct wr_packed p = {
      .w = in[0], .scales = in[1], .how = *(const struct wr_quantized_params *)like->params};
  const bool affine = p.how.mode == WR_AFFINE;
  if (affine) p.biases = in[2];
  struct wr_error *error = check_packed(&p);
  if (error) return error;
  struct wr_node *global = !affine && like->n_in > 2 ? in[2] : NULL;
  return wr_ops_quantized_unpack(out, &p, global, like->dtype, like->stream);
}

struct wr_error *wr_again_quantized(struct wr_node **out, const struct wr_record *like) {
  if (like->op == WR_OP_QUANTIZE) return quantize_again(out, like);
  if (like->op == WR_OP_DEQUANTIZE) return dequantize_again(out, like);
  return wr_again_quantized_matmul(out, like);
}
