#ifndef WR_BASE_PROBES_H
#define WR_BASE_PROBES_H

/* Static probes for tracers of the whole system (bpftrace, perf, SystemTap): places that such a
   tool can stop by, of the provider `weir` (S3). They are there where the library was built beside
   sys/sdt.h; a place that nobody stops by is one instruction that does nothing. docs/seeing.md has
   the list. An array is named by its address, which is its own from its submission to its end; a
   stream by its index. Any thread. */

#include <stdint.h>

#if defined(__has_include)
#if __has_include(<sys/sdt.h>)
#define WR_HAS_PROBES 1
#include <sys/sdt.h>
#endif
#endif

/* Its macros give no argument to what takes any number, which only C23 allows. */
#ifdef __clang__
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wgnu-zero-variadic-macro-arguments"
#endif

/* It stands in its stream's queue; `request` is the number of its request, or 0. */
static inline void wr_probe_submit(const void *array, int stream, const char *op,
                                   uint32_t request) {
#ifdef WR_HAS_PROBES
  DTRACE_PROBE4(weir, submit, array, stream, op, request);
#else
  (void)array, (void)stream, (void)op, (void)request;
#endif
}

/* It is about to be run, or handed to the device. */
static inline void wr_probe_begin(const void *array, int stream, const char *op) {
#ifdef WR_HAS_PROBES
  DTRACE_PROBE3(weir, begin, array, stream, op);
#else
  (void)array, (void)stream, (void)op;
#endif
}

/* It is over; also one that never began, since an input has failed. */
static inline void wr_probe_end(const void *array, int stream, const char *op, int failed) {
#ifdef WR_HAS_PROBES
  DTRACE_PROBE4(weir, end, array, stream, op, failed);
#else
  (void)array, (void)stream, (void)op, (void)failed;
#endif
}

/* The stream waits for another one, or, with -1, for something else. */
static inline void wr_probe_wait(int stream, int other) {
#ifdef WR_HAS_PROBES
  DTRACE_PROBE2(weir, wait, stream, other);
#else
  (void)stream, (void)other;
#endif
}

#ifdef __clang__
#pragma clang diagnostic pop
#endif

#endif
