#ifndef WR_TRANSFORMS_TRANSFORMS_H
#define WR_TRANSFORMS_TRANSFORMS_H

/* Derivatives of functions. Each call runs the function, on the calling thread and with no lock
   held, while a log is kept of what it records (graph/trace.h), and walks that by the rules of the
   operations (rules.h). Transforms may stand in each other in any order. Results are lazy. Any
   thread may call any of these; what other threads record meanwhile is constant to it. vmap needs
   no log (vmap.c). */

#include "ops/function.h"

/* The function's outputs, and for each primal a cotangent: what the outputs' cotangents mean for
   it. Adds to both lists, which are empty; on an error they stay so. */
struct wr_error *wr_vjp(struct wr_function *f, const struct wr_node_list *primals,
                        const struct wr_node_list *cotangents, struct wr_ptrs *outputs,
                        struct wr_ptrs *grads);
/* The same the other way: for each output a tangent. */
struct wr_error *wr_jvp(struct wr_function *f, const struct wr_node_list *primals,
                        const struct wr_node_list *tangents, struct wr_ptrs *outputs,
                        struct wr_ptrs *out);

/* Functions made of functions, which they retain; *out is the caller's.
   value_and_grad: results are the outputs, and the gradients of the first, a scalar, for those
   arguments, in ascending order. */
struct wr_error *wr_value_and_grad(struct wr_function **out, struct wr_function *f,
                                   const int *argnums, size_t n);
/* f with rules of its own; each may be NULL, and then is that of f. vmap: from arguments of all
   calls and their axes (`numbers`) to outputs of all calls and theirs. */
struct wr_error *wr_custom_function(struct wr_function **out, struct wr_function *f,
                                    struct wr_function *vjp, struct wr_function *jvp,
                                    struct wr_function *vmap);
/* Runs f on placeholders for the inputs that have an axis, and adds to both lists, which are empty,
   what it was given and what it gave. An axis of -1: the input itself. */
struct wr_error *wr_vmap_trace(struct wr_function *f, const struct wr_node_list *inputs,
                               const int *axes, size_t n, struct wr_ptrs *traced,
                               struct wr_ptrs *outputs);
/* The outputs of a trace for all of the inputs: adds to the list, which is empty. */
struct wr_vmap_lists {
  struct wr_node_list inputs, traced, outputs; /* the last two: of a trace */
};
struct wr_error *wr_vmap_replace(const struct wr_vmap_lists *lists, const int *in_axes, size_t n_in,
                                 const int *out_axes, size_t n_out, struct wr_ptrs *out);

/* f whose intermediate values go, and are computed again for its cotangents. */
struct wr_error *wr_checkpoint(struct wr_function **out, struct wr_function *f);

/* f compiled: what it does is captured at the first call with inputs of such shapes and dtypes, and
   later calls record that, without a call of f. Random keys that f draws are drawn at each call. In
   the mode DISABLED *out is f. */
enum wr_compile_mode { /* of the process; as mlx_compile_mode */
                       WR_COMPILE_DISABLED,
                       WR_COMPILE_NO_SIMPLIFY,
                       WR_COMPILE_NO_FUSE,
                       WR_COMPILE_ENABLED
};
void wr_set_compile_mode(enum wr_compile_mode mode);

struct wr_compile_how {
  uintptr_t id; /* whose captures it uses, and adds to */
  bool own;     /* nobody else's, instead */
  bool shapeless;
  const uint64_t *constants; /* captures are for calls with the same ones */
  size_t n_constants;
};
struct wr_error *wr_compile(struct wr_function **out, struct wr_function *f,
                            const struct wr_compile_how *how);

#endif
