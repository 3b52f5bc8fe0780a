/* How much memory this process may use: the machine's, and no more than the memory control groups
   (versions 1 and 2) that it is in allow, each of which holds for all below it. Beyond a group's
   limit the system does not refuse: it ends a process. Files of /proc and /sys are read once, at
   first need; what is not there does not limit, and what cannot be read for the moment does not
   either and is asked for again (T2). No locks. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "base/lock.h"
#include "memory/internal.h"

enum { PATH_BYTES = 1024 };

#define NO_LIMIT UINT64_MAX

static uint64_t smaller(uint64_t a, uint64_t b) { return a < b ? a : b; }
static uint64_t sum(uint64_t a, uint64_t b) { return a > NO_LIMIT - b ? NO_LIMIT : a + b; }

/* ---- files ---- */

struct look {
  const char *root;      /* before every path: "", or a test's */
  bool refused;          /* the system refused what may be there a moment later */
  uint64_t memory, both; /* found so far: the lowest limits of memory, and of it and swap */
};

static FILE *open_file(struct look *look, const char *path) {
  FILE *f = fopen(path, "re");
  if (!f && (errno == EMFILE || errno == ENFILE || errno == ENOMEM)) look->refused = true;
  return f;
}

/* "max", a file that is not there, and version 1's largest number are all no limit. */
static uint64_t read_limit(struct look *look, const char *dir, const char *name) {
  char path[2 * PATH_BYTES + 64];
  uint64_t value = NO_LIMIT;
  snprintf(path, sizeof path, "%s/%s", dir, name);
  FILE *f = open_file(look, path);
  if (!f) return NO_LIMIT;
  if (fscanf(f, "%" SCNu64, &value) != 1) value = NO_LIMIT;
  fclose(f);
  return value >= INT64_MAX / 2 ? NO_LIMIT : value;
}

/* ---- groups ---- */

/* Above `high` the system slows a process down without end, which is as good as no memory. */
static void look_v2(struct look *look, const char *dir) {
  uint64_t most =
      smaller(read_limit(look, dir, "memory.max"), read_limit(look, dir, "memory.high"));
  look->memory = smaller(look->memory, most);
  look->both = smaller(look->both, sum(most, read_limit(look, dir, "memory.swap.max")));
}

static void look_v1(struct look *look, const char *dir) {
  look->memory = smaller(look->memory, read_limit(look, dir, "memory.limit_in_bytes"));
  look->both = smaller(look->both, read_limit(look, dir, "memory.memsw.limit_in_bytes"));
}

/* The group and its ancestors, up to the mount itself. In a container the path may not exist below
   the mount; its root then stands for the container's group. */
static void climb(struct look *look, const char *mount, const char *group,
                  void (*at)(struct look *look, const char *dir)) {
  char dir[2 * PATH_BYTES];
  int n = snprintf(dir, sizeof dir, "%s%s%s", look->root, mount, group);
  if (n < 0 || (size_t)n >= sizeof dir) return;
  size_t top = strlen(look->root) + strlen(mount);
  for (;;) {
    at(look, dir);
    if (strlen(dir) <= top) return;
    *strrchr(dir, '/') = '\0';
  }
}

static bool names_memory(const char *list, const char *end) {
  while (list < end) {
    size_t n = strcspn(list, ",:");
    if (n == 6 && !strncmp(list, "memory", 6)) return true;
    list += n + 1;
  }
  return false;
}

/* One line of /proc/self/cgroup: "id:controllers:/group". Version 2 has no controllers there; where
   both versions are in use, its groups stand in a folder of their own. */
static void look_at_line(struct look *look, char *line) {
  line[strcspn(line, "\n")] = '\0';
  char *list = strchr(line, ':');
  char *group = list ? strchr(++list, ':') : NULL;
  if (!group) return;
  if (list == group) {
    climb(look, "/sys/fs/cgroup", group + 1, look_v2);
    climb(look, "/sys/fs/cgroup/unified", group + 1, look_v2);
  } else if (names_memory(list, group)) {
    climb(look, "/sys/fs/cgroup/memory", group + 1, look_v1);
  }
}

static void look_at_groups(struct look *look) {
  char line[PATH_BYTES];
  snprintf(line, sizeof line, "%s/proc/self/cgroup", look->root);
  FILE *f = open_file(look, line);
  if (!f) return;
  while (fgets(line, sizeof line, f)) look_at_line(look, line);
  fclose(f);
}

/* ---- the machine ---- */

/* What arrays cannot have of a group's memory: the program's code, its stacks, libraries' buffers.
 */
static uint64_t less_the_rest(uint64_t bytes) {
  return bytes == NO_LIMIT ? bytes : bytes - bytes / 16;
}

bool wr_machine_look(const char *root, struct wr_machine *found) {
  struct look look = {.root = root, .memory = NO_LIMIT, .both = NO_LIMIT};
  struct sysinfo machine;
  int before = wr_cancel_off();
  bool known = sysinfo(&machine) == 0;
  uint64_t unit = known ? machine.mem_unit : 0;
  uint64_t memory = known ? unit * machine.totalram : NO_LIMIT;
  uint64_t swap = known ? unit * machine.totalswap : 0;
  look_at_groups(&look);
  wr_cancel_restore(before);
  uint64_t of_groups = smaller(sum(look.memory, swap), look.both);
  found->memory = smaller(memory, look.memory);
  found->most = smaller(sum(memory, swap), less_the_rest(of_groups));
  return !look.refused;
}

/* Both atomic RELAXED: plain numbers, the same whoever found them; 0: not known yet. */
static wr_atomic_u64 memory_found, most_found;

static struct wr_machine machine_now(void) {
  struct wr_machine m = {wr_load_relaxed(&memory_found), wr_load_relaxed(&most_found)};
  if (m.memory && m.most) return m;
  if (wr_machine_look("", &m)) {
    wr_store_relaxed(&memory_found, m.memory);
    wr_store_relaxed(&most_found, m.most);
  }
  return m;
}

uint64_t wr_machine_memory(void) { return machine_now().memory; }
uint64_t wr_machine_most(void) { return machine_now().most; }
