/* Closures: handles to functions of the user's. A handle is a box with a counted function in it, so
   that what copies of the struct name can be set to another function. The functions themselves are
   made in closure_call.c. No locks. */

#include "mlx/c/closure.h"

#include "api/api.h"
#include "api/closure.h"
#include "api/map.h"
#include "base/base.h"

struct box {
  struct wr_kind_word kind;
  struct wr_function *function; /* a reference */
};

struct wr_closure_kind {
  enum wr_kind handles;
  enum wr_users_kind code;
  const char *if_empty; /* said of a handle that is */
};

#define KIND(name, handles, code, type)                            \
  const struct wr_closure_kind wr_closure_##name = {handles, code, \
                                                    "is empty: expected a non-empty " type};
KIND(plain, WR_KIND_CLOSURE, WR_USERS_PLAIN, "mlx_closure")
KIND(kwargs, WR_KIND_CLOSURE_KWARGS, WR_USERS_KWARGS, "mlx_closure_kwargs")
KIND(value_and_grad, WR_KIND_CLOSURE_VALUE_AND_GRAD, WR_USERS_VALUE_AND_GRAD,
     "mlx_closure_value_and_grad")
KIND(custom, WR_KIND_CLOSURE_CUSTOM, WR_USERS_CUSTOM, "mlx_closure_custom")
KIND(custom_jvp, WR_KIND_CLOSURE_CUSTOM_JVP, WR_USERS_CUSTOM_JVP, "mlx_closure_custom_jvp")
KIND(custom_vmap, WR_KIND_CLOSURE_CUSTOM_VMAP, WR_USERS_CUSTOM_VMAP, "mlx_closure_custom_vmap")
#undef KIND

/* ---- what the functions of all kinds do ---- */

/* Takes the reference. */
static struct wr_error *make_handle(const struct wr_closure_kind *kind, void **ctx,
                                    struct wr_function *taken) {
  struct box *box = wr_alloc(sizeof *box);
  if (box) {
    wr_kind_begin(&box->kind, kind->handles);
    box->function = taken;
    if (wr_handle_give(ctx, box, kind->handles)) return NULL;
  }
  wr_free(box);
  wr_function_release(taken);
  return wr_error_out_of_memory();
}

static void drop(struct wr_function *function) {
  wr_free_scope_enter();
  wr_function_release(function);
  wr_free_scope_leave();
}

/* In place where there is one: its copies go on naming the same. Takes the reference. */
static struct wr_error *put(const struct wr_closure_kind *kind, void **ctx,
                            struct wr_function *taken) {
  struct box *box = wr_handle_object(*ctx, kind->handles);
  if (!box) return make_handle(kind, ctx, taken);
  struct wr_function *old = box->function;
  box->function = taken;
  drop(old);
  return NULL;
}

int wr_closure_free(const char *function, const struct wr_closure_kind *kind, void *ctx) {
  struct wr_error *error = NULL;
  struct box *box = wr_api_take(ctx, kind->handles, "cls", &error);
  if (box) {
    struct wr_function *held = box->function;
    wr_free(box);
    drop(held);
  }
  return wr_api_return(function, error);
}

static struct wr_function *function_of(const struct wr_closure_kind *kind, void *ctx,
                                       const char *param, struct wr_error **error) {
  struct box *box = wr_api_object(ctx, kind->handles, param, kind->if_empty, error);
  return box ? box->function : NULL;
}

int wr_closure_set(const char *function, const struct wr_closure_kind *kind, void **ctx,
                   void *src) {
  struct wr_error *error = NULL;
  wr_api_result_handle(ctx, kind->handles, "cls", &error);
  struct wr_function *from = function_of(kind, src, "src", &error);
  if (!error) error = put(kind, ctx, wr_function_retain(from));
  return wr_api_return(function, error);
}

/* The function is made last, since its end would call the destructor. */
static void *make(const char *function, const struct wr_closure_kind *kind,
                  const struct wr_users_code *code) {
  struct wr_error *error = NULL;
  void *ctx = NULL;
  if (!code->fun) wr_api_reject(&error, "fun", "is NULL");
  if (!error) error = make_handle(kind, &ctx, NULL);
  struct box *box = wr_handle_object(ctx, kind->handles);
  if (!error) error = wr_api_function_of(&box->function, code);
  if (!error) return ctx;
  if (box) wr_free(wr_handle_take(ctx, kind->handles));
  wr_api_fail(function, error);
  return NULL;
}

void *wr_closure_new(const char *function, const struct wr_closure_kind *kind, void (*fun)(void)) {
  return make(function, kind, &(struct wr_users_code){.kind = kind->code, .fun = fun});
}

/* `dtor` is not called unless there is a closure. */
void *wr_closure_new_with(const char *function, const struct wr_closure_kind *kind,
                          void (*fun)(void), void *payload, void (*dtor)(void *)) {
  return make(function, kind, &(struct wr_users_code){kind->code, fun, true, payload, dtor});
}

/* What a call is given. */
struct call {
  struct wr_error *error;
  struct wr_arguments arguments;
  struct wr_ptrs held[WR_ARGUMENT_LISTS]; /* the arguments' arrays */
};

static void take_list(struct call *call, int i, mlx_vector_array vec, const char *param) {
  call->arguments.in[i] = wr_api_hold(&call->held[i], vec, param, &call->error);
}

/* Calls `cls`, unless there is an error, and ends the public function. */
static int apply(const char *function, struct call *call, const struct wr_closure_kind *kind,
                 void *cls, const struct wr_api_places *places) {
  struct wr_results results = {0};
  struct wr_function *f = function_of(kind, cls, "cls", &call->error);
  if (!call->error) call->error = wr_function_call(f, &call->arguments, &results);
  wr_api_let_go(call->held, WR_ARGUMENT_LISTS);
  return wr_api_return_lists(function, call->error, places, &results);
}

/* ---- mlx_closure ---- */

mlx_closure mlx_closure_new_unary(int (*fun)(mlx_array *, const mlx_array)) {
  return (mlx_closure){
      make("mlx_closure_new_unary", &wr_closure_plain,
           &(struct wr_users_code){.kind = WR_USERS_UNARY, .fun = (void (*)(void))fun})};
}

int mlx_closure_apply(mlx_vector_array *res, mlx_closure cls, const mlx_vector_array input) {
  struct call call = {.error = NULL};
  wr_api_result_handle(res, WR_KIND_VECTOR_ARRAY, "res", &call.error);
  take_list(&call, 0, input, "input");
  return apply("mlx_closure_apply", &call, &wr_closure_plain, cls.ctx,
               &(struct wr_api_places){.out = {res}});
}

/* ---- mlx_closure_kwargs ---- */

int mlx_closure_kwargs_apply(mlx_vector_array *res, mlx_closure_kwargs cls,
                             const mlx_vector_array input_0,
                             const mlx_map_string_to_array input_1) {
  struct call call = {.error = NULL};
  wr_api_result_handle(res, WR_KIND_VECTOR_ARRAY, "res", &call.error);
  take_list(&call, 0, input_0, "input_0");
  call.arguments.named = wr_api_map_of_arrays(input_1, "input_1", &call.error);
  return apply("mlx_closure_kwargs_apply", &call, &wr_closure_kwargs, cls.ctx,
               &(struct wr_api_places){.out = {res}});
}

/* ---- mlx_closure_value_and_grad ---- */

int mlx_closure_value_and_grad_apply(mlx_vector_array *res_0, mlx_vector_array *res_1,
                                     mlx_closure_value_and_grad cls, const mlx_vector_array input) {
  struct call call = {.error = NULL};
  wr_api_result_handle(res_0, WR_KIND_VECTOR_ARRAY, "res_0", &call.error);
  wr_api_result_handle(res_1, WR_KIND_VECTOR_ARRAY, "res_1", &call.error);
  take_list(&call, 0, input, "input");
  return apply("mlx_closure_value_and_grad_apply", &call, &wr_closure_value_and_grad, cls.ctx,
               &(struct wr_api_places){.out = {res_0, res_1}});
}

/* ---- mlx_closure_custom ---- */

int mlx_closure_custom_apply(mlx_vector_array *res, mlx_closure_custom cls,
                             const mlx_vector_array input_0, const mlx_vector_array input_1,
                             const mlx_vector_array input_2) {
  struct call call = {.error = NULL};
  wr_api_result_handle(res, WR_KIND_VECTOR_ARRAY, "res", &call.error);
  take_list(&call, 0, input_0, "input_0");
  take_list(&call, 1, input_1, "input_1");
  take_list(&call, 2, input_2, "input_2");
  return apply("mlx_closure_custom_apply", &call, &wr_closure_custom, cls.ctx,
               &(struct wr_api_places){.out = {res}});
}

/* ---- mlx_closure_custom_jvp ---- */

int mlx_closure_custom_jvp_apply(mlx_vector_array *res, mlx_closure_custom_jvp cls,
                                 const mlx_vector_array input_0, const mlx_vector_array input_1,
                                 const int *input_2, size_t input_2_num) {
  struct call call = {.error = NULL};
  wr_api_result_handle(res, WR_KIND_VECTOR_ARRAY, "res", &call.error);
  take_list(&call, 0, input_0, "input_0");
  take_list(&call, 1, input_1, "input_1");
  call.arguments.numbers = wr_api_ints(input_2, input_2_num, "input_2", &call.error);
  call.arguments.n_numbers = input_2_num;
  return apply("mlx_closure_custom_jvp_apply", &call, &wr_closure_custom_jvp, cls.ctx,
               &(struct wr_api_places){.out = {res}});
}

/* ---- mlx_closure_custom_vmap ---- */

int mlx_closure_custom_vmap_apply(mlx_vector_array *res_0, mlx_vector_int *res_1,
                                  mlx_closure_custom_vmap cls, const mlx_vector_array input_0,
                                  const int *input_1, size_t input_1_num) {
  struct call call = {.error = NULL};
  wr_api_result_handle(res_0, WR_KIND_VECTOR_ARRAY, "res_0", &call.error);
  wr_api_result_handle(res_1, WR_KIND_VECTOR_INT, "res_1", &call.error);
  take_list(&call, 0, input_0, "input_0");
  call.arguments.numbers = wr_api_ints(input_1, input_1_num, "input_1", &call.error);
  call.arguments.n_numbers = input_1_num;
  return apply("mlx_closure_custom_vmap_apply", &call, &wr_closure_custom_vmap, cls.ctx,
               &(struct wr_api_places){.out = {res_0}, .numbers = res_1});
}

/* ---- for the other files of the API ---- */

struct wr_function *wr_api_closure(mlx_closure cls, const char *param, struct wr_error **error) {
  return function_of(&wr_closure_plain, cls.ctx, param, error);
}

struct wr_function *wr_api_closure_kwargs(mlx_closure_kwargs cls, const char *param,
                                          struct wr_error **error) {
  return function_of(&wr_closure_kwargs, cls.ctx, param, error);
}

struct wr_function *wr_api_custom_or_none(mlx_closure_custom cls, const char *param,
                                          struct wr_error **error) {
  return cls.ctx ? function_of(&wr_closure_custom, cls.ctx, param, error) : NULL;
}

struct wr_function *wr_api_custom_jvp_or_none(mlx_closure_custom_jvp cls, const char *param,
                                              struct wr_error **error) {
  return cls.ctx ? function_of(&wr_closure_custom_jvp, cls.ctx, param, error) : NULL;
}

struct wr_function *wr_api_custom_vmap_or_none(mlx_closure_custom_vmap cls, const char *param,
                                               struct wr_error **error) {
  return cls.ctx ? function_of(&wr_closure_custom_vmap, cls.ctx, param, error) : NULL;
}

struct wr_error *wr_api_put_closure(mlx_closure *res, struct wr_function *taken) {
  return put(&wr_closure_plain, &res->ctx, taken);
}

struct wr_error *wr_api_put_value_and_grad(mlx_closure_value_and_grad *res,
                                           struct wr_function *taken) {
  return put(&wr_closure_value_and_grad, &res->ctx, taken);
}
