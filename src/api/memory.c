/* The memory functions: MLX's names over src/memory. No locks. */

#include "mlx/c/memory.h"

#include "api/api.h"
#include "memory/buffer.h"

static int report(const char *function, size_t *res, size_t (*read)(void)) {
  struct wr_error *error = NULL;
  wr_api_result(res, "res", &error);
  if (!error) *res = read();
  return wr_api_return(function, error);
}

static int change(const char *function, size_t *res, size_t limit, size_t (*set)(size_t)) {
  struct wr_error *error = NULL;
  wr_api_result(res, "res", &error);
  if (!error) *res = set(limit);
  return wr_api_return(function, error);
}

int mlx_clear_cache(void) {
  wr_memory_clear_cache();
  return 0;
}

int mlx_reset_peak_memory(void) {
  wr_memory_reset_peak();
  return 0;
}

int mlx_get_active_memory(size_t *res) {
  return report("mlx_get_active_memory", res, wr_memory_active);
}

int mlx_get_cache_memory(size_t *res) {
  return report("mlx_get_cache_memory", res, wr_memory_cached);
}

int mlx_get_memory_limit(size_t *res) {
  return report("mlx_get_memory_limit", res, wr_memory_limit);
}

int mlx_get_peak_memory(size_t *res) { return report("mlx_get_peak_memory", res, wr_memory_peak); }

int mlx_set_cache_limit(size_t *res, size_t limit) {
  return change("mlx_set_cache_limit", res, limit, wr_memory_set_cache_limit);
}

int mlx_set_memory_limit(size_t *res, size_t limit) {
  return change("mlx_set_memory_limit", res, limit, wr_memory_set_limit);
}

int mlx_set_wired_limit(size_t *res, size_t limit) {
  return change("mlx_set_wired_limit", res, limit, wr_memory_set_wired_limit);
}
