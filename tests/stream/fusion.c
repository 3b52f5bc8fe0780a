/* What is fused and what is not, counted by a backend that looks at each command on its way to the
   CPU; and what must hold all the same: arrays that somebody can still ask for have their values,
   errors reach whoever depends on them, streams stay apart, and other threads may force and free
   what stands in the middle meanwhile. */

#include <math.h>
#include <sys/mman.h>
#include <unistd.h>

#include "anew.h"
#include "backend/backend.h"
#include "fake_device.h"
#include "programs.h"

enum { N = 5000 };

/* ---- counting ---- */

static struct wr_backend counting;
static struct {
  _Atomic int commands; /* of one operation */
  _Atomic int groups;
  _Atomic int steps; /* in groups */
} counts;

static enum wr_encode_status count_one(struct wr_encoder *encoder, const struct wr_call *call,
                                       struct wr_completion_hook *hook, struct wr_error **error) {
  counts.commands++;
  return wr_backend_cpu.encode(encoder, call, hook, error);
}

static enum wr_encode_status count_group(struct wr_encoder *encoder, const struct wr_group *group,
                                         struct wr_completion_hook *hook, struct wr_error **error) {
  counts.groups++;
  counts.steps += group->n_steps;
  return wr_backend_cpu.encode_group(encoder, group, hook, error);
}

static void install_counting(void) {
  counting = wr_backend_cpu;
  counting.encode = count_one;
  counting.encode_group = count_group;
  wr_backend_register(&counting);
}

/* Forces a and compares with what has run since the last time. */
static void expect_run(mlx_array a, int commands, int groups, int steps) {
  counts.commands = counts.groups = counts.steps = 0;
  CHECK(mlx_array_eval(a) == 0);
  if (counts.commands != commands || counts.groups != groups || counts.steps != steps) {
    fprintf(stderr, "ran %d commands, %d groups of %d steps\n", counts.commands, counts.groups,
            counts.steps);
  }
  CHECK(counts.commands == commands && counts.groups == groups && counts.steps == steps);
}

/* ---- expressions ---- */

static mlx_stream cpu;

static mlx_array some(float first) {
  mlx_array a = floats(N, first), scaled = mlx_array_new(), by = mlx_array_new_float(1.0f / N);
  CHECK(mlx_multiply(&scaled, a, by, cpu) == 0);
  CHECK(mlx_array_eval(scaled) == 0);
  mlx_array_free(a);
  mlx_array_free(by);
  return scaled;
}

/* sqrt(abs(a * b + c)) * exp(-a): 7 operations. `middle`, when not NULL, gets a * b + c. */
static mlx_array expression(mlx_array a, mlx_array b, mlx_array c, mlx_array *middle) {
  mlx_array t = mlx_array_new(), u = mlx_array_new();
  CHECK(mlx_multiply(&t, a, b, cpu) == 0 && mlx_add(&t, t, c, cpu) == 0);
  if (middle) CHECK(mlx_array_set(middle, t) == 0);
  CHECK(mlx_abs(&t, t, cpu) == 0 && mlx_sqrt(&t, t, cpu) == 0);
  CHECK(mlx_negative(&u, a, cpu) == 0 && mlx_exp(&u, u, cpu) == 0);
  CHECK(mlx_multiply(&t, t, u, cpu) == 0);
  mlx_array_free(u);
  return t;
}

static void check_expression(mlx_array y, mlx_array a, mlx_array b, mlx_array c) {
  const float *py = mlx_array_data_float32(y), *pa = mlx_array_data_float32(a);
  const float *pb = mlx_array_data_float32(b), *pc = mlx_array_data_float32(c);
  for (int i = 0; i < N; i++) {
    float expected = sqrtf(fabsf(pa[i] * pb[i] + pc[i])) * expf(-pa[i]);
    CHECK(fabsf(py[i] - expected) <= 1e-6f * fabsf(expected));
  }
}

/* ---- what is fused ---- */

static void a_tree_is_one_command(void) {
  mlx_array a = some(1), b = some(2), c = some(3), y = expression(a, b, c, NULL);
  expect_run(y, 0, 1, 7);
  check_expression(y, a, b, c);
  mlx_array all[] = {a, b, c, y};
  for (int i = 0; i < 4; i++) mlx_array_free(all[i]);
}

/* Both readers of t are in the group, and so it is t: t * sigmoid(t), and t * t. */
static void shared_values_are_computed_once(void) {
  mlx_array a = some(1), b = some(2), t = mlx_array_new(), u = mlx_array_new();
  CHECK(mlx_add(&t, a, b, cpu) == 0 && mlx_sigmoid(&u, t, cpu) == 0);
  CHECK(mlx_multiply(&t, t, u, cpu) == 0 && mlx_multiply(&t, t, t, cpu) == 0);
  mlx_array_free(u);
  expect_run(t, 0, 1, 4);
  const float *pt = mlx_array_data_float32(t), *pa = mlx_array_data_float32(a);
  const float *pb = mlx_array_data_float32(b);
  for (int i = 0; i < N; i++) {
    float x = pa[i] + pb[i], silu = x / (1 + expf(-x));
    CHECK(fabsf(pt[i] - silu * silu) <= 2e-6f * silu * silu);
  }
  mlx_array_free(t);
  mlx_array_free(b);
  mlx_array_free(a);
}

/* Casts, comparisons and where; the scalar is a broadcast view. */
static void dtypes_mix(void) {
  mlx_array a = some(-N / 2), zero = mlx_array_new_float(0), t = mlx_array_new();
  mlx_array positive = mlx_array_new();
  CHECK(mlx_greater(&positive, a, zero, cpu) == 0);
  CHECK(mlx_astype(&t, a, MLX_FLOAT64, cpu) == 0 && mlx_square(&t, t, cpu) == 0);
  CHECK(mlx_where(&t, positive, t, zero, cpu) == 0);
  CHECK(mlx_astype(&t, t, MLX_FLOAT32, cpu) == 0);
  mlx_array_free(positive);
  counts.groups = 0;
  CHECK(mlx_array_eval(t) == 0);
  CHECK(counts.groups == 1);
  const float *pt = mlx_array_data_float32(t), *pa = mlx_array_data_float32(a);
  for (int i = 0; i < N; i++) {
    CHECK(pt[i] == (pa[i] > 0 ? (float)((double)pa[i] * (double)pa[i]) : 0));
  }
  mlx_array_free(t);
  mlx_array_free(zero);
  mlx_array_free(a);
}

/* Groups are bounded in steps and in inputs; what is over is another group. */
static void long_chains_are_cut(void) {
  enum { LENGTH = 1000 };
  mlx_array a = some(0), one = some(1), y = mlx_array_new();
  CHECK(mlx_array_set(&y, a) == 0);
  for (int i = 0; i < LENGTH; i++) CHECK(mlx_maximum(&y, y, one, cpu) == 0);
  int groups = (LENGTH + WR_GROUP_STEPS - 1) / WR_GROUP_STEPS;
  expect_run(y, 0, groups, LENGTH);
  CHECK(mlx_array_data_float32(y)[7] == mlx_array_data_float32(one)[7]);
  mlx_array_free(y);
  mlx_array_free(one);
  mlx_array_free(a);
}

static void many_inputs(void) {
  enum { INPUTS = 30 };
  mlx_array sum = some(0);
  for (int i = 1; i < INPUTS; i++) {
    mlx_array next = some((float)i);
    add_to(&sum, next, cpu);
    mlx_array_free(next);
  }
  counts.groups = counts.steps = counts.commands = 0;
  float first = mlx_array_data_float32(sum)[0];
  CHECK(counts.groups > 3 && counts.steps + counts.commands == INPUTS - 1);
  CHECK(fabsf(first - (float)(INPUTS * (INPUTS - 1) / 2) / N) < 1e-5f);
  mlx_array_free(sum);
}

/* A reduction over the last axes ends the group, and one over others reads an array. */
static void reductions_end_groups(void) {
  enum { ROWS = 50, COLUMNS = N / ROWS };
  mlx_array a = some(1), t = mlx_array_new(), r = mlx_array_new();
  CHECK(mlx_square(&t, a, cpu) == 0 && mlx_sum(&r, t, false, cpu) == 0);
  mlx_array_free(t);
  expect_run(r, 0, 1, 2);
  double sum = 0;
  const float *pa = mlx_array_data_float32(a);
  for (int i = 0; i < N; i++) sum += (double)pa[i] * (double)pa[i];
  CHECK(fabs((double)float_of(r) - sum) < 1e-6 * sum);
  for (int axis = 0; axis < 2; axis++) {
    const int shape[] = {ROWS, COLUMNS};
    mlx_array m = mlx_array_new(), u = mlx_array_new();
    CHECK(mlx_reshape(&m, a, shape, 2, cpu) == 0 && mlx_negative(&u, m, cpu) == 0);
    CHECK(mlx_abs(&u, u, cpu) == 0 && mlx_max_axis(&r, u, axis, false, cpu) == 0);
    mlx_array_free(u);
    expect_run(r, 1 - axis, 1, axis ? 3 : 2);
    const float last = pa[axis ? COLUMNS - 1 : N - COLUMNS];
    CHECK(mlx_array_data_float32(r)[0] == last);
    mlx_array_free(m);
  }
  mlx_array_free(r);
  mlx_array_free(a);
}

/* Whether some, and whether all elements of rows of several blocks are greater than those of an
   array that is walked: rows whose first element says it, the last one, or none, one after the
   other. */
static void known_answers_end_early(void) {
  enum { ROWS = 6, LENGTH = 3000 };
  static float x[ROWS][LENGTH], zeros[LENGTH][ROWS];
  static const bool any[ROWS] = {true, false, true, true, false, true};
  static const bool all[ROWS] = {false, false, false, true, false, false};
  for (int i = 0; i < LENGTH; i++) x[3][i] = x[5][i] = 1;
  x[0][0] = x[2][LENGTH - 1] = 1;
  x[5][LENGTH - 1] = -1;
  mlx_array a = mlx_array_new_data(x, (const int[]){ROWS, LENGTH}, 2, MLX_FLOAT32);
  mlx_array b = mlx_array_new_data(zeros, (const int[]){LENGTH, ROWS}, 2, MLX_FLOAT32);
  CHECK(mlx_transpose(&b, b, cpu) == 0 && mlx_array_eval(b) == 0);
  for (int which = 0; which < 2; which++) {
    mlx_array t = mlx_array_new(), r = mlx_array_new();
    CHECK(mlx_greater(&t, a, b, cpu) == 0);
    CHECK((which ? mlx_all_axis : mlx_any_axis)(&r, t, 1, false, cpu) == 0);
    mlx_array_free(t);
    expect_run(r, 0, 1, 2);
    for (int i = 0; i < ROWS; i++) {
      CHECK(mlx_array_data_bool(r)[i] == (which ? all : any)[i]);
    }
    mlx_array_free(r);
  }
  mlx_array_free(a);
  mlx_array_free(b);
}

/* softmax(scale * x + mask): rows of a few elements, of more than a tile, and of all. */
static void softmax_ends_groups(void) {
  const int lengths[] = {4, 2500, N};
  for (int k = 0; k < 3; k++) {
    const int shape[] = {N / lengths[k], lengths[k]}, n = lengths[k];
    mlx_array a = some(1), mask = floats(n, 0), scale = mlx_array_new_float(2.0f / N);
    mlx_array y = mlx_array_new(), z = mlx_array_new();
    CHECK(mlx_reshape(&a, a, shape, 2, cpu) == 0 && mlx_multiply(&y, a, scale, cpu) == 0);
    CHECK(mlx_sin(&mask, mask, cpu) == 0 && mlx_add(&y, y, mask, cpu) == 0);
    CHECK(mlx_array_set(&z, y) == 0 && mlx_softmax_axis(&y, y, -1, false, cpu) == 0);
    CHECK(mlx_array_eval(mask) == 0 && mlx_array_free(z) == 0);
    expect_run(y, 0, 1, 3);
    const float *pa = mlx_array_data_float32(a), *pm = mlx_array_data_float32(mask);
    const float *py = mlx_array_data_float32(y);
    double sum = 0;
    const int row = shape[0] - 1;
    for (int i = 0; i < n; i++) sum += exp((double)pa[row * n + i] * 2.0 / N + (double)pm[i]);
    for (int i = 0; i < n; i++) {
      double expected = exp((double)pa[row * n + i] * 2.0 / N + (double)pm[i]) / sum;
      CHECK(fabs((double)py[row * n + i] - expected) < 1e-5 * expected);
    }
    mlx_array all[] = {a, mask, scale, y};
    for (int i = 0; i < 4; i++) mlx_array_free(all[i]);
  }
}

/* ---- what is not ---- */

/* A handle in the middle: what it stands for is computed, once, and its value is there. */
static void handles_keep_values(void) {
  mlx_array a = some(1), b = some(2), c = some(3), middle = mlx_array_new();
  mlx_array y = expression(a, b, c, &middle);
  expect_run(y, 0, 2, 7);
  check_expression(y, a, b, c);
  bool available = false;
  CHECK(_mlx_array_is_available(&available, middle) == 0 && available);
  expect_run(middle, 0, 0, 0);
  CHECK(mlx_array_data_float32(middle)[0] ==
        mlx_array_data_float32(a)[0] * mlx_array_data_float32(b)[0] + mlx_array_data_float32(c)[0]);
  mlx_array all[] = {a, b, c, y, middle};
  for (int i = 0; i < 5; i++) mlx_array_free(all[i]);
}

/* A lazy array that nobody forces yet reads the middle: its edge counts like a handle. */
static void lazy_readers_keep_values(void) {
  mlx_array a = some(1), b = some(2), c = some(3), middle = mlx_array_new();
  mlx_array y = expression(a, b, c, &middle), later = mlx_array_new();
  CHECK(mlx_negative(&later, middle, cpu) == 0);
  mlx_array_free(middle);
  expect_run(y, 0, 2, 7);
  expect_run(later, 1, 0, 0);
  CHECK(mlx_array_data_float32(later)[0] ==
        -(mlx_array_data_float32(a)[0] * mlx_array_data_float32(b)[0] +
          mlx_array_data_float32(c)[0]));
  mlx_array all[] = {a, b, c, y, later};
  for (int i = 0; i < 5; i++) mlx_array_free(all[i]);
}

static void streams_stay_apart(void) {
  mlx_array a = some(1), y = mlx_array_new();
  mlx_stream other = new_stream();
  CHECK(mlx_array_set(&y, a) == 0);
  for (int i = 0; i < 20; i++) CHECK(mlx_negative(&y, y, i % 2 ? cpu : other) == 0);
  expect_run(y, 20, 0, 0);
  CHECK(mlx_array_data_float32(y)[3] == mlx_array_data_float32(a)[3]);
  mlx_stream_free(other);
  mlx_array_free(y);
  mlx_array_free(a);
}

/* Another shape is computed by itself, and broadcast into the group. */
static void shapes_stay_apart(void) {
  const int rows[] = {100, 1}, columns[] = {1, 50};
  mlx_array a = floats(100, 0), b = floats(50, 0), t = mlx_array_new();
  CHECK(mlx_reshape(&a, a, rows, 2, cpu) == 0 && mlx_reshape(&b, b, columns, 2, cpu) == 0);
  CHECK(mlx_negative(&a, a, cpu) == 0 && mlx_square(&b, b, cpu) == 0);
  CHECK(mlx_subtract(&t, b, a, cpu) == 0 && mlx_negative(&t, t, cpu) == 0);
  expect_run(t, 2, 1, 2);
  CHECK(mlx_array_data_float32(t)[7 * 50 + 9] == -(81.0f + 7.0f));
  mlx_array all[] = {a, b, t};
  for (int i = 0; i < 3; i++) mlx_array_free(all[i]);
}

/* Memory: no array for what is fused away. */
static void nothing_is_allocated_in_between(void) {
  size_t before = 0, peak = 0;
  mlx_array a = some(1), b = some(2), c = some(3), y = expression(a, b, c, NULL);
  CHECK(mlx_get_active_memory(&before) == 0 && mlx_reset_peak_memory() == 0);
  CHECK(mlx_array_eval(y) == 0);
  CHECK(mlx_get_peak_memory(&peak) == 0);
  CHECK(peak < before + 2 * N * sizeof(float)); /* what others let go late makes it less */
  mlx_array all[] = {a, b, c, y};
  for (int i = 0; i < 4; i++) mlx_array_free(all[i]);
}

/* ---- errors ---- */

/* An input of a group fails: the group gives its error, as it is, to whoever depends on it; the
   same inputs without the failing one are fine (E1, E2). */
static void errors_pass_through(void) {
  mlx_stream gpu = mlx_default_gpu_stream_new();
  mlx_array a = some(1), b = some(2), c = some(3), bad = mlx_array_new(), good;
  CHECK(mlx_exp(&bad, c, gpu) == 0);
  fake_device_fail_next(1, WEIR_ERROR_DEVICE, "told to fail");
  mlx_array y = expression(a, b, bad, NULL), z = mlx_array_new();
  CHECK(mlx_negative(&z, y, cpu) == 0 && mlx_exp(&z, z, cpu) == 0);
  good = expression(a, b, c, NULL);
  for (int i = 0; i < 3; i++) {
    CHECK(mlx_array_eval(z) == 1);
    CHECK(strstr(weir_last_error(), "told to fail") && strstr(weir_last_error(), "exp to float32"));
    CHECK(mlx_array_eval(y) == 1 && mlx_array_eval(bad) == 1);
    CHECK(weir_last_status() == WEIR_ERROR_DEVICE);
  }
  expect_run(good, 0, 1, 7);
  check_expression(good, a, b, c);
  mlx_array all[] = {a, b, c, bad, good, y, z};
  for (int i = 0; i < 7; i++) mlx_array_free(all[i]);
  mlx_stream_free(gpu);
}

/* Of two inputs that failed, the one that a walk along the edges meets first: here b's. */
static void the_first_error_counts(void) {
  mlx_stream gpu = mlx_default_gpu_stream_new();
  mlx_array a = some(1), b = mlx_array_new(), c = mlx_array_new();
  CHECK(mlx_exp(&b, a, gpu) == 0 && mlx_exp(&c, a, gpu) == 0);
  fake_device_fail_next(1, WEIR_ERROR_DEVICE, "the first");
  CHECK(mlx_array_eval(b) == 1);
  fake_device_fail_next(1, WEIR_ERROR_DEVICE, "the second");
  CHECK(mlx_array_eval(c) == 1);
  for (int i = 0; i < 2; i++) {
    mlx_array y = i ? expression(a, c, b, NULL) : expression(a, b, c, NULL);
    CHECK(mlx_array_eval(y) == 1);
    CHECK(strstr(weir_last_error(), i ? "the second" : "the first"));
    mlx_array_free(y);
  }
  mlx_array all[] = {a, b, c};
  for (int i = 0; i < 3; i++) mlx_array_free(all[i]);
  mlx_stream_free(gpu);
}

/* ---- small stacks (K13) ---- */

/* The largest scratch and every walk: broadcast columns, turned matrices, and a reduction. */
static void *on_a_small_stack(void *arg) {
  enum { SIDE = 300, INPUTS = 6 };
  const int square[] = {SIDE, SIDE}, column[] = {SIDE, 1};
  mlx_array sum = mlx_array_new(), r = mlx_array_new(), all = floats(SIDE * SIDE, 0);
  CHECK(mlx_reshape(&all, all, square, 2, cpu) == 0 && mlx_transpose(&sum, all, cpu) == 0);
  for (int i = 0; i < INPUTS; i++) {
    mlx_array next = floats(SIDE, (float)i);
    CHECK(mlx_reshape(&next, next, column, 2, cpu) == 0);
    CHECK(mlx_astype(&sum, sum, i % 2 ? MLX_FLOAT32 : MLX_FLOAT64, cpu) == 0);
    add_to(&sum, next, cpu);
    mlx_array_free(next);
  }
  CHECK(mlx_max(&r, sum, false, cpu) == 0);
  CHECK(mlx_array_eval(r) == 0 && float_of(r) == SIDE * SIDE - 1 + INPUTS * (SIDE - 1) + 15);
  mlx_array each[] = {sum, r, all};
  for (int i = 0; i < 3; i++) mlx_array_free(each[i]);
  return arg;
}

static void a_small_stack_is_enough(void) { run_on_small_stack(on_a_small_stack, NULL); }

/* ---- other threads ---- */

enum { LINKS = 40, ROUNDS = 100 };

static int threads;

static struct {
  mlx_array link[LINKS + 1]; /* link[i] = i + 1, each made of the one before */
  pthread_barrier_t start;
} chain;

static void chain_make(void) {
  chain.link[0] = some(0);
  for (int i = 0; i < LINKS; i++) {
    chain.link[i + 1] = mlx_array_new();
    CHECK(mlx_negative(&chain.link[i + 1], chain.link[i], cpu) == 0);
    CHECK(mlx_negative(&chain.link[i + 1], chain.link[i + 1], cpu) == 0);
  }
}

/* Each thread has every so many-th handle of the chain: it forces some and only frees others, while
   the rest do the same with what stands before and after. */
static void force_or_free(int thread) {
  for (int round = 0; round < ROUNDS; round++) {
    if (thread == 0) chain_make();
    pthread_barrier_wait(&chain.start);
    for (int i = thread; i <= LINKS; i += threads) {
      int link = LINKS - i;
      if ((link + round) % 3) CHECK(mlx_array_data_float32(chain.link[link])[7] == 7.0f / N);
      mlx_array_free(chain.link[link]);
    }
    pthread_barrier_wait(&chain.start);
  }
}

static void others_force_the_middle(void) {
  threads = many(8);
  CHECK(pthread_barrier_init(&chain.start, NULL, (unsigned)threads) == 0);
  run_threads(threads, force_or_free);
  pthread_barrier_destroy(&chain.start);
}

/* ---- bytes that are no input of a step ---- */

static void leave_it(void *payload) { (void)payload; }

/* A step of one input behind one of two, whose second is the last before memory that is not there,
   and of shorter elements. */
static void nothing_else_is_read(mlx_dtype type) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  const int n = (int)page;
  char *memory = mmap(NULL, 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(memory != MAP_FAILED && mprotect(memory, page, PROT_READ | PROT_WRITE) == 0);
  memset(memory, 1, page);
  mlx_array b = mlx_array_new_data_managed(memory, &n, 1, MLX_BOOL, leave_it);
  mlx_array x = mlx_array_new();
  CHECK(mlx_equal(&x, b, b, cpu) == 0 && mlx_astype(&x, x, type, cpu) == 0);
  CHECK(mlx_sin(&x, x, cpu) == 0 && mlx_negative(&x, x, cpu) == 0);
  CHECK(mlx_astype(&x, x, MLX_FLOAT32, cpu) == 0 && mlx_array_eval(x) == 0);
  for (int i = 0; i < n; i++) CHECK(fabsf(mlx_array_data_float32(x)[i] + sinf(1)) < 0.01f);
  mlx_array_free(x);
  mlx_array_free(b);
  CHECK(munmap(memory, 2 * page) == 0);
}

/* ---- the switch ---- */

static void run_switched_off(void) {
  CHECK(setenv("WEIR_FUSE", "0", 1) == 0);
  run_anew("off");
}

static void switched_off(void) {
  install_counting();
  cpu = mlx_default_cpu_stream_new();
  mlx_array a = some(1), b = some(2), c = some(3), y = expression(a, b, c, NULL);
  expect_run(y, 7, 0, 0);
  mlx_stream_free(cpu);
  check_expression(y, a, b, c);
  mlx_array all[] = {a, b, c, y};
  for (int i = 0; i < 4; i++) mlx_array_free(all[i]);
}

int main(int argc, char **argv) {
  if (argc > 1) {
    CHECK(!strcmp(argv[1], "off"));
    switched_off();
    return 0;
  }
  CHECK(in_child(run_switched_off, 30) == 0);
  mlx_set_error_handler(quiet, NULL, NULL);
  install_counting();
  fake_device_install();
  cpu = mlx_default_cpu_stream_new();
  a_tree_is_one_command();
  shared_values_are_computed_once();
  dtypes_mix();
  long_chains_are_cut();
  many_inputs();
  reductions_end_groups();
  known_answers_end_early();
  softmax_ends_groups();
  handles_keep_values();
  lazy_readers_keep_values();
  streams_stay_apart();
  shapes_stay_apart();
  nothing_is_allocated_in_between();
  errors_pass_through();
  the_first_error_counts();
  a_small_stack_is_enough();
  others_force_the_middle();
  nothing_else_is_read(MLX_FLOAT16);
  nothing_else_is_read(MLX_BFLOAT16);
  mlx_stream_free(cpu);
  CHECK(weir_shutdown(UINT64_C(10000000000)) == 0);
  CHECK(fake_device_stats().violations == 0);
  CHECK(fake_device_shutdown() == 0);
  return 0;
}
