#ifndef WEIR_TRACE_H
#define WEIR_TRACE_H

/* Traces of time: a file that says what ran when, for ui.perfetto.dev, chrome://tracing and
   whatever else reads Chrome's trace events in JSON. With WEIR_TRACE=FILE in the environment the
   whole of a program is traced, from its first stream on, without a change to it.

   What is in it:
     - A track for each stream, in a group for each device: a span for each command, with its
       operation, the types and shapes of result and inputs, and of a fused group its operations;
       and a span "blocked" while the stream waits for another one, or for room. Views run nothing
       and have none. On a device that works by itself, as a GPU, times are the host's: a command's
       span begins when it has been handed over and the one before it is over, and ends when the
       host has found out that it is over; commands that were found out together stand at one point.
     - A track for each thread that works for the library or calls it: evaluating, draining a
       stream, taking slices of another thread's kernel, waiting.
     - Requests (weir/request.h) as flows, from the call to each of its commands, with label and
       trace id.
     - Memory of each device as counters: bytes of live buffers, and bytes kept for the next ones.

   Times are of CLOCK_MONOTONIC, so traces of several processes of a machine fit together. Events
   are kept for a moment, 256 KB for each thread and 64 MB at most, and written by a thread of the
   library's own. What comes faster than that, or cannot be written, is left out and counted:
   events named "lost", and "end of trace", have the number. The file is whole when the trace was
   stopped or the process has ended, by exit or return from main; of one that was killed, or ended
   by _exit, the last hundredth of a second may be missing, and the file is the beginning of an
   array, perhaps with a part of an event at its end, which readers of such files bear.

   Both functions may be called from any thread. rc 0 is success, rc 1 an error (weir/error.h). The
   child of a fork is not traced, and writes nothing into its parent's file; it may start a trace
   of its own. Where WEIR_TRACE names a file that another process is writing just now, because a
   program that is traced has started this one, the file's name is followed by a point and the
   process's number. weir_shutdown stops the trace. */

#ifdef __cplusplus
extern "C" {
#endif

/* Begins a trace, in a file that is made or emptied. Errors: no file is named, or it cannot be
   written (WEIR_ERROR_INVALID_ARGUMENT); a trace is running, or another process writes that file
   (WEIR_ERROR_STATE); memory or a thread is refused (WEIR_ERROR_OUT_OF_MEMORY). */
int weir_trace_start(const char *file);

/* Ends the trace, and returns when the file is whole; without one, does nothing. Commands that are
   not over have no span. An error when the file could not be written to its end
   (WEIR_ERROR_DEVICE), which has ended all the same. */
int weir_trace_stop(void);

#ifdef __cplusplus
}
#endif

#endif
