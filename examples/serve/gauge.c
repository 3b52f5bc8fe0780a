/* Reads what Linux and Weir tell about the process. */
#include "gauge.h"

#include <dirent.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <weir/weir.h>

static size_t count_threads(void) {
  DIR *const tasks = opendir("/proc/self/task");
  if (tasks == NULL) return 0;
  size_t count = 0;
  for (const struct dirent *entry = readdir(tasks); entry != NULL; entry = readdir(tasks)) {
    count += entry->d_name[0] != '.';
  }
  closedir(tasks);
  return count;
}

static size_t read_resident(void) {
  FILE *const statm = fopen("/proc/self/statm", "r");
  if (statm == NULL) return 0;
  size_t pages = 0;
  if (fscanf(statm, "%*u %zu", &pages) != 1) pages = 0;
  fclose(statm);
  return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static size_t count_streams(void) {
  weir_runtime_stats_t stats = {0};
  return weir_runtime_stats(&stats) == 0 ? stats.live_streams : 0;
}

struct gauge gauge_read(void) {
  return (struct gauge){
      .live_streams = count_streams(),
      .os_threads = count_threads(),
      .resident = read_resident(),
  };
}

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

struct gauge gauge_most(struct gauge a, struct gauge b) {
  return (struct gauge){
      .live_streams = larger(a.live_streams, b.live_streams),
      .os_threads = larger(a.os_threads, b.os_threads),
      .resident = larger(a.resident, b.resident),
  };
}

double gauge_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
