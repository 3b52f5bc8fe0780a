#ifndef WR_TESTS_FUZZ_PARSERS_TARGET_H
#define WR_TESTS_FUZZ_PARSERS_TARGET_H

/* What the targets for libFuzzer share. */

#include <stdint.h>
#include <stdlib.h>

#include "core/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define MUST(cond) ((cond) ? (void)0 : abort())

/* A failure is an error in words that begins with an operation in brackets, or for want of memory.
 */
static inline void drop(struct wr_error *error) {
  if (!error) return;
  const char *message = wr_error_message(error);
  MUST(message[0] == '[' || wr_error_status(error) == WEIR_ERROR_OUT_OF_MEMORY);
  wr_error_release(error);
}

#endif
