/* Calls of cuSOLVER and cuBLAS, and the kernels around them; see solver.h.

   A handle of theirs has memory in which what was called last may still work: so one is taken out
   of the table for a call and put back with an event behind what was launched. Who takes it on the
   same stream comes behind that by itself; on another one the stream waits for the event. The table
   keeps as many as were ever used at once, since to destroy one waits for the GPU. Lock: BACKEND,
   the table's; not held during a call of the libraries.

   Some routines wait for the GPU in between, as those of singular values and eigenvalues do. They
   hold up the thread that encodes, which is inside the gate; the end of the process leaves it
   behind (base/gate.h). So do long batches of the others, which wait here, outside the gate. What
   is before them on the stream is over by then, and half of the workers are in such routines at
   once, at most (graph/room.c, graph/seats.c).

   What a routine says of a matrix it writes to the device's memory. A last kernel puts the first of
   that into a slot of the host's, where it is read as the command is reported to be over: so nobody
   waits for it, and the array fails in its turn. */

#include "backend/cuda/ops/solver.h"

#include <string.h>

#include "backend/cuda/memory/memory.h"
#include "base/ending.h"
#include "base/gate.h"

enum { SVD_MOST = 46340 /* rows: the square is counted in 32 bits */ };

struct wr_solver_table {
  struct wr_mutex lock;
  int made;                  /* under LOCK: that are there */
  int count;                 /* under LOCK */
  struct wr_solver *solvers; /* under LOCK: those that nobody uses, the latest last; with room for
                                all */
};

struct wr_error *wr_solver_table_new(struct wr_solver_table **out) {
  *out = wr_calloc(sizeof **out);
  if (!*out) return wr_error_out_of_memory();
  wr_mutex_init(&(*out)->lock, WR_RANK_BACKEND);
  return NULL;
}

void wr_solver_table_free(struct wr_solver_table *table) {
  if (table) wr_free(table->solvers);
  wr_free(table);
}

static struct wr_error *failed(bool memory, int status, const char *call) {
  if (!status) return NULL;
  return wr_error_new(memory ? WEIR_ERROR_OUT_OF_MEMORY : WEIR_ERROR_DEVICE,
                      "%s failed with status %d", call, status);
}

struct wr_error *wr_cusolver_result(int status, const char *call) {
  return failed(status == WR_CUSOLVER_ALLOC_FAILED, status, call);
}

struct wr_error *wr_cublas_result(int status, const char *call) {
  return failed(status == WR_CUBLAS_ALLOC_FAILED, status, call);
}

/* ---- handles ---- */

/* The latest of the stream's, else the oldest; false when none lies idle. */
static bool table_take(struct wr_solver_table *t, wr_cu_stream stream, struct wr_solver *out) {
  wr_mutex_lock(&t->lock);
  const bool any = t->count > 0;
  int at = t->count - 1;
  while (at > 0 && t->solvers[at].stream != stream) at--;
  if (any) {
    *out = t->solvers[at];
    t->count--;
    memmove(&t->solvers[at], &t->solvers[at + 1], (size_t)(t->count - at) * sizeof t->solvers[0]);
  }
  wr_mutex_unlock(&t->lock);
  return any;
}

/* Room for one that is about to be made. */
static bool table_grow(struct wr_solver_table *t) {
  wr_mutex_lock(&t->lock);
  struct wr_solver *more = wr_realloc(t->solvers, (size_t)(t->made + 1) * sizeof *more);
  if (more) {
    t->solvers = more;
    t->made++;
  }
  wr_mutex_unlock(&t->lock);
  return more != NULL;
}

static void table_give(struct wr_solver_table *t, const struct wr_solver *solver) {
  wr_mutex_lock(&t->lock);
  t->solvers[t->count++] = *solver;
  wr_mutex_unlock(&t->lock);
}

/* One that is of no use. */
static void solver_free(struct wr_solving *s) {
  struct wr_gpu *gpu = s->run->gpu;
  wr_mutex_lock(&gpu->solvers->lock);
  gpu->solvers->made--;
  wr_mutex_unlock(&gpu->solvers->lock);
  if (s->by.blas) (void)s->cublas->destroy(s->by.blas);
  if (s->by.jacobi) (void)s->cusolver->jacobi_free(s->by.jacobi);
  if (s->by.params) (void)s->cusolver->params_free(s->by.params);
  if (s->by.dense) (void)s->cusolver->destroy(s->by.dense);
  if (!s->by.event) return;
  wr_mutex_lock(&gpu->lock);
  wr_gpu_event_give_locked(gpu, false, s->by.event);
  wr_mutex_unlock(&gpu->lock);
}

static struct wr_error *solver_make(struct wr_solving *s) {
  struct wr_gpu *gpu = s->run->gpu;
  s->by = (struct wr_solver){0};
  wr_mutex_lock(&gpu->lock);
  struct wr_error *error = wr_gpu_event_take_locked(gpu, false, &s->by.event);
  wr_mutex_unlock(&gpu->lock);
  if (!error) error = wr_cusolver_result(s->cusolver->create(&s->by.dense), "cusolverDnCreate");
  if (!error) {
    error = wr_cusolver_result(s->cusolver->params_new(&s->by.params), "cusolverDnCreateParams");
  }
  if (!error) {
    error =
        wr_cusolver_result(s->cusolver->jacobi_new(&s->by.jacobi), "cusolverDnCreateGesvdjInfo");
  }
  if (!error) error = wr_cublas_result(s->cublas->create(&s->by.blas), "cublasCreate");
  wr_ending_goes_first();
  return error;
}

/* Binds the handles to the command's stream, behind what they were used for. */
static struct wr_error *solver_bind(struct wr_solving *s) {
  const struct wr_run *run = s->run;
  const bool bound = s->by.stream == run->stream;
  s->use = WR_SOLVER_BROKEN;
  struct wr_error *error = NULL;
  if (s->by.stream && !bound) {
    error = wr_gpu_result(run->gpu, wr_cu->stream_wait(run->stream, s->by.event, 0),
                          "cuStreamWaitEvent");
  }
  if (!error && !bound) {
    error = wr_cusolver_result(s->cusolver->set_stream(s->by.dense, run->stream),
                               "cusolverDnSetStream");
  }
  if (!error && !bound) {
    error = wr_cublas_result(s->cublas->set_stream(s->by.blas, run->stream), "cublasSetStream");
  }
  if (error) return error;
  s->by.stream = run->stream;
  s->use = WR_SOLVER_BOUND;
  return NULL;
}

/* Back to the table, behind what was launched; where that cannot be said, it goes. */
static void solver_give(struct wr_solving *s) {
  const struct wr_run *run = s->run;
  struct wr_error *error = NULL;
  if (s->use == WR_SOLVER_BOUND) {
    error = wr_gpu_result(run->gpu, wr_cu->event_record(s->by.event, run->stream), "cuEventRecord");
  }
  if (error || s->use == WR_SOLVER_BROKEN) {
    solver_free(s);
  } else {
    table_give(run->gpu->solvers, &s->by);
  }
  wr_error_release(error);
}

static struct wr_error *libraries_get(struct wr_solving *s) {
  struct wr_absence why;
  s->cusolver = wr_cuda_cusolver(&why);
  if (s->cusolver) s->cublas = wr_cuda_cublas(&why);
  if (!s->cusolver || !s->cublas) return wr_gpu_lacks("GPU linear algebra", &why);
  s->newer = wr_cuda_cusolver_new(&why);
  return NULL;
}

static struct wr_error *run_inside(struct wr_solving *s,
                                   struct wr_error *(*body)(struct wr_solving *s)) {
  struct wr_error *error = libraries_get(s);
  if (error) return error;
  struct wr_solver_table *table = s->run->gpu->solvers;
  if (!table_take(table, s->run->stream, &s->by)) {
    if (!table_grow(table)) return wr_error_out_of_memory();
    error = solver_make(s);
  }
  s->use = error ? WR_SOLVER_BROKEN : WR_SOLVER_TAKEN;
  if (!error) error = body(s);
  solver_give(s);
  return error;
}

/* The gate, as around a compilation: destructors of the libraries must not run while a thread is in
   a call. */
struct wr_error *wr_solving_run(struct wr_solving *s,
                                struct wr_error *(*body)(struct wr_solving *s)) {
  if (!wr_gate_enter(WR_GATE_GPU)) return wr_gpu_ending();
  struct wr_error *error = run_inside(s, body);
  wr_gate_leave(WR_GATE_GPU);
  return error;
}

struct wr_error *wr_solving_direct(struct wr_solving *s) {
  struct wr_error *error = wr_run_direct(s->run) ? NULL : wr_run_broken(s->run);
  if (!error && s->use == WR_SOLVER_TAKEN) error = solver_bind(s);
  if (!error) s->run->launched = true;
  return error;
}

enum { STRETCH = 128 }; /* launches: two of these are in the driver's queue */

/* Of a routine for one matrix, about. */
static int64_t launches_of(int64_t m, int64_t n) {
  enum { LEAST = 8, ROWS = 8 /* for each launch more */ };
  return LEAST + (m > n ? m : n) / ROWS;
}

int64_t wr_solver_stretch(int64_t m, int64_t n) {
  const int64_t launches = launches_of(m, n);
  return launches < STRETCH ? STRETCH / launches : 1;
}

struct wr_error *wr_solving_each(struct wr_solving *s) {
  const int64_t launches = launches_of(s->m, s->n);
  s->stretch = wr_solver_stretch(s->m, s->n);
  wr_run_counts(s->run, s->count * launches);
  struct wr_error *error = wr_solving_direct(s);
  if (!error && s->count * launches >= STRETCH / 2) wr_run_marks(s->run);
  return error;
}

bool wr_solving_goes_on(struct wr_solving *s, int64_t i, int status, struct wr_error **error) {
  if (status || i == s->count) return false;
  if (i == 0 || i % s->stretch != 0) return true;
  if (i > s->stretch) {
    wr_gate_leave(WR_GATE_GPU); /* that of wr_solving_run; wr_run_wait leaves the other */
    *error = wr_run_wait(s->run, s->by.event);
    const bool entered = wr_gate_enter(WR_GATE_GPU);
    if (!*error && !entered) *error = wr_gpu_ending();
  }
  if (!*error) {
    *error = wr_gpu_result(s->run->gpu, wr_cu->event_record(s->by.event, s->run->stream),
                           "cuEventRecord");
  }
  return !*error;
}

/* ---- whether it is worth it ---- */

/* From which number of rows one square matrix takes less time than on the CPU, transfers to it and
   back included, and whether there are routines for many small ones: measured on an H200 beside 16
   cores (bench/RESULTS.md). The gain grows with about the square of that. */
static int least_rows(const struct wr_matrices *what) {
  switch ((int)what->op) {
    case WR_OP_TRI_INV:
    case WR_OP_SOLVE_TRIANGULAR:
      return 96;
    case WR_OP_SOLVE:
      return 128;
    case WR_OP_INV:
    case WR_OP_QR:
      return 192;
    case WR_OP_EIGH:
      return what->vectors ? 192 : 256;
    case WR_OP_SVD:
      return 640;
    default:
      return 256;
  }
}

/* Many small matrices in a few launches take about as long as one does. */
static bool goes_as_many(const struct wr_matrices *what, bool newer) {
  switch ((int)what->op) {
    case WR_OP_QR:
      return false;
    case WR_OP_SVD:
      return wr_solver_jacobi_takes(what->m, what->n);
    case WR_OP_EIGH:
      return newer && wr_solver_eigh_takes(what->n, what->count);
    default:
      return what->m == what->n && what->n <= WR_SOLVER_MANY;
  }
}

/* On the CPU matrices are spread over the processors, here they come one after the other. `newer`:
   cuSOLVER has the functions of wr_cusolver_new. */
static bool is_worth_it(const struct wr_matrices *what, bool newer) {
  enum { MANY_ELEMENTS = 32768 };
  const int64_t elements = (int64_t)what->m * (what->n > what->others ? what->n : what->others);
  const int64_t least = least_rows(what), cpus = wr_cpu_count();
  const int64_t side_by_side = what->count < cpus ? what->count : cpus;
  if (elements >= least * least * side_by_side) return true;
  return what->count > 1 && elements * what->count >= MANY_ELEMENTS && goes_as_many(what, newer);
}

/* Both libraries are wanted of any operation, so that what is recorded does not depend on which. */
static bool are_there(bool *newer) {
  struct wr_absence why;
  if (!wr_gate_enter(WR_GATE_GPU)) return false;
  const bool both = wr_cuda_cusolver(&why) && wr_cuda_cublas(&why);
  *newer = both && wr_cuda_cusolver_new(&why);
  wr_gate_leave(WR_GATE_GPU);
  return both;
}

bool wr_gpu_solves(const struct wr_matrices *what) {
  if (!wr_gpu_supports(what->op, what->dtype) || wr_env_get()->linalg_on_cpu) return false;
  if (what->m == 0 || what->n == 0 || what->count == 0 || what->count > INT32_MAX) return false;
  if (what->op == WR_OP_SVD && (what->m > SVD_MOST || what->n > SVD_MOST)) return false;
  /* For what is not worth it no library is opened. */
  const bool anyway = wr_env_get()->linalg_on_gpu;
  bool newer = true;
  if (!anyway && !is_worth_it(what, newer)) return false;
  return are_there(&newer) && (anyway || is_worth_it(what, newer));
}

/* ---- memory ---- */

struct wr_error *wr_solving_room(struct wr_solving *s, int64_t elements, void **out) {
  return wr_run_scratch(s->run, (size_t)(elements * s->bytes), out);
}

struct wr_error *wr_spaces_begin(struct wr_solving *s, int status, const char *call,
                                 struct wr_spaces *w) {
  struct wr_error *error = wr_cusolver_result(status, call);
  if (error) return error;
  w->device = w->host = NULL;
  if (w->device_bytes > 0) error = wr_run_scratch(s->run, w->device_bytes, &w->device);
  if (!error && w->host_bytes > 0) error = wr_run_host_scratch(s->run, w->host_bytes, &w->host);
  return error ? error : wr_solving_each(s);
}

struct wr_error *wr_solving_gather(struct wr_solving *s, int input, void *to, bool turned) {
  int32_t shape[WR_MAX_NDIM];
  int64_t strides[WR_MAX_NDIM];
  struct wr_tensor t = s->call->in[input];
  const size_t n = (size_t)t.ndim;
  if (!turned) return wr_gpu_convert_held(s->run, &t, s->type, to);
  memcpy(shape, t.shape, n * sizeof *shape);
  memcpy(strides, t.strides, n * sizeof *strides);
  shape[n - 1] = t.shape[n - 2];
  shape[n - 2] = t.shape[n - 1];
  strides[n - 1] = t.strides[n - 2];
  strides[n - 2] = t.strides[n - 1];
  t.dense = t.dense && (shape[n - 1] == 1 || shape[n - 2] == 1);
  t.shape = shape;
  t.strides = strides;
  return wr_gpu_convert_held(s->run, &t, s->type, to);
}

struct wr_error *wr_solving_turn(struct wr_solving *s, void *from, int64_t elements,
                                 int64_t leading, int64_t rows, int64_t columns, void *to) {
  const int32_t shape[3] = {(int32_t)s->count, (int32_t)rows, (int32_t)columns};
  const int64_t strides[3] = {elements, 1, leading};
  const struct wr_tensor t = {.data = from,
                              .shape = shape,
                              .strides = strides,
                              .size = s->count * rows * columns,
                              .dtype = s->type,
                              .ndim = 3};
  return wr_gpu_convert(s->run, &t, s->call->in[0].dtype, to);
}

/* ---- kernels ---- */

static struct wr_launch around(const struct wr_solving *s, enum wr_source source, int entry) {
  struct wr_launch l;
  const struct wr_module_id id = {.source = (uint8_t)source,
                                  .op = WR_OP_INV,
                                  .a = (uint8_t)s->type,
                                  .b = (uint8_t)s->type,
                                  .big = true};
  wr_launch_start(&l, id, entry);
  return l;
}

void wr_solving_widen(struct wr_solving *s) {
  s->type = WR_FLOAT64;
  s->cuda_type = WR_LT_REAL_F64;
  s->bytes = (int64_t)sizeof(double);
}

static struct wr_error *launch_each(struct wr_solving *s, struct wr_launch *l, int64_t elements) {
  wr_launch_threads(l, s->run, elements, 256);
  return wr_launch(l, s->run);
}

/* Room for a number for each matrix, all 0. */
static struct wr_error *numbers(struct wr_solving *s, int **out) {
  void *room;
  struct wr_error *error = wr_run_scratch(s->run, (size_t)s->count * sizeof **out, &room);
  if (error) return error;
  *out = room;
  struct wr_launch l = around(s, WR_SOURCE_LINALG_FACTORS, WR_ENTRY_LINALG_ZERO);
  wr_launch_pointer(&l, room);
  wr_launch_i64(&l, s->count);
  return launch_each(s, &l, s->count);
}

struct wr_error *wr_solving_keep(struct wr_solving *s, void *a, int64_t rows, int64_t columns,
                                 bool upper) {
  struct wr_launch l = around(s, WR_SOURCE_LINALG, WR_ENTRY_LINALG_KEEP);
  wr_launch_pointer(&l, a);
  wr_launch_i64(&l, rows);
  wr_launch_i64(&l, columns);
  wr_launch_i64(&l, s->count);
  wr_launch_i64(&l, upper);
  return launch_each(s, &l, rows * columns * s->count);
}

struct wr_error *wr_solving_identity(struct wr_solving *s, void *a, int64_t n) {
  struct wr_launch l = around(s, WR_SOURCE_LINALG, WR_ENTRY_LINALG_IDENTITY);
  wr_launch_pointer(&l, a);
  wr_launch_i64(&l, n);
  wr_launch_i64(&l, s->count);
  return launch_each(s, &l, n * n * s->count);
}

struct wr_error *wr_solving_mirror(struct wr_solving *s, void *a, bool upper) {
  struct wr_launch l = around(s, WR_SOURCE_LINALG, WR_ENTRY_LINALG_MIRROR);
  wr_launch_pointer(&l, a);
  wr_launch_i64(&l, s->n);
  wr_launch_i64(&l, s->count);
  wr_launch_i64(&l, upper);
  return launch_each(s, &l, s->n * s->n * s->count);
}

static struct wr_error *of_flags(struct wr_solving *s, int entry, void *a, int64_t elements) {
  struct wr_launch l = around(s, WR_SOURCE_LINALG, entry);
  wr_launch_pointer(&l, a);
  wr_launch_i64(&l, elements);
  wr_launch_i64(&l, s->count);
  wr_launch_pointer(&l, s->flags);
  return launch_each(s, &l, elements * s->count);
}

struct wr_error *wr_solving_survey(struct wr_solving *s, void *a, int64_t elements) {
  struct wr_error *error = numbers(s, &s->flags);
  if (!error) error = of_flags(s, WR_ENTRY_LINALG_SURVEY, a, elements);
  return error ? error : of_flags(s, WR_ENTRY_LINALG_CLEAR, a, elements);
}

struct wr_error *wr_solving_diagonal(struct wr_solving *s, const void *a) {
  struct wr_launch l = around(s, WR_SOURCE_LINALG_FACTORS, WR_ENTRY_LINALG_DIAGONAL);
  wr_launch_pointer(&l, a);
  wr_launch_i64(&l, s->n);
  wr_launch_i64(&l, s->count);
  wr_launch_pointer(&l, s->info);
  wr_launch_blocks(&l, s->count, 1, 256);
  return wr_launch(&l, s->run);
}

enum { ROWS_BLOCKS = 64, ROWS_SHARED = 8192 }; /* the latter as in the kernel */

static int64_t rows_blocks(const struct wr_solving *s, int64_t m) {
  return m > ROWS_SHARED && s->count > ROWS_BLOCKS ? ROWS_BLOCKS : s->count;
}

struct wr_error *wr_solving_rows_room(struct wr_solving *s, int64_t m) {
  const size_t numbers = (size_t)(rows_blocks(s, m) * m);
  if (m <= ROWS_SHARED) return NULL;
  return wr_run_scratch(s->run, numbers * sizeof(uint32_t), &s->rows);
}

struct wr_error *wr_solving_rows(struct wr_solving *s, const void *pivots, bool wide, int64_t m,
                                 void *out) {
  struct wr_launch l = around(s, WR_SOURCE_LINALG_FACTORS, WR_ENTRY_LINALG_ROWS);
  wr_launch_pointer(&l, pivots);
  wr_launch_i64(&l, wide);
  wr_launch_i64(&l, s->k);
  wr_launch_i64(&l, m);
  wr_launch_i64(&l, s->count);
  wr_launch_pointer(&l, out);
  wr_launch_pointer(&l, s->rows);
  wr_launch_blocks(&l, rows_blocks(s, m), 1, 256);
  return wr_launch(&l, s->run);
}

struct wr_error *wr_solving_factors(struct wr_solving *s, const void *a, void *l_out, void *u_out) {
  struct wr_launch l = around(s, WR_SOURCE_LINALG_FACTORS, WR_ENTRY_LINALG_FACTORS);
  wr_launch_pointer(&l, a);
  wr_launch_i64(&l, s->m);
  wr_launch_i64(&l, s->n);
  wr_launch_i64(&l, s->count);
  wr_launch_pointer(&l, l_out);
  wr_launch_pointer(&l, u_out);
  return launch_each(s, &l, s->m * s->n * s->count);
}

/* ---- many small matrices ---- */

bool wr_solving_is_many(const struct wr_solving *s) {
  return wr_solver_is_many(s->m, s->n, s->count);
}

struct wr_error *wr_solving_pointers(struct wr_solving *s, void *first, int64_t elements,
                                     void ***out) {
  void *array;
  struct wr_error *error = wr_run_scratch(s->run, (size_t)s->count * sizeof(void *), &array);
  if (error) return error;
  *out = array;
  struct wr_launch l = around(s, WR_SOURCE_LINALG_FACTORS, WR_ENTRY_LINALG_POINTERS);
  wr_launch_pointer(&l, array);
  wr_launch_pointer(&l, first);
  wr_launch_i64(&l, elements);
  wr_launch_i64(&l, s->count);
  return launch_each(s, &l, s->count);
}

/* ---- beginning and end ---- */

static bool is_judged(enum wr_op op) {
  return op != WR_OP_LU && op != WR_OP_LU_FACTOR && op != WR_OP_QR;
}

/* What the kernel `judge` writes. */
struct verdict {
  int64_t matrix; /* or -1 */
  int64_t count;
  int64_t fault;
  int64_t flag;
  int64_t info;
};

_Static_assert(sizeof(struct verdict) <= WR_JUDGED_BYTES, "it is judged");

static struct wr_error *judge(const void *bytes) {
  struct verdict v;
  memcpy(&v, bytes, sizeof v);
  const enum wr_matrix_fault fault = v.flag ? WR_MATRIX_NOT_FINITE : (enum wr_matrix_fault)v.fault;
  if (v.matrix < 0 || v.count == 0) return NULL;
  if (!v.flag && v.info < 0) {
    return wr_error_new(WEIR_ERROR_INTERNAL, "cuSOLVER refuses its argument %lld",
                        (long long)-v.info);
  }
  return wr_matrix_fault_error(fault, v.matrix, v.count, (int)v.info, "cuSOLVER");
}

static struct wr_error *slot_take(struct wr_run *run) {
  void *slot = wr_slot_take();
  if (!slot) return wr_error_new(WEIR_ERROR_OUT_OF_MEMORY, "all slots are in use");
  memset(slot, 0, sizeof(struct verdict));
  run->bring = (struct wr_bring){.slot = slot, .bytes = sizeof(struct verdict), .judge = judge};
  return NULL;
}

/* Here, while all that was launched is held back: what is refused now, or before the first
   wr_solving_direct, leaves nothing behind that would have to be waited for. */
struct wr_error *wr_solving_begin(struct wr_solving *s, struct wr_run *run,
                                  const struct wr_call *call) {
  const struct wr_tensor *in = &call->in[0];
  *s = (struct wr_solving){.run = run,
                           .call = call,
                           .m = in->shape[in->ndim - 2],
                           .n = in->shape[in->ndim - 1],
                           .count = 1,
                           .bytes = (int64_t)wr_dtype_size(in->dtype),
                           .type = in->dtype,
                           .cuda_type = in->dtype == WR_FLOAT64 ? WR_LT_REAL_F64 : WR_LT_REAL_F32};
  if (in->dtype != WR_FLOAT32 && in->dtype != WR_FLOAT64) return wr_gpu_no_body(call);
  s->k = s->m < s->n ? s->m : s->n;
  if (call->n_in > 1) s->columns = call->in[1].shape[call->in[1].ndim - 1];
  for (int d = 0; d < in->ndim - 2; d++) s->count *= in->shape[d];
  struct wr_error *error = is_judged(call->op) ? slot_take(run) : NULL;
  return error ? error : numbers(s, &s->info);
}

struct wr_error *wr_solving_judge(struct wr_solving *s, enum wr_matrix_fault fault) {
  struct wr_launch l = around(s, WR_SOURCE_LINALG_FACTORS, WR_ENTRY_LINALG_JUDGE);
  wr_launch_pointer(&l, s->run->bring.slot);
  wr_launch_pointer(&l, s->info);
  wr_launch_pointer(&l, s->flags);
  wr_launch_i64(&l, s->count);
  wr_launch_i64(&l, fault);
  wr_launch_blocks(&l, 1, 1, 256);
  return wr_launch(&l, s->run);
}
