/* R4: plans of one request that rely on each other's claims. A plan that has become too old by a
   failure keeps what it has claimed, since a younger one may rely on it. Plans are made and
   submitted by hand here, in the order that two threads may come to. */

#include "api/api.h"
#include "fixtures.h"
#include "graph/internal.h"

static struct wr_node *node_of(mlx_array a) {
  struct wr_error *error = NULL;
  struct wr_node *node = wr_api_array(a, "a", &error);
  CHECK(node != NULL && error == NULL);
  return node;
}

/* Something of the request, which is none of these arrays, was over the budget. */
static void something_fails(void) {
  struct wr_request *r = wr_request_current();
  wr_request_lock(r);
  wr_budget_count_failure_locked(r);
  wr_request_close(r);
}

/* The older plan claims x, the younger one y, which reads x. On two streams y would wait for what
   nobody submits, and where somebody else claimed x later, that stood behind y. */
static void older_and_younger(void) {
  mlx_stream s = new_stream(), t = new_stream();
  mlx_array x = floats(8, 1), y = mlx_array_new();
  weir_request r = weir_request_new();
  CHECK(weir_request_enter(r) == 0);
  add_to(&x, x, s);
  CHECK(mlx_add(&y, x, x, t) == 0);
  struct wr_node *roots[] = {node_of(x), node_of(y)};
  struct wr_plan older, younger;
  wr_plan_make(&older, &roots[0], 1);
  something_fails();
  wr_plan_make(&younger, &roots[1], 1);
  CHECK(older.order.count == 1 && younger.order.count == 1 && younger.foreign.count > 0);
  wr_plan_submit(&younger, true);
  CHECK(wr_completion_phase(&roots[1]->completion) == WR_PHASE_CLAIMED);
  wr_plan_submit(&older, true);
  CHECK(wr_completion_phase(&roots[0]->completion) >= WR_PHASE_SUBMITTED);
  CHECK(mlx_array_eval(y) == 0 && mlx_array_data_float32(y)[0] == 4);
  CHECK(weir_request_leave() == 0 && weir_request_free(r) == 0);
  mlx_array_free(x);
  mlx_array_free(y);
  mlx_stream_free(s);
  mlx_stream_free(t);
}

int main(void) {
  for (int i = 0; i < times(100, 10000); i++) older_and_younger();
  return 0;
}
