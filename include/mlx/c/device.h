#ifndef MLX_DEVICE_H
#define MLX_DEVICE_H

/* Devices: plain values {cpu or gpu, index} in a handle, and what is known about them. A copy of
   the struct is not to be used once one of them was freed or set: here it goes on being the device
   that it was, elsewhere not, and under WEIR_CHECK=handles it is an error. So is a handle that was
   never set, or is of another kind, as mlx/c/array.h says.

   Functions return 0, or 1 after an error: weir_last_error() then has the message, which names
   the operation and the parameter, and the handler of mlx_set_error_handler has been called.
   Those that return a handle, a pointer or a value return an empty handle, NULL or 0 instead.
   Any function may be called from any thread with any handle; only changing one handle variable
   while another thread uses that same variable needs a lock of the caller's. */

#include <stdbool.h>
#include <stddef.h>

#include "mlx/c/string.h"
#include "mlx/c/vector.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mlx_device_ {
  void *ctx; /* NULL: empty */
} mlx_device;

typedef enum mlx_device_type_ { MLX_CPU, MLX_GPU } mlx_device_type;

/* Facts about a device, by name: numbers and texts. */
typedef struct mlx_device_info_ {
  void *ctx; /* NULL: empty */
} mlx_device_info;

/* A new empty handle. */
mlx_device mlx_device_new(void);

/* The device of a type and index, 0 or more, whether or not it is there. */
mlx_device mlx_device_new_type(mlx_device_type type, int index);

/* Releases the handle. */
int mlx_device_free(mlx_device dev);

/* Makes *dev a copy of src. */
int mlx_device_set(mlx_device *dev, const mlx_device src);

/* Writes "Device(cpu, 0)". */
int mlx_device_tostring(mlx_string *str, mlx_device dev);

/* Whether both are the same type and index. */
bool mlx_device_equal(mlx_device lhs, mlx_device rhs);

/* The parts of a device. */
int mlx_device_get_index(int *index, mlx_device dev);
int mlx_device_get_type(mlx_device_type *type, mlx_device dev);

/* The process-wide default device, on which operations run that are given no stream. Until the
   program sets it, it is the first GPU where there is one that can be used (there is a driver, and
   NVIDIA's compiler NVRTC), and cpu:0 otherwise; which of them is found out by the first call that
   needs to know, and loading a driver can take that call a second. Setting it first avoids that.
   Where looking was refused for the moment (no descriptor or memory is left) the call that needed
   to know fails, with WEIR_ERROR_NO_DEVICE, and the next one looks again. In the child of a fork
   what was found is looked for anew: it is the CPU where the parent had opened the driver. What the
   program has set stays, also when it is a GPU, on which a child's work fails.
   Setting is atomic. A device that is not there is an error. */
int mlx_get_default_device(mlx_device *dev);
int mlx_set_default_device(mlx_device dev);

/* Whether the device is there, and how many of a type are. */
int mlx_device_is_available(bool *avail, mlx_device dev);
int mlx_device_count(int *count, mlx_device_type type);

/* A new empty handle. */
mlx_device_info mlx_device_info_new(void);

/* Fills *info, and so its copies, with what is known of the device. Of one that is not there
   that is nothing, and no error. */
int mlx_device_info_get(mlx_device_info *info, mlx_device dev);

/* Releases the handle. */
int mlx_device_info_free(mlx_device_info info);

/* Looks up one fact. Of one that is not there, or get_string of a number and get_size of a text,
   the last three return 2, which is no error and leaves the result alone. Texts live as long as
   the info; sizes are in bytes, but the two parts of a compute capability.

     device_name, architecture     every device
     uuid, pci_bus_id              GPUs, texts: "GPU-" and 36 characters; "0000:01:00.0"
     compute_capability_major, compute_capability_minor
     total_memory, memory_size     GPUs: what there is
     free_memory                   GPUs: what no process held as the info was filled; Weir's cache
                                   counts as held
     max_recommended_working_set_size
                                   GPUs: the memory limit that holds unless one is set */
int mlx_device_info_has_key(bool *exists, mlx_device_info info, const char *key);
int mlx_device_info_is_string(bool *is_string, mlx_device_info info, const char *key);
int mlx_device_info_get_string(const char **value, mlx_device_info info, const char *key);
int mlx_device_info_get_size(size_t *value, mlx_device_info info, const char *key);

/* The names of all facts, in place of what *keys held. */
int mlx_device_info_get_keys(mlx_vector_string *keys, mlx_device_info info);

#ifdef __cplusplus
}
#endif

#endif
