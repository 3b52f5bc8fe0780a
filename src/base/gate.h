#ifndef WR_BASE_GATE_H
#define WR_BASE_GATE_H

/* Gates in front of libraries that are opened at run time. No thread may be inside a call of such a
   library when the process ends: the library's handlers and destructors free what the call uses.
   The gates, and the handlers that shut them (ending.c), are all that Weir does at the end of a
   process; it joins no thread and runs no work.

   What happens, and why it holds for any thread that ends the process at any moment (K8, P1).

   1. exit() runs the handlers that were registered, the latest first, then writes out the standard
      streams, then ends the process. One of the handlers is the loader's: it runs the destructors
      of libraries. The C library registers it as the program starts: after the libraries that the
      program is linked with were loaded, and before anything of the program's own.
   2. Weir's last handler has to run before the loader's, and after all of the program's. It is
      registered as Weir is loaded. That is right where Weir is part of the program, or is opened at
      run time; where the program is linked with Weir it is too early, so there it is registered
      once more: before the program's first handler, or else as a gate is first passed.
   3. A library registers handlers of its own while a call is inside it: cuBLASLt 12,000 of them in
      the half second in which it is opened, NVRTC 3,000. These would run before Weir's. So
      handlers.c stands in front of __cxa_atexit, through which C and C++ libraries register. In the
      place of a handler that is registered inside a gate, or by one of those libraries, it puts one
      of Weir's, which shuts the gates first and then runs the library's. So no handler tears a
      library down while gates are open: whichever handler comes first, whatever thread runs it,
      and however many have been registered by then.
   4. To shut the gates is to let no thread enter any more, and to wait for those inside, for
      WR_GATE_PATIENCE_NS at most. Calls are short as a rule, so all threads have left by then, and
      handlers and destructors run as in any process.
   5. A thread that is still inside then is in a first call: it opens a library, or compiles. It
      cannot be stopped, and nothing under it may be torn down: it is left behind. From then on
      handlers that were registered inside a gate do nothing, those of the program run, and Weir's
      last handler, which comes after them, writes out the standard streams and ends the process
      with its own status, before the loader's handler. The destructors of libraries do not run
      then, as with _exit.
   6. The child of a fork that came while another thread was inside ends as in 5: that thread is not
      in the child, and what it had begun stays half done.

   Where Weir itself was opened at run time (with RTLD_LOCAL, as Python does, or RTLD_GLOBAL, which
   is no better), libraries find the C library's __cxa_atexit before Weir's. There only the order of
   the handlers helps. Weir's is registered again after each first call. Besides, exit() first runs
   what is to run as its thread ends: the thread that opened Weir, and each that has passed a gate,
   registers the handler once more there. So on these threads it runs before every handler of a
   library; and where a thread is left behind, it ends the process at once, before handlers of the
   program's that are older. Not covered is the end of the process by any other thread, during a
   first call.

   Any thread. Calls inside are short but for first calls. WR_GATE_PRODUCTS: slices of a few
   milliseconds. WR_GATE_GPU: one call of NVIDIA's libraries, or a few; none waits for the device,
   but those of cuSOLVER that do between their steps, which count as first calls do. */

#include <stdbool.h>
#include <stdint.h>

enum wr_gate { WR_GATE_PRODUCTS, WR_GATE_GPU, WR_GATE_COUNT };

/* How long the end of a process waits for those inside. */
#define WR_GATE_PATIENCE_NS UINT64_C(300000000)

/* Before a call, also the one that opens the library; they nest. Inside, the thread is not
   cancelled (K7). False: the process is ending, and no call may be made. The thread that ends it is
   told so at once. Any other sleeps first, until the process is gone: with an error at once it
   would run what the program does about errors, which may end the process with another status.
   Where the process is still there three seconds after its end began, the thread goes on, with
   false, since a handler of the program's may be waiting for it. */
bool wr_gate_enter(enum wr_gate gate);
/* Nothing where the thread is not inside. */
void wr_gate_leave(enum wr_gate gate);
/* For a thread that does something for another, which is inside and waits for it: handlers that are
   registered here count as that one's. */
void wr_gate_lend(enum wr_gate gate);
/* True on the thread that ends the process, which must not wait for others that may be waiting for
   that. */
bool wr_gate_ends_here(void);

/* Keeps calls out until it is opened again by the same thread; false, and nothing was done, when
   some are still inside after half a second. In the child of a fork all gates are open. */
bool wr_gate_close(enum wr_gate gate);
void wr_gate_open(enum wr_gate gate);

/* ---- for handlers.c and ending.c ---- */

/* True while a thread is inside a gate, or once one was left behind there. */
bool wr_gate_holds_any(void);
/* True on a thread that is inside a gate. */
bool wr_gate_is_inside(void);
/* The calling thread ends the process: shuts all gates. True when nobody was left behind, which is
   found out once. */
bool wr_gate_shut(void);

#endif
