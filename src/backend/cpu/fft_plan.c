/* Making and keeping plans. */

#include "backend/cpu/fft_plan.h"

#include <math.h>
#include <string.h>

#include "base/atomic.h"
#include "base/base.h"
#include "base/fork.h"

enum {
  KEPT = 32,
  KEPT_BYTES = 32 << 20,
  WHOLE_MOST = 8192, /* lines side by side: two buffers of so many elements and 16 lanes */
  SPLIT_LEAST = 128
};

static const double full_turn = -6.28318530717958647692528676655900577;

struct plan {
  struct wr_fft_plan p;
  int64_t bytes;
  wr_atomic_u32 refs; /* atomic ACQ_REL */
};

static struct wr_mutex lock = WR_MUTEX_INIT(WR_RANK_BACKEND);
static struct plan *kept[KEPT]; /* under LOCK; the latest first; a reference each */
WR_AT_FORK(.rank = WR_RANK_BACKEND, .lock = &lock)

/* ---- making ---- */

static void *alloc_for(struct plan *plan, int64_t bytes) {
  plan->bytes += bytes;
  return wr_alloc_aligned(64, (size_t)bytes);
}

static void turns_free(struct wr_fft_turns *turns) { wr_free((void *)turns->low); }

static bool turns_make(struct plan *plan, struct wr_fft_turns *turns, int64_t n) {
  int shift = 0;
  while (INT64_C(1) << (2 * shift) < n) shift++;
  const int64_t low = INT64_C(1) << shift, high = (n >> shift) + 1;
  double *table = alloc_for(plan, (low + high) * 2 * (int64_t)sizeof(double));
  if (!table) return false;
  for (int64_t i = 0; i < low + high; i++) {
    const double t = i < low ? (double)i : (double)((i - low) << shift);
    table[2 * i] = cos(full_turn * t / (double)n);
    table[2 * i + 1] = sin(full_turn * t / (double)n);
  }
  *turns = (struct wr_fft_turns){n, shift, table, table + 2 * low};
  return true;
}

static struct wr_fft_passes *passes_make(struct plan *plan, int64_t n) {
  struct wr_fft_passes *p = wr_fft_passes_new(n);
  if (p) plan->bytes += p->bytes;
  return p;
}

/* The divisor of n nearest to its root from below. */
static int64_t rows_of(int64_t n) {
  int64_t rows = (int64_t)sqrt((double)n);
  while (n % rows != 0) rows--;
  return rows;
}

static bool split(struct plan *plan) {
  struct wr_fft_plan *p = &plan->p;
  p->rows = rows_of(p->length);
  p->columns = p->length / p->rows;
  p->down = passes_make(plan, p->rows);
  p->along = passes_make(plan, p->columns);
  p->column_turns = alloc_for(plan, p->rows * (int64_t)sizeof *p->column_turns);
  if (!p->down || !p->along || !p->column_turns) return false;
  for (int64_t k = 0; k < p->rows; k++) {
    for (int l = 0; l < WR_FFT_LANES; l++) {
      const double angle = full_turn * (double)(l * k) / (double)p->length;
      p->column_turns[k].re[l] = (float)cos(angle);
      p->column_turns[k].im[l] = (float)sin(angle);
    }
  }
  return turns_make(plan, &p->turns, p->length);
}

/* The least length of factors 2, 3 and 5 that is at least n. */
static int64_t good_length(int64_t n) {
  int64_t best = INT64_MAX;
  for (int64_t fives = 1; fives < 5 * n; fives *= 5) {
    for (int64_t threes = fives; threes < 3 * n; threes *= 3) {
      int64_t length = threes;
      while (length < n) length *= 2;
      if (length < best) best = length;
    }
  }
  return best;
}

static bool transform_whole(const struct wr_fft_plan *p, float *line) {
  const size_t bytes = (size_t)p->length * sizeof(struct wr_fft_lanes);
  struct wr_fft_lanes *a = wr_alloc_aligned(64, 2 * bytes);
  if (!a) return false;
  memset(a, 0, bytes);
  for (int64_t j = 0; j < p->length; j++) {
    a[j].re[0] = line[2 * j];
    a[j].im[0] = line[2 * j + 1];
  }
  const struct wr_fft_lanes *r = wr_fft_passes_run(p->whole, a, a + p->length);
  for (int64_t j = 0; j < p->length; j++) {
    line[2 * j] = r[j].re[0];
    line[2 * j + 1] = r[j].im[0];
  }
  wr_free(a);
  return true;
}

/* chirp_j = exp(-i pi j^2 / n); the other side is its conjugate, at j and at -j. */
static bool convolution_make(struct plan *plan) {
  struct wr_fft_plan *p = &plan->p;
  const int64_t n = p->n, m = p->length;
  p->chirp = alloc_for(plan, n * 2 * (int64_t)sizeof(float));
  p->kernel = alloc_for(plan, m * 2 * (int64_t)sizeof(float));
  if (!p->chirp || !p->kernel) return false;
  memset(p->kernel, 0, (size_t)m * 2 * sizeof(float));
  for (int64_t j = 0; j < n; j++) {
    const int64_t square = j * j % (2 * n); /* n is of 31 bits */
    const struct wr_fft_turn w = wr_fft_turn_of(&p->double_turns, square);
    const int64_t other = j == 0 ? 0 : m - j;
    p->chirp[2 * j] = (float)w.re;
    p->chirp[2 * j + 1] = (float)w.im;
    p->kernel[2 * j] = p->kernel[2 * other] = (float)(w.re / (double)m);
    p->kernel[2 * j + 1] = p->kernel[2 * other + 1] = (float)(-w.im / (double)m);
  }
  return p->rows ? wr_fft_line_in_place(p, p->kernel, false) : transform_whole(p, p->kernel);
}

static void plan_free(struct plan *plan) {
  struct wr_fft_plan *p = &plan->p;
  turns_free(&p->double_turns);
  turns_free(&p->turns);
  wr_free(p->kernel);
  wr_free(p->chirp);
  wr_free(p->column_turns);
  wr_free(p->along);
  wr_free(p->down);
  wr_free(p->whole);
  wr_free(plan);
}

static bool fill(struct plan *plan) {
  struct wr_fft_plan *p = &plan->p;
  const bool direct = wr_fft_is_smooth(p->n);
  p->length = direct ? p->n : good_length(2 * p->n - 1);
  if (p->length <= WHOLE_MOST) {
    p->whole = passes_make(plan, p->length);
    if (!p->whole) return false;
  }
  if (p->length >= SPLIT_LEAST && !split(plan)) return false;
  return turns_make(plan, &p->double_turns, 2 * p->n) && (direct || convolution_make(plan));
}

static struct plan *plan_new(int64_t n) {
  struct plan *plan = wr_calloc(sizeof *plan);
  if (!plan) return NULL;
  plan->p.n = n;
  plan->refs = 1;
  plan->bytes = (int64_t)sizeof *plan;
  if (fill(plan)) return plan;
  plan_free(plan);
  return NULL;
}

/* ---- keeping ---- */

static void retain(struct plan *plan) {
  wr_fetch_add_relaxed(&plan->refs, 1u); /* relaxed: the caller has, or guards, a reference */
}

void wr_fft_plan_release(const struct wr_fft_plan *p) {
  struct plan *plan = p ? WR_CONTAINER_OF((void *)p, struct plan, p) : NULL;
  /* acq_rel: the last one sees what all others did with the plan before it frees it */
  if (plan && wr_fetch_sub_acq_rel(&plan->refs, 1u) == 1) plan_free(plan);
}

static void to_front_locked(int i, struct plan *plan) {
  memmove(&kept[1], &kept[0], (size_t)i * sizeof *kept);
  kept[0] = plan;
}

static struct plan *find_locked(int64_t n) {
  for (int i = 0; i < KEPT && kept[i]; i++) {
    struct plan *plan = kept[i];
    if (plan->p.n != n) continue;
    to_front_locked(i, plan);
    retain(plan);
    return plan;
  }
  return NULL;
}

/* Puts the plan first; what does not fit behind it any more goes to `out`, which ends with NULL. */
static void keep_locked(struct plan *plan, struct plan **out) {
  int64_t bytes = 0;
  int n_out = 0;
  struct plan *last = kept[KEPT - 1];
  retain(plan);
  to_front_locked(KEPT - 1, plan);
  for (int i = 0; i < KEPT && kept[i]; i++) {
    bytes += kept[i]->bytes;
    if (bytes <= KEPT_BYTES) continue;
    for (int j = i; j < KEPT && kept[j]; j++) {
      out[n_out++] = kept[j];
      kept[j] = NULL;
    }
  }
  if (last) out[n_out++] = last;
  out[n_out] = NULL;
}

const struct wr_fft_plan *wr_fft_plan_get(int64_t n) {
  struct plan *out[KEPT + 2] = {0};
  wr_mutex_lock(&lock);
  struct plan *plan = find_locked(n);
  wr_mutex_unlock(&lock);
  if (plan) return &plan->p;
  plan = plan_new(n);
  if (!plan) return NULL;
  if (plan->bytes > KEPT_BYTES) return &plan->p; /* for it all others would go, and then it too */
  wr_mutex_lock(&lock);
  keep_locked(plan, out); /* twice, where two threads have made it: no harm */
  wr_mutex_unlock(&lock);
  for (int i = 0; out[i]; i++) wr_fft_plan_release(&out[i]->p);
  return &plan->p;
}
