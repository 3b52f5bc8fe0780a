/* Compiled functions on the GPU: groups and operations that do not fuse give what the function
   itself gives, on several threads too; what repeats becomes a graph of the driver; random numbers
   are drawn anew. */

#include "backend/cuda/queue/queue.h"
#include "lists.h"
#include "programs.h"

enum { N = 1000, LINKS = 6, CALLS = 30 };

static const mlx_stream none;
static mlx_closure plain, compiled, noisy;

static uint64_t launched(void) {
  struct wr_graph_numbers n;
  wr_graph_numbers_get(wr_gpu_known(0), &n);
  return n.launched;
}

/* Steps that fuse, then running sums and sorts. */
static int links(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0), y = at(in, 1);
  int rc = 0;
  for (int i = 0; i < LINKS && !rc; i++) {
    rc = mlx_multiply(&x, x, y, none) || mlx_sin(&x, x, none) || mlx_add(&x, x, y, none) ||
         mlx_cumsum(&x, x, 0, i % 2 == 1, true, none) || mlx_sort_axis(&x, x, 0, none);
  }
  mlx_array_free(y);
  return rc || give(res, x);
}

static int noise(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0);
  const int shape[1] = {4};
  int rc = mlx_random_bits(&x, shape, 1, 4, (mlx_array){0}, none);
  return rc || give(res, x);
}

static mlx_vector_array inputs(float from) {
  mlx_array x = mlx_array_new(), y = mlx_array_new();
  CHECK(mlx_linspace(&x, from, from + 1, N, MLX_FLOAT32, none) == 0);
  CHECK(mlx_linspace(&y, 0.25, 0.5, N, MLX_FLOAT32, none) == 0);
  const mlx_array both[2] = {x, y};
  mlx_vector_array v = mlx_vector_array_new_data(both, 2);
  mlx_array_free(x);
  mlx_array_free(y);
  return v;
}

static void expect_same(float from) {
  mlx_vector_array in = inputs(from), out[2] = {{NULL}, {NULL}};
  CHECK(mlx_closure_apply(&out[0], plain, in) == 0 &&
        mlx_closure_apply(&out[1], compiled, in) == 0);
  mlx_array a = at(out[0], 0), b = at(out[1], 0);
  const float *x = mlx_array_data_float32(a), *y = mlx_array_data_float32(b);
  CHECK(x && y && memcmp(x, y, N * sizeof *x) == 0);
  mlx_array_free(a);
  mlx_array_free(b);
  mlx_vector_array_free(in);
  mlx_vector_array_free(out[0]);
  mlx_vector_array_free(out[1]);
}

static void on_a_thread(int i) {
  for (int k = 0; k < 5; k++) expect_same((float)(i + k) / 8);
}

static void repeats(void) {
  const uint64_t before = launched();
  for (int k = 0; k < CALLS; k++) {
    mlx_vector_array in = inputs((float)k / CALLS), out = {NULL};
    CHECK(mlx_closure_apply(&out, compiled, in) == 0 && mlx_eval(out) == 0);
    mlx_vector_array_free(in);
    mlx_vector_array_free(out);
  }
  CHECK(launched() > before);
}

static void draws_anew(void) {
  mlx_vector_array in = inputs(0), out = {NULL};
  uint32_t drawn[2][4];
  for (int k = 0; k < 2; k++) {
    CHECK(mlx_closure_apply(&out, noisy, in) == 0);
    mlx_array a = at(out, 0);
    const uint32_t *data = mlx_array_data_uint32(a);
    CHECK(data != NULL);
    memcpy(drawn[k], data, sizeof drawn[k]);
    mlx_array_free(a);
  }
  CHECK(memcmp(drawn[0], drawn[1], sizeof drawn[0]) != 0);
  mlx_vector_array_free(in);
  mlx_vector_array_free(out);
}

int main(void) {
  if (!has_gpu()) return 77;
  mlx_closure draws = mlx_closure_new_func(noise);
  plain = mlx_closure_new_func(links);
  CHECK(mlx_compile(&compiled, plain, false) == 0 && mlx_compile(&noisy, draws, false) == 0);
  expect_same(0.5f);
  repeats();
  run_threads(8, on_a_thread);
  draws_anew();
  mlx_closure_free(draws);
  mlx_closure_free(plain);
  mlx_closure_free(compiled);
  mlx_closure_free(noisy);
  CHECK(weir_shutdown(INT64_C(10000000000)) == 0);
  return 0;
}
