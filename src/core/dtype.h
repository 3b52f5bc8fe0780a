#ifndef WR_CORE_DTYPE_H
#define WR_CORE_DTYPE_H

/* Element types, in the order of mlx_dtype (src/api asserts that the values agree), and MLX's rules
   between them. Pure functions of plain values. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wr_dtype {
  WR_BOOL,
  WR_UINT8,
  WR_UINT16,
  WR_UINT32,
  WR_UINT64,
  WR_INT8,
  WR_INT16,
  WR_INT32,
  WR_INT64,
  WR_FLOAT16,
  WR_FLOAT32,
  WR_FLOAT64,
  WR_BFLOAT16,
  WR_COMPLEX64,
  WR_DTYPE_COUNT
};

typedef struct {
  float re, im;
} wr_complex64;

size_t wr_dtype_size(enum wr_dtype t);
const char *wr_dtype_name(enum wr_dtype t); /* "float32", as MLX prints */
bool wr_dtype_valid(int t);
bool wr_dtype_is_integer(enum wr_dtype t);  /* signed or unsigned, not bool */
bool wr_dtype_is_unsigned(enum wr_dtype t); /* unsigned integers and bool */
bool wr_dtype_is_floating(enum wr_dtype t); /* float16, float32, float64, bfloat16 */
/* MLX's promotion of two types. Symmetric. */
enum wr_dtype wr_dtype_promote(enum wr_dtype a, enum wr_dtype b);
/* Floating and complex types stay; others become float32. */
enum wr_dtype wr_dtype_to_inexact(enum wr_dtype t);

#endif
