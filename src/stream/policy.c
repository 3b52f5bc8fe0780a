/* The checked policy: each stream belongs to a thread. `owner` of a stream is the identity of that
   thread (policy.h), in one word, so that checks take no lock. 0 means that the stream belongs to
   nobody: it was handed over to whoever adopts it, or its thread has ended, or, with `cleared`,
   mlx_clear_streams has finished it for ever. A stream that belongs to a thread is taken from it
   only by that thread's own calls. So when a thread has found that a stream is its own, that stays
   true until the thread itself changes it. Lock: REGISTRY, for a walk over all streams, or a look
   at one by its id. */

#include "stream/policy.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/base.h"
#include "stream/internal.h"

/* ---- which policy ---- */

enum { UNSET, SET_FREE, SET_CHECKED };

wr_atomic_bool wr_policy_is_checked;
/* atomic ACQ_REL: set once, by whichever comes first: the environment, a call or a stream. */
static wr_atomic_u32 policy;

static bool set(uint32_t wanted) {
  uint32_t found = UNSET;
  if (!wr_cas_acq_rel(&policy, &found, wanted) && found != wanted) return false;
  /* Relaxed: threads that raced with the first call are not ordered after it anyway. */
  wr_store_relaxed(&wr_policy_is_checked, wanted == SET_CHECKED);
  return true;
}

void wr_policy_start(void) {
  if (wr_env_get()->threads_set) set(wr_env_get()->threads_checked ? SET_CHECKED : SET_FREE);
}

/* Called as the first stream is made: from then on the policy cannot be changed. */
void wr_policy_fix(void) { (void)set(wr_policy_checked() ? SET_CHECKED : SET_FREE); }

struct wr_error *wr_policy_set(bool checked) {
  if (set(checked ? SET_CHECKED : SET_FREE)) return NULL;
  return wr_error_new(WEIR_ERROR_STATE,
                      "the thread policy is %s already: it is set once, before the first stream, "
                      "by weir_set_thread_policy or WEIR_THREADS",
                      wr_policy_checked() ? "WEIR_THREADS_CHECKED" : "WEIR_THREADS_FREE");
}

/* ---- messages ---- */

enum { THREAD_TEXT = 64 };

static uint32_t number_of(uint64_t id) { return (uint32_t)id; }

static bool same_thread(uint64_t a, uint64_t b) {
  return a == b || (number_of(a) == number_of(b) && (a >> 32 == 0 || b >> 32 == 0));
}

static bool alive(uint64_t id) {
  const long number = (long)number_of(id);
  /* EINVAL: the number cannot be a thread's. */
  if (syscall(SYS_tgkill, (long)getpid(), number, 0L) && (errno == ESRCH || errno == EINVAL)) {
    return false;
  }
  return same_thread(id, wr_thread_identity(number_of(id)));
}

static const char *describe_thread(uint64_t id, char *text) {
  char name[32];
  if (id == 0) {
    snprintf(text, THREAD_TEXT, "no thread");
  } else if (alive(id) && wr_thread_name_of(number_of(id), name, sizeof name)) {
    snprintf(text, THREAD_TEXT, "thread %u (\"%s\")", number_of(id), name);
  } else {
    snprintf(text, THREAD_TEXT, "thread %u, which has ended", number_of(id));
  }
  return text;
}

struct wr_error *wr_thread_check_slow(void) {
  char here[THREAD_TEXT];
  if (!wr_thread_is_retired()) return NULL;
  return wr_error_new(WEIR_ERROR_THREAD_RETIRED,
                      "mlx_clear_streams has retired %s, so it does no more work. On a pool's "
                      "worker that is used again, call mlx_clear_streams only as the last act "
                      "before the thread ends, or call weir_thread_revive",
                      describe_thread(wr_thread_self(), here));
}

struct facts {
  char stream[WR_STREAM_TEXT];
  uint64_t owner;
  bool cleared;
};

static void copy_facts(struct wr_stream *stream, void *arg) {
  struct facts *facts = arg;
  wr_stream_describe(stream, facts->stream);
  facts->owner = wr_load_relaxed(&stream->owner);
  facts->cleared = wr_load_relaxed(&stream->cleared);
}

static struct wr_error *wrong_thread(const struct facts *facts) {
  char there[THREAD_TEXT], here[THREAD_TEXT];
  if (facts->cleared) {
    return wr_error_new(WEIR_ERROR_STATE, "%s was finished by mlx_clear_streams on its thread",
                        facts->stream);
  }
  return wr_error_new(
      WEIR_ERROR_WRONG_THREAD,
      "%s belongs to %s and was used on %s. Use it on its own thread; or move it, by "
      "weir_stream_hand_over there or weir_stream_adopt here; or run with WEIR_THREADS=free, where "
      "any thread may use any stream",
      facts->stream, describe_thread(facts->owner, there), describe_thread(wr_thread_self(), here));
}

struct wr_error *wr_stream_check_slow(struct wr_stream *stream) {
  struct wr_error *error = wr_thread_check_slow();
  /* Relaxed: the owner is this thread only if this thread wrote it, or learned of the hand-over
     from the thread that did. */
  if (error || same_thread(wr_load_relaxed(&stream->owner), wr_thread_self())) return error;
  struct facts facts;
  copy_facts(stream, &facts);
  return wrong_thread(&facts);
}

struct wr_error *wr_stream_check_id_slow(uint64_t id) {
  struct facts facts;
  if (!wr_registry_visit(id, copy_facts, &facts)) return NULL;
  return same_thread(facts.owner, wr_thread_self()) ? NULL : wrong_thread(&facts);
}

/* ---- moving a stream ---- */

struct wr_error *wr_stream_hand_over(struct wr_stream *stream, uint64_t thread) {
  struct wr_error *error = wr_stream_check(stream);
  if (error || !wr_policy_checked()) return error;
  uint64_t to = thread ? wr_thread_identity(thread) : 0;
  if (thread && (thread > UINT32_MAX || !alive(to))) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "thread: this process has no thread %llu",
                        (unsigned long long)thread);
  }
  if (same_thread(to, wr_thread_self())) return NULL;
  /* Before the owner changes, since afterwards this thread may not touch the stream. The caller's
     handle keeps the stream alive. */
  wr_thread_forget_default(stream);
  wr_store_release(&stream->owner, to);
  return NULL;
}

struct wr_error *wr_stream_adopt(struct wr_stream *stream) {
  struct wr_error *error = wr_thread_check();
  if (error || !wr_policy_checked()) return error;
  uint64_t self = wr_thread_self();
  uint64_t owner = wr_load_acquire(&stream->owner);
  bool free_to_take = !wr_load_relaxed(&stream->cleared) && (owner == 0 || !alive(owner));
  /* Where several threads adopt it at once, the compare-and-swap lets one have it. */
  if (same_thread(owner, self) || (free_to_take && wr_cas_acq_rel(&stream->owner, &owner, self)))
    return NULL;
  struct facts facts;
  copy_facts(stream, &facts);
  return wrong_thread(&facts);
}

/* In the child of a fork: the thread that forked has another number there, and what belonged to
   other threads belongs to nobody. */
static void move_to_child(struct wr_stream *stream, void *arg) {
  const uint64_t *parents = arg;
  bool mine = *parents && same_thread(wr_load_relaxed(&stream->owner), *parents);
  wr_store_relaxed(&stream->owner, mine ? wr_thread_self() : UINT64_C(0));
}

void wr_policy_fork_child(uint64_t parents) {
  if (wr_policy_checked()) wr_registry_visit_all(move_to_child, &parents);
}

/* ---- clearing ---- */

struct leaving {
  uint64_t thread;
  bool cleared;
};

static void leave_behind(struct wr_stream *stream, void *arg) {
  const struct leaving *leaving = arg;
  uint64_t owner = wr_load_relaxed(&stream->owner);
  if (!same_thread(owner, leaving->thread)) return;
  if (leaving->cleared) wr_store_relaxed(&stream->cleared, true);
  (void)wr_cas_acq_rel(&stream->owner, &owner, UINT64_C(0));
}

void wr_policy_thread_ends(void) {
  if (!wr_policy_checked()) return;
  struct leaving leaving = {.thread = wr_thread_self()};
  wr_registry_visit_all(leave_behind, &leaving);
}

/* The streams that clearing finishes. It takes references, which visiting alone does not give. */
struct own_streams {
  uint64_t thread;
  struct wr_ptrs found; /* struct wr_stream *, one reference each */
  bool full;            /* there are more than there was room for */
};

static void collect(struct wr_stream *stream, void *arg) {
  struct own_streams *own = arg;
  if (!same_thread(wr_load_relaxed(&stream->owner), own->thread)) return;
  if (own->found.count == own->found.capacity) {
    own->full = true;
  } else if (wr_stream_retain_if_alive(stream)) {
    own->found.items[own->found.count++] = stream;
  }
}

static void let_go(struct own_streams *own) {
  for (size_t i = 0; i < own->found.count; i++) wr_stream_release(own->found.items[i]);
  wr_ptrs_free(&own->found);
}

/* Finds all streams of the thread. Memory for the list is reserved before the walk, which holds
   REGISTRY. Where there are more streams by then, it begins again, without its references first: to
   drop them may end a stream, which takes that lock. */
static struct wr_error *collect_own(struct own_streams *own) {
  do {
    let_go(own);
    own->full = false;
    if (!wr_ptrs_reserve(&own->found, wr_registry_live() + 8)) return wr_error_out_of_memory();
    wr_registry_visit_all(collect, own);
  } while (own->full);
  return NULL;
}

static struct wr_error *clear_checked(void) {
  struct own_streams own = {.thread = wr_thread_self()};
  if (wr_thread_is_retired()) return NULL;
  struct wr_error *error = collect_own(&own);
  for (size_t i = 0; i < own.found.count && !error; i++) {
    error = wr_stream_synchronize(own.found.items[i]);
  }
  if (!error) {
    struct leaving leaving = {.thread = own.thread, .cleared = true};
    wr_registry_visit_all(leave_behind, &leaving);
    wr_thread_drop_defaults();
    wr_thread_retire();
  }
  let_go(&own);
  return error;
}

struct wr_error *wr_stream_clear(void) {
  if (wr_policy_checked()) return clear_checked();
  struct wr_error *error = wr_thread_synchronize_defaults();
  if (!error) wr_thread_drop_defaults();
  return error;
}
