#ifndef WR_BACKEND_BACKEND_H
#define WR_BACKEND_BACKEND_H

/* The contract between Weir and a device: a struct of functions. Nothing above this file may assume
   that an array's bytes can be read by the host, or that work runs on threads.

   An encoder is the backend's object behind a stream: a serial queue. encode() is called by one
   thread at a time for an encoder, in the stream's order, and never blocks on other work. A backend
   that runs the call before it returns answers WR_ENCODE_DONE; one that only queued it answers
   WR_ENCODE_PENDING and later, from any thread and in the encoder's order, calls completion->fn.
   Where the host sees its memory it answers WR_ENCODE_DONE, but for a CALL that was begun and goes
   on elsewhere, whose completion comes in no order: the stream waits for it (graph/run.c). With an
   error it answers only WR_ENCODE_DONE: what is encoded fails later by a fault of the device alone,
   which ends all work on it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/device.h"
#include "core/dtype.h"
#include "core/error.h"
#include "core/op.h"
#include "memory/buffer.h"

/* One operand as a backend sees it: a read-only view of a node. `data` is the address of element 0
   in the backend's memory (offset applied). Extents and strides live as long as the call. */
struct wr_tensor {
  void *data;
  const int32_t *shape;
  const int64_t *strides; /* elements */
  int64_t size;           /* elements */
  enum wr_dtype dtype;
  int32_t ndim;
  bool dense;   /* row-major without gaps */
  bool on_host; /* of a group's input, and of a key, where the backend takes draws: `data` is the
                   host's, read as the command is encoded */
  /* Whose bytes these are, for what is derived of an input that is used again (memory/derived.h);
     NULL: nobody's who would keep it. */
  struct wr_buffer *buffer;
};

struct wr_encoder; /* the backend's own */

/* One command: out = op(in..., params). out is dense, never overlaps an input unless it is the very
   same address and layout (a donated elementwise input). With parts, which live as long as the
   call, it has so many results, each dense: out is the bytes in which they stand. */
struct wr_call {
  enum wr_op op;
  int32_t n_in;
  const struct wr_tensor *in;
  struct wr_tensor out;
  const void *params;
  int32_t n_parts;
  const struct wr_part *parts;
  struct wr_encoder *encoder; /* of a CALL, where it is encoded; NULL on the host */
};

/* Where a part begins, in the backend's memory; nothing is there where all parts are empty. */
static inline void *wr_call_part(const struct wr_call *call, int i) {
  return call->out.data ? (char *)call->out.data + call->parts[i].at : NULL;
}

enum wr_encode_status { WR_ENCODE_DONE, WR_ENCODE_PENDING };

/* Filled by the caller of encode; the backend calls fn once when it answered PENDING. It takes the
   reference of `error` (NULL: success). */
struct wr_completion_hook {
  void (*fn)(struct wr_completion_hook *hook, struct wr_error *error);
};

/* What an operation CALL runs: a function of a module above the backends, on a stream of the CPU,
   or with `begin` of a device that has exchanges (below). Its parameters begin with wr_call_params,
   and others of the callee's may follow; what is no plain value is an input. */
struct wr_callee {
  const char *name;    /* in messages */
  size_t params_bytes; /* of all parameters */
  int32_t n_host; /* how many inputs, the first, are read where they are: they are the host's */
  /* As a kernel of the CPU's (backend/cpu/kernels.h): returns when all is done, and blocks on no
     other work. */
  struct wr_error *(*run)(const struct wr_call *call);
  /* In its place, for what may take long without a processor, or block: begins it and answers as
     encode does. The elements of inputs and results, the parameters and the extents and strides are
     there until the hook is called; `call` and its array of inputs only until begin returns. All
     inputs are over, and what the encoder needs to have them is with the device. NULL: there is
     `run`. */
  enum wr_encode_status (*begin)(const struct wr_call *call, struct wr_completion_hook *hook,
                                 struct wr_error **error);
  /* It takes its place in its stream's order, by the thread that submits it, under that stream's
     lock, before it can be run: commands of several streams come here in an order that each of
     these streams has too. `params` are the command's own, which it may change; it may allocate and
     take locks above the stream's, and does nothing else. NULL: nobody has to hear of it. */
  void (*submitted)(void *params);
  /* The command is over with an error, whether it was begun or not: an input may have failed, or
     memory been refused. Before its waiters are told, with no lock held. NULL: as above. */
  void (*failed)(void *params, const struct wr_error *error);
};

/* Whether an operation with these parameters is a CALL that may stay pending. Its end comes in no
   order, on a device too. */
static inline bool wr_op_may_stay(enum wr_op op, const void *params) {
  return op == WR_OP_CALL && ((const struct wr_call_params *)params)->callee->begin;
}

/* A group: elementwise operations of one shape that run as one command, element by element, so that
   nothing but the last result is written to memory. Values are numbered: the inputs first, then the
   steps, each of which reads values before its own. The last step may be one that ends a group
   (core/op.h): a reduction over the last axes of the step before it, or what makes a row of each
   row along that step's last axis. Results are bit for bit those of the same operations as commands
   of their own. No step has parameters that a kernel needs: elementwise operations have none, and
   how many elements make one result of the reduction follows from the sizes. A group of a plan that
   is kept may be a long one, where the backend takes these: it is made once for many times.

   Where the backend takes draws, a step may be RANDOM_BITS, in a group without an end: 32 bits for
   each element, as the command draws them. It reads a key, which is an input that no other kind of
   step reads: uint32, of shape (2), dense. Of such a backend's groups an input that is one value
   for all elements, or a key, stays on the host where it is there. */
enum {
  WR_GROUP_INPUTS = 8,
  WR_GROUP_STEPS = 32,
  WR_GROUP_LONG = 128, /* steps of a long one */
  WR_GROUP_OPERANDS = 3
};

struct wr_group_step {
  uint16_t op;                   /* enum wr_op */
  uint8_t dtype;                 /* enum wr_dtype, of the result */
  uint8_t n_in;                  /* 1 to WR_GROUP_OPERANDS */
  uint8_t in[WR_GROUP_OPERANDS]; /* values */
};

/* out = the last step, dense; it overlaps an input only as in a wr_call. Inputs have the shape of
   the elementwise steps, with any strides; there is at least one, and several steps may read it.
   With an end neither they nor out are empty. Of groups with draws, all this is so but for keys. */
struct wr_group {
  int32_t n_in;    /* at most WR_GROUP_INPUTS */
  int32_t n_steps; /* 2 to WR_GROUP_STEPS, of a long one to WR_GROUP_LONG */
  const struct wr_tensor *in;
  const struct wr_group_step *steps;
  struct wr_tensor out;
};

enum { WR_DEVICE_INDICES = 16 }; /* devices of one type that are looked for */

enum { WR_UPLOAD_BYTES = 1024, WR_DOWNLOAD_BYTES = 4096 };

/* FOR_NOW: for a reason of the moment alone (no descriptor, no memory), so that another look may
   find what this one did not. */
enum wr_usable { WR_USABLE, WR_UNUSABLE, WR_UNUSABLE_FOR_NOW };

/* ---- exchanges between the devices of several processes ---- */

enum wr_exchange_kind {
  WR_EXCHANGE_SUM,
  WR_EXCHANGE_MAX,
  WR_EXCHANGE_MIN,
  WR_EXCHANGE_GATHER,
  WR_EXCHANGE_SCATTER,
  WR_EXCHANGE_SEND,
  WR_EXCHANGE_RECV
};

struct wr_exchange {
  enum wr_exchange_kind kind;
  enum wr_dtype dtype;
  int peer;                   /* of SEND and RECV */
  size_t count;               /* elements of the input, of RECV of the result */
  const void *in;             /* dense, in the device's memory, as `out` is */
  void *out;                  /* of SEND another place for the same */
  struct wr_encoder *encoder; /* what it was given so far comes before */
};

enum { WR_EXCHANGE_ID_BYTES = 128 };

struct wr_communicator;  /* a process's part in a group of them; the backend's own */
struct wr_exchange_mark; /* a place in the order of its exchanges */

/* What is called for a communicator is called by one thread at a time, and returns soon. An error
   is one of the communicator; then it has to be aborted. */
struct wr_exchange_device {
  /* Whether there is the library for it; else *reason says why not. May look for it. */
  bool (*usable)(const char **reason);
  /* What the processes of a new group have to have in common, made by one of them. */
  struct wr_error *(*id)(char id[WR_EXCHANGE_ID_BYTES]);
  /* Begins to meet the others: it is there once it is settled. */
  struct wr_error *(*begin)(int index, int rank, int size, const char id[WR_EXCHANGE_ID_BYTES],
                            struct wr_communicator **out);
  /* Whether the latest thing that was begun or started is with the device; nothing else may be
     started before. */
  struct wr_error *(*settled)(struct wr_communicator *communicator, bool *yes);
  /* Whether the device can reduce elements of that type so. */
  bool (*reduces)(enum wr_exchange_kind kind, enum wr_dtype dtype);
  struct wr_error *(*start)(struct wr_communicator *communicator, const struct wr_exchange *what);
  /* Behind all that was started and has settled. */
  struct wr_error *(*mark)(struct wr_communicator *communicator, struct wr_exchange_mark **out);
  struct wr_error *(*over)(struct wr_communicator *communicator,
                           const struct wr_exchange_mark *mark, bool *yes);
  void (*mark_free)(struct wr_communicator *communicator, struct wr_exchange_mark *mark);
  /* What is under way ends, with values of no use, and nothing can be started any more. */
  void (*abort)(struct wr_communicator *communicator);
  /* Nothing may be done on the device any more, since what was aborted does not end. */
  void (*give_up)(struct wr_communicator *communicator);
  /* Nothing is under way. */
  void (*end)(struct wr_communicator *communicator);
};

/* What an encoder has, for weir_dump. */
struct wr_encoder_look {
  uint64_t in_flight; /* commands that the device has and that were not found to be over */
  uint64_t held;      /* commands that were encoded and not handed to it */
  uint64_t since;     /* nothing has ended since then, by wr_clock_coarse_ns */
  const struct wr_completion_hook *first; /* of the oldest in flight; or NULL */
  bool behind;                            /* that one waits, on the device, for another encoder */
};

/* Matrices that an operation of linear algebra is to work on. */
struct wr_matrices {
  enum wr_op op;
  enum wr_dtype dtype;
  bool vectors;   /* of SVD and EIGH: besides the values */
  int32_t m, n;   /* rows and columns of each */
  int32_t others; /* of SOLVE and SOLVE_TRIANGULAR: columns of the right-hand side */
  int64_t count;
};

struct wr_device_facts {
  char name[128];
  char architecture[32];
  char uuid[48];
  char pci_bus_id[16];
  size_t major, minor; /* compute capability */
  size_t memory;       /* bytes */
  size_t free_memory;  /* bytes that no process holds now; SIZE_MAX: not known */
};

/* What a device has that works by itself on what was encoded, and later. flush and stop are
   always there; of the rest each may be NULL, and says what that means. */
struct wr_async_device {
  /* Hands to the device what encoding has held back; any thread may ask for it. Whoever encodes
     does, when there is nothing more to encode for the moment and before it waits for anything.
     What has been encoded and not flushed may not begin before. */
  void (*flush)(struct wr_encoder *encoder);

  /* Returns once nothing is in flight and the backend's own threads have ended; those start again
     with the next work. False when `deadline_ns` of wr_clock_ns came first. */
  bool (*stop)(uint64_t deadline_ns);

  /* Called by a thread that waits for something encoded here: reports what the device has
     finished, after waiting a while for it, and answers true; false when there is nothing in flight
     or another thread is at it, so that the caller may park. NULL: results come by themselves. */
  bool (*poll)(struct wr_encoder *encoder);

  /* What the device has accepted cannot be taken back, and a device whose queue is full blocks the
     call that comes then; so it is handed a bounded stretch of work ahead (R8). Asked by whoever
     encodes, before a command. full: the stretch is used up; a cheap look. when_room: PENDING, and
     the hook is called, without an error, once a good part of the stretch is over; DONE: there is
     room by now. NULL, both: there always is. */
  bool (*full)(const struct wr_encoder *encoder);
  enum wr_encode_status (*when_room)(struct wr_encoder *encoder, struct wr_completion_hook *hook);

  /* Whether the routine for an operation, of a first input of that shape, waits for the device
     between its steps, and so for all that was encoded before it on the stream. NULL: none does. */
  bool (*waits_within)(enum wr_op op, int ndim, const int32_t *shape);

  /* Who is refused memory that commands of other encoders hold stands in a line of the device's, in
     the order of coming, and only the first in it asks for memory (K14). All are asked by whoever
     encodes. Between take_begin and take_end a command takes memory and is encoded; take_begin is
     false, and nothing has begun, when somebody stands in the line before this encoder, unless it
     is to begin anyway; both are cheap. line_wait, between two attempts: takes a place at the end,
     unless it has one; PENDING, and the hook is called, without an error, once it is first and
     commands, or attempts of others, have ended; DONE: it is first, nobody else takes memory, and
     all that others had encoded by then is over. line_leave gives the place up, if there is one.
     NULL, all: there is no line. */
  bool (*take_begin)(struct wr_encoder *encoder, bool anyway);
  void (*take_end)(struct wr_encoder *encoder);
  enum wr_encode_status (*line_wait)(struct wr_encoder *encoder, struct wr_completion_hook *hook);
  void (*line_leave)(struct wr_encoder *encoder);

  /* Commands up to `number` are over and were told, and so is all that the encoder was made to wait
     for. Any thread. NULL: that is not known. */
  bool (*is_over)(struct wr_encoder *encoder, uint64_t number);

  /* The number of the command that was encoded last, in the encoder's order from 1; asked by
     whoever encodes. NULL where encode_wait is. */
  uint64_t (*last_number)(const struct wr_encoder *encoder);
  /* Makes what is encoded next wait, on the device, for all commands up to that number of `other`,
     an encoder of the same device, and for as little as can be behind it; false when that cannot
     be. NULL: it never can. */
  bool (*encode_wait)(struct wr_encoder *encoder, struct wr_encoder *other, uint64_t number);

  /* A few bytes, at most WR_UPLOAD_BYTES and WR_DOWNLOAD_BYTES, between the host and the device as
     a command, in the encoder's order and without waiting. upload has taken them from `host` when
     it returns; download has put them there when the hook is called. Where they cannot they fail,
     and write or read does it. NULL, both: they never can. */
  enum wr_encode_status (*encode_upload)(struct wr_encoder *encoder, void *device, const void *host,
                                         size_t bytes, struct wr_completion_hook *hook,
                                         struct wr_error **error);
  enum wr_encode_status (*encode_download)(struct wr_encoder *encoder, void *host,
                                           const void *device, size_t bytes,
                                           struct wr_completion_hook *hook,
                                           struct wr_error **error);

  /* What the encoder has, as far as peeks (base/peek.h) can tell while anybody does anything, or
     holds any lock; false when it is none. NULL: nothing is told. */
  bool (*look)(const struct wr_encoder *encoder, struct wr_encoder_look *look);

  /* How many threads it runs; NULL: none. */
  size_t (*threads)(void);
  /* How many idle encoders, or what is costly of them, it keeps for the next; NULL: none. */
  size_t (*pooled)(void);
};

struct wr_backend {
  const char *name; /* "cpu", "cuda" */
  enum wr_device_type type;

  int (*device_count)(void);
  /* Why device_count() is 0, in words; NULL when it is not. */
  const char *(*absent_reason)(void);
  /* Whether a program that names no device can work on this one's first device; else *reason says
     why not. May look for libraries. NULL: where there is a device. */
  enum wr_usable (*usable)(const char **reason);

  struct wr_error *(*encoder_new)(int index, struct wr_encoder **out);
  void (*encoder_free)(struct wr_encoder *encoder);
  /* *error is set (one reference) when DONE with a failure; untouched otherwise. */
  enum wr_encode_status (*encode)(struct wr_encoder *encoder, const struct wr_call *call,
                                  struct wr_completion_hook *hook, struct wr_error **error);
  /* The same for a group; each of its operations is one that the backend supports. NULL: the
     backend runs no groups, and gets every operation as a command of its own. */
  enum wr_encode_status (*encode_group)(struct wr_encoder *encoder, const struct wr_group *group,
                                        struct wr_completion_hook *hook, struct wr_error **error);
  bool long_groups; /* it takes long ones too */
  bool draws;       /* and draws, and values of the host's */
  /* Completes when all that was encoded before has; no data moves. */
  enum wr_encode_status (*encode_marker)(struct wr_encoder *encoder,
                                         struct wr_completion_hook *hook, struct wr_error **error);

  /* The label of the encoder's stream is now this one, for tools that show the device's work; a
     label of NULL takes it away. Called by any thread with no lock held. NULL: nobody would see it.
   */
  void (*label)(struct wr_encoder *encoder, const char *label);

  /* NULL: no such device, or nothing was ever made on it. */
  struct wr_memory *(*memory)(int index);
  /* Blocking copies for memory that is not host-visible; both ends hold `bytes`. Called only when
     the data is not in use by queued work. */
  struct wr_error *(*read)(int index, void *host, const void *device, size_t bytes);
  struct wr_error *(*write)(int index, void *device, const void *host, size_t bytes);

  /* The same between two devices of the backend; NULL: there is no way but through the host. */
  struct wr_error *(*copy)(int to_index, void *to, int from_index, const void *from, size_t bytes);

  /* NULL: what is encoded is over when the call returns, or is told by its hook, and there is
     nothing to hand on, to look for or to wait for. */
  const struct wr_async_device *async;

  /* NULL: the devices of processes exchange nothing. */
  const struct wr_exchange_device *exchanges;

  /* True when linear algebra on such matrices is to be done on a device of the backend's; else it
     is done on the CPU, to which the graph brings them. May look for libraries. NULL: never. */
  bool (*solves)(const struct wr_matrices *what);

  /* True when the backend has a body for this operation and dtype. */
  bool (*supports)(enum wr_op op, enum wr_dtype dtype);
  /* What is known of a device; false when nothing is. NULL: never anything. */
  bool (*facts)(int index, struct wr_device_facts *facts);
};

/* Called by a backend's kernels to spread `n` items over the worker pool: body(ctx, begin, end) for
   disjoint ranges that cover [0, n), each at least `grain` long but the last. The caller takes part
   and returns when all ranges are done. Set once by the stream module at start; a plain loop
   before that. */
typedef void (*wr_parallel_body)(void *ctx, int64_t begin, int64_t end);
typedef void (*wr_parallel_runner)(int64_t n, int64_t grain, int64_t least, wr_parallel_body body,
                                   void *ctx);
void wr_backend_set_parallel(wr_parallel_runner runner);
void wr_parallel_for(int64_t n, int64_t grain, wr_parallel_body body, void *ctx);
/* The same, where a grain is what pays for a worker that has to be woken first: n of at most that
   go to workers that are awake, if there are any, in ranges of at least `least`. */
void wr_parallel_for_awake(int64_t n, int64_t grain, int64_t least, wr_parallel_body body,
                           void *ctx);
/* What pays for a worker that is awake is such a part of what pays for one that sleeps. */
enum { WR_PARALLEL_AWAKE = 4 };

/* The backend of a device type, never NULL; device_count says whether there is a device. */
const struct wr_backend *wr_backend_for(enum wr_device_type type);
/* Puts a backend in the GPU's (or CPU's) place, before the first stream; tests use it for the fake
   device. */
void wr_backend_register(const struct wr_backend *backend);

extern const struct wr_backend wr_backend_cpu;
extern const struct wr_backend wr_backend_cuda;

#endif
