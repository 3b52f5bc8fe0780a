/* Random bits: the numbers that MLX draws from key 5 (0, 5), for each width and for lengths that
   leave a cut last word or an odd number of words; then batches of keys. */

#include "backend/cpu/kernels.h"
#include "kernel_case.h"

struct draw {
  int32_t width;
  int32_t n;
  uint32_t values[13];
};

static const struct draw draws[] = {
    {1, 1, {140}},
    {1, 3, {140, 37, 100}},
    {1, 4, {140, 37, 100, 162}},
    {1, 9, {190, 169, 62, 214, 138, 220, 89, 67, 46}},
    {1, 13, {190, 169, 62, 214, 130, 230, 224, 31, 46, 166, 96, 106, 131}},
    {2, 3, {61128, 3090, 12972}},
    {2, 5, {43454, 54846, 56458, 17241, 42542}},
    {2, 7, {43454, 54846, 59010, 8160, 42542, 27232, 43139}},
    {4, 1, {2724472204}},
    {4, 2, {202567368, 3886822060}},
    {4, 5, {2939540675, 3006210766, 1324674609, 3076691462, 279368646}},
    {4, 6, {2939540675, 3006210766, 3038296040, 3076691462, 279368646, 2516963019}},
    {4,
     13,
     {1394159668, 1224487909, 362768555, 3186449928, 503615040, 902408908, 1592195568, 1590028285,
      2704094980, 2359179325, 2564400882, 2743230951, 2352917706}},
};

static enum wr_dtype dtype_of(int32_t width) {
  return width == 1 ? WR_UINT8 : width == 2 ? WR_UINT16 : WR_UINT32;
}

static uint32_t value_at(const void *data, int32_t width, int i) {
  if (width == 1) return ((const uint8_t *)data)[i];
  if (width == 2) return ((const uint16_t *)data)[i];
  return ((const uint32_t *)data)[i];
}

static void test_draws(void) {
  for (size_t d = 0; d < sizeof draws / sizeof *draws; d++) {
    uint32_t key[2] = {0, 5};
    uint32_t bits[13];
    struct kernel_operand in, out;
    EXPECT(kernel_run(WR_OP_RANDOM_BITS, operand_dense(&in, key, WR_UINT32, 1, SHAPE(2)), 1,
                      operand_dense(&out, bits, dtype_of(draws[d].width), 1, SHAPE(draws[d].n)),
                      &(struct wr_bits_params){.width = draws[d].width}));
    for (int i = 0; i < draws[d].n; i++) {
      EXPECT(value_at(bits, draws[d].width, i) == draws[d].values[i]);
    }
  }
}

/* Two keys, stored by columns: each gives the block that it gives alone. */
static void test_batch(void) {
  uint32_t keys[4] = {0, 7, 5, 9};
  uint8_t both[26];
  uint8_t alone[13];
  struct kernel_operand in, out;
  struct wr_bits_params params = {.width = 1};
  EXPECT(kernel_run(WR_OP_RANDOM_BITS,
                    operand_strided(&in, keys, WR_UINT32, 2, SHAPE(2, 2), STRIDES(1, 2)), 1,
                    operand_dense(&out, both, WR_UINT8, 2, SHAPE(2, 13)), &params));
  for (int k = 0; k < 2; k++) {
    uint32_t key[2] = {keys[k], keys[k + 2]};
    EXPECT(kernel_run(WR_OP_RANDOM_BITS, operand_dense(&in, key, WR_UINT32, 1, SHAPE(2)), 1,
                      operand_dense(&out, alone, WR_UINT8, 1, SHAPE(13)), &params));
    EXPECT(memcmp(alone, both + 13 * k, 13) == 0);
  }
}

int main(void) {
  test_draws();
  test_batch();
  return kernel_case_failures() != 0;
}
