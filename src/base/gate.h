#ifndef WR_BASE_GATE_H
#define WR_BASE_GATE_H

/* Gates in front of libraries that are opened at run time and must not be inside a call when the
   process ends: their destructors free, or end, what calls that still run use. A handler closes all
   gates before any library's destructor runs, and waits, bounded, for the calls inside. It joins no
   thread and runs no work. This is all that Weir does at the end of a process.

   Any thread. Calls inside are short: WR_GATE_PRODUCTS slices of a few milliseconds, WR_GATE_GPU
   single calls of NVIDIA's libraries, or a few, of which setting up a GPU and compiling a kernel
   take up to some hundred. */

#include <stdbool.h>

enum wr_gate { WR_GATE_PRODUCTS, WR_GATE_GPU, WR_GATE_COUNT };

/* Before a call, also the one that opens the library; they nest. False: the process is ending, so
   no call may be made. For the thread that ends it that is known at once; any other first waits for
   the end, three seconds: with an error it would do what the program has for errors, and perhaps
   end the process with another status. Only an end that takes longer lets it go on, since a handler
   or a destructor of the program's may be joining that very thread. */
bool wr_gate_enter(enum wr_gate gate);
/* Nothing where the thread is not inside. */
void wr_gate_leave(enum wr_gate gate);
/* Puts the handler before all that libraries have registered so far: to be called once a library is
   open, and after first calls, in which it may register more. Handlers run in the reverse order,
   and destructors of C++ objects are among them. */
void wr_gate_goes_first(void);
/* True on the thread that ends the process, which must not wait for others that may be waiting for
   that. */
bool wr_gate_ends_here(void);

/* Keeps calls out until it is opened again by the same thread; false, and nothing was done, when
   some are still inside after half a second. In the child of a fork all gates are open. */
bool wr_gate_close(enum wr_gate gate);
void wr_gate_open(enum wr_gate gate);

#endif
