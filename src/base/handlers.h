#ifndef WR_BASE_HANDLERS_H
#define WR_BASE_HANDLERS_H

/* Handlers for the end of the process: those that libraries register inside a gate, and Weir's own
   (gate.h). Any thread. */

#include <stdbool.h>

/* Registers fn(NULL), before all handlers that are registered so far; false when the system
   refuses. It is left as it is. */
bool wr_handlers_add(void (*fn)(void *));

#endif
