/* Functions of float32 that loops vectorise, through their row functions: within 2 ulp of the exact
   values over dense samples of all floats and around the limits; the same bits wherever in a row an
   element stands, and strided. */

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"
#include "check.h"
#include "mlx/c/mlx.h"
#include "weir/weir.h"

enum { BLOCK = 4096, STEP = 1009 };

typedef int (*operation)(mlx_array *out, mlx_array a, mlx_stream s);

static double tanh_of(double x) { return tanh(x); }
static double sigmoid_of(double x) { return 1.0 / (1.0 + exp(-x)); }

static const struct {
  const char *name;
  operation of_array;
  double (*exact)(double);
} functions[] = {{"exp", mlx_exp, exp},
                 {"expm1", mlx_expm1, expm1},
                 {"log", mlx_log, log},
                 {"log1p", mlx_log1p, log1p},
                 {"log2", mlx_log2, log2},
                 {"sin", mlx_sin, sin},
                 {"cos", mlx_cos, cos},
                 {"tan", mlx_tan, tan},
                 {"erf", mlx_erf, erf},
                 {"tanh", mlx_tanh, tanh_of},
                 {"sigmoid", mlx_sigmoid, sigmoid_of}};

static float from_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* How many floats lie between the value and the exact one, as a real number. */
static double ulps(float value, double exact) {
  float rounded = (float)exact;
  if (isnan(rounded)) return isnan(value) ? 0.0 : INFINITY;
  if (value == rounded) return signbit(value) == signbit(rounded) ? 0.0 : INFINITY;
  if (isnan(value) || isinf(rounded)) return isinf(value) || isinf(rounded) ? 1.0 : INFINITY;
  if (isinf(value)) return fabs(exact) > 0.999 * (double)FLT_MAX ? 1.0 : INFINITY;
  int exponent;
  frexp(exact, &exponent);
  double ulp = ldexp(1.0, exponent - 24 < -149 ? -149 : exponent - 24);
  return fabs((double)value - exact) / ulp;
}

static void apply(operation f, const float *in, int n, float *out) {
  mlx_array a = mlx_array_new_data(in, &n, 1, MLX_FLOAT32), y = mlx_array_new();
  CHECK(f(&y, a, (mlx_stream){0}) == 0);
  const float *data = mlx_array_data_float32(y);
  CHECK(data != NULL);
  memcpy(out, data, (size_t)n * sizeof *out);
  mlx_array_free(y);
  mlx_array_free(a);
}

static double worst;
static float worst_at;

static void check_block(size_t k, const float *in, int n) {
  float out[BLOCK], alone[BLOCK];
  apply(functions[k].of_array, in, n, out);
  for (int i = 0; i < n; i++) {
    double off = ulps(out[i], functions[k].exact((double)in[i]));
    if (off > worst) {
      worst = off;
      worst_at = in[i];
    }
  }
  /* From another place on, so that elements fall into other lanes and into the loop's end. */
  apply(functions[k].of_array, in + 3, n - 7, alone);
  CHECK(memcmp(alone, out + 3, (size_t)(n - 7) * sizeof *out) == 0);
}

static void sample(size_t k) {
  static float in[BLOCK];
  int n = 0;
  for (uint64_t bits = 0; bits <= UINT32_MAX; bits += STEP) {
    in[n++] = from_bits((uint32_t)bits);
    if (n < BLOCK && bits + STEP <= UINT32_MAX) continue;
    check_block(k, in, n);
    n = 0;
  }
}

/* Around each of these, and of their negatives. */
static void limits(size_t k) {
  static const float at[] = {0.0f,      1.0f,       2.0f,       0.5f,     4.0f,
                             88.72284f, 103.97208f, 1e6f,       0.55f,    0.7071068f,
                             3.5f,      1.5707964f, 3.1415927f, 1e-38f,   FLT_MIN,
                             FLT_MAX,   0x1p-26f,   87.33655f,  INFINITY, NAN};
  static float in[BLOCK];
  int n = 0;
  for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
    uint32_t bits;
    memcpy(&bits, &at[i], sizeof bits);
    for (uint32_t d = 0; d < 64; d++) {
      in[n] = from_bits(bits + d - 32);
      in[n + 1] = -in[n];
      n += 2;
    }
  }
  check_block(k, in, n);
}

int main(void) {
  for (size_t k = 0; k < sizeof functions / sizeof functions[0]; k++) {
    worst = 0.0;
    sample(k);
    limits(k);
    fprintf(stderr, "%-8s %.3f ulp, at %a\n", functions[k].name, worst, (double)worst_at);
    CHECK(worst <= 2.0);
  }
  return 0;
}
