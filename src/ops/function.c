/* Functions as values: references, and a call. Takes no lock. */

#include "ops/function.h"

void wr_function_init(struct wr_function *f,
                      struct wr_error *(*call)(struct wr_function *, const struct wr_arguments *,
                                               struct wr_results *),
                      void (*end)(struct wr_function *)) {
  wr_store_relaxed(&f->refs, 1u); /* relaxed: not yet shared */
  f->call = call;
  f->end = end;
}

struct wr_function *wr_function_retain(struct wr_function *f) {
  wr_ref_take(&f->refs);
  return f;
}

void wr_function_release(struct wr_function *f) {
  if (f && wr_ref_drop(&f->refs)) f->end(f);
}

static void drop_nodes(struct wr_ptrs *nodes) {
  for (size_t i = 0; i < nodes->count; i++) wr_node_release(nodes->items[i]);
  wr_ptrs_free(nodes);
}

void wr_results_end(struct wr_results *results) {
  for (int i = 0; i < WR_RESULT_LISTS; i++) drop_nodes(&results->out[i]);
  wr_ptrs_free(&results->numbers);
}

struct wr_error *wr_function_call(struct wr_function *f, const struct wr_arguments *arguments,
                                  struct wr_results *results) {
  struct wr_results made = {0};
  wr_function_retain(f);
  struct wr_error *error = f->call(f, arguments, &made);
  wr_function_release(f);
  if (error) {
    wr_results_end(&made);
  } else {
    *results = made;
  }
  return error;
}
