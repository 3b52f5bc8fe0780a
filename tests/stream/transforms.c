/* K10, K11, K13. Derivatives with the rest of the program in the mix: closures made on one thread,
   called on 64 at once, on streams of their own, and freed on another; a fork in the middle of a
   trace; a chain of 100,000 operations on a stack of 64 KB; checkpoints that free what they
   computed; intermediate values that go with their last reader. */

#include "fixtures.h"
#include "lists.h"

enum { N = 64, STEPS = 6, LINKS = 100000, LARGE = 1 << 18, BLOCKS = 6, SUMS = 40 };

static const mlx_stream none;

/* ---- functions ---- */

/* x sin(x), a few times, in the place of *y. */
static int waves(mlx_array *y, int steps) {
  mlx_array sine = mlx_array_new();
  int rc = 0;
  for (int i = 0; i < steps && !rc; i++)
    rc = mlx_sin(&sine, *y, none) || mlx_multiply(y, *y, sine, none);
  mlx_array_free(sine);
  return rc;
}

static int sum_of_waves(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array y = at(in, 0);
  int rc = waves(&y, STEPS) || mlx_sum(&y, y, false, none);
  return rc || give(res, y);
}

static int some_waves(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array y = at(in, 0);
  return waves(&y, STEPS) || give(res, y);
}

/* The gradient of the closure in the payload, as a function. */
static int gradient_of(mlx_vector_array *res, const mlx_vector_array in, void *closure) {
  mlx_vector_array one = LIST(1), out = {NULL};
  int rc = mlx_vjp(&out, res, *(mlx_closure *)closure, in, one);
  mlx_vector_array_free(one);
  mlx_vector_array_free(out);
  return rc;
}

static mlx_vector_array ramp(int n) {
  mlx_array x = mlx_array_new();
  CHECK(mlx_linspace(&x, 0.5, 1.5, n, MLX_FLOAT32, none) == 0);
  mlx_vector_array v = mlx_vector_array_new_value(x);
  mlx_array_free(x);
  return v;
}

/* ---- on many threads ---- */

static mlx_closure scalar, gradient, saved; /* shared, immutable while threads run */
static float expected[3][N];

static void read_first(mlx_vector_array v, float *to) {
  mlx_array a = at(v, 0);
  const float *data = mlx_array_data_float32(a);
  CHECK(data != NULL && mlx_array_size(a) == N);
  memcpy(to, data, N * sizeof *to);
  mlx_array_free(a);
}

/* A gradient, the tangent of a gradient, and a gradient that runs the function again. */
static void derive_all(float found[3][N]) {
  mlx_vector_array x = ramp(N), t = ramp(N), one = LIST(1), out = {NULL}, g = {NULL};
  CHECK(mlx_vjp(&out, &g, scalar, x, one) == 0);
  read_first(g, found[0]);
  CHECK(mlx_jvp(&out, &g, gradient, x, t) == 0);
  read_first(g, found[1]);
  CHECK(mlx_vjp(&out, &g, saved, x, one) == 0);
  read_first(g, found[2]);
  mlx_vector_array_free(x);
  mlx_vector_array_free(t);
  mlx_vector_array_free(one);
  mlx_vector_array_free(out);
  mlx_vector_array_free(g);
}

static void derive_as_expected(int i) {
  float found[3][N];
  mlx_stream s = new_stream();
  if (i % 2) CHECK(mlx_set_default_stream(s) == 0);
  for (int k = 0; k < times(3, 100); k++) {
    derive_all(found);
    CHECK(memcmp(found, expected, sizeof found) == 0);
  }
  mlx_stream_free(s);
}

static void make_closures(void) {
  scalar = mlx_closure_new_func(sum_of_waves);
  gradient = mlx_closure_new_func_payload(gradient_of, &scalar, NULL);
  saved = mlx_closure_new();
  CHECK(mlx_checkpoint(&saved, scalar) == 0);
}

static void *free_closures(void *unused) {
  mlx_closure_free(scalar);
  mlx_closure_free(gradient);
  mlx_closure_free(saved);
  return unused;
}

/* ---- a fork in the middle ---- */

static pid_t child = -1;

static int forks_amid(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array y = at(in, 0);
  int rc = waves(&y, STEPS / 2) || mlx_array_eval(y);
  child = fork();
  CHECK(child >= 0);
  if (child == 0) alarm(20 * patience());
  rc = rc || waves(&y, STEPS - STEPS / 2) || mlx_sum(&y, y, false, none);
  return rc || give(res, y);
}

static int over;

static void *derive_until_over(void *unused) {
  float found[3][N];
  while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) derive_all(found);
  return unused;
}

/* Both go on with the trace, and differentiate anew. */
static void fork_once(void) {
  float found[N], again[3][N];
  int status = 0;
  mlx_closure f = mlx_closure_new_func(forks_amid);
  mlx_vector_array x = ramp(N), one = LIST(1), out = {NULL}, g = {NULL};
  CHECK(mlx_vjp(&out, &g, f, x, one) == 0);
  read_first(g, found);
  CHECK(memcmp(found, expected[0], sizeof found) == 0);
  mlx_closure_free(f);
  mlx_vector_array_free(x);
  mlx_vector_array_free(one);
  mlx_vector_array_free(out);
  mlx_vector_array_free(g);
  derive_all(again);
  CHECK(memcmp(again, expected, sizeof again) == 0);
  if (child == 0) _exit(43);
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 43);
}

static void fork_amid_traces(void) {
  if (SANITIZED) return;
  const pthread_t other = start_thread(derive_until_over, NULL);
  for (int i = 0; i < times(20, 1000); i++) fork_once();
  __atomic_store_n(&over, 1, __ATOMIC_RELEASE);
  pthread_join(other, NULL);
}

/* ---- long ---- */

static int links(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0), one = mlx_array_new_float(1);
  int rc = 0;
  for (int i = 0; i < LINKS / 2 && !rc; i++)
    rc = mlx_add(&x, x, one, none) || mlx_negative(&x, x, none);
  mlx_array_free(one);
  return rc || give(res, x);
}

static void *derive_links(void *unused) {
  mlx_closure f = mlx_closure_new_func(links);
  mlx_vector_array x = LIST(2), one = LIST(1), out = {NULL}, g = {NULL};
  CHECK(mlx_vjp(&out, &g, f, x, one) == 0 && value_at(g, 0) == 1 && value_at(out, 0) == 2);
  CHECK(mlx_jvp(&out, &g, f, x, one) == 0 && value_at(g, 0) == 1);
  /* Never forced. */
  CHECK(mlx_vjp(&out, &g, f, x, one) == 0);
  mlx_closure_free(f);
  mlx_vector_array_free(x);
  mlx_vector_array_free(one);
  mlx_vector_array_free(out);
  mlx_vector_array_free(g);
  return unused;
}

/* ---- what checkpoints free ---- */

static mlx_closure block;

static int blocks(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_vector_array x = {NULL};
  int rc = mlx_closure_apply(&x, block, in);
  for (int i = 1; i < BLOCKS && !rc; i++) rc = mlx_closure_apply(&x, block, x);
  mlx_array y = mlx_array_new();
  if (!rc) rc = mlx_vector_array_get(&y, x, 0) || mlx_sum(&y, y, false, none);
  mlx_vector_array_free(x);
  return rc || give(res, y);
}

/* The most bytes that the gradient had at once, beside what was there before. */
static size_t peak_of_blocks(void) {
  size_t before, peak;
  mlx_closure f = mlx_closure_new_func(blocks);
  mlx_vector_array x = ramp(LARGE), one = LIST(1), out = {NULL}, g = {NULL};
  mlx_eval(x);
  CHECK(mlx_get_active_memory(&before) == 0 && mlx_reset_peak_memory() == 0);
  CHECK(mlx_vjp(&out, &g, f, x, one) == 0 && mlx_eval(g) == 0);
  CHECK(mlx_get_peak_memory(&peak) == 0);
  mlx_closure_free(f);
  mlx_vector_array_free(x);
  mlx_vector_array_free(one);
  mlx_vector_array_free(out);
  mlx_vector_array_free(g);
  return peak > before ? peak - before : 0;
}

static void checkpoints_free(void) {
  mlx_closure plain = mlx_closure_new_func(some_waves), checkpoint = mlx_closure_new();
  CHECK(mlx_checkpoint(&checkpoint, plain) == 0);
  block = plain;
  const size_t whole = peak_of_blocks();
  block = checkpoint;
  const size_t little = peak_of_blocks();
  mlx_closure_free(plain);
  mlx_closure_free(checkpoint);
  /* All blocks' values against one block's and what stands between them. */
  if (little > whole / 2) fprintf(stderr, "peaks: %zu and %zu bytes\n", whole, little);
  CHECK(whole >= (size_t)BLOCKS * STEPS * LARGE * sizeof(float));
  CHECK(little <= whole / 2);
}

/* ---- what dies with its last reader ---- */

/* Running sums, whose derivatives do not need the values; each is a command of its own. */
static int sums(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array y = at(in, 0);
  int rc = 0;
  for (int i = 0; i < SUMS && !rc; i++) rc = mlx_cumsum(&y, y, 0, i % 2, true, none);
  return rc || give(res, y);
}

/* The same of squares, whose derivatives do. */
static int sums_of_squares(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array y = at(in, 0), small = mlx_array_new_float(1e-6f);
  int rc = 0;
  for (int i = 0; i < SUMS && !rc; i++)
    rc = mlx_square(&y, y, none) || mlx_multiply(&y, y, small, none) ||
         mlx_cumsum(&y, y, 0, i % 2, true, none);
  mlx_array_free(small);
  return rc || give(res, y);
}

/* How many arrays there were at once beside argument and cotangent, while values and gradients were
   computed; all but those two results are gone at the end. */
static double most_arrays(int (*function)(mlx_vector_array *, const mlx_vector_array),
                          bool compiled) {
  size_t before, peak, after;
  mlx_stream cpu = mlx_default_cpu_stream_new();
  mlx_closure f = mlx_closure_new_func(function), c = mlx_closure_new();
  mlx_vector_array x = ramp(LARGE), d = ramp(LARGE), out = {NULL}, g = {NULL};
  CHECK(compiled ? mlx_compile(&c, f, false) == 0 : mlx_closure_set(&c, f) == 0);
  CHECK(mlx_eval(x) == 0 && mlx_eval(d) == 0);
  CHECK(mlx_get_active_memory(&before) == 0 && mlx_reset_peak_memory() == 0);
  CHECK(mlx_vjp(&out, &g, c, x, d) == 0 && mlx_eval(g) == 0 && mlx_eval(out) == 0);
  CHECK(mlx_get_peak_memory(&peak) == 0);
  CHECK(mlx_synchronize(cpu) == 0);
  CHECK(mlx_get_active_memory(&after) == 0);
  CHECK(after - before <= 3 * LARGE * sizeof(float)); /* results, and few bytes */
  mlx_closure_free(f);
  mlx_closure_free(c);
  mlx_stream_free(cpu);
  mlx_vector_array_free(x);
  mlx_vector_array_free(d);
  mlx_vector_array_free(out);
  mlx_vector_array_free(g);
  return peak > before ? (double)(peak - before) / (LARGE * sizeof(float)) : 0;
}

static void intermediates_die(void) {
  for (int compiled = 0; compiled < 2; compiled++) {
    const double few = most_arrays(sums, compiled),
                 many_arrays = most_arrays(sums_of_squares, compiled);
    if (few > 5) fprintf(stderr, "%g and %g arrays at once\n", few, many_arrays);
    CHECK(few <= 5);
    CHECK(many_arrays >= SUMS / 2);
  }
}

int main(void) {
  mean_cpu();
  make_closures();
  derive_all(expected);
  run_threads(many(MOST_THREADS), derive_as_expected);
  fork_amid_traces();
  run_one(free_closures, NULL);
  run_on_small_stack(derive_links, NULL);
  checkpoints_free();
  intermediates_die();
  return 0;
}
