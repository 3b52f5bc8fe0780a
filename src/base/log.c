/* Lines to stderr, and the end of the process when an invariant of Weir's own is broken. Each line
   is one write, so that lines of several threads or processes do not mix. Lock: LOG. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/base.h"
#include "base/fork.h"
#include "base/lock.h"

static struct wr_mutex log_lock = WR_MUTEX_INIT(WR_RANK_LOG);

/* Another thread of the parent may be writing while the process forks, for as long as nobody reads
   what it writes: no fork waits for that. */
static void unlock_in_child(void) { wr_mutex_init(&log_lock, WR_RANK_LOG); }
WR_AT_FORK(.rank = WR_RANK_LOG, .child = unlock_in_child)

/* A log line that cannot be written has nowhere to be reported: the result is dropped. */
static void write_line(const char *line) {
  struct iovec parts[2] = {{.iov_base = (void *)line, .iov_len = strlen(line)},
                           {.iov_base = (void *)"\n", .iov_len = 1}};
  ssize_t n;
  do {
    n = writev(STDERR_FILENO, parts, 2);
  } while (n < 0 && errno == EINTR);
}

void wr_log_line(const char *line) {
  int before = wr_cancel_off();
  wr_mutex_lock(&log_lock);
  write_line(line);
  wr_mutex_unlock(&log_lock);
  wr_cancel_restore(before);
}

/* Takes no lock: it may be a lock that is broken. */
_Noreturn void wr_bug(const char *file, int line, const char *what) {
  char text[256];
  snprintf(text, sizeof text, "weir bug: %s:%d: %s", file, line, what);
  write_line(text);
  abort();
}
