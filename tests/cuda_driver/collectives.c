/* The stand-in for NCCL: collectives, sends and receives between processes of this machine, through
   memory that they share, named by the id. What it is asked for runs in the order of a stream of
   the stand-in driver's, and ends without a result once the communicator is aborted; a process that
   is gone is waited for, as NCCL does. A call begins what has settled at the second look. It is as
   hard to end as the real one (slow.h). Any thread; one at a time for a communicator. */

#include <dlfcn.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "backend/cuda/driver/library.h"
#include "slow.h"
#include "stand_in.h"

#define WR_FUNCTION(name, symbol, params) \
  __attribute__((visibility("default"))) int stand_in_##name params __asm__(symbol);
#include "backend/cuda/driver/nccl.def"
#undef WR_FUNCTION

enum { RANKS = 8, SLOT = 1 << 16, SYSTEM_ERROR = 2, INVALID_ARGUMENT = 4 };

enum call {
#define WR_FUNCTION(name, symbol, params) CALL_##name,
#include "backend/cuda/driver/nccl.def"
#undef WR_FUNCTION
  CALLS
};

static const char *const symbols[CALLS] = {
#define WR_FUNCTION(name, symbol, params) [CALL_##name] = symbol,
#include "backend/cuda/driver/nccl.def"
#undef WR_FUNCTION
};

/* Between processes; each number is written by one of them. Atomic ACQ_REL. */
struct shared {
  wr_atomic_u32 joined;
  wr_atomic_u64 wrote[RANKS], read[RANKS]; /* pieces of collectives */
  wr_atomic_u64 sent[RANKS][RANKS], taken[RANKS][RANKS];
  char slots[RANKS][SLOT];
  char boxes[RANKS][RANKS][SLOT]; /* by sender and receiver */
};

struct wr_nccl_comm_object {
  struct shared *shared;
  int rank, size;
  wr_atomic_bool aborted; /* atomic ACQ_REL, as all below */
  wr_atomic_u32 running;  /* exchanges that are not over */
  wr_atomic_u32 looks;    /* until what was begun has settled */
  uint64_t pieces;        /* by the stream alone */
  char name[64];
  char sum[SLOT]; /* by the stream alone */
};

/* ---- orders ---- */

static struct {
  wr_atomic_u64 left[CALLS]; /* relaxed, all of them: numbers by themselves */
  wr_atomic_u32 result[CALLS];
  wr_atomic_u32 async_error;
  wr_atomic_u64 alive;
} orders;

static void order_fail(const char *symbol, uint64_t n, int result) {
  for (int i = 0; i < CALLS; i++) {
    if (strcmp(symbols[i], symbol) != 0) continue;
    wr_store_relaxed(&orders.result[i], (uint32_t)result);
    wr_store_relaxed(&orders.left[i], n);
  }
}

static void order_async_error(int result) {
  wr_store_relaxed(&orders.async_error, (uint32_t)result);
}

static uint64_t count_alive(void) { return wr_load_relaxed(&orders.alive); }

__attribute__((visibility("default"))) extern const struct stand_in_nccl weir_stand_in_nccl;
const struct stand_in_nccl weir_stand_in_nccl = {
    .fail = order_fail, .async_error = order_async_error, .alive = count_alive};

static wr_atomic_u32 made; /* atomic RELAXED: a number by itself */

static void name_of(unsigned i, char *name, size_t n) {
  snprintf(name, n, "/weir-nccl-%ld-%u", (long)getpid(), i);
}

/* Names that nobody came to, too. */
static void unload_all(void) {
  char name[64];
  for (unsigned i = 0; i < wr_load_relaxed(&made); i++) {
    name_of(i, name, sizeof name);
    (void)shm_unlink(name);
  }
  slow_end(NULL);
}

__attribute__((constructor)) static void load(void) { slow_open(NULL); }
__attribute__((destructor)) static void unload(void) { unload_all(); }

/* The result that was ordered, or 0. */
static int begin_call(enum call call) {
  slow_enter();
  const uint64_t left = wr_load_relaxed(&orders.left[call]);
  if (left) wr_store_relaxed(&orders.left[call], left - 1);
  return left == 1 ? (int)wr_load_relaxed(&orders.result[call]) : 0;
}

static int end_call(int result) {
  slow_leave();
  return result;
}

static const struct stand_in *driver(void) {
  static const struct stand_in *found;
  if (!found) {
    void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    found = library ? dlsym(library, STAND_IN_SYMBOL) : NULL;
    if (!found) slow_misuse("NCCL without its driver");
  }
  return found;
}

/* ---- life ---- */

int stand_in_id_get(struct wr_nccl_id *id) {
  int result = begin_call(CALL_id_get);
  if (result) return end_call(result);
  memset(id->bytes, 0, sizeof id->bytes);
  name_of((unsigned)wr_fetch_add_relaxed(&made, 1u), id->bytes, sizeof id->bytes);
  const int fd = shm_open(id->bytes, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0 || ftruncate(fd, (off_t)sizeof(struct shared))) result = SYSTEM_ERROR;
  if (fd >= 0) close(fd);
  slow_first_call();
  return end_call(result);
}

static struct shared *map(const char *name) {
  const int fd = shm_open(name, O_RDWR | O_CLOEXEC, 0);
  if (fd < 0) return NULL;
  void *at = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  return at == MAP_FAILED ? NULL : at;
}

int stand_in_comm_new(wr_nccl_comm *out, int size, struct wr_nccl_id id, int rank,
                      struct wr_nccl_config *config) {
  const int result = begin_call(CALL_comm_new);
  if (result) return end_call(result);
  if (config->size != WR_NCCL_CONFIG_BYTES || config->magic != WR_NCCL_CONFIG_MAGIC ||
      config->blocking != 0 || size > RANKS || rank < 0 || rank >= size) {
    return end_call(INVALID_ARGUMENT);
  }
  struct wr_nccl_comm_object *c = calloc(1, sizeof *c);
  if (c) c->shared = map(id.bytes);
  if (!c || !c->shared) {
    free(c);
    return end_call(SYSTEM_ERROR);
  }
  c->rank = rank;
  c->size = size;
  memcpy(c->name, id.bytes, sizeof c->name - 1);
  wr_fetch_add_relaxed(&orders.alive, 1u);
  if (wr_fetch_add_acq_rel(&c->shared->joined, 1u) + 1 == (uint32_t)size) (void)shm_unlink(c->name);
  *out = c;
  return end_call(WR_NCCL_IN_PROGRESS);
}

static void free_it(wr_nccl_comm c) {
  const struct timespec time = {.tv_nsec = 50000};
  wr_store_release(&c->aborted, true);
  while (wr_load_acquire(&c->running)) nanosleep(&time, NULL);
  if (wr_load_acquire(&c->shared->joined) < (uint32_t)c->size) (void)shm_unlink(c->name);
  munmap(c->shared, sizeof *c->shared);
  free(c);
  wr_fetch_sub_relaxed(&orders.alive, 1u);
}

int stand_in_comm_finalize(wr_nccl_comm c) {
  const int result = begin_call(CALL_comm_finalize);
  return end_call(result ? result : wr_load_acquire(&c->running) ? WR_NCCL_IN_PROGRESS : 0);
}

int stand_in_comm_free(wr_nccl_comm c) {
  const int result = begin_call(CALL_comm_free);
  if (!result) free_it(c);
  return end_call(result);
}

int stand_in_comm_abort(wr_nccl_comm c) {
  const int result = begin_call(CALL_comm_abort);
  free_it(c);
  return end_call(result);
}

int stand_in_comm_error(wr_nccl_comm c, int *state) {
  const int result = begin_call(CALL_comm_error);
  const uint32_t looks = wr_load_acquire(&c->looks);
  *state = (int)wr_load_relaxed(&orders.async_error);
  if (!*state && wr_load_acquire(&c->shared->joined) < (uint32_t)c->size) {
    *state = WR_NCCL_IN_PROGRESS;
  } else if (!*state && looks) {
    wr_store_release(&c->looks, looks - 1);
    *state = WR_NCCL_IN_PROGRESS;
  }
  return end_call(result);
}

/* ---- elements ---- */

static size_t size_of(int type) {
  static const size_t sizes[] = {1, 1, 4, 4, 8, 8, 2, 4, 8, 2};
  return sizes[type];
}

#define COMBINE(name, T)                                           \
  static void name(void *to, const void *from, size_t n, int op) { \
    T *a = to;                                                     \
    const T *b = from;                                             \
    for (size_t i = 0; i < n; i++) {                               \
      if (op == WR_NCCL_SUM) a[i] = (T)(a[i] + b[i]);              \
      if (op == WR_NCCL_MAX && b[i] > a[i]) a[i] = b[i];           \
      if (op == WR_NCCL_MIN && b[i] < a[i]) a[i] = b[i];           \
    }                                                              \
  }
COMBINE(combine_i8, int8_t)
COMBINE(combine_u8, uint8_t)
COMBINE(combine_i32, int32_t)
COMBINE(combine_u32, uint32_t)
COMBINE(combine_i64, int64_t)
COMBINE(combine_u64, uint64_t)
COMBINE(combine_f32, float)
COMBINE(combine_f64, double)

/* Numbers of 16 bits that are 0 or normal, and stay so; `shift` bits of float32's are not there,
   and the exponent begins at `bias`. */
static float widened(uint16_t half, int shift, uint32_t bias) {
  const uint32_t magnitude = half & 0x7fffu, sign = (uint32_t)(half & 0x8000u) << 16;
  const uint32_t bits = sign | (magnitude ? (magnitude << shift) + (bias << 23) : 0);
  float wide;
  memcpy(&wide, &bits, sizeof wide);
  return wide;
}

static uint16_t narrowed(float wide, int shift, uint32_t bias) {
  uint32_t bits;
  memcpy(&bits, &wide, sizeof bits);
  const uint32_t magnitude = bits & 0x7fffffffu;
  return (uint16_t)((bits >> 16 & 0x8000u) | (magnitude ? (magnitude - (bias << 23)) >> shift : 0));
}

static void combine_halves(void *to, const void *from, size_t n, int op, int shift, uint32_t bias) {
  uint16_t *a = to;
  const uint16_t *b = from;
  for (size_t i = 0; i < n; i++) {
    float x = widened(a[i], shift, bias);
    const float y = widened(b[i], shift, bias);
    combine_f32(&x, &y, 1, op);
    a[i] = narrowed(x, shift, bias);
  }
}

static void combine_f16(void *to, const void *from, size_t n, int op) {
  combine_halves(to, from, n, op, 13, 112);
}

static void combine_bf16(void *to, const void *from, size_t n, int op) {
  combine_halves(to, from, n, op, 16, 0);
}

static void combine(int type, int op, void *to, const void *from, size_t n) {
  static void (*const all[])(void *, const void *, size_t, int) = {
      [WR_NCCL_INT8] = combine_i8,    [WR_NCCL_UINT8] = combine_u8,  [WR_NCCL_INT32] = combine_i32,
      [WR_NCCL_UINT32] = combine_u32, [WR_NCCL_INT64] = combine_i64, [WR_NCCL_UINT64] = combine_u64,
      [WR_NCCL_F16] = combine_f16,    [WR_NCCL_F32] = combine_f32,   [WR_NCCL_F64] = combine_f64,
      [WR_NCCL_BF16] = combine_bf16};
  all[type](to, from, n, op);
}

/* ---- exchanges ---- */

enum what { REDUCES, GATHERS, SCATTERS, SENDS, RECEIVES };

struct exchange {
  wr_nccl_comm comm;
  enum what what;
  const char *in;
  char *out;
  size_t bytes; /* of the input; of RECEIVES of the output */
  int type, op, peer;
};

/* False: aborted. */
static bool becomes(wr_nccl_comm c, wr_atomic_u64 *number, uint64_t least) {
  for (unsigned looks = 0; wr_load_acquire(number) < least; looks++) {
    const struct timespec time = {.tv_nsec = 20000};
    if (wr_load_acquire(&c->aborted)) return false;
    if (looks < 100) {
      sched_yield();
    } else {
      nanosleep(&time, NULL);
    }
  }
  return true;
}

static bool all_become(wr_nccl_comm c, wr_atomic_u64 *numbers, uint64_t least) {
  for (int i = 0; i < c->size; i++) {
    if (!becomes(c, &numbers[i], least)) return false;
  }
  return true;
}

/* The part of [at, at + n) of the whole that stands at `from` and lies in this process's part. */
static void put_part(const struct exchange *x, size_t at, size_t n, const char *from) {
  const size_t part = x->bytes / (size_t)x->comm->size, begin = part * (size_t)x->comm->rank;
  for (size_t i = 0; i < n; i++) {
    if (at + i >= begin && at + i < begin + part) x->out[at + i - begin] = from[i];
  }
}

static void take_piece(const struct exchange *x, size_t at, size_t n) {
  struct shared *s = x->comm->shared;
  char *sum = x->comm->sum;
  for (int i = 0; i < x->comm->size; i++) {
    if (x->what == GATHERS) memcpy(x->out + (size_t)i * x->bytes + at, s->slots[i], n);
    if (x->what == GATHERS) continue;
    if (i == 0) {
      memcpy(sum, s->slots[0], n);
    } else {
      combine(x->type, x->op, sum, s->slots[i], n / size_of(x->type));
    }
  }
  if (x->what == REDUCES) memcpy(x->out + at, sum, n);
  if (x->what == SCATTERS) put_part(x, at, n, sum);
}

static void collect(const struct exchange *x) {
  wr_nccl_comm c = x->comm;
  struct shared *s = c->shared;
  for (size_t at = 0; at < x->bytes; at += SLOT) {
    const size_t n = x->bytes - at < SLOT ? x->bytes - at : SLOT;
    const uint64_t piece = ++c->pieces;
    if (!all_become(c, s->read, piece - 1)) return;
    memcpy(s->slots[c->rank], x->in + at, n);
    wr_store_release(&s->wrote[c->rank], piece);
    if (!all_become(c, s->wrote, piece)) return;
    take_piece(x, at, n);
    wr_store_release(&s->read[c->rank], piece);
  }
}

/* A send waits until it has been received, as a large one of NCCL's does. */
static void send_it(const struct exchange *x) {
  wr_nccl_comm c = x->comm;
  wr_atomic_u64 *sent = &c->shared->sent[c->rank][x->peer];
  wr_atomic_u64 *taken = &c->shared->taken[c->rank][x->peer];
  for (size_t at = 0; at < x->bytes; at += SLOT) {
    const size_t n = x->bytes - at < SLOT ? x->bytes - at : SLOT;
    const uint64_t piece = wr_load_acquire(sent) + 1;
    memcpy(c->shared->boxes[c->rank][x->peer], x->in + at, n);
    wr_store_release(sent, piece);
    if (!becomes(c, taken, piece)) return;
  }
}

static void receive(const struct exchange *x) {
  wr_nccl_comm c = x->comm;
  wr_atomic_u64 *sent = &c->shared->sent[x->peer][c->rank];
  wr_atomic_u64 *taken = &c->shared->taken[x->peer][c->rank];
  for (size_t at = 0; at < x->bytes; at += SLOT) {
    const size_t n = x->bytes - at < SLOT ? x->bytes - at : SLOT;
    const uint64_t piece = wr_load_acquire(taken) + 1;
    if (!becomes(c, sent, piece)) return;
    memcpy(x->out + at, c->shared->boxes[x->peer][c->rank], n);
    wr_store_release(taken, piece);
  }
}

static void run(void *arg) {
  struct exchange *x = arg;
  const int size = x->what == GATHERS ? x->comm->size : 1;
  const size_t out =
      x->what == SCATTERS ? x->bytes / (size_t)x->comm->size : x->bytes * (size_t)size;
  if (x->in) x->in = driver()->bytes((uint64_t)(uintptr_t)x->in, x->bytes);
  if (x->out) x->out = driver()->bytes((uint64_t)(uintptr_t)x->out, out);
  if (x->what == SENDS) {
    send_it(x);
  } else if (x->what == RECEIVES) {
    receive(x);
  } else {
    collect(x);
  }
  wr_fetch_sub_acq_rel(&x->comm->running, 1u);
  free(x);
}

static int queue(enum call call, const struct exchange *like, wr_cu_stream stream) {
  wr_nccl_comm c = like->comm;
  const int result = begin_call(call);
  if (result) return end_call(result);
  if (wr_load_acquire(&c->looks) || wr_load_acquire(&c->shared->joined) < (uint32_t)c->size) {
    slow_misuse("a call for a communicator that has not settled");
  }
  struct exchange *x = malloc(sizeof *x);
  if (!x) return end_call(SYSTEM_ERROR);
  *x = *like;
  wr_fetch_add_acq_rel(&c->running, 1u);
  wr_store_release(&c->looks, 1u);
  driver()->run(stream, run, x);
  return end_call(WR_NCCL_IN_PROGRESS);
}

int stand_in_all_reduce(const void *in, void *out, size_t count, int type, int op,
                        wr_nccl_comm comm, wr_cu_stream stream) {
  const struct exchange x = {.comm = comm,
                             .what = REDUCES,
                             .in = in,
                             .out = out,
                             .bytes = count * size_of(type),
                             .type = type,
                             .op = op};
  return queue(CALL_all_reduce, &x, stream);
}

int stand_in_all_gather(const void *in, void *out, size_t count, int type, wr_nccl_comm comm,
                        wr_cu_stream stream) {
  const struct exchange x = {
      .comm = comm, .what = GATHERS, .in = in, .out = out, .bytes = count * size_of(type)};
  return queue(CALL_all_gather, &x, stream);
}

int stand_in_reduce_scatter(const void *in, void *out, size_t count, int type, int op,
                            wr_nccl_comm comm, wr_cu_stream stream) {
  const struct exchange x = {.comm = comm,
                             .what = SCATTERS,
                             .in = in,
                             .out = out,
                             .bytes = count * size_of(type) * (size_t)comm->size,
                             .type = type,
                             .op = op};
  return queue(CALL_reduce_scatter, &x, stream);
}

int stand_in_send(const void *in, size_t count, int type, int to, wr_nccl_comm comm,
                  wr_cu_stream stream) {
  const struct exchange x = {
      .comm = comm, .what = SENDS, .in = in, .bytes = count * size_of(type), .peer = to};
  return queue(CALL_send, &x, stream);
}

int stand_in_recv(void *out, size_t count, int type, int from, wr_nccl_comm comm,
                  wr_cu_stream stream) {
  const struct exchange x = {
      .comm = comm, .what = RECEIVES, .out = out, .bytes = count * size_of(type), .peer = from};
  return queue(CALL_recv, &x, stream);
}
