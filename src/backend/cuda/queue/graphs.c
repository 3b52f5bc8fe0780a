/* Launches as graphs of the driver. A graph takes one call instead of one for each launch, and the
   GPU needs about a third of the time between two small kernels. A graph of a single launch, too,
   is over sooner: on an H200 after 6 us instead of 9, with the wait for it.

   Graphs are kept in a table, by stream and by the sequence of launches: the kernels and the number
   of bytes of their arguments, in order; never extents or addresses. When a sequence has been
   launched one by one for some times, a graph is made of it the next time. A graph from the table
   is updated, in the nodes whose arguments or grid differ, and launched again; launches of it that
   are in flight keep their values. A graph belongs to one stream: the driver runs the launches of
   one graph one after the other, and streams must not wait for each other.

   What all graphs of a GPU take is estimated and bounded; the one that was used longest ago is
   destroyed first. That cannot fail, and the driver lets launches in flight end. Sequences of a few
   launches come in many forms, of which each gains little: they have room of their own, so that
   they displace no others, and are counted for longer. To be made again, a sequence is counted
   anew; so making graphs of more sequences than there is room for takes a bounded part of the time.
   Where a graph cannot be made, updated or launched, it is destroyed and the caller launches one by
   one. Lock: BACKEND, the table's; not held while the driver is called. A thread takes a graph out
   of the table while it uses it, so no other thread uses it meanwhile. */

#include <string.h>

#include "backend/cuda/queue/internal.h"

enum {
  BUCKETS = 128,
  SEEN = 256,
  /* Measured with CUDA 13: 3.8 KB a node on the GPU, 5.6 KB on the host, and the graph itself. */
  NODE_BYTES = 12 << 10,
  GRAPH_BYTES = 32 << 10
};

/* Of few launches and of many. */
enum { FEW, MANY, LENGTHS };
enum { FEW_MOST = 2 };

/* A graph is made after so many launches one by one: by then those have cost as much more than they
   would have as graphs as it costs to make and to destroy one. On an H200 a graph of one is made in
   9 us and destroyed in 5, its first launch takes 2 us more than others, and each saves 1.5 to 2.2.
 */
static const unsigned build_after[LENGTHS] = {[FEW] = 8, [MANY] = 2};
static const size_t most_bytes[LENGTHS] = {[FEW] = 16 << 20, [MANY] = 48 << 20};

struct graph {
  struct graph *next;    /* under LOCK: the bucket */
  struct graph *newer;   /* under LOCK: by last use, of those of its length */
  struct graph *older;   /* under LOCK */
  uint64_t hash;         /* immutable after publish */
  wr_cu_stream stream;   /* immutable after publish */
  wr_cu_graph graph;     /* immutable after publish */
  wr_cu_graph_exec exec; /* immutable after publish */
  size_t cost;           /* immutable after publish */
  int count;             /* immutable after publish: nodes */
  uint32_t used;         /* immutable after publish: bytes of `arguments` */
  /* In the same block. */
  wr_cu_node *nodes;    /* immutable after publish */
  struct wr_held *held; /* who took it: what the nodes were last given */
  char *arguments;      /* who took it */
};

/* Those of a length. */
struct shelf {
  struct graph *newest; /* under LOCK */
  struct graph *oldest; /* under LOCK */
  size_t bytes;         /* under LOCK */
};

/* How often a sequence was launched one by one. There is a fixed number of places; a sequence takes
   over the place that its hash says. */
struct seen {
  uint64_t hash;
  unsigned times;
};

struct wr_graph_table {
  struct wr_mutex lock;
  struct graph *buckets[BUCKETS]; /* under LOCK */
  struct shelf shelves[LENGTHS];
  struct wr_graph_numbers is; /* under LOCK */
  struct seen seen[SEEN];     /* under LOCK */
};

struct wr_error *wr_graph_table_new(struct wr_graph_table **out) {
  struct wr_graph_table *t = wr_calloc(sizeof *t);
  if (!t) return wr_error_out_of_memory();
  wr_mutex_init(&t->lock, WR_RANK_BACKEND);
  *out = t;
  return NULL;
}

void wr_graph_table_free(struct wr_graph_table *table) { wr_free(table); }

void wr_graph_numbers_get(const struct wr_gpu *gpu, struct wr_graph_numbers *out) {
  struct wr_graph_table *t = gpu->queues->graphs;
  wr_mutex_lock(&t->lock);
  *out = t->is;
  wr_mutex_unlock(&t->lock);
}

/* ---- what is the same ---- */

static uint64_t mix(uint64_t h, uint64_t value) {
  h = (h ^ value) * UINT64_C(0x9e3779b97f4a7c15);
  return h ^ h >> 29;
}

static uint64_t hash_of(wr_cu_stream stream, const struct wr_launches *l) {
  uint64_t h = mix((uint64_t)l->count, (uint64_t)(uintptr_t)stream);
  for (int i = 0; i < l->count; i++) {
    h = mix(h, (uint64_t)(uintptr_t)l->held[i].function);
    h = mix(h, l->held[i].bytes);
  }
  return h;
}

static bool same(const struct graph *g, wr_cu_stream stream, const struct wr_launches *l) {
  if (g->stream != stream || g->count != l->count) return false;
  for (int i = 0; i < l->count; i++) {
    const struct wr_held *a = &g->held[i], *b = &l->held[i];
    if (a->function != b->function || a->bytes != b->bytes) return false;
  }
  return true;
}

/* ---- the table ---- */

static int length_of(int count) { return count <= FEW_MOST ? FEW : MANY; }

static struct graph **bucket_of(struct wr_graph_table *t, uint64_t hash) {
  return &t->buckets[hash % BUCKETS];
}

static void insert_locked(struct wr_graph_table *t, struct graph *g) {
  struct graph **bucket = bucket_of(t, g->hash);
  struct shelf *shelf = &t->shelves[length_of(g->count)];
  g->next = *bucket;
  *bucket = g;
  g->newer = NULL;
  g->older = shelf->newest;
  if (shelf->newest) shelf->newest->newer = g;
  shelf->newest = g;
  if (!shelf->oldest) shelf->oldest = g;
}

static void remove_locked(struct wr_graph_table *t, struct graph *g) {
  struct graph **p = bucket_of(t, g->hash);
  struct shelf *shelf = &t->shelves[length_of(g->count)];
  while (*p != g) p = &(*p)->next;
  *p = g->next;
  *(g->newer ? &g->newer->older : &shelf->newest) = g->older;
  *(g->older ? &g->older->newer : &shelf->oldest) = g->newer;
}

/* A graph of that length and cost takes room, or gives it back. */
static void take_room_locked(struct wr_graph_table *t, int length, size_t cost) {
  t->shelves[length].bytes += cost;
  t->is.bytes += cost;
  t->is.graphs++;
}

static void give_room_locked(struct wr_graph_table *t, int length, size_t cost) {
  t->shelves[length].bytes -= cost;
  t->is.bytes -= cost;
  t->is.graphs--;
}

/* Counts one more launch of the sequence one by one; true when there have been enough for a graph,
   with which the count begins anew. */
static bool often_locked(struct wr_graph_table *t, uint64_t hash, int length) {
  struct seen *s = &t->seen[hash % SEEN];
  if (s->hash != hash) *s = (struct seen){.hash = hash};
  if (s->times++ < build_after[length]) return false;
  s->times = 0;
  return true;
}

/* Moves the oldest graphs of the length to `victims` until there is room for one more. False: there
   is none, since graphs that other threads are using cannot be destroyed. */
static bool make_room_locked(struct wr_graph_table *t, int length, size_t cost,
                             struct graph **victims) {
  struct shelf *shelf = &t->shelves[length];
  while (shelf->oldest && shelf->bytes + cost > most_bytes[length]) {
    struct graph *victim = shelf->oldest;
    remove_locked(t, victim);
    give_room_locked(t, length, victim->cost);
    victim->next = *victims;
    *victims = victim;
  }
  return shelf->bytes + cost <= most_bytes[length];
}

/* Takes a graph out of the table. NULL: there is none; then *build says whether the caller is to
   make one, for which the oldest graphs have been moved to `victims`, or is to launch one by one.
 */
static struct graph *take(struct wr_graph_table *t, uint64_t hash, wr_cu_stream stream,
                          const struct wr_launches *l, size_t cost, bool *build,
                          struct graph **victims) {
  const int length = length_of(l->count);
  wr_mutex_lock(&t->lock);
  struct graph *g = *bucket_of(t, hash);
  while (g && !(g->hash == hash && same(g, stream, l))) g = g->next;
  if (g) {
    remove_locked(t, g);
  } else if (often_locked(t, hash, length)) {
    *build = make_room_locked(t, length, cost, victims);
    if (*build) {
      take_room_locked(t, length, cost);
      t->is.built++;
    }
  }
  wr_mutex_unlock(&t->lock);
  return g;
}

static void put(struct wr_graph_table *t, struct graph *g) {
  wr_mutex_lock(&t->lock);
  insert_locked(t, g);
  t->is.launched++;
  wr_mutex_unlock(&t->lock);
}

static void give_room(struct wr_graph_table *t, int count, size_t cost) {
  wr_mutex_lock(&t->lock);
  give_room_locked(t, length_of(count), cost);
  wr_mutex_unlock(&t->lock);
}

/* ---- one graph ---- */

static void graph_free(struct graph *g) {
  if (g->exec) (void)wr_cu->graph_exec_free(g->exec);
  if (g->graph) (void)wr_cu->graph_free(g->graph);
  wr_free(g);
}

static void free_all(struct graph *list) {
  while (list) {
    struct graph *g = list;
    list = g->next;
    graph_free(g);
  }
}

/* The values of a graph's node; `arguments` receives the addresses of the kernel's arguments. */
static struct wr_cu_node_values node_values(const struct wr_launches *l, int i, void **arguments) {
  const struct wr_held *h = &l->held[i];
  wr_held_arguments(l, i, arguments);
  return (struct wr_cu_node_values){.function = h->function,
                                    .grid = {h->grid[0], h->grid[1], h->grid[2]},
                                    .block = {h->block[0], h->block[1], h->block[2]},
                                    .shared_bytes = h->shared_bytes,
                                    .arguments = arguments};
}

static void values_copy(struct graph *to, const struct wr_launches *from) {
  memcpy(to->held, from->held, (size_t)from->count * sizeof from->held[0]);
  memcpy(to->arguments, from->arguments, from->used);
}

/* Of the block that a graph of these launches lies in. */
static size_t block_bytes(const struct wr_launches *l) {
  const struct graph *g = NULL;
  return sizeof *g + (size_t)l->count * (sizeof g->nodes[0] + sizeof g->held[0]) + l->used;
}

/* Makes a graph whose nodes follow each other in the order of the launches. NULL when the driver or
   the system refuses. */
static struct graph *graph_new(const struct wr_launches *l, wr_cu_stream stream, uint64_t hash,
                               size_t cost) {
  struct graph *g = wr_alloc(block_bytes(l));
  if (!g) return NULL;
  *g = (struct graph){
      .hash = hash, .stream = stream, .cost = cost, .count = l->count, .used = l->used};
  g->nodes = (wr_cu_node *)(void *)(g + 1);
  g->held = (struct wr_held *)(void *)(g->nodes + l->count);
  g->arguments = (char *)(g->held + l->count);
  values_copy(g, l);
  wr_cu_result result = wr_cu->graph_new(&g->graph, 0);
  for (int i = 0; i < l->count && !result; i++) {
    void *arguments[WR_LAUNCH_ARGUMENTS];
    const struct wr_cu_node_values values = node_values(l, i, arguments);
    result = wr_cu->graph_add_kernel(&g->nodes[i], g->graph, i ? &g->nodes[i - 1] : NULL, i > 0,
                                     &values);
  }
  if (!result) result = wr_cu->graph_exec_new(&g->exec, g->graph, 0);
  if (!result) return g;
  graph_free(g);
  return NULL;
}

static bool node_is_current(const struct graph *g, const struct wr_launches *l, int i) {
  const struct wr_held *a = &g->held[i], *b = &l->held[i];
  return memcmp(a->grid, b->grid, sizeof a->grid) == 0 &&
         memcmp(a->block, b->block, sizeof a->block) == 0 && a->shared_bytes == b->shared_bytes &&
         memcmp(g->arguments + a->at, (const char *)l->arguments + b->at, a->bytes) == 0;
}

/* Gives the nodes the values of these launches where they differ. Since the arguments have the same
   numbers of bytes in the same order, those of each launch lie at the same place on both sides. */
static bool update(struct graph *g, const struct wr_launches *l) {
  for (int i = 0; i < l->count; i++) {
    if (node_is_current(g, l, i)) continue;
    void *arguments[WR_LAUNCH_ARGUMENTS];
    const struct wr_cu_node_values values = node_values(l, i, arguments);
    if (wr_cu->graph_exec_set_kernel(g->exec, g->nodes[i], &values)) return false;
  }
  values_copy(g, l);
  return true;
}

bool wr_graphs_launch(struct wr_gpu *gpu, wr_cu_stream stream, const struct wr_launches *l) {
  struct wr_graph_table *t = gpu->queues->graphs;
  if (l->count == 0 || !wr_env_get()->graphs) return false;
  const uint64_t hash = hash_of(stream, l);
  const size_t cost = GRAPH_BYTES + block_bytes(l) + (size_t)l->count * NODE_BYTES;
  struct graph *victims = NULL;
  bool build = false;
  struct graph *g = take(t, hash, stream, l, cost, &build, &victims);
  free_all(victims);
  if (!g && !build) return false;
  bool ready = g ? update(g, l) : (g = graph_new(l, stream, hash, cost)) != NULL;
  if (ready && wr_cu->graph_launch(g->exec, stream) == WR_CU_SUCCESS) {
    put(t, g);
    return true;
  }
  if (g) graph_free(g);
  give_room(t, l->count, cost);
  return false;
}
