#ifndef WR_MEMORY_BUFFER_H
#define WR_MEMORY_BUFFER_H

/* Buffers: counted blocks of memory that arrays share, out of a size-class cache with a limit, or
   wrapped around memory of the user's. All functions may be called from any thread. The memory
   module takes locks of rank ALLOCATOR only, and never calls a user's destructor itself. */

#include <stdbool.h>
#include <stddef.h>

#include "base/atomic.h"
#include "core/device.h"
#include "core/error.h"

#define WR_BUFFER_ALIGN 64

/* Where raw memory comes from: one per device instance, given by its backend. */
struct wr_memory_source {
  struct wr_device device; /* whose memory it is; of several that share one, any */
  void *(*alloc)(const struct wr_memory_source *source, size_t bytes); /* NULL: refused */
  void (*free)(const struct wr_memory_source *source, void *data, size_t bytes);
  /* Why all is refused, where that is not for want of memory; NULL, or no function: it is. */
  struct wr_error *(*refusal)(const struct wr_memory_source *source);
  /* Gives the system what the source itself has kept of what was freed; NULL: it keeps nothing. */
  void (*release)(const struct wr_memory_source *source);
  size_t capacity;   /* bytes that the device has; 0: its limits are by default the host's */
  bool host_visible; /* the host may read and write `data` */
};

/* A cache over one source. The CPU's is wr_memory_host(). */
struct wr_memory;

struct wr_buffer {
  wr_atomic_u32 refs;       /* atomic ACQ_REL */
  uint32_t size_class;      /* immutable after publish; a bit of it is budget.c's */
  void *data;               /* immutable after publish; never NULL */
  size_t bytes;             /* immutable after publish; capacity */
  struct wr_memory *memory; /* immutable after publish; NULL: wrapped user memory */
  union {
    void (*dtor)(void *);  /* immutable after publish; user memory: to be called once, or NULL */
    wr_atomic_ptr derived; /* atomic ACQ_REL; others: derived.c's */
  };
  void *payload;          /* user memory: as dtor, the runner keeps it; others: budget.c's */
  struct wr_buffer *next; /* under the memory's LOCK or owner thread only, while cached */
  wr_atomic_u64 only_on;  /* atomic ACQ_REL: graph/transfer.c; set by it alone */
};

struct wr_memory *wr_memory_host(void);
/* Makes a cache over `source` (kept by pointer, must outlive it). NULL when memory is refused. */
struct wr_memory *wr_memory_new(const struct wr_memory_source *source);
/* Frees an own cache (of a test device): all of its buffers must have been released. */
void wr_memory_free(struct wr_memory *memory);
struct wr_device wr_memory_device(const struct wr_memory *memory);
bool wr_memory_host_visible(const struct wr_memory *memory);

/* A buffer of at least `bytes`, aligned to 64, uninitialised, one reference. On refusal empties
   the cache and tries once more, unless there is no such memory; then returns an out-of-memory
   error that gives the bytes. */
struct wr_error *wr_buffer_alloc(struct wr_memory *memory, size_t bytes, struct wr_buffer **out);
/* Wraps the user's memory; dtor(payload) runs once, after the last release (dtor may be NULL).
   On an error, of memory or of what the destructor will need, it is not called. */
struct wr_error *wr_buffer_wrap(void *data, size_t bytes, void (*dtor)(void *), void *payload,
                                struct wr_buffer **out);
/* Ends a wrapped buffer that nobody else knows of yet; the destructor is not called. */
void wr_buffer_unwrap(struct wr_buffer *b);

static inline struct wr_buffer *wr_buffer_retain(struct wr_buffer *b) {
  wr_ref_take(&b->refs);
  return b;
}
void wr_buffer_free_slow(struct wr_buffer *b);
static inline void wr_buffer_release(struct wr_buffer *b) {
  if (b && wr_ref_drop(&b->refs)) wr_buffer_free_slow(b);
}
/* True when the caller's reference is the only one: nobody else can read the buffer any more. */
static inline bool wr_buffer_unique(const struct wr_buffer *b) {
  /* Acquire: pairs with the release of the others' drops, so that their reads are over. */
  return wr_load_acquire(&((struct wr_buffer *)b)->refs) == 1u;
}

/* How destructors of users are run (K10): set by the stream module as the library is loaded, which
   either calls them at once (inside the caller's own free) or hands them to its reclaimer. What
   that takes is had beforehand, so that running cannot be refused. */
struct wr_destructor_runner {
  struct wr_error *(*reserve)(void (*dtor)(void *), void **payload); /* may put another in place */
  void (*run)(void (*dtor)(void *), void *payload);                  /* the one in place */
  void (*cancel)(void *payload);                                     /* it will not run */
};
void wr_buffer_set_destructor_runner(const struct wr_destructor_runner *runner);

/* Gives what the calling thread has put by to the shared cache, as its end does; from now on it
   puts nothing by. */
void wr_memory_thread_exit(void);
/* Accounting over all memories, as MLX counts: active = bytes in live buffers, cache = idle bytes.
   The memory limit holds for each memory by itself, a cache limit that was set for the idle bytes
   of all together. One that was never set is each memory's own: of the host's an amount of its own
   (cache.c, limits.c), of a device's an eighth of what it has for the cache and four fifths for
   all. What the host has is what the process's memory control groups allow. */
size_t wr_memory_active(void);
size_t wr_memory_cached(void);
size_t wr_memory_peak(void);
/* The same two of one memory. */
void wr_memory_usage(const struct wr_memory *memory, size_t *active, size_t *cached);
void wr_memory_reset_peak(void);
size_t wr_memory_limit(void);
size_t wr_memory_set_limit(size_t bytes); /* returns the previous one */
/* What the limit of a device with so many bytes is while none was set. */
size_t wr_memory_default_limit(size_t capacity);
/* True when a buffer more of that size, beside all that are live, is above the memory's limit. */
bool wr_memory_crowded(const struct wr_memory *memory, size_t bytes);
size_t wr_memory_set_cache_limit(size_t bytes); /* returns the previous one; trims at once */
void wr_memory_clear_cache(void);

/* Wired memory: large host buffers whose pages stay resident, while their sum is within the limit:
   the one that was set plus all that has been raised and not lowered. What the system does not
   allow to be locked stays unlocked, is no error, and is the shortfall. */
size_t wr_memory_set_wired_limit(size_t bytes); /* returns the one that was set before */
void wr_memory_wired_raise(size_t bytes);
void wr_memory_wired_lower(size_t bytes); /* by as much as was raised */
size_t wr_memory_wired_limit(void);       /* the sum of both */
size_t wr_memory_wired(void);             /* bytes that are wired */
size_t wr_memory_wired_shortfall(void);   /* bytes that the limit allows and the system refuses */

#endif
