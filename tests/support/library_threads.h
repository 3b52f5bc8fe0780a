#ifndef WR_TESTS_SUPPORT_LIBRARY_THREADS_H
#define WR_TESTS_SUPPORT_LIBRARY_THREADS_H

/* The library's own threads as the system sees them, and threads of the program's that are not as
   others are: rule T1. On top of programs.h. */

#include <errno.h>
#include <fenv.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "programs.h"

/* Calls look(tid) for each thread of the process whose name begins with "weir-"; how many. */
static inline int each_library_thread(void (*look)(pid_t tid)) {
  int n = 0;
  DIR *dir = opendir("/proc/self/task");
  CHECK(dir != NULL);
  for (struct dirent *e; (e = readdir(dir));) {
    char path[300], name[32] = "";
    snprintf(path, sizeof path, "/proc/self/task/%s/comm", e->d_name);
    FILE *f = e->d_name[0] == '.' ? NULL : fopen(path, "r");
    if (!f) continue;
    if (fgets(name, sizeof name, f) && !strncmp(name, "weir-", 5)) {
      look((pid_t)atoi(e->d_name));
      n++;
    }
    fclose(f);
  }
  closedir(dir);
  return n;
}

static inline uint64_t signals_blocked_by(pid_t tid) {
  char path[64], line[256];
  unsigned long long mask = 0;
  snprintf(path, sizeof path, "/proc/self/task/%d/status", tid);
  FILE *f = fopen(path, "r");
  while (f && fgets(line, sizeof line, f)) {
    if (sscanf(line, "SigBlk: %llx", &mask) == 1) break;
  }
  if (f) fclose(f);
  return mask;
}

static inline bool blocks(pid_t tid, int signal) {
  return (signals_blocked_by(tid) >> (signal - 1)) & 1;
}

/* Of the process: its first thread's. */
static inline void looks_like_the_process(pid_t tid) {
  static const int open[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGPROF};
  static const int closed[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGALRM, SIGCHLD};
  cpu_set_t process, its;
  CHECK(sched_getaffinity(getpid(), sizeof process, &process) == 0);
  CHECK(sched_getaffinity(tid, sizeof its, &its) == 0 && CPU_EQUAL(&process, &its));
  CHECK(syscall(SYS_sched_getscheduler, tid) == SCHED_OTHER); /* musl's own does not ask */
  CHECK(getpriority(PRIO_PROCESS, (id_t)tid) == getpriority(PRIO_PROCESS, (id_t)getpid()));
  for (size_t i = 0; i < sizeof open / sizeof open[0]; i++) CHECK(!blocks(tid, open[i]));
  for (size_t i = 0; i < sizeof closed / sizeof closed[0]; i++) CHECK(blocks(tid, closed[i]));
}

/* ---- what a thread can be ---- */

static inline void be_plain(void) {}

#if defined(__x86_64__)
static inline void flush_to_zero(void) {
  __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 0x8040);
}
static inline bool flushes_to_zero(void) { return (__builtin_ia32_stmxcsr() & 0x8040) == 0x8040; }
#elif defined(__aarch64__)
static inline uint64_t control_word(void) {
  uint64_t word;
  __asm__ volatile("mrs %0, fpcr" : "=r"(word));
  return word;
}
static inline void flush_to_zero(void) {
  __asm__ volatile("msr fpcr, %0" : : "r"(control_word() | UINT64_C(1) << 24));
}
static inline bool flushes_to_zero(void) { return (control_word() >> 24) & 1; }
#else
static inline void flush_to_zero(void) {}
static inline bool flushes_to_zero(void) { return true; }
#endif

static inline void round_upward(void) { CHECK(fesetround(FE_UPWARD) == 0); }
static inline bool rounds_upward(void) { return fegetround() == FE_UPWARD; }

/* Not every processor can trap, nor does every C library have a function for it. */
#ifdef __GLIBC__
static inline void trap(void) { (void)feenableexcept(FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW); }
static inline bool traps(void) {
  (void)feclearexcept(FE_ALL_EXCEPT);
  int enabled = fegetexcept();
  return enabled == (FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW) || enabled == 0;
}
#else
static inline void trap(void) {}
static inline bool traps(void) { return true; }
#endif

static inline void stay_on_one(void) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
}

static inline bool on_one(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) == 1;
}

/* True where the system would let this process take niceness back. */
static inline bool may_be_less_nice(void) {
  int before = getpriority(PRIO_PROCESS, 0);
  bool may = setpriority(PRIO_PROCESS, 0, before - 1) == 0;
  if (may) CHECK(setpriority(PRIO_PROCESS, 0, before) == 0);
  return may;
}

static inline void be_nice(void) {
  if (may_be_less_nice()) CHECK(setpriority(PRIO_PROCESS, 0, 19) == 0);
}

/* Where the system lets it. */
static inline void be_for_real_time(void) {
  const struct sched_param lowest = {.sched_priority = 1};
  (void)sched_setscheduler(0, SCHED_FIFO, &lowest);
}

static inline bool may_be_for_real_time(void) {
  const struct sched_param lowest = {.sched_priority = 1}, none = {.sched_priority = 0};
  bool may = sched_setscheduler(0, SCHED_FIFO, &lowest) == 0;
  if (may) CHECK(sched_setscheduler(0, SCHED_OTHER, &none) == 0);
  return may;
}

static inline bool anything(void) { return true; }

#endif
