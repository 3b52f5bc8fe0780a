/* K7: a running program opens the library late, beside others that have nearly used up what the C
   library keeps of static thread-local memory: 64 bytes are enough (417 were needed, and the loader
   refused). The program itself is not linked with it. In children, as a library once opened stays.
 */

#include <dlfcn.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { LIMIT = 64, SIZES = 8 };

/* Each half of the one before: which of them fit says, to 16 bytes, how much room there is. */
static const char *const neighbours[SIZES] = {WEIR_TEST_NEIGHBOURS};
static const int bytes[SIZES] = {2048, 1024, 512, 256, 128, 64, 32, 16};

static int child(int (*run)(int), int argument) {
  fflush(NULL);
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) _exit(run(argument));
  int status;
  CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
  return WEXITSTATUS(status);
}

static bool opens(const char *library) { return dlopen(library, RTLD_NOW | RTLD_LOCAL) != NULL; }

/* The sizes that fit together, the largest first, as bits. */
static int fill(int unused) {
  int fit = 0;
  (void)unused;
  for (int i = 0; i < SIZES; i++) {
    if (opens(neighbours[i])) fit |= 1 << i;
  }
  return fit;
}

/* Bytes of thread-local memory as the library's file asks for them, with their alignment. */
static int find_size(struct dl_phdr_info *info, size_t size, void *found) {
  (void)size;
  if (!strstr(info->dlpi_name, "libweir.so")) return 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *p = &info->dlpi_phdr[i];
    if (p->p_type == PT_TLS)
      *(size_t *)found = (p->p_memsz + p->p_align - 1) / p->p_align * p->p_align;
  }
  return 1;
}

static void size_is_small(void) {
  size_t found = SIZE_MAX;
  CHECK(dl_iterate_phdr(find_size, &found) == 1);
  if (found > LIMIT) fprintf(stderr, "static thread-local memory: %zu bytes\n", found);
  CHECK(found <= LIMIT);
}

static void computes(void *library) {
  size_t bytes_active = 1;
  int (*active)(size_t *) = (int (*)(size_t *))(intptr_t)dlsym(library, "mlx_get_active_memory");
  CHECK(active && active(&bytes_active) == 0 && bytes_active == 0);
}

/* Beside neighbours that leave at least LIMIT bytes, and less than thrice as many. */
static int beside(int fit) {
  int left = 0;
  for (int i = SIZES - 1; i >= 0 && left < LIMIT; i--) {
    if (!(fit & 1 << i)) continue;
    left += bytes[i];
    fit &= ~(1 << i);
  }
  for (int i = 0; i < SIZES; i++) {
    if (fit & 1 << i) CHECK(opens(neighbours[i]));
  }
  void *library = dlopen(WEIR_TEST_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (!library) fprintf(stderr, "%d bytes left: %s\n", left, dlerror());
  CHECK(library);
  size_is_small();
  computes(library);
  return 0;
}

int main(void) {
  int fit = child(fill, 0);
  if (fit == (1 << SIZES) - 1) return 77; /* a C library that has room for all of them */
  CHECK(child(beside, fit) == 0);
  return 0;
}
