/* The host's memory as a source: malloc for what is small, mappings of their own for what is large,
   so that giving those back returns them to the system at once. No locks. */

#include <sys/mman.h>

#include "memory/internal.h"

/* Also the size of a huge page: large blocks begin on one, which saves most of the page faults of a
   first write. */
static const size_t large = (size_t)2 << 20;

/* Maps more than asked to find an aligned stretch, and unmaps the ends. */
static void *map_large(size_t bytes) {
  size_t span;
  if (!wr_add_size(bytes, large, &span)) return NULL;
  char *base = mmap(NULL, span, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) return NULL;
  size_t before = (large - (uintptr_t)base % large) % large;
  size_t after = span - before - bytes;
  if (before) munmap(base, before);
  if (after) munmap(base + before + bytes, after);
  madvise(base + before, bytes, MADV_HUGEPAGE); /* a hint: refusal costs speed alone */
  return base + before;
}

static void *host_alloc(const struct wr_memory_source *source, size_t bytes) {
  (void)source;
  return bytes >= large ? map_large(bytes) : wr_alloc_aligned(WR_BUFFER_ALIGN, bytes);
}

static void host_free(const struct wr_memory_source *source, void *data, size_t bytes) {
  (void)source;
  if (bytes >= large) {
    munmap(data, bytes);
  } else {
    wr_free(data);
  }
}

static const struct wr_memory_source host_source = {.device = {.type = WR_DEVICE_CPU},
                                                    .alloc = host_alloc,
                                                    .free = host_free,
                                                    .host_visible = true};

static struct wr_memory host = {.source = &host_source};

struct wr_memory *wr_memory_host(void) {
  return &host;
}

bool wr_memory_maps(const struct wr_memory *memory, size_t bytes) {
  return memory == &host && bytes >= large;
}
