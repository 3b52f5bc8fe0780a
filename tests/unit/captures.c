/* What a capture holds: steps that lead to outputs and no others, groups in the place of steps when
   it is planned, equal steps once, what happens anew at each run; and on which streams it is run.
 */

#include <pthread.h>
#include <string.h>

#include "backend/backend.h"
#include "graph/internal.h"
#include "ops/capture.h"
#include "ops/internal.h"
#include "ops_case.h"

typedef struct wr_error *body(struct wr_ptrs *out, struct wr_node *const *in);

struct function {
  struct wr_function base;
  body *of;
};

static struct wr_error *call(struct wr_function *base, const struct wr_arguments *arguments,
                             struct wr_results *results) {
  return ((struct function *)(void *)base)->of(&results->out[0], arguments->in[0].items);
}

static void leave(struct wr_function *f) { (void)f; }

static struct wr_capture *captured(body *of, struct wr_node *like, unsigned how) {
  struct function f = {.of = of};
  struct wr_capture *c = NULL;
  wr_function_init(&f.base, call, leave);
  const struct wr_node_list in = {&like, 1};
  EXPECT(wr_capture_function(&c, &f.base, &in, how) == NULL);
  return c;
}

static struct wr_node *run(struct wr_capture *c, struct wr_node *in) {
  struct wr_ptrs out = {0};
  EXPECT(wr_capture_run(c, &in, &out) == NULL && out.count >= 1);
  struct wr_node *first = wr_node_retain(out.items[0]);
  for (size_t i = 0; i < out.count; i++) wr_node_release(out.items[i]);
  wr_ptrs_free(&out);
  return first;
}

static struct wr_capture *planned(struct wr_capture *taken) {
  struct wr_capture *plan = NULL;
  EXPECT(wr_capture_plan(&plan, taken, true) == NULL);
  wr_capture_release(taken);
  return plan;
}

static struct wr_error *give(struct wr_ptrs *out, struct wr_compose *c, struct wr_node *y) {
  struct wr_node *made = NULL;
  struct wr_error *error = wr_compose_end(c, &made, y);
  if (!error) EXPECT(wr_ptrs_push(out, made));
  return error;
}

/* ---- steps ---- */

/* x + 1 a hundred times; what is not given besides. */
static struct wr_error *chain(struct wr_ptrs *out, struct wr_node *const *in) {
  struct wr_compose c = wr_compose_begin(ops_stream());
  struct wr_node *one = wr_compose_scalar(&c, 1, WR_FLOAT32), *y = in[0];
  for (int i = 0; i < 100; i++) {
    (void)wr_compose_unary(&c, WR_OP_EXP, y);
    y = wr_compose_binary(&c, WR_OP_ADD, y, one);
  }
  return give(out, &c, y);
}

static void test_steps(void) {
  struct wr_node *x = ops_counting(1, SHAPE(4)), *y = NULL;
  struct wr_capture *c = captured(chain, x, 0);
  EXPECT(c->n_in == 1 && c->n_steps == 100 && c->n_out == 1 && c->n_keys == 0);
  c = planned(c);
  EXPECT(c->n_steps == (100 + WR_GROUP_STEPS - 1) / WR_GROUP_STEPS);
  for (uint32_t i = 0; i < c->n_steps; i++) EXPECT(c->steps[i].n_steps > 1);
  y = run(c, x);
  EXPECT(ops_has_values(y, 4, VALUES(100, 101, 102, 103)));
  wr_node_release(y);
  wr_capture_release(c);
  wr_node_release(x);
}

/* (x + 1) (x + 1) of two equal scalars and a view that changes nothing, and a sum by hand of both.
 */
static struct wr_error *repetitive(struct wr_ptrs *out, struct wr_node *const *in) {
  struct wr_compose c = wr_compose_begin(ops_stream());
  struct wr_node **slot = wr_compose_slot(&c);
  struct wr_node *a = wr_compose_step(&c, wr_ops_stop_gradient(slot, in[0], ops_stream()));
  struct wr_node *x = wr_compose_binary(&c, WR_OP_ADD, in[0], in[0]);
  struct wr_node *y = wr_compose_binary(&c, WR_OP_ADD, a, in[0]);
  struct wr_node *z = wr_compose_binary(&c, WR_OP_MULTIPLY, x, y);
  return give(out, &c,
              wr_compose_binary(&c, WR_OP_SUBTRACT, z, wr_compose_unary(&c, WR_OP_ABS, x)));
}

static void test_simplified(void) {
  struct wr_node *x = ops_counting(1, SHAPE(3)), *y = NULL;
  struct wr_capture *c = captured(repetitive, x, 0), *less = NULL;
  EXPECT(c->n_steps == 6);
  EXPECT(wr_capture_simplify(&less, c) == NULL && less->n_steps == 4);
  y = run(less, x);
  EXPECT(ops_has_values(y, 3, VALUES(0, 2, 12)));
  wr_node_release(y);
  wr_capture_release(less);
  wr_capture_release(c);
  wr_node_release(x);
}

/* ---- anew ---- */

static int times_submitted;
static void note(void *params) {
  (void)params;
  __atomic_add_fetch(&times_submitted, 1, __ATOMIC_RELAXED);
}
static struct wr_error *tell(const struct wr_call *call) {
  *(float *)call->out.data = (float)__atomic_load_n(&times_submitted, __ATOMIC_RELAXED);
  return NULL;
}
static const struct wr_callee counter = {.name = "counter",
                                         .params_bytes = sizeof(struct wr_call_params),
                                         .run = tell,
                                         .submitted = note};

/* How often it was asked, of an input that is constant; x is not used. */
static struct wr_error *counts(struct wr_ptrs *out, struct wr_node *const *in) {
  const struct wr_call_params params = {.callee = &counter};
  struct wr_compose c = wr_compose_begin(ops_stream());
  struct wr_node *group = wr_compose_scalar(&c, 0, WR_FLOAT32), **slot = wr_compose_slot(&c);
  const struct wr_record record = {.op = WR_OP_CALL,
                                   .dtype = WR_FLOAT32,
                                   .n_in = 1,
                                   .in = &group,
                                   .params = &params,
                                   .params_bytes = sizeof params,
                                   .stream = ops_stream()};
  (void)in;
  struct wr_node *y = wr_compose_step(&c, wr_ops_record(slot, &record));
  return give(out, &c, wr_compose_binary(&c, WR_OP_ADD, y, y));
}

static void test_anew(void) {
  struct wr_node *x = ops_counting(1, SHAPE(3));
  struct wr_capture *c = planned(captured(counts, x, 0));
  EXPECT(c->n_steps == 2);
  for (int i = 1; i <= 3; i++) {
    struct wr_node *y = run(c, x);
    const float want = 2 * (float)i;
    EXPECT(ops_has_values(y, 1, &want));
    wr_node_release(y);
  }
  EXPECT(times_submitted == 3);
  wr_capture_release(c);
  wr_node_release(x);
}

/* ---- streams ---- */

static struct wr_stream *named;

static struct wr_error *on_two(struct wr_ptrs *out, struct wr_node *const *in) {
  struct wr_compose c = wr_compose_begin(named);
  struct wr_node *x = wr_compose_unary(&c, WR_OP_EXP, in[0]);
  c.stream = ops_stream();
  return give(out, &c, wr_compose_unary(&c, WR_OP_ABS, x));
}

static struct wr_capture *shared;

/* What was the default where it was captured is this thread's own here. */
static void *run_elsewhere(void *x) {
  struct wr_node *y = run(shared, x);
  EXPECT(y->stream == ops_stream() && wr_edges_of(y)->in[0]->stream == named);
  wr_node_release(y);
  return NULL;
}

static void test_streams(void) {
  struct wr_node *x = ops_counting(1, SHAPE(3));
  pthread_t other;
  EXPECT(wr_stream_new((struct wr_device){WR_DEVICE_CPU, 0}, &named) == NULL);
  struct wr_stream_counts before, after;
  shared = planned(captured(on_two, x, 0));
  EXPECT(shared->n_steps == 2 && shared->steps[0].stream == named && !shared->steps[1].stream);
  run_elsewhere(x);
  wr_stream_count(&before);
  EXPECT(pthread_create(&other, NULL, run_elsewhere, x) == 0 && pthread_join(other, NULL) == 0);
  wr_stream_count(&after);
  EXPECT(after.live_streams == before.live_streams);
  wr_capture_release(shared);
  wr_stream_release(named);
  wr_node_release(x);
}

int main(void) {
  test_steps();
  test_simplified();
  test_anew();
  test_streams();
  return ops_case_failures() != 0;
}
