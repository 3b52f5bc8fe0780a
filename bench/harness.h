// What the timing programs share: each is one process that runs the rows it is asked for, prints
// `name<TAB>unit<TAB>value` per measured quantity and ends with 0, or with 1 after a wrong result.
// Plain C, also read by C++: the same data and the same expected values judge every side.
//
// Units: "s" is seconds per unit of the row, less is better; "1/s" and "flop/s" are rates, more is
// better; "threads" and "bytes" are what one unit left behind. No locks; one thread calls these.
#ifndef WR_BENCH_HARNESS_H
#define WR_BENCH_HARNESS_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  BENCH_SMALL = 16,           // floats of a small operation
  BENCH_CHAIN = 1000,         // operations of the add and transpose chain
  BENCH_CHAIN_SIDE = 8,       // rows of its matrices
  BENCH_STEPS = 100,          // operations of the function that is called, and compiled
  BENCH_PRODUCTS = 500,       // products of the matmul chain
  BENCH_PRODUCT_SIDE = 32,    // rows of its matrices
  BENCH_LARGE = 16 << 20,     // floats of a large operation: 64 MB, past the caches
  BENCH_SOFTMAX_SIDE = 4096,  // rows and columns of the softmax
  BENCH_MATMUL_SIDE = 1024,   // rows of the large product
};

// One step of a row; `state` is the row's own.
typedef void (*bench_step)(void *state);

struct bench_row {
  const char *name;
  void (*run)(const struct bench_row *row);
};

// Runs the rows named on the command line (--rows a,b), or all; --quick shortens each.
int bench_main(int argc, char **argv, const struct bench_row *rows, size_t count);

// Prints one quantity. bench_emit_part appends ".part" to the row's name.
void bench_emit(const struct bench_row *row, const char *unit, double value);
void bench_emit_part(const struct bench_row *row, const char *part, const char *unit, double value);

// Seconds per call of `step`: warmed up, in batches long enough for the clock, the median batch,
// less what the same loop takes with an empty step.
double bench_time(bench_step step, void *state);

// Runs `step` `count` times after a warm-up of a tenth of it, and emits seconds per call, and the
// operating system threads and resident bytes that each call left behind.
void bench_requests(const struct bench_row *row, bench_step step, void *state);

// Calls per second of `threads` threads that each call `step` in a loop; each thread has the state
// that `open` made on it and `close` ends there.
struct bench_worker {
  void *(*open)(void);
  bench_step step;
  void (*close)(void *state);
};
void bench_parallel(const struct bench_row *row, const struct bench_worker *worker, int threads);

// Memory of n floats between 0.5 and 1.5, the same for a seed on every side; ends the program when
// there is none. bench_floats leaves them unset. Freed by free().
float *bench_floats(size_t n);
float *bench_data(size_t n, unsigned seed);

// A rotation of BENCH_PRODUCT_SIDE axes, in pairs, by `turns` times a small angle: products of it
// keep their size, so that a long chain stays far from zero and infinity.
float *bench_rotation(int turns);

// Result checks: each ends the program with 1 and a line on stderr when the values differ.
void bench_same(const struct bench_row *row, double got, double want, double tolerance);
void bench_check_add(const struct bench_row *row, const float *y, const float *a, const float *b,
                     size_t n);
void bench_check_steps(const struct bench_row *row, const float *y, const float *a, const float *b);
void bench_check_chain(const struct bench_row *row, const float *y, const float *a, const float *b);
void bench_check_products(const struct bench_row *row, const float *y, const float *a);
void bench_check_fused(const struct bench_row *row, const float *y, const float *a, const float *b,
                       const float *c);
void bench_check_sum(const struct bench_row *row, float y, const float *a);
void bench_check_softmax(const struct bench_row *row, const float *y, const float *a);
void bench_check_matmul(const struct bench_row *row, const float *y, const float *a,
                        const float *b);

// Ends the program with 1 and a line on stderr.
void bench_fail(const char *what);

#ifdef __cplusplus
}
#endif

#endif
