/* Fourier transforms along one axis, of complex64 and of float32. Lines go side by side, as many as
   an element has lanes, where there are some and they are short; else one after the other, each of
   them spread over the pool. A real line of even length is a complex one of half of it, whose
   elements are pairs of neighbours (Sorensen et al.: Real-valued fast Fourier transform algorithms,
   1987). Nothing is written outside a line that reads from outside of it: a NaN stays in its line.
   No locks but that of the plans. */

#include <string.h>

#include "backend/cpu/fft_line.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/loop/loop.h"
#include "base/atomic.h"
#include "base/base.h"

enum { LANES = WR_FFT_LANES, ENOUGH_LINES = 6 };

struct fft {
  const struct wr_fft_plan *plan;
  struct wr_walk walk; /* all axes but the transform's: input, result; elements */
  enum wr_fft_kind kind;
  bool halves;                   /* real, of even length */
  int64_t n_in, n_out;           /* elements of a line as it is loaded, and stored */
  int64_t in_floats, out_floats; /* of an element in memory */
  struct wr_fft_side in, out;
  float scale;
  wr_atomic_bool refused; /* atomic RELAXED: memory was; read once the pool has finished */
};

/* ---- before and after the transform of a real line ---- */

struct pair {
  float re, im;
};

/* X_k of the real line, from Z_k and Z_{h - k} of its pairs. */
WR_INLINE struct pair separated(struct pair z, struct pair other, struct wr_fft_turn w) {
  const float re = (float)w.re, im = (float)w.im;
  const float even_re = 0.5f * (z.re + other.re), even_im = 0.5f * (z.im - other.im);
  const float odd_re = 0.5f * (z.im + other.im), odd_im = 0.5f * (other.re - z.re);
  return (struct pair){even_re + (re * odd_re - im * odd_im),
                       even_im + (re * odd_im + im * odd_re)};
}

/* 2 Z_k of the pairs, from X_k and X_{h - k}. */
WR_INLINE struct pair joined(struct pair x, struct pair other, struct wr_fft_turn w) {
  const float re = (float)w.re, im = (float)w.im;
  const float less_re = x.re - other.re, less_im = x.im + other.im;
  const float odd_re = re * less_re + im * less_im, odd_im = re * less_im - im * less_re;
  return (struct pair){x.re + other.re - odd_im, x.im - other.im + odd_re};
}

WR_WIDE static void separate_lanes(const struct wr_fft_plan *plan,
                                   const struct wr_fft_lanes *restrict z,
                                   struct wr_fft_lanes *restrict x) {
  const int64_t h = plan->n;
  for (int64_t k = 0; k <= h; k++) {
    const struct wr_fft_lanes *a = &z[k == h ? 0 : k], *b = &z[k == 0 ? 0 : h - k];
    const struct wr_fft_turn w = wr_fft_turn_of(&plan->double_turns, k);
    WR_INDEPENDENT
    for (int l = 0; l < LANES; l++) {
      const struct pair r =
          separated((struct pair){a->re[l], a->im[l]}, (struct pair){b->re[l], b->im[l]}, w);
      x[k].re[l] = r.re;
      x[k].im[l] = r.im;
    }
  }
}

/* The first and the last element of half a spectrum are real. */
WR_WIDE static void join_lanes(const struct wr_fft_plan *plan, struct wr_fft_lanes *restrict x,
                               struct wr_fft_lanes *restrict z) {
  const int64_t h = plan->n;
  memset(x[0].im, 0, sizeof x[0].im);
  memset(x[h].im, 0, sizeof x[h].im);
  for (int64_t k = 0; k < h; k++) {
    const struct wr_fft_lanes *a = &x[k], *b = &x[h - k];
    const struct wr_fft_turn w = wr_fft_turn_of(&plan->double_turns, k);
    WR_INDEPENDENT
    for (int l = 0; l < LANES; l++) {
      const struct pair r =
          joined((struct pair){a->re[l], a->im[l]}, (struct pair){b->re[l], b->im[l]}, w);
      z[k].re[l] = r.im; /* exchanged, for the way back */
      z[k].im[l] = r.re;
    }
  }
}

/* The whole spectrum of a real line of odd length, exchanged. */
static void mirror_lanes(int64_t n, const struct wr_fft_lanes *restrict x,
                         struct wr_fft_lanes *restrict z) {
  memset(&z[0], 0, sizeof z[0]);
  memcpy(z[0].im, x[0].re, sizeof x[0].re);
  for (int64_t k = 1; k <= n / 2; k++) {
    for (int l = 0; l < LANES; l++) {
      z[k].im[l] = z[n - k].im[l] = x[k].re[l];
      z[k].re[l] = x[k].im[l];
      z[n - k].re[l] = -x[k].im[l];
    }
  }
}

/* ---- lines side by side ---- */

/* x = x w in all lanes, where w has n complex numbers; `exchanged` after that. */
WR_WIDE static void times(struct wr_fft_lanes *x, const float *w, int64_t n, bool exchanged) {
  for (int64_t j = 0; j < n; j++) {
    float *re = x[j].re, *im = x[j].im;
    float *to_re = exchanged ? im : re, *to_im = exchanged ? re : im;
    const float a = w[2 * j], b = w[2 * j + 1];
    WR_INDEPENDENT
    for (int l = 0; l < LANES; l++) {
      const float x_re = re[l], x_im = im[l];
      to_re[l] = x_re * a - x_im * b;
      to_im[l] = x_re * b + x_im * a;
    }
  }
}

static void exchange(struct wr_fft_lanes *x, int64_t n) {
  for (int64_t j = 0; j < n; j++) {
    struct wr_fft_lanes e = x[j];
    memcpy(x[j].re, e.im, sizeof e.im);
    memcpy(x[j].im, e.re, sizeof e.re);
  }
}

static struct wr_fft_lanes *transform_lanes(const struct wr_fft_plan *plan, struct wr_fft_lanes *a,
                                            struct wr_fft_lanes *b) {
  if (!plan->chirp) return wr_fft_passes_run(plan->whole, a, b);
  const int64_t n = plan->n, m = plan->length;
  times(a, plan->chirp, n, false);
  memset(a + n, 0, (size_t)(m - n) * sizeof *a);
  struct wr_fft_lanes *r = wr_fft_passes_run(plan->whole, a, b);
  times(r, plan->kernel, m, true);
  r = wr_fft_passes_run(plan->whole, r, r == a ? b : a);
  exchange(r, n);
  times(r, plan->chirp, n, false);
  return r;
}

/* What is loaded is in `a`; where what is to be stored is. */
static const struct wr_fft_lanes *run_lanes(const struct fft *f, struct wr_fft_lanes *a,
                                            struct wr_fft_lanes *b) {
  if (f->kind == WR_FFT_REAL_INVERSE) {
    if (f->halves) {
      join_lanes(f->plan, a, b);
    } else {
      mirror_lanes(f->plan->n, a, b);
    }
    return transform_lanes(f->plan, b, a);
  }
  struct wr_fft_lanes *r = transform_lanes(f->plan, a, b);
  if (f->kind != WR_FFT_REAL || !f->halves) return r;
  struct wr_fft_lanes *x = r == a ? b : a;
  separate_lanes(f->plan, r, x);
  return x;
}

/* Where lines [first, first + LANES) begin, in floats; past the last one they are it again. Gives
   how many there are. */
static int offsets_of(const struct fft *f, int64_t first, int64_t *in, int64_t *out) {
  const int64_t left = f->walk.size - first;
  const int count = (int)(left < LANES ? left : LANES);
  struct wr_each e;
  int l = 0;
  wr_each_start(&e, &f->walk, first, first + count);
  for (; wr_each_next(&e); l++) {
    in[l] = e.at[0] * f->in_floats;
    out[l] = e.at[1] * f->out_floats;
  }
  for (; l < LANES; l++) {
    in[l] = in[count - 1];
    out[l] = out[count - 1];
  }
  return count;
}

static void blocks_body(void *ctx, int64_t begin, int64_t end) {
  struct fft *f = ctx;
  const int64_t each = f->plan->length + 1; /* half a spectrum has one more */
  int64_t in[LANES], out[LANES];
  struct wr_fft_lanes *a = wr_alloc_aligned(64, 2 * (size_t)each * sizeof *a);
  if (!a) {
    wr_store_relaxed(&f->refused, true); /* relaxed: see the word */
    return;
  }
  for (int64_t block = begin; block < end; block++) {
    const int count = offsets_of(f, block * LANES, in, out);
    wr_fft_load(a, f->n_in, &f->in, in);
    wr_fft_store(run_lanes(f, a, a + each), f->n_out, &f->out, out, count, f->scale);
  }
  wr_free(a);
}

static void run_blocks(struct fft *f) {
  const int64_t block = f->plan->length * LANES;
  wr_spread((f->walk.size + LANES - 1) / LANES, wr_cpu_grain(block), blocks_body, f);
}

/* ---- one line after the other ---- */

static struct pair read_pair(const struct wr_fft_side *side, int64_t k) {
  const float *p = side->data + k * side->step;
  return (struct pair){p[side->re], p[side->im]};
}

static void write_pair(const struct wr_fft_side *side, int64_t k, struct pair v, float scale) {
  float *p = side->data + k * side->step;
  p[side->re] = v.re * scale;
  p[side->im] = v.im * scale;
}

static void separate(const struct wr_fft_plan *plan, const struct wr_fft_side *z,
                     const struct wr_fft_side *x, float scale) {
  const int64_t h = plan->n;
  for (int64_t k = 0; k <= h; k++) {
    const struct pair a = read_pair(z, k == h ? 0 : k), b = read_pair(z, k == 0 ? 0 : h - k);
    write_pair(x, k, separated(a, b, wr_fft_turn_of(&plan->double_turns, k)), scale);
  }
}

static void join(const struct wr_fft_plan *plan, const struct wr_fft_side *x,
                 const struct wr_fft_side *z) {
  const int64_t h = plan->n;
  for (int64_t k = 0; k < h; k++) {
    struct pair a = read_pair(x, k), b = read_pair(x, h - k);
    if (k == 0) a.im = b.im = 0.0f; /* both ends are real */
    write_pair(z, k, joined(a, b, wr_fft_turn_of(&plan->double_turns, k)), 1.0f);
  }
}

static void mirror(int64_t n, const struct wr_fft_side *x, const struct wr_fft_side *z) {
  write_pair(z, 0, (struct pair){read_pair(x, 0).re, 0.0f}, 1.0f);
  for (int64_t k = 1; k <= n / 2; k++) {
    const struct pair v = read_pair(x, k);
    write_pair(z, k, v, 1.0f);
    write_pair(z, n - k, (struct pair){v.re, -v.im}, 1.0f);
  }
}

/* A real line, by way of the complex line z. */
static bool run_real(const struct fft *f, const struct wr_fft_side *in,
                     const struct wr_fft_side *out, const struct wr_fft_side *z) {
  if (f->kind == WR_FFT_REAL_INVERSE) {
    const struct wr_fft_side back = wr_fft_exchanged(*z);
    if (f->halves) {
      join(f->plan, in, z);
    } else {
      mirror(f->plan->n, in, z);
    }
    return wr_fft_line(f->plan, &back, out, f->scale);
  }
  if (!wr_fft_line(f->plan, in, z, 1.0f)) return false;
  if (f->halves) {
    separate(f->plan, z, out, f->scale);
    return true;
  }
  for (int64_t k = 0; k < f->n_out; k++) write_pair(out, k, read_pair(z, k), f->scale);
  return true;
}

static bool is_real(enum wr_fft_kind kind) {
  return kind == WR_FFT_REAL || kind == WR_FFT_REAL_INVERSE;
}

static bool run_lines(struct fft *f) {
  float *line = NULL;
  bool done = true;
  if (is_real(f->kind)) {
    line = wr_alloc_aligned(64, (size_t)f->plan->n * 2 * sizeof *line);
    if (!line) return false;
  }
  const struct wr_fft_side z = wr_fft_dense(line);
  for (int64_t l = 0; l < f->walk.size && done; l++) {
    int64_t in_at[LANES], out_at[LANES];
    struct wr_fft_side in = f->in, out = f->out;
    (void)offsets_of(f, l, in_at, out_at);
    in.data += in_at[0];
    out.data += out_at[0];
    done = line ? run_real(f, &in, &out, &z) : wr_fft_line(f->plan, &in, &out, f->scale);
  }
  wr_free(line);
  return done;
}

/* ---- the call ---- */

static void describe(struct fft *f, const struct wr_call *call) {
  const struct wr_fft_params *params = call->params;
  const struct wr_tensor *in = &call->in[0], *out = &call->out;
  const int64_t step_in = in->strides[params->axis], step_out = out->strides[params->axis];
  const int64_t n = params->n;
  f->kind = (enum wr_fft_kind)params->kind;
  f->scale = (float)params->scale;
  f->in_floats = in->dtype == WR_COMPLEX64 ? 2 : 1;
  f->out_floats = out->dtype == WR_COMPLEX64 ? 2 : 1;
  f->in = (struct wr_fft_side){in->data, step_in * f->in_floats, 0, 1};
  f->out = (struct wr_fft_side){out->data, step_out * f->out_floats, 0, 1};
  f->n_in = in->shape[params->axis];
  f->n_out = out->shape[params->axis];
  f->halves = is_real(f->kind) && n % 2 == 0;
  struct wr_fft_side *real = f->kind == WR_FFT_REAL ? &f->in : &f->out;
  if (f->halves) {
    *real = (struct wr_fft_side){real->data, 2 * real->step, 0, real->step};
    *(f->kind == WR_FFT_REAL ? &f->n_in : &f->n_out) = n / 2;
  } else if (is_real(f->kind)) {
    real->im = WR_FFT_NONE;
  }
  if (f->kind == WR_FFT_INVERSE) f->in = wr_fft_exchanged(f->in);
  if (f->kind == WR_FFT_INVERSE || f->kind == WR_FFT_REAL_INVERSE) {
    f->out = wr_fft_exchanged(f->out);
  }
  wr_walk_start(&f->walk);
  for (int d = 0; d < in->ndim; d++) {
    if (d != params->axis) wr_walk_push(&f->walk, in->shape[d], in->strides[d], out->strides[d]);
  }
  wr_walk_end(&f->walk);
}

struct wr_error *wr_cpu_fft(const struct wr_call *call) {
  const struct wr_fft_params *params = call->params;
  struct fft f = {0};
  if (call->out.size == 0) return NULL;
  describe(&f, call);
  f.plan = wr_fft_plan_get(f.halves ? params->n / 2 : params->n);
  if (!f.plan) return wr_error_out_of_memory();
  if (f.plan->whole && (f.walk.size >= ENOUGH_LINES || f.plan->rows == 0)) {
    run_blocks(&f);
  } else if (!run_lines(&f)) {
    f.refused = true;
  }
  wr_fft_plan_release(f.plan);
  /* relaxed: the pool has finished */
  return wr_load_relaxed(&f.refused) ? wr_error_out_of_memory() : NULL;
}
