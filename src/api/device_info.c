/* What is known of a device, as named values: texts, and for a GPU the bytes of its memory. No
   locks. */

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "api/api.h"
#include "backend/backend.h"
#include "base/base.h"

enum { TEXT_BYTES = 128, NOT_FOUND = 2 /* mlx-c's rc for a key that is absent */ };

struct info {
  char architecture[TEXT_BYTES];
  char device_name[TEXT_BYTES];
  size_t memory_size; /* 0: not known, and then there is no such key */
};

static const struct {
  const char *key;
  size_t offset;
} texts[] = {{"architecture", offsetof(struct info, architecture)},
             {"device_name", offsetof(struct info, device_name)}};

enum { TEXT_COUNT = sizeof texts / sizeof texts[0] };

static const char memory_key[] = "memory_size";

/* The text of a "model name : ..." line of /proc/cpuinfo; false on any other line. */
static bool parse_model(const char *line, char *name) {
  if (strncmp(line, "model name", 10)) return false;
  const char *value = strstr(line, ": ");
  if (!value) return false;
  value += 2;
  snprintf(name, TEXT_BYTES, "%.*s", (int)strcspn(value, "\n"), value);
  return true;
}

static bool read_model(char *name) {
  FILE *f = fopen("/proc/cpuinfo", "re");
  if (!f) return false;
  char line[512];
  bool found = false;
  while (!found && fgets(line, sizeof line, f)) found = parse_model(line, name);
  fclose(f);
  return found;
}

static void info_fill_cpu(struct info *info) {
  struct utsname os;
  snprintf(info->architecture, TEXT_BYTES, "%s", uname(&os) == 0 ? os.machine : "unknown");
  if (!read_model(info->device_name)) {
    memcpy(info->device_name, info->architecture, TEXT_BYTES);
  }
}

static const char *info_text(const struct info *info, const char *key) {
  for (int i = 0; i < TEXT_COUNT; i++) {
    if (!strcmp(texts[i].key, key)) return (const char *)info + texts[i].offset;
  }
  return NULL;
}

static bool has_size(const struct info *info, const char *key) {
  return info->memory_size > 0 && !strcmp(key, memory_key);
}

static bool info_fill_gpu(struct info *info, int index) {
  const struct wr_backend *backend = wr_backend_for(WR_DEVICE_GPU);
  struct wr_device_facts facts;
  if (!backend->facts || !backend->facts(index, &facts)) return false;
  snprintf(info->architecture, TEXT_BYTES, "%s", facts.architecture);
  snprintf(info->device_name, TEXT_BYTES, "%s", facts.name);
  info->memory_size = facts.memory;
  return true;
}

static const struct info *check_info(mlx_device_info info, struct wr_error **error) {
  if (!info.ctx) wr_api_reject(error, "info", "is an empty device info");
  return info.ctx;
}

mlx_device_info mlx_device_info_new(void) { return (mlx_device_info){NULL}; }

int mlx_device_info_free(mlx_device_info info) {
  wr_free(info.ctx);
  return 0;
}

static struct wr_error *info_fill(struct info *info, struct wr_device device) {
  struct wr_error *error = wr_device_check(device);
  if (error) return error;
  if (device.type == WR_DEVICE_CPU) {
    info_fill_cpu(info);
  } else if (!info_fill_gpu(info, device.index)) {
    return wr_error_new(WEIR_ERROR_UNSUPPORTED, "dev: nothing is known about this device");
  }
  return NULL;
}

/* In place where the handle has an object: copies of it follow. */
static struct wr_error *info_put(mlx_device_info *handle, const struct info *info) {
  if (!handle->ctx) handle->ctx = wr_alloc(sizeof *info);
  if (!handle->ctx) return wr_error_out_of_memory();
  memcpy(handle->ctx, info, sizeof *info);
  return NULL;
}

int mlx_device_info_get(mlx_device_info *info, mlx_device dev) {
  struct wr_error *error = NULL;
  struct info found = {.memory_size = 0};
  wr_api_result(info, "info", &error);
  struct wr_device device = wr_api_device(dev, "dev", &error);
  if (!error) error = info_fill(&found, device);
  if (!error) error = info_put(info, &found);
  return wr_api_finish("mlx_device_info_get", error);
}

int mlx_device_info_has_key(bool *exists, mlx_device_info info, const char *key) {
  struct wr_error *error = NULL;
  wr_api_result(exists, "exists", &error);
  const struct info *known = check_info(info, &error);
  wr_api_result(key, "key", &error);
  if (!error) *exists = info_text(known, key) || has_size(known, key);
  return wr_api_finish("mlx_device_info_has_key", error);
}

int mlx_device_info_is_string(bool *is_string, mlx_device_info info, const char *key) {
  struct wr_error *error = NULL;
  wr_api_result(is_string, "is_string", &error);
  const struct info *known = check_info(info, &error);
  wr_api_result(key, "key", &error);
  if (error) return wr_api_fail("mlx_device_info_is_string", error);
  bool text = info_text(known, key) != NULL;
  if (!text && !has_size(known, key)) return NOT_FOUND;
  *is_string = text;
  return 0;
}

int mlx_device_info_get_string(const char **value, mlx_device_info info, const char *key) {
  struct wr_error *error = NULL;
  wr_api_result(value, "value", &error);
  const struct info *known = check_info(info, &error);
  wr_api_result(key, "key", &error);
  if (error) return wr_api_fail("mlx_device_info_get_string", error);
  const char *text = info_text(known, key);
  if (!text) return NOT_FOUND;
  *value = text;
  return 0;
}

int mlx_device_info_get_size(size_t *value, mlx_device_info info, const char *key) {
  struct wr_error *error = NULL;
  wr_api_result(value, "value", &error);
  const struct info *known = check_info(info, &error);
  wr_api_result(key, "key", &error);
  if (error) return wr_api_fail("mlx_device_info_get_size", error);
  if (!has_size(known, key)) return NOT_FOUND;
  *value = known->memory_size;
  return 0;
}

int mlx_device_info_get_keys(mlx_vector_string *vec, mlx_device_info info) {
  const char *names[TEXT_COUNT + 1];
  int count = TEXT_COUNT;
  struct wr_error *error = NULL;
  wr_api_result(vec, "keys", &error);
  const struct info *known = check_info(info, &error);
  for (int i = 0; i < TEXT_COUNT; i++) names[i] = texts[i].key;
  if (!error && has_size(known, memory_key)) names[count++] = memory_key;
  if (!error) error = wr_api_set_strings(vec, names, (size_t)count);
  return wr_api_finish("mlx_device_info_get_keys", error);
}
