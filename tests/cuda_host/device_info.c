/* What clients of mlx-c ask about a GPU, by the names and in the formats that MLX has for CUDA,
   over the stand-in driver's two devices; and that where the driver refuses to tell, nothing is
   known, or that fact alone is missing. */

#include "stand_in_case.h"

static mlx_device_info info_of(int index) {
  mlx_device device = mlx_device_new_type(MLX_GPU, index);
  mlx_device_info info = mlx_device_info_new();
  CHECK(mlx_device_info_get(&info, device) == 0);
  mlx_device_free(device);
  return info;
}

static void expect_text(mlx_device_info info, const char *key, const char *value) {
  const char *text = NULL;
  bool yes = false;
  size_t size = 7;
  CHECK(mlx_device_info_has_key(&yes, info, key) == 0 && yes);
  CHECK(mlx_device_info_is_string(&yes, info, key) == 0 && yes);
  CHECK(mlx_device_info_get_string(&text, info, key) == 0 && !strcmp(text, value));
  CHECK(mlx_device_info_get_size(&size, info, key) == 2 && size == 7);
}

static size_t size_of(mlx_device_info info, const char *key) {
  const char *text = NULL;
  bool yes = false;
  size_t size = 0;
  CHECK(mlx_device_info_has_key(&yes, info, key) == 0 && yes);
  CHECK(mlx_device_info_is_string(&yes, info, key) == 0 && !yes);
  CHECK(mlx_device_info_get_size(&size, info, key) == 0);
  CHECK(mlx_device_info_get_string(&text, info, key) == 2 && !text);
  return size;
}

/* Each key that is listed is there, and there are so many. */
static void expect_keys(mlx_device_info info, size_t count) {
  mlx_vector_string keys = mlx_vector_string_new();
  char *key = NULL;
  bool yes = false;
  CHECK(mlx_device_info_get_keys(&keys, info) == 0 && mlx_vector_string_size(keys) == count);
  for (size_t i = 0; i < count; i++) {
    CHECK(mlx_vector_string_get(&key, keys, i) == 0);
    CHECK(mlx_device_info_has_key(&yes, info, key) == 0 && yes);
  }
  mlx_vector_string_free(keys);
}

static void facts(void) {
  mlx_device_info first = info_of(0), second = info_of(1);
  expect_text(first, "device_name", "stand-in 0");
  expect_text(first, "architecture", "sm_90");
  expect_text(first, "uuid", "GPU-00010203-0405-0607-0809-0a0b0c0d0e0f");
  expect_text(second, "uuid", "GPU-10111213-1415-1617-1819-1a1b1c1d1e1f");
  expect_text(first, "pci_bus_id", "0001:ab:00.0");
  expect_text(second, "pci_bus_id", "0001:ab:01.0");
  CHECK(size_of(first, "compute_capability_major") == 9);
  CHECK(size_of(first, "compute_capability_minor") == 0);
  CHECK(size_of(first, "total_memory") == (size_t)1 << 30);
  CHECK(size_of(first, "memory_size") == (size_t)1 << 30);
  CHECK(size_of(first, "max_recommended_working_set_size") == ((size_t)1 << 30) / 5 * 4);
  expect_keys(first, 10);
  mlx_device_info_free(first);
  mlx_device_info_free(second);
}

/* Of that device, at that moment. */
static void free_memory(void) {
  mlx_device_info before = info_of(0);
  mlx_stream s = new_gpu_stream();
  mlx_array a = floats(1 << 20, 0);
  turn(&a, s);
  CHECK(mlx_array_eval(a) == 0);
  mlx_device_info after = info_of(0), other = info_of(1);
  CHECK(size_of(after, "free_memory") + (4 << 20) <= size_of(before, "free_memory"));
  CHECK(size_of(other, "free_memory") == size_of(other, "total_memory"));
  mlx_device_info_free(before);
  mlx_device_info_free(after);
  mlx_device_info_free(other);
  mlx_array_free(a);
  mlx_stream_free(s);
}

static void refusals(void) {
  static const char *const needed[] = {"cuDeviceGetName", "cuDeviceGetUuid_v2",
                                       "cuDeviceGetAttribute", "cuDeviceTotalMem_v2"};
  mlx_device gpu = mlx_device_new_type(MLX_GPU, 0);
  mlx_device_info info = mlx_device_info_new();
  for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
    cuda->fail(needed[i], 1, 999);
    CHECK(mlx_device_info_get(&info, gpu) == 1 && cuda->has_failed());
    cuda->fail(needed[i], 0, 0);
  }
  bool yes = true;
  cuda->fail("cuMemGetInfo_v2", 1, 999);
  CHECK(mlx_device_info_get(&info, gpu) == 0 && cuda->has_failed());
  CHECK(mlx_device_info_has_key(&yes, info, "free_memory") == 0 && !yes);
  expect_keys(info, 9);
  mlx_device_info_free(info);
  mlx_device_free(gpu);
}

int main(void) {
  setenv("WEIR_STAND_IN_DEVICES", "2", 1);
  stand_in_start();
  mlx_set_error_handler(quiet, NULL, NULL);
  facts();
  free_memory();
  refusals();
  return 0;
}
