/* Handlers that libraries register for the end of the process while a thread is inside a gate;
   gate.h has the argument. C and C++ libraries register by calling __cxa_atexit, and as a library
   is closed
   __cxa_finalize runs the handlers that it has registered. Both functions are defined here too. A
   program that is linked with Weir, and all libraries that it opens, find these definitions first;
   they call the C library's. They are weak symbols, so that in a program that is linked statically,
   or with a sanitizer, the other definition is taken.

   For a handler that is registered inside a gate, or by a library that stands behind one, the C
   library is given `guarded`, with a record of that handler, which is freed when it runs: the C
   library runs it at most once. It also runs when its library is closed, in the middle of the
   process: __cxa_finalize, which calls it then, has counted up `closing`.

   The C library's list of handlers has a lock, which a fork neither takes nor makes anew: a child
   that was forked while another thread registered would never get through exit(). Libraries
   register by the thousand, so a fork waits for the registration that is under way. The thread that
   forks may register meanwhile, as other handlers around forks might. Lock: LOG. */

#include "base/handlers.h"

#include <dlfcn.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "base/ending.h"
#include "base/fork.h"
#include "base/gate.h"

typedef int (*registers)(void (*fn)(void *), void *arg, void *library);
typedef void (*finalizes)(void *library);

struct record {
  void (*fn)(void *);
  void *arg;
};

static _Thread_local uint8_t closing; /* libraries that are being closed on this thread */
static _Thread_local bool forks;      /* the thread has the lock, for a fork */

/* The next definition after this one, which *found remembers: atomic RELAXED, an address by itself,
   the same whoever finds it. POSIX says that an address has the bits of a pointer. */
static void find_next(const char *name, wr_atomic_ptr *found, void *function) {
  void *address = wr_load_relaxed(found);
  if (!address) {
    address = dlsym(RTLD_NEXT, name);
    wr_store_relaxed(found, address);
  }
  memcpy(function, &address, sizeof address);
}

static registers next_registers(void) {
  static wr_atomic_ptr found;
  registers next;
  find_next("__cxa_atexit", &found, &next);
  return next;
}

static finalizes next_finalizes(void) {
  static wr_atomic_ptr found;
  finalizes next;
  find_next("__cxa_finalize", &found, &next);
  return next;
}

/* ---- whose handlers are guarded ---- */

/* The libraries behind gates: a program may have opened one before Weir does, or use it besides. */
static bool stands_behind_a_gate(const char *path) {
  static const char *const names[] = {"libcuda.so",       "libnvrtc.",   "libcublasLt.",
                                      "libcublas.",       "libcusolver", "libopenblas",
                                      "libscipy_openblas"};
  const char *slash = strrchr(path, '/');
  const char *name = slash ? slash + 1 : path;
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (strncmp(name, names[i], strlen(names[i])) == 0) return true;
  }
  return false;
}

struct look {
  uintptr_t address;
  bool behind; /* the answer */
};

static bool holds(const struct dl_phdr_info *object, uintptr_t address) {
  for (int i = 0; i < object->dlpi_phnum; i++) {
    const ElfW(Phdr) *part = &object->dlpi_phdr[i];
    if (part->p_type != PT_LOAD) continue;
    if (address - (object->dlpi_addr + part->p_vaddr) < part->p_memsz) return true;
  }
  return false;
}

static int look_at(struct dl_phdr_info *object, size_t bytes, void *arg) {
  struct look *look = arg;
  (void)bytes;
  if (!holds(object, look->address)) return 0;
  look->behind = stands_behind_a_gate(object->dlpi_name);
  return 1;
}

/* The first of all objects is the program. */
static int look_at_program(struct dl_phdr_info *object, size_t bytes, void *arg) {
  struct look *look = arg;
  (void)bytes;
  look->behind = holds(object, look->address);
  return 1;
}

/* A program that is not position-independent has no address for itself. */
static bool is_of_the_program(void *library) {
  struct look look = {.address = (uintptr_t)library};
  if (!library) return true;
  dl_iterate_phdr(look_at_program, &look);
  return look.behind;
}

/* `library` is an address in it, always the same one. A library registers thousands in a row, so
   the last that was looked for is remembered, of each kind. */
static bool is_behind_a_gate(void *library) {
  static wr_atomic_ptr last[2]; /* atomic RELAXED: addresses by themselves */
  struct look look = {.address = (uintptr_t)library};
  if (!library || wr_load_relaxed(&last[false]) == library) return false;
  if (wr_load_relaxed(&last[true]) == library) return true;
  dl_iterate_phdr(look_at, &look);
  wr_store_relaxed(&last[look.behind], library);
  return look.behind;
}

/* ---- in front of the C library's ---- */

/* Where a thread was left behind, the record is left too, as all that the library has. */
static void guarded(void *arg) {
  const struct record r = *(struct record *)arg;
  if (!closing && !wr_gate_shut()) return;
  free(arg);
  r.fn(r.arg);
}

static struct wr_mutex lock = WR_MUTEX_INIT(WR_RANK_LOG);
static void begin_fork(void) { forks = true; }
static void end_fork(void) { forks = false; }
WR_AT_FORK(.rank = WR_RANK_LOG, .lock = &lock, .before = begin_fork, .parent = end_fork,
           .child = end_fork)

static int add(void (*fn)(void *), void *arg, void *library) {
  registers next = next_registers();
  if (!next) return -1;
  if (forks) return next(fn, arg, library);
  wr_mutex_lock(&lock);
  int rc = next(fn, arg, library);
  wr_mutex_unlock(&lock);
  return rc;
}

/* ThreadSanitizer has definitions of its own, and registers by the one that it finds next before
   its start is over, when nothing of this library can run yet: there nobody finds these. */
#ifdef __SANITIZE_THREAD__
#define __cxa_atexit wr_handlers_atexit
#define __cxa_finalize wr_handlers_finalize
#define IN_FRONT
#else
#define IN_FRONT __attribute__((weak, visibility("default")))
#endif

/* As the C library declares them. */
IN_FRONT int __cxa_atexit(void (*fn)(void *), void *arg, void *library);
IN_FRONT void __cxa_finalize(void *library);

/* Registers Weir's last handler just before the program's first one, so after the loader's. */
static void follow_the_program(void *library) {
  static wr_atomic_bool followed; /* atomic RELAXED: only spares the look */
  if (wr_load_relaxed(&followed) || !is_of_the_program(library)) return;
  (void)wr_ending_comes_last();
  wr_store_relaxed(&followed, true);
}

/* Without memory for its record a handler is refused: a library that is not told of the end is
   better than one that is torn down under a call. */
int __cxa_atexit(void (*fn)(void *), void *arg, void *library) {
  follow_the_program(library);
  if (!wr_gate_is_inside() && !is_behind_a_gate(library)) return add(fn, arg, library);
  struct record *r = malloc(sizeof *r);
  if (!r) return -1;
  *r = (struct record){fn, arg};
  return add(guarded, r, library);
}

void __cxa_finalize(void *library) {
  finalizes next = next_finalizes();
  closing++;
  if (next) next(library);
  closing--;
}

bool wr_handlers_add(void (*fn)(void *)) { return add(fn, NULL, NULL) == 0; }

extern void *__dso_handle; /* in each library, and in the program, another */

/* Whether the __cxa_atexit that a library finds is in the same file as Weir. */
bool wr_handlers_in_front(void) {
#ifdef __SANITIZE_THREAD__
  return true; /* the sanitizer stands between */
#else
  Dl_info used, own;
  void *address = dlsym(RTLD_DEFAULT, "__cxa_atexit");
  return address && dladdr(address, &used) && dladdr(&__dso_handle, &own) &&
         used.dli_fbase == own.dli_fbase;
#endif
}

bool wr_handlers_see_the_program(void) {
#ifdef __SANITIZE_THREAD__
  return false;
#else
  return wr_handlers_in_front();
#endif
}

#ifdef __GLIBC__
int __cxa_thread_atexit_impl(void (*fn)(void *), void *arg, void *library);
bool wr_handlers_as_thread_leaves(void (*fn)(void *), void *arg) {
  return __cxa_thread_atexit_impl(fn, arg, &__dso_handle) == 0;
}
#else
bool wr_handlers_as_thread_leaves(void (*fn)(void *), void *arg) {
  (void)fn;
  (void)arg;
  return false;
}
#endif
