/* One product of float32 as three of TF32: a b is high(a) high(b) + high(a) low(b) + low(a)
   high(b), where the parts that kernels/split.cu makes are exact in TF32. What is left out, low(a)
   low(b), is 2^-22 of a b at most. The tensor cores round each sum towards zero, an error that
   grows with the number of terms; so high(a) high(b), the only product for which that counts, is
   taken SLICE terms at a time, and the slices are added in float32, rounded to nearest.

   Rows of a and columns of b with an element that is infinite, no number or beyond 2^40, or with
   none of 2^-90, are not split: they count as 0 in the three products, and their results are added
   by a kernel of plain float32, which costs nothing where there are none. No locks. */

#include <math.h>

#include "backend/cuda/ops/matmul.h"

enum { SLICE = 512 };

/* As kernels/split.cu has it. */
struct matrix {
  int64_t rows, cols, ld, batch_stride, batches;
};

/* An operand: the matrix as it lies, its lines (rows of a, columns of b), and the two parts that it
   is split into. */
struct split {
  const struct wr_factor *whole;
  struct matrix m;
  bool by_row; /* a line is a row of `m` */
  int64_t lines;
  int64_t pitch;
  uint32_t *largest; /* of each line of each matrix */
  struct wr_factor high, low;
};

/* ---- whether it is worth it ---- */

/* Compares two estimates, made with what an H200 does in a second (operations in TF32 and in
   float32, bytes of memory) and what launches take. They need not be exact: where they are close,
   either way is as good. */
bool wr_product_splits(const struct wr_product *p) {
  const double by_tf32 = 350e12, by_float32 = 50e12, memory = 4e12, launches = 30e-6;
  const double size = fabs((double)p->alpha);
  const double m = (double)p->m, n = (double)p->n, k = (double)p->k, batch = (double)p->batch;
  const double operations = 2 * batch * m * n * k;
  /* Bytes: each operand is read twice and written as two parts; the parts are read, one of them
     by two products. */
  const double operands = 32 * batch * (m * k + k * n);
  const double results = 8 * batch * m * n * (k / SLICE + 2);
  /* Beyond these the sums of products could overflow before alpha makes them small. */
  if (p->dtype != WR_FLOAT32 || !(size >= 0x1p-16 && size <= 0x1p16)) return false;
  return operations / by_float32 >
         3 * operations / by_tf32 + (operands + results) / memory + launches;
}

/* ---- the parts ---- */

static struct split split_of(const struct wr_product *p, const struct wr_factor *whole, bool is_a) {
  const int64_t rows = is_a ? p->m : p->k, cols = is_a ? p->k : p->n;
  struct split s = {.whole = whole,
                    .m = {.rows = whole->transposed ? cols : rows,
                          .cols = whole->transposed ? rows : cols,
                          .ld = whole->ld,
                          .batch_stride = whole->batch_stride,
                          .batches = whole->batch_stride == 0 ? 1 : p->batch},
                    .by_row = is_a != whole->transposed,
                    .lines = is_a ? p->m : p->n};
  s.pitch = (s.m.cols + 3) / 4 * 4; /* rows begin on 16 bytes, as tensor cores want them */
  return s;
}

/* Room for both parts. */
static struct wr_error *parts_new(struct wr_run *run, struct split *s) {
  const int64_t matrix = s->m.rows * s->pitch;
  void *data;
  struct wr_factor part = {.transposed = s->whole->transposed,
                           .ld = s->pitch,
                           .batch_stride = s->m.batches == 1 ? 0 : matrix};
  const int64_t elements = matrix * s->m.batches;
  struct wr_error *error = wr_run_scratch(run, (size_t)elements * 2 * sizeof(float), &data);
  if (error) return error;
  s->high = s->low = part;
  s->high.data = data;
  s->low.data = (float *)data + elements;
  return NULL;
}

static void start(struct wr_launch *l, int entry) {
  const struct wr_module_id id = {WR_SOURCE_SPLIT, WR_OP_MATMUL, WR_FLOAT32, WR_FLOAT32, false, 0};
  wr_launch_start(l, id, entry);
}

static struct wr_error *survey(struct wr_run *run, const struct split *s) {
  enum { TALL = 64, THREADS = 256 };
  const int64_t columns = (s->m.cols + THREADS - 1) / THREADS;
  struct wr_launch l;
  start(&l, s->by_row ? WR_ENTRY_SPLIT_SURVEY_ROWS : WR_ENTRY_SPLIT_SURVEY_COLUMNS);
  wr_launch_pointer(&l, s->largest);
  wr_launch_pointer(&l, s->whole->data);
  wr_launch_struct(&l, &s->m, sizeof s->m);
  if (s->by_row) {
    wr_launch_blocks(&l, s->m.rows * s->m.batches, 1, THREADS);
  } else {
    wr_launch_blocks(&l, columns, (s->m.rows + TALL - 1) / TALL * s->m.batches, THREADS);
  }
  return wr_launch(&l, run);
}

static struct wr_error *make_parts(struct wr_run *run, const struct split *s, uint32_t *any) {
  enum { THREADS = 256, EACH = 4 };
  struct wr_launch l;
  start(&l, WR_ENTRY_SPLIT_PARTS);
  wr_launch_pointer(&l, s->high.data);
  wr_launch_pointer(&l, s->low.data);
  wr_launch_pointer(&l, any);
  wr_launch_pointer(&l, s->whole->data);
  wr_launch_pointer(&l, s->largest);
  wr_launch_struct(&l, &s->m, sizeof s->m);
  wr_launch_i64(&l, s->pitch);
  wr_launch_i64(&l, s->by_row);
  wr_launch_blocks(&l, (s->m.cols + THREADS * EACH - 1) / (THREADS * EACH),
                   s->m.rows * s->m.batches, THREADS);
  return wr_launch(&l, run);
}

/* The memory begins with *any, and the largest magnitudes of the lines of a and of b follow. */
static struct wr_error *split_both(struct wr_run *run, struct split *a, struct split *b,
                                   uint32_t **any) {
  const int64_t of_a = a->lines * a->m.batches, of_b = b->lines * b->m.batches;
  const size_t bytes = (size_t)(1 + of_a + of_b) * sizeof **any;
  void *room;
  struct wr_error *error = wr_run_scratch(run, bytes, &room);
  if (!error) error = parts_new(run, a);
  if (!error) error = parts_new(run, b);
  if (!error) error = wr_run_zero(run, room, bytes);
  if (error) return error;
  *any = room;
  a->largest = *any + 1;
  b->largest = a->largest + of_a;
  error = survey(run, a);
  if (!error) error = survey(run, b);
  if (!error) error = make_parts(run, a, *any);
  if (!error) error = make_parts(run, b, *any);
  return error;
}

/* ---- the products ---- */

/* Leaves out the terms before `first`: so many columns of a, and rows of b. */
static void skip(struct wr_factor *a, struct wr_factor *b, int64_t first) {
  a->data = (const float *)a->data + first * (a->transposed ? a->ld : 1);
  b->data = (const float *)b->data + first * (b->transposed ? 1 : b->ld);
}

/* The small products first. */
static struct wr_error *products(struct wr_run *run, const struct wr_product *asked,
                                 const struct split *a, const struct split *b) {
  struct wr_product p = *asked;
  p.tf32 = true;
  p.a = a->low;
  p.b = b->high;
  struct wr_error *error = wr_product_run(run, &p);
  p.beta = 1.0f;
  p.a = a->high;
  p.b = b->low;
  if (!error) error = wr_product_run(run, &p);
  for (int64_t first = 0; first < asked->k && !error; first += SLICE) {
    p.a = a->high;
    p.b = b->high;
    p.k = asked->k - first < SLICE ? asked->k - first : SLICE;
    skip(&p.a, &p.b, first);
    error = wr_product_run(run, &p);
  }
  return error;
}

static struct wr_error *mend(struct wr_run *run, const struct wr_product *p, const struct split *a,
                             const struct split *b, const uint32_t *any) {
  /* As kernels/split.cu has it. */
  const struct {
    int64_t m, n, k, batches;
    int64_t a_row, a_column, a_batch, b_row, b_column, b_batch;
    int64_t a_lines, b_lines;
  } whole = {.m = p->m,
             .n = p->n,
             .k = p->k,
             .batches = p->batch,
             .a_row = p->a.transposed ? 1 : p->a.ld,
             .a_column = p->a.transposed ? p->a.ld : 1,
             .a_batch = p->a.batch_stride,
             .b_row = p->b.transposed ? 1 : p->b.ld,
             .b_column = p->b.transposed ? p->b.ld : 1,
             .b_batch = p->b.batch_stride,
             .a_lines = a->m.batches == 1 ? 0 : a->lines,
             .b_lines = b->m.batches == 1 ? 0 : b->lines};
  struct wr_launch l;
  start(&l, WR_ENTRY_SPLIT_MEND);
  wr_launch_pointer(&l, p->out);
  wr_launch_pointer(&l, any);
  wr_launch_pointer(&l, p->a.data);
  wr_launch_pointer(&l, p->b.data);
  wr_launch_pointer(&l, a->largest);
  wr_launch_pointer(&l, b->largest);
  wr_launch_struct(&l, &whole, sizeof whole);
  wr_launch_f32(&l, p->alpha);
  wr_launch_threads(&l, run, p->m * p->n * p->batch, 256);
  return wr_launch(&l, run);
}

struct wr_error *wr_product_run_split(struct wr_run *run, const struct wr_product *p) {
  struct split a = split_of(p, &p->a, true), b = split_of(p, &p->b, false);
  uint32_t *any;
  struct wr_error *error = split_both(run, &a, &b, &any);
  if (!error) error = products(run, p, &a, &b);
  return error ? error : mend(run, p, &a, &b, any);
}
