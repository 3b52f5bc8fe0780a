/* How many processors this process may use: the affinity mask of its first thread, which is what
   taskset and sched_setaffinity set for a process, capped by the CPU quota of the control groups
   (versions 1 and 2) that it is in. Other threads may have been given processors of their own,
   which say nothing about the rest (T1). Also the identity of the calling thread. Reads files of
   /proc and /sys at first need; no locks. What is not there does not cap; what the system refuses
   for the moment (T2) does not either, and is asked for again. */

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/base.h"
#include "base/lock.h"
#include "base/thread.h"

enum { PATH_BYTES = 1024, MAX_CPUS = 1 << 16, NO_CAP = 1 << 30 };

/* The mask must be as large as the kernel's; EINVAL says that it was not. */
cpu_set_t *wr_process_cpus(size_t *bytes) {
  for (int cpus = 1024; cpus <= MAX_CPUS; cpus *= 2) {
    cpu_set_t *set = CPU_ALLOC((size_t)cpus);
    if (!set) return NULL;
    *bytes = CPU_ALLOC_SIZE((size_t)cpus);
    if (sched_getaffinity(getpid(), *bytes, set) == 0) return set;
    bool too_small = errno == EINVAL;
    CPU_FREE(set);
    if (!too_small) return NULL;
  }
  return NULL;
}

void wr_process_cpus_free(cpu_set_t *set) { CPU_FREE(set); }

/* What has been looked at, and whether something was refused that may be there a moment later. */
struct look {
  bool refused;
};

static int affinity_count(struct look *look) {
  size_t bytes;
  cpu_set_t *set = wr_process_cpus(&bytes);
  if (!set) look->refused = true;
  int count = set ? CPU_COUNT_S(bytes, set) : 1;
  wr_process_cpus_free(set);
  return count > 0 ? count : 1;
}

static FILE *open_to_read(const char *path, struct look *look) {
  FILE *f = fopen(path, "re");
  if (!f && (errno == EMFILE || errno == ENFILE || errno == ENOMEM)) look->refused = true;
  return f;
}

static bool read_line(const char *path, char *buf, size_t n, struct look *look) {
  FILE *f = open_to_read(path, look);
  if (!f) return false;
  bool ok = fgets(buf, (int)n, f) != NULL;
  fclose(f);
  return ok;
}

/* Quota over period, rounded up: half a processor still needs one thread. */
static int processors(int64_t quota, int64_t period) {
  if (quota <= 0 || period <= 0) return NO_CAP;
  int64_t n = (quota + period - 1) / period;
  return n < NO_CAP ? (int)n : NO_CAP;
}

static int cap_v2(const char *dir, struct look *look) {
  char path[PATH_BYTES + 32];
  char line[128];
  int64_t quota;
  int64_t period;
  snprintf(path, sizeof path, "%s/cpu.max", dir);
  if (!read_line(path, line, sizeof line, look)) return NO_CAP;
  if (sscanf(line, "%" SCNd64 " %" SCNd64, &quota, &period) != 2) return NO_CAP; /* "max" */
  return processors(quota, period);
}

static int64_t read_number(const char *dir, const char *name, struct look *look) {
  char path[PATH_BYTES + 32];
  char line[64];
  int64_t value;
  snprintf(path, sizeof path, "%s/%s", dir, name);
  if (!read_line(path, line, sizeof line, look)) return -1;
  return sscanf(line, "%" SCNd64, &value) == 1 ? value : -1;
}

static int cap_v1(const char *dir, struct look *look) {
  return processors(read_number(dir, "cpu.cfs_quota_us", look),
                    read_number(dir, "cpu.cfs_period_us", look));
}

/* The lowest cap of the group and its ancestors, up to the mount itself. In a container the path
   may not exist below the mount; its root then stands for the container's group. */
typedef int (*cap_of)(const char *dir, struct look *look);
static int lowest_cap(const char *mount, const char *group, cap_of cap, struct look *look) {
  char dir[PATH_BYTES];
  int n = snprintf(dir, sizeof dir, "%s%s", mount, group);
  if (n < 0 || (size_t)n >= sizeof dir) return NO_CAP;
  size_t mount_length = strlen(mount);
  int lowest = NO_CAP;
  for (;;) {
    int found = cap(dir, look);
    if (found < lowest) lowest = found;
    if (strlen(dir) <= mount_length) return lowest;
    *strrchr(dir, '/') = '\0';
  }
}

static bool has_cpu_controller(const char *list, size_t n) {
  for (const char *at = list; at < list + n;) {
    size_t length = strcspn(at, ",:");
    if (length == 3 && !strncmp(at, "cpu", 3)) return true;
    at += length + 1;
  }
  return false;
}

/* One line of /proc/self/cgroup: "id:controllers:/group". */
static int cap_of_line(char *line, struct look *look) {
  line[strcspn(line, "\n")] = '\0';
  char *list = strchr(line, ':');
  char *group = list ? strchr(list + 1, ':') : NULL;
  if (!group) return NO_CAP;
  size_t list_length = (size_t)(group - list) - 1;
  if (list_length == 0) return lowest_cap("/sys/fs/cgroup", group + 1, cap_v2, look);
  if (!has_cpu_controller(list + 1, list_length)) return NO_CAP;
  return lowest_cap("/sys/fs/cgroup/cpu", group + 1, cap_v1, look);
}

static int quota_count(struct look *look) {
  FILE *f = open_to_read("/proc/self/cgroup", look);
  if (!f) return NO_CAP;
  char line[PATH_BYTES];
  int lowest = NO_CAP;
  while (fgets(line, sizeof line, f)) {
    int cap = cap_of_line(line, look);
    if (cap < lowest) lowest = cap;
  }
  fclose(f);
  return lowest;
}

/* atomic RELAXED: a plain number, the same whoever found it; 0: not known yet. */
static wr_atomic_u32 cpu_count;

static int count_cpus(void) {
  struct look look = {false};
  int before = wr_cancel_off();
  int cpus = affinity_count(&look);
  int quota = quota_count(&look);
  wr_cancel_restore(before);
  if (quota < cpus) cpus = quota;
  if (!look.refused) wr_store_relaxed(&cpu_count, (uint32_t)cpus);
  return cpus;
}

int wr_cpu_count(void) {
  int known = (int)wr_load_relaxed(&cpu_count);
  return known > 0 ? known : count_cpus();
}

uint64_t wr_thread_os_id(void) { return (uint64_t)syscall(SYS_gettid); }

static bool read_of_thread(uint64_t os_id, const char *name, char *buf, size_t n) {
  char path[64];
  struct look look;
  snprintf(path, sizeof path, "/proc/self/task/%llu/%s", (unsigned long long)os_id, name);
  int before = wr_cancel_off();
  bool found = read_line(path, buf, n, &look);
  wr_cancel_restore(before);
  if (found) buf[strcspn(buf, "\n")] = '\0';
  return found;
}

bool wr_thread_name_of(uint64_t os_id, char *buf, size_t n) {
  return read_of_thread(os_id, "comm", buf, n);
}

/* The 22nd field; the second is a name in brackets, in which there may be anything. */
uint32_t wr_thread_born(uint64_t os_id) {
  char line[1024];
  if (!read_of_thread(os_id, "stat", line, sizeof line)) return 0;
  const char *at = strrchr(line, ')');
  for (int field = 3; at && field <= 22; field++) at = strchr(at + 1, ' ');
  return at ? (uint32_t)strtoull(at, NULL, 10) : 0;
}
