#ifndef WR_BASE_DOING_H
#define WR_BASE_DOING_H

/* What threads are at that may take long: a table with an entry for each, from begin to end, which
   weir_dump reads. An entry costs a look at the clock and two atomic stores, so it stands around
   what takes microseconds anyway: a sleep, a compiler, a function of the user's, a read. They nest:
   of a thread the entry that began last says what it is at. Any thread; no locks. */

#include <stddef.h>
#include <stdint.h>

enum wr_doing_kind {
  WR_DOING_NOTHING,
  WR_DOING_WAIT,  /* sleeps until `of`, a completion, is over or submitted, `on` is its stream; or,
                     with neither, for `text` */
  WR_DOING_USERS, /* runs `of`, a function of the user's; `text` says what kind of function */
  WR_DOING_READ,  /* reads from what `text` names */
  WR_DOING_COMPILE,    /* has NVRTC compile what `text` names */
  WR_DOING_OPEN,       /* opens the library `text` */
  WR_DOING_COLLECTIVE, /* waits for other processes, in `text`; a thread may be at several */
  WR_DOING_KINDS
};

struct wr_doing; /* an entry */

/* NULL where the table is full, which wr_doing_missed counts. `text` stays until the end. */
struct wr_doing *wr_doing_begin(enum wr_doing_kind kind, const void *of, const void *on,
                                const char *text);
void wr_doing_end(struct wr_doing *entry); /* NULL is a no-op */

/* ---- for weir_dump ---- */

struct wr_doing_look {
  const void *of;
  const void *on;
  const char *text;
  uint64_t since;     /* of wr_clock_coarse_ns */
  uintptr_t thread;   /* pthread_self, as debuggers print it */
  uint32_t thread_id; /* the system's */
  enum wr_doing_kind kind;
};

enum { WR_DOING_ENTRIES = 512 };
/* The i-th entry; of kind NOTHING where there is none, or where it changed during the look. */
void wr_doing_look(int i, struct wr_doing_look *look);
uint64_t wr_doing_missed(void);

#endif
