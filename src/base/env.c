/* The environment, read once at first use, but for what a later call is about, and here alone.
   Values that make no sense are ignored with a line on stderr, and so is a name that begins with
   WEIR_ and is none of ours: a misspelt setting does not pass in silence.

   Some name libraries to open and folders of machine code, so a program that runs with more rights
   than whoever starts it (setuid, setgid, file capabilities) finds nothing set: secure_getenv. */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "base/lock.h"

/* A row each: WEIR_<..>, which is VAR_<..> here. DISTRIBUTED_TIMEOUT is read by wr_env_number,
   CUDNN and NCCL by wr_env_text. */
#define VARIABLES(ROW)     \
  ROW(CHECK)               \
  ROW(COMPILE_CACHE_BYTES) \
  ROW(CUDNN)               \
  ROW(DISTRIBUTED_TIMEOUT) \
  ROW(DUMP_SIGNAL)         \
  ROW(FUSE)                \
  ROW(GRAPHS)              \
  ROW(INFO)                \
  ROW(KERNEL_CACHE_BYTES)  \
  ROW(LINALG)              \
  ROW(NCCL)                \
  ROW(NUM_THREADS)         \
  ROW(OPENBLAS)            \
  ROW(THREADS)             \
  ROW(TORTURE_SEED)        \
  ROW(TRACE)

#define NUMBER(name) VAR_##name,
enum variable { VARIABLES(NUMBER) VAR_COUNT };
#undef NUMBER

#define NAME(name) "WEIR_" #name,
static const char *const names[VAR_COUNT] = {VARIABLES(NAME)};
#undef NAME

/* A compiled kernel takes 5 to 50 KB: this is all of a few large programs. */
static const uint64_t kernel_cache_bytes = (uint64_t)256 << 20;

/* A captured operation takes some hundred bytes: this is all of many large functions. */
static const uint64_t compile_cache_bytes = (uint64_t)256 << 20;

static struct wr_env env;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static const char *value_of(enum variable v) { return secure_getenv(names[v]); }

static void ignored(const char *name, const char *value, const char *want) {
  char line[160];
  snprintf(line, sizeof line, "weir: %s=%.40s is ignored: expected %s", name, value, want);
  wr_log_line(line);
}

static uint64_t read_number(const char *name, uint64_t max, uint64_t unset) {
  const char *text = secure_getenv(name);
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
  const char *text = value_of(VAR_THREADS);
  if (!text || !*text) return;
  env.threads_checked = !strcmp(text, "checked");
  env.threads_set = env.threads_checked || !strcmp(text, "free");
  if (!env.threads_set) ignored(names[VAR_THREADS], text, "free or checked");
}

static void read_check(void) {
  const char *text = value_of(VAR_CHECK);
  if (!text || !*text) return;
  env.check_handles = !strcmp(text, "handles");
  if (!env.check_handles) ignored(names[VAR_CHECK], text, "handles");
}

static void read_linalg(void) {
  const char *text = value_of(VAR_LINALG);
  if (!text || !*text) return;
  env.linalg_on_cpu = !strcmp(text, "cpu");
  env.linalg_on_gpu = !strcmp(text, "gpu");
  if (!env.linalg_on_cpu && !env.linalg_on_gpu) ignored(names[VAR_LINALG], text, "cpu or gpu");
}

static bool read_switch(enum variable v, bool unset) {
  const char *text = value_of(v);
  if (!text || !*text) return unset;
  const bool on = !strcmp(text, "1");
  if (on || !strcmp(text, "0")) return on;
  ignored(names[v], text, "0 or 1");
  return unset;
}

/* A name, with or without SIG before it, or a number. */
static void read_dump_signal(void) {
  static const struct {
    const char *name;
    int number;
  } known[] = {{"HUP", SIGHUP},   {"QUIT", SIGQUIT}, {"USR1", SIGUSR1},
               {"USR2", SIGUSR2}, {"ALRM", SIGALRM}, {"URG", SIGURG}};
  const char *text = value_of(VAR_DUMP_SIGNAL);
  if (!text || !*text) return;
  const char *name = strncmp(text, "SIG", 3) ? text : text + 3;
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (!strcmp(name, known[i].name)) env.dump_signal = known[i].number;
  }
  char *end;
  const long number = strtol(text, &end, 10);
  if (!*end && number > 0 && number < NSIG) env.dump_signal = (int)number;
  if (!env.dump_signal) ignored(names[VAR_DUMP_SIGNAL], text, "a signal, such as USR2");
}

/* MLX's own variable, read as MLX does: whatever is no number is 0. */
static bool read_tf32(void) {
  const char *text = secure_getenv("MLX_ENABLE_TF32");
  return !text || strtol(text, NULL, 10) != 0;
}

/* A path that does not fit is as good as none. */
static bool read_path(const char *name, const char *below, char *out, size_t bytes) {
  const char *text = secure_getenv(name);
  if (!text || *text != '/') return false;
  int length = snprintf(out, bytes, "%s%s", text, below);
  if (length > 0 && (size_t)length < bytes) return true;
  *out = '\0';
  return false;
}

/* For dlopen, which takes names too. */
static void read_library(const char *name, char *out, size_t bytes) {
  const char *text = secure_getenv(name);
  size_t length = text ? strlen(text) : 0;
  if (text && length < bytes) memcpy(out, text, length + 1);
}

static void read_trace(void) {
  const char *text = value_of(VAR_TRACE);
  size_t length = text ? strlen(text) : 0;
  if (length >= sizeof env.trace) {
    ignored(names[VAR_TRACE], text, "a shorter name");
  } else if (text) {
    memcpy(env.trace, text, length + 1);
  }
}

static void read_paths(void) {
  if (!read_path("CUDA_HOME", "", env.cuda_home, sizeof env.cuda_home)) {
    read_path("CUDA_PATH", "", env.cuda_home, sizeof env.cuda_home);
  }
  if (!read_path("XDG_CACHE_HOME", "", env.cache_home, sizeof env.cache_home)) {
    read_path("HOME", "/.cache", env.cache_home, sizeof env.cache_home);
  }
  read_library("NVTX_INJECTION64_PATH", env.nvtx_tool, sizeof env.nvtx_tool);
  read_library(names[VAR_OPENBLAS], env.openblas, sizeof env.openblas);
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

/* ---- what is misspelt ---- */

enum { NAME_BYTES = 64 };

/* How many letters have to be put in, taken away or changed (Levenshtein's distance). */
static size_t distance(const char *a, const char *b) {
  size_t row[NAME_BYTES];
  const size_t n = strlen(b);
  for (size_t j = 0; j <= n; j++) row[j] = j;
  for (size_t i = 0; a[i]; i++) {
    size_t before = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < n; j++) {
      size_t least = before + (a[i] != b[j]);
      before = row[j + 1];
      if (row[j] + 1 < least) least = row[j] + 1;
      if (before + 1 < least) least = before + 1;
      row[j + 1] = least;
    }
  }
  return row[n];
}

/* Those of the project's own tests and tools. */
static bool is_for_others(const char *name) {
  static const char *const begins[] = {
      "WEIR_TEST_",  "WEIR_FUZZ_", "WEIR_STAND_IN_", "WEIR_BENCH_", "WEIR_PARITY_",
      "WEIR_FRESH_", "WEIR_MLXC_", "WEIR_LIB",       "WEIR_CLANG",  "WEIR_GPU_CHECK"};
  for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++) {
    if (!strncmp(name, begins[i], strlen(begins[i]))) return true;
  }
  return false;
}

static void look_at_name(const char *name) {
  const char *nearest = NULL;
  size_t least = 3; /* further off it is another word */
  for (int v = 0; v < VAR_COUNT; v++) {
    const size_t d = distance(name, names[v]);
    if (d == 0) return;
    if (d < least) nearest = names[v];
    if (d < least) least = d;
  }
  if (is_for_others(name)) return;
  char line[200];
  snprintf(line, sizeof line, "weir: the environment has %s, which means nothing here%s%s%s", name,
           nearest ? ": is it " : "", nearest ? nearest : "", nearest ? "?" : "");
  wr_log_line(line);
}

static void look_for_misspelt(void) {
  for (char **entry = environ; entry && *entry; entry++) {
    char name[NAME_BYTES];
    const size_t length = strcspn(*entry, "=");
    if (strncmp(*entry, "WEIR_", 5) != 0 || length >= sizeof name) continue;
    memcpy(name, *entry, length);
    name[length] = '\0';
    if (secure_getenv(name)) look_at_name(name);
  }
}

static void read_all(void) {
  look_for_misspelt();
  read_threads();
  read_check();
  read_linalg();
  read_dump_signal();
  env.workers = (int)read_number(names[VAR_NUM_THREADS], 4096, 0);
  env.seed = read_number(names[VAR_TORTURE_SEED], UINT64_MAX, 0);
  env.kernel_cache_bytes =
      read_number(names[VAR_KERNEL_CACHE_BYTES], INT64_MAX, kernel_cache_bytes);
  env.no_compile = secure_getenv("MLX_DISABLE_COMPILE") != NULL;
  env.compile_cache_bytes =
      read_number(names[VAR_COMPILE_CACHE_BYTES], INT64_MAX, compile_cache_bytes);
  env.fuse = read_switch(VAR_FUSE, true);
  env.graphs = read_switch(VAR_GRAPHS, true);
  env.info = read_switch(VAR_INFO, false);
  env.tf32 = read_tf32();
  read_paths();
  read_trace();
  set_seed();
}

const struct wr_env *wr_env_get(void) {
  pthread_once(&once, read_all);
  return &env;
}

const char *wr_env_text(const char *name) { return secure_getenv(name); }

uint64_t wr_env_number(const char *name, uint64_t max, uint64_t unset) {
  return read_number(name, max, unset);
}
