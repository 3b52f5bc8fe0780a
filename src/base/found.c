/* What was found, and where; see found.h. No locks. */

#include "base/found.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>

#include "base/base.h"

static void tell(const char *what, const char *how, const char *more) {
  char line[1024];
  snprintf(line, sizeof line, "weir: %s: %s%s%s%s", what, how, more ? " (" : "", more ? more : "",
           more ? ")" : "");
  wr_log_line(line);
}

void wr_found_library(const char *what, void *library, const char *says) {
  struct link_map *map = NULL;
  if (!wr_env_get()->info) return;
  if (dlinfo(library, RTLD_DI_LINKMAP, (void *)&map)) map = NULL;
  tell(what, map && map->l_name ? map->l_name : "found", says);
}

void wr_found_none(const char *what, const char *why) {
  if (wr_env_get()->info) tell(what, why, NULL);
}

static const char *vector_code(void) {
#if defined(__aarch64__)
  return "NEON";
#elif defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bw")) return "AVX-512";
  return __builtin_cpu_supports("avx2") ? "AVX2" : "SSE2";
#else
  return "none of its own";
#endif
}

/* The library itself, as it is loaded. */
__attribute__((constructor)) static void at_load(void) {
  static const char own = 0;
  Dl_info here;
  char text[64];
  if (!wr_env_get()->info) return;
  tell("library", dladdr(&own, &here) && here.dli_fname ? here.dli_fname : "here", NULL);
  snprintf(text, sizeof text, "%d, vector code %s", wr_cpu_count(), vector_code());
  tell("processors", text, NULL);
}
