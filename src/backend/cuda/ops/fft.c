/* Fourier transforms by cuFFT. Lines that are one distance apart on both sides are transformed
   where they lie; others are first copied so that they lie one after the other, and the result is
   copied back. Half a spectrum is always copied: cuFFT may overwrite it, and its ends are made
   real.

   A plan of cuFFT's is what it knows of one layout, and it holds a stream and a workspace while it
   is used: so a plan is taken out of the table for a call, and put back. The table keeps the latest
   few; what goes out of it is destroyed, which may wait for the GPU. Lock: BACKEND, the table's;
   not held during a call of cuFFT. */

#include <string.h>

#include "backend/cuda/ops/internal.h"
#include "base/ending.h"
#include "base/gate.h"

enum { PLANS = 64, ALIGNMENT = 16 };

/* All that a plan depends on; compared byte by byte, so it has no padding. */
struct layout_key {
  int64_t n;
  int64_t batch;
  int64_t in_stride, in_distance; /* elements */
  int64_t out_stride, out_distance;
  int64_t type;
};

struct plan {
  struct layout_key key;
  size_t workspace; /* bytes */
  int handle;
};

struct wr_fft_table {
  struct wr_mutex lock;
  int count;                /* under LOCK */
  struct plan plans[PLANS]; /* under LOCK: those that nobody uses, the latest last */
};

/* Lines that lie as cuFFT takes them, and where their transforms go. */
struct lines {
  const struct wr_cufft *cufft;
  struct layout_key key;
  enum wr_fft_kind kind;
  void *in, *out;
};

struct wr_error *wr_fft_table_new(struct wr_fft_table **out) {
  *out = wr_calloc(sizeof **out);
  if (!*out) return wr_error_out_of_memory();
  wr_mutex_init(&(*out)->lock, WR_RANK_BACKEND);
  return NULL;
}

void wr_fft_table_free(struct wr_fft_table *table) { wr_free(table); }

static struct wr_error *failed(int status, const char *call) {
  return wr_error_new(
      status == WR_CUFFT_ALLOC_FAILED ? WEIR_ERROR_OUT_OF_MEMORY : WEIR_ERROR_DEVICE,
      "%s failed with status %d", call, status);
}

/* ---- plans ---- */

static bool plan_take(struct wr_fft_table *t, const struct layout_key *key, struct plan *out) {
  bool found = false;
  wr_mutex_lock(&t->lock);
  for (int i = t->count - 1; i >= 0 && !found; i--) {
    if (memcmp(&t->plans[i].key, key, sizeof *key) != 0) continue;
    found = true;
    *out = t->plans[i];
    t->count--;
    memmove(&t->plans[i], &t->plans[i + 1], (size_t)(t->count - i) * sizeof t->plans[0]);
  }
  wr_mutex_unlock(&t->lock);
  return found;
}

static void plan_give(struct wr_fft_table *t, const struct wr_cufft *cufft,
                      const struct plan *plan) {
  struct plan oldest;
  wr_mutex_lock(&t->lock);
  const bool full = t->count == PLANS;
  if (full) {
    oldest = t->plans[0];
    t->count--;
    memmove(&t->plans[0], &t->plans[1], (size_t)t->count * sizeof t->plans[0]);
  }
  t->plans[t->count++] = *plan;
  wr_mutex_unlock(&t->lock);
  if (full) (void)cufft->destroy(oldest.handle);
}

static struct wr_error *plan_make(const struct wr_cufft *cufft, const struct layout_key *key,
                                  struct plan *out) {
  long long n = key->n;
  *out = (struct plan){.key = *key};
  int status = cufft->create(&out->handle);
  if (status) return failed(status, "cufftCreate");
  status = cufft->own_workspace(out->handle, 0);
  if (!status) {
    /* The two lists of extents say how lines lie in a larger array. In one dimension they change
       nothing, but where they are NULL cuFFT does not look at the strides either. */
    status =
        cufft->make(out->handle, 1, &n, &n, key->in_stride, key->in_distance, &n, key->out_stride,
                    key->out_distance, (int)key->type, key->batch, &out->workspace);
  }
  if (!status) return NULL;
  (void)cufft->destroy(out->handle);
  return failed(status, "cufftMakePlanMany64");
}

static struct wr_error *library_get(const struct wr_cufft **out) {
  struct wr_absence why;
  *out = wr_cuda_cufft(&why);
  return *out ? NULL : wr_gpu_lacks("GPU Fourier transforms", &why);
}

/* ---- running ---- */

static int execute(const struct lines *l, const struct plan *plan) {
  switch (l->kind) {
    case WR_FFT_REAL:
      return l->cufft->r2c(plan->handle, l->in, l->out);
    case WR_FFT_REAL_INVERSE:
      return l->cufft->c2r(plan->handle, l->in, l->out);
    default:
      return l->cufft->c2c(plan->handle, l->in, l->out,
                           l->kind == WR_FFT_FORWARD ? WR_CUFFT_FORWARD : WR_CUFFT_INVERSE);
  }
}

static struct wr_error *with_plan(struct wr_run *run, const struct lines *l,
                                  const struct plan *plan) {
  void *workspace = NULL;
  if (plan->workspace > 0) {
    struct wr_error *error = wr_run_scratch(run, plan->workspace, &workspace);
    if (error) return error;
  }
  if (!wr_run_direct(run)) return NULL;
  int status = l->cufft->set_stream(plan->handle, run->stream);
  if (!status) status = l->cufft->set_workspace(plan->handle, workspace);
  if (!status) status = execute(l, plan);
  if (status) return failed(status, "cufftExec");
  run->launched = true;
  return NULL;
}

static struct wr_error *run_inside(struct wr_run *run, struct lines *l) {
  struct wr_fft_table *table = run->gpu->ffts;
  struct plan plan;
  struct wr_error *error = library_get(&l->cufft);
  if (error) return error;
  const bool make = !plan_take(table, &l->key, &plan);
  if (make) {
    error = plan_make(l->cufft, &l->key, &plan);
    wr_ending_goes_first(); /* also after a failure, by which cuFFT may have opened more */
  }
  if (error) return error;
  error = with_plan(run, l, &plan);
  plan_give(table, l->cufft, &plan);
  return error;
}

/* The gate, as around a compilation: cuFFT's destructors must not run while a thread is in a call.
 */
static struct wr_error *run_lines(struct wr_run *run, struct lines *l) {
  if (!wr_gate_enter(WR_GATE_GPU)) return wr_gpu_ending();
  struct wr_error *error = run_inside(run, l);
  wr_gate_leave(WR_GATE_GPU);
  return error;
}

/* ---- the kernels around it ---- */

static struct wr_launch around(int entry) {
  struct wr_launch l;
  const struct wr_module_id id = {
      .source = WR_SOURCE_FFT, .op = WR_OP_FFT, .a = WR_FLOAT32, .b = WR_FLOAT32, .big = true};
  wr_launch_start(&l, id, entry);
  return l;
}

static struct wr_error *scale(struct wr_run *run, const struct wr_tensor *out, double factor) {
  if (factor == 1) return NULL;
  const int64_t floats = out->dtype == WR_COMPLEX64 ? 2 * out->size : out->size;
  struct wr_launch l = around(WR_ENTRY_FFT_SCALE);
  wr_launch_pointer(&l, out->data);
  wr_launch_i64(&l, floats);
  wr_launch_f64(&l, factor);
  wr_launch_threads(&l, run, floats, 256);
  return wr_launch(&l, run);
}

static struct wr_error *real_ends(struct wr_run *run, void *spectra, int64_t lines, int64_t n) {
  struct wr_launch l = around(WR_ENTRY_FFT_REAL_ENDS);
  wr_launch_pointer(&l, spectra);
  wr_launch_i64(&l, lines);
  wr_launch_i64(&l, n / 2 + 1);
  wr_launch_i64(&l, n % 2 == 0);
  wr_launch_threads(&l, run, lines, 256);
  return wr_launch(&l, run);
}

/* ---- layouts ---- */

/* True when cuFFT can take the lines along the axis where they lie: the first elements of two
   neighbouring lines are always one distance apart. */
static bool in_place(const struct wr_tensor *t, int axis, int64_t *stride, int64_t *distance) {
  struct wr_layout others;
  wr_layout_of(&others, t, wr_layout_all(t) & ~(1u << axis));
  *stride = t->shape[axis] > 1 ? t->strides[axis] : 1;
  *distance = others.size > 1 ? others.strides[0][0] : t->shape[axis] * *stride;
  return others.ndim == 1 && *stride > 0 && *distance > 0 && (uintptr_t)t->data % ALIGNMENT == 0;
}

/* t with the axis as the last; `shape` and `strides` are the room for it. */
static struct wr_tensor axis_last(const struct wr_tensor *t, int axis, int32_t *shape,
                                  int64_t *strides) {
  struct wr_tensor turned = *t;
  for (int d = 0, at = 0; d < t->ndim; d++) {
    const int to = d == axis ? t->ndim - 1 : at++;
    shape[to] = t->shape[d];
    strides[to] = t->strides[d];
  }
  turned.shape = shape;
  turned.strides = strides;
  turned.dense = t->dense && axis == t->ndim - 1;
  return turned;
}

/* A copy of the lines along the axis, each dense and one after the other, in scratch. */
static struct wr_error *gathered(struct wr_run *run, const struct wr_tensor *t, int axis,
                                 void **out) {
  int32_t shape[WR_MAX_NDIM];
  int64_t strides[WR_MAX_NDIM];
  const struct wr_tensor turned = axis_last(t, axis, shape, strides);
  struct wr_error *error = wr_run_scratch(run, (size_t)t->size * wr_dtype_size(t->dtype), out);
  return error ? error : wr_gpu_convert(run, &turned, t->dtype, *out);
}

/* Copies lines that lie so to where the result has them. */
static struct wr_error *put_back(struct wr_run *run, void *lines, const struct wr_tensor *out,
                                 int axis) {
  int64_t strides[WR_MAX_NDIM];
  struct wr_tensor from = *out;
  int64_t stride = out->shape[axis];
  for (int d = out->ndim - 1; d >= 0; d--) {
    strides[d] = d == axis ? 1 : stride;
    if (d != axis) stride *= out->shape[d];
  }
  from.data = lines;
  from.strides = strides;
  from.dense = axis == out->ndim - 1;
  return wr_gpu_convert(run, &from, out->dtype, out->data);
}

/* Gathers the lines, transforms them, and copies them back. */
static struct wr_error *run_gathered(struct wr_run *run, const struct wr_call *call,
                                     struct lines *l) {
  const struct wr_fft_params *params = call->params;
  const struct wr_tensor *in = &call->in[0], *out = &call->out;
  const int axis = params->axis;
  const bool last = axis == out->ndim - 1;
  struct wr_error *error = gathered(run, in, axis, &l->in);
  if (!error && l->kind == WR_FFT_REAL_INVERSE) {
    error = real_ends(run, l->in, l->key.batch, params->n);
  }
  l->key.in_stride = l->key.out_stride = 1;
  l->key.in_distance = in->shape[axis];
  l->key.out_distance = out->shape[axis];
  if (!error && !last) {
    error = wr_run_scratch(run, (size_t)out->size * wr_dtype_size(out->dtype), &l->out);
  }
  if (!error) error = run_lines(run, l);
  return error || last ? error : put_back(run, l->out, out, axis);
}

static int type_of(enum wr_fft_kind kind) {
  if (kind == WR_FFT_REAL) return WR_CUFFT_R2C;
  return kind == WR_FFT_REAL_INVERSE ? WR_CUFFT_C2R : WR_CUFFT_C2C;
}

struct wr_error *wr_gpu_fft(struct wr_run *run, const struct wr_call *call) {
  const struct wr_fft_params *params = call->params;
  const struct wr_tensor *in = &call->in[0], *out = &call->out;
  if (out->size == 0) return NULL;
  struct lines l = {.kind = (enum wr_fft_kind)params->kind, .in = in->data, .out = out->data};
  struct layout_key *key = &l.key;
  key->n = params->n;
  key->batch = out->size / out->shape[params->axis];
  key->type = type_of(l.kind);
  const bool both = in_place(in, params->axis, &key->in_stride, &key->in_distance) &&
                    in_place(out, params->axis, &key->out_stride, &key->out_distance);
  struct wr_error *error =
      both && l.kind != WR_FFT_REAL_INVERSE ? run_lines(run, &l) : run_gathered(run, call, &l);
  return error ? error : scale(run, out, params->scale);
}
