#ifndef WR_BASE_GATE_H
#define WR_BASE_GATE_H

/* Gates in front of libraries that are opened at run time and must not be inside a call when the
   process ends: their handlers and destructors free, or end, what calls that still run use. This is
   all that Weir does at the end of a process; it joins no thread and runs no work.

   What happens, and why it holds for any thread that ends the process at any moment (K8, P1).

   1. exit() runs the handlers that were registered, the latest first, then flushes, then ends. The
      destructors that the loader knows of are such a handler, which the C library registers as the
      program starts: after a library that the program is linked with was loaded, and before
      anything of the program's own. Weir's own handler has to run before the destructors, and after
      all handlers of the program's. So it is registered as Weir is loaded, which is right where
      Weir is part of the program or opened at run time, and once more, where the program is linked
      with it: when the program registers its first handler, before that one, or else as a gate is
      first passed. And a library registers handlers of its own, cuBLASLt 12,000
      of them in the half second in which it is opened, NVRTC 3,000, and those come before Weir's.
   2. So no handler that is registered by a thread inside a gate, or by one of those libraries, is
      left as it is: handlers.c stands in front of __cxa_atexit, through which C and C++ libraries
      register, and puts one of Weir's in its place, which shuts the gates first and then runs the
      library's. No library is torn down by a handler while gates are open, whichever handler comes
      first, however many a call that is under way has registered so far, and whatever thread runs
      them.
   3. To shut is to let nobody enter any more, and to wait for those inside, all gates together,
      WR_GATE_PATIENCE_NS. Calls are short by rule, so that is the rule: then handlers and
      destructors run as if nothing had been.
   4. Who is still inside after that is in a first call: it opens a library, or compiles. It cannot
      be stopped, and nothing under it may be torn down. So it is left behind: handlers of libraries
      that were registered inside a gate do nothing from then on, those of the program run, and
      Weir's handler of its loading, which comes after all of those, writes out what standard output
      and other streams hold and ends the process with its own status, before any destructor of a
      library. The destructors that the loader knows of are what such an end lacks, as with _exit. A
   child that was forked while another thread was inside ends in this way too: that thread is not in
   the child, and what it had begun stays half done.

   Where Weir was itself opened at run time (RTLD_LOCAL, as Python does; RTLD_GLOBAL is no better),
   libraries find the C library's __cxa_atexit first, and the order of the handlers has to do.
   Weir's is registered again after each first call. And exit() begins with what is to run as its
   thread ends, before all handlers: the thread that opened Weir, and each that has passed a gate,
   registers it once more there. So on these threads it comes before every handler of a library, and
   where somebody is left behind it ends the process at once: handlers of the program's that are
   older do not run then. What is not covered is an end by a thread that has done neither, during a
   first call.

   Any thread. Calls inside are short but for first calls: WR_GATE_PRODUCTS slices of a few
   milliseconds, WR_GATE_GPU single calls of NVIDIA's libraries, or a few, none of which waits for
   the device. */

#include <stdbool.h>
#include <stdint.h>

enum wr_gate { WR_GATE_PRODUCTS, WR_GATE_GPU, WR_GATE_COUNT };

/* How long the end of a process waits for those inside. */
#define WR_GATE_PATIENCE_NS UINT64_C(300000000)

/* Before a call, also the one that opens the library; they nest. Inside, the thread is not
   cancelled (K7). False: the process is ending, so no call may be made. For the thread that ends it
   that is known at once; any other first waits for the end, three seconds: with an error it would
   do what the program has for errors, and perhaps end the process with another status. Only an end
   that takes longer lets it go on, since a handler or a destructor of the program's may be joining
   that very thread. */
bool wr_gate_enter(enum wr_gate gate);
/* Nothing where the thread is not inside. */
void wr_gate_leave(enum wr_gate gate);
/* For a thread that does something for another, which is inside and waits for it: handlers that are
   registered here count as that one's. */
void wr_gate_lend(enum wr_gate gate);
/* True on the thread that ends the process, which must not wait for others that may be waiting for
   that. */
bool wr_gate_ends_here(void);
/* Registers Weir's handler once more, before all that libraries have registered so far: to be
   called once a library is open, and after first calls, in which it may register more. */
void wr_gate_goes_first(void);

/* Keeps calls out until it is opened again by the same thread; false, and nothing was done, when
   some are still inside after half a second. In the child of a fork all gates are open. */
bool wr_gate_close(enum wr_gate gate);
void wr_gate_open(enum wr_gate gate);

/* ---- for handlers.c ---- */

/* Registers Weir's handler after the loader's, once; false when the system refused. */
bool wr_gate_comes_last(void);
/* True on a thread that is inside a gate. */
bool wr_gate_is_inside(void);
/* The calling thread ends the process: shuts all gates. True when nobody was left behind, which is
   found out once. */
bool wr_gate_shut(void);

#endif
