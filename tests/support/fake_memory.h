#ifndef WR_TESTS_SUPPORT_FAKE_MEMORY_H
#define WR_TESTS_SUPPORT_FAKE_MEMORY_H

/* The fake device's memory: what its source gives is reserved address space without access, so that
   a host read or write of an array's bytes ends the test with SIGSEGV at that very place. The bytes
   themselves lie elsewhere. Any thread; fake_device.h has the orders to refuse. */

#include <stdint.h>

#include "memory/buffer.h"

const struct wr_memory_source *fake_memory_source(void);
/* Where the `bytes` (at least 1) at a device address are; NULL, and a violation, when they do not
   lie in one block. */
void *fake_memory_at(const void *address, size_t bytes);
uint64_t fake_memory_blocks(void); /* alive */
uint64_t fake_memory_violations(void);

#endif
