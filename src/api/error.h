#ifndef WR_API_ERROR_H
#define WR_API_ERROR_H

/* Between the files that report errors: error.c keeps the last error of each thread,
   error_handler.c calls the program's handler, error_prefix.c has the name that a message begins
   with. */

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"

/* ---- error.c ---- */

/* Makes it the calling thread's last error, with a reference of its own. */
void wr_last_error_set(struct wr_error *error);
/* Whether the end of the calling thread will call wr_error_calls_end. */
bool wr_thread_end_is_seen(void);

/* ---- error_handler.c ---- */

/* Calls the program's handler, or without one prints a line; takes the reference. No lock may be
   held. The handler need not return, and then this does not. */
void wr_error_tell(struct wr_error *error);
/* The calling thread ends: drops what is kept of its calls of handlers. */
void wr_error_calls_end(void);

/* ---- error_prefix.c ---- */

enum { WR_ERROR_PREFIX = 96 };
/* "[operation] " for a message about that function, or an empty text. */
void wr_error_prefix(const char *function, char prefix[WR_ERROR_PREFIX]);
/* Whether the message says that a function of the user's gave up, "mlx_closure... returned ...". */
bool wr_error_of_closure(const struct wr_error *error);

#endif
