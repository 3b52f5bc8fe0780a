#ifndef WR_BACKEND_CPU_LOOP_LOOP_H
#define WR_BACKEND_CPU_LOOP_LOOP_H

/* What leaves the room `loop`: how kernels go over elements, and what they call their types
   (walk.h, past.h, types.h).

   The loop around every elementwise kernel. A kernel is a row function: n results, one after the
   other, from up to three inputs that each move by one constant stride (1: dense, 0: a broadcast
   scalar, any other: a view). The loop merges the axes that lie in memory as one, walks over what
   is left, and spreads large work over the pool. Plain values on the caller's stack; no
   allocation, no locks. */

#include <stdint.h>

#include "backend/backend.h"

enum { WR_LOOP_INPUTS = 3 };

/* Elements that are worth a second thread. */
enum { WR_LOOP_GRAIN = 32768 };

struct wr_row {
  void *out;
  const void *in[WR_LOOP_INPUTS];
  int64_t stride[WR_LOOP_INPUTS]; /* elements */
  int64_t n;
};

/* The result may stand at the address of an input of the same layout: element i is read before it
   is written, and no other element of that row depends on it. */
typedef void (*wr_row_fn)(const struct wr_row *row);

/* Runs `fn` over all elements of call->out; the inputs have its shape, with any strides. */
void wr_loop_run(const struct wr_call *call, wr_row_fn fn);

/* The same where `fn` leaves the bytes of its one input's elements as they are. */
void wr_loop_copy(const struct wr_call *call, wr_row_fn fn);

/* In front of a loop whose iterations are independent: `out` may be the very same address as an
   input (never a shifted one), which compilers must otherwise assume to be a dependency. */
#if defined(__clang__)
/* A loop over a call of the C library cannot be vectorised; that is no defect of the loop. */
#pragma clang diagnostic ignored "-Wpass-failed"
#define WR_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#define WR_CLANG_SANITIZES                                                \
  (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
   __has_feature(memory_sanitizer))
#else
#define WR_CLANG_SANITIZES 0
#define WR_INDEPENDENT _Pragma("GCC ivdep")
#endif

/* In front of a row function: compiled once more for AVX2 and for AVX-512, and the loader picks, by
   what the processor can do: names of single processors would leave all others with the base. Clang
   takes x86-64-v3 for such a name, so it is given the one feature of each level that the others
   come with; nor do its versions have the function's own name, so all are static. Not under
   sanitizers, whose run-time library is not ready when the loader asks, and not where the loader
   cannot pick, as that of musl. On aarch64 NEON is the base: each row function is NEON code as it
   is, and there is nothing to pick. Nor in a file that is compiled once for each level (level.h),
   which says so by WR_LEVEL. */
#if defined(WR_LEVEL) || !defined(__x86_64__) || !defined(__GLIBC__) || \
    defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || WR_CLANG_SANITIZES
#define WR_WIDE
#elif defined(__clang__)
#define WR_WIDE __attribute__((target_clones("default", "avx2", "avx512bw")))
#else
#define WR_WIDE __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#endif

#define WR_INLINE static inline __attribute__((always_inline))

#include "backend/cpu/loop/level.h"
#include "backend/cpu/loop/past.h"
#include "backend/cpu/loop/types.h"
#include "backend/cpu/loop/walk.h"

#endif
