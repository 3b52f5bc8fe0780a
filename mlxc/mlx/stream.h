#ifndef WEIR_MLXC_STREAM_H
#define WEIR_MLXC_STREAM_H

/* What there is of MLX's C++ streams: the end of a thread's. */

#ifdef __cplusplus

namespace mlx {
namespace core {

/* As mlx_clear_streams (mlx/c/stream.h); an error is reported as there, and not thrown. */
void clear_streams();

}  // namespace core
}  // namespace mlx

#endif

#endif
