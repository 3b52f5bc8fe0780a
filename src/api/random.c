/* Random numbers: handles in, one operation, handles out. An empty key means the calling thread's
   next one. No logic, no locks of its own. */

#include "mlx/c/random.h"
#include "api/ops_glue.h"
#include "stream/policy.h"

int mlx_random_seed(uint64_t seed) {
  struct wr_error *error = wr_thread_check();
  if (!error) error = wr_ops_random_seed(seed);
  return wr_api_return("mlx_random_seed", error);
}

int mlx_random_key(mlx_array *res, uint64_t seed) {
  struct wr_error *error = wr_thread_check();
  struct wr_node *out = NULL;
  wr_api_result_handle(res, WR_KIND_ARRAY, "res", &error);
  if (!error) error = wr_ops_random_key(&out, seed);
  return wr_api_return_array("mlx_random_key", error, res, out);
}

/* Two results, or none: both are made before either handle is touched. */
static struct wr_error *split_rows(struct wr_node *out[2], struct wr_node *key,
                                   struct wr_stream *s) {
  struct wr_node *rows;
  struct wr_error *error = wr_ops_random_split(&rows, key, 2, s);
  if (error) return error;
  error = wr_ops_random_split_row(&out[0], rows, 0, s);
  if (!error) error = wr_ops_random_split_row(&out[1], rows, 1, s);
  wr_node_release(rows);
  if (error) {
    wr_node_release(out[0]);
    out[0] = NULL;
  }
  return error;
}

int mlx_random_split(mlx_array *res_0, mlx_array *res_1, const mlx_array key, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_node *out[2] = {NULL, NULL};
  wr_api_result_handle(res_0, WR_KIND_ARRAY, "res_0", &error);
  wr_api_result_handle(res_1, WR_KIND_ARRAY, "res_1", &error);
  struct wr_node *k = wr_api_array(key, "key", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  if (!error) error = split_rows(out, k, stream);
  if (error) return wr_api_fail("mlx_random_split", error);
  error = wr_api_put_array(res_0, out[0]);
  if (error) wr_node_release(out[1]);
  if (!error) error = wr_api_put_array(res_1, out[1]);
  return wr_api_return("mlx_random_split", error);
}
