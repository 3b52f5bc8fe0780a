#ifndef MLX_IO_H
#define MLX_IO_H

/* Files of arrays: npy, safetensors and gguf.

   A load reads the header at once and gives lazy arrays, which read their bytes when they are
   forced or used, as commands of `s` where it is a stream of the CPU's, else of the thread's
   default stream of the CPU; a GPU gets them as any value of the host's. Until then the file is
   open, and what is written into it meanwhile is what they read. What a header says that it may
   not, a name that comes twice, sizes or places outside of the file, is an error of the load; a
   read that fails or comes short is an error of that array (WEIR_ERROR_DEVICE).

   A save computes its arrays and returns when they are written. A file that is there already stays
   whole until the new one is on the disk, whatever goes wrong meanwhile, since that is made beside
   it and takes its name at the end; so the folder has to be writable. The new one has the old one's
   mode, and its owner and group where the process may give them. A link stays, and what it leads to
   is replaced or made. A device or a pipe is written to as it is; a pipe that nobody reads is an
   error, without a signal. A process that is killed meanwhile leaves what it has made, under a name
   that begins with ".weir-".

   Functions return 0, or 1 after an error: weir_last_error() then has the message, which names
   the operation and the parameter, and the handler of mlx_set_error_handler has been called.
   Any function may be called from any thread with any handle; only changing one handle variable
   while another thread uses that same variable needs a lock of the caller's. */

#include "mlx/c/array.h"
#include "mlx/c/io_types.h"
#include "mlx/c/map.h"
#include "mlx/c/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Reads npy, of versions 1 to 3 and either byte order. Types: bool, integers, floating types and
   complex64; bfloat16 is NumPy's V2. An array in Fortran's order comes as a transposed view. */
int mlx_load_reader(mlx_array *res, mlx_io_reader in_stream, const mlx_stream s);
int mlx_load(mlx_array *res, const char *file, const mlx_stream s);

/* Reads gguf, of versions 2 and 3. Tensors of F32, F16, I8, I16 and I32 are read as they are. Those
   of Q4_0, Q4_1 and Q8_0 are three arrays: NAME, uint32 with the weights packed as quantized_matmul
   takes them in groups of 32, and beside it, with ".scales" and ".biases" in the place of
   ".weight", float16. BF16, Q2_K, Q4_K and Q6_K become float16. Metadata: numbers are arrays of no
   dimensions, lists of them of one, float64 is float32. Makes *gguf what the file holds. */
int mlx_load_gguf(mlx_io_gguf *gguf, const char *file, const mlx_stream s);

/* Reads safetensors. Types: BOOL, integers, F16, BF16, F32, C64; F8_E4M3 and F8_E8M0 become uint8.
   Makes *res_0 the arrays and *res_1 the metadata. */
int mlx_load_safetensors_reader(mlx_map_string_to_array *res_0, mlx_map_string_to_string *res_1,
                                mlx_io_reader in_stream, const mlx_stream s);
int mlx_load_safetensors(mlx_map_string_to_array *res_0, mlx_map_string_to_string *res_1,
                         const char *file, const mlx_stream s);

/* Writes npy, version 1: row-major, or in Fortran's order where the array is. Empty arrays are
   refused.
   ".npy" is added to a name that does not end so. */
int mlx_save_writer(mlx_io_writer out_stream, const mlx_array a);
int mlx_save(const char *file, const mlx_array a);

/* Writes gguf, version 3. Arrays of float32, float16, int8, int16 and int32; metadata arrays of 0
   or 1 dimensions, not empty, of bool, integers or float32. Data are aligned to 32 bytes, or to
   what the metadata have under general.alignment, a uint32. ".gguf" is added to a name that does
   not end so. */
int mlx_save_gguf(const char *file, mlx_io_gguf gguf);

/* Writes safetensors: all types but float64, no empty arrays, names and metadata in UTF-8. Data are
   in the map's order. ".safetensors" is added to a name that does not end so. */
int mlx_save_safetensors_writer(mlx_io_writer in_stream, const mlx_map_string_to_array param,
                                const mlx_map_string_to_string metadata);
int mlx_save_safetensors(const char *file, const mlx_map_string_to_array param,
                         const mlx_map_string_to_string metadata);

#ifdef __cplusplus
}
#endif

#endif
