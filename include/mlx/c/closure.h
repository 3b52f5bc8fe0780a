#ifndef MLX_CLOSURE_H
#define MLX_CLOSURE_H

/* Closures: functions of the user's from arrays to arrays, with what they need, as handles. A copy
   of the struct names the same closure, follows what it is set to, and ends with its one free. What
   was freed, was never set or is no closure of that kind is an error, as mlx/c/array.h says. What
   is made of a closure (another handle by set, a transformed function) keeps the function and its
   payload alive. Any thread may apply a closure, several at once, and any may free it.

   A function of the user's gets each result as an empty handle, and gives it a value
   (mlx_vector_array_set, _set_data, _set_value, or an assignment, which hands over the vector);
   to leave one empty is an error. Vectors and maps that it is given end with the call; arrays that
   it takes out of them it may keep. It returns 0, or else the call that ran it fails, with
   "mlx_closure returned a non-zero value" (with the name of its kind). If it met an error, the last
   one stands behind that and a colon, and the call has its status. It runs on the thread of the
   call that needs it, with no lock held; it may call anything, also what frees its own handle, and
   must return: neither longjmp nor an exception may leave it (docs/threads.md).

   A destructor is called once, dtor(payload), when the last that refers to the function is gone:
   inside the free or the set that let go of it, or on a thread of the library's, which is started
   with the closure (a refusal of it is WEIR_ERROR_STATE). If a closure cannot be made, the
   destructor is not called.

   Functions return 0, or 1 after an error: weir_last_error() then has the message, which names
   the operation and the parameter, and the handler of mlx_set_error_handler has been called.
   Those that return a handle return an empty handle instead. Any function may be called from any
   thread with any handle; only changing one handle variable while another thread uses that same
   variable needs a lock of the caller's. */

#include <stddef.h>

#include "mlx/c/map.h"
#include "mlx/c/vector.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mlx_closure_ {
  void *ctx; /* NULL: empty */
} mlx_closure;

typedef struct mlx_closure_kwargs_ {
  void *ctx; /* NULL: empty */
} mlx_closure_kwargs;

typedef struct mlx_closure_value_and_grad_ {
  void *ctx; /* NULL: empty */
} mlx_closure_value_and_grad;

typedef struct mlx_closure_custom_ {
  void *ctx; /* NULL: empty */
} mlx_closure_custom;

typedef struct mlx_closure_custom_jvp_ {
  void *ctx; /* NULL: empty */
} mlx_closure_custom_jvp;

typedef struct mlx_closure_custom_vmap_ {
  void *ctx; /* NULL: empty */
} mlx_closure_custom_vmap;

/* Functions from arrays to arrays. */

/* An empty handle. */
mlx_closure mlx_closure_new(void);

/* Releases the closure. */
int mlx_closure_free(mlx_closure cls);

/* A closure of a function, and of one with a payload. */
mlx_closure mlx_closure_new_func(int (*fun)(mlx_vector_array *, const mlx_vector_array));
mlx_closure mlx_closure_new_func_payload(int (*fun)(mlx_vector_array *, const mlx_vector_array,
                                                    void *),
                                         void *payload /* may be null */, void (*dtor)(void *));

/* Makes *cls refer to the function of src. */
int mlx_closure_set(mlx_closure *cls, const mlx_closure src);

/* Calls it, and replaces what the results hold. */
int mlx_closure_apply(mlx_vector_array *res, mlx_closure cls, const mlx_vector_array input);

/* A closure of a function of one array; with another number of inputs it fails. */
mlx_closure mlx_closure_new_unary(int (*fun)(mlx_array *, const mlx_array));

/* Functions from arrays, and arrays by name, to arrays. */

/* An empty handle. */
mlx_closure_kwargs mlx_closure_kwargs_new(void);

/* Releases the closure. */
int mlx_closure_kwargs_free(mlx_closure_kwargs cls);

/* A closure of a function, and of one with a payload. */
mlx_closure_kwargs mlx_closure_kwargs_new_func(int (*fun)(mlx_vector_array *,
                                                          const mlx_vector_array,
                                                          const mlx_map_string_to_array));
mlx_closure_kwargs mlx_closure_kwargs_new_func_payload(
    int (*fun)(mlx_vector_array *, const mlx_vector_array, const mlx_map_string_to_array, void *),
    void *payload /* may be null */, void (*dtor)(void *));

/* Makes *cls refer to the function of src. */
int mlx_closure_kwargs_set(mlx_closure_kwargs *cls, const mlx_closure_kwargs src);

/* Calls it, and replaces what the results hold. */
int mlx_closure_kwargs_apply(mlx_vector_array *res, mlx_closure_kwargs cls,
                             const mlx_vector_array input_0, const mlx_map_string_to_array input_1);

/* Functions from arrays to two lists of arrays, values and gradients. */

/* An empty handle. */
mlx_closure_value_and_grad mlx_closure_value_and_grad_new(void);

/* Releases the closure. */
int mlx_closure_value_and_grad_free(mlx_closure_value_and_grad cls);

/* A closure of a function, and of one with a payload. */
mlx_closure_value_and_grad mlx_closure_value_and_grad_new_func(int (*fun)(mlx_vector_array *,
                                                                          mlx_vector_array *,
                                                                          const mlx_vector_array));
mlx_closure_value_and_grad mlx_closure_value_and_grad_new_func_payload(
    int (*fun)(mlx_vector_array *, mlx_vector_array *, const mlx_vector_array, void *),
    void *payload /* may be null */, void (*dtor)(void *));

/* Makes *cls refer to the function of src. */
int mlx_closure_value_and_grad_set(mlx_closure_value_and_grad *cls,
                                   const mlx_closure_value_and_grad src);

/* Calls it, and replaces what the results hold. */
int mlx_closure_value_and_grad_apply(mlx_vector_array *res_0, mlx_vector_array *res_1,
                                     mlx_closure_value_and_grad cls, const mlx_vector_array input);

/* Functions from primals, cotangents and outputs to one cotangent for each primal. */

/* An empty handle. */
mlx_closure_custom mlx_closure_custom_new(void);

/* Releases the closure. */
int mlx_closure_custom_free(mlx_closure_custom cls);

/* A closure of a function, and of one with a payload. */
mlx_closure_custom mlx_closure_custom_new_func(int (*fun)(
    mlx_vector_array *, const mlx_vector_array, const mlx_vector_array, const mlx_vector_array));
mlx_closure_custom mlx_closure_custom_new_func_payload(
    int (*fun)(mlx_vector_array *, const mlx_vector_array, const mlx_vector_array,
               const mlx_vector_array, void *),
    void *payload /* may be null */, void (*dtor)(void *));

/* Makes *cls refer to the function of src. */
int mlx_closure_custom_set(mlx_closure_custom *cls, const mlx_closure_custom src);

/* Calls it, and replaces what the results hold. */
int mlx_closure_custom_apply(mlx_vector_array *res, mlx_closure_custom cls,
                             const mlx_vector_array input_0, const mlx_vector_array input_1,
                             const mlx_vector_array input_2);

/* Functions from primals, tangents, and the numbers of the primals that these belong to, to one
   tangent for each output. */

/* An empty handle. */
mlx_closure_custom_jvp mlx_closure_custom_jvp_new(void);

/* Releases the closure. */
int mlx_closure_custom_jvp_free(mlx_closure_custom_jvp cls);

/* A closure of a function, and of one with a payload. */
mlx_closure_custom_jvp mlx_closure_custom_jvp_new_func(int (*fun)(
    mlx_vector_array *, const mlx_vector_array, const mlx_vector_array, const int *, size_t _num));
mlx_closure_custom_jvp mlx_closure_custom_jvp_new_func_payload(
    int (*fun)(mlx_vector_array *, const mlx_vector_array, const mlx_vector_array, const int *,
               size_t _num, void *),
    void *payload /* may be null */, void (*dtor)(void *));

/* Makes *cls refer to the function of src. */
int mlx_closure_custom_jvp_set(mlx_closure_custom_jvp *cls, const mlx_closure_custom_jvp src);

/* Calls it, and replaces what the results hold. */
int mlx_closure_custom_jvp_apply(mlx_vector_array *res, mlx_closure_custom_jvp cls,
                                 const mlx_vector_array input_0, const mlx_vector_array input_1,
                                 const int *input_2, size_t input_2_num);

/* Functions from arrays and the mapped axis of each, -1 for none, to the same. */

/* An empty handle. */
mlx_closure_custom_vmap mlx_closure_custom_vmap_new(void);

/* Releases the closure. */
int mlx_closure_custom_vmap_free(mlx_closure_custom_vmap cls);

/* A closure of a function, and of one with a payload. */
mlx_closure_custom_vmap mlx_closure_custom_vmap_new_func(int (*fun)(
    mlx_vector_array *, mlx_vector_int *, const mlx_vector_array, const int *, size_t _num));
mlx_closure_custom_vmap mlx_closure_custom_vmap_new_func_payload(
    int (*fun)(mlx_vector_array *, mlx_vector_int *, const mlx_vector_array, const int *,
               size_t _num, void *),
    void *payload /* may be null */, void (*dtor)(void *));

/* Makes *cls refer to the function of src. */
int mlx_closure_custom_vmap_set(mlx_closure_custom_vmap *cls, const mlx_closure_custom_vmap src);

/* Calls it, and replaces what the results hold. */
int mlx_closure_custom_vmap_apply(mlx_vector_array *res_0, mlx_vector_int *res_1,
                                  mlx_closure_custom_vmap cls, const mlx_vector_array input_0,
                                  const int *input_1, size_t input_1_num);

#ifdef __cplusplus
}
#endif

#endif
