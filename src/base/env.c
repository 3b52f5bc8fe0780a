/* The environment, read once at first use, but for what a later call is about, and here alone.
   Values that make no sense are ignored
   with a line on stderr, so that a misspelt setting does not pass in silence. */

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/lock.h"

/* A compiled kernel takes 5 to 50 KB: this is all of a few large programs. */
static const uint64_t kernel_cache_bytes = (uint64_t)256 << 20;

/* A captured operation takes some hundred bytes: this is all of many large functions. */
static const uint64_t compile_cache_bytes = (uint64_t)256 << 20;

static struct wr_env env;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void ignored(const char *name, const char *value, const char *want) {
  char line[160];
  snprintf(line, sizeof line, "weir: %s=%.40s is ignored: expected %s", name, value, want);
  wr_log_line(line);
}

static uint64_t read_number(const char *name, uint64_t max, uint64_t unset) {
  const char *text = getenv(name);
  if (!text || !*text) return unset;
  char *end;
  errno = 0;
  unsigned long long value = strtoull(text, &end, 10);
  if (*end || errno || *text == '-' || value > max) {
    ignored(name, text, "a number");
    return unset;
  }
  return value;
}

static void read_threads(void) {
  const char *text = getenv("WEIR_THREADS");
  if (!text || !*text) return;
  env.threads_checked = !strcmp(text, "checked");
  env.threads_set = env.threads_checked || !strcmp(text, "free");
  if (!env.threads_set) ignored("WEIR_THREADS", text, "free or checked");
}

static void read_check(void) {
  const char *text = getenv("WEIR_CHECK");
  if (!text || !*text) return;
  env.check_handles = !strcmp(text, "handles");
  if (!env.check_handles) ignored("WEIR_CHECK", text, "handles");
}

static bool read_switch(const char *name) {
  const char *text = getenv(name);
  if (!text || !*text || !strcmp(text, "1")) return true;
  if (!strcmp(text, "0")) return false;
  ignored(name, text, "0 or 1");
  return true;
}

/* MLX's own variable, read as MLX does: whatever is no number is 0. */
static bool read_tf32(void) {
  const char *text = getenv("MLX_ENABLE_TF32");
  return !text || strtol(text, NULL, 10) != 0;
}

/* A path that does not fit is as good as none. */
static bool read_path(const char *name, const char *below, char *out, size_t bytes) {
  const char *text = getenv(name);
  if (!text || *text != '/') return false;
  int length = snprintf(out, bytes, "%s%s", text, below);
  if (length > 0 && (size_t)length < bytes) return true;
  *out = '\0';
  return false;
}

/* For dlopen, which takes names too. */
static void read_library(const char *name, char *out, size_t bytes) {
  const char *text = getenv(name);
  size_t length = text ? strlen(text) : 0;
  if (text && length < bytes) memcpy(out, text, length + 1);
}

static void read_paths(void) {
  if (!read_path("CUDA_HOME", "", env.cuda_home, sizeof env.cuda_home)) {
    read_path("CUDA_PATH", "", env.cuda_home, sizeof env.cuda_home);
  }
  if (!read_path("XDG_CACHE_HOME", "", env.cache_home, sizeof env.cache_home)) {
    read_path("HOME", "/.cache", env.cache_home, sizeof env.cache_home);
  }
  read_library("NVTX_INJECTION64_PATH", env.nvtx_tool, sizeof env.nvtx_tool);
  read_library("WEIR_OPENBLAS", env.openblas, sizeof env.openblas);
}

#ifdef WR_TORTURE

/* Each run gets a seed of its own unless it is told one, and says which. */
static void set_seed(void) {
  char line[64];
  while (!env.seed) env.seed = wr_clock_ns() * 0x9e3779b97f4a7c15u;
  snprintf(line, sizeof line, "weir: WEIR_TORTURE_SEED=%llu", (unsigned long long)env.seed);
  wr_log_line(line);
  wr_torture_seed(env.seed);
}

#else

static void set_seed(void) {}

#endif

static void read_all(void) {
  read_threads();
  read_check();
  env.workers = (int)read_number("WEIR_NUM_THREADS", 4096, 0);
  env.seed = read_number("WEIR_TORTURE_SEED", UINT64_MAX, 0);
  env.kernel_cache_bytes = read_number("WEIR_KERNEL_CACHE_BYTES", INT64_MAX, kernel_cache_bytes);
  env.no_compile = getenv("MLX_DISABLE_COMPILE") != NULL;
  env.compile_cache_bytes = read_number("WEIR_COMPILE_CACHE_BYTES", INT64_MAX, compile_cache_bytes);
  env.fuse = read_switch("WEIR_FUSE");
  env.graphs = read_switch("WEIR_GRAPHS");
  env.tf32 = read_tf32();
  read_paths();
  set_seed();
}

const struct wr_env *wr_env_get(void) {
  pthread_once(&once, read_all);
  return &env;
}

const char *wr_env_text(const char *name) { return getenv(name); }

uint64_t wr_env_number(const char *name, uint64_t max, uint64_t unset) {
  return read_number(name, max, unset);
}
