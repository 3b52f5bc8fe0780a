/* What is kept of each thread: its default streams, whether it is inside a free of its own, whether
   it is retired. Of streams it holds references only, which its destructor drops; so a thread may
   end at any time, also with work in flight (K7). All but a few bytes stand in a block on the heap
   (stream.h), which the destructor frees. A function that writes to the block makes it first if
   there is none, and fails where memory is refused. No locks of its own. */

#include <errno.h>
#include <pthread.h>

#include "base/base.h"
#include "base/fork.h"
#include "base/handlers.h"
#include "stream/deadline.h"
#include "stream/dump.h"
#include "stream/internal.h"
#include "stream/policy.h"
#include "stream/request.h"
#include "stream/timeline.h"

static struct wr_thread nothing; /* immutable: of the threads that have no block */
_Thread_local struct wr_thread *wr_thread_here = &nothing;

/* These stand in thread-local storage itself, so that writing them never fails. */
static _Thread_local struct {
  uint16_t free_scope; /* owner thread only; frees do not nest deeper than their callers' stack */
  bool retired;        /* owner thread only: by mlx_clear_streams, under the checked policy */
  bool in_users_code;  /* owner thread only: a callback or a destructor */
} self;

static pthread_key_t key;
static bool key_made; /* immutable after start; else the C library's other means is used */
static pthread_once_t started = PTHREAD_ONCE_INIT;

static void thread_ends(void *block);
static void leave_requests(const struct wr_thread *t, size_t depth);

static bool watch_end(void *block) {
  if (!key_made) return wr_handlers_as_thread_leaves(thread_ends, block);
  return pthread_setspecific(key, block) == 0;
}

/* thread_ends will run at the end of a thread that has a block. */
struct wr_thread *wr_thread_own(void) {
  if (wr_thread_here != &nothing) return wr_thread_here;
  struct wr_thread *made = wr_calloc(sizeof *made);
  if (!made) return NULL;
  if (!watch_end(made)) {
    wr_free(made);
    return NULL;
  }
  made->is_own = true;
  wr_thread_here = made;
  return made;
}

void wr_thread_lend(struct wr_thread *block) {
  block->is_own = true;
  wr_thread_here = block;
}

/* Makes `taken`, whose reference it takes, the default, and drops the reference to the one before,
   which may be the same stream. NULL: no default. */
static void set_slot(struct wr_device d, struct wr_stream *taken) {
  struct wr_thread *t = wr_thread_here;
  struct wr_stream *old = t->defaults[d.type][d.index];
  if (d.index == 0) t->given[d.type] = NULL;
  t->defaults[d.type][d.index] = taken;
  wr_stream_release(old);
  if (d.index == 0 && !wr_env_get()->check_handles) t->given[d.type] = taken;
}

void wr_thread_drop_defaults(void) {
  struct wr_thread *t = wr_thread_here;
  if (t == &nothing) return;
  for (int type = 0; type < WR_DEVICE_TYPE_COUNT; type++) {
    for (int i = 0; i < WR_MAX_DEVICES; i++) {
      set_slot((struct wr_device){(enum wr_device_type)type, i}, NULL);
    }
  }
  while (t->scopes.count) wr_stream_release(t->scopes.items[--t->scopes.count]);
  wr_ptrs_free(&t->scopes);
}

void wr_thread_forget_default(struct wr_stream *stream) {
  struct wr_device d = wr_stream_device(stream);
  if (wr_thread_here->defaults[d.type][d.index] == stream) set_slot(d, NULL);
}

struct wr_error *wr_thread_synchronize_defaults(void) {
  struct wr_error *error = NULL;
  for (int type = 0; type < WR_DEVICE_TYPE_COUNT; type++) {
    for (int i = 0; i < WR_MAX_DEVICES && !error; i++) {
      struct wr_stream *s = wr_thread_here->defaults[type][i];
      if (s) error = wr_stream_synchronize(s);
    }
  }
  return error;
}

void wr_thread_take_back(void) {
  wr_thread_drop_defaults();
  leave_requests(wr_thread_here, 0);
  wr_ptrs_free(&wr_thread_here->requests);
  wr_policy_thread_ends();
  wr_timeline_thread_ends(wr_thread_here->records);
  wr_thread_here = &nothing;
}

/* Another thread-local destructor may use Weir after this one: then the thread gets a new block,
   and this is called again. */
static void thread_ends(void *block) {
  wr_thread_take_back();
  wr_free(block);
}

/* ---- the checked policy ---- */

/* Where memory or a descriptor is refused the system is asked each time. */
uint64_t wr_thread_self(void) {
  struct wr_thread *t = wr_thread_own();
  if (t && t->id) return t->id;
  uint64_t id = wr_thread_identity(wr_thread_os_id());
  if (t && id >> 32) t->id = id;
  return id;
}

bool wr_thread_is_retired(void) { return self.retired; }
void wr_thread_retire(void) { self.retired = true; }
void wr_thread_revive(void) { self.retired = false; }

/* ---- start ---- */

/* Inside the caller's own free the destructor runs on this thread; elsewhere on the reclaimer.
   While it runs here, the thread does not count as inside a free: the destructor may evaluate
   arrays, and so drop the last reference to other buffers while it drains a stream. Their
   destructors must not run here, since they may wait for that very stream. */
void wr_reclaimer_run_due(struct wr_callback *call) {
  if (self.free_scope == 0) {
    wr_reclaimer_post(call);
    return;
  }
  uint16_t scope = self.free_scope;
  self.free_scope = 0;
  wr_reclaimer_run_here(call);
  self.free_scope = scope;
}

static void run_destructor(void (*dtor)(void *), void *call) {
  (void)dtor; /* in the call too */
  wr_reclaimer_run_due(call);
}

/* Its thread is started with the first array that has a destructor. */
static struct wr_error *reserve_destructor(void (*dtor)(void *), void **payload) {
  struct wr_callback *call;
  struct wr_error *error =
      wr_reclaimer_reserve(dtor, *payload, "destructor of an array's data", &call);
  if (!error) *payload = call;
  return error;
}

static const struct wr_destructor_runner destructor_runner = {
    .reserve = reserve_destructor, .run = run_destructor, .cancel = wr_free};

/* Which requests the thread is inside is what it was, whatever the function enters and leaves. */
static void leave_requests(const struct wr_thread *t, size_t depth) {
  while (t->requests.count > depth) wr_error_release(wr_request_leave());
}

/* Not cancelled inside, since what the caller still has to free would stay. The function is inside
   none of the requests of the caller, who may be anybody. */
void wr_run_users_code(void (*fn)(void *), void *data) {
  bool nested = self.in_users_code;
  int before = wr_cancel_off();
  struct wr_thread *t = wr_thread_here;
  struct wr_request *request = t->request;
  const size_t outside = t->requests_outside, depth = t->requests.count;
  self.in_users_code = true;
  if (depth) {
    t->request = NULL;
    t->requests_outside = depth;
  }
  fn(data);
  leave_requests(wr_thread_here, depth);
  if (depth) {
    t->request = request;
    t->requests_outside = outside;
  }
  self.in_users_code = nested;
  wr_cancel_restore(before);
}

bool wr_in_users_code(void) { return self.in_users_code; }

/* Last of all, when the streams are whole and the table of them is free. */
static void be_renumbered(void) {
  uint64_t parents = wr_thread_here->id;
  if (parents) wr_thread_here->id = 0; /* the system numbers the child's thread anew */
  wr_policy_fork_child(parents);
}

static struct wr_fork_row fork_row = {.rank = WR_RANK_NONE, .child = be_renumbered};

static void start(void) {
  key_made = pthread_key_create(&key, thread_ends) == 0;
  wr_fork_register(&fork_row);
  wr_policy_start();
  wr_pool_init();
  wr_reclaimer_init();
  wr_blocking_init();
  wr_deadline_init();
  wr_buffer_set_destructor_runner(&destructor_runner);
  wr_backend_set_parallel(wr_pool_parallel);
  wr_dump_listen();
}

void wr_stream_start_once(void) { pthread_once(&started, start); }

/* At load, before any thread can make a buffer or a stream. */
__attribute__((constructor)) static void start_at_load(void) { wr_stream_start_once(); }

static bool stop_devices(uint64_t deadline_ns) {
  bool stopped = true;
  for (int type = 0; type < WR_DEVICE_TYPE_COUNT; type++) {
    const struct wr_backend *backend = wr_backend_for((enum wr_device_type)type);
    if (backend->async) stopped = backend->async->stop(deadline_ns) && stopped;
  }
  return stopped;
}

/* The pool, the devices and the threads that may block give each other work: what a worker encodes
   ends on one of the others, and what ends there may make a stream ready. So they are stopped in
   turn until none has got anything new. The thread for deadlines gives work to no more than these
   do, and gets it from the program alone. The reclaimer comes last: all give it destructors; its
   callbacks may be such a program. */
static bool stop_all(uint64_t deadline_ns) {
  do {
    bool over = wr_deadline_stop(deadline_ns) && wr_pool_stop(deadline_ns) &&
                stop_devices(deadline_ns) && wr_blocking_stop(deadline_ns);
    if (!over) return false;
    if (wr_pool_workers() == 0 && !wr_reclaimer_stop(deadline_ns)) return false;
  } while (wr_pool_workers() > 0 || wr_deadline_threads() > 0);
  return true;
}

bool wr_stream_shutdown(uint64_t deadline_ns) {
  wr_thread_drop_defaults();
  bool stopped = stop_all(deadline_ns);
  struct wr_error *error;
  stopped = wr_timeline_stop_until(deadline_ns, &error) && stopped;
  wr_error_release(error);
  wr_memory_clear_cache();
  wr_registry_trim();
  return stopped;
}

void wr_free_scope_enter(void) { self.free_scope++; }
void wr_free_scope_leave(void) { self.free_scope--; }

struct wr_error *wr_stream_default_slow(struct wr_device device, struct wr_stream **borrowed) {
  if (device.index < 0 || device.index >= WR_MAX_DEVICES) return wr_device_check(device);
  struct wr_thread *t = wr_thread_own();
  if (!t) return wr_error_out_of_memory();
  struct wr_error *error = wr_stream_new(device, borrowed);
  if (error) return error;
  set_slot(device, *borrowed);
  return NULL;
}

struct wr_stream *wr_stream_default_if_any(struct wr_device device) {
  if ((unsigned)device.index >= WR_MAX_DEVICES) return NULL;
  struct wr_stream *s = wr_thread_here->defaults[device.type][device.index];
  return s ? wr_stream_retain(s) : NULL;
}

struct wr_error *wr_stream_set_default(struct wr_stream *stream) {
  struct wr_error *error = wr_thread_check();
  if (error) return error;
  struct wr_thread *t = wr_thread_own();
  if (!t) return wr_error_out_of_memory();
  set_slot(wr_stream_device(stream), wr_stream_retain(stream));
  return NULL;
}

struct wr_error *wr_stream_scope_push(struct wr_stream *stream) {
  struct wr_stream *before;
  struct wr_error *error = wr_stream_default(wr_stream_device(stream), &before);
  if (error) return error;
  if (!wr_ptrs_push(&wr_thread_here->scopes, before)) return wr_error_out_of_memory();
  wr_stream_retain(before);
  return wr_stream_set_default(stream);
}

/* A stream that was handed over meanwhile is not restored (C2): the thread makes a new default. */
static struct wr_error *restore_default(struct wr_stream *before) {
  struct wr_error *error = wr_thread_check();
  if (error) return error;
  error = wr_stream_check(before);
  if (!error) return wr_stream_set_default(before);
  wr_error_release(error);
  set_slot(wr_stream_device(before), NULL);
  return NULL;
}

struct wr_error *wr_stream_scope_pop(void) {
  struct wr_ptrs *scopes = &wr_thread_here->scopes;
  if (scopes->count == 0) {
    return wr_error_new(WEIR_ERROR_STATE, "no stream scope is open on this thread");
  }
  struct wr_stream *before = scopes->items[--scopes->count];
  struct wr_error *error = restore_default(before);
  wr_stream_release(before);
  return error;
}

struct wr_error *wr_thread_refused(int refusal, const char *which) {
  if (refusal == 0) return NULL;
  if (refusal == ENOMEM) return wr_error_out_of_memory();
  return wr_error_new(WEIR_ERROR_STATE, "the system refuses the thread %s", which);
}
