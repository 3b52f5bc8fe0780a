/* Descriptors for event loops: see descriptor.h. No locks of its own. */

#include "stream/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/base.h"
#include "base/lock.h"
#include "base/text.h"

static int make(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

struct wr_error *wr_descriptor_new(int *fd) {
  *fd = make();
  if (*fd >= 0) return NULL;
  return wr_error_new(WEIR_ERROR_STATE, "eventfd: %s", wr_text_of_errno(errno));
}

void wr_descriptor_close(int fd) {
  int before = wr_cancel_off();
  if (fd >= 0) (void)close(fd);
  wr_cancel_restore(before);
}

/* It does not block: writing fails only when the counter is full, and then it is readable already.
 */
void wr_descriptor_raise(int fd) {
  uint64_t one = 1;
  int before = wr_cancel_off();
  ssize_t written = write(fd, &one, sizeof one);
  wr_cancel_restore(before);
  (void)written;
}

/* Reading fails only when the counter is 0, and then it is not readable already. */
void wr_descriptor_clear(int fd) {
  uint64_t count;
  int before = wr_cancel_off();
  ssize_t got = read(fd, &count, sizeof count);
  wr_cancel_restore(before);
  (void)got;
}

/* The parent's is closed first, so that the number is free however many files are open. */
int wr_descriptor_anew(int fd) {
  int before = wr_cancel_off();
  (void)close(fd);
  int made = make();
  if (made >= 0 && made != fd) {
    int moved = dup3(made, fd, O_CLOEXEC);
    (void)close(made);
    made = moved;
  }
  wr_cancel_restore(before);
  return made;
}
