#ifndef WR_OPS_FUNCTION_H
#define WR_OPS_FUNCTION_H

/* A function from arrays to arrays, as a value: what a user gives to be differentiated, and what a
   transform makes of it. One form for all kinds; each says which of the lists it has. Counted, and
   immutable, so that any number of threads may call it at once. No lock is held while it is called,
   and it may call anything. */

#include <stdbool.h>
#include <stddef.h>

#include "base/base.h"
#include "base/map.h"
#include "core/error.h"
#include "graph/node.h"

enum { WR_ARGUMENT_LISTS = 3, WR_RESULT_LISTS = 2 };

struct wr_node_list {
  struct wr_node *const *items; /* borrowed */
  size_t n;
};

struct wr_arguments {
  struct wr_node_list in[WR_ARGUMENT_LISTS];
  const struct wr_map *named; /* of struct wr_node; NULL: none */
  const int *numbers;         /* axes, or numbers of arguments */
  size_t n_numbers;
};

struct wr_results {
  struct wr_ptrs out[WR_RESULT_LISTS]; /* of struct wr_node, a reference each */
  struct wr_ptrs numbers;              /* each in the pointer itself */
};

struct wr_function {
  wr_atomic_u32 refs; /* atomic ACQ_REL */
  /* Adds to `results`, which are empty; on an error whatever is in them is dropped. */
  struct wr_error *(*call)(struct wr_function *f, const struct wr_arguments *arguments,
                           struct wr_results *results); /* immutable after publish */
  void (*end)(struct wr_function *f);                   /* immutable after publish */
};

/* One reference, the caller's. */
void wr_function_init(struct wr_function *f,
                      struct wr_error *(*call)(struct wr_function *, const struct wr_arguments *,
                                               struct wr_results *),
                      void (*end)(struct wr_function *));
struct wr_function *wr_function_retain(struct wr_function *f);
void wr_function_release(struct wr_function *f); /* NULL is a no-op */

/* Calls it; it lives until the call is over, also where it lets go of itself. On an error `results`
   are as they came. */
struct wr_error *wr_function_call(struct wr_function *f, const struct wr_arguments *arguments,
                                  struct wr_results *results);

/* Drops what the lists hold, and their memory. */
void wr_results_end(struct wr_results *results);

#endif
