#ifndef WR_BASE_BASE_H
#define WR_BASE_BASE_H

/* What every module needs of the C library, in one place: checked allocation that torture builds
   can make fail, growable vectors, broken-invariant reports, logging and the environment. Nothing
   here takes a lock except the log. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* NaN, infinities, the sign of 0 and the order of sums are part of a result. */
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) || \
    defined(__NO_SIGNED_ZEROS__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "Weir cannot be compiled with -ffast-math, -Ofast or a part of them"
#endif

/* Allocation. NULL when the system refuses (or, in torture builds, when the n-th allocation is told
   to fail by wr_alloc_fail_at). The memory is uninitialised; `wr_calloc` zeroes. */
void *wr_alloc(size_t bytes);
void *wr_calloc(size_t bytes);
void *wr_realloc(void *old, size_t bytes);
void *wr_alloc_aligned(size_t align, size_t bytes); /* align: a power of two, at least 8 */
void wr_free(void *p);

/* The hostile build (the preset torture): what is bounded is tiny there, threads yield at random
   (lock.h), allocations fail on demand. */
#ifdef WR_TORTURE
enum { WR_TORTURED = 1 };
/* Makes the n-th allocation of the calling thread from now on fail, once; 0 turns it off. */
void wr_alloc_fail_at(uint64_t n);
/* The same for the n-th of all threads, the library's own among them. */
void wr_alloc_fail_anywhere_at(uint64_t n);
/* True once the allocation that was to fail has. */
bool wr_alloc_has_failed(void);
/* Blocks that are allocated and not freed. */
size_t wr_alloc_live(void);
#else
enum { WR_TORTURED = 0 };
#endif

/* A growable array of pointers. `{0}` is a valid empty one. Owner thread only. */
struct wr_ptrs {
  void **items;
  size_t count;
  size_t capacity;
  void **lent; /* the caller's memory, where the first ones lie while they find room; or NULL */
};
/* An empty one, whose first n items lie in `room`, which has to outlive it. */
static inline struct wr_ptrs wr_ptrs_in(void **room, size_t n) {
  return (struct wr_ptrs){.items = room, .capacity = n, .lent = room};
}
/* So that the struct may be moved away from its room. False when memory is refused. */
bool wr_ptrs_leave_room(struct wr_ptrs *v);
bool wr_ptrs_reserve(struct wr_ptrs *v, size_t capacity);
bool wr_ptrs_push(struct wr_ptrs *v, void *item);
void wr_ptrs_free(struct wr_ptrs *v);

/* a * b and a + b; false on overflow. */
static inline bool wr_mul_size(size_t a, size_t b, size_t *out) {
  return !__builtin_mul_overflow(a, b, out);
}
static inline bool wr_add_size(size_t a, size_t b, size_t *out) {
  return !__builtin_add_overflow(a, b, out);
}

/* A broken invariant of Weir's own, never a caller's mistake: prints "weir bug: ..." and aborts. */
_Noreturn void wr_bug(const char *file, int line, const char *what);
#ifdef WR_DEBUG
#define WR_ASSERT(cond) ((cond) ? (void)0 : wr_bug(__FILE__, __LINE__, #cond))
#else
#define WR_ASSERT(cond) ((void)0)
#endif

/* One line to stderr, whole lines only, never interleaved. */
void wr_log_line(const char *line);

/* The environment, read once, at first use, in env.c alone. */
struct wr_env {
  bool threads_set;     /* WEIR_THREADS has a value that makes sense */
  bool threads_checked; /* and it is checked */
  int workers;          /* WEIR_NUM_THREADS; 0: as many as processors that this process may use */
  uint64_t seed;        /* WEIR_TORTURE_SEED; 0 when absent, but in torture builds */
  int dump_signal;      /* WEIR_DUMP_SIGNAL; 0 when absent */
  bool check_handles;   /* WEIR_CHECK=handles: handles are numbers, and each is looked up */
  bool fuse;            /* false with WEIR_FUSE=0: every operation runs by itself */
  bool graphs;          /* false with WEIR_GRAPHS=0: the GPU's kernels are launched one by one */
  bool linalg_on_cpu;   /* WEIR_LINALG=cpu: linear algebra of a GPU's stream too */
  bool linalg_on_gpu;   /* WEIR_LINALG=gpu: whatever can be done there is, if slower */
  bool info;            /* WEIR_INFO=1: what is found on the machine is told on stderr */
  bool tf32;            /* false with MLX_ENABLE_TF32=0: float32 products in float32 */
  char cuda_home[256];  /* CUDA_HOME or CUDA_PATH; "" when absent */
  char cache_home[256]; /* XDG_CACHE_HOME, or .cache in HOME; "" when both are absent */
  uint64_t kernel_cache_bytes;  /* WEIR_KERNEL_CACHE_BYTES; 0: no cache on disk */
  bool no_compile;              /* MLX_DISABLE_COMPILE is there, whatever it is */
  uint64_t compile_cache_bytes; /* WEIR_COMPILE_CACHE_BYTES */
  char nvtx_tool[512];          /* NVTX_INJECTION64_PATH, as dlopen takes it; "" when absent */
  char openblas[512];           /* WEIR_OPENBLAS, the same */
  char trace[512];              /* WEIR_TRACE, a file; "" when absent */
};
const struct wr_env *wr_env_get(void);
/* As it is now, for what a program may set before the call that is about it; NULL when absent. */
const char *wr_env_text(const char *name);
/* The same, a number of at most `max`; what is none is told, and ignored. */
uint64_t wr_env_number(const char *name, uint64_t max, uint64_t unset);

/* Processors that this process may use: the affinity of its first thread and the cgroup quota, at
   least 1; as they were at the first call to which the system refused nothing. That one reads files
   and so stands outside of process-wide locks. */
int wr_cpu_count(void);

/* The system's number of the calling thread. */
uint64_t wr_thread_os_id(void);
/* When a thread of this process began, in the system's ticks of 10 ms; 0 when there is no such
   thread or the system does not say. Two that had one number, one after the other, differ in it. */
uint32_t wr_thread_born(uint64_t os_id);
/* The name of a thread of this process; false when there is no such thread. */
bool wr_thread_name_of(uint64_t os_id, char *buf, size_t n);

#define WR_CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#endif
