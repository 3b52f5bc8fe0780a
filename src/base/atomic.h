#ifndef WR_BASE_ATOMIC_H
#define WR_BASE_ATOMIC_H

/* Atomics with the memory order in the name. C11's operators default to sequential consistency and
   hide the order at the place where it matters; here each use says which one it needs, and the
   comment beside the use says why. The file takes no locks. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef _Atomic uint32_t wr_atomic_u32;
typedef _Atomic uint64_t wr_atomic_u64;
typedef _Atomic int64_t wr_atomic_i64;
typedef _Atomic bool wr_atomic_bool;
typedef _Atomic(void *) wr_atomic_ptr;

#define wr_load_relaxed(p) atomic_load_explicit((p), memory_order_relaxed)
#define wr_load_acquire(p) atomic_load_explicit((p), memory_order_acquire)
#define wr_store_relaxed(p, v) atomic_store_explicit((p), (v), memory_order_relaxed)
#define wr_store_release(p, v) atomic_store_explicit((p), (v), memory_order_release)
#define wr_exchange_acq_rel(p, v) atomic_exchange_explicit((p), (v), memory_order_acq_rel)
#define wr_fetch_add_relaxed(p, v) atomic_fetch_add_explicit((p), (v), memory_order_relaxed)
#define wr_fetch_add_acq_rel(p, v) atomic_fetch_add_explicit((p), (v), memory_order_acq_rel)
#define wr_fetch_sub_relaxed(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_relaxed)
#define wr_fetch_sub_acq_rel(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_acq_rel)
#define wr_fetch_or_acq_rel(p, v) atomic_fetch_or_explicit((p), (v), memory_order_acq_rel)
#define wr_fetch_and_acq_rel(p, v) atomic_fetch_and_explicit((p), (v), memory_order_acq_rel)
/* Strong compare-and-swap; `expected` is a pointer and receives the value found. */
#define wr_cas_acq_rel(p, expected, desired)                                                \
  atomic_compare_exchange_strong_explicit((p), (expected), (desired), memory_order_acq_rel, \
                                          memory_order_acquire)
/* Sequentially consistent, for two threads of which each writes its own word and then reads the
   other's, where one at least has to see the other's write. */
#define wr_load_seq_cst(p) atomic_load_explicit((p), memory_order_seq_cst)
#define wr_fetch_add_seq_cst(p, v) atomic_fetch_add_explicit((p), (v), memory_order_seq_cst)
#define wr_fetch_sub_seq_cst(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_seq_cst)
#define wr_exchange_seq_cst(p, v) atomic_exchange_explicit((p), (v), memory_order_seq_cst)
#define wr_cas_seq_cst(p, expected, desired)                                                \
  atomic_compare_exchange_strong_explicit((p), (expected), (desired), memory_order_seq_cst, \
                                          memory_order_seq_cst)
#define wr_cas_weak_release(p, expected, desired)                                         \
  atomic_compare_exchange_weak_explicit((p), (expected), (desired), memory_order_release, \
                                        memory_order_relaxed)

/* A reference count. Taking a reference needs no order: whoever takes one already holds one. */
static inline void wr_ref_take(wr_atomic_u32 *refs) { wr_fetch_add_relaxed(refs, 1u); }

/* Drops a reference; true when it was the last one. Release: what this thread did with the object
   happens before its end. Acquire: the thread that ends it sees what all others did. */
static inline bool wr_ref_drop(wr_atomic_u32 *refs) { return wr_fetch_sub_acq_rel(refs, 1u) == 1u; }

/* Between two looks at what another thread will write soon. */
static inline void wr_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

#endif
