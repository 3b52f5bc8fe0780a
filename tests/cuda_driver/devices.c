/* The stand-in's devices and their contexts: one primary context each, which never ends, and a
   stack of contexts per thread. */

#include <stdio.h>
#include <stdlib.h>

#include "internal.h"

enum { STACK = 16 };

static struct wr_cu_context_object contexts[DEVICES_MAX]; /* ordinals: immutable after cuInit */
static int n_devices;                                     /* immutable after cuInit */
static int capability;                                    /* immutable after cuInit: 90 for 9.0 */

static _Thread_local wr_cu_context stack[STACK];
static _Thread_local int depth;
static _Thread_local bool refused; /* the last push failed by order */

void devices_start(void) {
  const char *text = getenv("WEIR_STAND_IN_DEVICES");
  n_devices = text ? atoi(text) : 1;
  demand(n_devices >= 0 && n_devices <= DEVICES_MAX, "WEIR_STAND_IN_DEVICES is out of range");
  text = getenv("WEIR_STAND_IN_CAPABILITY");
  capability = text ? atoi(text) : 90;
  for (int i = 0; i < n_devices; i++) contexts[i].ordinal = i;
}

int devices_count(void) { return n_devices; }

wr_cu_context context_current(void) {
  demand(depth || refused, "a call without a context");
  return depth ? stack[depth - 1] : NULL;
}

int devices_shared_most(void) {
  static const struct {
    int capability, kilobytes;
  } known[] = {{70, 96}, {72, 96}, {75, 64}, {80, 163}, {86, 99}, {87, 163}, {89, 99}, {120, 99}};
  if (capability < 70) return 48 << 10;
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (known[i].capability == capability) return known[i].kilobytes << 10;
  }
  return MOST_SHARED;
}

static bool is_device(wr_cu_device device) { return device >= 0 && device < n_devices; }

wr_cu_result stand_in_device_count(int *count) {
  wr_cu_result result = call_begin(CALL_device_count);
  if (result) return result;
  *count = n_devices;
  return call_end(WR_CU_SUCCESS);
}

wr_cu_result stand_in_device_get(wr_cu_device *device, int ordinal) {
  wr_cu_result result = call_begin(CALL_device_get);
  if (result) return result;
  if (!is_device(ordinal)) return call_end(INVALID_DEVICE);
  *device = ordinal;
  return call_end(WR_CU_SUCCESS);
}

wr_cu_result stand_in_device_name(char *name, int bytes, wr_cu_device device) {
  wr_cu_result result = call_begin(CALL_device_name);
  if (result) return result;
  if (!is_device(device)) return call_end(INVALID_DEVICE);
  snprintf(name, (size_t)bytes, "stand-in %d", device);
  return call_end(WR_CU_SUCCESS);
}

wr_cu_result stand_in_device_memory(size_t *bytes, wr_cu_device device) {
  wr_cu_result result = call_begin(CALL_device_memory);
  if (result) return result;
  if (!is_device(device)) return call_end(INVALID_DEVICE);
  *bytes = addresses_total();
  return call_end(WR_CU_SUCCESS);
}

wr_cu_result stand_in_device_uuid(struct wr_cu_uuid *uuid, wr_cu_device device) {
  wr_cu_result result = call_begin(CALL_device_uuid);
  if (result) return result;
  if (!is_device(device)) return call_end(INVALID_DEVICE);
  for (int i = 0; i < 16; i++) uuid->bytes[i] = (unsigned char)(16 * device + i);
  return call_end(WR_CU_SUCCESS);
}

wr_cu_result stand_in_device_attribute(int *value, int attribute, wr_cu_device device) {
  wr_cu_result result = call_begin(CALL_device_attribute);
  if (result) return result;
  if (!is_device(device)) return call_end(INVALID_DEVICE);
  switch (attribute) {
    case WR_CU_ATTRIBUTE_MULTIPROCESSORS:
      *value = 16;
      break;
    case WR_CU_ATTRIBUTE_PCI_DOMAIN:
      *value = 1;
      break;
    case WR_CU_ATTRIBUTE_PCI_BUS:
      *value = 0xab;
      break;
    case WR_CU_ATTRIBUTE_PCI_DEVICE:
      *value = device;
      break;
    case WR_CU_ATTRIBUTE_MAJOR:
      *value = capability / 10;
      break;
    case WR_CU_ATTRIBUTE_MINOR:
      *value = capability % 10;
      break;
    case WR_CU_ATTRIBUTE_SHARED_MOST:
      *value = devices_shared_most();
      break;
    case WR_CU_ATTRIBUTE_POOLS:
      *value = 1;
      break;
    default:
      return call_end(INVALID_VALUE);
  }
  return call_end(WR_CU_SUCCESS);
}

wr_cu_result stand_in_peer_possible(int *yes, wr_cu_device device, wr_cu_device peer) {
  wr_cu_result result = call_begin(CALL_peer_possible);
  if (result) return result;
  if (!is_device(device) || !is_device(peer)) return call_end(INVALID_DEVICE);
  *yes = device != peer;
  return call_end(WR_CU_SUCCESS);
}

wr_cu_result stand_in_context_retain(wr_cu_context *context, wr_cu_device device) {
  wr_cu_result result = call_begin(CALL_context_retain);
  if (result) return result;
  if (!is_device(device)) return call_end(INVALID_DEVICE);
  *context = &contexts[device];
  return call_end(WR_CU_SUCCESS);
}

wr_cu_result stand_in_context_push(wr_cu_context context) {
  wr_cu_result result = call_begin(CALL_context_push);
  refused = result != WR_CU_SUCCESS;
  if (result) return result;
  demand(depth < STACK, "contexts are pushed and not popped");
  demand(context >= contexts && context < contexts + n_devices, "no such context");
  stack[depth++] = context;
  return call_end(WR_CU_SUCCESS);
}

/* A push may have failed before, by order or at the end. */
wr_cu_result stand_in_context_pop(wr_cu_context *context) {
  wr_cu_result result = call_begin(CALL_context_pop);
  if (result) return result;
  if (depth == 0) return call_end(INVALID_CONTEXT);
  *context = stack[--depth];
  return call_end(WR_CU_SUCCESS);
}

wr_cu_result stand_in_context_memory(size_t *free_bytes, size_t *total) {
  wr_cu_context context;
  wr_cu_result result = call_begin_inside(CALL_context_memory, &context);
  if (result) return result;
  const size_t used = addresses_used(context->ordinal);
  *total = addresses_total();
  *free_bytes = *total > used ? *total - used : 0;
  return call_end(WR_CU_SUCCESS);
}
