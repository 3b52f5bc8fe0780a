/* The stand-in's memory: pools, of which each takes from its device's memory what is asked for, and
   pinned memory of the host. Bytes of the device are zero at first. */

#include <stdlib.h>
#include <string.h>

#include "internal.h"

struct wr_cu_pool_object {
  wr_cu_context context; /* immutable after publish */
};

wr_cu_result stand_in_pool_new(wr_cu_pool *pool, const struct wr_cu_pool_properties *properties) {
  wr_cu_context context;
  wr_cu_result result = call_begin_inside(CALL_pool_new, &context);
  if (result) return result;
  demand(properties->allocation_type == WR_CU_ALLOCATION_PINNED &&
             properties->location_type == WR_CU_LOCATION_DEVICE &&
             properties->location_id == context->ordinal,
         "a pool of another kind");
  *pool = malloc(sizeof **pool);
  if (!*pool) return call_end(WR_CU_OUT_OF_MEMORY);
  (*pool)->context = context;
  return call_end(WR_CU_SUCCESS);
}

wr_cu_result stand_in_pool_set(wr_cu_pool pool, int attribute, void *value) {
  wr_cu_context context;
  wr_cu_result result = call_begin_inside(CALL_pool_set, &context);
  if (result) return result;
  demand(pool->context == context && value != NULL, "a pool of another context");
  return call_end(attribute == WR_CU_POOL_RELEASE_THRESHOLD ? WR_CU_SUCCESS : INVALID_VALUE);
}

wr_cu_result stand_in_pool_access(wr_cu_pool pool, const struct wr_cu_access *access,
                                  size_t count) {
  wr_cu_context context;
  wr_cu_result result = call_begin_inside(CALL_pool_access, &context);
  if (result) return result;
  for (size_t i = 0; i < count; i++) {
    demand(access[i].location_id >= 0 && access[i].location_id < devices_count() &&
               access[i].location_id != pool->context->ordinal,
           "access for a device that is not there");
  }
  return call_end(WR_CU_SUCCESS);
}

wr_cu_result stand_in_pool_trim(wr_cu_pool pool, size_t keep) {
  wr_cu_context context;
  wr_cu_result result = call_begin_inside(CALL_pool_trim, &context);
  if (result) return result;
  demand(pool->context == context && keep == 0, "a pool of another context");
  return call_end(WR_CU_SUCCESS);
}

/* What is freed on the stream before it can be given again. */
wr_cu_result stand_in_alloc_async(wr_cu_address *out, size_t bytes, wr_cu_pool pool,
                                  wr_cu_stream stream) {
  wr_cu_context context;
  wr_cu_result result = call_begin_inside(CALL_alloc_async, &context);
  if (result) return result;
  stream_check(stream, context);
  demand(pool->context == context, "a pool of another context");
  if (bytes == 0) return call_end(INVALID_VALUE);
  if (bytes > addresses_total()) return call_end(WR_CU_OUT_OF_MEMORY);
  void *bytes_at = calloc(1, bytes);
  if (!bytes_at) return call_end(WR_CU_OUT_OF_MEMORY);
  *out = addresses_add(context->ordinal, bytes, bytes_at);
  if (!*out) {
    stream_drain(stream);
    *out = addresses_add(context->ordinal, bytes, bytes_at);
  }
  if (!*out) {
    free(bytes_at);
    return call_end(WR_CU_OUT_OF_MEMORY);
  }
  count_up(&counts.allocations);
  wr_fetch_add_relaxed(&counts.bytes, bytes);
  return call_end(WR_CU_SUCCESS);
}

wr_cu_result stand_in_free_async(wr_cu_address address, wr_cu_stream stream) {
  wr_cu_context context;
  wr_cu_result result = call_begin_inside(CALL_free_async, &context);
  if (result) return result;
  stream_check(stream, context);
  struct command *c = command_new(COMMAND_FREE, 0);
  c->to = address;
  stream_submit(stream, c);
  return call_end(WR_CU_SUCCESS);
}

wr_cu_result stand_in_host_alloc(void **out, size_t bytes, unsigned flags) {
  wr_cu_context context;
  wr_cu_result result = call_begin_inside(CALL_host_alloc, &context);
  if (result) return result;
  demand(flags == WR_CU_HOST_PORTABLE, "pinned memory of another kind");
  *out = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  if (!*out) return call_end(WR_CU_OUT_OF_MEMORY);
  count_up(&counts.pinned);
  return call_end(WR_CU_SUCCESS);
}
