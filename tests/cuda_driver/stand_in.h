#ifndef WR_TESTS_CUDA_DRIVER_STAND_IN_H
#define WR_TESTS_CUDA_DRIVER_STAND_IN_H

/* A stand-in for NVIDIA's driver and compiler, for machines without a GPU: libcuda.so.1,
   libnvrtc.so.13, libcublasLt.so.13, libcufft.so.12, libcusolver.so.12, libcublas.so.13,
   libcudnn.so.9 and libnccl.so.2 of the functions that Weir calls, and no more. A test finds them
   by LD_LIBRARY_PATH, as it would find the real ones, and gives orders through what they export
   here.

   - Device addresses are none of the host's: to read or write one ends the process at that place.
     The bytes lie elsewhere, and no address is given twice. Copies and fills move them.
   - A stream is a queue with a thread of its own. A kernel computes nothing, but those that move
     bytes between host and device do: it looks whether its pointers lie in memory that is there,
   and reads or writes a byte at each, so that ThreadSanitizer sees two kernels that should have
   been ordered and were not.
   - What the stand-in keeps for itself is hidden from ThreadSanitizer, so that its locks order
     nothing that the driver would not have ordered.
   - What no program may do (an object of another context, a call without one, memory that is not
     there, a call in the child of a fork, the end of the process during a call) ends the process
     with a line on stderr.

   The environment, read by cuInit: WEIR_STAND_IN_DEVICES is how many GPUs there are (1),
   WEIR_STAND_IN_CAPABILITY ten times their compute capability (90), on which it depends how much
   shared memory a block may have;
   WEIR_STAND_IN_DIRECT=1 runs all at once on the calling thread, for a profiler.

   The libraries do at the end of a process what NVIDIA's do (slow.h): they register handlers while
   they are being opened and in their first calls, and one that runs while a thread is inside, or a
   call that comes after it, ends the process. WEIR_STAND_IN_SLOW is how many milliseconds opening
   each of them and each first call take (0), WEIR_STAND_IN_COMPILE how many each compilation takes
   (0). libcublasLt.so.13, libcufft.so.12 and libcudnn.so.9 are there for that, and compute nothing;
   a plan of the second that two threads use at once ends the process too, and so does a handle of
   libcudnn.so.9, libcusolver.so.12 or libcublas.so.13, of which the last two say of matrices what
   they are told to say. libnccl.so.2 moves and adds bytes between processes of one machine, through
   memory that they share (collectives.c). */

#include <stddef.h>
#include <stdint.h>

/* What is alive, and what has been done. */
struct stand_in_counts {
  uint64_t streams;
  uint64_t events;
  uint64_t allocations; /* on all devices; one that is freed counts until its stream comes to it */
  uint64_t bytes;       /* of those */
  uint64_t graphs;
  uint64_t graph_execs;
  uint64_t modules;
  uint64_t pinned; /* pieces of host memory */

  uint64_t kernels; /* run, those of graphs too */
  uint64_t graph_launches;
  uint64_t copies; /* and fills */
};

/* Any thread. */
struct stand_in {
  /* The n-th call from now on of the function of that symbol does nothing and gives the result; 0
     takes the order back. A failure of each function can be ordered. */
  void (*fail)(const char *symbol, uint64_t n, int result);
  /* The same, and the calls that come after the n-th, so many in all. */
  void (*fail_times)(const char *symbol, uint64_t n, uint64_t times, int result);
  /* The n-th call from now on, of any function but those that get rid of something or tell an
     error's name. */
  void (*fail_any)(uint64_t n, int result);
  /* True when what was ordered by fail or fail_any has happened since. */
  int (*has_failed)(void);
  uint64_t (*calls)(const char *symbol);
  const char *(*symbol)(int i); /* NULL past the last */

  /* Kernels do not start while they are held, but those that only move bytes. Each hold needs its
     release. */
  void (*hold)(void);
  void (*release)(void);
  /* Each kernel takes up to so long, 0: no time. */
  void (*pause)(uint64_t ns);
  /* The n-th kernel from now on is a fault: from then on all calls for its device give the result.
   */
  void (*fault)(uint64_t n, int result);
  /* Memory of each device in bytes; what is there already stays. */
  void (*capacity)(size_t bytes);
  void (*counts)(struct stand_in_counts *out);
  /* A stream takes so many launches, records of events and waits for them that are not over, 1024
     unless it is told, and blocks the call that brings one more until the device has come on; how
     many calls were. */
  void (*queue)(uint64_t places);
  uint64_t (*blocked)(void);

  /* For the stand-in for NCCL: runs fn(arg) in the stream's order; and where bytes of the device's
     memory lie, which ends the process where there are none. */
  void (*run)(void *stream, void (*fn)(void *), void *arg);
  void *(*bytes)(uint64_t address, size_t bytes);
};

/* Exported by libcuda.so.1. */
#define STAND_IN_SYMBOL "weir_stand_in"

/* Exported by libnvrtc.so.13: as `fail` above. */
#define STAND_IN_NVRTC_SYMBOL "weir_stand_in_nvrtc_fail"
typedef void (*stand_in_nvrtc_fail)(const char *symbol, uint64_t n, int result);

/* Exported by libcublasLt.so.13: how many products that compute in that type were described, one
   for each call; 0: in any. */
#define STAND_IN_LT_SYMBOL "weir_stand_in_lt_products"
typedef uint64_t (*stand_in_lt_products)(int compute_type);

/* Exported by libcublasLt.so.13: how many products were launched. */
#define STAND_IN_LT_LAUNCHED_SYMBOL "weir_stand_in_lt_launched"
typedef uint64_t (*stand_in_lt_launched)(void);

/* Exported by libcufft.so.12. */
#define STAND_IN_FFT_SYMBOL "weir_stand_in_fft"
struct stand_in_fft {
  /* So many plans from now on are refused. What the library opened for them stays: it registers
     handlers as in a first call. */
  void (*refuse)(uint64_t plans);
  void (*linger)(uint32_t ms);  /* in each transform, from now on */
  uint64_t (*transforms)(void); /* that have begun */
};

/* Exported by libcusolver.so.12 and libcublas.so.13. */
#define STAND_IN_SOLVER_SYMBOL "weir_stand_in_solver"
#define STAND_IN_TRIANGLES_SYMBOL "weir_stand_in_triangles"
struct stand_in_solver {
  /* As `fail` of the driver's. */
  void (*fail)(const char *symbol, uint64_t n, int result);
  /* What the next routine that says something of matrices says of its first one. */
  void (*say)(int info);
  void (*linger)(uint32_t ms); /* in each call, from now on */
  uint64_t (*alive)(void);     /* handles */
  uint64_t (*most)(void);      /* threads that were in a call at once, since this was asked last */
};

/* Exported by libcudnn.so.9. */
#define STAND_IN_DNN_SYMBOL "weir_stand_in_dnn"
struct stand_in_dnn {
  /* As of the driver's. */
  void (*fail)(const char *symbol, uint64_t n, int result);
  int (*has_failed)(void);
  uint64_t (*executions)(void); /* that did not fail */
  uint64_t (*alive)(void);      /* descriptions */
};

/* Exported by libnccl.so.2. */
#define STAND_IN_NCCL_SYMBOL "weir_stand_in_nccl"
struct stand_in_nccl {
  /* As `fail` of the driver's. */
  void (*fail)(const char *symbol, uint64_t n, int result);
  /* What ncclCommGetAsyncError says of any communicator from now on; 0: what is so. */
  void (*async_error)(int result);
  uint64_t (*alive)(void); /* communicators */
};

#endif
