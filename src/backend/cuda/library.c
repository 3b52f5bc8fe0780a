/* Opening NVIDIA's libraries; see library.h. A library is looked for where the loader looks, then
   in the folders of a CUDA toolkit. Of several versions the newest comes first. What went wrong is
   kept as a text per library. */

#include "backend/cuda/library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/gate.h"

enum { REASON_BYTES = 512, PATH_BYTES = 512 };

struct symbol {
  const char *name;
  size_t offset; /* in the table of addresses */
};

struct library {
  const char *const *names; /* newest first, NULL at the end */
  const struct symbol *symbols;
  size_t count;
  void *table;
  char reason[REASON_BYTES]; /* "" when all is well */
};

/* ---- where libraries lie ---- */

static void *open_in(const char *folder, const char *name) {
  char path[PATH_BYTES];
  int length = snprintf(path, sizeof path, "%s/%s", folder, name);
  return length > 0 && length < PATH_BYTES ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
}

static void *open_under(const char *home, const char *name) {
  char folder[PATH_BYTES];
  int length = snprintf(folder, sizeof folder, "%s/lib64", home);
  return length > 0 && length < PATH_BYTES ? open_in(folder, name) : NULL;
}

static void *open_one(const char *name) {
  const char *home = wr_env_get()->cuda_home;
  void *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (!handle && *home) handle = open_under(home, name);
  if (!handle) handle = open_under("/usr/local/cuda", name);
  return handle;
}

static void *open_any(struct library *library) {
  char first[REASON_BYTES] = "";
  for (const char *const *name = library->names; *name; name++) {
    void *handle = open_one(*name);
    if (handle) return handle;
    if (!*first) snprintf(first, sizeof first, "%s", *name);
  }
  snprintf(library->reason, REASON_BYTES, "%.60s could not be opened: no such library was found",
           first);
  return NULL;
}

/* A function's address as the table keeps it; POSIX says that the bits are the same. */
static void put_address(void *table, size_t offset, void *address) {
  memcpy((char *)table + offset, &address, sizeof address);
}

static void library_open(struct library *library) {
  void *handle = open_any(library);
  if (!handle) return;
  wr_gate_goes_first();
  for (size_t i = 0; i < library->count; i++) {
    void *address = dlsym(handle, library->symbols[i].name);
    if (!address) {
      snprintf(library->reason, REASON_BYTES, "%s has no function %s: it is too old",
               library->names[0], library->symbols[i].name);
      return;
    }
    put_address(library->table, library->symbols[i].offset, address);
  }
}

/* ---- the driver ---- */

static struct wr_driver driver;

static const struct symbol driver_symbols[] = {
#define WR_CU(name, symbol, params) {symbol, offsetof(struct wr_driver, name)},
#include "backend/cuda/driver.def"
#undef WR_CU
};

static const char *const driver_names[] = {"libcuda.so.1", NULL};

static struct library driver_library = {
    .names = driver_names,
    .symbols = driver_symbols,
    .count = sizeof driver_symbols / sizeof driver_symbols[0],
    .table = &driver,
};

static void open_driver(void) {
  struct library *l = &driver_library;
  library_open(l);
  if (*l->reason) return;
  int count = 0;
  const char *call = "cuInit";
  wr_cu_result result = driver.init(0);
  wr_gate_goes_first();
  if (result == WR_CU_SUCCESS) {
    call = "cuDeviceGetCount";
    result = driver.device_count(&count);
  }
  const char *text = NULL;
  if (result != WR_CU_SUCCESS) {
    if (driver.error_text(result, &text) != WR_CU_SUCCESS || !text) text = "an unknown error";
    snprintf(l->reason, REASON_BYTES, "libcuda.so.1: %s failed: %s (%d)", call, text, result);
  } else if (count == 0) {
    snprintf(l->reason, REASON_BYTES, "libcuda.so.1 knows of no device");
  }
}

const struct wr_driver *wr_cuda_driver(const char **reason) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, open_driver);
  if (!*driver_library.reason) return &driver;
  if (reason) *reason = driver_library.reason;
  return NULL;
}

/* ---- the compiler ---- */

static struct wr_nvrtc nvrtc;

static const struct symbol nvrtc_symbols[] = {
#define WR_NVRTC(name, symbol, params) {symbol, offsetof(struct wr_nvrtc, name)},
#include "backend/cuda/nvrtc.def"
#undef WR_NVRTC
};

static const char *const nvrtc_names[] = {"libnvrtc.so.13", "libnvrtc.so.12", NULL};

static struct library nvrtc_library = {
    .names = nvrtc_names,
    .symbols = nvrtc_symbols,
    .count = sizeof nvrtc_symbols / sizeof nvrtc_symbols[0],
    .table = &nvrtc,
};

static void open_nvrtc(void) { library_open(&nvrtc_library); }

const struct wr_nvrtc *wr_cuda_nvrtc(const char **reason) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, open_nvrtc);
  if (!*nvrtc_library.reason) return &nvrtc;
  if (reason) *reason = nvrtc_library.reason;
  return NULL;
}

/* ---- matrix products ---- */

static struct wr_lt lt;

static const struct symbol lt_symbols[] = {
#define WR_LT(name, symbol, params) {symbol, offsetof(struct wr_lt, name)},
#include "backend/cuda/cublaslt.def"
#undef WR_LT
};

static const char *const lt_names[] = {"libcublasLt.so.13", "libcublasLt.so.12", NULL};

static struct library lt_library = {
    .names = lt_names,
    .symbols = lt_symbols,
    .count = sizeof lt_symbols / sizeof lt_symbols[0],
    .table = &lt,
};

static void open_lt(void) { library_open(&lt_library); }

const struct wr_lt *wr_cuda_lt(const char **reason) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, open_lt);
  if (!*lt_library.reason) return &lt;
  if (reason) *reason = lt_library.reason;
  return NULL;
}
