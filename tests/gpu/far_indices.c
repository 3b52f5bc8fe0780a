/* Indices far out of range, on the GPU, which is the default device: support/far_indices.h. */

#include "far_indices.h"
#include "gpu_case.h"

int main(void) {
  if (!gpu_case_start()) return GPU_CASE_SKIPPED;
  far_indices();
  return 0;
}
