/* MPI as an engine: Open MPI's library, opened at run time, for processes that mpirun has started.
   Of its ABI no more is known here than handles that are pointers, and a few numbers.

   All calls that move data are made by one thread that may block, the driver: it begins the first
   job of each channel that has some, without blocking, looks whether they are over, and naps in
   between. Data go through memory of the driver's own, since what MPI has begun it may write to at
   any time: a job that is given up leaves that memory to it. Reductions are operations of Weir's
   (combine.c), so that all types and NaN are what they are elsewhere. Lock: EVENT, for the driver's
   list; held with no other. */

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/doing.h"
#include "base/fork.h"
#include "base/found.h"
#include "base/once.h"
#include "distributed/internal.h"
#include "stream/stream.h"

/* ---- Open MPI's ABI ---- */

typedef struct handle *mpi_comm, *mpi_type, *mpi_op, *mpi_request, *mpi_handler;
typedef void mpi_user(void *in, void *inout, int *n, mpi_type *type);

enum { THREAD_MULTIPLE = 3, ANY = -1, STRING_BYTES = 512 };

/* A status is opaque here, and smaller: Open MPI's is three words. */
struct mpi_status {
  uint64_t words[16];
};

#define FUNCTIONS(F)                                                                              \
  F(Get_library_version, (char *text, int *n))                                                    \
  F(Initialized, (int *yes))                                                                      \
  F(Finalized, (int *yes))                                                                        \
  F(Init_thread, (int *argc, char ***argv, int wanted, int *given))                               \
  F(Query_thread, (int *given))                                                                   \
  F(Finalize, (void))                                                                             \
  F(Comm_rank, (mpi_comm comm, int *rank))                                                        \
  F(Comm_size, (mpi_comm comm, int *size))                                                        \
  F(Comm_dup, (mpi_comm comm, mpi_comm * out))                                                    \
  F(Comm_split, (mpi_comm comm, int color, int key, mpi_comm *out))                               \
  F(Comm_set_errhandler, (mpi_comm comm, mpi_handler handler))                                    \
  F(Error_string, (int code, char *text, int *n))                                                 \
  F(Type_contiguous, (int n, mpi_type of, mpi_type *out))                                         \
  F(Type_commit, (mpi_type * type))                                                               \
  F(Op_create, (mpi_user * fn, int commutes, mpi_op *out))                                        \
  F(Iallreduce, (const void *in, void *out, int n, mpi_type type, mpi_op op, mpi_comm comm,       \
                 mpi_request *request))                                                           \
  F(Iallgather, (const void *in, int n, mpi_type type, void *out, int m, mpi_type out_type,       \
                 mpi_comm comm, mpi_request *request))                                            \
  F(Ireduce_scatter_block, (const void *in, void *out, int n, mpi_type type, mpi_op op,           \
                            mpi_comm comm, mpi_request *request))                                 \
  F(Isend,                                                                                        \
    (const void *in, int n, mpi_type type, int to, int tag, mpi_comm comm, mpi_request *request)) \
  F(Irecv,                                                                                        \
    (void *out, int n, mpi_type type, int from, int tag, mpi_comm comm, mpi_request *request))    \
  F(Iprobe, (int from, int tag, mpi_comm comm, int *there, void *status))                         \
  F(Get_count, (const void *status, mpi_type type, int *n))                                       \
  F(Request_free, (mpi_request * request))                                                        \
  F(Test, (mpi_request * request, int *over, void *status))

/* Written once, by the thread that opens it. */
static struct {
  struct wr_once opened, begun;
  bool usable;         /* immutable after opened: there is a library, and it is Open MPI's */
  bool ours;           /* immutable after begun: it was initialised here */
  uint32_t generation; /* of the process that did */
#define FUNCTION(name, parameters) int(*name) parameters;
  FUNCTIONS(FUNCTION)
#undef FUNCTION
  mpi_comm world;
  mpi_type byte;
  mpi_handler returns;
  mpi_type types[WR_DTYPE_COUNT]; /* immutable after begun, like all below */
  mpi_op ops[WR_ALL_MIN + 1];
} mpi;

static bool find_all(void *library) {
  bool all = true;
#define FUNCTION(name, parameters)                            \
  *(void **)(void *)&mpi.name = dlsym(library, "MPI_" #name); \
  all = all && mpi.name;
  FUNCTIONS(FUNCTION)
#undef FUNCTION
  mpi.world = dlsym(library, "ompi_mpi_comm_world");
  mpi.byte = dlsym(library, "ompi_mpi_byte");
  mpi.returns = dlsym(library, "ompi_mpi_errors_return");
  return all && mpi.world && mpi.byte && mpi.returns;
}

static bool is_open_mpi(void) {
  char text[8192] = ""; /* more than any version's text */
  int n = 0;
  return mpi.Get_library_version(text, &n) == 0 && strstr(text, "Open MPI");
}

static void *open_one_of(struct wr_refusal *why) {
  static const char *const names[] = {"libmpi.so.40", "libmpi.so"};
  const char *own = wr_env_text("MLX_MPI_LIBNAME");
  /* Its own parts look for its symbols among the program's. */
  if (own && *own) return wr_library_open(own, RTLD_NOW | RTLD_GLOBAL, why);
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    void *library = wr_library_open(names[i], RTLD_NOW | RTLD_GLOBAL, why);
    if (library || why->for_now) return library;
  }
  return NULL;
}

/* What is not found now for want of descriptors is looked for again. */
static bool open_library(void *unused) {
  struct wr_refusal why = {0};
  void *library = open_one_of(&why);
  (void)unused;
  if (!library && !why.for_now) wr_found_none("Open MPI", why.text);
  if (!library) return !why.for_now;
  mpi.usable = find_all(library) && is_open_mpi();
  if (!mpi.usable) wr_log_line("weir: the MPI library that was found is not Open MPI's");
  if (mpi.usable) wr_found_library("Open MPI", library, NULL);
  return true;
}

static bool mpi_available(void) {
  return wr_once_try(&mpi.opened, open_library, NULL) && mpi.usable;
}

static struct wr_error *mpi_error(const char *what, int code) {
  char text[STRING_BYTES] = "";
  int n = 0;
  if (mpi.Error_string(code, text, &n)) snprintf(text, sizeof text, "error %d", code);
  return wr_error_new(WEIR_ERROR_DEVICE, "[mpi] %s: %s", what, text);
}

/* ---- reductions ---- */

static enum wr_dtype dtype_of(mpi_type type) {
  int i = 0;
  while (i < WR_DTYPE_COUNT - 1 && mpi.types[i] != type) i++;
  return (enum wr_dtype)i;
}

/* MPI has no word for a failure here; the CPU fails for want of memory alone, and needs none for
   this. */
static void reduce(enum wr_collective what, void *in, void *inout, int n, mpi_type type) {
  wr_error_release(wr_combine(what, dtype_of(type), (size_t)n, in, inout, inout));
}
static void reduce_sum(void *in, void *inout, int *n, mpi_type *type) {
  reduce(WR_ALL_SUM, in, inout, *n, *type);
}
static void reduce_max(void *in, void *inout, int *n, mpi_type *type) {
  reduce(WR_ALL_MAX, in, inout, *n, *type);
}
static void reduce_min(void *in, void *inout, int *n, mpi_type *type) {
  reduce(WR_ALL_MIN, in, inout, *n, *type);
}

/* ---- groups ---- */

struct mpi_group {
  struct wr_comm group;
  mpi_comm comm;    /* for data */
  mpi_comm control; /* for word that the group is over, and for splits */
};

static struct mpi_group *mpi_of(struct wr_comm *group) {
  return WR_CONTAINER_OF(group, struct mpi_group, group);
}

enum { COLLECTIVES, PEERS }; /* channels: from PEERS on two for each rank, to it and from it */

/* Both are taken, and stay: to free one is a collective too. */
static struct wr_error *group_new(struct wr_comm **out, mpi_comm comm, mpi_comm control) {
  int rank = 0, size = 0;
  int code = mpi.Comm_rank(comm, &rank);
  if (!code) code = mpi.Comm_size(comm, &size);
  if (!code) code = mpi.Comm_set_errhandler(comm, mpi.returns);
  if (!code) code = mpi.Comm_set_errhandler(control, mpi.returns);
  if (code) return mpi_error("A group cannot be made", code);
  if (size == 1) return wr_comm_alone(out);
  struct mpi_group *made = wr_calloc(sizeof *made);
  if (!made) return wr_error_out_of_memory();
  made->comm = comm;
  made->control = control;
  if (!wr_comm_begin(&made->group, &wr_engine_mpi, rank, size, PEERS + 2 * size)) {
    wr_comm_clear(&made->group);
    wr_free(made);
    return wr_error_out_of_memory();
  }
  *out = &made->group;
  return NULL;
}

static void mpi_end(struct wr_comm *group) {
  wr_comm_clear(group);
  wr_free(mpi_of(group));
}

/* ---- the driver ---- */

/* A channel that has jobs; one of them is begun, unless `job` is NULL. */
struct active {
  struct active *next;
  struct wr_comm *group; /* the channel's reference */
  int channel;
  struct wr_job *job;
  mpi_request request;
  char *in, *out; /* of the job; MPI's while it is begun */
  uint64_t until; /* of wr_clock_ns */
  struct wr_doing *doing;
  char words[WR_JOB_WORDS];
};

static void drive(void *work);

static struct {
  struct wr_mutex lock;
  struct active *coming; /* under LOCK: what the driver has not seen yet */
  bool running;          /* under LOCK */
  bool broken;           /* under LOCK: something was given up, and MPI still has it */
  struct wr_blocking work;
  struct active *list; /* the driver only */
} driver = {.lock = WR_MUTEX_INIT(WR_RANK_EVENT), .work = {.run = drive}};

static void mark_broken(void) {
  wr_mutex_lock(&driver.lock);
  driver.broken = true;
  wr_mutex_unlock(&driver.lock);
}

static size_t bytes_in(const struct wr_job *job) {
  return job->what == WR_RECV ? 0 : job->count * wr_dtype_size(job->dtype);
}

static size_t bytes_out(const struct wr_job *job) {
  const size_t bytes = job->count * wr_dtype_size(job->dtype);
  switch (job->what) {
    case WR_SEND:
      return 0;
    case WR_ALL_GATHER:
      return bytes * (size_t)job->group->size;
    case WR_SUM_SCATTER:
      return bytes / (size_t)job->group->size;
    default:
      return bytes;
  }
}

/* MPI counts in int. */
static struct wr_error *begin_job(struct active *a) {
  const struct wr_job *job = a->job;
  mpi_comm comm = mpi_of(a->group)->comm;
  mpi_type type = mpi.types[job->dtype];
  if (job->count > INT32_MAX) {
    return wr_error_new(WEIR_ERROR_UNSUPPORTED, "[mpi] An array has more than 2147483647 elements");
  }
  a->in = wr_alloc(bytes_in(job) + 1);
  a->out = wr_alloc(bytes_out(job) + 1);
  if (!a->in || !a->out) return wr_error_out_of_memory();
  if (bytes_in(job) > 0) memcpy(a->in, job->in, bytes_in(job));
  const int n = (int)job->count;
  int code;
  switch (job->what) {
    case WR_SEND:
      code = mpi.Isend(a->in, n, type, job->peer, 0, comm, &a->request);
      break;
    case WR_RECV:
      code = mpi.Irecv(a->out, n, type, job->peer, 0, comm, &a->request);
      break;
    case WR_ALL_GATHER:
      code = mpi.Iallgather(a->in, n, type, a->out, n, type, comm, &a->request);
      break;
    case WR_SUM_SCATTER:
      code = mpi.Ireduce_scatter_block(a->in, a->out, n / a->group->size, type, mpi.ops[WR_ALL_SUM],
                                       comm, &a->request);
      break;
    default:
      code = mpi.Iallreduce(a->in, a->out, n, type, mpi.ops[job->what], comm, &a->request);
  }
  return code ? mpi_error(wr_collective_names[job->what], code) : NULL;
}

/* What MPI may still write to stays. */
static void end_job(struct active *a, struct wr_error *error, bool given_up) {
  struct wr_job *job = a->job;
  if (!error && job->what == WR_SEND && bytes_in(job) > 0) memcpy(job->out, a->in, bytes_in(job));
  if (!error && bytes_out(job) > 0) memcpy(job->out, a->out, bytes_out(job));
  if (given_up) {
    mark_broken();
  } else {
    wr_free(a->in);
    wr_free(a->out);
  }
  a->in = NULL;
  a->out = NULL;
  a->job = NULL;
  wr_doing_end(a->doing);
  wr_job_end(job, error);
}

/* Another process may have sent word that the group is over. */
static void listen_for_end(struct wr_comm *group) {
  int there = 0;
  if (mpi.Iprobe(ANY, ANY, mpi_of(group)->control, &there, NULL) || !there) return;
  wr_comm_fail(group, wr_error_new(WEIR_ERROR_DEVICE,
                                   "[mpi] The group is over, as another process has said"));
}

static struct wr_error *late(const struct active *a) {
  return wr_error_new(WEIR_ERROR_TIMEOUT,
                      "[mpi] It is not over after %g s (WEIR_DISTRIBUTED_TIMEOUT)",
                      (double)a->group->limit_ns * 1e-9);
}

/* MPI takes what is shorter than it may be, and would leave the rest as it was. */
static struct wr_error *check_received(const struct wr_job *job, const struct mpi_status *status) {
  int n = 0;
  if (job->what != WR_RECV) return NULL;
  const int code = mpi.Get_count(status, mpi.types[job->dtype], &n);
  if (code) return mpi_error("recv", code);
  if (n >= 0 && (size_t)n == job->count) return NULL;
  return wr_error_new(WEIR_ERROR_STATE, "[mpi] What rank %d has sent is not %zu elements of %s",
                      job->peer, job->count, wr_dtype_name(job->dtype));
}

/* Whether it has come to an end. */
static bool look_at(struct active *a) {
  int over = 0;
  struct mpi_status status = {{0}};
  const int code = mpi.Test(&a->request, &over, &status);
  struct wr_error *error = code ? mpi_error(wr_collective_names[a->job->what], code) : NULL;
  if (!error && over) {
    error = check_received(a->job, &status);
    if (error) wr_comm_fail(a->group, wr_error_retain(error));
    end_job(a, error, false);
    return true;
  }
  if (!error) {
    listen_for_end(a->group);
    error = wr_comm_failure(a->group);
  }
  if (!error && wr_clock_ns() >= a->until) error = late(a);
  if (!error) return false;
  wr_comm_fail(a->group, error);
  end_job(a, wr_comm_failure(a->group), true);
  return true;
}

/* Takes the next job; false when the channel has none. */
static bool next_job(struct active *a) {
  a->job = wr_channel_take(a->group, a->channel);
  if (!a->job) return false;
  wr_job_words(a->job, false, a->words);
  a->doing = wr_doing_begin(WR_DOING_COLLECTIVE, a->job, NULL, a->words);
  const uint64_t limit = a->group->limit_ns;
  a->until = limit ? wr_clock_ns() + limit : UINT64_MAX;
  struct wr_error *error = wr_comm_failure(a->group);
  if (!error) {
    error = a->job->why ? wr_error_retain(a->job->why) : begin_job(a);
    if (error) wr_comm_fail(a->group, wr_error_retain(error));
  }
  if (error) end_job(a, error, false);
  return true;
}

/* All that can be done for a channel without a wait; false when it has no more. */
static bool advance(struct active *a, bool *any) {
  while (!a->job || look_at(a)) {
    *any = true;
    if (!next_job(a)) return false;
  }
  return true;
}

static bool take_coming(void) {
  wr_mutex_lock(&driver.lock);
  struct active *coming = driver.coming;
  driver.coming = NULL;
  driver.running = coming || driver.list;
  const bool go_on = driver.running;
  wr_mutex_unlock(&driver.lock);
  while (coming) {
    struct active *a = coming;
    coming = a->next;
    a->next = driver.list;
    driver.list = a;
  }
  return go_on;
}

static bool one_turn(void) {
  bool any = false;
  for (struct active **place = &driver.list; *place;) {
    struct active *a = *place;
    if (advance(a, &any)) {
      place = &a->next;
      continue;
    }
    *place = a->next;
    wr_comm_release(a->group);
    wr_free(a);
  }
  return any;
}

/* MPI moves data when it is asked; the longer nothing has happened, the less often it is. */
static void drive(void *work) {
  uint64_t nap = 0;
  (void)work;
  wr_blocking_waits(true);
  while (take_coming()) {
    nap = one_turn() ? 0 : nap < 200000 ? nap + 2000 : nap;
    if (nap > 40000) wr_nap(nap);
  }
  wr_blocking_waits(false);
}

/* Nothing will be done; only what is told to others. */
static void refuse_channel(struct wr_comm *group, int channel, struct wr_error *error) {
  struct wr_job *job;
  wr_comm_fail(group, error);
  while ((job = wr_channel_take(group, channel)) != NULL) {
    wr_job_end(job, wr_comm_failure(group));
  }
  wr_comm_release(group);
}

static void mpi_run(struct wr_comm *group, int channel) {
  struct active *a = wr_calloc(sizeof *a);
  if (!a) {
    refuse_channel(group, channel, wr_error_out_of_memory());
    return;
  }
  a->group = group;
  a->channel = channel;
  wr_mutex_lock(&driver.lock);
  a->next = driver.coming;
  driver.coming = a;
  const bool start = !driver.running;
  driver.running = true;
  wr_mutex_unlock(&driver.lock);
  if (!start) return;
  struct wr_error *error = wr_blocking_submit(&driver.work);
  if (!error) return;
  wr_mutex_lock(&driver.lock);
  struct active *list = driver.coming;
  driver.coming = NULL;
  driver.running = false;
  wr_mutex_unlock(&driver.lock);
  while (list) {
    a = list;
    list = a->next;
    refuse_channel(a->group, a->channel, wr_error_retain(error));
    wr_free(a);
  }
  wr_error_release(error);
}

/* Word to all others, once for each failure here; who has heard it says it again, which nobody
   needs. */
static void mpi_fail(struct wr_comm *group) {
  static char word;
  mpi_request request;
  mark_broken();
  for (int i = 0; i < group->size; i++) {
    if (i == group->rank) continue;
    if (!mpi.Isend(&word, 1, mpi.byte, i, 0, mpi_of(group)->control, &request)) {
      (void)mpi.Request_free(&request);
    }
  }
}

static struct wr_error *mpi_channel(const struct wr_comm *group, enum wr_collective what, int peer,
                                    int *channel) {
  (void)group;
  *channel = COLLECTIVES;
  if (what == WR_SEND) *channel = PEERS + 2 * peer;
  if (what == WR_RECV) *channel = PEERS + 2 * peer + 1;
  return NULL;
}

/* ---- begin and end of MPI ---- */

/* In a child nothing of it is there. */
static void forget_in_child(void) {
  driver.coming = NULL;
  driver.list = NULL;
  driver.running = false;
}

WR_AT_FORK(.rank = WR_RANK_EVENT, .lock = &driver.lock, .child = forget_in_child)

/* As the process ends: mpirun takes one that ends without this for one that has failed. Where
   something is under way, or was given up, that is so. */
static void finalize(void) {
  int over = 1;
  if (mpi.generation != wr_fork_generation || mpi.Finalized(&over) || over) return;
  wr_mutex_lock(&driver.lock);
  const bool idle = !driver.running && !driver.broken;
  wr_mutex_unlock(&driver.lock);
  if (idle) (void)mpi.Finalize();
}

static struct wr_error *initialize(void) {
  int yes = 0, given = 0;
  int code = mpi.Initialized(&yes);
  if (!code && !yes) {
    code = mpi.Init_thread(NULL, NULL, THREAD_MULTIPLE, &given);
    mpi.ours = code == 0;
  } else if (!code) {
    code = mpi.Query_thread(&given);
  }
  if (code) return mpi_error("MPI cannot be initialised", code);
  mpi.generation = wr_fork_generation;
  if (mpi.ours && atexit(finalize)) return wr_error_out_of_memory();
  if (given == THREAD_MULTIPLE) return NULL;
  return wr_error_new(WEIR_ERROR_UNSUPPORTED,
                      "[mpi] MPI was initialised without MPI_THREAD_MULTIPLE, which a program with "
                      "streams needs");
}

static struct wr_error *make_types(void) {
  static mpi_user *const reductions[] = {
      [WR_ALL_SUM] = reduce_sum, [WR_ALL_MAX] = reduce_max, [WR_ALL_MIN] = reduce_min};
  int code = 0;
  for (int i = 0; i < WR_DTYPE_COUNT && !code; i++) {
    code = mpi.Type_contiguous((int)wr_dtype_size((enum wr_dtype)i), mpi.byte, &mpi.types[i]);
    if (!code) code = mpi.Type_commit(&mpi.types[i]);
  }
  for (int i = 0; i <= WR_ALL_MIN && !code; i++) {
    code = mpi.Op_create(reductions[i], 1, &mpi.ops[i]);
  }
  return code ? mpi_error("A type cannot be made", code) : NULL;
}

/* True: done once. *arg: the error of this attempt. */
static bool begin(void *arg) {
  struct wr_error **error = arg;
  *error = initialize();
  if (!*error) *error = make_types();
  return !*error;
}

static struct wr_error *duplicate(mpi_comm comm, mpi_comm *data, mpi_comm *control) {
  int code = mpi.Comm_dup(comm, data);
  if (!code) code = mpi.Comm_dup(comm, control);
  return code ? mpi_error("A group cannot be made", code) : NULL;
}

/* A process that mpirun has not started is a group of its own, which needs no MPI. */
static bool is_launched(void) {
  int yes = 0;
  return wr_env_text("OMPI_COMM_WORLD_SIZE") || wr_env_text("PMIX_RANK") ||
         (!mpi.Initialized(&yes) && yes);
}

static struct wr_error *mpi_init(struct wr_comm **out, bool strict) {
  struct wr_error *error = NULL;
  mpi_comm data, control;
  *out = NULL;
  if (!is_launched()) return strict ? wr_comm_alone(out) : NULL;
  (void)wr_once_try(&mpi.begun, begin, &error);
  if (!error && mpi.generation != wr_fork_generation) {
    error =
        wr_error_new(WEIR_ERROR_STATE, "[mpi] MPI is of the process that this one was forked from");
  }
  if (!error) error = duplicate(mpi.world, &data, &control);
  if (!error) error = group_new(out, data, control);
  return error;
}

/* All of them come here first, in the order of the group's collectives; then none is waited for in
   vain. */
static struct wr_error *mpi_split(struct wr_comm **out, struct wr_comm *group, int color, int key) {
  const char mine = 0;
  mpi_comm part, data, control;
  char *all = wr_alloc((size_t)group->size);
  if (!all) return wr_error_out_of_memory();
  struct wr_error *error = wr_gather_bytes(group, &mine, 1, all);
  wr_free(all);
  if (error) return error;
  int code = mpi.Comm_split(mpi_of(group)->control, color & INT32_MAX, key, &part);
  if (code) return mpi_error("MPI could not split this group", code);
  error = duplicate(part, &data, &control);
  return error ? error : group_new(out, data, control);
}

const struct wr_engine wr_engine_mpi = {WR_ENGINE(mpi)};
