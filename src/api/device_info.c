/* What is known of a device, as named values. Texts alone so far: a processor has no others. The
   object is immutable once made. No locks. */

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "api/api.h"
#include "base/base.h"

enum { TEXT_BYTES = 128, NOT_FOUND = 2 /* mlx-c's rc for a key that is absent */ };

struct info {
  char architecture[TEXT_BYTES];
  char device_name[TEXT_BYTES];
};

static const struct {
  const char *key;
  size_t offset;
} keys[] = {{"architecture", offsetof(struct info, architecture)},
            {"device_name", offsetof(struct info, device_name)}};

enum { KEY_COUNT = sizeof keys / sizeof keys[0] };

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
  for (int i = 0; i < KEY_COUNT; i++) {
    if (!strcmp(keys[i].key, key)) return (const char *)info + keys[i].offset;
  }
  return NULL;
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

static struct wr_error *info_make(struct wr_device device, struct info **out) {
  struct wr_error *error = wr_device_check(device);
  if (error) return error;
  if (device.type != WR_DEVICE_CPU) {
    return wr_error_new(WEIR_ERROR_UNSUPPORTED, "nothing is known about devices of this type");
  }
  struct info *info = wr_calloc(sizeof *info);
  if (!info) return wr_error_out_of_memory();
  info_fill_cpu(info);
  *out = info;
  return NULL;
}

int mlx_device_info_get(mlx_device_info *info, mlx_device dev) {
  struct wr_error *error = NULL;
  struct info *made = NULL;
  wr_api_result(info, "info", &error);
  struct wr_device device = wr_api_device(dev, "dev", &error);
  if (!error) error = info_make(device, &made);
  if (error) return wr_api_fail("mlx_device_info_get", error);
  wr_free(info->ctx);
  info->ctx = made;
  return 0;
}

int mlx_device_info_has_key(bool *exists, mlx_device_info info, const char *key) {
  struct wr_error *error = NULL;
  wr_api_result(exists, "exists", &error);
  const struct info *known = check_info(info, &error);
  wr_api_result(key, "key", &error);
  if (!error) *exists = info_text(known, key) != NULL;
  return wr_api_finish("mlx_device_info_has_key", error);
}

int mlx_device_info_is_string(bool *is_string, mlx_device_info info, const char *key) {
  struct wr_error *error = NULL;
  wr_api_result(is_string, "is_string", &error);
  const struct info *known = check_info(info, &error);
  wr_api_result(key, "key", &error);
  if (error) return wr_api_fail("mlx_device_info_is_string", error);
  if (!info_text(known, key)) return NOT_FOUND;
  *is_string = true;
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

/* No value of a processor is a number. */
int mlx_device_info_get_size(size_t *value, mlx_device_info info, const char *key) {
  struct wr_error *error = NULL;
  wr_api_result(value, "value", &error);
  check_info(info, &error);
  wr_api_result(key, "key", &error);
  if (error) return wr_api_fail("mlx_device_info_get_size", error);
  return NOT_FOUND;
}

int mlx_device_info_get_keys(mlx_vector_string *vec, mlx_device_info info) {
  const char *names[KEY_COUNT];
  struct wr_error *error = NULL;
  wr_api_result(vec, "keys", &error);
  check_info(info, &error);
  for (int i = 0; i < KEY_COUNT; i++) names[i] = keys[i].key;
  if (!error) error = wr_api_set_strings(vec, names, KEY_COUNT);
  return wr_api_finish("mlx_device_info_get_keys", error);
}
