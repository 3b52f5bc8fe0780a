#ifndef WR_API_CLOSURE_H
#define WR_API_CLOSURE_H

/* Functions of C as functions of arrays, for the files of this folder. */

#include <stdbool.h>

#include "base/base.h"
#include "core/error.h"
#include "mlx/c/closure.h"
#include "ops/function.h"

/* What the function of C is; the name of the handle's type goes into messages. */
enum wr_users_kind {
  WR_USERS_PLAIN,
  WR_USERS_UNARY,
  WR_USERS_KWARGS,
  WR_USERS_VALUE_AND_GRAD,
  WR_USERS_CUSTOM,
  WR_USERS_CUSTOM_JVP,
  WR_USERS_CUSTOM_VMAP
};

struct wr_users_code {
  enum wr_users_kind kind;
  void (*fun)(void); /* of the type that the kind says */
  bool has_payload;  /* which it takes behind its other arguments */
  void *payload;
  void (*dtor)(void *); /* NULL: none */
};

/* A function that calls the user's. On an error nothing is taken. */
struct wr_error *wr_api_function_of(struct wr_function **out, const struct wr_users_code *code);

/* The items of a vector, with references in `held`, which is empty, for the time of a call.
   `let_go` drops those of n such lists. */
struct wr_node_list wr_api_hold(struct wr_ptrs *held, mlx_vector_array vec, const char *param,
                                struct wr_error **error);
void wr_api_let_go(struct wr_ptrs *held, int n);

/* What the functions of all kinds of closures do, for calls.c, as in vector.h. `dtor` is not called
   unless there is a closure. */
struct wr_closure_kind; /* closure.c */
extern const struct wr_closure_kind wr_closure_plain;
extern const struct wr_closure_kind wr_closure_kwargs;
extern const struct wr_closure_kind wr_closure_value_and_grad;
extern const struct wr_closure_kind wr_closure_custom;
extern const struct wr_closure_kind wr_closure_custom_jvp;
extern const struct wr_closure_kind wr_closure_custom_vmap;
void *wr_closure_new(const char *function, const struct wr_closure_kind *kind, void (*fun)(void));
void *wr_closure_new_with(const char *function, const struct wr_closure_kind *kind,
                          void (*fun)(void), void *payload, void (*dtor)(void *));
int wr_closure_set(const char *function, const struct wr_closure_kind *kind, void **ctx, void *src);
int wr_closure_free(const char *function, const struct wr_closure_kind *kind, void *ctx);

/* What handles hold, borrowed; and making *res, and its copies, refer to a function, whose
   reference is taken, also when memory is refused. */
struct wr_function *wr_api_closure(mlx_closure cls, const char *param, struct wr_error **error);
struct wr_function *wr_api_closure_kwargs(mlx_closure_kwargs cls, const char *param,
                                          struct wr_error **error);
struct wr_function *wr_api_custom_or_none(mlx_closure_custom cls, const char *param,
                                          struct wr_error **error);
struct wr_function *wr_api_custom_jvp_or_none(mlx_closure_custom_jvp cls, const char *param,
                                              struct wr_error **error);
struct wr_function *wr_api_custom_vmap_or_none(mlx_closure_custom_vmap cls, const char *param,
                                               struct wr_error **error);
struct wr_error *wr_api_put_closure(mlx_closure *res, struct wr_function *taken);
struct wr_error *wr_api_put_value_and_grad(mlx_closure_value_and_grad *res,
                                           struct wr_function *taken);

#endif
