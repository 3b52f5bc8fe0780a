/* Stores past the caches; see past.h. */

#include "backend/cpu/loop/past.h"

#include <string.h>
#include <unistd.h>

#include "base/atomic.h"

#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("avx512f"))) static void store_64(char *out, const char *in, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) {
    _mm512_stream_si512((void *)(out + i), _mm512_loadu_si512((const void *)(in + i)));
  }
}

__attribute__((target("avx"))) static void store_32(char *out, const char *in, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 32) {
    _mm256_stream_si256((void *)(out + i), _mm256_loadu_si256((const void *)(in + i)));
  }
}

static void store_16(char *out, const char *in, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 16) {
    _mm_stream_si128((void *)(out + i), _mm_loadu_si128((const void *)(in + i)));
  }
}

static void store_lines(char *out, const char *in, int64_t bytes) {
  if (__builtin_cpu_supports("avx512f")) {
    store_64(out, in, bytes);
  } else if (__builtin_cpu_supports("avx")) {
    store_32(out, in, bytes);
  } else {
    store_16(out, in, bytes);
  }
}

void wr_past_end(void) { _mm_sfence(); }

enum { HAS_PAST = 1 };
#else
/* C has no such stores, nor have all compilers for them. */
static void store_lines(char *out, const char *in, int64_t bytes) {
  memcpy(out, in, (size_t)bytes);
}

void wr_past_end(void) {}

enum { HAS_PAST = 0 };
#endif

static int64_t bytes_of(const struct wr_tensor *t) {
  return t->size * (int64_t)wr_dtype_size(t->dtype);
}

/* Bytes in memory that an input's elements are: not what a stride of 0 repeats. */
static int64_t bytes_read(const struct wr_tensor *t) {
  int64_t n = (int64_t)wr_dtype_size(t->dtype);
  if (t->dense) return bytes_of(t);
  for (int d = 0; d < t->ndim; d++) {
    if (t->strides[d] != 0) n *= t->shape[d];
  }
  return n;
}

/* Of a result that is all that goes through memory: where the cache that cores share has room for
   more than this, ordinary stores end there, and are faster. */
static int64_t least_alone(void) {
  static wr_atomic_i64 known; /* atomic RELAXED: 0, or the same from all */
  int64_t least = wr_load_relaxed(&known);
  if (least > 0) return least;
  least = WR_PAST_LEAST;
#ifdef _SC_LEVEL3_CACHE_SIZE
  const int64_t share = (int64_t)sysconf(_SC_LEVEL3_CACHE_SIZE) / 4;
  if (share > least) least = share;
#endif
  wr_store_relaxed(&known, least);
  return least;
}

bool wr_past_wanted(const struct wr_tensor *out, const struct wr_tensor *in, int n_in) {
  int64_t all = bytes_of(out), read = 0;
  if (!HAS_PAST || all < WR_PAST_RESULT) return false;
  for (int k = 0; k < n_in; k++) {
    if (in[k].data == out->data) return false;
    if (in[k].dense) all += bytes_of(&in[k]);
    read += bytes_read(&in[k]);
  }
  if (all < WR_PAST_LEAST) return false;
  return read >= WR_PAST_READ || all >= least_alone();
}

int64_t wr_past_head(const void *out, int64_t width) {
  const int64_t before = (int64_t)(-(uintptr_t)out % WR_PAST_LINE);
  return before % width == 0 ? before / width : -1;
}

void wr_past_copy(void *out, const void *in, int64_t bytes) {
  int64_t head = wr_past_head(out, 1);
  if (head > bytes) head = bytes;
  memcpy(out, in, (size_t)head);
  wr_past_store((char *)out + head, (const char *)in + head, bytes - head);
}

void wr_past_store(void *out, const void *in, int64_t bytes) {
  const int64_t lines = bytes & -(int64_t)WR_PAST_LINE;
  store_lines(out, in, lines);
  if (lines != bytes) {
    memcpy((char *)out + lines, (const char *)in + lines, (size_t)(bytes - lines));
  }
}
