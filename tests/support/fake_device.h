#ifndef WR_TESTS_SUPPORT_FAKE_DEVICE_H
#define WR_TESTS_SUPPORT_FAKE_DEVICE_H

/* A device for tests, in the GPU's place: it keeps the modules above backend.h honest.

   - Its memory is not the host's: what its allocator returns is reserved address space without
     access, so that a host read or write of an array's bytes ends the test with SIGSEGV at that
     very place. The bytes themselves live elsewhere; only read(), write() and commands reach them.
   - It is asynchronous: each encoder has a thread and a queue; encode() always answers
     WR_ENCODE_PENDING, and the hook is called later, on the encoder's thread, in order.
   - What is encoded stays with the encoder until it is flushed: a flush that is missing is a hang.
   - It computes with the CPU's kernels, after translating the addresses.
   - It fails when told to, holds its work when told to (a gate), and counts.

   install and shutdown are called by one thread, before and after all use; the others from any.
   None blocks but shutdown. */

#include <stddef.h>
#include <stdint.h>

#include "weir/error.h"

/* Puts the device in the GPU's place; before the first stream. Again: a no-op. */
void fake_device_install(void);

/* From now on it runs groups too, one command each; before the first stream. */
void fake_device_take_groups(void);

/* Waits until every encoder that was freed has ended and frees the device's memory, so that a leak
   checker finds nothing. All arrays and streams on the device must be gone; returns 0, or -1 when
   encoders are still alive or buffers are still out (nothing is freed then). */
int fake_device_shutdown(void);

/* From now on its streams wait for each other on the device; before the first stream. */
void fake_device_take_waits(void);

/* From now on few bytes move as commands, which count like others; before the first stream. */
void fake_device_take_few_bytes(void);

/* The encoder starts so many more commands and no further, until it is told otherwise; a negative
   number is no end. */
struct wr_encoder;
void fake_device_allow(struct wr_encoder *encoder, int64_t commands);

/* Called by who flushes, with no lock held, before each flush; NULL: nothing. Set before the first
   stream. */
extern void (*fake_device_on_flush)(void);

/* The gate. While it is held, commands (and markers) queue up and none starts; those that run
   finish. Holding counts: each hold needs its release. */
void fake_device_hold(void);
void fake_device_release(void);

/* The n-th command from now on (1: the next one, markers do not count) does not run and completes
   with this error. One order at a time: a new one replaces the old, n = 0 takes it back. The
   message is copied. */
void fake_device_fail_next(uint64_t n, enum weir_status status, const char *message);
/* The next n requests for memory are refused. */
void fake_device_fail_alloc(uint64_t n);
/* Memory is refused beyond so many bytes, cached ones included; 0: no such end. */
void fake_device_capacity(size_t bytes);

struct fake_device_stats {
  uint64_t encoders;    /* alive */
  uint64_t blocks;      /* of memory, alive: in buffers or cached */
  uint64_t commands;    /* completed, failed ones included */
  uint64_t failed;      /* completed with an error */
  uint64_t markers;     /* completed */
  uint64_t queued;      /* encoded, not completed */
  uint64_t bytes_moved; /* by read() and write() */
  uint64_t violations;  /* of the contract: two threads in one encoder's encode at once, an encoder
                           freed with work queued, an address outside the device's memory */
};

struct fake_device_stats fake_device_stats(void);

#endif
