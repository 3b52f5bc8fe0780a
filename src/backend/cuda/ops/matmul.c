/* Matrix products by cuBLASLt, over any batch axes. An operand whose last two axes it can read
   (rows or columns dense) and whose batch axes are one stride is used where it lies; others are
   first copied dense. cuBLASLt counts columns first: it is asked for the transposed product, with
   the operands the other way round. float32 is computed as the product was recorded to be: in TF32,
   in float32, or as three products of TF32 (matmul_split.c); complex64 always in float32, the
   16-bit floats in float32 with one rounding.

   Which algorithm to use is asked once per shape and kept in a table of a fixed size, in which a
   newer shape takes an older one's place. Lock: BACKEND, the table's; not held during a call of
   cuBLASLt but the one that makes its handle. */

#include <limits.h>
#include <string.h>

#include "backend/cuda/ops/matmul.h"
#include "base/ending.h"
#include "base/gate.h"
#include "core/matrix.h"

enum { TABLE = 512 };

/* All that an algorithm depends on; compared byte by byte, so it has no padding. */
struct shape_key {
  int64_t m, n, k;
  int64_t lda, ldb;
  int64_t batch, a_stride, b_stride;
  uint16_t a_transposed, b_transposed;
  uint16_t dtype, has_c;
  uint16_t a_align, b_align, d_align, tf32;
};

_Static_assert(sizeof(struct shape_key) == 80, "no padding");

struct choice {
  struct shape_key key;
  struct wr_lt_algo algo;
  size_t workspace;
};

struct wr_matmul_table {
  struct wr_mutex lock;
  wr_lt_handle handle;          /* under LOCK until made */
  struct choice choices[TABLE]; /* under LOCK */
};

/* A product, and what is found out about it until the library is called. */
struct product {
  const struct wr_lt *lt;
  wr_lt_handle handle;
  const struct wr_product *asked;
  struct shape_key key;
};

/* The four descriptions that a call takes. */
struct descriptions {
  wr_lt_desc product;
  wr_lt_layout a, b, out;
};

struct wr_error *wr_matmul_table_new(struct wr_matmul_table **out) {
  *out = wr_calloc(sizeof **out);
  if (!*out) return wr_error_out_of_memory();
  wr_mutex_init(&(*out)->lock, WR_RANK_BACKEND);
  return NULL;
}

void wr_matmul_table_free(struct wr_matmul_table *table) { wr_free(table); }

bool wr_gpu_matmul_has(enum wr_dtype dtype) {
  return wr_dtype_is_floating(dtype) || dtype == WR_COMPLEX64;
}

static struct wr_error *failed(int status, const char *call) {
  enum wr_lt_status { ALLOC_FAILED = 3, NOT_SUPPORTED = 15 };
  enum weir_status code = status == ALLOC_FAILED    ? WEIR_ERROR_OUT_OF_MEMORY
                          : status == NOT_SUPPORTED ? WEIR_ERROR_UNSUPPORTED
                                                    : WEIR_ERROR_DEVICE;
  return wr_error_new(code, "%s failed with status %d", call, status);
}

static struct wr_error *handle_get_inside(struct wr_gpu *gpu, struct product *p) {
  struct wr_matmul_table *t = gpu->matmuls;
  struct wr_absence why;
  p->lt = wr_cuda_lt(&why);
  if (!p->lt) return wr_gpu_lacks("GPU matrix products", &why);
  int status = 0;
  wr_mutex_lock(&t->lock);
  const bool make = !t->handle;
  if (make) status = p->lt->create(&t->handle);
  if (status) t->handle = NULL;
  p->handle = t->handle;
  wr_mutex_unlock(&t->lock);
  if (make) wr_ending_goes_first();
  return status ? failed(status, "cublasLtCreate") : NULL;
}

/* The gate, as around a compilation: cuBLASLt's destructors must not run while a thread is in a
   call. */
static struct wr_error *handle_get(struct wr_gpu *gpu, struct product *p) {
  if (!wr_gate_enter(WR_GATE_GPU)) return wr_gpu_ending();
  struct wr_error *error = handle_get_inside(gpu, p);
  wr_gate_leave(WR_GATE_GPU);
  return error;
}

/* ---- operands ---- */

/* True when cuBLASLt can read the matrices of the last two axes where they lie. */
static bool matrix_in_place(struct wr_factor *o, const struct wr_tensor *t) {
  const int32_t *shape = t->shape + t->ndim - 2;
  const int64_t *strides = t->strides + t->ndim - 2;
  return wr_matrix_in_place(shape[0], shape[1], strides[0], strides[1], &o->transposed, &o->ld);
}

static bool batch_in_place(struct wr_factor *o, const struct wr_tensor *t) {
  struct wr_layout batch;
  wr_layout_of(&batch, t, wr_layout_all(t) & ~(3u << (t->ndim - 2)));
  o->batch_stride = batch.size > 1 ? batch.strides[0][0] : 0;
  return batch.ndim == 1 && o->batch_stride >= 0;
}

static struct wr_error *operand_prepare(struct wr_run *run, struct wr_factor *o,
                                        const struct wr_tensor *t) {
  if (matrix_in_place(o, t) && batch_in_place(o, t)) {
    o->data = t->data;
    return NULL;
  }
  void *copy;
  struct wr_error *error = wr_run_scratch(run, (size_t)t->size * wr_dtype_size(t->dtype), &copy);
  if (!error) error = wr_gpu_convert(run, t, t->dtype, copy);
  if (error) return error;
  const int64_t rows = t->shape[t->ndim - 2], cols = t->shape[t->ndim - 1];
  *o = (struct wr_factor){.data = copy, .ld = cols, .batch_stride = rows * cols};
  return NULL;
}

/* The largest power of two that divides the address; no more than algorithms ask for. */
static uint16_t alignment(const void *p) {
  uint16_t bytes = 256;
  while ((uintptr_t)p % bytes) bytes = (uint16_t)(bytes / 2);
  return bytes;
}

/* ---- descriptions ---- */

static int lt_type(enum wr_dtype t) {
  switch (t) {
    case WR_FLOAT16:
      return WR_LT_REAL_F16;
    case WR_BFLOAT16:
      return WR_LT_REAL_BF16;
    case WR_FLOAT64:
      return WR_LT_REAL_F64;
    case WR_COMPLEX64:
      return WR_LT_COMPLEX_F32;
    default:
      return WR_LT_REAL_F32;
  }
}

/* The type that alpha and beta have. */
static int scale_type(enum wr_dtype t) {
  bool short_float = t == WR_FLOAT16 || t == WR_BFLOAT16;
  return short_float ? WR_LT_REAL_F32 : lt_type(t);
}

static int compute_type(const struct wr_product *p) {
  if (p->dtype == WR_FLOAT64) return WR_LT_COMPUTE_F64;
  return p->tf32 ? WR_LT_COMPUTE_F32_BY_TF32 : WR_LT_COMPUTE_F32;
}

static int layout_make(const struct product *p, wr_lt_layout *out, int64_t rows, int64_t cols,
                       int64_t ld, int64_t stride) {
  const int32_t count = (int32_t)p->key.batch;
  int status = p->lt->layout_new(out, lt_type((enum wr_dtype)p->key.dtype), (uint64_t)rows,
                                 (uint64_t)cols, ld);
  if (status || count == 1) return status;
  status = p->lt->layout_set(*out, WR_LT_LAYOUT_BATCH_COUNT, &count, sizeof count);
  if (status) return status;
  return p->lt->layout_set(*out, WR_LT_LAYOUT_BATCH_STRIDE, &stride, sizeof stride);
}

static int operand_layout(const struct product *p, wr_lt_layout *out, const struct wr_factor *o,
                          int64_t rows, int64_t cols) {
  /* cuBLASLt reads by columns, so that our rows are its columns. */
  return o->transposed ? layout_make(p, out, rows, cols, o->ld, o->batch_stride)
                       : layout_make(p, out, cols, rows, o->ld, o->batch_stride);
}

static void descriptions_free(const struct product *p, struct descriptions *d) {
  if (d->out) p->lt->layout_free(d->out);
  if (d->b) p->lt->layout_free(d->b);
  if (d->a) p->lt->layout_free(d->a);
  if (d->product) p->lt->desc_free(d->product);
}

static int descriptions_make(const struct product *p, struct descriptions *d) {
  const struct shape_key *k = &p->key;
  const enum wr_dtype t = (enum wr_dtype)k->dtype;
  /* The first operand of the transposed product is b. */
  const int32_t first = p->asked->b.transposed, second = p->asked->a.transposed;
  int status = p->lt->desc_new(&d->product, compute_type(p->asked), scale_type(t));
  if (!status) {
    status = p->lt->desc_set(d->product, WR_LT_DESC_TRANSPOSE_A, &first, sizeof first);
  }
  if (!status) {
    status = p->lt->desc_set(d->product, WR_LT_DESC_TRANSPOSE_B, &second, sizeof second);
  }
  if (!status) status = operand_layout(p, &d->a, &p->asked->b, k->k, k->n);
  if (!status) status = operand_layout(p, &d->b, &p->asked->a, k->m, k->k);
  if (!status) status = layout_make(p, &d->out, k->n, k->m, k->n, k->m * k->n);
  return status;
}

/* ---- algorithms ---- */

static struct choice *slot_of(struct wr_matmul_table *t, const struct shape_key *key) {
  const unsigned char *p = (const unsigned char *)key;
  uint64_t h = UINT64_C(0xcbf29ce484222325);
  for (size_t i = 0; i < sizeof *key; i++) h = (h ^ p[i]) * UINT64_C(0x100000001b3);
  return &t->choices[h % TABLE];
}

static bool choice_known(struct wr_matmul_table *t, struct choice *choice) {
  wr_mutex_lock(&t->lock);
  const struct choice *slot = slot_of(t, &choice->key);
  bool known = memcmp(&slot->key, &choice->key, sizeof slot->key) == 0;
  if (known) *choice = *slot;
  wr_mutex_unlock(&t->lock);
  return known;
}

static void choice_keep(struct wr_matmul_table *t, const struct choice *choice) {
  wr_mutex_lock(&t->lock);
  *slot_of(t, &choice->key) = *choice;
  wr_mutex_unlock(&t->lock);
}

static int preference_make(const struct product *p, wr_lt_preference *out) {
  const uint64_t workspace = WR_RUN_WORKSPACE;
  const uint32_t first = p->key.b_align, second = p->key.a_align, result = p->key.d_align;
  const struct wr_lt *lt = p->lt;
  int status = lt->preference_new(out);
  if (status) return status;
  status = lt->preference_set(*out, WR_LT_PREFERENCE_WORKSPACE, &workspace, sizeof workspace);
  if (!status) status = lt->preference_set(*out, WR_LT_PREFERENCE_ALIGN_A, &first, sizeof first);
  if (!status) status = lt->preference_set(*out, WR_LT_PREFERENCE_ALIGN_B, &second, sizeof second);
  if (!status) status = lt->preference_set(*out, WR_LT_PREFERENCE_ALIGN_C, &result, sizeof result);
  if (!status) status = lt->preference_set(*out, WR_LT_PREFERENCE_ALIGN_D, &result, sizeof result);
  if (status) lt->preference_free(*out);
  return status;
}

static struct wr_error *choose(struct wr_gpu *gpu, const struct product *p,
                               const struct descriptions *d, struct choice *choice) {
  choice->key = p->key;
  if (choice_known(gpu->matmuls, choice)) return NULL;
  wr_lt_preference preference;
  struct wr_lt_heuristic best;
  int found = 0;
  int status = preference_make(p, &preference);
  if (status) return failed(status, "cublasLtMatmulPreferenceSetAttribute");
  status = p->lt->heuristic(p->handle, d->product, d->a, d->b, d->out, d->out, preference, 1, &best,
                            &found);
  p->lt->preference_free(preference);
  if (status) return failed(status, "cublasLtMatmulAlgoGetHeuristic");
  if (!found || best.state) {
    return wr_error_new(WEIR_ERROR_UNSUPPORTED, "cuBLASLt has no algorithm for this product");
  }
  choice->algo = best.algo;
  choice->workspace = best.workspace;
  choice_keep(gpu->matmuls, choice);
  return NULL;
}

/* ---- the product ---- */

/* alpha or beta in the type that cuBLASLt reads it in. */
union factor {
  float real;
  double wide;
  float complex[2];
};

static union factor factor_of(enum wr_dtype t, float value) {
  union factor f = {.complex = {value, 0.0f}};
  if (t == WR_FLOAT64) f.wide = (double)value;
  return f;
}

static struct wr_error *launch(struct wr_run *run, const struct product *p,
                               const struct descriptions *d) {
  const struct wr_product *asked = p->asked;
  const enum wr_dtype t = asked->dtype;
  const union factor alpha = factor_of(t, asked->alpha), beta = factor_of(t, asked->beta);
  struct choice choice;
  void *workspace = NULL;
  struct wr_error *error = choose(run->gpu, p, d, &choice);
  if (!error && choice.workspace > 0) error = wr_run_workspace(run, &workspace);
  if (error || !wr_run_direct(run)) return error;
  int status = p->lt->matmul(p->handle, d->product, &alpha, asked->b.data, d->a, asked->a.data,
                             d->b, &beta, asked->out, d->out, asked->out, d->out, &choice.algo,
                             workspace, choice.workspace, run->stream);
  if (status) return failed(status, "cublasLtMatmul");
  run->launched = true;
  return NULL;
}

static struct shape_key key_of(const struct wr_product *p) {
  return (struct shape_key){.m = p->m,
                            .n = p->n,
                            .k = p->k,
                            .lda = p->a.ld,
                            .ldb = p->b.ld,
                            .batch = p->batch,
                            .a_stride = p->a.batch_stride,
                            .b_stride = p->b.batch_stride,
                            .a_transposed = p->a.transposed,
                            .b_transposed = p->b.transposed,
                            .dtype = (uint16_t)p->dtype,
                            .has_c = p->beta != 0.0f,
                            .a_align = alignment(p->a.data),
                            .b_align = alignment(p->b.data),
                            .d_align = alignment(p->out),
                            .tf32 = p->tf32};
}

struct wr_error *wr_product_run(struct wr_run *run, const struct wr_product *asked) {
  struct product p = {.asked = asked, .key = key_of(asked)};
  struct descriptions d = {0};
  struct wr_error *error = handle_get(run->gpu, &p);
  if (error) return error;
  if (!wr_gate_enter(WR_GATE_GPU)) return wr_gpu_ending();
  int status = descriptions_make(&p, &d);
  error = status ? failed(status, "describing a product to cuBLASLt") : launch(run, &p, &d);
  descriptions_free(&p, &d);
  wr_gate_leave(WR_GATE_GPU);
  return error;
}

/* A product with a vector takes as long as reading the matrix, so it is computed in float32. */
static enum wr_precision precision_of(const struct wr_product *p, int32_t recorded) {
  const bool counts = p->dtype == WR_FLOAT32 && p->m > 1 && p->n > 1;
  return counts ? (enum wr_precision)recorded : WR_PRECISION_FLOAT32;
}

struct wr_error *wr_product_run_as(struct wr_run *run, struct wr_product *p, int32_t recorded) {
  const enum wr_precision precision = precision_of(p, recorded);
  if (precision == WR_PRECISION_TF32X3 && wr_product_splits(p)) return wr_product_run_split(run, p);
  p->tf32 = precision == WR_PRECISION_TF32;
  return wr_product_run(run, p);
}

/* Unless beta is 0, what beta multiplies stands in the result already. */
static struct wr_error *multiply(struct wr_run *run, const struct wr_tensor *in,
                                 const struct wr_tensor *out, const struct wr_addmm_params *how) {
  const int64_t m = out->shape[out->ndim - 2], n = out->shape[out->ndim - 1];
  struct wr_product p = {.m = m,
                         .n = n,
                         .k = in[0].shape[in[0].ndim - 1],
                         .batch = out->size / (m * n),
                         .dtype = out->dtype,
                         .out = out->data,
                         .alpha = how->alpha,
                         .beta = how->beta};
  if (p.batch > INT32_MAX) {
    return wr_error_new(WEIR_ERROR_UNSUPPORTED, "%lld products at once are too many for the GPU",
                        (long long)p.batch);
  }
  struct wr_error *error = operand_prepare(run, &p.a, &in[0]);
  if (!error) error = operand_prepare(run, &p.b, &in[1]);
  return error ? error : wr_product_run_as(run, &p, how->precision);
}

static struct wr_error *scale(struct wr_run *run, const struct wr_tensor *out, float factor) {
  struct wr_launch l;
  const struct wr_module_id id = {WR_SOURCE_SCALE,     WR_OP_MULTIPLY,        (uint8_t)out->dtype,
                                  (uint8_t)out->dtype, out->size > INT32_MAX, 0};
  wr_launch_start(&l, id, WR_ENTRY_ONLY);
  wr_launch_pointer(&l, out->data);
  wr_launch_index(&l, out->size);
  wr_launch_f32(&l, factor);
  wr_launch_threads(&l, run, out->size, 256);
  return wr_launch(&l, run);
}

struct wr_error *wr_gpu_matmul(struct wr_run *run, const struct wr_call *call) {
  const struct wr_tensor *in = call->in, *out = &call->out;
  if (!wr_gpu_matmul_has(out->dtype)) return wr_gpu_no_body(call);
  if (out->size == 0) return NULL;
  const struct wr_matmul_params *params = call->params;
  const struct wr_addmm_params how = {.alpha = 1.0f, .precision = params ? params->precision : 0};
  if (in[0].shape[in[0].ndim - 1] > 0) return multiply(run, in, out, &how);
  return wr_run_zero(run, out->data, (size_t)out->size * wr_dtype_size(out->dtype));
}

struct wr_error *wr_gpu_addmm(struct wr_run *run, const struct wr_call *call) {
  const struct wr_addmm_params *params = call->params;
  const struct wr_tensor *in = call->in, *out = &call->out;
  if (!wr_gpu_matmul_has(out->dtype)) return wr_gpu_no_body(call);
  if (out->size == 0) return NULL;
  struct wr_error *error = wr_gpu_convert(run, &in[0], out->dtype, out->data);
  if (error) return error;
  if (in[1].shape[in[1].ndim - 1] == 0) return scale(run, out, params->beta);
  return multiply(run, in + 1, out, params);
}
