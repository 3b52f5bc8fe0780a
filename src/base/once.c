/* Once, and what may be refused for the moment; see once.h. Who waits looks again between naps: an
   attempt opens libraries, and is waited for once in the life of a process. Locks: none. */

#include "base/once.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

#include "base/doing.h"
#include "base/fork.h"
#include "base/lock.h"
#include "base/text.h"

enum { NAP_NS = 100 * 1000 };

static const uint32_t done = UINT32_MAX;

static bool attempt_with_cancel_off(bool (*attempt)(void *), void *arg) {
  int before = wr_cancel_off();
  bool succeeded = attempt(arg);
  wr_cancel_restore(before);
  return succeeded;
}

bool wr_once_try(struct wr_once *once, bool (*attempt)(void *), void *arg) {
  for (;;) {
    uint32_t found = wr_load_acquire(&once->state); /* acquire: what the attempt has written */
    if (found == done) return true;
    const uint32_t self = wr_fork_generation + 1;
    if (found == self) {
      wr_nap(NAP_NS);
    } else if (wr_cas_acq_rel(&once->state, &found, self)) {
      bool succeeded = attempt_with_cancel_off(attempt, arg);
      wr_store_release(&once->state, succeeded ? done : 0u); /* release: pairs with the above */
      return succeeded;
    }
  }
}

bool wr_lacks_descriptors(void) {
  int file = open("/", O_RDONLY | O_CLOEXEC | O_DIRECTORY);
  if (file >= 0) close(file);
  return file < 0 && (errno == EMFILE || errno == ENFILE);
}

/* ---- libraries ---- */

static bool ends_with(const char *text, const char *end) {
  const size_t n = strlen(text), m = strlen(end);
  return n >= m && !strcmp(text + n - m, end);
}

/* The loader's words for what the system's calls have answered; there is no number. Where it lacks
   room for thread-local memory it says "cannot allocate memory", and that stays so. What it cannot
   map glibc 2.36 says without the system's answer, which is nearly always that there is no memory;
   elsewhere the answer follows, and decides. The last two are musl's words. */
bool wr_refusal_is_of_the_moment(const char *text) {
  static const char *const answers[] = {"Too many open files",
                                        "Cannot allocate memory",
                                        "out of memory",
                                        "Resource temporarily unavailable",
                                        "No file descriptors available",
                                        "Out of memory"};
  for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
    if (strstr(text, answers[i])) return true;
  }
  return ends_with(text, "failed to map segment from shared object") ||
         ends_with(text, "cannot map zero-fill pages");
}

static void *open_here(const char *name, int flags, const char **text) {
  void *library = dlopen(name, flags);
  *text = library ? NULL : dlerror();
  return library;
}

#ifdef __GLIBC__

/* Before version 2.34 the C library has threads in a library of their own, and a second copy of
   that takes the handlers of signals from the first. */
static bool namespaces_are_sound(void) {
  int major = 0, minor = 0;
  if (sscanf(gnu_get_libc_version(), "%d.%d", &major, &minor) != 2) return false;
  return major > 2 || minor >= 34;
}

/* A namespace that is refused for the moment is no reason for the program's own copy. */
static void *open_apart(const char *name, int flags, const char **text) {
  void *library = namespaces_are_sound() ? dlmopen(LM_ID_NEWLM, name, flags) : NULL;
  *text = library ? NULL : dlerror();
  if (library || (*text && wr_refusal_is_of_the_moment(*text))) return library;
  return open_here(name, flags, text);
}

#else

/* Other loaders have no namespaces. */
static void *open_apart(const char *name, int flags, const char **text) {
  return open_here(name, flags, text);
}

#endif

/* The loader is not even asked without a descriptor: it would never look into its list of libraries
   again. */
static void *open_by(void *(*opener)(const char *, int, const char **), const char *name, int flags,
                     struct wr_refusal *why) {
  if (wr_lacks_descriptors()) {
    why->for_now = true;
    snprintf(why->text, sizeof why->text, "%s: the process has no descriptor left", name);
    return NULL;
  }
  struct wr_text_state before = wr_text_begin();
  const char *text;
  struct wr_doing *doing = wr_doing_begin(WR_DOING_OPEN, NULL, NULL, name);
  void *library = opener(name, flags, &text);
  wr_doing_end(doing);
  if (!library) {
    snprintf(why->text, sizeof why->text, "%s", text ? text : "no reason given");
    why->for_now = !text || wr_refusal_is_of_the_moment(text);
  }
  wr_text_end(before);
  return library;
}

void *wr_library_open(const char *name, int flags, struct wr_refusal *why) {
  return open_by(open_here, name, flags, why);
}

void *wr_library_open_apart(const char *name, struct wr_refusal *why) {
  return open_by(open_apart, name, RTLD_NOW | RTLD_LOCAL, why);
}
