/* An OpenBLAS whose integers have 64 bits, as far as one can tell before a product: it says so in
   its configuration, or, built with WEIR_TEST_MARKED, names its functions so. It computes nothing.
 */

#include <stdlib.h>

void openblas_set_num_threads(int n);
int openblas_get_parallel(void);
void cblas_cgemm(void);

void openblas_set_num_threads(int n) { (void)n; }
int openblas_get_parallel(void) { return 1; }
void cblas_cgemm(void) { abort(); }

#ifdef WEIR_TEST_MARKED
void cblas_sgemm64_(void);
void cblas_sgemm64_(void) { abort(); }
#else
char *openblas_get_config(void);
char *openblas_get_config(void) {
  static char text[] = "OpenBLAS 0.3.21 NO_AFFINITY USE64BITINT Haswell MAX_THREADS=64";
  return text;
}
#endif
