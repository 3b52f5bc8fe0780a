#ifndef WR_CORE_ERROR_H
#define WR_CORE_ERROR_H

/* An error is a value: a status and a message, counted and immutable, so that any number of arrays
   and threads can hold it. Functions that can fail return `struct wr_error *`: NULL is success,
   else the caller owns one reference. Making an error never fails: when the system refuses memory,
   a static out-of-memory error stands in for it (its count is ignored). */

#include "base/atomic.h"
#include "weir/error.h"

struct wr_error;

__attribute__((format(printf, 2, 3))) struct wr_error *wr_error_new(enum weir_status status,
                                                                    const char *format, ...);
/* The same status and a message of `prefix` + the old message; takes the reference of `error`. */
struct wr_error *wr_error_prefix_take(struct wr_error *error, const char *prefix);
struct wr_error *wr_error_out_of_memory(void);
struct wr_error *wr_error_retain(struct wr_error *error);
void wr_error_release(struct wr_error *error); /* NULL is a no-op */
/* Of what several threads do for one command: *first, a struct wr_error * that begins as NULL,
   keeps the first error that comes. Takes the reference; NULL is a no-op. Atomic ACQ_REL: whoever
   reads *first, by acquire, sees that error whole. */
void wr_error_keep_first(wr_atomic_ptr *first, struct wr_error *error);
enum weir_status wr_error_status(const struct wr_error *error);
const char *wr_error_message(const struct wr_error *error);

#endif
