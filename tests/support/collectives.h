#ifndef WR_TESTS_SUPPORT_COLLECTIVES_H
#define WR_TESTS_SUPPORT_COLLECTIVES_H

/* What holds for the collectives of any backend: values of every dtype and of sizes from 0 to 64 MB
   against what one process computes alone; what goes from one process to the next; groups of
   groups; derivatives and vmap; streams and threads. Each function is what one process does. */

#include "processes.h"

static const char *backend = "ring";
static mlx_stream (*stream_for_group)(void) = new_stream; /* where values are made and compared */
static bool elsewhere; /* the group's commands stand on other streams than that */
static mlx_stream s;
static mlx_distributed_group group;
static int rank, size;

static const mlx_dtype all_dtypes[] = {
    MLX_BOOL,  MLX_UINT8, MLX_UINT16,  MLX_UINT32,  MLX_UINT64,   MLX_INT8,    MLX_INT16,
    MLX_INT32, MLX_INT64, MLX_FLOAT16, MLX_FLOAT32, MLX_BFLOAT16, MLX_FLOAT64, MLX_COMPLEX64};
enum { DTYPES = sizeof all_dtypes / sizeof all_dtypes[0] };

/* What process `of` brings: whole numbers, so that sums do not depend on their order. */
static inline mlx_array values_of(int of, const int *shape, int ndim, mlx_dtype dtype) {
  mlx_array a = mlx_array_new(), b = mlx_array_new(), k = mlx_array_new_int(of * 7 + 3);
  mlx_array m = mlx_array_new_int(5);
  int n = 1;
  for (int i = 0; i < ndim; i++) n *= shape[i];
  CHECK(mlx_arange(&a, 0, n, 1, MLX_INT32, s) == 0 && mlx_multiply(&a, a, k, s) == 0);
  CHECK(mlx_remainder(&a, a, m, s) == 0 && mlx_astype(&b, a, dtype, s) == 0);
  CHECK(mlx_reshape(&a, b, shape, (size_t)ndim, s) == 0);
  mlx_array_free(b);
  mlx_array_free(k);
  mlx_array_free(m);
  return a;
}

static inline bool same(mlx_array a, mlx_array b) {
  mlx_array equal = mlx_array_new();
  bool yes = false;
  CHECK(mlx_array_dtype(a) == mlx_array_dtype(b));
  CHECK(mlx_array_equal(&equal, a, b, false, s) == 0);
  if (mlx_array_item_bool(&yes, equal)) fprintf(stderr, "rank %d: %s\n", rank, weir_last_error());
  mlx_array_free(equal);
  return yes;
}

typedef int collective(mlx_array *res, const mlx_array x, const mlx_distributed_group g,
                       const mlx_stream stream);
typedef int binary(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream stream);

static inline mlx_array alone(binary *op, const int *shape, int ndim, mlx_dtype dtype) {
  mlx_array sum = values_of(0, shape, ndim, dtype);
  for (int i = 1; i < size; i++) {
    mlx_array next = values_of(i, shape, ndim, dtype);
    CHECK(op(&sum, sum, next, s) == 0);
    mlx_array_free(next);
  }
  return sum;
}

static inline void reduce_case(collective *all, binary *op, const int *shape, int ndim,
                               mlx_dtype dtype) {
  mlx_array x = values_of(rank, shape, ndim, dtype), y = mlx_array_new();
  mlx_array expected = alone(op, shape, ndim, dtype);
  CHECK(all(&y, x, group, s) == 0 && same(y, expected));
  mlx_array_free(x);
  mlx_array_free(y);
  mlx_array_free(expected);
}

static inline void gather_case(const int *shape, int ndim, mlx_dtype dtype) {
  mlx_array x = values_of(rank, shape, ndim, dtype), y = mlx_array_new(),
            expected = mlx_array_new();
  mlx_vector_array parts = mlx_vector_array_new();
  const int one = 1;
  for (int i = 0; i < size; i++) {
    mlx_array part = values_of(i, shape, ndim, dtype);
    if (ndim == 0) CHECK(mlx_reshape(&part, part, &one, 1, s) == 0);
    CHECK(mlx_vector_array_append_value(parts, part) == 0);
    mlx_array_free(part);
  }
  CHECK(mlx_concatenate_axis(&expected, parts, 0, s) == 0);
  CHECK(mlx_distributed_all_gather(&y, x, group, s) == 0 && same(y, expected));
  mlx_vector_array_free(parts);
  mlx_array_free(x);
  mlx_array_free(y);
  mlx_array_free(expected);
}

static inline void scatter_case(const int *shape, int ndim, mlx_dtype dtype) {
  int whole[4] = {0}, start[4] = {0}, stop[4] = {0}, step[4] = {1, 1, 1, 1};
  for (int i = 0; i < ndim; i++) stop[i] = whole[i] = shape[i] * (i ? 1 : size);
  start[0] = rank * shape[0];
  stop[0] = start[0] + shape[0];
  mlx_array x = values_of(rank, whole, ndim, dtype), y = mlx_array_new();
  mlx_array sum = alone(mlx_add, whole, ndim, dtype), expected = mlx_array_new();
  const size_t n = (size_t)ndim;
  CHECK(mlx_slice(&expected, sum, start, n, stop, n, step, n, s) == 0);
  CHECK(mlx_distributed_sum_scatter(&y, x, group, s) == 0 && same(y, expected));
  mlx_array_free(x);
  mlx_array_free(y);
  mlx_array_free(sum);
  mlx_array_free(expected);
}

static inline void every_case(void) {
  static const struct {
    int shape[3], ndim;
  } shapes[] = {{{0}, 0},    {{0}, 1},        {{1}, 1},    {{2}, 1},   {{3, 5}, 2},
                {{0, 4}, 2}, {{7, 1, 11}, 3}, {{1000}, 1}, {{257}, 1}, {{100003}, 1}};
  /* where it takes longer, those that are not cut evenly, and the last */
  const size_t n = sizeof shapes / sizeof shapes[0], step = size > 2 || SANITIZED ? 3 : 1;
  for (size_t i = 0; i < n; i += step) {
    const int *shape = shapes[i].shape, ndim = shapes[i].ndim;
    for (int t = 0; t < DTYPES; t++) {
      reduce_case(mlx_distributed_all_sum, mlx_add, shape, ndim, all_dtypes[t]);
      reduce_case(mlx_distributed_all_max, mlx_maximum, shape, ndim, all_dtypes[t]);
      reduce_case(mlx_distributed_all_min, mlx_minimum, shape, ndim, all_dtypes[t]);
      gather_case(shape, ndim, all_dtypes[t]);
      if (ndim > 0) scatter_case(shape, ndim, all_dtypes[t]);
    }
  }
}

/* ---- what is not dense, lazy, or read on other streams ---- */

static inline void views(void) {
  const int shape[2] = {6, 4};
  mlx_stream other = new_stream();
  mlx_array x = values_of(rank, shape, 2, MLX_FLOAT32), t = mlx_array_new(), y = mlx_array_new();
  mlx_array expected = alone(mlx_add, shape, 2, MLX_FLOAT32), twice = mlx_array_new();
  CHECK(mlx_transpose(&t, x, s) == 0 && mlx_distributed_all_sum(&y, t, group, s) == 0);
  CHECK(mlx_transpose(&y, y, other) == 0 && mlx_add(&twice, y, y, other) == 0);
  CHECK(mlx_add(&expected, expected, expected, s) == 0 && same(twice, expected));
  mlx_array all[] = {x, t, y, expected, twice};
  for (int i = 0; i < 5; i++) mlx_array_free(all[i]);
  mlx_stream_free(other);
}

/* Many in one evaluation, on several streams: the order is that of the graph. */
static inline void many_at_once(void) {
  enum { N = 24 };
  mlx_stream other = new_stream();
  mlx_vector_array all = mlx_vector_array_new();
  const int shape = 50;
  for (int i = 0; i < N; i++) {
    mlx_array x = values_of(rank + i, &shape, 1, MLX_INT32), y = mlx_array_new();
    CHECK(mlx_distributed_all_sum(&y, x, group, i % 3 ? s : other) == 0);
    CHECK(mlx_vector_array_append_value(all, y) == 0);
    mlx_array_free(x);
    mlx_array_free(y);
  }
  CHECK(mlx_async_eval(all) == 0 && mlx_synchronize(s) == 0 && mlx_synchronize(other) == 0);
  for (int i = 0; i < N; i++) {
    mlx_array y = mlx_array_new(), expected = values_of(i, &shape, 1, MLX_INT32);
    for (int r = 1; r < size; r++) {
      mlx_array next = values_of(r + i, &shape, 1, MLX_INT32);
      CHECK(mlx_add(&expected, expected, next, s) == 0);
      mlx_array_free(next);
    }
    CHECK(mlx_vector_array_get(&y, all, (size_t)i) == 0 && (elsewhere || available(y)) &&
          same(y, expected));
    mlx_array_free(y);
    mlx_array_free(expected);
  }
  mlx_vector_array_free(all);
  mlx_stream_free(other);
}

/* ---- from one to the next ---- */

/* Each process receives before it sends, in one submission; then the same way back, where what
   waits on one stream does not hold up the other. */
static inline void around(mlx_dtype dtype, int n) {
  mlx_stream other = new_stream();
  const int next = (rank + 1) % size, before = (rank + size - 1) % size;
  mlx_array x = values_of(rank, &n, 1, dtype), sent = mlx_array_new(), got = mlx_array_new();
  mlx_array back = mlx_array_new(), returned = mlx_array_new();
  mlx_array expected = values_of(before, &n, 1, dtype);
  mlx_vector_array both = mlx_vector_array_new();
  /* there a submission is two commands */
  CHECK(mlx_distributed_recv(&got, &n, 1, dtype, before, group, WR_TORTURED ? other : s) == 0);
  CHECK(mlx_distributed_send(&sent, x, next, group, s) == 0);
  CHECK(mlx_vector_array_append_value(both, got) == 0);
  CHECK(mlx_vector_array_append_value(both, sent) == 0);
  CHECK(mlx_eval(both) == 0 && same(got, expected) && same(sent, x));
  CHECK(mlx_distributed_send(&back, got, before, group, s) == 0 && submit(back) == 0);
  CHECK(mlx_distributed_recv_like(&returned, x, next, group, other) == 0 && same(returned, x));
  CHECK(mlx_array_eval(back) == 0);
  mlx_vector_array_free(both);
  mlx_array all[] = {x, sent, got, back, returned, expected};
  for (int i = 0; i < 6; i++) mlx_array_free(all[i]);
  mlx_stream_free(other);
}

static inline void peers(void) {
  const int shape = 3;
  mlx_array x = mlx_array_new_float(1), y = mlx_array_new();
  for (int i = 0; i < DTYPES; i++) {
    around(all_dtypes[i], 0);
    around(all_dtypes[i], 1);
    around(all_dtypes[i], 10007);
  }
  around(MLX_FLOAT32, SANITIZED ? 1 << 19 : 1 << 22);
  CHECK(mlx_distributed_send(&y, x, size, group, s) == 1);
  CHECK(strstr(weir_last_error(), "Invalid destination="));
  CHECK(mlx_distributed_recv(&y, &shape, 1, MLX_FLOAT32, -1, group, s) == 1);
  CHECK(strstr(weir_last_error(), "Invalid source=-1 for a group of size"));
  if (size > 3 && !strcmp(backend, "ring")) {
    CHECK(mlx_distributed_send(&y, x, (rank + 2) % size, group, s) == 1);
    CHECK(strstr(weir_last_error(), "[ring] Send only supported to direct neighbors but tried"));
    CHECK(mlx_distributed_recv_like(&y, x, (rank + 2) % size, group, s) == 1);
    CHECK(strstr(weir_last_error(), "[ring] Recv only supported from direct neighbors but tried"));
  }
  mlx_array_free(x);
  mlx_array_free(y);
}

/* ---- groups of groups ---- */

static inline void sum_of_ranks(mlx_distributed_group g, float expected) {
  mlx_array x = mlx_array_new_float((float)rank), y = mlx_array_new();
  float sum = -1;
  CHECK(mlx_distributed_all_sum(&y, x, g, s) == 0 && mlx_array_item_float32(&sum, y) == 0);
  CHECK(sum == expected);
  mlx_array_free(x);
  mlx_array_free(y);
}

static inline void splits(void) {
  mlx_distributed_group half = mlx_distributed_group_new(), back = mlx_distributed_group_new();
  float total = 0, mine = 0;
  for (int i = 0; i < size; i++) {
    total += (float)i;
    if (i % 2 == rank % 2) mine += (float)i;
  }
  CHECK(mlx_distributed_group_split(&half, group, rank % 2, -1) == 0);
  CHECK(mlx_distributed_group_size(half) == (size + 1 - rank % 2) / 2);
  CHECK(mlx_distributed_group_rank(half) == rank / 2);
  sum_of_ranks(half, mine);
  sum_of_ranks(group, total);
  CHECK(mlx_distributed_group_split(&back, group, 5, size - rank) == 0);
  CHECK(mlx_distributed_group_size(back) == size);
  CHECK(mlx_distributed_group_rank(back) == size - 1 - rank);
  sum_of_ranks(back, total);
  CHECK(mlx_distributed_group_split(&back, back, rank, 0) == 0);
  CHECK(mlx_distributed_group_size(back) == 1 && mlx_distributed_group_rank(back) == 0);
  sum_of_ranks(back, (float)rank);
  CHECK(mlx_distributed_group_split(&back, back, 0, 0) == 1);
  CHECK(strstr(weir_last_error(), "Cannot split the distributed group further."));
  sum_of_ranks(half, mine);
  CHECK(mlx_distributed_group_free(half) == 0 && mlx_distributed_group_free(back) == 0);
}

/* ---- derivatives ---- */

static collective *of_closure;

/* The sum of the squares of what is collected. */
static inline int squares(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = mlx_array_new(), y = mlx_array_new(), sum = mlx_array_new();
  CHECK(mlx_vector_array_get(&x, in, 0) == 0);
  if (of_closure(&y, x, group, s)) return 1;
  CHECK(mlx_square(&y, y, s) == 0 && mlx_sum(&sum, y, false, s) == 0);
  *res = mlx_vector_array_new_value(sum);
  mlx_array_free(x);
  mlx_array_free(y);
  mlx_array_free(sum);
  return 0;
}

static inline void gradient(collective *what, float of_each) {
  const int first = 0, n = 4;
  mlx_closure f = mlx_closure_new_func(squares);
  mlx_closure_value_and_grad g = mlx_closure_value_and_grad_new();
  const float data[4] = {(float)rank, 1, 2, 3};
  mlx_array x = mlx_array_new_data(data, &n, 1, MLX_FLOAT32), grad = mlx_array_new();
  mlx_vector_array in = mlx_vector_array_new_value(x), values = mlx_vector_array_new();
  mlx_vector_array grads = mlx_vector_array_new();
  of_closure = what;
  CHECK(mlx_value_and_grad(&g, f, &first, 1) == 0);
  CHECK(mlx_closure_value_and_grad_apply(&values, &grads, g, in) == 0);
  CHECK(mlx_vector_array_get(&grad, grads, 0) == 0);
  const float *d = mlx_array_data_float32(grad);
  CHECK(mlx_array_eval(grad) == 0 && (d = mlx_array_data_float32(grad)) != NULL);
  for (int i = 1; i < n; i++) CHECK(d[i] == 2 * of_each * (float)i);
  mlx_closure_free(f);
  mlx_closure_value_and_grad_free(g);
  mlx_vector_array_free(in);
  mlx_vector_array_free(values);
  mlx_vector_array_free(grads);
  mlx_array_free(x);
  mlx_array_free(grad);
}

static inline void tangent(void) {
  const int n = 4;
  mlx_closure f = mlx_closure_new_func(squares);
  const float data[4] = {1, 2, 3, 4}, ones[4] = {1, 1, 1, 1};
  mlx_array x = mlx_array_new_data(data, &n, 1, MLX_FLOAT32), out = mlx_array_new();
  mlx_array t = mlx_array_new_data(ones, &n, 1, MLX_FLOAT32);
  mlx_vector_array in = mlx_vector_array_new_value(x), of = mlx_vector_array_new_value(t);
  mlx_vector_array values = mlx_vector_array_new(), tangents = mlx_vector_array_new();
  float d = 0;
  of_closure = mlx_distributed_all_sum;
  CHECK(mlx_jvp(&values, &tangents, f, in, of) == 0);
  CHECK(mlx_vector_array_get(&out, tangents, 0) == 0 && mlx_array_item_float32(&d, out) == 0);
  CHECK(d == 20.0f * (float)(size * size));
  of_closure = mlx_distributed_sum_scatter;
  if (n % size == 0) {
    CHECK(mlx_jvp(&values, &tangents, f, in, of) == 1);
    CHECK(strstr(weir_last_error(), "Not implemented for ReduceScatter"));
  }
  mlx_closure_free(f);
  mlx_vector_array_free(in);
  mlx_vector_array_free(of);
  mlx_vector_array_free(values);
  mlx_vector_array_free(tangents);
  mlx_array_free(x);
  mlx_array_free(t);
  mlx_array_free(out);
}

/* ---- vmap ---- */

static inline int collected(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = mlx_array_new(), y = mlx_array_new();
  CHECK(mlx_vector_array_get(&x, in, 0) == 0 && of_closure(&y, x, group, s) == 0);
  *res = mlx_vector_array_new_value(y);
  mlx_array_free(x);
  mlx_array_free(y);
  return 0;
}

/* Columns of x, each by itself, against the same of all of them and back. */
static inline void mapped(collective *what, int rows) {
  const int shape[2] = {rows, 3}, axis = 1;
  mlx_array x = values_of(rank, shape, 2, MLX_INT32), y = mlx_array_new(), z = mlx_array_new();
  mlx_vector_array in = mlx_vector_array_new_value(x), traced = mlx_vector_array_new();
  mlx_vector_array outputs = mlx_vector_array_new(), out = mlx_vector_array_new();
  mlx_closure f = mlx_closure_new_func(collected);
  of_closure = what;
  CHECK(mlx_detail_vmap_trace(&traced, &outputs, f, in, &axis, 1) == 0);
  CHECK(mlx_detail_vmap_replace(&out, in, traced, outputs, &axis, 1, &axis, 1) == 0);
  CHECK(mlx_vector_array_get(&y, out, 0) == 0 && what(&z, x, group, s) == 0 && same(y, z));
  mlx_closure_free(f);
  mlx_vector_array all[] = {in, traced, outputs, out};
  for (int i = 0; i < 4; i++) mlx_vector_array_free(all[i]);
  mlx_array_free(x);
  mlx_array_free(y);
  mlx_array_free(z);
}

/* ---- compiled ---- */

/* Each call is a collective of its own, in its place. */
static inline void compiled(void) {
  mlx_closure f = mlx_closure_new_func(squares), fast = mlx_closure_new();
  const int n = 3;
  of_closure = mlx_distributed_all_sum;
  CHECK(mlx_compile(&fast, f, false) == 0);
  for (int i = 1; i < 6; i++) {
    const float data[3] = {(float)(rank + i), 1, 0};
    mlx_array x = mlx_array_new_data(data, &n, 1, MLX_FLOAT32), y = mlx_array_new();
    mlx_vector_array in = mlx_vector_array_new_value(x), out = mlx_vector_array_new();
    const float sum = (float)(size * (size - 1) / 2 + size * i), ones = (float)size;
    float got = 0;
    CHECK(mlx_closure_apply(&out, fast, in) == 0 && mlx_vector_array_get(&y, out, 0) == 0);
    CHECK(mlx_array_item_float32(&got, y) == 0 && got == sum * sum + ones * ones);
    mlx_vector_array_free(in);
    mlx_vector_array_free(out);
    mlx_array_free(x);
    mlx_array_free(y);
  }
  mlx_closure_free(f);
  mlx_closure_free(fast);
}

/* ---- in a request ---- */

/* One process gives up what the others do their part of: the collective keeps its place, with what
   it needs, and what reads it is taken back. R2. */
static inline void cancelled(void) {
  struct stall stall;
  const float each = (float)(size * (size + 1) / 2);
  weir_request r = weir_request_new();
  weir_request_stats_t stats;
  mlx_array x = mlx_array_new_float((float)rank), one = mlx_array_new_float(1);
  mlx_array sum = mlx_array_new(), more = mlx_array_new();
  float got = 0;
  CHECK(mlx_add(&x, x, one, s) == 0 && mlx_distributed_all_sum(&sum, x, group, s) == 0);
  CHECK(mlx_add(&more, sum, one, s) == 0);
  stall_begin(&stall, s);
  CHECK(weir_request_enter(r) == 0 && submit(more) == 0 && weir_request_leave() == 0);
  if (rank == 0) CHECK(weir_request_cancel(r) == 0);
  CHECK(weir_request_stats(&stats, r) == 0 && stats.taken_back == (rank == 0 ? 1 : 0));
  stall_end(&stall);
  barrier(group, s);
  CHECK(available(sum));
  CHECK(mlx_array_item_float32(&got, sum) == 0 && got == each);
  CHECK(mlx_array_item_float32(&got, more) == 0 && got == each + 1);
  CHECK(weir_request_free(r) == 0);
  mlx_array all[] = {x, one, sum, more};
  for (int i = 0; i < 4; i++) mlx_array_free(all[i]);
}

/* ---- threads ---- */

enum { THREADS = 4 };
static mlx_distributed_group of_thread[THREADS];

/* Each thread has a group and streams of its own, as the order of threads is not the same in all
   processes. */
static inline void storm(int i) {
  mlx_stream mine[2] = {new_stream(), new_stream()};
  mlx_array x = mlx_array_new_float((float)(rank + i)), y = mlx_array_new();
  const float each = (float)(size * (size - 1) / 2 + size * i);
  for (int round = 0; round < times(40, 400); round++) {
    float sum = 0;
    CHECK(mlx_distributed_all_sum(&y, x, of_thread[i], mine[round % 2]) == 0);
    if (round % 3 == 0) CHECK(submit(y) == 0 && mlx_synchronize(mine[round % 2]) == 0);
    CHECK(mlx_array_item_float32(&sum, y) == 0 && sum == each);
  }
  mlx_array_free(x);
  mlx_array_free(y);
  for (int k = 0; k < 2; k++) mlx_stream_free(mine[k]);
}

static inline void storms(void) {
  for (int i = 0; i < THREADS; i++) {
    of_thread[i] = mlx_distributed_group_new();
    CHECK(mlx_distributed_group_split(&of_thread[i], group, 0, -1) == 0);
  }
  run_threads(THREADS, storm);
  for (int i = 0; i < THREADS; i++) CHECK(mlx_distributed_group_free(of_thread[i]) == 0);
}

/* ---- what each process does ---- */

static inline void begin(int r, int n) {
  s = stream_for_group();
  group = group_of_backend(backend);
  rank = mlx_distributed_group_rank(group);
  size = mlx_distributed_group_size(group);
  CHECK(rank == r && size == n);
}

/* Nothing is left: streams, threads, memory. */
static inline void end(void) {
  barrier(group, s);
  CHECK(mlx_distributed_group_free(group) == 0);
  mlx_stream_free(s);
  CHECK(weir_shutdown(INT64_C(20000000000)) == 0);
  /* MPI has its own, and in a child ThreadSanitizer more than one. */
  if (!SANITIZED && !strcmp(backend, "ring")) CHECK(threads_become(1));
}

static inline void all_of_it(int r, int n) {
  begin(r, n);
  every_case();
  views();
  many_at_once();
  peers();
  splits();
  gradient(mlx_distributed_all_sum, (float)n);
  gradient(mlx_distributed_all_gather, 1);
  tangent();
  compiled();
  mapped(mlx_distributed_all_sum, 5);
  mapped(mlx_distributed_all_gather, 5);
  mapped(mlx_distributed_sum_scatter, 2 * n);
  cancelled();
  storms();
  end();
}

static inline void few(int r, int n) {
  begin(r, n);
  const int shape[2] = {37, 1001};
  for (int t = 0; t < DTYPES; t++) {
    reduce_case(mlx_distributed_all_sum, mlx_add, shape, 2, all_dtypes[t]);
    gather_case(shape, 2, all_dtypes[t]);
    scatter_case(shape, 2, all_dtypes[t]);
  }
  peers();
  splits();
  end();
}

/* 64 MB; under a sanitizer 4. */
static inline void large(int r, int n) {
  begin(r, n);
  const int shape = SANITIZED ? 1 << 20 : 1 << 24, part = shape / 4;
  reduce_case(mlx_distributed_all_sum, mlx_add, &shape, 1, MLX_FLOAT32);
  gather_case(&part, 1, MLX_FLOAT32);
  scatter_case(&part, 1, MLX_FLOAT32);
  end();
}

/* The group without a handle is the same one, and there is one for all calls. */
static inline void no_handle(int r, int n) {
  begin(r, n);
  mlx_distributed_group any = mlx_distributed_group_new();
  sum_of_ranks(any, (float)(n * (n - 1)) / 2);
  CHECK(mlx_distributed_init(&any, false, NULL) == 0 && mlx_distributed_group_size(any) == n);
  CHECK(mlx_distributed_init(&any, true, "any") == 0 && mlx_distributed_group_rank(any) == r);
  CHECK(mlx_distributed_group_free(any) == 0);
  end();
}

#endif
