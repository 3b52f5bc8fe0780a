/* NCCL as an engine, for groups of which each process has a GPU. Its functions are the backend's
   (exchanges of backend.h); what else the processes have to tell each other goes over lines
   (nccl.h), by which they meet. A group has two communicators, so that what waits for one process
   holds up no collective. No locks. */

#include <stdlib.h>
#include <string.h>

#include "base/fork.h"
#include "distributed/nccl.h"
#include "stream/stream.h"

/* ---- groups ---- */

static struct wr_error *nccl_channel(const struct wr_comm *group, enum wr_collective what, int peer,
                                     int *channel) {
  *channel = WR_NCCL_COLLECTIVES;
  if (what != WR_SEND && what != WR_RECV) return NULL;
  *channel = WR_NCCL_PEERS + 2 * peer + (what == WR_RECV);
  if (peer != group->rank) return NULL;
  return wr_error_new(WEIR_ERROR_UNSUPPORTED, "[nccl] Rank %d cannot %s itself", peer,
                      what == WR_SEND ? "send to" : "receive from");
}

static void nccl_fail(struct wr_comm *group) {
  const struct wr_nccl *g = wr_nccl_of(group);
  const struct wr_nccl_word word = {.kind = WR_NCCL_FAILED, .group = g->id};
  wr_nccl_say(g->line, &word);
}

static void nccl_end(struct wr_comm *group) {
  struct wr_nccl *g = wr_nccl_of(group);
  const bool ours = group->generation == wr_fork_generation;
  for (int i = 0; i < WR_NCCL_LANES && ours; i++) {
    struct wr_communicator *c = g->lanes[i].communicator;
    if (c && wr_load_relaxed(&group->failure))
      wr_nccl_device()->abort(c); /* relaxed: nobody else has it */
    if (c) wr_nccl_device()->end(c);
  }
  wr_nccl_line_release(g->line);
  wr_free(g->members);
  wr_comm_clear(group);
  wr_free(g);
}

/* Of the members, ranks of the first group, this process is the rank-th; waits for the others. */
static struct wr_error *group_new(struct wr_comm **out, struct wr_nccl_line *line, uint64_t id,
                                  const uint32_t *members, int rank, int size, int index,
                                  const char ids[WR_NCCL_LANES][WR_EXCHANGE_ID_BYTES]) {
  struct wr_nccl *g = wr_calloc(sizeof *g);
  if (!g) return wr_error_out_of_memory();
  g->line = wr_nccl_line_retain(line);
  g->id = id;
  g->device = index;
  const bool begun =
      wr_comm_begin(&g->group, &wr_engine_nccl, rank, size, WR_NCCL_PEERS + 2 * size);
  g->members = wr_alloc((size_t)size * sizeof *members);
  if (!begun || !g->members) {
    nccl_end(&g->group);
    return wr_error_out_of_memory();
  }
  memcpy(g->members, members, (size_t)size * sizeof *members);
  struct wr_error *error = wr_nccl_begin(g, ids);
  if (error) {
    wr_comm_release(&g->group);
  } else {
    *out = &g->group;
  }
  return error;
}

/* ---- the first group ---- */

static bool nccl_available(void) {
  const char *reason;
  return wr_nccl_device() && wr_nccl_device()->usable(&reason);
}

static const char *nccl_lacks(void) {
  const char *reason = "GPUs of this kind have none";
  if (wr_nccl_device()) (void)wr_nccl_device()->usable(&reason);
  return reason;
}

static const char *const variables[] = {"NCCL_HOST_IP", "NCCL_PORT", "MLX_RANK", "MLX_WORLD_SIZE"};
enum { HOST, PORT, RANK, SIZE, VARIABLES };

static bool nccl_configured(void) {
  for (int i = 0; i < VARIABLES; i++) {
    if (!wr_env_text(variables[i])) return false;
  }
  return true;
}

static struct wr_error *not_set(void) {
  int i = 0;
  while (wr_env_text(variables[i])) i++;
  return wr_error_new(WEIR_ERROR_STATE,
                      "[nccl] Required environment variable '%s' is not set. Please set it before "
                      "initializing the distributed backend.",
                      variables[i]);
}

/* -1: no number of at least `least` and at most `most`. */
static long number_from(int i, long least, long most) {
  const char *text = wr_env_text(variables[i]);
  char *end;
  const long n = strtol(text, &end, 10);
  return *text && !*end && n >= least && n <= most ? n : -1;
}

static struct wr_error *read_place(struct wr_nccl_place *place) {
  enum { MOST = 65535 };
  const long size = number_from(SIZE, 1, MOST), rank = number_from(RANK, 0, MOST);
  place->host = wr_env_text(variables[HOST]);
  place->port = wr_env_text(variables[PORT]);
  place->rank = (int)rank;
  place->size = (int)size;
  place->limit_ns = wr_comm_limit();
  const int wrong = size < 0 ? SIZE : rank < 0 || rank >= size ? RANK : PORT;
  if (wrong == PORT && number_from(PORT, 1, MOST) > 0) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "[nccl] %s=\"%s\" is no %s", variables[wrong],
                      wr_env_text(variables[wrong]),
                      wrong == SIZE   ? "number of processes"
                      : wrong == RANK ? "rank of that many"
                                      : "port");
}

static struct wr_error *make_ids(char ids[WR_NCCL_LANES][WR_EXCHANGE_ID_BYTES]) {
  struct wr_error *error = NULL;
  for (int i = 0; i < WR_NCCL_LANES && !error; i++)
    error = wr_nccl_named(wr_nccl_device()->id(ids[i]));
  return error;
}

static struct wr_error *meet_all(struct wr_comm **out, struct wr_nccl_place *place, int index) {
  struct wr_nccl_line *line;
  uint32_t *members = wr_alloc((size_t)place->size * sizeof *members);
  if (!members) return wr_error_out_of_memory();
  for (int i = 0; i < place->size; i++) members[i] = (uint32_t)i;
  struct wr_error *error = place->rank == 0 ? make_ids(place->ids) : NULL;
  if (!error) error = wr_nccl_meet(place, &line);
  if (!error) {
    error = group_new(out, line, 1, members, place->rank, place->size, index,
                      (const char(*)[WR_EXCHANGE_ID_BYTES])place->ids);
    wr_nccl_line_release(line);
  }
  wr_free(members);
  return error;
}

/* As MLX has it, each process has the GPU of its rank, which becomes its default device. */
static struct wr_error *nccl_init(struct wr_comm **out, bool strict) {
  struct wr_nccl_place place = {0};
  *out = NULL;
  if (!nccl_configured()) return strict ? not_set() : NULL;
  struct wr_error *error = read_place(&place);
  if (error) return error;
  if (place.size == 1) return wr_comm_alone(out);
  const int count = wr_backend_for(WR_DEVICE_GPU)->device_count();
  if (count == 0) return wr_error_new(WEIR_ERROR_NO_DEVICE, "[nccl] There is no GPU");
  const struct wr_device mine = {.type = WR_DEVICE_GPU, .index = place.rank % count};
  error = meet_all(out, &place, mine.index);
  if (!error) wr_default_device_prefer(mine);
  return error;
}

/* ---- groups of groups ---- */

struct member {
  struct wr_split_member is;
  uint32_t first; /* its rank in the first group */
};

typedef char ids_of_group[WR_NCCL_LANES][WR_EXCHANGE_ID_BYTES];

/* The first member of each new group makes its ids; a process that cannot says so by its end of the
   group that is split. */
static struct wr_error *share_ids(struct wr_nccl *parent, const struct member *members, int n,
                                  ids_of_group *ids) {
  struct wr_error *error = NULL;
  ids_of_group *all = wr_calloc((size_t)parent->group.size * sizeof *all);
  if (!all) return wr_error_out_of_memory();
  if (n > 1 && members[0].is.rank == parent->group.rank) error = make_ids(*ids);
  if (!error) error = wr_gather_bytes(&parent->group, *ids, (int)sizeof *ids, all);
  if (!error) memcpy(*ids, all[members[0].is.rank], sizeof *ids);
  wr_free(all);
  return error;
}

static struct wr_error *join(struct wr_comm **out, struct wr_nccl *parent,
                             const struct member *members, int n, uint64_t id,
                             const ids_of_group *ids) {
  int rank = 0;
  if (n == 1) return wr_comm_alone(out);
  uint32_t *first = wr_alloc((size_t)n * sizeof *first);
  if (!first) return wr_error_out_of_memory();
  for (int i = 0; i < n; i++) {
    first[i] = members[i].first;
    if (members[i].is.rank == parent->group.rank) rank = i;
  }
  struct wr_error *error = group_new(out, parent->line, id, first, rank, n, parent->device, *ids);
  wr_free(first);
  return error;
}

static struct wr_error *nccl_split(struct wr_comm **out, struct wr_comm *group, int color,
                                   int key) {
  struct wr_nccl *parent = wr_nccl_of(group);
  const struct member me = {.is = {.color = color, .key = key},
                            .first = parent->members[group->rank]};
  ids_of_group ids = {{0}};
  struct member *all = wr_alloc((size_t)group->size * sizeof *all);
  if (!all) return wr_error_out_of_memory();
  const uint64_t id = wr_split_id(parent->id, &parent->splits, color);
  struct wr_error *error = wr_gather_bytes(group, &me, (int)sizeof me, all);
  if (!error) {
    const int n = wr_split_sort(all, sizeof *all, group->size, color);
    error = share_ids(parent, all, n, &ids);
    if (!error) error = join(out, parent, all, n, id, (const ids_of_group *)&ids);
  }
  wr_free(all);
  return error;
}

static struct wr_device nccl_device(const struct wr_comm *group) {
  return (struct wr_device){.type = WR_DEVICE_GPU, .index = wr_nccl_of(group)->device};
}

static bool nccl_reduces(enum wr_collective what, enum wr_dtype dtype) {
  return wr_nccl_device()->reduces((enum wr_exchange_kind)what, dtype);
}

static void nccl_run(struct wr_comm *group, int channel) { wr_nccl_run(group, channel); }

const struct wr_engine wr_engine_nccl = {WR_ENGINE(nccl), .configured = nccl_configured,
                                         .lacks = nccl_lacks, .device = nccl_device,
                                         .reduces = nccl_reduces};
