/* Functions of C as functions of arrays: what they are given is made into handles, what they give
   is taken out of them. User code runs with no lock held, and the thread cannot be cancelled in it,
   since what is around it would stay for ever. The payload's destructor runs inside the free that
   ended the function, or on the reclaimer (K10). No locks. */

#include <stdio.h>

#include "api/api.h"
#include "api/closure.h"
#include "api/error.h"
#include "api/map.h"
#include "base/base.h"
#include "mlx/c/closure.h"

struct users_function {
  struct wr_function base;
  struct wr_users_code code; /* immutable after publish */
  struct wr_callback *end;   /* immutable after publish; the payload's destructor, or NULL */
};

/* What stands around one call. */
struct frame {
  mlx_vector_array in[WR_ARGUMENT_LISTS];
  mlx_map_string_to_array named;
  const int *numbers;
  size_t n_numbers;
  mlx_vector_array out[WR_RESULT_LISTS];
  mlx_vector_int out_numbers;
  struct wr_error *error; /* what was wrong besides the status; a reference or NULL */
};

/* User code that is called may change the vector. */
struct wr_node_list wr_api_hold(struct wr_ptrs *held, mlx_vector_array vec, const char *param,
                                struct wr_error **error) {
  size_t n = 0;
  struct wr_node *const *nodes = wr_api_vector(vec, param, &n, error);
  if (!*error && !wr_ptrs_reserve(held, n)) *error = wr_error_out_of_memory();
  if (*error) return (struct wr_node_list){NULL, 0};
  for (size_t i = 0; i < n; i++) held->items[held->count++] = wr_node_retain(nodes[i]);
  return (struct wr_node_list){(struct wr_node *const *)held->items, n};
}

void wr_api_let_go(struct wr_ptrs *held, int n) {
  for (int k = 0; k < n; k++) {
    for (size_t i = 0; i < held[k].count; i++) wr_node_release(held[k].items[i]);
    wr_ptrs_free(&held[k]);
  }
}

/* ---- one call of each kind: the function's status ---- */

static int call_plain(const struct wr_users_code *code, struct frame *f) {
  typedef int alone(mlx_vector_array *, const mlx_vector_array);
  typedef int with(mlx_vector_array *, const mlx_vector_array, void *);
  if (!code->has_payload) return ((alone *)code->fun)(&f->out[0], f->in[0]);
  return ((with *)code->fun)(&f->out[0], f->in[0], code->payload);
}

/* The result of a function of one array, as a list. */
static void take_one(struct frame *f, mlx_array out) {
  struct wr_node *node = wr_api_array_or_none(out, "res", &f->error);
  if (node) {
    f->error = wr_api_make_vector(&f->out[0], &node, 1);
  } else if (!f->error) {
    f->error = wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "expected a non-empty mlx_array");
  }
}

/* No free of the caller's: destructors are the reclaimer's. */
static void drop_array(mlx_array a) {
  struct wr_handle *handle = wr_handle_take(a.ctx, WR_KIND_ARRAY);
  if (handle) wr_handle_free(handle);
}

static int call_unary(const struct wr_users_code *code, struct frame *f) {
  typedef int alone(mlx_array *, const mlx_array);
  mlx_array in = {NULL}, out = {NULL};
  size_t n;
  struct wr_node *const *nodes = wr_api_vector(f->in[0], "input", &n, &f->error);
  if (!f->error && n != 1) {
    f->error = wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "closure: expected unary input");
  }
  if (!f->error) f->error = wr_api_put_array(&in, wr_node_retain(nodes[0]));
  if (f->error) return 0;
  int status = ((alone *)code->fun)(&out, in);
  if (!status) take_one(f, out);
  if (out.ctx != in.ctx) drop_array(out);
  drop_array(in);
  return status;
}

static int call_kwargs(const struct wr_users_code *code, struct frame *f) {
  typedef int alone(mlx_vector_array *, const mlx_vector_array, const mlx_map_string_to_array);
  typedef int with(mlx_vector_array *, const mlx_vector_array, const mlx_map_string_to_array,
                   void *);
  if (!code->has_payload) return ((alone *)code->fun)(&f->out[0], f->in[0], f->named);
  return ((with *)code->fun)(&f->out[0], f->in[0], f->named, code->payload);
}

static int call_value_and_grad(const struct wr_users_code *code, struct frame *f) {
  typedef int alone(mlx_vector_array *, mlx_vector_array *, const mlx_vector_array);
  typedef int with(mlx_vector_array *, mlx_vector_array *, const mlx_vector_array, void *);
  if (!code->has_payload) return ((alone *)code->fun)(&f->out[0], &f->out[1], f->in[0]);
  return ((with *)code->fun)(&f->out[0], &f->out[1], f->in[0], code->payload);
}

static int call_custom(const struct wr_users_code *code, struct frame *f) {
  typedef int alone(mlx_vector_array *, const mlx_vector_array, const mlx_vector_array,
                    const mlx_vector_array);
  typedef int with(mlx_vector_array *, const mlx_vector_array, const mlx_vector_array,
                   const mlx_vector_array, void *);
  if (!code->has_payload) return ((alone *)code->fun)(&f->out[0], f->in[0], f->in[1], f->in[2]);
  return ((with *)code->fun)(&f->out[0], f->in[0], f->in[1], f->in[2], code->payload);
}

static int call_custom_jvp(const struct wr_users_code *code, struct frame *f) {
  typedef int alone(mlx_vector_array *, const mlx_vector_array, const mlx_vector_array, const int *,
                    size_t);
  typedef int with(mlx_vector_array *, const mlx_vector_array, const mlx_vector_array, const int *,
                   size_t, void *);
  if (!code->has_payload) {
    return ((alone *)code->fun)(&f->out[0], f->in[0], f->in[1], f->numbers, f->n_numbers);
  }
  return ((with *)code->fun)(&f->out[0], f->in[0], f->in[1], f->numbers, f->n_numbers,
                             code->payload);
}

static int call_custom_vmap(const struct wr_users_code *code, struct frame *f) {
  typedef int alone(mlx_vector_array *, mlx_vector_int *, const mlx_vector_array, const int *,
                    size_t);
  typedef int with(mlx_vector_array *, mlx_vector_int *, const mlx_vector_array, const int *,
                   size_t, void *);
  if (!code->has_payload) {
    return ((alone *)code->fun)(&f->out[0], &f->out_numbers, f->in[0], f->numbers, f->n_numbers);
  }
  return ((with *)code->fun)(&f->out[0], &f->out_numbers, f->in[0], f->numbers, f->n_numbers,
                             code->payload);
}

static const struct kind {
  const char *name;
  int (*call)(const struct wr_users_code *code, struct frame *f);
  int n_in;
  int n_out;
  bool named;
  bool out_numbers;
} kinds[] = {
    [WR_USERS_PLAIN] = {"mlx_closure", call_plain, 1, 1, false, false},
    [WR_USERS_UNARY] = {"mlx_closure", call_unary, 1, 1, false, false},
    [WR_USERS_KWARGS] = {"mlx_closure_kwargs", call_kwargs, 1, 1, true, false},
    [WR_USERS_VALUE_AND_GRAD] = {"mlx_closure_value_and_grad", call_value_and_grad, 1, 2, false,
                                 false},
    [WR_USERS_CUSTOM] = {"mlx_closure_custom", call_custom, 3, 1, false, false},
    [WR_USERS_CUSTOM_JVP] = {"mlx_closure_custom_jvp", call_custom_jvp, 2, 1, false, false},
    [WR_USERS_CUSTOM_VMAP] = {"mlx_closure_custom_vmap", call_custom_vmap, 1, 1, false, true},
};

/* ---- around a call ---- */

static struct wr_error *fill(const struct kind *kind, struct frame *f,
                             const struct wr_arguments *arguments) {
  struct wr_error *error = NULL;
  for (int i = 0; i < kind->n_in && !error; i++) {
    error = wr_api_make_vector(&f->in[i], arguments->in[i].items, arguments->in[i].n);
  }
  if (!error && kind->named) error = wr_api_make_arrays(&f->named, arguments->named);
  f->numbers = arguments->numbers;
  f->n_numbers = arguments->n_numbers;
  return error;
}

/* This is not a free of the caller's: destructors that become due are the reclaimer's. */
static void drop_vector(mlx_vector_array vec) {
  struct wr_results dropped = {0};
  struct wr_error *error = NULL; /* of a result that is no vector: there is nothing to drop */
  wr_api_take_vector(vec, &dropped.out[0], &error);
  wr_results_end(&dropped);
  wr_error_release(error);
}

/* An input that was handed back as a result ends once. */
static void empty(struct frame *f) {
  for (int i = 0; i < WR_ARGUMENT_LISTS; i++) {
    bool handed_back =
        f->in[i].ctx && (f->in[i].ctx == f->out[0].ctx || f->in[i].ctx == f->out[1].ctx);
    if (!handed_back) drop_vector(f->in[i]);
  }
  mlx_map_string_to_array_free(f->named);
}

static void drop_results(struct frame *f) {
  if (f->out[1].ctx == f->out[0].ctx) f->out[1].ctx = NULL;
  for (int i = 0; i < WR_RESULT_LISTS; i++) drop_vector(f->out[i]);
  struct wr_ptrs numbers = {0};
  struct wr_error *error = NULL;
  wr_api_take_ints(f->out_numbers, &numbers, &error);
  wr_ptrs_free(&numbers);
  wr_error_release(error);
}

static struct wr_error *nothing_given(const char *what) {
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "expected a non-empty %s", what);
}

/* The lists, which on an error are the caller's to drop. One vector for both of two results is a
   list for each. */
static struct wr_error *take_results(const struct kind *kind, struct frame *f,
                                     struct wr_results *results) {
  struct wr_error *error = NULL;
  size_t n;
  for (int i = 0; i < kind->n_out; i++) {
    if (!f->out[i].ctx) return nothing_given("mlx_vector_array");
  }
  if (kind->out_numbers && !f->out_numbers.ctx) return nothing_given("mlx_vector_int");
  if (kind->n_out > 1 && f->out[0].ctx == f->out[1].ctx) {
    f->out[1].ctx = NULL;
    struct wr_node *const *nodes = wr_api_vector(f->out[0], "res", &n, &error);
    if (!error) error = wr_api_make_vector(&f->out[1], nodes, n);
  }
  for (int i = 0; i < kind->n_out && !error; i++) {
    wr_api_take_vector(f->out[i], &results->out[i], &error);
    f->out[i].ctx = NULL;
  }
  if (kind->out_numbers && !error) {
    wr_api_take_ints(f->out_numbers, &results->numbers, &error);
    f->out_numbers.ctx = NULL;
  }
  return error;
}

/* That the function says that there was an error, and behind it the error that it met, which is a
   new one. While `before` is held, no other has its address, but the one that stands for all where
   there is no memory. Programs for mlx-c tell by the beginning that the error is their function's,
   of which they may know more; functions in each other say so once. */
static struct wr_error *refusal(const struct kind *kind, const struct wr_error *before) {
  struct wr_error *met = wr_api_last_error();
  if (met && (met != before || met == wr_error_out_of_memory())) {
    if (wr_error_of_closure(met)) return met;
    char words[WR_ERROR_PREFIX];
    snprintf(words, sizeof words, "%s returned a non-zero value: ", kind->name);
    return wr_error_prefix_take(met, words);
  }
  wr_error_release(met);
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "%s returned a non-zero value", kind->name);
}

static struct wr_error *run(const struct kind *kind, const struct wr_users_code *code,
                            struct frame *f, struct wr_results *results) {
  struct wr_error *before = wr_api_last_error();
  wr_mutex_assert_none_held();
  int cancel = wr_cancel_off();
  int status = kind->call(code, f);
  wr_cancel_restore(cancel);
  struct wr_error *error = status ? refusal(kind, before) : f->error;
  wr_error_release(before);
  empty(f);
  if (!error) error = take_results(kind, f, results);
  drop_results(f); /* what was not taken */
  return error;
}

static struct wr_error *call_users(struct wr_function *base, const struct wr_arguments *arguments,
                                   struct wr_results *results) {
  const struct wr_users_code *code = &((struct users_function *)(void *)base)->code;
  const struct kind *kind = &kinds[code->kind];
  struct frame f = {.numbers = NULL};
  struct wr_error *error = fill(kind, &f, arguments);
  if (!error) return run(kind, code, &f, results);
  empty(&f);
  return error;
}

/* ---- its life ---- */

static void end_users(struct wr_function *base) {
  struct users_function *f = (struct users_function *)(void *)base;
  struct wr_callback *end = f->end;
  wr_free(f);
  if (end) wr_reclaimer_run_due(end);
}

/* What the destructor needs is had now: later nobody could be told of a refusal. */
struct wr_error *wr_api_function_of(struct wr_function **out, const struct wr_users_code *code) {
  struct users_function *f = wr_alloc(sizeof *f);
  if (!f) return wr_error_out_of_memory();
  wr_function_init(&f->base, call_users, end_users);
  f->code = *code;
  f->end = NULL;
  struct wr_error *error = NULL;
  if (code->dtor)
    error = wr_reclaimer_reserve(code->dtor, code->payload, "destructor of a closure", &f->end);
  if (error) {
    wr_free(f);
  } else {
    *out = &f->base;
  }
  return error;
}
