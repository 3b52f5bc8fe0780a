#ifndef WR_TESTS_CUDA_DRIVER_INTERNAL_H
#define WR_TESTS_CUDA_DRIVER_INTERNAL_H

/* Shared between the files of the stand-in driver; see stand_in.h. Its functions are declared from
   Weir's own list, so that each is there with the parameters that Weir calls it with. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/cuda/driver/library.h"
#include "base/atomic.h"
#include "stand_in.h"

#define WR_FUNCTION(name, symbol, params) \
  __attribute__((visibility("default"))) wr_cu_result stand_in_##name params __asm__(symbol);
#include "backend/cuda/driver/driver.def"
#undef WR_FUNCTION

enum call {
#define WR_FUNCTION(name, symbol, params) CALL_##name,
#include "backend/cuda/driver/driver.def"
#undef WR_FUNCTION
  CALL_COUNT
};

enum {
  INVALID_VALUE = 1,
  INVALID_DEVICE = 101,
  INVALID_IMAGE = 200,
  INVALID_CONTEXT = 201,
  NOT_FOUND = 500,
  DEVICES_MAX = 8
};

/* ---- calls.c: what every call goes through, orders to fail, counts ---- */

/* A call that needs no context. Success must be followed by call_end, which returns `result`. */
wr_cu_result call_begin(enum call call);
wr_cu_result call_end(wr_cu_result result);
/* A call for the calling thread's context: fails where its device has. */
wr_cu_result call_begin_inside(enum call call, wr_cu_context *context);

/* The program did what no program may do. */
_Noreturn void misuse(const char *what);
/* The same unless it is true. */
void demand(bool is_true, const char *what);

/* Atomic relaxed: numbers by themselves. */
struct counts {
  wr_atomic_u64 streams, events, allocations, bytes, graphs, graph_execs, modules, pinned;
  wr_atomic_u64 kernels, graph_launches, copies;
};
extern struct counts counts;
void count_up(wr_atomic_u64 *count);
void count_down(wr_atomic_u64 *count);

/* All is run at once on the calling thread. */
bool runs_directly(void);

/* ---- devices.c ---- */

struct wr_cu_context_object {
  int ordinal;
  wr_atomic_u32 fault; /* atomic RELAXED: the result that all calls give, or 0 */
};

void devices_start(void);
int devices_count(void);
int devices_shared_most(void); /* bytes of shared memory that a block may have */
/* The calling thread's context; NULL where it could not be pushed. */
wr_cu_context context_current(void);

/* ---- addresses.c: hidden from ThreadSanitizer ---- */

/* A new address of so many bytes, kept at `bytes_at`; 0 when the device or the table is full. */
wr_cu_address addresses_add(int ordinal, size_t bytes, void *bytes_at);
/* Forgets the block that begins there; NULL when there is none. */
void *addresses_remove(wr_cu_address address, size_t *bytes);
/* Where the bytes are; NULL when they do not lie in one block. */
void *addresses_find(wr_cu_address address, size_t bytes);
bool addresses_is_device(uint64_t value);
void addresses_capacity(size_t bytes);
size_t addresses_total(void);
size_t addresses_used(int ordinal);
/* Orders that kernels take from the test. */
void kernel_hold(int by);
bool kernel_held(void);
void kernel_pause(uint64_t ns);
uint64_t kernel_pause_ns(void);
void kernel_fault(uint64_t n, int result);
/* The result when this kernel is the one that was ordered to be a fault. */
int kernel_fault_now(void);

/* ---- modules.c ---- */

enum { PARAMS_MAX = 64, MOVED_MAX = 1024 };

enum param { PARAM_VALUE, PARAM_READ, PARAM_WRITTEN };

/* The kernels that move bytes between host and device (exchange.cu) do, and so does the one that
   tells what was found of matrices (linalg_factors.cu); the others compute nothing. */
enum moves { MOVES_NOTHING, MOVES_UP, MOVES_DOWN, MOVES_JUDGES, MOVES_ZEROS };

enum { MOST_SHARED = 227 << 10 }; /* bytes of a block */

struct wr_cu_function_object {
  struct wr_cu_function_object *next; /* of the module's */
  wr_cu_context context;
  enum moves moves;
  wr_atomic_u32 most_shared; /* atomic RELAXED: dynamic memory that a launch may ask for */
  int n_params;
  enum param params[PARAMS_MAX];
  size_t bytes[PARAMS_MAX];
};

/* ---- queues.c: streams and events ---- */

/* A place on a stream that can be waited for; counted. */
struct ticket;

struct kernel {
  wr_cu_function function;
  uint64_t words[PARAMS_MAX]; /* the first word of each argument */
  unsigned char moved[MOVED_MAX];
};

enum command_kind {
  COMMAND_TICKET,
  COMMAND_WAIT,
  COMMAND_KERNELS,
  COMMAND_TO_DEVICE,
  COMMAND_TO_HOST,
  COMMAND_ON_DEVICE,
  COMMAND_FILL,
  COMMAND_FREE,
  COMMAND_CALL
};

struct command {
  struct command *next;
  enum command_kind kind;
  struct ticket *ticket; /* a reference */
  wr_cu_address to, from;
  const void *read;
  void *written;
  size_t bytes;
  unsigned char value;
  void (*fn)(void *);
  void *arg;
  int n_kernels;
  struct kernel kernels[];
};

/* Zeroed, with room for the kernels. */
struct command *command_new(enum command_kind kind, int n_kernels);
/* For another library; see stand_in.h. */
void stream_run(void *stream, void (*fn)(void *), void *arg);
/* Takes the command. The stream is one of the context. */
void stream_submit(wr_cu_stream stream, struct command *command);
/* Waits until all is over that was submitted before. */
void stream_drain(wr_cu_stream stream);
/* Launches, events and waits that a stream takes before it blocks the call that brings one more. */
void queue_limit(uint64_t places);
/* How many calls were blocked. */
uint64_t queue_blocked(void);
void stream_check(wr_cu_stream stream, wr_cu_context context);

/* ---- commands.c ---- */

/* Runs a command that is neither TICKET nor WAIT. */
void command_run(wr_cu_context context, const struct command *command);
/* Reads the first word of each argument, which Weir lays out in whole words. */
wr_cu_result kernel_fill(struct kernel *kernel, const struct wr_cu_node_values *values);

#endif
