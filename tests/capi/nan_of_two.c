/* What a NaN that comes of operations on NaN has of sign and payload, by themselves and in a group:
   that of the operand that is one, bit for bit the same in both ways; and of two, that of either.
   So fusing changes nothing else. */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "mean_cpu.h"

enum { N = 100 };

static const mlx_stream s; /* the default */

typedef int (*binary)(mlx_array *, mlx_array, mlx_array, mlx_stream);
static const binary all[] = {mlx_add,    mlx_multiply, mlx_subtract,
                             mlx_divide, mlx_maximum,  mlx_minimum};

/* Element i: a quiet NaN of either sign with a payload of its own, or a number. */
static uint64_t element(int i, bool wide, bool second) {
  const uint64_t sign = (uint64_t)(second ? i / 2 % 2 : i % 2) << (wide ? 63 : 31);
  const uint64_t quiet = wide ? UINT64_C(0x7ff8) << 48 : UINT64_C(0x7fc) << 20;
  const uint64_t one = wide ? UINT64_C(0x3ff) << 52 : UINT64_C(0x3f8) << 20;
  const bool number = i % 3 == (second ? 1 : 2);
  return number ? sign | one : sign | quiet | (uint64_t)(1 + 2 * i + second);
}

static mlx_array array_of(bool wide, bool second) {
  uint64_t long_ones[N];
  uint32_t short_ones[N];
  const int n = N;
  for (int i = 0; i < N; i++) long_ones[i] = element(i, wide, second);
  for (int i = 0; i < N; i++) short_ones[i] = (uint32_t)long_ones[i];
  return mlx_array_new_data(wide ? (const void *)long_ones : short_ones, &n, 1,
                            wide ? MLX_FLOAT64 : MLX_FLOAT32);
}

static void read_bits(mlx_array a, bool wide, uint64_t *out) {
  CHECK(mlx_array_eval(a) == 0 && mlx_array_size(a) == N);
  for (int i = 0; i < N; i++) {
    uint32_t narrow;
    if (wide) memcpy(&out[i], mlx_array_data_float64(a) + i, sizeof out[i]);
    if (wide) continue;
    memcpy(&narrow, mlx_array_data_float32(a) + i, sizeof narrow);
    out[i] = narrow;
  }
}

static bool is_number(int i, bool second) { return i % 3 == (second ? 1 : 2); }

/* The operation by itself, and with steps after it that leave a NaN as it is. */
static void case_of(binary op, bool wide) {
  uint64_t alone[N], group[N];
  mlx_array a = array_of(wide, false), b = array_of(wide, true), y = mlx_array_new();
  mlx_array z = mlx_array_new(), one = mlx_array_new_float(1);
  CHECK(op(&y, a, b, s) == 0);
  read_bits(y, wide, alone);
  CHECK(op(&z, a, b, s) == 0 && mlx_multiply(&z, z, one, s) == 0);
  CHECK(mlx_subtract(&z, z, one, s) == 0);
  read_bits(z, wide, group);
  for (int i = 0; i < N; i++) {
    const uint64_t first = element(i, wide, false), second = element(i, wide, true);
    const bool two = !is_number(i, false) && !is_number(i, true);
    const uint64_t of_one = is_number(i, false) ? second : first;
    CHECK(two ? alone[i] == first || alone[i] == second : alone[i] == of_one);
    CHECK(two ? group[i] == first || group[i] == second : group[i] == of_one);
  }
  mlx_array arrays[] = {a, b, y, z, one};
  for (int i = 0; i < 5; i++) mlx_array_free(arrays[i]);
}

int main(void) {
  mean_cpu();
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    case_of(all[i], false);
    case_of(all[i], true);
  }
  return 0;
}
