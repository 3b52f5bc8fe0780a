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
#else
#include <link.h>
#include <sys/mman.h>
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

/* Elsewhere the handlers of the process's end are not told its status, so they cannot end it before
   the loader runs the destructors of libraries (ending.c). A thread that was left behind inside
   this one would find its memory gone. So the loader is told that the library has no destructors,
   by the entry of its dynamic section that says how large their list is, which is read at the end.
   What a destructor gives back the system takes back then anyway. */

struct seeking {
  const struct link_map *library;
  uintptr_t address; /* of what is to be written */
  bool sealed;       /* it lies where the loader allows no writing after relocation */
};

static int is_sealed(struct dl_phdr_info *info, size_t bytes, void *arg) {
  struct seeking *s = arg;
  (void)bytes;
  if (info->dlpi_addr != s->library->l_addr) return 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const Elf64_Phdr *part = &info->dlpi_phdr[i];
    const uintptr_t begin = info->dlpi_addr + part->p_vaddr;
    if (part->p_type == PT_GNU_RELRO && s->address - begin < part->p_memsz) s->sealed = true;
  }
  return 1;
}

static void write_word(const struct link_map *library, Elf64_Xword *word, Elf64_Xword value) {
  const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  struct seeking s = {.library = library, .address = (uintptr_t)word};
  void *start = (char *)word - s.address % page;
  (void)dl_iterate_phdr(is_sealed, &s);
  if (s.sealed && mprotect(start, page, PROT_READ | PROT_WRITE) != 0) return;
  *word = value;
  if (s.sealed) (void)mprotect(start, page, PROT_READ);
}

static void leave_without_destructors(void *library) {
  struct link_map *map;
  if (dlinfo(library, RTLD_DI_LINKMAP, &map) != 0) return;
  for (Elf64_Dyn *d = map->l_ld; d->d_tag != DT_NULL; d++) {
    if (d->d_tag == DT_FINI_ARRAYSZ) write_word(map, &d->d_un.d_val, 0);
  }
}

/* Nor have they namespaces. */
static void *open_apart(const char *name, int flags, const char **text) {
  void *library = open_here(name, flags, text);
  if (library) leave_without_destructors(library);
  return library;
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
