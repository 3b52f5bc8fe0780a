#ifndef WR_STREAM_POLICY_H
#define WR_STREAM_POLICY_H

/* The two thread policies (docs/streams.md). Under the free one nothing here does more than load a
   flag. Under the checked one a stream belongs to a thread, by its identity (below), and the
   checks below fail before anything is queued. Every function may be called from any thread. */

#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/base.h"
#include "core/error.h"
#include "stream/stream.h"

/* atomic RELAXED: fixed before the first stream, so whoever has a stream sees its value. */
extern wr_atomic_bool wr_policy_is_checked;

static inline bool wr_policy_checked(void) { return wr_load_relaxed(&wr_policy_is_checked); }

struct wr_error *wr_policy_set(bool checked);

/* The errors of C1 and C4, or NULL. Under the free policy always NULL. */
struct wr_error *wr_thread_check_slow(void);
struct wr_error *wr_stream_check_slow(struct wr_stream *stream);
struct wr_error *wr_stream_check_id_slow(uint64_t id);

/* That the calling thread is not retired. */
static inline struct wr_error *wr_thread_check(void) {
  return wr_policy_checked() ? wr_thread_check_slow() : NULL;
}
/* And that the stream belongs to it. */
static inline struct wr_error *wr_stream_check(struct wr_stream *stream) {
  return wr_policy_checked() ? wr_stream_check_slow(stream) : NULL;
}
/* The same for a stream that may be gone by now, which is no error. */
static inline struct wr_error *wr_stream_check_id(uint64_t id) {
  return wr_policy_checked() ? wr_stream_check_id_slow(id) : NULL;
}

/* A thread's identity: the system's number of it below, and when it began (base.h) in the upper
   half, as the system uses numbers again. 0 there: not known, and then the number alone has to do.
 */
static inline uint64_t wr_thread_identity(uint64_t os_id) {
  return (uint64_t)wr_thread_born(os_id) << 32 | (uint32_t)os_id;
}
/* The calling thread's. */
uint64_t wr_thread_self(void);
bool wr_thread_is_retired(void);
void wr_thread_revive(void);
struct wr_error *wr_stream_hand_over(struct wr_stream *stream, uint64_t thread);
struct wr_error *wr_stream_adopt(struct wr_stream *stream);
/* Finishes the work on the calling thread's streams and drops them; under the checked policy these
   are all that belong to it, and it is retired (K12, C3). Streams that were handed over are not its
   own any more. */
struct wr_error *wr_stream_clear(void);
/* The calling thread's default stream, with a reference, or NULL; never makes one. */
struct wr_stream *wr_stream_default_if_any(struct wr_device device);

#endif
