/* The fake device's memory; see fake_memory.h. Lock: its own, for the list of blocks and what is
   counted; no other is taken inside. */

#include "fake_memory.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "fake_device.h"

/* `address` is what others see, `bytes_at` where the bytes are. */
struct block {
  struct block *next; /* under LOCK */
  char *address;      /* immutable after publish */
  char *bytes_at;     /* immutable after publish */
  size_t bytes;       /* immutable after publish */
};

static struct {
  pthread_mutex_t lock;
  struct block *blocks; /* under LOCK, all */
  uint64_t count;
  size_t bytes;      /* in blocks, and about to be */
  size_t capacity;   /* 0: without end */
  uint64_t refusals; /* still to come */
  uint64_t violations;
} memory = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void lock(void) { pthread_mutex_lock(&memory.lock); }
static void unlock(void) { pthread_mutex_unlock(&memory.lock); }

static struct block *block_new(size_t bytes) {
  struct block *b = malloc(sizeof *b);
  if (!b) return NULL;
  b->bytes = bytes;
  b->bytes_at = malloc(bytes);
  if (!b->bytes_at) goto free_block;
  b->address = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (b->address == MAP_FAILED) goto free_bytes;
  return b;
free_bytes:
  free(b->bytes_at);
free_block:
  free(b);
  return NULL;
}

/* Counts the bytes, unless they are refused. */
static bool reserve(size_t bytes) {
  lock();
  bool ordered = memory.refusals > 0;
  if (ordered) memory.refusals--;
  bool fits = !memory.capacity || memory.bytes + bytes <= memory.capacity;
  if (!ordered && fits) memory.bytes += bytes;
  unlock();
  return !ordered && fits;
}

static void block_add(struct block *b) {
  lock();
  b->next = memory.blocks;
  memory.blocks = b;
  memory.count++;
  unlock();
}

static void *source_alloc(const struct wr_memory_source *source, size_t bytes) {
  (void)source;
  if (!reserve(bytes)) return NULL;
  struct block *b = block_new(bytes);
  if (b) {
    block_add(b);
    return b->address;
  }
  lock();
  memory.bytes -= bytes;
  unlock();
  return NULL;
}

static struct block *take_block(void *address) {
  lock();
  struct block **at = &memory.blocks;
  while (*at && (*at)->address != address) at = &(*at)->next;
  struct block *b = *at;
  if (b) {
    *at = b->next;
    memory.bytes -= b->bytes;
    memory.count--;
  } else {
    memory.violations++;
  }
  unlock();
  return b;
}

static void source_free(const struct wr_memory_source *source, void *data, size_t bytes) {
  (void)source;
  (void)bytes;
  struct block *b = take_block(data);
  if (!b) return;
  munmap(b->address, b->bytes);
  free(b->bytes_at);
  free(b);
}

const struct wr_memory_source *fake_memory_source(void) {
  static const struct wr_memory_source source = {.device = {.type = WR_DEVICE_GPU},
                                                 .alloc = source_alloc,
                                                 .free = source_free,
                                                 .host_visible = false};
  return &source;
}

void *fake_memory_at(const void *address, size_t bytes) {
  uintptr_t a = (uintptr_t)address;
  void *found = NULL;
  lock();
  for (struct block *b = memory.blocks; b && !found; b = b->next) {
    uintptr_t start = (uintptr_t)b->address;
    size_t at = a - start;
    if (a >= start && at < b->bytes && bytes <= b->bytes - at) found = b->bytes_at + at;
  }
  if (!found) memory.violations++;
  unlock();
  return found;
}

uint64_t fake_memory_blocks(void) {
  lock();
  uint64_t count = memory.count;
  unlock();
  return count;
}

uint64_t fake_memory_violations(void) {
  lock();
  uint64_t count = memory.violations;
  unlock();
  return count;
}

void fake_device_fail_alloc(uint64_t n) {
  lock();
  memory.refusals = n;
  unlock();
}

void fake_device_capacity(size_t bytes) {
  lock();
  memory.capacity = bytes;
  unlock();
}
