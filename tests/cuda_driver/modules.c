/* The stand-in's modules. An image is the source that the stand-in compiler was given; a kernel is
   found in it by name, and its parameters are read: how many, and which are pointers to what is
   only read. Nothing is ever unloaded. */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/op.h"
#include "image.h"
#include "internal.h"

struct wr_cu_module_object {
  struct wr_cu_module_object *next;
  wr_cu_context context;
  wr_atomic_ptr functions; /* atomic RELAXED: struct wr_cu_function_object *, pushed alone */
  char text[];
};

/* Atomic relaxed, pushed alone: so that a leak checker finds what Weir lets go of after an error.
 */
static wr_atomic_ptr modules;

static void push(wr_atomic_ptr *list, void *item, void **next) {
  void *first = wr_load_relaxed(list);
  do {
    *next = first;
  } while (!atomic_compare_exchange_weak_explicit(list, &first, item, memory_order_relaxed,
                                                  memory_order_relaxed));
}

wr_cu_result stand_in_module_load(wr_cu_module *module, const void *image) {
  wr_cu_context context;
  wr_cu_result result = call_begin_inside(CALL_module_load, &context);
  if (result) return result;
  const char *text = image;
  if (strncmp(text, IMAGE_START, strlen(IMAGE_START)) != 0) return call_end(INVALID_IMAGE);
  wr_cu_module m = malloc(sizeof *m + strlen(text) + 1);
  if (!m) return call_end(WR_CU_OUT_OF_MEMORY);
  m->context = context;
  atomic_init(&m->functions, NULL);
  memcpy(m->text, text, strlen(text) + 1);
  void *next;
  push(&modules, m, &next);
  m->next = next;
  count_up(&counts.modules);
  *module = m;
  return call_end(WR_CU_SUCCESS);
}

static bool is_word(char c) { return isalnum((unsigned char)c) || c == '_'; }

/* Past the parenthesis that opens the parameters of the kernel; NULL when there is none. */
static const char *parameters_of(const char *text, const char *name) {
  const size_t length = strlen(name);
  while ((text = strstr(text, "__global__"))) {
    const char *end = strchr(text, '{');
    const char *at = text;
    for (; end && (at = strstr(at, name)) && at < end; at += length) {
      if (!is_word(at[-1]) && at[length] == '(') return at + length + 1;
    }
    text += strlen("__global__");
  }
  return NULL;
}

static enum param kind_of(const char *begin, const char *end) {
  const char *star = memchr(begin, '*', (size_t)(end - begin));
  if (!star) return PARAM_VALUE;
  for (const char *p = begin; p + 6 <= star; p++) {
    if (memcmp(p, "const ", 6) == 0) return PARAM_READ;
  }
  return PARAM_WRITTEN;
}

/* Of the types that a kernel of the user's has (ops/kernel_source.c). */
static size_t bytes_of(enum param kind, const char *begin, const char *end) {
  static const struct {
    const char *type;
    size_t bytes;
  } values[] = {{"Shape", WR_KERNEL_NDIM * 4}, {"Strides", WR_KERNEL_NDIM * 8}, {"int ", 4}};
  const size_t n = (size_t)(end - begin);
  for (size_t i = 0; kind == PARAM_VALUE && i < sizeof values / sizeof *values; i++) {
    if (memmem(begin, n, values[i].type, strlen(values[i].type))) return values[i].bytes;
  }
  return 8;
}

/* Commas in angle brackets belong to a type. */
static void read_parameters(struct wr_cu_function_object *f, const char *text) {
  int depth = 0;
  const char *begin = text;
  for (const char *p = text;; p++) {
    demand(*p != '\0' && f->n_params < PARAMS_MAX, "parameters that the stand-in cannot read");
    if (*p == '<') depth++;
    if (*p == '>') depth--;
    if (depth > 0 || (*p != ',' && *p != ')')) continue;
    const enum param kind = kind_of(begin, p);
    f->bytes[f->n_params] = bytes_of(kind, begin, p);
    f->params[f->n_params++] = kind;
    begin = p + 1;
    if (*p == ')') return;
  }
}

/* Bytes: what a launch may ask for, and what a GPU of compute capability 9.0 has. */
enum { ORDINARY_SHARED = 48 << 10, MOST_THREADS = 1024 };

static enum moves moves_of(const char *name) {
  if (!strcmp(name, "put") || !strcmp(name, "put_few")) return MOVES_UP;
  if (!strcmp(name, "judge")) return MOVES_JUDGES;
  if (!strcmp(name, "zero")) return MOVES_ZEROS;
  return strcmp(name, "get") ? MOVES_NOTHING : MOVES_DOWN;
}

wr_cu_result stand_in_module_function(wr_cu_function *function, wr_cu_module module,
                                      const char *name) {
  wr_cu_context context;
  wr_cu_result result = call_begin_inside(CALL_module_function, &context);
  if (result) return result;
  demand(module->context == context, "a module of another context");
  const char *text = parameters_of(module->text, name);
  if (!text) return call_end(NOT_FOUND);
  struct wr_cu_function_object *f = calloc(1, sizeof *f);
  if (!f) return call_end(WR_CU_OUT_OF_MEMORY);
  f->context = context;
  f->moves = moves_of(name);
  atomic_init(&f->most_shared, ORDINARY_SHARED);
  read_parameters(f, text);
  void *next;
  push(&module->functions, f, &next);
  f->next = next;
  *function = f;
  return call_end(WR_CU_SUCCESS);
}

wr_cu_result stand_in_function_attribute(int *value, int attribute, wr_cu_function function) {
  wr_cu_context context;
  wr_cu_result result = call_begin_inside(CALL_function_attribute, &context);
  if (result) return result;
  demand(function->context == context, "a kernel of another context");
  if (attribute != WR_CU_FUNCTION_MAX_THREADS) return call_end(INVALID_VALUE);
  *value = MOST_THREADS;
  return call_end(WR_CU_SUCCESS);
}

wr_cu_result stand_in_function_parameter(wr_cu_function function, size_t index, size_t *offset,
                                         size_t *bytes) {
  wr_cu_context context;
  wr_cu_result result = call_begin_inside(CALL_function_parameter, &context);
  if (result) return result;
  demand(function->context == context, "a kernel of another context");
  if (index >= (size_t)function->n_params) return call_end(INVALID_VALUE);
  *offset = index * 8;
  *bytes = function->bytes[index];
  return call_end(WR_CU_SUCCESS);
}

/* What the driver asks of a map of four axes; nothing is copied by it here. */
wr_cu_result stand_in_tensor_map(struct wr_cu_tensor_map *map, int type, unsigned axes, void *data,
                                 const uint64_t *shape, const uint64_t *strides,
                                 const unsigned *box, const unsigned *steps, int interleave,
                                 int swizzle, int promotion, int fill) {
  enum { ALIGNED_MAP = 64, ALIGNED = 16, BOX = 256, BITS = 32, STRIDE_BITS = 40 };
  wr_cu_result result = call_begin(CALL_tensor_map);
  if (result) return result;
  demand((uintptr_t)map % ALIGNED_MAP == 0, "a map that does not lie on 64 bytes");
  const bool known = type == WR_CU_TENSOR_MAP_16_BITS || type == WR_CU_TENSOR_MAP_BYTES;
  demand(known && axes == 4 && interleave == 0, "an unknown map");
  if ((uintptr_t)data % ALIGNED) return call_end(INVALID_VALUE);
  for (unsigned i = 0; i < axes; i++) {
    const bool fits =
        shape[i] > 0 && shape[i] <= UINT64_C(1) << BITS && box[i] > 0 && box[i] <= BOX;
    if (!fits || steps[i] != 1) return call_end(INVALID_VALUE);
    if (i && (strides[i - 1] % ALIGNED || strides[i - 1] >> STRIDE_BITS)) {
      return call_end(INVALID_VALUE);
    }
  }
  memset(map, 0, sizeof *map);
  map->words[0] = (uint64_t)(uintptr_t)data;
  map->words[1] = (uint64_t)swizzle << 32 | (uint64_t)promotion << 16 | (uint64_t)fill;
  return call_end(WR_CU_SUCCESS);
}

wr_cu_result stand_in_function_set(wr_cu_function function, int attribute, int value) {
  wr_cu_context context;
  wr_cu_result result = call_begin_inside(CALL_function_set, &context);
  if (result) return result;
  demand(function->context == context, "a kernel of another context");
  if (attribute != WR_CU_FUNCTION_MAX_SHARED || value < 0 || value > devices_shared_most()) {
    return call_end(INVALID_VALUE);
  }
  wr_store_relaxed(&function->most_shared, (uint32_t)value);
  return call_end(WR_CU_SUCCESS);
}
