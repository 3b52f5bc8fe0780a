#ifndef WR_MEMORY_DERIVED_H
#define WR_MEMORY_DERIVED_H

/* Derived forms: what a kernel of the host's made of a buffer's bytes and would make again at its
   next use, as the panels that products pack. A form belongs to the buffer and ends with it, or
   when memory is short: whoever finds none works without.

   The first use of a form leaves a mark, the second makes it, so that what is used once costs a bit
   in a word. Forms are reported as cached memory, are at most a quarter of the memory limit, keep
   to a cache limit that was set, and go with the cache (wr_memory_clear_cache) and before an
   allocation above the limit. A refusal is no error. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/buffer.h"

/* Which form: equal keys are equal bytes. */
struct wr_form_key {
  const void *maker;  /* whose layout it is: an address that is nobody else's */
  int64_t at;         /* bytes from the buffer's data */
  int64_t rows, cols; /* of what it is made of */
  int64_t apart;      /* elements, from row to row */
  int64_t deep;       /* rows of a part, where the layout has parts */
  bool turned;
};

struct wr_form;

/* The form, to be read until wr_form_leave; NULL: there is none yet, or another thread is making
   it, or memory does not allow it. *fresh: the caller is to fill the `bytes` at wr_form_data, and
   then says wr_form_ready; until then nobody else sees it. The caller has a reference to `b`, which
   nobody writes meanwhile, and keeps it until it has left. Any thread. */
struct wr_form *wr_form_hold(struct wr_buffer *b, const struct wr_form_key *key, size_t bytes,
                             bool *fresh);
void *wr_form_data(const struct wr_form *form);
void wr_form_ready(struct wr_form *form);
/* One that was not made ready is given up. */
void wr_form_leave(struct wr_form *form);

void wr_forms_end_slow(struct wr_buffer *b);
/* Ends all forms of a buffer that is to be written over, or to end: the caller's reference is the
   only one. */
static inline void wr_forms_end(struct wr_buffer *b) {
  /* Relaxed: the caller has seen what all others did when it became the only one. */
  if (wr_load_relaxed(&b->derived)) wr_forms_end_slow(b);
}

/* Ends all forms that nobody holds. True when there were some. */
bool wr_forms_drop(void);
/* Bytes of all forms. */
size_t wr_forms_bytes(void);

#endif
