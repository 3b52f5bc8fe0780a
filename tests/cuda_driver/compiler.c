/* The stand-in for NVRTC: an image is the source itself, and what that includes. Any thread. */

#include <stdlib.h>
#include <string.h>

#include "backend/cuda/driver/library.h"
#include "base/atomic.h"
#include "image.h"
#include "slow.h"
#include "stand_in.h"

#define WR_FUNCTION(name, symbol, params) \
  __attribute__((visibility("default"))) int stand_in_##name params __asm__(symbol);
#include "backend/cuda/driver/nvrtc.def"
#undef WR_FUNCTION

enum call {
#define WR_FUNCTION(name, symbol, params) CALL_##name,
#include "backend/cuda/driver/nvrtc.def"
#undef WR_FUNCTION
  CALL_COUNT
};

enum { OUT_OF_MEMORY = 1 };

static const char *const symbols[CALL_COUNT] = {
#define WR_FUNCTION(name, symbol, params) [CALL_##name] = symbol,
#include "backend/cuda/driver/nvrtc.def"
#undef WR_FUNCTION
};

/* Atomic relaxed: numbers by themselves. */
static wr_atomic_u64 left[CALL_COUNT];
static wr_atomic_u32 results[CALL_COUNT];

struct wr_nvrtc_program_object {
  size_t bytes;
  char image[];
};

/* The result that was ordered for this call, or 0. */
static int ordered(enum call call) {
  uint64_t n = wr_load_relaxed(&left[call]);
  while (n && !atomic_compare_exchange_weak_explicit(&left[call], &n, n - 1, memory_order_relaxed,
                                                     memory_order_relaxed)) {
    continue;
  }
  return n == 1 ? (int)wr_load_relaxed(&results[call]) : 0;
}

__attribute__((visibility("default"))) void weir_stand_in_nvrtc_fail(const char *symbol, uint64_t n,
                                                                     int result);
void weir_stand_in_nvrtc_fail(const char *symbol, uint64_t n, int result) {
  for (int i = 0; i < CALL_COUNT; i++) {
    if (strcmp(symbols[i], symbol) != 0) continue;
    wr_store_relaxed(&results[i], (uint32_t)result);
    wr_store_relaxed(&left[i], n);
  }
}

__attribute__((constructor)) static void load(void) { slow_open(NULL); }
__attribute__((destructor)) static void unload(void) { slow_end(NULL); }

int stand_in_version(int *major, int *minor) {
  *major = 13;
  *minor = 0;
  return ordered(CALL_version);
}

static bool is_included(const char *source, const char *header) {
  const size_t length = strlen(header);
  for (const char *at = source; (at = strstr(at, "#include \"")); at++) {
    const char *name = at + strlen("#include \"");
    if (strncmp(name, header, length) == 0 && name[length] == '"') return true;
  }
  return false;
}

/* The image has what the source includes behind it, since that may have the kernels. */
int stand_in_create(wr_nvrtc_program *program, const char *source, const char *name, int headers,
                    const char *const *header_texts, const char *const *header_names) {
  (void)name;
  int result = ordered(CALL_create);
  if (result) return result;
  size_t bytes = sizeof IMAGE_START + strlen(source);
  for (int i = 0; i < headers; i++) {
    if (is_included(source, header_names[i])) bytes += strlen(header_texts[i]);
  }
  wr_nvrtc_program p = malloc(sizeof *p + bytes);
  if (!p) return OUT_OF_MEMORY;
  p->bytes = bytes;
  char *end = stpcpy(stpcpy(p->image, IMAGE_START), source);
  for (int i = 0; i < headers; i++) {
    if (is_included(source, header_names[i])) end = stpcpy(end, header_texts[i]);
  }
  *program = p;
  return 0;
}

int stand_in_destroy(wr_nvrtc_program *program) {
  free(*program);
  *program = NULL;
  return ordered(CALL_destroy);
}

static void take_long(void) {
  const char *text = getenv("WEIR_STAND_IN_COMPILE");
  const long ms = text ? atol(text) : 0;
  const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
  if (ms) nanosleep(&time, NULL);
}

int stand_in_compile(wr_nvrtc_program program, int count, const char *const *options) {
  (void)program;
  (void)count;
  (void)options;
  slow_enter();
  slow_first_call();
  take_long();
  slow_leave();
  return ordered(CALL_compile);
}

int stand_in_cubin_size(wr_nvrtc_program program, size_t *bytes) {
  *bytes = program->bytes;
  return ordered(CALL_cubin_size);
}

int stand_in_cubin(wr_nvrtc_program program, char *out) {
  int result = ordered(CALL_cubin);
  if (!result) memcpy(out, program->image, program->bytes);
  return result;
}

int stand_in_log_size(wr_nvrtc_program program, size_t *bytes) {
  (void)program;
  *bytes = sizeof "no reason";
  return ordered(CALL_log_size);
}

int stand_in_log(wr_nvrtc_program program, char *out) {
  (void)program;
  int result = ordered(CALL_log);
  if (!result) memcpy(out, "no reason", sizeof "no reason");
  return result;
}
