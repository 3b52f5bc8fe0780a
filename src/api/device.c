/* Devices: plain values. The lowest bit tells one from an empty handle, the next holds the type,
   the rest the index. As a rule that is the handle itself: nothing is allocated, so making and
   freeing cannot fail. No locks. */

#include "mlx/c/device.h"

#include <stdio.h>

#include "api/api.h"
#include "backend/backend.h"

_Static_assert(sizeof(uintptr_t) >= 8, "a device fits into a handle");
_Static_assert((int)MLX_CPU == (int)WR_DEVICE_CPU && (int)MLX_GPU == (int)WR_DEVICE_GPU,
               "mlx_device_type and wr_device_type have the same values");

enum { SET_BIT = 1, TYPE_SHIFT = 1, INDEX_SHIFT = 2 };

/* No index is negative. */
bool wr_api_is_device(const void *ctx) {
  return ((uintptr_t)ctx & SET_BIT) && (uintptr_t)ctx >> INDEX_SHIFT <= INT32_MAX;
}

static void *pack(struct wr_device device) {
  uintptr_t bits = (uintptr_t)(uint32_t)device.index << INDEX_SHIFT |
                   (uintptr_t)device.type << TYPE_SHIFT | SET_BIT;
  return (void *)bits;
}

struct wr_error *wr_api_put_device(mlx_device *dev, struct wr_device device) {
  void *old = dev->ctx;
  if (!wr_handle_give(&dev->ctx, pack(device), WR_KIND_DEVICE)) return wr_error_out_of_memory();
  (void)wr_handle_take(old, WR_KIND_DEVICE);
  return NULL;
}

struct wr_device wr_api_device(mlx_device dev, const char *param, struct wr_error **error) {
  uintptr_t bits =
      (uintptr_t)wr_api_object(dev.ctx, WR_KIND_DEVICE, param, "is an empty device", error);
  return (struct wr_device){.type = (enum wr_device_type)(bits >> TYPE_SHIFT & 1),
                            .index = (int)(uint32_t)(bits >> INDEX_SHIFT)};
}

char *wr_api_format_device(struct wr_device device, char *buf, size_t n) {
  snprintf(buf, n, "Device(%s, %d)", device.type == WR_DEVICE_CPU ? "cpu" : "gpu", device.index);
  return buf;
}

static void check_type(mlx_device_type type, struct wr_error **error) {
  if (type != MLX_CPU && type != MLX_GPU) {
    wr_api_reject(error, "type", "%d is not a device type", (int)type);
  }
}

/* ---- life ---- */

mlx_device mlx_device_new(void) { return (mlx_device){NULL}; }

mlx_device mlx_device_new_type(mlx_device_type type, int index) {
  struct wr_error *error = NULL;
  check_type(type, &error);
  if (index < 0) wr_api_reject(&error, "index", "%d is negative", index);
  mlx_device dev = {NULL};
  const struct wr_device device = {(enum wr_device_type)type, index};
  if (!error) error = wr_api_put_device(&dev, device);
  wr_api_return("mlx_device_new_type", error);
  return dev;
}

int mlx_device_free(mlx_device dev) {
  struct wr_error *error = NULL;
  (void)wr_api_take(dev.ctx, WR_KIND_DEVICE, "dev", &error);
  return wr_api_return("mlx_device_free", error);
}

int mlx_device_set(mlx_device *dev, const mlx_device src) {
  struct wr_error *error = NULL;
  wr_api_result_handle(dev, WR_KIND_DEVICE, "dev", &error);
  struct wr_device device = wr_api_device(src, "src", &error);
  if (!error) error = wr_api_put_device(dev, device);
  return wr_api_return("mlx_device_set", error);
}

/* ---- what it is ---- */

int mlx_device_tostring(mlx_string *str, mlx_device dev) {
  char text[64];
  struct wr_error *error = NULL;
  wr_api_result_handle(str, WR_KIND_STRING, "str", &error);
  struct wr_device device = wr_api_device(dev, "dev", &error);
  if (!error) error = wr_api_set_string(str, wr_api_format_device(device, text, sizeof text));
  return wr_api_return("mlx_device_tostring", error);
}

bool mlx_device_equal(mlx_device lhs, mlx_device rhs) {
  struct wr_error *error = NULL;
  struct wr_device a = wr_api_device(lhs, "lhs", &error);
  struct wr_device b = wr_api_device(rhs, "rhs", &error);
  if (wr_api_return("mlx_device_equal", error)) return false;
  return wr_device_equal(a, b);
}

int mlx_device_get_index(int *index, mlx_device dev) {
  struct wr_error *error = NULL;
  wr_api_result(index, "index", &error);
  struct wr_device device = wr_api_device(dev, "dev", &error);
  if (!error) *index = device.index;
  return wr_api_return("mlx_device_get_index", error);
}

int mlx_device_get_type(mlx_device_type *type, mlx_device dev) {
  struct wr_error *error = NULL;
  wr_api_result(type, "type", &error);
  struct wr_device device = wr_api_device(dev, "dev", &error);
  if (!error) *type = (mlx_device_type)device.type;
  return wr_api_return("mlx_device_get_type", error);
}

/* ---- the default, and what there is ---- */

int mlx_get_default_device(mlx_device *dev) {
  struct wr_error *error = NULL;
  struct wr_device device = {0};
  wr_api_result_handle(dev, WR_KIND_DEVICE, "dev", &error);
  if (!error) error = wr_default_device(&device);
  if (!error) error = wr_api_put_device(dev, device);
  return wr_api_return("mlx_get_default_device", error);
}

int mlx_set_default_device(mlx_device dev) {
  struct wr_error *error = NULL;
  struct wr_device device = wr_api_device(dev, "dev", &error);
  if (!error) error = wr_set_default_device(device);
  return wr_api_return("mlx_set_default_device", error);
}

int mlx_device_is_available(bool *avail, mlx_device dev) {
  struct wr_error *error = NULL;
  wr_api_result(avail, "avail", &error);
  struct wr_device device = wr_api_device(dev, "dev", &error);
  if (error) return wr_api_fail("mlx_device_is_available", error);
  struct wr_error *absent = wr_device_check(device);
  *avail = !absent;
  wr_error_release(absent);
  return 0;
}

int mlx_device_count(int *count, mlx_device_type type) {
  struct wr_error *error = NULL;
  wr_api_result(count, "count", &error);
  check_type(type, &error);
  if (!error) *count = wr_backend_for((enum wr_device_type)type)->device_count();
  return wr_api_return("mlx_device_count", error);
}
