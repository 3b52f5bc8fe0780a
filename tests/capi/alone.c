/* Groups and collectives where the environment has no group: a process alone is a group of one, for
   which each array is what it gathers, as MLX has it. */

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "mean_cpu.h"
#include "weir/weir.h"

static void quiet(const char *text, void *data) {
  (void)text;
  (void)data;
}

static bool says(const char *words) { return strstr(weir_last_error(), words) != NULL; }

static void groups(void) {
  mlx_distributed_group g = mlx_distributed_group_new(), h = mlx_distributed_group_new();
  CHECK(g.ctx == NULL && mlx_distributed_group_free(g) == 0);
  CHECK(mlx_distributed_is_available(NULL) && mlx_distributed_is_available("any"));
  CHECK(mlx_distributed_is_available("ring") && !mlx_distributed_is_available("jaccl"));
  CHECK(!mlx_distributed_is_available("smoke") && says("'smoke' was provided."));
  CHECK(mlx_distributed_init(&g, false, NULL) == 0 && g.ctx != NULL);
  CHECK(mlx_distributed_group_rank(g) == 0 && mlx_distributed_group_size(g) == 1);
  CHECK(mlx_distributed_init(&g, true, NULL) == 1);
  CHECK(says("[distributed] Couldn't initialize any backend"));
  CHECK(mlx_distributed_init(&g, true, "ring") == 1 && says("[ring] You need to provide via"));
  CHECK(mlx_distributed_init(&g, true, "jaccl") == 1 && says("Cannot initialize jaccl"));
  CHECK(mlx_distributed_init(&g, false, "smoke") == 1);
  CHECK(
      says("[distributed] The only valid values for backend are 'any', 'mpi', 'nccl', 'jaccl' and "
           "'ring' but 'smoke' was provided."));
  CHECK(mlx_distributed_group_size(g) == 1);
  CHECK(mlx_distributed_group_split(&h, g, 0, 0) == 1 && h.ctx == NULL);
  CHECK(says("Cannot split the distributed group further."));
  CHECK(mlx_distributed_group_size(h) == 0 && says("group is an empty group"));
  CHECK(mlx_distributed_init(&g, false, "ring") == 0 && mlx_distributed_group_rank(g) == 0);
  CHECK(mlx_distributed_group_free(g) == 0);
}

typedef int collective(mlx_array *res, const mlx_array x, const mlx_distributed_group g,
                       const mlx_stream s);

static collective *const all[] = {mlx_distributed_all_sum, mlx_distributed_all_max,
                                  mlx_distributed_all_min, mlx_distributed_all_gather,
                                  mlx_distributed_sum_scatter};

static void collectives(mlx_distributed_group g) {
  const mlx_stream s = {NULL};
  const int shape[2] = {3, 2};
  mlx_array x = mlx_array_new(), y = mlx_array_new(), one = mlx_array_new_float(1);
  CHECK(mlx_ones(&x, shape, 2, MLX_INT16, s) == 0);
  for (int i = 0; i < 5; i++) {
    CHECK(all[i](&y, x, g, s) == 0 && mlx_array_ndim(y) == 2 && mlx_array_size(y) == 6);
    CHECK(all[i](&y, one, g, s) == 0 && mlx_array_ndim(y) == 0);
  }
  CHECK(mlx_distributed_send(&y, x, 0, g, s) == 1 && says("Cannot send to a singleton group"));
  CHECK(mlx_distributed_recv_like(&y, x, 0, g, s) == 1);
  CHECK(says("Cannot recv from a singleton group"));
  CHECK(mlx_distributed_recv(&y, shape, 2, MLX_INT8, 0, g, s) == 1);
  CHECK(says("Cannot recv from a singleton group"));
  mlx_array_free(x);
  mlx_array_free(y);
  mlx_array_free(one);
}

/* ---- inside transforms: each call's own array, and the derivative of that ---- */

struct inside {
  collective *of;
  mlx_distributed_group g;
};

static int squares(mlx_vector_array *res, const mlx_vector_array in, void *payload) {
  const struct inside *inside = payload;
  const mlx_stream s = {NULL};
  mlx_array x = mlx_array_new(), y = mlx_array_new();
  CHECK(mlx_vector_array_get(&x, in, 0) == 0 && inside->of(&y, x, inside->g, s) == 0);
  CHECK(mlx_square(&y, y, s) == 0 && mlx_sum(&y, y, false, s) == 0);
  *res = mlx_vector_array_new_value(y);
  mlx_array_free(x);
  mlx_array_free(y);
  return 0;
}

static void check_floats(mlx_vector_array of, const float *expected, size_t n) {
  mlx_array a = mlx_array_new();
  CHECK(mlx_vector_array_get(&a, of, 0) == 0 && mlx_array_size(a) == n && mlx_array_eval(a) == 0);
  CHECK(memcmp(mlx_array_data_float32(a), expected, n * sizeof *expected) == 0);
  mlx_array_free(a);
}

static void transforms(collective *of, mlx_distributed_group g) {
  struct inside inside = {of, g};
  const int shape[2] = {2, 2}, axis = 1, first = 0;
  const float data[4] = {1, 2, 3, 4}, columns[2] = {10, 20}, sum = 30, twice[4] = {2, 4, 6, 8};
  mlx_array x = mlx_array_new_data(data, shape, 2, MLX_FLOAT32);
  mlx_vector_array in = mlx_vector_array_new_value(x), traced = mlx_vector_array_new();
  mlx_vector_array made = mlx_vector_array_new(), out = mlx_vector_array_new();
  mlx_closure f = mlx_closure_new_func_payload(squares, &inside, NULL), fast = mlx_closure_new();
  mlx_closure_value_and_grad gradient = mlx_closure_value_and_grad_new();
  CHECK(mlx_detail_vmap_trace(&traced, &made, f, in, &axis, 1) == 0);
  CHECK(mlx_detail_vmap_replace(&out, in, traced, made, &axis, 1, &first, 1) == 0);
  check_floats(out, columns, 2);
  CHECK(mlx_value_and_grad(&gradient, f, &first, 1) == 0);
  CHECK(mlx_closure_value_and_grad_apply(&out, &made, gradient, in) == 0);
  check_floats(out, &sum, 1);
  check_floats(made, twice, 4);
  CHECK(mlx_jvp(&out, &made, f, in, in) == 0);
  check_floats(made, &(float){2 * sum}, 1);
  CHECK(mlx_compile(&fast, f, false) == 0);
  for (int i = 0; i < 2; i++) {
    CHECK(mlx_closure_apply(&out, fast, in) == 0);
    check_floats(out, &sum, 1);
  }
  mlx_vector_array lists[] = {in, traced, made, out};
  for (int i = 0; i < 4; i++) mlx_vector_array_free(lists[i]);
  mlx_closure_value_and_grad_free(gradient);
  mlx_closure_free(f);
  mlx_closure_free(fast);
  mlx_array_free(x);
}

int main(void) {
  mlx_distributed_group g = mlx_distributed_group_new();
  unsetenv("MLX_RANK");
  mean_cpu();
  mlx_set_error_handler(quiet, NULL, NULL);
  groups();
  collectives(g);
  CHECK(mlx_distributed_init(&g, false, "ring") == 0);
  collectives(g);
  for (int i = 0; i < 5; i++) transforms(all[i], g);
  CHECK(mlx_distributed_group_free(g) == 0);
  return 0;
}
