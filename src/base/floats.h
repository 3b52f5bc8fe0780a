#ifndef WR_BASE_FLOATS_H
#define WR_BASE_FLOATS_H

/* The floating point environment that the library computes in: to the nearest, no trap, nothing
   flushed to zero. A thread of the library's has it from its start (thread.h); a caller that helps
   may have another, and has that back afterwards, with the exceptions that it had raised (T1).
   Reading costs a nanosecond or so, and only what differs is written. No locks. */

#include <stdint.h>

#if defined(__x86_64__)

/* MXCSR for all that the library compiles; the control word for what a library that it calls may
   still do in the old unit. */
struct wr_floats {
  uint32_t vector;
  uint16_t old_unit;
};

enum {
  WR_FLOATS_VECTOR = 0x1f80,
  WR_FLOATS_VECTOR_FLAGS = 0x3f, /* of MXCSR, the exceptions raised so far */
  WR_FLOATS_OLD_UNIT = 0x37f
};

static inline struct wr_floats wr_floats_read(void) {
  struct wr_floats f = {.vector = __builtin_ia32_stmxcsr()};
  __asm__ volatile("fnstcw %0" : "=m"(f.old_unit));
  return f;
}

static inline void wr_floats_write_old_unit(uint16_t word) {
  __asm__ volatile("fldcw %0" : : "m"(word));
}

static inline struct wr_floats wr_floats_enter(void) {
  struct wr_floats was = wr_floats_read();
  if ((was.vector & ~(uint32_t)WR_FLOATS_VECTOR_FLAGS) != WR_FLOATS_VECTOR) {
    __builtin_ia32_ldmxcsr(WR_FLOATS_VECTOR);
  }
  if (was.old_unit != WR_FLOATS_OLD_UNIT) wr_floats_write_old_unit(WR_FLOATS_OLD_UNIT);
  return was;
}

static inline void wr_floats_leave(struct wr_floats was) {
  struct wr_floats now = wr_floats_read();
  if (now.vector != was.vector) __builtin_ia32_ldmxcsr(was.vector);
  if (now.old_unit != was.old_unit) wr_floats_write_old_unit(was.old_unit);
}

#elif defined(__aarch64__)

struct wr_floats {
  uint64_t control;
  uint64_t raised;
};

static inline struct wr_floats wr_floats_read(void) {
  struct wr_floats f;
  __asm__ volatile("mrs %0, fpcr" : "=r"(f.control));
  __asm__ volatile("mrs %0, fpsr" : "=r"(f.raised));
  return f;
}

static inline void wr_floats_write_control(uint64_t control) {
  __asm__ volatile("msr fpcr, %0" : : "r"(control));
}

static inline struct wr_floats wr_floats_enter(void) {
  struct wr_floats was = wr_floats_read();
  if (was.control != 0) wr_floats_write_control(0);
  return was;
}

static inline void wr_floats_leave(struct wr_floats was) {
  struct wr_floats now = wr_floats_read();
  if (now.control != was.control) wr_floats_write_control(was.control);
  if (now.raised != was.raised) __asm__ volatile("msr fpsr, %0" : : "r"(was.raised));
}

#else

#include <fenv.h>

struct wr_floats {
  fenv_t all;
};

static inline struct wr_floats wr_floats_enter(void) {
  struct wr_floats was;
  (void)fegetenv(&was.all);
  (void)fesetenv(FE_DFL_ENV);
  return was;
}

static inline void wr_floats_leave(struct wr_floats was) { (void)fesetenv(&was.all); }

#endif

#endif
