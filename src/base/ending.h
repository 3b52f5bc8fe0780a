#ifndef WR_BASE_ENDING_H
#define WR_BASE_ENDING_H

/* Weir's own handlers for the end of the process: when they are registered, and what they do.
   gate.h has the argument. Any thread. */

#include <stdbool.h>

/* Before the first gate is passed; once. */
void wr_ending_set_up(void);
/* False: the system refused to register a handler, so that no gate may be passed. */
bool wr_ending_is_watched(void);
/* Where libraries register past Weir: the end of the process by the calling thread begins with
   Weir's handler. Else, and when it was called before, nothing. */
void wr_ending_watch_thread(void);
/* Registers the handler that has to run after all of the program's, once; false when the system
   refused. */
bool wr_ending_comes_last(void);
/* Registers a handler once more, before all that libraries have registered so far: to be called
   once a library is open, and after first calls, in which it may register more. */
void wr_ending_goes_first(void);
/* As the library is loaded, once: `fn` is called by the thread that ends the process, after all
   handlers of the program's; it may wait a short while for other threads. */
void wr_ending_call_last(void (*fn)(void));

#endif
