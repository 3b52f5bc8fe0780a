/* Looks at the process's own memory; see peek.h. The system call that reads the memory of processes
   does so for the caller's own without any privilege; where a filter of system calls refuses it,
   the bytes go through a pipe, whose writer says when there is nothing at an address. No locks. */

#include "base/peek.h"

#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/lock.h"

static bool read_directly(void *to, const void *from, size_t bytes) {
  const struct iovec here = {.iov_base = to, .iov_len = bytes};
  const struct iovec there = {.iov_base = (void *)(uintptr_t)from, .iov_len = bytes};
  return syscall(SYS_process_vm_readv, getpid(), &here, 1ul, &there, 1ul, 0ul) == (long)bytes;
}

/* Less than a pipe holds, so that neither end waits. */
enum { PIECE = 4096 };

static bool through(const int ends[2], char *to, const char *from, size_t bytes) {
  for (size_t at = 0; at < bytes;) {
    const size_t piece = bytes - at < PIECE ? bytes - at : PIECE;
    /* Not by write(), in which AddressSanitizer looks at the bytes, and may find them freed. */
    if (syscall(SYS_write, ends[1], from + at, piece) != (long)piece) return false;
    if (read(ends[0], to + at, piece) != (ssize_t)piece) return false;
    at += piece;
  }
  return true;
}

static bool read_by_pipe(void *to, const void *from, size_t bytes) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK)) return false;
  const bool whole = through(ends, to, from, bytes);
  close(ends[0]);
  close(ends[1]);
  return whole;
}

/* Nothing lies in the first page. */
bool wr_peek(void *to, const void *from, size_t bytes) {
  if ((uintptr_t)from < PIECE) return false;
  int before = wr_cancel_off();
  const bool whole = read_directly(to, from, bytes) || read_by_pipe(to, from, bytes);
  wr_cancel_restore(before);
  return whole;
}

/* In short pieces, since what follows the text may not be there. */
void wr_peek_text(char *to, const char *from, size_t bytes) {
  enum { SHORT = 16 };
  size_t at = 0;
  while (at + 1 < bytes) {
    const size_t to_line = SHORT - (uintptr_t)(from + at) % SHORT;
    const size_t n = bytes - 1 - at < to_line ? bytes - 1 - at : to_line;
    if (!wr_peek(to + at, from + at, n)) break;
    const size_t length = strnlen(to + at, n);
    at += length;
    if (length < n) break;
  }
  to[at] = '\0';
}
