#ifndef WR_STREAM_DESCRIPTOR_H
#define WR_STREAM_DESCRIPTOR_H

/* A descriptor for event loops, readable or not as its owner says: an eventfd. The owner calls all
   of this under a lock of its own, so that what comes last holds. Nothing here blocks, and nothing
   is a cancellation point. */

#include "core/error.h"

/* *fd is not readable; *fd is -1 on an error. */
struct wr_error *wr_descriptor_new(int *fd);
void wr_descriptor_close(int fd); /* -1 is a no-op */
void wr_descriptor_raise(int fd); /* readable from here on; whoever polls edges sees one */
void wr_descriptor_clear(int fd); /* not readable from here on */
/* In the child of a fork: the parent's is closed, and what is returned has the same number and is
   the child's own, not readable; -1 where the system refuses. Parent and child would take each
   other's wake-ups from a shared one (K11). */
int wr_descriptor_anew(int fd);

#endif
