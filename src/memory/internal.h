#ifndef WR_MEMORY_INTERNAL_H
#define WR_MEMORY_INTERNAL_H

/* Shared between the files of src/memory alone: size classes, the shared cache, the threads'
   magazines, wired buffers and the accounts. Idle buffers stand in lists linked by `next`. One lock
   of rank ALLOCATOR guards the shared lists of all memories; memory goes back to its source only
   after the lock is released. */

#include "base/atomic.h"
#include "base/base.h"
#include "base/list.h"
#include "memory/buffer.h"

/* Size classes: multiples of 64 bytes up to 512, then eight steps per doubling, so that at most an
   eighth is unused. */
enum {
  WR_CLASS_SMALLEST = 64,
  WR_CLASS_LINEAR = 8,         /* classes 0..7: 64, 128, .. 512 */
  WR_CLASS_STEPS = 8,          /* per doubling above */
  WR_CLASS_MAGAZINES = 64,     /* classes that magazines keep: up to 64 KB */
  WR_CLASS_COUNT = 8 + 8 * 38, /* up to 2^47 bytes: all that processors address */
  WR_CLASS_NONE = UINT16_MAX,
  WR_CLASS_CHARGED = 1 << 30 /* a bit beside the class, of live buffers: see budget.c */
};

/* The class that holds `bytes` (at least 1); WR_CLASS_NONE when none does. */
uint32_t wr_class_of(size_t bytes);
size_t wr_class_bytes(uint32_t size_class);

/* Bytes that sources gave, and that they got back: both only grow, so that a reader knows to which
   side it may err while others work (limits.c). What they differ by is held: active and idle. */
struct wr_held {
  wr_atomic_u64 made;     /* atomic RELAXED */
  wr_atomic_u64 returned; /* atomic ACQ_REL; read before what is active and `made` */
};

struct wr_memory {
  const struct wr_memory_source *source; /* immutable after publish */
  wr_atomic_u64 active;   /* atomic ACQ_REL; in live buffers of a device's; unused in the host's */
  struct wr_held held;    /* of a device's; unused in the host's, whose are the accounts' */
  struct wr_memory *next; /* immutable after publish (tests take their own out again) */
  struct wr_buffer *idle[WR_CLASS_COUNT]; /* under LOCK */
};

/* ---- accounts ---- */

/* Active bytes are counted of all memories; the host's are what the devices' are less: so an
   allocation on the host changes one number, or none (active.c). */
struct wr_accounts {
  _Alignas(64) wr_atomic_u64 counted; /* atomic ACQ_REL; through active.c alone */
  struct wr_held host, devices;
  /* Active bytes of devices are the difference; both only grow. */
  wr_atomic_u64 devices_taken;  /* atomic RELAXED */
  wr_atomic_u64 devices_freed;  /* atomic ACQ_REL; read before the other */
  wr_atomic_u64 cache_limit;    /* atomic RELAXED */
  wr_atomic_u64 peak;           /* atomic RELAXED; through active.c alone */
  wr_atomic_bool cache_limited; /* atomic RELAXED; the limit was set */
  wr_atomic_u64 memory_limit;   /* atomic RELAXED; through limits.c alone */
};
#define WR_LIMIT_UNSET (UINT64_MAX - 1)
extern struct wr_accounts wr_accounts;

/* ---- active bytes of all memories ---- */

struct wr_credit;

/* `own` is the calling thread's credit, or NULL. */
void wr_active_add(struct wr_credit *own, uint64_t bytes);
void wr_active_sub(struct wr_credit *own, uint64_t bytes);
/* Takes the lock if credits are out. */
uint64_t wr_active_bytes(void);
/* A look at the count: with all credits, and without the most that there can be. */
uint64_t wr_active_at_most(void);
uint64_t wr_active_at_least(void);
/* In the child of a fork. */
uint64_t wr_active_fork_child(void);

/* ---- what sources gave, and limits ---- */

/* Counts bytes that a source gave, and that it got back. */
void wr_account_hold(struct wr_memory *memory, uint64_t bytes);
void wr_account_give_back(struct wr_memory *memory, uint64_t bytes);
uint64_t wr_account_held(const struct wr_memory *memory);
uint64_t wr_account_active_in_devices(void);
/* Idle bytes above the limit of the cache. A default limit is the memory's own; one that was set is
   for the idle bytes of all memories, which is what it is compared with. Never less than there are
   once nothing is in flight: who frees counts before it asks. */
uint64_t wr_account_excess(const struct wr_memory *memory);
/* True when the host's memory has no excess, whatever other threads do at that moment; it may have
   none all the same. A look, under a magazine's flag. */
bool wr_account_roomy(void);
/* Whether so many bytes more may be kept beside what is cached; they may unless a limit was set. */
bool wr_account_may_keep(size_t bytes);
/* The same for a buffer that is to become idle: true when the cache would never hold it. */
bool wr_account_oversized(const struct wr_memory *memory, size_t bytes);
uint64_t wr_account_memory_limit(const struct wr_memory *memory);

/* ---- the cache ---- */

/* An idle buffer of the class, or NULL. */
struct wr_buffer *wr_cache_take(struct wr_memory *memory, uint32_t size_class);
/* Keeps an idle buffer, or gives it back to its source when the limits say so. */
void wr_cache_put(struct wr_buffer *buffer);
/* Frees idle memory until there are at most `limit` bytes of it, and what sources keep. */
void wr_cache_trim(size_t limit);
/* Frees all idle memory of this one. */
void wr_cache_empty(struct wr_memory *memory);
void wr_cache_register(struct wr_memory *memory);
void wr_cache_unregister(struct wr_memory *memory);

/* ---- magazines: idle small host buffers of one thread ---- */

/* NULL when it has none. Of a buffer *counted says whether it is counted as active. */
struct wr_buffer *wr_magazine_take(uint32_t size_class, bool *counted);
/* Counts an active buffer's end and keeps it where there is room. */
enum wr_magazine_put { WR_PUT_KEPT, WR_PUT_COUNTED, WR_PUT_NOTHING };
enum wr_magazine_put wr_magazine_put(struct wr_buffer *buffer);
/* The calling thread's, or NULL: it has none, or ends. */
struct wr_credit *wr_magazine_credit(void);
/* The same, opening one if it can. */
struct wr_credit *wr_magazine_credit_open(void);
/* Takes what all threads' magazines hold, as a list. Called without the lock. */
struct wr_buffer *wr_magazine_take_all(void);
/* In the child of a fork: the bytes that the magazine of its thread holds. */
size_t wr_magazine_fork_child(void);

/* ---- buffers with a mapping of their own, which can be wired: the host's large ones ---- */

struct wr_mapped_buffer {
  struct wr_buffer buffer;
  struct wr_link link; /* under LOCK; in one of wired.c's lists, unless busy */
  uint64_t pass;       /* under LOCK; the change of the limit that it was last tried for */
  uint32_t generation; /* immutable after publish; of the process whose lists it stands in */
  bool wired;          /* under LOCK, or while busy by the thread it is busy with */
  bool refused;        /* under LOCK; the system refused to lock its pages */
  bool busy;           /* under LOCK; a thread is locking or unlocking its pages */
  bool dying;          /* under LOCK; destroyed while busy: that thread frees it */
};

/* Makes a new buffer, whose memory is there, known; wires it if the limit allows. */
void wr_wired_add(struct wr_mapped_buffer *m);
/* Called before its memory goes back. False: another thread is at work on it, and frees it. */
bool wr_wired_remove(struct wr_mapped_buffer *m);
void wr_wired_fork_child(void);

static inline struct wr_mapped_buffer *wr_mapped_buffer(struct wr_buffer *b) {
  return WR_CONTAINER_OF(b, struct wr_mapped_buffer, buffer);
}
bool wr_memory_maps(const struct wr_memory *memory, size_t bytes);
/* Gives memory and header back. */
void wr_buffer_return(struct wr_buffer *b);

/* ---- the machine ---- */

/* Bytes; UINT64_MAX when unknown. */
struct wr_machine {
  uint64_t memory; /* physical, or what the tightest control group allows */
  uint64_t most;   /* of all arrays: with swap, and in a group less a sixteenth for the rest */
};
/* Looks below `root`, which is "" but in tests. False: something could not be read for the moment.
 */
bool wr_machine_look(const char *root, struct wr_machine *found);
uint64_t wr_machine_memory(void);
uint64_t wr_machine_most(void);

/* True when the memory does not have so many bytes more beside all live buffers, whatever is given
   up for them. */
bool wr_memory_lacks(const struct wr_memory *memory, size_t bytes);

#endif
