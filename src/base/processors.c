/* How many processors this process may use: the affinity mask, capped by the CPU quota of the
   control groups (versions 1 and 2) that it is in. Also the identity of the calling thread. Reads
   files of /proc and /sys, once, at first need; no locks. What cannot be read does not cap. */

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/base.h"
#include "base/lock.h"

enum { PATH_BYTES = 1024, MAX_CPUS = 1 << 16, NO_CAP = 1 << 30 };

/* The mask must be as large as the kernel's; EINVAL says that it was not. */
static int affinity_count(void) {
  for (int cpus = 1024; cpus <= MAX_CPUS; cpus *= 2) {
    cpu_set_t *set = CPU_ALLOC((size_t)cpus);
    if (!set) return 1;
    size_t bytes = CPU_ALLOC_SIZE((size_t)cpus);
    int rc = sched_getaffinity(0, bytes, set);
    int count = rc == 0 ? CPU_COUNT_S(bytes, set) : 0;
    bool too_small = rc != 0 && errno == EINVAL;
    CPU_FREE(set);
    if (!too_small) return count > 0 ? count : 1;
  }
  return 1;
}

static bool read_line(const char *path, char *buf, size_t n) {
  FILE *f = fopen(path, "re");
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

static int cap_v2(const char *dir) {
  char path[PATH_BYTES + 32];
  char line[128];
  int64_t quota;
  int64_t period;
  snprintf(path, sizeof path, "%s/cpu.max", dir);
  if (!read_line(path, line, sizeof line)) return NO_CAP;
  if (sscanf(line, "%" SCNd64 " %" SCNd64, &quota, &period) != 2) return NO_CAP; /* "max" */
  return processors(quota, period);
}

static int64_t read_number(const char *dir, const char *name) {
  char path[PATH_BYTES + 32];
  char line[64];
  int64_t value;
  snprintf(path, sizeof path, "%s/%s", dir, name);
  if (!read_line(path, line, sizeof line) || sscanf(line, "%" SCNd64, &value) != 1) return -1;
  return value;
}

static int cap_v1(const char *dir) {
  return processors(read_number(dir, "cpu.cfs_quota_us"), read_number(dir, "cpu.cfs_period_us"));
}

/* The lowest cap of the group and its ancestors, up to the mount itself. In a container the path
   may not exist below the mount; its root then stands for the container's group. */
static int lowest_cap(const char *mount, const char *group, int (*cap)(const char *dir)) {
  char dir[PATH_BYTES];
  int n = snprintf(dir, sizeof dir, "%s%s", mount, group);
  if (n < 0 || (size_t)n >= sizeof dir) return NO_CAP;
  size_t mount_length = strlen(mount);
  int lowest = NO_CAP;
  for (;;) {
    int found = cap(dir);
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
static int cap_of_line(char *line) {
  line[strcspn(line, "\n")] = '\0';
  char *list = strchr(line, ':');
  char *group = list ? strchr(list + 1, ':') : NULL;
  if (!group) return NO_CAP;
  size_t list_length = (size_t)(group - list) - 1;
  if (list_length == 0) return lowest_cap("/sys/fs/cgroup", group + 1, cap_v2);
  if (!has_cpu_controller(list + 1, list_length)) return NO_CAP;
  return lowest_cap("/sys/fs/cgroup/cpu", group + 1, cap_v1);
}

static int quota_count(void) {
  FILE *f = fopen("/proc/self/cgroup", "re");
  if (!f) return NO_CAP;
  char line[PATH_BYTES];
  int lowest = NO_CAP;
  while (fgets(line, sizeof line, f)) {
    int cap = cap_of_line(line);
    if (cap < lowest) lowest = cap;
  }
  fclose(f);
  return lowest;
}

static pthread_once_t counted = PTHREAD_ONCE_INIT;
static int cpu_count; /* immutable after `counted` */

static void count_cpus(void) {
  int before = wr_cancel_off();
  int cpus = affinity_count();
  int quota = quota_count();
  cpu_count = quota < cpus ? quota : cpus;
  wr_cancel_restore(before);
}

int wr_cpu_count(void) {
  pthread_once(&counted, count_cpus);
  return cpu_count;
}

uint64_t wr_thread_os_id(void) { return (uint64_t)syscall(SYS_gettid); }

bool wr_thread_name_of(uint64_t os_id, char *buf, size_t n) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%llu/comm", (unsigned long long)os_id);
  FILE *f = fopen(path, "re");
  if (!f) return false;
  bool found = fgets(buf, (int)n, f) != NULL;
  fclose(f);
  if (found) buf[strcspn(buf, "\n")] = '\0';
  return found;
}
