/* What is known of a device, as named values: texts, and of a GPU numbers too. No locks. */

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "api/api.h"
#include "backend/backend.h"
#include "base/base.h"
#include "memory/buffer.h"

enum { TEXT_BYTES = 128, NOT_FOUND = 2 /* mlx-c's rc for a key that is absent */ };

/* "" and UNKNOWN: there is no such key. */
static const size_t UNKNOWN = SIZE_MAX;

struct info {
  struct wr_kind_word kind;
  char architecture[TEXT_BYTES];
  char device_name[TEXT_BYTES];
  char uuid[TEXT_BYTES];
  char pci_bus_id[TEXT_BYTES];
  size_t major, minor; /* compute capability */
  size_t memory, free_memory, working_set;
};

static const struct field {
  const char *key;
  size_t offset;
  bool is_text;
} fields[] = {{"architecture", offsetof(struct info, architecture), true},
              {"device_name", offsetof(struct info, device_name), true},
              {"uuid", offsetof(struct info, uuid), true},
              {"pci_bus_id", offsetof(struct info, pci_bus_id), true},
              {"compute_capability_major", offsetof(struct info, major), false},
              {"compute_capability_minor", offsetof(struct info, minor), false},
              {"memory_size", offsetof(struct info, memory), false},
              {"total_memory", offsetof(struct info, memory), false},
              {"free_memory", offsetof(struct info, free_memory), false},
              {"max_recommended_working_set_size", offsetof(struct info, working_set), false}};

enum { FIELDS = sizeof fields / sizeof fields[0] };

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

static const char *text_of(const struct info *info, const struct field *field) {
  return (const char *)info + field->offset;
}

static size_t size_of(const struct info *info, const struct field *field) {
  size_t value;
  memcpy(&value, (const char *)info + field->offset, sizeof value);
  return value;
}

static bool is_known(const struct info *info, const struct field *field) {
  return field->is_text ? *text_of(info, field) != 0 : size_of(info, field) != UNKNOWN;
}

/* NULL where there is no such key. */
static const struct field *find(const struct info *info, const char *key) {
  for (int i = 0; i < FIELDS; i++) {
    if (!strcmp(fields[i].key, key)) return is_known(info, &fields[i]) ? &fields[i] : NULL;
  }
  return NULL;
}

static bool info_fill_gpu(struct info *info, int index) {
  const struct wr_backend *backend = wr_backend_for(WR_DEVICE_GPU);
  struct wr_device_facts facts;
  if (!backend->facts || !backend->facts(index, &facts)) return false;
  snprintf(info->architecture, TEXT_BYTES, "%s", facts.architecture);
  snprintf(info->device_name, TEXT_BYTES, "%s", facts.name);
  snprintf(info->uuid, TEXT_BYTES, "%s", facts.uuid);
  snprintf(info->pci_bus_id, TEXT_BYTES, "%s", facts.pci_bus_id);
  info->major = facts.major;
  info->minor = facts.minor;
  info->memory = facts.memory;
  info->free_memory = facts.free_memory;
  info->working_set = wr_memory_default_limit(facts.memory);
  return true;
}

static const struct info *check_info(mlx_device_info info, struct wr_error **error) {
  return wr_api_object(info.ctx, WR_KIND_DEVICE_INFO, "info", "is an empty device info", error);
}

mlx_device_info mlx_device_info_new(void) { return (mlx_device_info){NULL}; }

int mlx_device_info_free(mlx_device_info info) {
  struct wr_error *error = NULL;
  wr_free(wr_api_take(info.ctx, WR_KIND_DEVICE_INFO, "info", &error));
  return wr_api_return("mlx_device_info_free", error);
}

/* A device that is not there has nothing: an empty info, as in mlx-c, which programs take for the
   answer to their question. */
static struct wr_error *info_fill(struct info *info, struct wr_device device) {
  struct wr_error *error = wr_device_check(device);
  bool absent = error != NULL;
  wr_error_release(error);
  if (absent) return NULL;
  if (device.type == WR_DEVICE_CPU) {
    info_fill_cpu(info);
  } else if (!info_fill_gpu(info, device.index)) {
    return wr_error_new(WEIR_ERROR_UNSUPPORTED, "dev: nothing is known about this device");
  }
  return NULL;
}

/* In place where the handle has an object: copies of it follow. */
static struct wr_error *info_put(mlx_device_info *handle, const struct info *info) {
  struct info *object = wr_handle_object(handle->ctx, WR_KIND_DEVICE_INFO);
  bool is_new = !object;
  if (is_new) object = wr_alloc(sizeof *object);
  if (!object) return wr_error_out_of_memory();
  memcpy(object, info, sizeof *object);
  if (!is_new || wr_handle_give(&handle->ctx, object, WR_KIND_DEVICE_INFO)) return NULL;
  wr_free(object);
  return wr_error_out_of_memory();
}

int mlx_device_info_get(mlx_device_info *info, mlx_device dev) {
  struct wr_error *error = NULL;
  struct info found = {.major = UNKNOWN,
                       .minor = UNKNOWN,
                       .memory = UNKNOWN,
                       .free_memory = UNKNOWN,
                       .working_set = UNKNOWN};
  wr_kind_begin(&found.kind, WR_KIND_DEVICE_INFO);
  wr_api_result_handle(info, WR_KIND_DEVICE_INFO, "info", &error);
  struct wr_device device = wr_api_device(dev, "dev", &error);
  if (!error) error = info_fill(&found, device);
  if (!error) error = info_put(info, &found);
  return wr_api_return("mlx_device_info_get", error);
}

/* The checks of a question about a key; NULL after an error. */
static const struct info *asked(const void *place, const char *param, mlx_device_info info,
                                const char *key, struct wr_error **error) {
  wr_api_result(place, param, error);
  const struct info *known = check_info(info, error);
  wr_api_result(key, "key", error);
  return *error ? NULL : known;
}

int mlx_device_info_has_key(bool *exists, mlx_device_info info, const char *key) {
  struct wr_error *error = NULL;
  const struct info *known = asked(exists, "exists", info, key, &error);
  if (known) *exists = find(known, key) != NULL;
  return wr_api_return("mlx_device_info_has_key", error);
}

/* An answer about a key: what is known, and where it stands. */
struct answer {
  const struct info *known;
  const struct field *field;
};

/* The function's status. */
static int answer_of(const char *function, const void *place, const char *param,
                     mlx_device_info info, const char *key, struct answer *a) {
  struct wr_error *error = NULL;
  a->known = asked(place, param, info, key, &error);
  if (error) return wr_api_fail(function, error);
  a->field = find(a->known, key);
  return a->field ? 0 : NOT_FOUND;
}

int mlx_device_info_is_string(bool *is_string, mlx_device_info info, const char *key) {
  struct answer a;
  const int status = answer_of("mlx_device_info_is_string", is_string, "is_string", info, key, &a);
  if (status == 0) *is_string = a.field->is_text;
  return status;
}

int mlx_device_info_get_string(const char **value, mlx_device_info info, const char *key) {
  struct answer a;
  const int status = answer_of("mlx_device_info_get_string", value, "value", info, key, &a);
  if (status) return status;
  if (!a.field->is_text) return NOT_FOUND;
  *value = text_of(a.known, a.field);
  return 0;
}

int mlx_device_info_get_size(size_t *value, mlx_device_info info, const char *key) {
  struct answer a;
  const int status = answer_of("mlx_device_info_get_size", value, "value", info, key, &a);
  if (status) return status;
  if (a.field->is_text) return NOT_FOUND;
  *value = size_of(a.known, a.field);
  return 0;
}

int mlx_device_info_get_keys(mlx_vector_string *vec, mlx_device_info info) {
  const char *names[FIELDS];
  size_t count = 0;
  struct wr_error *error = NULL;
  wr_api_result_handle(vec, WR_KIND_VECTOR_STRING, "keys", &error);
  const struct info *known = check_info(info, &error);
  for (int i = 0; !error && i < FIELDS; i++) {
    if (is_known(known, &fields[i])) names[count++] = fields[i].key;
  }
  if (!error) error = wr_api_set_strings(vec, names, count);
  return wr_api_return("mlx_device_info_get_keys", error);
}
