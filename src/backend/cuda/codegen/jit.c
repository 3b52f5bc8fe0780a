/* From CUDA source, which the library carries as text, to machine code. The source is made special
   by macros: the names of the operation and of element types. The cache on disk is asked first; the
   compiler is opened when a module is not there. No locks: each thread has a program of its own. */

#include <stdio.h>
#include <string.h>

#include "backend/cuda/codegen/internal.h"
#include "backend/cuda/codegen/kernel_sources.h"
#include "base/doing.h"
#include "base/ending.h"
#include "base/gate.h"

enum { OPTION_BYTES = 64, OPTIONS = 12 };

static const char *const files[] = {
#define WR_SOURCE(ID, file, ...) [WR_SOURCE_##ID] = file,
#include "backend/cuda/codegen/sources.def"
#undef WR_SOURCE
};

static const char *const entries[][WR_ENTRIES_MAX] = {
#define WR_SOURCE(ID, file, ...) [WR_SOURCE_##ID] = {__VA_ARGS__},
#include "backend/cuda/codegen/sources.def"
#undef WR_SOURCE
};

static const char *const type_names[WR_DTYPE_COUNT] = {
    [WR_BOOL] = "b8",       [WR_UINT8] = "u8",      [WR_UINT16] = "u16",  [WR_UINT32] = "u32",
    [WR_UINT64] = "u64",    [WR_INT8] = "i8",       [WR_INT16] = "i16",   [WR_INT32] = "i32",
    [WR_INT64] = "i64",     [WR_FLOAT16] = "f16",   [WR_FLOAT32] = "f32", [WR_FLOAT64] = "f64",
    [WR_BFLOAT16] = "bf16", [WR_COMPLEX64] = "c64",
};

const char *wr_source_entry(enum wr_source source, int entry) {
  return entry < WR_ENTRIES_MAX ? entries[source][entry] : NULL;
}

/* ALL and ANY are the minimum and maximum of bools, which are 0 or 1. */
static const char *op_name(enum wr_op op) {
  if (op == WR_OP_ALL) return "min";
  if (op == WR_OP_ANY) return "max";
  return wr_op_info(op)->name;
}

const char *wr_type_name(enum wr_dtype t) { return type_names[t]; }

const char *wr_module_name(struct wr_module_id id, char *buf, size_t n) {
  snprintf(buf, n, "%s, %s of %s and %s", files[id.source], wr_op_info((enum wr_op)id.op)->name,
           wr_dtype_name((enum wr_dtype)id.a), wr_dtype_name((enum wr_dtype)id.b));
  return buf;
}

/* ---- options ---- */

struct options {
  char text[OPTIONS][OPTION_BYTES];
  const char *list[OPTIONS];
  int count;
};

static void add(struct options *o, const char *text) {
  snprintf(o->text[o->count], OPTION_BYTES, "%s", text);
  o->list[o->count] = o->text[o->count];
  o->count++;
}

static void add_text(struct options *o, const char *format, const char *value) {
  char text[OPTION_BYTES];
  snprintf(text, sizeof text, format, value);
  add(o, text);
}

/* No contraction of a product and a sum into one operation, so that a result does not depend on
   where the compiler would do that. */
static void options_make(struct options *o, struct wr_module_id id, int arch) {
  char text[OPTION_BYTES];
  o->count = 0;
  /* Instructions of one generation alone. */
  const bool own = id.source == WR_SOURCE_ATTENTION_TILES ||
                   id.source == WR_SOURCE_QUANTIZED_WIDE ||
                   (id.source == WR_SOURCE_CONV_TILES && arch == 90);
  snprintf(text, sizeof text, "--gpu-architecture=sm_%d%s", arch, own ? "a" : "");
  add(o, text);
  add(o, "--std=c++17");
  add(o, "--fmad=false");
  add(o, "--disable-warnings");
  add_text(o, "-DWR_OP=op_%s", op_name((enum wr_op)id.op));
  add_text(o, "-DWR_A=%s", type_names[id.a]);
  add_text(o, "-DWR_B=%s", type_names[id.b]);
  add(o, id.big ? "-DWR_INDEX=i64" : "-DWR_INDEX=u32");
  add(o, id.big ? "-DWR_DIMS=32" : "-DWR_DIMS=8");
  add(o, id.op == WR_OP_ARGSORT ? "-DWR_ORDER=1" : "-DWR_ORDER=0");
  snprintf(text, sizeof text, "-DWR_VARIANT=%d", id.variant);
  add(o, text);
  add(o, id.a == WR_COMPLEX64 ? "-DWR_COMPLEX=1" : "-DWR_COMPLEX=0");
}

/* ---- the compiler ---- */

/* What is compiled: the text, the name of its file, and what messages call it. */
struct unit {
  const char *text;
  const char *file;
  bool users; /* a user's kernel */
  char label[128];
  struct options options;
};

static void unit_of_module(struct unit *u, struct wr_module_id id, int arch) {
  u->users = false;
  u->file = files[id.source];
  u->text = wr_kernel_source(u->file);
  wr_module_name(id, u->label, sizeof u->label);
  options_make(&u->options, id, arch);
}

static void unit_of_group(struct unit *u, const char *text, struct wr_module_id id, int arch) {
  u->users = false;
  u->file = "group.cu";
  u->text = text;
  snprintf(u->label, sizeof u->label, "of a group");
  options_make(&u->options, id, arch);
}

/* Compiled as NVRTC does by itself: what is allowed there is the user's affair. */
static void unit_of_user(struct unit *u, const struct wr_kernel_text *text, int arch) {
  char option[OPTION_BYTES];
  u->users = true;
  u->file = "custom_kernel.cu";
  u->text = text->text;
  snprintf(u->label, sizeof u->label, "%s", text->entry);
  u->options.count = 0;
  snprintf(option, sizeof option, "--gpu-architecture=sm_%d", arch);
  add(&u->options, option);
}

static struct wr_error *users_error(const struct unit *unit, int result, const char *log,
                                    bool toolkit) {
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "%s was not compiled by NVRTC (%d):%s %s",
                      unit->label, result,
                      toolkit ? ""
                              : " the headers of a CUDA toolkit were not found, in $CUDA_HOME, "
                                "beside libnvrtc or in /usr/local/cuda;",
                      log);
}

static struct wr_error *compile_error(const struct wr_nvrtc *nvrtc, wr_nvrtc_program program,
                                      const struct unit *unit, int result, bool toolkit) {
  size_t bytes = 0;
  char *log = NULL;
  if (nvrtc->log_size(program, &bytes) == 0 && bytes > 0) log = wr_calloc(bytes + 1);
  if (log && nvrtc->log(program, log)) *log = '\0';
  const char *reason = log && *log ? log : "no reason was given";
  struct wr_error *error =
      unit->users ? users_error(unit, result, reason, toolkit)
                  : wr_error_new(WEIR_ERROR_INTERNAL,
                                 "the GPU kernel %s was not compiled by NVRTC (%d): %s",
                                 unit->label, result, reason);
  wr_free(log);
  return error;
}

static struct wr_error *take_image(const struct wr_nvrtc *nvrtc, wr_nvrtc_program program,
                                   void **image, size_t *bytes) {
  if (nvrtc->cubin_size(program, bytes) || *bytes == 0) {
    return wr_error_new(WEIR_ERROR_INTERNAL, "NVRTC made no machine code");
  }
  *image = wr_alloc(*bytes);
  if (!*image) return wr_error_out_of_memory();
  if (nvrtc->cubin(program, *image) == 0) return NULL;
  wr_free(*image);
  return wr_error_new(WEIR_ERROR_INTERNAL, "NVRTC kept its machine code");
}

/* Users' kernels see one header of Weir's, by the name that MLX's has. */
static int create(const struct wr_nvrtc *nvrtc, const struct unit *unit,
                  wr_nvrtc_program *program) {
  static const char *const users_name = "mlx/backend/cuda/device/utils.cuh";
  if (!unit->users) {
    return nvrtc->create(program, unit->text, unit->file, wr_kernel_header_count,
                         wr_kernel_header_texts, wr_kernel_header_names);
  }
  int i = 0;
  while (strcmp(wr_kernel_header_names[i], "users.cuh") != 0) i++;
  return nvrtc->create(program, unit->text, unit->file, 1, &wr_kernel_header_texts[i], &users_name);
}

static struct wr_error *compile_inside(struct unit *unit, void **image, size_t *bytes) {
  struct wr_absence why;
  char folders[WR_TOOLKIT_FOLDERS][WR_TOOLKIT_OPTION];
  int n_folders = 0;
  const struct wr_nvrtc *nvrtc = wr_cuda_nvrtc(&why);
  if (!nvrtc) return wr_gpu_lacks("GPU kernels", &why);
  wr_nvrtc_program program;
  int result = create(nvrtc, unit, &program);
  if (result) return wr_error_new(WEIR_ERROR_INTERNAL, "NVRTC made no program (%d)", result);
  if (unit->users) n_folders = wr_toolkit_options(nvrtc, folders);
  const int n = unit->options.count;
  for (int i = 0; i < n_folders; i++) unit->options.list[n + i] = folders[i];
  struct wr_doing *doing = wr_doing_begin(WR_DOING_COMPILE, NULL, NULL, unit->label);
  result = nvrtc->compile(program, n + n_folders, unit->options.list);
  wr_doing_end(doing);
  struct wr_error *error = result ? compile_error(nvrtc, program, unit, result, n_folders > 0)
                                  : take_image(nvrtc, program, image, bytes);
  nvrtc->destroy(&program);
  return error;
}

/* Inside the gate, since the library's destructor frees what the compiler uses. */
static struct wr_error *compile(struct unit *unit, void **image, size_t *bytes) {
  if (!wr_gate_enter(WR_GATE_GPU)) return wr_gpu_ending();
  struct wr_error *error = compile_inside(unit, image, bytes);
  wr_ending_goes_first();
  wr_gate_leave(WR_GATE_GPU);
  return error;
}

struct wr_error *wr_jit_compile(struct wr_module_id id, int arch, void **image, size_t *bytes) {
  struct unit unit;
  unit_of_module(&unit, id, arch);
  return compile(&unit, image, bytes);
}

struct wr_error *wr_jit_compile_group(const char *text, struct wr_module_id id, int arch,
                                      void **image, size_t *bytes) {
  struct unit unit;
  unit_of_group(&unit, text, id, arch);
  return compile(&unit, image, bytes);
}

struct wr_error *wr_jit_compile_users(const struct wr_kernel_text *text, int arch, void **image,
                                      size_t *bytes) {
  struct unit unit;
  unit_of_user(&unit, text, arch);
  return compile(&unit, image, bytes);
}

/* ---- the cache's key ---- */

/* Two FNV-1a hashes from different starts. */
static void hash_bytes(struct wr_jit_key *key, const void *data, size_t bytes) {
  const unsigned char *p = data;
  for (size_t i = 0; i < bytes; i++) {
    key->hash[0] = (key->hash[0] ^ p[i]) * UINT64_C(0x100000001b3);
    key->hash[1] = (key->hash[1] ^ p[i] ^ 0x5cu) * UINT64_C(0x100000001b3);
  }
}

/* With the 0 at the end of the text, so that two texts in a row are not the same as their
   concatenation. */
static void hash_text(struct wr_jit_key *key, const char *text) {
  hash_bytes(key, text, strlen(text) + 1);
}

static struct wr_jit_key key_of(const struct unit *unit, int driver) {
  struct wr_jit_key key = {{UINT64_C(0xcbf29ce484222325), UINT64_C(0x84222325cbf29ce4)}};
  hash_text(&key, unit->text);
  for (int i = 0; i < wr_kernel_header_count; i++) hash_text(&key, wr_kernel_header_texts[i]);
  for (int i = 0; i < unit->options.count; i++) hash_text(&key, unit->options.list[i]);
  hash_bytes(&key, &driver, sizeof driver);
  return key;
}

static struct wr_error *image_of(struct unit *unit, int driver, void **image) {
  size_t bytes;
  struct wr_jit_key key = key_of(unit, driver);
  *image = wr_jit_cache_read(key, &bytes);
  if (*image) return NULL;
  struct wr_error *error = compile(unit, image, &bytes);
  if (!error) wr_jit_cache_write(key, *image, bytes);
  return error;
}

struct wr_error *wr_jit_image(struct wr_module_id id, int arch, int driver, void **image) {
  struct unit unit;
  unit_of_module(&unit, id, arch);
  return image_of(&unit, driver, image);
}

struct wr_error *wr_jit_group_image(const char *text, struct wr_module_id id, int arch, int driver,
                                    void **image) {
  struct unit unit;
  unit_of_group(&unit, text, id, arch);
  return image_of(&unit, driver, image);
}

struct wr_error *wr_jit_users_image(const struct wr_kernel_text *text, int arch, int driver,
                                    void **image) {
  struct unit unit;
  unit_of_user(&unit, text, arch);
  return image_of(&unit, driver, image);
}
