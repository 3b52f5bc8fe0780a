/* The fake device; see fake_device.h. Invariants: a command is in exactly one queue until its hook
   has been called, and everything that it needs is copied when it is encoded, since shapes, strides
   and parameters live only as long as the call. Locks: device.lock guards the gate, the orders to
   fail, the counters and every encoder's queue; it is never held while a kernel runs or a hook is
   called. */

#include "fake_device.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"
#include "base/atomic.h"
#include "clocks.h"
#include "core/shape.h"
#include "fake_call.h"
#include "fake_memory.h"
#include "fake_params.h"

/* One operand with its own copy of extents and strides. */
struct operand {
  struct wr_tensor tensor;
  int32_t shape[WR_MAX_NDIM];
  int64_t strides[WR_MAX_NDIM];
};

/* How far an encoder is; who waits for it may outlive it. */
struct progress {
  unsigned refs;      /* under device.lock */
  uint64_t completed; /* under device.lock */
};

/* Owned by the queue, then by the encoder's thread. */
struct command {
  struct command *next;
  struct progress *behind; /* of a wait: one reference; else NULL */
  uint64_t up_to;          /* commands that have to be completed */
  struct wr_completion_hook *hook;
  struct wr_error *failure; /* ordered by fake_device_fail_next, or found while encoding */
  bool marker;
  enum wr_op op;
  union fake_params params;
  bool has_params;
  int32_t n_steps; /* of a group; 0: one operation, op */
  struct wr_group_step steps[WR_GROUP_STEPS];
  int32_t n_in;
  struct operand *operands; /* n_in inputs, then the result */
  int32_t n_parts;
  struct wr_part *parts; /* of the result: n_parts, then their shapes */
  struct wr_tensor *in;  /* what the kernel is given: n_in tensors */

  /* Of few bytes that move: from the device to `host`; else, where that is NULL, to the device. */
  size_t few;
  void *address;
  void *host;
  char bytes[WR_UPLOAD_BYTES];
};

struct wr_encoder {
  struct command *first;     /* under device.lock */
  struct command **last;     /* under device.lock */
  struct command *kept;      /* under device.lock: encoded, not flushed */
  struct command **newest;   /* under device.lock */
  struct progress *progress; /* immutable after publish; one reference */
  uint64_t encoded;          /* by who encodes alone */
  int64_t allowed;           /* under device.lock: commands that may start; negative: no end */
  bool closed;               /* under device.lock: its thread ends when the queue is empty */
  wr_atomic_bool in_encode;  /* atomic ACQ_REL: somebody is in encode() */
  struct wr_encoder *cpu;    /* encoder's thread only */
};

static struct {
  pthread_mutex_t lock;
  pthread_cond_t changed; /* a queue, the gate or the number of threads */
  bool installed;         /* by install alone */
  unsigned held;
  unsigned threads;    /* of encoders, running */
  unsigned completing; /* commands taken off a queue whose hook has not returned */
  uint64_t fail_in;    /* 0: no order */
  enum weir_status fail_status;
  char fail_message[256];
  struct wr_memory *memory; /* set by install, before the first stream */
  struct fake_device_stats stats;
} device = {.lock = PTHREAD_MUTEX_INITIALIZER};
void (*fake_device_on_flush)(void);

__attribute__((constructor)) static void begin(void) { by_monotonic_clock(&device.changed); }

static void lock(void) { pthread_mutex_lock(&device.lock); }
static void unlock(void) { pthread_mutex_unlock(&device.lock); }

static void count_violation(void) {
  lock();
  device.stats.violations++;
  unlock();
}

/* Memory. */

static struct wr_memory *fake_memory(int index) {
  (void)index;
  return device.memory;
}

static struct wr_error *move(void *dst, const void *src, size_t bytes) {
  if (bytes == 0) return NULL;
  if (!dst || !src) return wr_error_new(WEIR_ERROR_INTERNAL, "fake device: not a device address");
  memcpy(dst, src, bytes);
  lock();
  device.stats.bytes_moved += bytes;
  unlock();
  return NULL;
}

static struct wr_error *fake_read(int index, void *host, const void *address, size_t bytes) {
  (void)index;
  return move(host, bytes ? fake_memory_at(address, bytes) : NULL, bytes);
}

static struct wr_error *fake_write(int index, void *address, const void *host, size_t bytes) {
  (void)index;
  return move(bytes ? fake_memory_at(address, bytes) : NULL, host, bytes);
}

/* Commands. */

static void command_free(struct command *c) {
  if (!c) return;
  free(c->operands);
  free(c->parts);
  free(c->in);
  free(c);
}

static void operand_copy(struct operand *to, const struct wr_tensor *t) {
  to->tensor = *t;
  for (int d = 0; d < t->ndim; d++) {
    to->shape[d] = t->shape[d];
    to->strides[d] = t->strides[d];
  }
  to->tensor.shape = to->shape;
  to->tensor.strides = to->strides;
}

static struct command *command_new(int32_t n_in, const struct wr_tensor *in,
                                   const struct wr_tensor *out, struct wr_completion_hook *hook) {
  struct command *c = calloc(1, sizeof *c);
  if (!c) return NULL;
  size_t n = (size_t)n_in;
  c->hook = hook;
  c->n_in = n_in;
  c->operands = calloc(n + 1, sizeof *c->operands);
  c->in = calloc(n + 1, sizeof *c->in);
  if (!c->operands || !c->in) {
    command_free(c);
    return NULL;
  }
  for (size_t i = 0; i < n; i++) operand_copy(&c->operands[i], &in[i]);
  operand_copy(&c->operands[n], out);
  return c;
}

/* Shapes behind the parts, WR_MAX_NDIM extents each. */
static bool copy_parts(struct command *c, const struct wr_call *call) {
  const size_t n = (size_t)call->n_parts;
  if (n == 0) return true;
  c->parts = malloc(n * (sizeof *c->parts + WR_MAX_NDIM * sizeof(int32_t)));
  if (!c->parts) return false;
  int32_t *shapes = (int32_t *)(void *)(c->parts + n);
  for (size_t i = 0; i < n; i++, shapes += WR_MAX_NDIM) {
    c->parts[i] = call->parts[i];
    c->parts[i].shape = shapes;
    for (int d = 0; d < c->parts[i].ndim; d++) shapes[d] = call->parts[i].shape[d];
  }
  c->n_parts = call->n_parts;
  return true;
}

static struct command *command_of_call(const struct wr_call *call,
                                       struct wr_completion_hook *hook) {
  struct command *c = command_new(call->n_in, call->in, &call->out, hook);
  if (!c) return NULL;
  c->op = call->op;
  const size_t bytes = call->params ? fake_params_bytes(call->op, call->params) : 0;
  c->has_params = bytes > 0;
  if (c->has_params) memcpy(&c->params, call->params, bytes);
  if (copy_parts(c, call)) return c;
  command_free(c);
  return NULL;
}

static struct command *command_of_group(const struct wr_group *group,
                                        struct wr_completion_hook *hook) {
  struct command *c = command_new(group->n_in, group->in, &group->out, hook);
  if (!c) return NULL;
  c->n_steps = group->n_steps;
  memcpy(c->steps, group->steps, (size_t)group->n_steps * sizeof group->steps[0]);
  return c;
}

static bool translate(struct wr_tensor *to, const struct operand *o) {
  *to = o->tensor;
  if (o->tensor.size == 0) return true;
  to->data = fake_memory_at(o->tensor.data, 1);
  return to->data != NULL;
}

static struct wr_error *run_few_bytes(const struct command *c) {
  void *at = fake_memory_at(c->address, c->few);
  if (!at) return wr_error_new(WEIR_ERROR_INTERNAL, "fake device: not a device address");
  memcpy(c->host ? c->host : at, c->host ? at : c->bytes, c->few);
  return NULL;
}

static struct wr_error *command_run(struct wr_encoder *encoder, struct command *c) {
  struct wr_tensor out;
  if (c->few) return run_few_bytes(c);
  bool known = translate(&out, &c->operands[c->n_in]);
  for (int i = 0; i < c->n_in; i++) known = translate(&c->in[i], &c->operands[i]) && known;
  if (!known) return wr_error_new(WEIR_ERROR_INTERNAL, "fake device: not a device address");
  struct wr_error *error = NULL;
  if (c->n_steps > 0) {
    struct wr_group group = {.n_in = c->n_in, .n_steps = c->n_steps, .in = c->in};
    group.steps = c->steps;
    group.out = out;
    wr_backend_cpu.encode_group(encoder->cpu, &group, NULL, &error);
  } else {
    struct wr_call call = {.op = c->op, .n_in = c->n_in, .in = c->in, .out = out};
    call.params = c->has_params ? &c->params : NULL;
    call.n_parts = c->n_parts;
    call.parts = c->parts;
    error = fake_call_run(encoder->cpu, &call);
  }
  return error;
}

/* Called under the lock. */
static struct wr_error *ordered_failure(void) {
  if (device.fail_in == 0 || --device.fail_in > 0) return NULL;
  return wr_error_new(device.fail_status, "%s", device.fail_message);
}

/* Encoders. */

static void progress_drop_locked(struct progress *p) {
  if (p && --p->refs == 0) free(p);
}

static struct command *pop_locked(struct wr_encoder *e) {
  struct command *c = e->first;
  e->first = c->next;
  if (!e->first) e->last = &e->first;
  return c;
}

/* Ends the waits that are over at the head of the queue. */
static void pass_waits_locked(struct wr_encoder *e) {
  while (e->first && e->first->behind && e->first->behind->completed >= e->first->up_to) {
    struct command *c = pop_locked(e);
    progress_drop_locked(c->behind);
    command_free(c);
  }
}

static bool may_start_locked(struct wr_encoder *e) {
  pass_waits_locked(e);
  return e->first && !e->first->behind && device.held == 0 && e->allowed != 0;
}

/* Waits for the next command that may run; NULL when the encoder is closed and empty. Called under
   the lock. */
static struct command *next_command(struct wr_encoder *e) {
  while (!may_start_locked(e) && !(e->closed && !e->first)) {
    pthread_cond_wait(&device.changed, &device.lock);
  }
  if (!e->first) return NULL;
  struct command *c = pop_locked(e);
  if (e->allowed > 0) e->allowed--;
  if (!c->marker) c->failure = ordered_failure();
  device.completing++;
  return c;
}

static void command_complete(struct wr_encoder *e, struct command *c) {
  struct wr_error *error = c->failure;
  if (!error && !c->marker) error = command_run(e, c);
  lock();
  e->progress->completed++;
  pthread_cond_broadcast(&device.changed);
  device.stats.queued--;
  if (c->marker) {
    device.stats.markers++;
  } else {
    device.stats.commands++;
    device.stats.failed += error != NULL;
  }
  unlock();
  struct wr_completion_hook *hook = c->hook;
  command_free(c);
  hook->fn(hook, error);
}

static void *encoder_main(void *arg) {
  struct wr_encoder *e = arg;
  for (;;) {
    lock();
    struct command *c = next_command(e);
    unlock();
    if (!c) break;
    command_complete(e, c);
    lock();
    device.completing--;
    pthread_cond_broadcast(&device.changed);
    unlock();
  }
  wr_backend_cpu.encoder_free(e->cpu);
  lock();
  progress_drop_locked(e->progress);
  free(e);
  device.threads--;
  pthread_cond_broadcast(&device.changed);
  unlock();
  return NULL;
}

static bool start_thread(struct wr_encoder *e) {
  pthread_attr_t attributes;
  pthread_t thread;
  if (pthread_attr_init(&attributes) != 0) return false;
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  lock();
  bool started = pthread_create(&thread, &attributes, encoder_main, e) == 0;
  device.threads += started;
  device.stats.encoders += started;
  unlock();
  pthread_attr_destroy(&attributes);
  return started;
}

static struct wr_error *fake_encoder_new(int index, struct wr_encoder **out) {
  (void)index;
  struct wr_encoder *e = calloc(1, sizeof *e);
  if (!e) return wr_error_out_of_memory();
  e->last = &e->first;
  e->newest = &e->kept;
  e->allowed = -1;
  e->progress = calloc(1, sizeof *e->progress);
  struct wr_error *error =
      e->progress ? wr_backend_cpu.encoder_new(0, &e->cpu) : wr_error_out_of_memory();
  if (error) goto free_encoder;
  e->progress->refs = 1;
  if (!start_thread(e)) {
    error = wr_error_out_of_memory();
    goto free_cpu;
  }
  *out = e;
  return NULL;
free_cpu:
  wr_backend_cpu.encoder_free(e->cpu);
free_encoder:
  free(e->progress);
  free(e);
  return error;
}

/* Its thread ends on its own: the caller may be that very thread, in a hook. */
static void fake_encoder_free(struct wr_encoder *e) {
  lock();
  if (e->first || e->kept) device.stats.violations++;
  e->closed = true;
  device.stats.encoders--;
  pthread_cond_broadcast(&device.changed);
  unlock();
}

static bool fake_stop(uint64_t deadline_ns) {
  const uint64_t second = 1000000000u;
  struct timespec deadline = {(time_t)(deadline_ns / second), (long)(deadline_ns % second)};
  int late = 0;
  lock();
  while ((device.stats.queued > 0 || device.completing > 0) && !late) {
    late = pthread_cond_timedwait(&device.changed, &device.lock, &deadline);
  }
  unlock();
  return !late;
}

static void keep_locked(struct wr_encoder *e, struct command *c) {
  *e->newest = c;
  e->newest = &c->next;
}

static void keep(struct wr_encoder *e, struct command *c) {
  lock();
  keep_locked(e, c);
  e->encoded++;
  device.stats.queued++;
  unlock();
}

static void fake_flush(struct wr_encoder *e) {
  if (fake_device_on_flush) fake_device_on_flush();
  lock();
  if (e->kept) {
    *e->last = e->kept;
    e->last = e->newest;
    e->kept = NULL;
    e->newest = &e->kept;
    pthread_cond_broadcast(&device.changed);
  }
  unlock();
}

/* Both orders: what the last thread in encode did with the encoder happens before this one. */
static void enter_encode(struct wr_encoder *e) {
  if (wr_exchange_acq_rel(&e->in_encode, true)) count_violation();
}

static enum wr_encode_status submit(struct wr_encoder *e, struct command *c,
                                    struct wr_error **error) {
  if (!c) {
    *error = wr_error_out_of_memory();
    wr_store_release(&e->in_encode, false);
    return WR_ENCODE_DONE;
  }
  keep(e, c);
  wr_store_release(&e->in_encode, false);
  return WR_ENCODE_PENDING;
}

static enum wr_encode_status fake_encode(struct wr_encoder *e, const struct wr_call *call,
                                         struct wr_completion_hook *hook, struct wr_error **error) {
  enter_encode(e);
  return submit(e, command_of_call(call, hook), error);
}

static enum wr_encode_status fake_encode_group(struct wr_encoder *e, const struct wr_group *group,
                                               struct wr_completion_hook *hook,
                                               struct wr_error **error) {
  enter_encode(e);
  return submit(e, command_of_group(group, hook), error);
}

static enum wr_encode_status fake_encode_marker(struct wr_encoder *e,
                                                struct wr_completion_hook *hook,
                                                struct wr_error **error) {
  enter_encode(e);
  struct command *c = calloc(1, sizeof *c);
  if (c) {
    c->marker = true;
    c->hook = hook;
  }
  return submit(e, c, error);
}

static enum wr_encode_status fake_encode_few(struct wr_encoder *e, void *address, const void *from,
                                             void *to, size_t bytes,
                                             struct wr_completion_hook *hook,
                                             struct wr_error **error) {
  enter_encode(e);
  struct command *c = calloc(1, sizeof *c);
  if (c) {
    c->hook = hook;
    c->few = bytes;
    c->address = address;
    c->host = to;
    if (from) memcpy(c->bytes, from, bytes);
  }
  return submit(e, c, error);
}

static enum wr_encode_status fake_encode_upload(struct wr_encoder *e, void *address,
                                                const void *host, size_t bytes,
                                                struct wr_completion_hook *hook,
                                                struct wr_error **error) {
  return fake_encode_few(e, address, host, NULL, bytes, hook, error);
}

static enum wr_encode_status fake_encode_download(struct wr_encoder *e, void *host,
                                                  const void *address, size_t bytes,
                                                  struct wr_completion_hook *hook,
                                                  struct wr_error **error) {
  return fake_encode_few(e, (void *)(uintptr_t)address, NULL, host, bytes, hook, error);
}

static uint64_t fake_last_number(const struct wr_encoder *e) { return e->encoded; }

static bool fake_encode_wait(struct wr_encoder *e, struct wr_encoder *other, uint64_t number) {
  struct command *c = calloc(1, sizeof *c);
  if (!c) return false;
  fake_flush(other);
  c->up_to = number;
  lock();
  c->behind = other->progress;
  c->behind->refs++;
  keep_locked(e, c);
  unlock();
  return true;
}

/* Two devices that share one memory. */
static int fake_count(void) { return 2; }
static const char *fake_absent_reason(void) { return NULL; }

static bool fake_supports(enum wr_op op, enum wr_dtype dtype) {
  return wr_backend_cpu.supports(op, dtype);
}

static struct wr_async_device fake_async = {.flush = fake_flush, .stop = fake_stop};

static struct wr_backend fake_backend = {
    .name = "fake",
    .type = WR_DEVICE_GPU,
    .device_count = fake_count,
    .absent_reason = fake_absent_reason,
    .encoder_new = fake_encoder_new,
    .encoder_free = fake_encoder_free,
    .encode = fake_encode,
    .encode_marker = fake_encode_marker,
    .async = &fake_async,
    .memory = fake_memory,
    .read = fake_read,
    .write = fake_write,
    .supports = fake_supports,
};

/* What tests call. */

void fake_device_install(void) {
  if (!device.memory) device.memory = wr_memory_new(fake_memory_source());
  if (!device.memory) abort();
  if (!device.installed) wr_backend_register(&fake_backend);
  device.installed = true;
}

void fake_device_take_few_bytes(void) {
  fake_async.encode_upload = fake_encode_upload;
  fake_async.encode_download = fake_encode_download;
}

void fake_device_take_waits(void) {
  fake_async.last_number = fake_last_number;
  fake_async.encode_wait = fake_encode_wait;
}

void fake_device_allow(struct wr_encoder *e, int64_t commands) {
  lock();
  e->allowed = commands;
  pthread_cond_broadcast(&device.changed);
  unlock();
}

void fake_device_take_groups(void) { fake_backend.encode_group = fake_encode_group; }

int fake_device_shutdown(void) {
  wr_memory_clear_cache();
  lock();
  bool busy = device.stats.encoders > 0 || fake_memory_blocks() > 0;
  while (!busy && device.threads > 0) pthread_cond_wait(&device.changed, &device.lock);
  unlock();
  if (busy) return -1;
  if (device.memory) wr_memory_free(device.memory);
  device.memory = NULL;
  return 0;
}

void fake_device_hold(void) {
  lock();
  device.held++;
  unlock();
}

void fake_device_release(void) {
  lock();
  if (device.held > 0) device.held--;
  pthread_cond_broadcast(&device.changed);
  unlock();
}

void fake_device_fail_next(uint64_t n, enum weir_status status, const char *message) {
  lock();
  device.fail_in = n;
  device.fail_status = status;
  size_t length = strlen(message);
  if (length >= sizeof device.fail_message) length = sizeof device.fail_message - 1;
  memcpy(device.fail_message, message, length);
  device.fail_message[length] = '\0';
  unlock();
}

struct fake_device_stats fake_device_stats(void) {
  lock();
  struct fake_device_stats stats = device.stats;
  unlock();
  stats.blocks = fake_memory_blocks();
  stats.violations += fake_memory_violations();
  return stats;
}
