#ifndef WR_TRANSFORMS_COMPILED_H
#define WR_TRANSFORMS_COMPILED_H

/* What was compiled, and for which calls: entries of identities. One store for the process, so that
   what one thread has compiled all others use; bounded by bytes, of which the entry that was used
   longest ago goes first. Any thread may call any of these. Lock: COMPILED, for a moment; nothing
   is freed under it, and nobody's code runs. */

#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "core/error.h"

struct wr_capture;
struct wr_identity;

/* What has to be equal for a capture to be used: words, in the order in which they were added. */
struct wr_key {
  uint64_t *words; /* `few`, or memory of its own */
  size_t count;
  size_t room;
  uint64_t few[64];
};

/* A capture for the calls with one key. */
struct wr_compiled {
  wr_atomic_u32 refs;         /* atomic ACQ_REL: the store's, and one for each call that runs it */
  struct wr_capture *capture; /* immutable after publish; a reference */
  /* The same for other extents, of a shapeless one; NULL: none. Immutable after publish; a
   * reference. */
  struct wr_capture *general;
  uint64_t hash;                     /* immutable after publish */
  size_t bytes;                      /* immutable after publish */
  struct wr_identity *of;            /* under COMPILED; NULL: in the store no more */
  struct wr_compiled *next;          /* under COMPILED: of that identity */
  struct wr_compiled *older, *newer; /* under COMPILED: by use */
  size_t n_words;                    /* immutable after publish */
  uint64_t words[];                  /* immutable after publish: the key */
};

void wr_key_begin(struct wr_key *key);
bool wr_key_add(struct wr_key *key, uint64_t word);
void wr_key_end(struct wr_key *key);

/* An identity: that of the id, shared with all others who name it, or one that nobody else has. Of
   the latter the entries go with the last reference; of the others they stay until they are erased.
   NULL when memory is refused. */
struct wr_identity *wr_identity_of(uintptr_t id, bool own);
void wr_identity_release(struct wr_identity *identity);

/* The identity's entry with that key, with a reference; NULL: none. */
struct wr_compiled *wr_compiled_find(struct wr_identity *identity, const struct wr_key *key);
/* A new entry, with a reference; takes those of the captures. NULL when memory is refused. */
struct wr_compiled *wr_compiled_new(const struct wr_key *key, struct wr_capture *capture,
                                    struct wr_capture *general);
/* Puts it into the store, unless another thread was faster, or it is larger than all together may
   be. */
void wr_compiled_keep(struct wr_identity *identity, struct wr_compiled *entry);
void wr_compiled_release(struct wr_compiled *entry); /* NULL is a no-op */

/* Drops all entries of the id; and all of the process. */
void wr_compiled_erase(uintptr_t id);
void wr_compiled_clear(void);

/* What the store holds, for tests. */
struct wr_compiled_count {
  size_t entries;
  size_t bytes;
  size_t identities;
};
struct wr_compiled_count wr_compiled_count(void);

#endif
