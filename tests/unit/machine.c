/* K14, P10: how much memory there is for this process, by the memory control groups of a made-up
   system below a folder: versions 1 and 2 and both, groups in groups, a container whose group is
   not to be seen from inside; and in a real group, where the test may make one. */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "check.h"
#include "memory/buffer.h"
#include "memory/internal.h"

static char root[] = "/tmp/weir-machine-XXXXXX";

#define MB ((uint64_t)1 << 20)

/* A file of the made-up system, with the folders that it needs. */
static void put(const char *name, const char *text) {
  char path[512];
  snprintf(path, sizeof path, "%s%s", root, name);
  for (char *at = strchr(path + strlen(root) + 1, '/'); at; at = strchr(at + 1, '/')) {
    *at = '\0';
    CHECK(mkdir(path, 0700) == 0 || errno == EEXIST);
    *at = '/';
  }
  FILE *f = fopen(path, "w");
  CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void put_number(const char *name, uint64_t value) {
  char text[32];
  snprintf(text, sizeof text, "%llu\n", (unsigned long long)value);
  put(name, text);
}

static void remove_all(void) {
  char command[600];
  snprintf(command, sizeof command, "rm -rf '%s'", root);
  CHECK(system(command) == 0); /* NOLINT(cert-env33-c): a path of our own */
}

static struct wr_machine look(void) {
  struct wr_machine m;
  CHECK(wr_machine_look(root, &m));
  return m;
}

static void without_groups(void) {
  struct wr_machine all = look();
  CHECK(all.memory >= 64 * MB && all.most >= all.memory);
  put("/proc/self/cgroup", "0::/a/b\n");
  put("/sys/fs/cgroup/a/b/memory.max", "max\n");
  put("/sys/fs/cgroup/a/b/memory.high", "max\n");
  struct wr_machine m = look();
  CHECK(m.memory == all.memory && m.most == all.most);
}

/* The smallest on the way up, also where it is a `high`. */
static void version_2(void) {
  put_number("/sys/fs/cgroup/a/b/memory.max", 48 * MB);
  put_number("/sys/fs/cgroup/a/b/memory.swap.max", 0);
  struct wr_machine m = look();
  CHECK(m.memory == 48 * MB && m.most == 45 * MB);
  put_number("/sys/fs/cgroup/a/memory.max", 32 * MB);
  put_number("/sys/fs/cgroup/a/memory.swap.max", 0);
  m = look();
  CHECK(m.memory == 32 * MB && m.most == 30 * MB);
  put_number("/sys/fs/cgroup/a/b/memory.high", 16 * MB);
  m = look();
  CHECK(m.memory == 16 * MB && m.most == 15 * MB);
}

/* The group's name is the host's; what is mounted is the group itself. */
static void in_a_container(void) {
  put("/proc/self/cgroup", "0::/docker/0123\n");
  put_number("/sys/fs/cgroup/memory.max", 64 * MB);
  CHECK(look().memory == 64 * MB);
  put("/sys/fs/cgroup/memory.max", "max\n");
}

static void version_1(void) {
  put("/proc/self/cgroup", "5:cpu,cpuacct:/x\n4:hugetlb,memory:/a/b\n1:name=systemd:/x\n0::/y\n");
  put_number("/sys/fs/cgroup/memory/memory.limit_in_bytes", UINT64_C(9223372036854771712));
  put_number("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", 80 * MB);
  put_number("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", 96 * MB);
  CHECK(look().memory == 80 * MB);
  put_number("/sys/fs/cgroup/memory/a/b/memory.memsw.limit_in_bytes", 16 * MB);
  struct wr_machine m = look();
  CHECK(m.memory == 80 * MB && m.most == 15 * MB);
  put_number("/sys/fs/cgroup/unified/y/memory.max", 8 * MB); /* both versions at once */
  CHECK(look().memory == 8 * MB);
}

/* ---- a real group ---- */

static const uint64_t room = 160 * MB;

/* In a group of so much: the default limit is below it, and what arrays cannot have is an error. */
static int inside(void) {
  struct wr_buffer *kept[64];
  int n = 0;
  struct wr_error *error = NULL;
  if (wr_memory_limit() > room) return 2;
  while (n < 64 && !error) {
    error = wr_buffer_alloc(wr_memory_host(), 8 * MB, &kept[n]);
    if (!error) memset(kept[n++]->data, 1, 8 * MB);
  }
  if (!error || wr_error_status(error) != WEIR_ERROR_OUT_OF_MEMORY) return 3;
  wr_error_release(error);
  if (n < 16) return 4;
  for (int i = 0; i < n; i++) wr_buffer_release(kept[i]);
  return 0;
}

static bool write_to(const char *folder, const char *name, uint64_t value) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *f = fopen(path, "w");
  if (!f) return false;
  bool written = fprintf(f, "%llu", (unsigned long long)value) > 0;
  return fclose(f) == 0 && written;
}

/* The folder of this process's own group, of either version; false when there is none to be seen.
 */
static bool own_group(char *folder, size_t bytes, const char **limit) {
  char line[512];
  FILE *f = fopen("/proc/self/cgroup", "r");
  bool found = false;
  while (f && !found && fgets(line, sizeof line, f)) {
    line[strcspn(line, "\n")] = '\0';
    bool v1 = strstr(line, ":memory:") != NULL;
    if (!v1 && strncmp(line, "0::", 3) != 0) continue;
    const char *group = strrchr(line, ':') + 1;
    snprintf(folder, bytes, "/sys/fs/cgroup%s%s", v1 ? "/memory" : "", group);
    *limit = v1 ? "memory.limit_in_bytes" : "memory.max";
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, *limit);
    found = access(path, R_OK) == 0;
  }
  if (f) fclose(f);
  return found;
}

/* Sanitizers' own memory would not fit. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

static void in_a_real_group(void) {
  char folder[512], mine[600];
  const char *limit;
  if (SANITIZED || !own_group(folder, sizeof folder, &limit)) return;
  snprintf(mine, sizeof mine, "%s/weir-test-%d", folder, (int)getpid());
  if (mkdir(mine, 0755) != 0) return;
  int status = 0;
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    bool there = write_to(mine, limit, room) && write_to(mine, "cgroup.procs", (uint64_t)getpid());
    _exit(there ? inside() : 77);
  }
  CHECK(waitpid(pid, &status, 0) == pid);
  CHECK(rmdir(mine) == 0);
  if (status) fprintf(stderr, "in a real group: %x\n", (unsigned)status);
  CHECK(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77));
  if (WEXITSTATUS(status) == 0) fprintf(stderr, "in a real group too\n");
}

int main(void) {
  CHECK(mkdtemp(root) != NULL);
  without_groups();
  version_2();
  in_a_container();
  version_1();
  remove_all();
  in_a_real_group();
  return 0;
}
