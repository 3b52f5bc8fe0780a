#ifndef WR_BASE_HANDLERS_H
#define WR_BASE_HANDLERS_H

/* Handlers for the end of the process: those that libraries register inside a gate, and Weir's own
   (gate.h). Any thread. */

#include <stdbool.h>

/* Registers fn(NULL), before all handlers that are registered so far; false when the system
   refuses. It is left as it is. */
bool wr_handlers_add(void (*fn)(void *));
/* False: libraries register with the C library, past Weir, as where Weir was opened for one user
   alone (RTLD_LOCAL). They look among what all see first, and the C library stands there. */
bool wr_handlers_in_front(void);
/* True: what the program itself registers is registered through Weir. */
bool wr_handlers_see_the_program(void);
/* fn(arg) runs as the calling thread ends, or ends the process, before all handlers and before the
   destructors of keys; false when the system refuses or cannot. It is what compilers use for
   thread_local of C++, and needs no key, of which a process has 1024. */
bool wr_handlers_as_thread_leaves(void (*fn)(void *), void *arg);

#endif
