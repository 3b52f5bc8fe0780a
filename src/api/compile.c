/* Compiled closures. No locks of its own. */

#include "mlx/c/compile.h"

#include "api/api.h"
#include "api/closure.h"
#include "transforms/compiled.h"
#include "transforms/transforms.h"

_Static_assert((int)MLX_COMPILE_MODE_DISABLED == (int)WR_COMPILE_DISABLED &&
                   (int)MLX_COMPILE_MODE_NO_SIMPLIFY == (int)WR_COMPILE_NO_SIMPLIFY &&
                   (int)MLX_COMPILE_MODE_NO_FUSE == (int)WR_COMPILE_NO_FUSE &&
                   (int)MLX_COMPILE_MODE_ENABLED == (int)WR_COMPILE_ENABLED,
               "the modes are numbered alike");

static int compile(const char *function, mlx_closure *res, mlx_closure fun,
                   const struct wr_compile_how *how) {
  struct wr_error *error = NULL;
  struct wr_function *made = NULL;
  wr_api_result_handle(res, WR_KIND_CLOSURE, "res", &error);
  struct wr_function *f = wr_api_closure(fun, "fun", &error);
  wr_api_list(how->constants, how->n_constants, "constants", &error);
  if (!error) error = wr_compile(&made, f, how);
  if (!error) error = wr_api_put_closure(res, made);
  return wr_api_return(function, error);
}

int mlx_compile(mlx_closure *res, const mlx_closure fun, bool shapeless) {
  return compile("mlx_compile", res, fun,
                 &(struct wr_compile_how){.own = true, .shapeless = shapeless});
}

int mlx_detail_compile(mlx_closure *res, const mlx_closure fun, uintptr_t fun_id, bool shapeless,
                       const uint64_t *constants, size_t constants_num) {
  return compile("mlx_detail_compile", res, fun,
                 &(struct wr_compile_how){.id = fun_id,
                                          .shapeless = shapeless,
                                          .constants = constants,
                                          .n_constants = constants_num});
}

/* What ends with an entry may have a destructor of the user's, which belongs to this call. */
int mlx_detail_compile_clear_cache(void) {
  wr_free_scope_enter();
  wr_compiled_clear();
  wr_free_scope_leave();
  return 0;
}

int mlx_detail_compile_erase(uintptr_t fun_id) {
  wr_free_scope_enter();
  wr_compiled_erase(fun_id);
  wr_free_scope_leave();
  return 0;
}

int mlx_disable_compile(void) {
  wr_set_compile_mode(WR_COMPILE_DISABLED);
  return 0;
}

int mlx_enable_compile(void) {
  wr_set_compile_mode(WR_COMPILE_ENABLED);
  return 0;
}

int mlx_set_compile_mode(mlx_compile_mode mode) {
  struct wr_error *error = NULL;
  if ((unsigned)mode > (unsigned)MLX_COMPILE_MODE_ENABLED) {
    wr_api_reject(&error, "mode", "is %d, not 0 to 3", (int)mode);
  } else {
    wr_set_compile_mode((enum wr_compile_mode)mode);
  }
  return wr_api_return("mlx_set_compile_mode", error);
}
