/* Indices far out of range, on the CPU: support/far_indices.h. */

#include "far_indices.h"
#include "mean_cpu.h"

int main(void) {
  mean_cpu();
  far_indices();
  return 0;
}
