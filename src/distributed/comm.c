/* Groups: which there are, and how they end. The first group of each engine is kept for the life of
   the process, as programs expect that ask for it again and again. In the child of a fork no group
   of the parent's works, since the other processes know the parent. Lock: EVENT, for the kept
   groups; an engine is asked for its group without it, by one thread at a time. */

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/fork.h"
#include "base/once.h"
#include "distributed/internal.h"
#include "stream/stream.h"

/* In the order in which "any" asks. */
enum { NCCL, RING, MPI, ENGINES, ANY = ENGINES, NAMES };

static const struct wr_engine *const engines[ENGINES] = {
    [NCCL] = &wr_engine_nccl, [RING] = &wr_engine_ring, [MPI] = &wr_engine_mpi};

/* Names of MLX's that have no engine here. */
static const char *const others[] = {"jaccl"};

static struct {
  struct wr_mutex lock;
  struct wr_comm *kept[NAMES]; /* under LOCK; references; NULL: not made yet */
} groups = {.lock = WR_MUTEX_INIT(WR_RANK_EVENT)};

static const uint64_t limit_ms = 300000;

/* ---- one group ---- */

bool wr_comm_begin(struct wr_comm *group, const struct wr_engine *engine, int rank, int size,
                   int n_channels) {
  *group = (struct wr_comm){.engine = engine,
                            .rank = rank,
                            .size = size,
                            .generation = wr_fork_generation,
                            .limit_ns = wr_comm_limit(),
                            .n_channels = n_channels};
  wr_store_relaxed(&group->refs, 1u); /* relaxed: not yet shared */
  wr_mutex_init(&group->lock, WR_RANK_EVENT);
  if (n_channels == 0) return true;
  group->channels = wr_calloc((size_t)n_channels * sizeof *group->channels);
  return group->channels != NULL;
}

void wr_comm_clear(struct wr_comm *group) {
  wr_free(group->channels);
  wr_mutex_destroy(&group->lock);
  wr_error_release(wr_load_relaxed(&group->failure)); /* relaxed: the same */
}

static void end_alone(struct wr_comm *group) {
  wr_comm_clear(group);
  wr_free(group);
}

struct wr_comm *wr_comm_retain(struct wr_comm *group) {
  wr_ref_take(&group->refs);
  return group;
}

void wr_comm_release(struct wr_comm *group) {
  if (!group || !wr_ref_drop(&group->refs)) return;
  (group->engine ? group->engine->end : end_alone)(group);
}

int wr_comm_rank(const struct wr_comm *group) { return group->rank; }
int wr_comm_size(const struct wr_comm *group) { return group->size; }

/* In the child of a fork the connections are the parent's, or nobody's. */
void wr_comm_fail(struct wr_comm *group, struct wr_error *error) {
  if (group->generation != wr_fork_generation) {
    wr_error_release(error);
    return;
  }
  wr_error_keep_first(&group->failure, error);
  group->engine->fail(group);
}

struct wr_error *wr_comm_failure(struct wr_comm *group) {
  if (group->generation != wr_fork_generation) {
    return wr_error_new(WEIR_ERROR_STATE,
                        "[distributed] the group is of the process that this one was forked from");
  }
  struct wr_error *error = wr_load_acquire(&group->failure); /* acquire: the error itself */
  return error ? wr_error_retain(error) : NULL;
}

struct wr_error *wr_comm_alone(struct wr_comm **out) {
  struct wr_comm *group = wr_alloc(sizeof *group);
  if (!group) return wr_error_out_of_memory();
  (void)wr_comm_begin(group, NULL, 0, 1, 0);
  *out = group;
  return NULL;
}

/* Read when a group is made, so that a program may set it. */
uint64_t wr_comm_limit(void) {
  return wr_env_number("WEIR_DISTRIBUTED_TIMEOUT", INT64_MAX / 1000000, limit_ms) * 1000000u;
}

/* ---- the groups of the process ---- */

static struct wr_comm *kept(int which) {
  wr_mutex_lock(&groups.lock);
  struct wr_comm *group = groups.kept[which];
  if (group) wr_comm_retain(group);
  wr_mutex_unlock(&groups.lock);
  return group;
}

/* As MLX has it, the first group that is made is also the one for "any". */
static void keep(int which, struct wr_comm *group) {
  wr_mutex_lock(&groups.lock);
  groups.kept[which] = wr_comm_retain(group);
  if (!groups.kept[ANY]) groups.kept[ANY] = wr_comm_retain(group);
  wr_mutex_unlock(&groups.lock);
}

/* Its groups are the parent's; one may be made anew. */
static void forget_in_child(void) { memset(groups.kept, 0, sizeof groups.kept); }

WR_AT_FORK(.rank = WR_RANK_EVENT, .lock = &groups.lock, .child = forget_in_child)

struct asking {
  int which;
  bool strict;
  struct wr_error *error;
};

static struct wr_error *not_available(int which) {
  const char *why = engines[which]->lacks ? engines[which]->lacks() : NULL;
  return wr_error_new(WEIR_ERROR_UNSUPPORTED, "Cannot initialize %s%s%s",
                      which == MPI ? "MPI" : engines[which]->name, why ? ": " : "", why ? why : "");
}

/* One engine; true when its group is there. */
static bool ask_engine(struct asking *asking, int which, bool strict) {
  const struct wr_engine *engine = engines[which];
  struct wr_comm *group = kept(which);
  if (!group && !strict && engine->configured && !engine->configured()) return false;
  if (!group && engine->available()) {
    asking->error = engine->init(&group, strict);
    if (group) keep(which, group);
  } else if (!group && strict) {
    asking->error = not_available(which);
  }
  wr_comm_release(group);
  return group != NULL;
}

/* True: it need not be asked again. */
static bool ask(void *arg) {
  struct asking *asking = arg;
  if (asking->which != ANY) return ask_engine(asking, asking->which, asking->strict);
  for (int i = 0; i < ENGINES && !asking->error; i++) {
    if (ask_engine(asking, i, false)) return true;
  }
  if (asking->strict && !asking->error) {
    asking->error =
        wr_error_new(WEIR_ERROR_UNSUPPORTED, "[distributed] Couldn't initialize any backend");
  }
  return false;
}

/* One thread at a time makes groups; a second call of a name that waited finds the group. */
static bool ask_in_turn(void *arg) {
  (void)ask(arg);
  return false;
}

static struct wr_error *unknown(const char *backend) {
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "[distributed] The only valid values for backend are 'any', 'mpi', 'nccl', "
                      "'jaccl' and 'ring' but '%s' was provided.",
                      backend);
}

/* The place of a name; -1: one of MLX's that is not here. */
static struct wr_error *find(const char *backend, int *which) {
  *which = ANY;
  if (!strcmp(backend, "any")) return NULL;
  for (int i = 0; i < ENGINES; i++) {
    *which = i;
    if (!strcmp(backend, engines[i]->name)) return NULL;
  }
  *which = -1;
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    if (!strcmp(backend, others[i])) return NULL;
  }
  return unknown(backend);
}

struct wr_error *wr_comm_init(struct wr_comm **out, bool strict, const char *backend) {
  static struct wr_once turn;
  struct asking asking = {.strict = strict};
  struct wr_error *error = find(backend, &asking.which);
  if (error) return error;
  if (asking.which < 0) {
    if (!strict) return wr_comm_alone(out);
    return wr_error_new(WEIR_ERROR_UNSUPPORTED, "Cannot initialize %s distributed backend.",
                        backend);
  }
  *out = kept(asking.which);
  if (*out) return NULL;
  (void)wr_once_try(&turn, ask_in_turn, &asking);
  if (asking.error) return asking.error;
  *out = kept(asking.which);
  return *out ? NULL : wr_comm_alone(out);
}

bool wr_comm_is_available(const char *backend, struct wr_error **error) {
  int which;
  *error = find(backend, &which);
  if (*error || which < 0) return false;
  return which == ANY || engines[which]->available();
}

struct wr_error *wr_comm_split(struct wr_comm **out, struct wr_comm *group, int color, int key) {
  if (group->size == 1) {
    return wr_error_new(WEIR_ERROR_STATE, "Cannot split the distributed group further.");
  }
  struct wr_error *error = group->engine->split(out, group, color, key < 0 ? group->rank : key);
  /* The others are not to wait for this one. */
  if (error) wr_comm_fail(group, wr_error_retain(error));
  return error;
}

static int in_order(const void *a, const void *b) {
  const struct wr_split_member *x = a, *y = b;
  if (x->key != y->key) return x->key < y->key ? -1 : 1;
  return (x->rank > y->rank) - (x->rank < y->rank);
}

int wr_split_sort(void *members, size_t item, int size, int color) {
  char *at = members;
  int count = 0;
  for (int i = 0; i < size; i++, at += item) {
    struct wr_split_member *m = (void *)at;
    m->rank = i;
    if (m->color == color) memmove((char *)members + (size_t)count++ * item, at, item);
  }
  qsort(members, (size_t)count, item, in_order);
  return count;
}

/* Relaxed: the number alone counts. */
uint64_t wr_split_id(uint64_t id, wr_atomic_u32 *splits, int color) {
  const uint64_t split = wr_fetch_add_relaxed(splits, 1u) + 1;
  return (id ^ split << 32 ^ (uint32_t)color) * UINT64_C(0x9e3779b97f4a7c15);
}
