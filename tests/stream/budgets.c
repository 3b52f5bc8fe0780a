/* R4: budgets of requests as their callers see them. A stall stands in for a long command; what
   stands behind it has not begun. */

#include "fixtures.h"
#include "in_request.h"

enum { N = 1000, BYTES = 4096 /* that N floats take, of a size class */ };

static mlx_stream stream; /* of each case another, which no worker is still at */

static size_t live_of(weir_request r) { return (size_t)stats_of(r).live_bytes; }

/* True once no more bytes count. A worker that has drained a stream may hold what it has computed
   for a moment after it is over: so it is awaited, for ten seconds at most. */
static bool live_becomes(weir_request r, size_t bytes) {
  for (int i = 0; i < 10000 && live_of(r) > bytes; i++) usleep(1000);
  return live_of(r) == bytes;
}

static size_t active(void) {
  size_t bytes;
  CHECK(mlx_get_active_memory(&bytes) == 0);
  return bytes;
}

static weir_request with_budget(size_t bytes) {
  weir_request r = weir_request_new();
  CHECK(weir_request_set_budget(r, bytes) == 0);
  return r;
}

static bool is_over(int rc) { return rc == 1 && weir_last_status() == WEIR_ERROR_BUDGET; }

/* n times v. */
static mlx_array full_on(int n, float v, mlx_stream s) {
  mlx_array value = mlx_array_new_float(v), out = mlx_array_new(), wide = mlx_array_new();
  CHECK(mlx_broadcast_to(&wide, value, &n, 1, s) == 0);
  CHECK(mlx_exp(&out, wide, s) == 0);
  mlx_array_free(value);
  mlx_array_free(wide);
  return out;
}

static mlx_array full(int n) { return full_on(n, 0, stream); }

static mlx_array plus_one(mlx_array a, mlx_stream s) {
  mlx_array one = mlx_array_new_float(1), out = mlx_array_new();
  CHECK(mlx_add(&out, a, one, s) == 0);
  mlx_array_free(one);
  return out;
}

static float first_of(mlx_array a) {
  const float *data = mlx_array_data_float32(a);
  CHECK(data != NULL);
  return data[0];
}

static int eval_two_in(weir_request r, mlx_array a, mlx_array b) {
  mlx_vector_array v = mlx_vector_array_new();
  CHECK(mlx_vector_array_append_value(v, a) == 0 && mlx_vector_array_append_value(v, b) == 0);
  CHECK(weir_request_enter(r) == 0);
  int rc = mlx_eval(v);
  CHECK(weir_request_leave() == 0);
  mlx_vector_array_free(v);
  return rc;
}

/* ---- what counts ---- */

/* As mlx_get_active_memory counts; until the memory is free. */
static void counted(void) {
  weir_request r = with_budget(SIZE_MAX), none = weir_request_new();
  mlx_array x = full(N), y = full(3 * N), view = mlx_array_new();
  CHECK(eval_in(r, x) == 0 && eval_in(none, y) == 0);
  CHECK(live_of(r) == BYTES && live_of(none) == 0);
  mlx_array_free(y);
  int shape[] = {10, N / 10};
  CHECK(mlx_reshape(&view, x, shape, 2, stream) == 0 && eval_in(r, view) == 0);
  CHECK(live_of(r) == BYTES);
  mlx_array_free(x);
  CHECK(live_of(r) == BYTES); /* the view has it */
  const size_t before = active();
  mlx_array_free(view);
  CHECK(live_of(r) == 0 && stats_of(r).peak_bytes == BYTES && before - active() == BYTES);
  CHECK(weir_request_free(r) == 0);
  CHECK(weir_request_free(none) == 0);
}

/* A result outlives the request's handle. */
static void outlived(void) {
  weir_request r = with_budget(SIZE_MAX);
  mlx_array x = full(N);
  CHECK(eval_in(r, x) == 0);
  CHECK(weir_request_free(r) == 0);
  CHECK(first_of(x) == 1);
  mlx_array_free(x);
}

/* Written over: of one request it is the same count; from elsewhere it begins to count; given
   elsewhere it ends. */
static void written_over(void) {
  weir_request r = with_budget(BYTES), other = with_budget(SIZE_MAX);
  mlx_array x = full(N);
  CHECK(mlx_array_eval(x) == 0);
  for (int i = 0; i < 10; i++) {
    mlx_array y = plus_one(x, stream);
    mlx_array_free(x);
    CHECK(eval_in(r, y) == 0);
    CHECK(live_of(r) == BYTES && stats_of(r).peak_bytes == BYTES);
    x = y;
  }
  mlx_array y = plus_one(x, stream), z;
  mlx_array_free(x);
  CHECK(eval_in(other, y) == 0 && live_of(r) == 0 && live_of(other) == BYTES);
  z = plus_one(y, stream);
  mlx_array_free(y);
  CHECK(mlx_array_eval(z) == 0 && live_of(other) == 0);
  CHECK(first_of(z) == 13);
  mlx_array_free(z);
  CHECK(live_of(r) == 0 && live_of(other) == 0);
  CHECK(weir_request_free(r) == 0);
  CHECK(weir_request_free(other) == 0);
}

/* ---- what goes over ---- */

static void exact(void) {
  weir_request r = with_budget(2 * BYTES - 1);
  CHECK(weir_request_set_label(r, "lunch") == 0);
  mlx_array x = full(N), y = full(N), z = full(N);
  CHECK(eval_in(r, x) == 0);
  CHECK(is_over(eval_in(r, y)) && !available(y) && live_of(r) == BYTES);
  CHECK(strstr(weir_last_error(), "4096") && strstr(weir_last_error(), "8191"));
  CHECK(strstr(weir_last_error(), "\"lunch\""));
  CHECK(is_over(eval_in(r, y)));
  CHECK(eval_in(r, x) == 0);
  CHECK(weir_request_set_budget(r, 2 * BYTES) == 0);
  CHECK(eval_in(r, y) == 0 && live_of(r) == 2 * BYTES);
  CHECK(is_over(eval_in(r, z)));
  mlx_array_free(x);
  CHECK(eval_in(r, z) == 0 && live_of(r) == 2 * BYTES && stats_of(r).peak_bytes == 2 * BYTES);
  CHECK(weir_request_set_budget(r, 0) == 0); /* what is there stays */
  CHECK(first_of(z) == 1);
  mlx_array scalar = plus_one(y, stream);
  CHECK(is_over(eval_in(r, scalar)));
  CHECK(first_of(scalar) == 2); /* elsewhere */
  mlx_array_free(y);
  mlx_array_free(z);
  mlx_array_free(scalar);
  CHECK(live_of(r) == 0);
  CHECK(weir_request_free(r) == 0);
}

/* All of the submission that has not begun, and what reads it; nothing else of the request. */
static void with_its_submission(void) {
  struct stall stall;
  weir_request r = with_budget(6 * BYTES);
  mlx_stream s = new_stream();
  stall_begin(&stall, stream);
  mlx_array before = full(N), large = full(8 * N), behind = full_on(N, 0, s),
            reader = mlx_array_new();
  mlx_array apart = full(N);
  CHECK(mlx_multiply(&reader, large, large, s) == 0);
  CHECK(submit_in(r, before) == 0);
  mlx_vector_array two = mlx_vector_array_new();
  mlx_array waits = mlx_array_new();
  CHECK(mlx_multiply(&waits, behind, before, s) == 0); /* blocks s until the stall ends */
  CHECK(mlx_vector_array_append_value(two, large) == 0);
  CHECK(mlx_vector_array_append_value(two, waits) == 0);
  CHECK(weir_request_enter(r) == 0 && mlx_async_eval(two) == 0 && weir_request_leave() == 0);
  CHECK(submit_in(r, reader) == 0);
  CHECK(submit_in(r, apart) == 0);
  stall_end(&stall);
  CHECK(mlx_synchronize(stream) == 0 && mlx_synchronize(s) == 0);
  CHECK(available(before) && available(apart) && !available(large) && !available(reader));
  const weir_request_stats_t stats = stats_of(r);
  CHECK(stats.queued == 0 && stats.taken_back >= 2);
  CHECK(first_of(reader) == 1 && first_of(waits) == 1 && first_of(large) == 1);
  mlx_vector_array_free(two);
  mlx_array_free(before);
  mlx_array_free(large);
  mlx_array_free(behind);
  mlx_array_free(waits);
  mlx_array_free(reader);
  mlx_array_free(apart);
  CHECK(live_becomes(r, 0));
  CHECK(weir_request_free(r) == 0);
  mlx_stream_free(s);
}

/* The call fails, of two arrays, where one does not fit; the other may be there. */
static void of_two(void) {
  weir_request r = with_budget(BYTES);
  mlx_array small = full(N), large = full(2 * N);
  CHECK(is_over(eval_two_in(r, small, large)));
  CHECK(available(small) && !available(large) && live_of(r) == BYTES);
  mlx_array_free(small);
  CHECK(is_over(eval_in(r, large)));
  CHECK(first_of(large) == 1 && live_of(r) == 0);
  mlx_array_free(large);
  CHECK(weir_request_free(r) == 0);
}

/* What another request needs is computed, and counts for nobody. */
static void needed_by_others(void) {
  struct stall stall;
  weir_request r = with_budget(BYTES), other = with_budget(3 * BYTES);
  mlx_stream s = new_stream();
  stall_begin(&stall, stream);
  mlx_array shared = full(2 * N), mine = mlx_array_new(), theirs = mlx_array_new();
  CHECK(mlx_add(&mine, shared, shared, stream) == 0);
  CHECK(mlx_multiply(&theirs, shared, shared, s) == 0);
  CHECK(submit_in(r, mine) == 0);
  CHECK(submit_in(other, theirs) == 0);
  stall_end(&stall);
  CHECK(mlx_synchronize(stream) == 0 && mlx_synchronize(s) == 0);
  CHECK(available(shared) && available(theirs) && !available(mine));
  CHECK(live_of(r) == 0 && live_of(other) == 2 * BYTES);
  CHECK(is_over(eval_in(r, mine)));
  CHECK(first_of(mine) == 2 && first_of(theirs) == 1);
  mlx_array_free(shared);
  mlx_array_free(mine);
  mlx_array_free(theirs);
  CHECK(live_becomes(other, 0));
  CHECK(weir_request_free(r) == 0);
  CHECK(weir_request_free(other) == 0);
  mlx_stream_free(s);
}

/* A ring hears of it. */
static void by_ring(void) {
  weir_request r = with_budget(BYTES);
  weir_ring ring = weir_ring_new();
  weir_completion got;
  mlx_array large = full(2 * N);
  mlx_vector_array v = mlx_vector_array_new_value(large);
  size_t n = 0;
  CHECK(weir_ring_eval(ring, v, r, &got) == 0);
  CHECK(weir_ring_take(&n, ring, &got, 1, INT64_C(10000000000)) == 0 && n == 1);
  CHECK(got.status == WEIR_ERROR_BUDGET && !available(large));
  mlx_vector_array_free(v);
  mlx_array_free(large);
  CHECK(weir_ring_free(ring) == 0);
  CHECK(weir_request_free(r) == 0);
}

int main(void) {
  mean_cpu();
  void (*const cases[])(void) = {
      counted, outlived,         written_over, exact, with_its_submission,
      of_two,  needed_by_others, by_ring};
  enum { CASES = sizeof cases / sizeof cases[0] };
  mlx_set_error_handler(quiet, NULL, NULL);
  for (int i = 0; i < times(20, 500) * CASES; i++) {
    stream = new_stream();
    cases[i % CASES]();
    mlx_stream_free(stream);
  }
  return 0;
}
