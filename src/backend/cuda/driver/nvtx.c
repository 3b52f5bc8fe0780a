/* The client's side of NVTX; see nvtx.h. By the protocol a client has tables of slots, grouped in
   modules, and opens the tool's library, which writes the addresses of its functions into the slots
   that it wants to be called by. (NVIDIA's headers compile such tables into each client.) Weir has
   all slots, since a tool may fill any, and calls one: the one for names of streams. The protocol
   numbers modules and slots from 1.

   Only the tool writes to slots. Each call reads its slot anew, so that a tool may clear it before
   it goes away. */

#include "backend/cuda/driver/nvtx.h"

#include <dlfcn.h>
#include <string.h>

#include "base/base.h"
#include "base/lock.h"
#include "base/once.h"

enum {
  MODULES = 7, /* the first is none */
  MODULE_DRIVER = 2,
  SLOTS = 16, /* of the largest module */
  SLOT_NAME_STREAM = 5,
  TABLE_CALLBACKS = 1,
  TABLE_VERSION = 3,
  VERSION = 3
};

typedef void (*slot)(void); /* of the type that its number says */

/* One more than the last slot's number: the core, the driver, OpenCL, the CUDA runtime, domains,
   synchronization. */
static const unsigned slot_counts[MODULES] = {0, 16, 9, 15, 7, 16, 7};

static slot slots[MODULES][SLOTS];
static slot *pointers[MODULES][SLOTS + 1]; /* NULL at both ends */
static bool accepted;

/* ---- what the tool sees ---- */

static int module_slots(uint32_t module, slot ***table, unsigned *count) {
  if (module == 0 || module >= MODULES) return 0;
  if (table) *table = pointers[module];
  if (count) *count = slot_counts[module];
  return 1;
}

/* The tool tells its version, which makes no difference to Weir. */
static void tool_version(uint32_t version) { (void)version; }

struct callbacks {
  size_t bytes;
  int (*module_slots)(uint32_t module, slot ***table, unsigned *count);
};

struct version {
  size_t bytes;
  uint32_t version;
  uint32_t reserved;
  void (*tool_version)(uint32_t version);
};

static const void *export_table(uint32_t table) {
  static const struct callbacks callbacks = {sizeof callbacks, module_slots};
  static const struct version version = {sizeof version, VERSION, 0, tool_version};
  if (table == TABLE_CALLBACKS) return &callbacks;
  return table == TABLE_VERSION ? &version : NULL;
}

/* ---- opening it ---- */

typedef int (*initializer)(const void *(*export_table)(uint32_t table));

/* NULL when there is no such library, or it is no tool, or it was refused for the moment. */
static initializer find_initializer(const char *path, bool *for_now) {
  struct wr_refusal why;
  void *handle = wr_library_open(path, RTLD_LAZY | RTLD_LOCAL, &why);
  *for_now = !handle && why.for_now;
  void *address = handle ? dlsym(handle, "InitializeInjectionNvtx2") : NULL;
  initializer initialize;
  memcpy(&initialize, &address, sizeof initialize); /* POSIX says that the bits are the same */
  return initialize;
}

/* False when the system refused it for the moment: the next label tries again (T2). */
static bool open_tool(void *unused) {
  const char *path = wr_env_get()->nvtx_tool;
  bool for_now;
  (void)unused;
  if (!*path) return true;
  initializer initialize = find_initializer(path, &for_now);
  if (!initialize) return !for_now;
  for (int module = 1; module < MODULES; module++) {
    for (unsigned i = 1; i < slot_counts[module]; i++) pointers[module][i] = &slots[module][i];
  }
  accepted = initialize(export_table) != 0;
  return true;
}

/* ---- names ---- */

typedef void (*namer)(wr_cu_stream stream, const char *name);

static namer find_namer(void) {
  static struct wr_once once;
  return wr_once_try(&once, open_tool, NULL) && accepted
             ? (namer)slots[MODULE_DRIVER][SLOT_NAME_STREAM]
             : NULL;
}

bool wr_nvtx_listens(void) {
  int cancel = wr_cancel_off(); /* a tool's code may well be a cancellation point */
  bool listens = find_namer() != NULL;
  wr_cancel_restore(cancel);
  return listens;
}

void wr_nvtx_name_stream(wr_cu_stream stream, const char *label) {
  int cancel = wr_cancel_off();
  namer name = find_namer();
  if (name) name(stream, label);
  wr_cancel_restore(cancel);
}
