/* What runs on the stand-in's streams besides events: copies, fills and kernels; and the calls that
   queue them. Device memory is looked up when a command runs: what was freed by then is a misuse.
 */

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "internal.h"

/* ---- running ---- */

static char *find(wr_cu_address address, size_t bytes) {
  char *p = addresses_find(address, bytes);
  demand(p != NULL, "a copy or fill outside device memory that is there");
  return p;
}

static void sleep_ns(uint64_t ns) {
  const struct timespec time = {.tv_sec = (time_t)(ns / 1000000000u),
                                .tv_nsec = (long)(ns % 1000000000u)};
  nanosleep(&time, NULL);
}

/* Pseudo-random times, another in each thread. */
static void kernel_take_time(void) {
  static _Thread_local uint64_t seed;
  const uint64_t most = kernel_pause_ns();
  while (kernel_held()) sleep_ns(50000);
  if (!most) return;
  if (!seed) seed = (uint64_t)(uintptr_t)&seed;
  seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
  sleep_ns((seed >> 33) % most);
}

/* A byte at each pointer: enough for ThreadSanitizer to see what is not ordered. Values may look
   like any pointer. */
static void touch(const struct kernel *k) {
  for (int i = 0; i < k->function->n_params; i++) {
    const uint64_t word = k->words[i];
    if (k->function->params[i] == PARAM_VALUE || !addresses_is_device(word)) continue;
    volatile char *p = addresses_find(word, 1);
    demand(p != NULL, "a kernel runs with a pointer outside device memory that is there");
    if (k->function->params[i] == PARAM_READ) {
      (void)*p;
    } else if (k->function->params[i] == PARAM_WRITTEN) {
      *p = 0;
    }
  }
}

/* judge(verdict, info, flags, count, fault): the first that says something. */
static void judge(const uint64_t *w) {
  int64_t verdict[5] = {-1, (int64_t)w[3], (int64_t)w[4], 0, 0};
  const size_t bytes = (size_t)w[3] * sizeof(int32_t);
  void *host;
  for (size_t i = 0; i < w[3] && verdict[0] < 0; i++) {
    int32_t info, flag = 0;
    memcpy(&info, find(w[1], bytes) + i * sizeof info, sizeof info);
    if (w[2]) memcpy(&flag, find(w[2], bytes) + i * sizeof flag, sizeof flag);
    if (info || flag) verdict[0] = (int64_t)i;
    verdict[3] = flag;
    verdict[4] = info;
  }
  memcpy(&host, &w[0], sizeof host);
  memcpy(host, verdict, sizeof verdict);
}

/* put(to, n, bytes), get(to, from, n) and zero(to, n). */
static void move(const struct kernel *k) {
  const uint64_t *w = k->words;
  if (k->function->moves == MOVES_UP) {
    memcpy(find(w[0], (uint32_t)w[1]), k->moved, (uint32_t)w[1]);
  } else if (k->function->moves == MOVES_DOWN) {
    void *host;
    memcpy(&host, &w[0], sizeof host);
    memcpy(host, find(w[1], (uint32_t)w[2]), (uint32_t)w[2]);
  } else if (k->function->moves == MOVES_JUDGES) {
    judge(w);
  } else if (k->function->moves == MOVES_ZEROS) {
    memset(find(w[0], (size_t)w[1] * sizeof(int32_t)), 0, (size_t)w[1] * sizeof(int32_t));
  }
}

static void run_kernels(wr_cu_context context, const struct command *c) {
  for (int i = 0; i < c->n_kernels; i++) {
    if (c->kernels[i].function->moves == MOVES_NOTHING) kernel_take_time();
    const int fault = kernel_fault_now();
    if (fault) wr_store_relaxed(&context->fault, (uint32_t)fault);
    if (wr_load_relaxed(&context->fault)) return;
    touch(&c->kernels[i]);
    move(&c->kernels[i]);
    count_up(&counts.kernels);
  }
}

static void run_free(wr_cu_address address) {
  size_t bytes = 0;
  void *bytes_at = addresses_remove(address, &bytes);
  demand(bytes_at != NULL, "device memory is freed that is not there");
  free(bytes_at);
  count_down(&counts.allocations);
  wr_fetch_sub_relaxed(&counts.bytes, bytes);
}

/* A device with a fault does nothing more. */
void command_run(wr_cu_context context, const struct command *c) {
  if (wr_load_relaxed(&context->fault)) return;
  switch (c->kind) {
    case COMMAND_KERNELS:
      run_kernels(context, c);
      return;
    case COMMAND_FREE:
      run_free(c->to);
      return;
    case COMMAND_CALL:
      c->fn(c->arg);
      return;
    case COMMAND_TO_DEVICE:
      memcpy(find(c->to, c->bytes), c->read, c->bytes);
      break;
    case COMMAND_TO_HOST:
      memcpy(c->written, find(c->from, c->bytes), c->bytes);
      break;
    case COMMAND_ON_DEVICE:
      memmove(find(c->to, c->bytes), find(c->from, c->bytes), c->bytes);
      break;
    default:
      memset(find(c->to, c->bytes), c->value, c->bytes);
      break;
  }
  count_up(&counts.copies);
}

/* ---- copies and fills ---- */

static wr_cu_result submit(wr_cu_context context, wr_cu_stream stream, const struct command *like) {
  stream_check(stream, context);
  if (like->bytes) {
    struct command *c = command_new(like->kind, 0);
    memcpy(c, like, sizeof *c);
    stream_submit(stream, c);
  }
  return call_end(WR_CU_SUCCESS);
}

wr_cu_result stand_in_copy_to_device(wr_cu_address to, const void *from, size_t bytes,
                                     wr_cu_stream stream) {
  wr_cu_context context;
  wr_cu_result result = call_begin_inside(CALL_copy_to_device, &context);
  if (result) return result;
  const struct command c = {.kind = COMMAND_TO_DEVICE, .to = to, .read = from, .bytes = bytes};
  return submit(context, stream, &c);
}

wr_cu_result stand_in_copy_to_host(void *to, wr_cu_address from, size_t bytes,
                                   wr_cu_stream stream) {
  wr_cu_context context;
  wr_cu_result result = call_begin_inside(CALL_copy_to_host, &context);
  if (result) return result;
  const struct command c = {.kind = COMMAND_TO_HOST, .written = to, .from = from, .bytes = bytes};
  return submit(context, stream, &c);
}

wr_cu_result stand_in_copy_on_device(wr_cu_address to, wr_cu_address from, size_t bytes,
                                     wr_cu_stream stream) {
  wr_cu_context context;
  wr_cu_result result = call_begin_inside(CALL_copy_on_device, &context);
  if (result) return result;
  const struct command c = {.kind = COMMAND_ON_DEVICE, .to = to, .from = from, .bytes = bytes};
  return submit(context, stream, &c);
}

wr_cu_result stand_in_copy_to_peer(wr_cu_address to, wr_cu_context to_context, wr_cu_address from,
                                   wr_cu_context from_context, size_t bytes, wr_cu_stream stream) {
  wr_cu_context context;
  wr_cu_result result = call_begin_inside(CALL_copy_to_peer, &context);
  if (result) return result;
  demand(to_context != from_context, "a copy between a device and itself");
  const wr_cu_result other = (wr_cu_result)wr_load_relaxed(&from_context->fault);
  if (other) return call_end(other);
  const struct command c = {.kind = COMMAND_ON_DEVICE, .to = to, .from = from, .bytes = bytes};
  return submit(context, stream, &c);
}

wr_cu_result stand_in_fill_bytes(wr_cu_address at, unsigned char value, size_t bytes,
                                 wr_cu_stream stream) {
  wr_cu_context context;
  wr_cu_result result = call_begin_inside(CALL_fill_bytes, &context);
  if (result) return result;
  const struct command c = {.kind = COMMAND_FILL, .to = at, .value = value, .bytes = bytes};
  return submit(context, stream, &c);
}

/* ---- kernels ---- */

static bool is_extent(const unsigned *n) { return n[0] && n[1] && n[2]; }

wr_cu_result kernel_fill(struct kernel *k, const struct wr_cu_node_values *values) {
  const wr_cu_function function = values->function;
  const unsigned *grid = values->grid, *block = values->block;
  void **arguments = values->arguments;
  if (!function || !is_extent(grid) || !is_extent(block)) return INVALID_VALUE;
  if (block[0] * block[1] * block[2] > 1024) return INVALID_VALUE;
  if (grid[1] > 65535 || grid[2] > 65535) return INVALID_VALUE;
  if (values->shared_bytes > wr_load_relaxed(&function->most_shared)) return INVALID_VALUE;
  k->function = function;
  for (int i = 0; i < function->n_params; i++) {
    memcpy(&k->words[i], arguments[i], sizeof k->words[i]);
  }
  if (function->moves == MOVES_UP) {
    demand((uint32_t)k->words[1] <= MOVED_MAX, "more bytes in a launch than the stand-in knows");
    memcpy(k->moved, arguments[2], (uint32_t)k->words[1]);
  }
  return WR_CU_SUCCESS;
}

wr_cu_result stand_in_launch(wr_cu_function function, unsigned grid_x, unsigned grid_y,
                             unsigned grid_z, unsigned block_x, unsigned block_y, unsigned block_z,
                             unsigned shared_bytes, wr_cu_stream stream, void **arguments,
                             void **extra) {
  wr_cu_context context;
  wr_cu_result result = call_begin_inside(CALL_launch, &context);
  if (result) return result;
  const struct wr_cu_node_values values = {.function = function,
                                           .grid = {grid_x, grid_y, grid_z},
                                           .block = {block_x, block_y, block_z},
                                           .shared_bytes = shared_bytes,
                                           .arguments = arguments};
  stream_check(stream, context);
  demand(function->context == context, "a kernel is launched in another context than its own");
  demand(!extra, "a launch with more than the stand-in knows");
  struct command *c = command_new(COMMAND_KERNELS, 1);
  result = kernel_fill(&c->kernels[0], &values);
  if (result) {
    free(c);
    return call_end(result);
  }
  stream_submit(stream, c);
  return call_end(WR_CU_SUCCESS);
}
