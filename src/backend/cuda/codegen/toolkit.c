/* Where NVIDIA's headers lie, which users' kernels include and Weir's own do not: in the CUDA
   toolkit that CUDA_HOME names, beside the compiler's library (a toolkit's, or one of the Python
   packages nvidia/cu13, nvidia/cuda_nvrtc), or in /usr/local/cuda. A toolkit has CCCL in a folder
   of its own since CUDA 13. Looked for at each compilation. No locks. */

#define _GNU_SOURCE /* dladdr */

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backend/cuda/codegen/internal.h"

enum { FOLDER = 512 };

static bool has(const char *folder, const char *file) {
  char path[FOLDER + 64];
  int length = snprintf(path, sizeof path, "%s/%s", folder, file);
  return length > 0 && (size_t)length < sizeof path && access(path, R_OK) == 0;
}

/* False where the folder's name is too long, or the file is not in it. */
static bool look(char folder[FOLDER], const char *base, const char *below, const char *file) {
  int length = snprintf(folder, FOLDER, "%s%s", base, below);
  return *base && length > 0 && length < FOLDER && has(folder, file);
}

/* The folder of the library that has the function; "" when that is not known. */
static void folder_of(int (*function)(int *, int *), char folder[FOLDER]) {
  Dl_info info;
  void *address;
  memcpy(&address, &function, sizeof address);
  folder[0] = '\0';
  if (!dladdr(address, &info) || !info.dli_fname) return;
  const char *end = strrchr(info.dli_fname, '/');
  const size_t length = end ? (size_t)(end - info.dli_fname) : 0;
  if (length == 0 || length >= FOLDER) return;
  memcpy(folder, info.dli_fname, length);
  folder[length] = '\0';
}

int wr_toolkit_options(const struct wr_nvrtc *nvrtc,
                       char options[WR_TOOLKIT_FOLDERS][WR_TOOLKIT_OPTION]) {
  static const char fp16[] = "cuda_fp16.h", array[] = "cuda/std/array";
  const char *home = wr_env_get()->cuda_home;
  char library[FOLDER], folder[FOLDER], cccl[FOLDER];
  int n = 0;
  folder_of(nvrtc->version, library);
  if (!look(folder, home, "/include", fp16) && !look(folder, library, "/../include", fp16) &&
      !look(folder, library, "/../../cuda_runtime/include", fp16) &&
      !look(folder, "/usr/local/cuda", "/include", fp16)) {
    return 0;
  }
  snprintf(options[n++], WR_TOOLKIT_OPTION, "--include-path=%s", folder);
  if (!has(folder, array) && (look(cccl, folder, "/cccl", array) ||
                              look(cccl, library, "/../../cuda_cccl/include", array))) {
    snprintf(options[n++], WR_TOOLKIT_OPTION, "--include-path=%s", cccl);
  }
  return n;
}
