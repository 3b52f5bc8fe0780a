#ifndef WR_BASE_PEEK_H
#define WR_BASE_PEEK_H

/* A look at memory of this process, as a debugger has it: the bytes are copied by the system, so
   that an address at which there is nothing is an answer and no fault, and no lock is needed for
   what others change. What was copied may be torn or out of date; whoever looks says how that is
   found out, or why it does not matter. For weir_dump alone (stream/dump.h). Any thread; no locks.
 */

#include <stdbool.h>
#include <stddef.h>

/* False, and nothing is in *to, when not all of the bytes are there. */
bool wr_peek(void *to, const void *from, size_t bytes);
/* The same of a text, as far as it is there and fits; it is always ended. */
void wr_peek_text(char *to, const char *from, size_t bytes);

#endif
