/* Opening NVIDIA's libraries; see library.h. A library is looked for where the loader looks, then
   in the folders of a CUDA toolkit, the newest version first. If it cannot be used for a reason
   that will not change (it is not there, it is too old, it knows of no device), the reason is kept
   as a text. Reasons of the moment have constant texts, so that no thread reads a text that another
   one is writing. */

#include "backend/cuda/driver/library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/ending.h"
#include "base/found.h"
#include "base/once.h"

enum { REASON_BYTES = 512, PATH_BYTES = 512 };

struct library {
  const char *const *names;   /* newest first, NULL at the end */
  const char *const *symbols; /* of its functions, in the order of the table */
  size_t count;
  void *table;
  const char *own;           /* the variable that names another file, or NULL */
  const char *no_descriptor; /* constant texts for what was refused for the moment */
  const char *no_memory;
  bool (*begin)(struct library *library, struct wr_absence *why); /* once it is open, or NULL: false
                                                                     where that is of the moment */
  struct wr_once once;
  void *handle;              /* by the attempt alone */
  char reason[REASON_BYTES]; /* immutable after once: "" when all is well */
  bool is_part; /* functions that only newer ones have; what is told of it is the other's */
};

#define WR_LIBRARY_TEXTS(name)                                                       \
  .no_descriptor = name " cannot be opened now: the process has no descriptor left", \
  .no_memory = name " cannot be opened now: the system has no memory left"

/* ---- where libraries lie ---- */

struct search {
  bool over;    /* found; or refused for the moment, and then no older version is taken instead */
  void *handle; /* NULL: not found */
};

static void try_path(struct search *s, const char *path) {
  struct wr_refusal why;
  if (s->over) return;
  s->handle = wr_library_open(path, RTLD_NOW | RTLD_LOCAL, &why);
  s->over = s->handle || why.for_now;
}

static void try_under(struct search *s, const char *home, const char *name) {
  char path[PATH_BYTES];
  int length = snprintf(path, sizeof path, "%s/lib64/%s", home, name);
  if (length > 0 && length < PATH_BYTES) try_path(s, path);
}

static void try_one(struct search *s, const char *name) {
  const char *home = wr_env_get()->cuda_home;
  try_path(s, name);
  if (*home) try_under(s, home, name);
  try_under(s, "/usr/local/cuda", name);
}

/* Looks for the library; false when it was refused for the moment. */
static bool find(struct library *library, struct wr_absence *why) {
  struct search s = {0};
  const char *own = library->own ? wr_env_text(library->own) : NULL;
  if (own && *own) {
    try_path(&s, own);
  } else {
    for (const char *const *name = library->names; *name; name++) try_one(&s, *name);
  }
  library->handle = s.handle;
  if (s.handle) return true;
  if (s.over) {
    why->reason = wr_lacks_descriptors() ? library->no_descriptor : library->no_memory;
    return false;
  }
  snprintf(library->reason, REASON_BYTES, "%.200s could not be opened: no such library was found",
           own && *own ? own : library->names[0]);
  return true;
}

/* Writes address i of a table. POSIX says that a pointer to a function has the bits of a pointer to
   data. */
static void put_address(void *table, size_t i, void *address) {
  memcpy((char *)table + i * sizeof address, &address, sizeof address);
}

static void find_functions(struct library *library) {
  for (size_t i = 0; i < library->count; i++) {
    void *address = dlsym(library->handle, library->symbols[i]);
    if (!address) {
      snprintf(library->reason, REASON_BYTES, "%s has no function %s: it is too old",
               library->names[0], library->symbols[i]);
      return;
    }
    put_address(library->table, i, address);
  }
}

struct opening {
  struct library *library;
  struct wr_absence why;
};

static void tell(const struct library *library) {
  if (library->is_part) return;
  if (*library->reason) {
    wr_found_none(library->names[0], library->reason);
  } else {
    wr_found_library(library->names[0], library->handle, NULL);
  }
}

/* Opens it once; true when it is open, or cannot be used for a reason that will not change. */
static bool library_open(void *arg) {
  struct opening *o = arg;
  struct library *library = o->library;
  if (!library->handle) {
    if (!find(library, &o->why)) return false;
    if (!library->handle) {
      tell(library);
      return true;
    }
    wr_ending_goes_first();
    find_functions(library);
  }
  if (!*library->reason && library->begin && !library->begin(library, &o->why)) return false;
  tell(library);
  return true;
}

/* The table of its functions; NULL when it cannot be used, and then *why is filled. */
static const void *library_get(struct library *library, struct wr_absence *why) {
  struct opening opening = {.library = library, .why = {.for_now = true}};
  if (wr_once_try(&library->once, library_open, &opening)) {
    if (!*library->reason) return library->table;
    opening.why = (struct wr_absence){.reason = library->reason};
  }
  *why = opening.why;
  return NULL;
}

/* ---- the driver begins ---- */

static struct wr_driver driver;

/* The text if the driver's result is one of the moment, NULL if it will be the same next time.
   Where no file descriptor is left, any result is of the moment: the driver may even say that there
   is no device. */
static const char *refused_for_now(wr_cu_result result) {
  if (wr_lacks_descriptors()) {
    return "libcuda.so.1 cannot start now: the process has no descriptor left";
  }
  switch (result) {
    case WR_CU_OUT_OF_MEMORY:
      return "libcuda.so.1 cannot start now: out of memory (2)";
    case WR_CU_DEVICE_UNAVAILABLE:
      return "libcuda.so.1 cannot start now: a device is in use or unavailable (46)";
    case WR_CU_OPERATING_SYSTEM:
      return "libcuda.so.1 cannot start now: the operating system refused a call (304)";
    case WR_CU_SYSTEM_NOT_READY:
      return "libcuda.so.1 cannot start now: the system is not ready yet (802)";
    default:
      return NULL;
  }
}

static bool begin_driver(struct library *l, struct wr_absence *why) {
  int count = 0;
  const char *call = "cuInit";
  wr_cu_result result = driver.init(0);
  wr_ending_goes_first();
  if (result == WR_CU_SUCCESS) {
    call = "cuDeviceGetCount";
    result = driver.device_count(&count);
  }
  if (result == WR_CU_SUCCESS && count > 0) return true;
  why->reason = refused_for_now(result);
  if (why->reason) return false;
  const char *text = NULL;
  if (result == WR_CU_SUCCESS) {
    snprintf(l->reason, REASON_BYTES, "libcuda.so.1 knows of no device");
  } else {
    if (driver.error_text(result, &text) != WR_CU_SUCCESS || !text) text = "an unknown error";
    snprintf(l->reason, REASON_BYTES, "libcuda.so.1: %s failed: %s (%d)", call, text, result);
  }
  return true;
}

/* ---- which libraries there are ---- */

#define WR_FUNCTION(name, symbol, params) symbol,
static const char *const driver_symbols[] = {
#include "backend/cuda/driver/driver.def"
};
static const char *const nvrtc_symbols[] = {
#include "backend/cuda/driver/nvrtc.def"
};
static const char *const lt_symbols[] = {
#include "backend/cuda/driver/cublaslt.def"
};
static const char *const cufft_symbols[] = {
#include "backend/cuda/driver/cufft.def"
};
static const char *const cusolver_symbols[] = {
#include "backend/cuda/driver/cusolver.def"
};
static const char *const cusolver_new_symbols[] = {
#include "backend/cuda/driver/cusolver_new.def"
};
static const char *const cublas_symbols[] = {
#include "backend/cuda/driver/cublas.def"
};
static const char *const dnn_symbols[] = {
#include "backend/cuda/driver/cudnn.def"
};
static const char *const nccl_symbols[] = {
#include "backend/cuda/driver/nccl.def"
};
#undef WR_FUNCTION

/* A row each: the table of its functions, which wr_cuda_<id> gives; what its messages call it. */
#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define LIBRARY(id, text, ...)                                                                 \
  static struct wr_##id id;                                                                    \
  _Static_assert(sizeof id == sizeof id##_symbols, "the table is their addresses");            \
  static struct library id##_library = {.symbols = id##_symbols,                               \
                                        .count = sizeof id##_symbols / sizeof id##_symbols[0], \
                                        .table = &id,                                          \
                                        WR_LIBRARY_TEXTS(text),                                \
                                        __VA_ARGS__};                                          \
  const struct wr_##id *wr_cuda_##id(struct wr_absence *why) {                                 \
    return library_get(&id##_library, why);                                                    \
  }

LIBRARY(driver, "libcuda.so.1", .names = NAMES("libcuda.so.1"), .begin = begin_driver)
LIBRARY(nvrtc, "libnvrtc.so", .names = NAMES("libnvrtc.so.13", "libnvrtc.so.12"))
LIBRARY(lt, "libcublasLt.so", .names = NAMES("libcublasLt.so.13", "libcublasLt.so.12"))
LIBRARY(cufft, "libcufft.so", .names = NAMES("libcufft.so.12", "libcufft.so.11"))
LIBRARY(cusolver, "libcusolver.so", .names = NAMES("libcusolver.so.12", "libcusolver.so.11"))
LIBRARY(cusolver_new, "libcusolver.so", .is_part = true,
        .names = NAMES("libcusolver.so.12", "libcusolver.so.11"))
LIBRARY(cublas, "libcublas.so", .names = NAMES("libcublas.so.13", "libcublas.so.12"))
LIBRARY(dnn, "libcudnn.so.9", .names = NAMES("libcudnn.so.9"), .own = "WEIR_CUDNN")
LIBRARY(nccl, "libnccl.so.2", .names = NAMES("libnccl.so.2"), .own = "WEIR_NCCL")
