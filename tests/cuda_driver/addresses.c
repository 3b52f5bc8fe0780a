/* Where device addresses lead, and the orders that kernels take. Compiled without ThreadSanitizer,
   and with a lock that it does not know: what is kept here orders nothing between the program's
   threads. Nothing here calls the C library, whose functions ThreadSanitizer would see. */

#include <sched.h>

#include "internal.h"

enum { BLOCKS = 1 << 16, ALIGNMENT = 512 };

/* Above what a processor's pages reach: whoever reads or writes there ends the process. */
static const uint64_t first_address = UINT64_C(1) << 48;
static const uint64_t device_addresses = UINT64_C(1) << 44;

/* Volatile, so that moving one is not made a call. */
struct block {
  volatile wr_cu_address address;
  volatile size_t bytes; /* 0: none any more */
  void *volatile bytes_at;
};

static struct {
  bool lock;
  struct block blocks[BLOCKS]; /* under LOCK, by address on each device */
  int count;                   /* under LOCK */
  int dead;                    /* under LOCK: of those, blocks that are none any more */
  uint64_t next[DEVICES_MAX];  /* under LOCK: bytes of addresses given */
  size_t used[DEVICES_MAX];    /* under LOCK */
  size_t capacity;             /* under LOCK */
  int holds;                   /* under LOCK */
  uint64_t pause;              /* under LOCK */
  uint64_t fault_left;         /* under LOCK */
  int fault;                   /* under LOCK */
} table = {.capacity = (size_t)1 << 30};

/* The holder may have lost its processor. */
static void lock(void) {
  while (__atomic_test_and_set(&table.lock, __ATOMIC_ACQUIRE)) sched_yield();
}

static void unlock(void) { __atomic_clear(&table.lock, __ATOMIC_RELEASE); }

static void compact_locked(void) {
  int kept = 0;
  for (int i = 0; i < table.count; i++) {
    struct block *from = &table.blocks[i], *to = &table.blocks[kept];
    if (!from->bytes) continue;
    to->address = from->address;
    to->bytes = from->bytes;
    to->bytes_at = from->bytes_at;
    kept++;
  }
  table.count = kept;
  table.dead = 0;
}

/* Blocks of a few devices alternate, so the search looks at all, the youngest first. */
static struct block *find_locked(wr_cu_address address, size_t bytes) {
  for (int i = table.count; i-- > 0;) {
    struct block *b = &table.blocks[i];
    if (address >= b->address && address - b->address < b->bytes) {
      return bytes <= b->bytes - (address - b->address) ? b : NULL;
    }
  }
  return NULL;
}

/* With something between two blocks that belongs to none. */
wr_cu_address addresses_add(int ordinal, size_t bytes, void *bytes_at) {
  wr_cu_address address = 0;
  lock();
  if (table.count == BLOCKS) compact_locked();
  if (table.count < BLOCKS && table.used[ordinal] + bytes <= table.capacity) {
    address = first_address + (uint64_t)ordinal * device_addresses + table.next[ordinal];
    table.next[ordinal] += (bytes / ALIGNMENT + 2) * ALIGNMENT;
    table.used[ordinal] += bytes;
    struct block *b = &table.blocks[table.count++];
    b->address = address;
    b->bytes = bytes;
    b->bytes_at = bytes_at;
  }
  unlock();
  return address;
}

void *addresses_remove(wr_cu_address address, size_t *bytes) {
  void *bytes_at = NULL;
  lock();
  struct block *b = find_locked(address, 1);
  if (b && b->address == address) {
    bytes_at = b->bytes_at;
    *bytes = b->bytes;
    table.used[(address - first_address) / device_addresses] -= b->bytes;
    b->bytes = 0;
    table.dead++;
    if (table.dead > 64 && table.dead > table.count / 2) compact_locked();
  }
  unlock();
  return bytes_at;
}

void *addresses_find(wr_cu_address address, size_t bytes) {
  lock();
  struct block *b = find_locked(address, bytes);
  void *found = b ? (char *)b->bytes_at + (address - b->address) : NULL;
  unlock();
  return found;
}

bool addresses_is_device(uint64_t value) {
  return value >= first_address && value < first_address + DEVICES_MAX * device_addresses;
}

void addresses_capacity(size_t bytes) {
  lock();
  table.capacity = bytes;
  unlock();
}

size_t addresses_total(void) {
  lock();
  size_t bytes = table.capacity;
  unlock();
  return bytes;
}

size_t addresses_used(int ordinal) {
  lock();
  size_t bytes = table.used[ordinal];
  unlock();
  return bytes;
}

/* ---- orders ---- */

void kernel_hold(int by) {
  lock();
  table.holds += by;
  unlock();
}

bool kernel_held(void) {
  lock();
  bool held = table.holds > 0;
  unlock();
  return held;
}

void kernel_pause(uint64_t ns) {
  lock();
  table.pause = ns;
  unlock();
}

uint64_t kernel_pause_ns(void) {
  lock();
  uint64_t ns = table.pause;
  unlock();
  return ns;
}

void kernel_fault(uint64_t n, int result) {
  lock();
  table.fault_left = n;
  table.fault = result;
  unlock();
}

int kernel_fault_now(void) {
  lock();
  bool now = table.fault_left && --table.fault_left == 0;
  int result = now ? table.fault : 0;
  unlock();
  return result;
}
