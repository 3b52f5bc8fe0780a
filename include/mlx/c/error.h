#ifndef MLX_ERROR_H
#define MLX_ERROR_H

/* Errors and their handler.

   When a call fails, the handler is called on the calling thread, with the message as data and
   no lock held, before the call returns. Messages begin with the operation in brackets, as in
   "[reshape] ...", and name the parameter; those of mlx_array_item_* have no bracket, and of a
   closure that gave up they begin with mlx_closure. The text is the handler's until it returns, and
   is cut after 2047 bytes.

   A handler may call anything, and need not return: it may end in longjmp or in a C++ exception.
   For what fails inside it, it is called again, down to eight calls in each other; what fails in
   the eighth is kept for weir_last_error() alone. When a handler returns, the call that it was
   called for is the last to have failed. A handler may switch to another stack, whose calls count
   by themselves, come back or not, and the stacks may be freed. The default handler writes one line
   to stderr. Nothing ever exits. Handlers may be replaced at any time: the old handler's data is
   released by its destructor after its last use. Any thread may call both functions. */

#ifdef __cplusplus
extern "C" {
#endif

typedef void (*mlx_error_handler_func)(const char *msg, void *data);

/* Replaces the handler; NULL restores the default one. dtor(data) is called when the handler is
   replaced and its last call has returned; dtor may be NULL. A call that was left by a jump counts
   until its thread fails at that depth of its stack again, sets a handler there or ends. When
   memory, or the thread on which dtor may have to run, is refused, the old handler stays and is
   told so, and dtor(data) is called at once. */
void mlx_set_error_handler(mlx_error_handler_func handler, void *data, void (*dtor)(void *));

/* Reports an error as a failing call does: stores the message and calls the handler. `fmt` is a
   printf format. */
void _mlx_error(const char *file, const int line, const char *fmt, ...);

/* The same, from the place where it is written. */
#define mlx_error(...) _mlx_error(__FILE__, __LINE__, __VA_ARGS__)

#ifdef __cplusplus
}
#endif

#endif
