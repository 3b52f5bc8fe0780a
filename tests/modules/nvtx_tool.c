/* A tool as NVTX's clients meet one: it looks through all tables of the client, fills every slot,
   and keeps the names that streams are given. With WEIR_TEST_TOOL=refuses it does the same and says
   that it does not want to be used; with =empty it fills nothing. One thread calls it. */

#include "nvtx_tool.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void (*slot)(void);

struct callbacks {
  size_t bytes;
  int (*slots)(uint32_t module, slot ***table, unsigned *count);
};

struct version {
  size_t bytes;
  uint32_t version;
  uint32_t reserved;
  void (*set)(uint32_t version);
};

enum { DRIVER = 2, NAME_STREAM = 5 };

struct nvtx_tool_report nvtx_tool_report;
int InitializeInjectionNvtx2(const void *(*export_table)(uint32_t table));

static void want(int right, const char *what) {
  if (right) return;
  nvtx_tool_report.faults++;
  fprintf(stderr, "nvtx_tool: not true: %s\n", what);
}

static void name_stream(const void *stream, const char *label) {
  struct nvtx_tool_report *r = &nvtx_tool_report;
  if (r->named < NVTX_TOOL_NAMES) {
    r->names[r->named].stream = stream;
    snprintf(r->names[r->named].label, NVTX_TOOL_BYTES, "%s", label);
  }
  r->named++;
}

static void not_called(void) { want(0, "only names of streams are called"); }

static void fill(uint32_t module, slot **table, unsigned count) {
  want(table[0] == NULL && table[count] == NULL, "NULL stands at both ends");
  for (unsigned i = 1; i < count; i++) {
    want(table[i] != NULL && *table[i] == NULL, "an empty slot");
    *table[i] = not_called;
  }
  if (module == DRIVER) *table[NAME_STREAM] = (slot)name_stream;
}

static void look_at_modules(const struct callbacks *callbacks, int fills) {
  static const unsigned counts[] = {0, 16, 9, 15, 7, 16, 7};
  for (uint32_t module = 1; module < 7; module++) {
    slot **table = NULL;
    unsigned count = 0;
    want(callbacks->slots(module, &table, &count) == 1, "the module is known");
    want(count == counts[module], "as many slots as NVTX 3 has");
    want(callbacks->slots(module, NULL, NULL) == 1, "results may be left out");
    if (fills && table) fill(module, table, count);
  }
  want(callbacks->slots(0, NULL, NULL) == 0, "module 0 is none");
  want(callbacks->slots(7, NULL, NULL) == 0, "module 7 is not known");
}

int InitializeInjectionNvtx2(const void *(*export_table)(uint32_t table)) {
  const char *how = getenv("WEIR_TEST_TOOL");
  const struct callbacks *callbacks = export_table(1);
  const struct version *version = export_table(3);
  nvtx_tool_report.initialized++;
  want(export_table(0) == NULL && export_table(2) == NULL && export_table(4) == NULL,
       "there are two tables");
  want(version && version->bytes == sizeof *version && version->version == 3, "version 3");
  want(callbacks && callbacks->bytes == sizeof *callbacks, "callbacks");
  if (nvtx_tool_report.faults) return 0;
  version->set(3);
  look_at_modules(callbacks, !how || strcmp(how, "empty") != 0);
  return !how || strcmp(how, "refuses") != 0;
}
