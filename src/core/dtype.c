/* Element types: sizes, names and promotion, as MLX has them. Pure functions; no locks. */

#include "core/dtype.h"

enum kind { KIND_BOOL, KIND_UNSIGNED, KIND_SIGNED, KIND_FLOAT, KIND_COMPLEX };

static const struct {
  const char *name;
  uint8_t size;
  uint8_t kind;
} infos[WR_DTYPE_COUNT] = {
    [WR_BOOL] = {"bool", 1, KIND_BOOL},          [WR_UINT8] = {"uint8", 1, KIND_UNSIGNED},
    [WR_UINT16] = {"uint16", 2, KIND_UNSIGNED},  [WR_UINT32] = {"uint32", 4, KIND_UNSIGNED},
    [WR_UINT64] = {"uint64", 8, KIND_UNSIGNED},  [WR_INT8] = {"int8", 1, KIND_SIGNED},
    [WR_INT16] = {"int16", 2, KIND_SIGNED},      [WR_INT32] = {"int32", 4, KIND_SIGNED},
    [WR_INT64] = {"int64", 8, KIND_SIGNED},      [WR_FLOAT16] = {"float16", 2, KIND_FLOAT},
    [WR_FLOAT32] = {"float32", 4, KIND_FLOAT},   [WR_FLOAT64] = {"float64", 8, KIND_FLOAT},
    [WR_BFLOAT16] = {"bfloat16", 2, KIND_FLOAT}, [WR_COMPLEX64] = {"complex64", 8, KIND_COMPLEX},
};

size_t wr_dtype_size(enum wr_dtype t) { return infos[t].size; }
const char *wr_dtype_name(enum wr_dtype t) { return infos[t].name; }
bool wr_dtype_valid(int t) { return t >= 0 && t < WR_DTYPE_COUNT; }

bool wr_dtype_is_integer(enum wr_dtype t) {
  return infos[t].kind == KIND_UNSIGNED || infos[t].kind == KIND_SIGNED;
}

bool wr_dtype_is_unsigned(enum wr_dtype t) {
  return infos[t].kind == KIND_BOOL || infos[t].kind == KIND_UNSIGNED;
}

bool wr_dtype_is_floating(enum wr_dtype t) { return infos[t].kind == KIND_FLOAT; }

/* The smallest signed type that holds both; none holds uint64, for which MLX takes float32. */
static enum wr_dtype promote_signs(enum wr_dtype is_unsigned, enum wr_dtype is_signed) {
  size_t size = infos[is_unsigned].size;
  if (size == 8) return WR_FLOAT32;
  if (infos[is_signed].size > size) return is_signed;
  return size == 1 ? WR_INT16 : size == 2 ? WR_INT32 : WR_INT64;
}

/* Two different floating types. The 16-bit ones hold different values: only float32 holds both. */
static enum wr_dtype promote_floats(enum wr_dtype a, enum wr_dtype b) {
  return a == WR_FLOAT64 || b == WR_FLOAT64 ? WR_FLOAT64 : WR_FLOAT32;
}

enum wr_dtype wr_dtype_promote(enum wr_dtype a, enum wr_dtype b) {
  if (a == b) return a;
  if (infos[a].kind > infos[b].kind) return wr_dtype_promote(b, a);
  if (infos[a].kind == KIND_UNSIGNED && infos[b].kind == KIND_SIGNED) return promote_signs(a, b);
  if (infos[a].kind != infos[b].kind) return b;
  if (infos[a].kind == KIND_FLOAT) return promote_floats(a, b);
  return infos[a].size > infos[b].size ? a : b;
}

enum wr_dtype wr_dtype_to_inexact(enum wr_dtype t) {
  return infos[t].kind >= KIND_FLOAT ? t : WR_FLOAT32;
}
