/* The one function of MLX's C++ library that programs for mlx-c call: mlx::core::clear_streams(),
   under the name that C++ compilers give it. It stands in libmlx, where MLX has it, and not in
   libweir, so that Weir can be in one process with MLX. */

#include "mlx/c/stream.h"

void _ZN3mlx4core13clear_streamsEv(void);

/* An error is reported as by the function in C. */
void _ZN3mlx4core13clear_streamsEv(void) { (void)mlx_clear_streams(); }
