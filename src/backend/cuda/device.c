/* Sets up a GPU: makes what each room keeps for it, and frees that where something fails. And what
   a program is told about GPUs. No locks. */

#include "backend/cuda/device.h"

#include <stdio.h>

#include "backend/cuda/codegen/codegen.h"
#include "backend/cuda/driver/driver.h"
#include "backend/cuda/memory/memory.h"
#include "backend/cuda/ops/ops.h"
#include "backend/cuda/queue/queue.h"
#include "base/ending.h"
#include "base/gate.h"

/* ---- setting up ---- */

static struct wr_error *make_rooms(struct wr_gpu *gpu) {
  wr_gpu_enter(gpu);
  struct wr_error *error = wr_gpu_memory_new(gpu);
  wr_ending_goes_first();
  wr_gpu_leave();
  if (!error) error = wr_module_table_new(&gpu->modules);
  if (!error) error = wr_matmul_table_new(&gpu->matmuls);
  if (!error) error = wr_fft_table_new(&gpu->ffts);
  if (!error) error = wr_solver_table_new(&gpu->solvers);
  if (!error) error = wr_conv_table_new(&gpu->convs);
  if (!error) error = wr_group_table_new(&gpu->groups);
  if (!error) error = wr_gpu_queues_new(gpu);
  return error;
}

static struct wr_error *complete(struct wr_gpu *gpu) {
  struct wr_error *error = make_rooms(gpu);
  if (!error) return NULL;
  wr_gpu_queues_free(gpu->queues);
  wr_group_table_free(gpu->groups);
  wr_solver_table_free(gpu->solvers);
  wr_conv_table_free(gpu->convs);
  wr_fft_table_free(gpu->ffts);
  wr_matmul_table_free(gpu->matmuls);
  wr_module_table_free(gpu->modules);
  wr_gpu_memory_free(gpu->memory);
  return error;
}

struct wr_error *wr_gpu_get(int index, struct wr_gpu **out) {
  return wr_gpu_make_known(index, complete, out);
}

/* ---- what a program is told ---- */

/* Without the compiler's library nothing runs on a GPU, nor on one that is too old, so it cannot be
   used; a line on stderr says so. */
static enum wr_usable usable_inside(struct wr_absence *why) {
  if (wr_gpu_first_runs(why) && wr_cuda_nvrtc(why)) return WR_USABLE;
  if (why->for_now) return WR_UNUSABLE_FOR_NOW;
  char line[640];
  snprintf(line, sizeof line, "weir: there is a GPU, but the default device is the CPU: %s",
           why->reason);
  wr_log_line(line);
  return WR_UNUSABLE;
}

enum wr_usable wr_gpu_usable(const char **reason) {
  struct wr_absence why;
  enum wr_usable usable;
  if (!wr_gpu_any(&why)) {
    usable = why.for_now ? WR_UNUSABLE_FOR_NOW : WR_UNUSABLE;
  } else if (wr_gate_enter(WR_GATE_GPU)) {
    usable = usable_inside(&why);
    wr_gate_leave(WR_GATE_GPU);
  } else {
    why.reason = "the process is ending";
    usable = WR_UNUSABLE_FOR_NOW;
  }
  *reason = why.reason;
  return usable;
}

/* As nvidia-smi writes it. */
static void write_uuid(char *text, size_t bytes, const struct wr_cu_uuid *uuid) {
  int at = snprintf(text, bytes, "GPU");
  for (int i = 0; i < 16; i++) {
    const char *dash = i == 0 || (i >= 4 && i <= 10 && i % 2 == 0) ? "-" : "";
    at += snprintf(text + at, bytes - (size_t)at, "%s%02x", dash, uuid->bytes[i]);
  }
}

static bool attributes_read(wr_cu_device id, const int *attributes, int *values, int n) {
  for (int i = 0; i < n; i++) {
    if (wr_cu->device_attribute(&values[i], attributes[i], id) != WR_CU_SUCCESS) return false;
  }
  return true;
}

static bool facts_inside(int index, struct wr_device_facts *facts) {
  enum { MAJOR, MINOR, DOMAIN, BUS, DEVICE, COUNT };
  static const int attributes[COUNT] = {WR_CU_ATTRIBUTE_MAJOR, WR_CU_ATTRIBUTE_MINOR,
                                        WR_CU_ATTRIBUTE_PCI_DOMAIN, WR_CU_ATTRIBUTE_PCI_BUS,
                                        WR_CU_ATTRIBUTE_PCI_DEVICE};
  int values[COUNT];
  wr_cu_device id;
  struct wr_cu_uuid uuid;
  if (wr_cu->device_get(&id, index) != WR_CU_SUCCESS ||
      wr_cu->device_name(facts->name, (int)sizeof facts->name, id) != WR_CU_SUCCESS ||
      wr_cu->device_memory(&facts->memory, id) != WR_CU_SUCCESS ||
      wr_cu->device_uuid(&uuid, id) != WR_CU_SUCCESS ||
      !attributes_read(id, attributes, values, COUNT)) {
    return false;
  }
  write_uuid(facts->uuid, sizeof facts->uuid, &uuid);
  facts->major = (size_t)values[MAJOR];
  facts->minor = (size_t)values[MINOR];
  snprintf(facts->architecture, sizeof facts->architecture, "sm_%d%d", values[MAJOR],
           values[MINOR]);
  snprintf(facts->pci_bus_id, sizeof facts->pci_bus_id, "%04x:%02x:%02x.0",
           (unsigned)values[DOMAIN], (unsigned)values[BUS], (unsigned)values[DEVICE]);
  return true;
}

/* The driver tells it only where there is a context, so the GPU is set up, as for a first stream.
 */
static size_t free_memory(int index) {
  struct wr_gpu *gpu;
  struct wr_error *error = wr_gpu_get(index, &gpu);
  if (error) {
    wr_error_release(error);
    return SIZE_MAX;
  }
  size_t bytes, total;
  wr_gpu_enter(gpu);
  wr_cu_result result = wr_cu->context_memory(&bytes, &total);
  wr_gpu_leave();
  return result == WR_CU_SUCCESS ? bytes : SIZE_MAX;
}

bool wr_gpu_facts(int index, struct wr_device_facts *facts) {
  if (index < 0 || index >= wr_gpu_count() || !wr_gate_enter(WR_GATE_GPU)) return false;
  bool known = facts_inside(index, facts);
  wr_gate_leave(WR_GATE_GPU);
  if (known) facts->free_memory = free_memory(index);
  return known;
}
