/* R7, K5: rings, with the n-th allocation failing. An evaluation that was
   started gives one completion, and one that was refused gives none; the status
   of one whose request has ended is right also where there is no memory for the
   words. */

#include "fixtures.h"
#include "sweep.h"

static weir_ring ring;
static int started, taken;

static void begin(mlx_array a, weir_request r) {
  if (!a.ctx) return; /* it could not be made */
  mlx_vector_array v = mlx_vector_array_new_value(a);
  if (got(v.ctx) && ok(weir_ring_eval(ring, v, r, &taken))) started++;
  mlx_vector_array_free(v);
}

static void take(weir_status other) {
  weir_completion c;
  size_t n;
  while (taken < started) {
    CHECK(weir_ring_take(&n, ring, &c, 1, INT64_C(20000000000)) == 0 && n == 1);
    CHECK(c.user == &taken);
    CHECK(c.status == WEIR_OK || c.status == WEIR_ERROR_OUT_OF_MEMORY || c.status == other);
    CHECK((c.status == WEIR_OK) == (c.message[0] == '\0'));
    taken++;
  }
  CHECK(weir_ring_take(&n, ring, &c, 1, 0) == 0 && n == 0);
}

/* ones * ones, which is not computed by the thread that starts it. */
static mlx_array product(mlx_stream s) {
  const int shape[] = {8, 8};
  mlx_array one = mlx_array_new_float(1), a = mlx_array_new();
  if (got(one.ctx) && ok(mlx_full(&a, shape, 2, one, MLX_FLOAT32, s))) ok(mlx_matmul(&a, a, a, s));
  mlx_array_free(one);
  return a;
}

static void rings(void) {
  started = taken = 0;
  mlx_stream s = a_stream(), other = a_stream();
  ring = weir_ring_new();
  if (!got(ring.ctx) || !s.ctx || !other.ctx) goto end;
  int fd = -1;
  mlx_array a = product(s), sum = mlx_array_new();
  begin(a, (weir_request){0});
  if (a.ctx && ok(mlx_add(&sum, a, a, other))) begin(sum, (weir_request){0});
  begin(a, (weir_request){0});
  ok(weir_ring_fd(&fd, ring));
  take(WEIR_OK);
  begin(a, (weir_request){0});
  mlx_array_free(a);
  mlx_array_free(sum);
end: /* with one that nobody has taken */
  CHECK(weir_ring_free(ring) == 0);
  mlx_stream_free(s);
  mlx_stream_free(other);
}

static void cancelled(void) {
  started = taken = 0;
  mlx_stream s = a_stream();
  weir_request r = weir_request_new();
  ring = weir_ring_new();
  if (got(ring.ctx) && got(r.ctx) && s.ctx) {
    mlx_array a = product(s), b = product(s);
    begin(a, r);
    begin(b, r);
    CHECK(weir_request_cancel(r) == 0);
    begin(b, r);
    take(WEIR_ERROR_CANCELLED);
    begin(a, (weir_request){0});
    take(WEIR_OK);
    mlx_array_free(a);
    mlx_array_free(b);
  }
  CHECK(weir_ring_free(ring) == 0 && weir_request_free(r) == 0);
  mlx_stream_free(s);
}

/* What a thread has from its first free of a buffer on stays (memory/magazine.c); in a scenario a
   worker may come before this thread. */
static void free_a_buffer(void) {
  mlx_array a = floats(4, 1);
  add_to(&a, a, (mlx_stream){0});
  CHECK(mlx_array_eval(a) == 0);
  mlx_array_free(a);
}

int main(void) {
  mean_cpu();
  mlx_set_error_handler(quiet, NULL, NULL);
  free_a_buffer();
  sweep(rings, "rings");
  sweep(cancelled, "cancelled");
  sweep_all_threads(rings, "rings, all threads");
  sweep_all_threads(cancelled, "cancelled, all threads");
  return 0;
}
