/* Once, and what may be refused for the moment; see once.h. Who waits looks again between naps: an
   attempt opens libraries, and is waited for once in the life of a process. Locks: none. */

#include "base/once.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/text.h"

enum { NAP_NS = 100 * 1000 };

static const uint32_t done = UINT32_MAX; /* the number of no process */

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
    const uint32_t self = (uint32_t)getpid();
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

/* Before version 2.34 the C library has threads in a library of their own, and a second copy of
   that takes the handlers of signals from the first. */
static bool namespaces_are_sound(void) {
  int major = 0, minor = 0;
  if (sscanf(gnu_get_libc_version(), "%d.%d", &major, &minor) != 2) return false;
  return major > 2 || minor >= 34;
}

static void *open_apart(const char *name) {
  const int flags = RTLD_NOW | RTLD_LOCAL;
  void *library = namespaces_are_sound() ? dlmopen(LM_ID_NEWLM, name, flags) : NULL;
  return library ? library : dlopen(name, flags);
}

/* The loader is not even asked without a descriptor: it would never look into its list of libraries
   again. */
void *wr_library_open_apart(const char *name, bool *absent, char *why, size_t n) {
  if (wr_lacks_descriptors()) {
    *absent = false;
    snprintf(why, n, "%s: the process has no descriptor left", name);
    return NULL;
  }
  struct wr_text_state before = wr_text_begin();
  void *library = open_apart(name);
  const char *text = library ? NULL : dlerror();
  if (!library) {
    snprintf(why, n, "%s", text ? text : "no reason given");
    if (!text || !strstr(text, "No such file")) *absent = false;
  }
  wr_text_end(before);
  return library;
}
