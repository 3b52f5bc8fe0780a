#ifndef MLX_ERROR_H
#define MLX_ERROR_H

/* Errors and their handler.

   When a call fails, the handler is called on the calling thread, with the message as data and
   no lock held; it may call anything, and need not return: it may end in longjmp or in a C++
   exception. What fails inside the handler is reported to its own caller, but not to the handler
   again. The default handler writes one line to stderr. Nothing ever exits. Handlers may be
   replaced at any time: the old handler's data is released by its destructor after its last use.
   Any thread may call both functions. */

#ifdef __cplusplus
extern "C" {
#endif

typedef void (*mlx_error_handler_func)(const char *msg, void *data);

/* Replaces the handler; NULL restores the default one. dtor(data) is called when the handler is
   replaced and its last call has returned; dtor may be NULL. A call that was left by a jump counts
   until its thread fails again, sets a handler or ends. When memory is refused, the old handler
   stays and is told so, and dtor(data) is called at once. */
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
