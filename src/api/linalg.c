/* Linear algebra with several results. No logic, no locks. */

#include "mlx/c/linalg.h"

#include "api/ops_glue.h"
#include "base/base.h"

/* A call with two results; both are there, or none. */
struct two {
  const char *function;
  mlx_array *res[2];
  struct wr_node *out[2];
  struct wr_node *a;
  struct wr_stream *stream;
  struct wr_error *error;
};

static struct two begin(const char *function, mlx_array *res_0, mlx_array *res_1, mlx_array a,
                        mlx_stream s) {
  struct two call = {.function = function, .res = {res_0, res_1}};
  wr_api_result_handle(res_0, WR_KIND_ARRAY, "res_0", &call.error);
  wr_api_result_handle(res_1, WR_KIND_ARRAY, "res_1", &call.error);
  call.a = wr_api_array(a, "a", &call.error);
  call.stream = wr_api_stream(s, &call.error);
  return call;
}

static int end(struct two *call) {
  if (call->error) return wr_api_fail(call->function, call->error);
  struct wr_error *error = wr_api_put_array(call->res[0], call->out[0]);
  if (error) {
    wr_node_release(call->out[1]);
  } else {
    error = wr_api_put_array(call->res[1], call->out[1]);
  }
  return wr_api_return(call->function, error);
}

int mlx_linalg_qr(mlx_array *res_0, mlx_array *res_1, const mlx_array a, const mlx_stream s) {
  struct two call = begin("mlx_linalg_qr", res_0, res_1, a, s);
  if (!call.error) call.error = wr_ops_qr(call.out, call.a, call.stream);
  return end(&call);
}

int mlx_linalg_lu_factor(mlx_array *res_0, mlx_array *res_1, const mlx_array a,
                         const mlx_stream s) {
  struct two call = begin("mlx_linalg_lu_factor", res_0, res_1, a, s);
  if (!call.error) call.error = wr_ops_lu_factor(call.out, call.a, call.stream);
  return end(&call);
}

int mlx_linalg_eig(mlx_array *res_0, mlx_array *res_1, const mlx_array a, const mlx_stream s) {
  struct two call = begin("mlx_linalg_eig", res_0, res_1, a, s);
  if (!call.error) call.error = wr_ops_eig(call.out, call.a, true, call.stream);
  return end(&call);
}

int mlx_linalg_eigh(mlx_array *res_0, mlx_array *res_1, const mlx_array a, const char *UPLO,
                    const mlx_stream s) {
  struct two call = begin("mlx_linalg_eigh", res_0, res_1, a, s);
  wr_api_result(UPLO, "UPLO", &call.error);
  if (!call.error) call.error = wr_ops_eigh(call.out, call.a, UPLO, true, call.stream);
  return end(&call);
}

/* Room for the results of one command, which the vector then has. */
static struct wr_node **room(struct wr_error **error) {
  struct wr_node **out = *error ? NULL : wr_alloc(3 * sizeof *out);
  if (!*error && !out) *error = wr_error_out_of_memory();
  return out;
}

int mlx_linalg_lu(mlx_vector_array *res, const mlx_array a, const mlx_stream s) {
  struct wr_error *error = NULL;
  wr_api_result_handle(res, WR_KIND_VECTOR_ARRAY, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  struct wr_node **out = room(&error);
  if (!error) error = wr_ops_lu(out, x, stream);
  return wr_api_return_vector("mlx_linalg_lu", error, res, out, error ? 0 : 3);
}

int mlx_linalg_svd(mlx_vector_array *res, const mlx_array a, bool compute_uv, const mlx_stream s) {
  struct wr_error *error = NULL;
  wr_api_result_handle(res, WR_KIND_VECTOR_ARRAY, "res", &error);
  struct wr_node *x = wr_api_array(a, "a", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  struct wr_node **out = room(&error);
  if (!error) error = wr_ops_svd(out, x, compute_uv, stream);
  return wr_api_return_vector("mlx_linalg_svd", error, res, out, error ? 0 : compute_uv ? 3 : 1);
}
