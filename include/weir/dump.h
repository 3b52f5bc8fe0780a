#ifndef WEIR_DUMP_H
#define WEIR_DUMP_H

/* What the library is at, in words: for a process that hangs, or is slower than it should be. */

#ifdef __cplusplus
extern "C" {
#endif

/* Writes to the descriptor what the library is at: a first line that names what everything else
   waits for, as far as that can be told; then each stream that is not idle, with what runs on it
   (operation, types and shapes, since when, on which thread), what it waits for, what stands in its
   queue and what its device has; the threads that wait, run functions of the user's, read, compile
   or are at a collective; the worker pool, the threads that may block, the reclaimer; and each
   request with work that has not begun, with what comes before it. At most 256 KB: what does not
   fit is counted.

   It takes no lock and allocates nothing, so it ends whatever hangs, with any lock held; it only
   reads, so nothing that runs is held up by it. Of what goes on meanwhile it may tell what was true
   a moment ago. One dump is made at a time; where another one does not end within two seconds,
   because nobody reads what it writes, this one is an error.

   Any thread, inside callbacks and destructors too, also a retired one; but no handler of a signal:
   for that there is WEIR_DUMP_SIGNAL in the environment, a signal's name such as USR2, or its
   number. With it a thread of the library's own waits for that signal and writes the dump to
   stderr; `weir dump PID` asks for it in the same way, and prints it. A signal that has a handler
   already as the library is loaded stays as it is, with a line on stderr.

   rc 0, or 1: WEIR_ERROR_DEVICE when the descriptor does not take it, as write() says, or, where it
   does not block, takes nothing for two seconds; WEIR_ERROR_STATE for the other dump. */
int weir_dump(int fd);

#ifdef __cplusplus
}
#endif

#endif
