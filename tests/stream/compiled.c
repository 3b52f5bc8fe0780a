/* K1, K10, K11, K13. Compiled closures with the rest of the program in the mix: made on one
   thread, compiled and applied on 64 at once, also while what was compiled is erased, freed on
   another; random numbers of different threads; a fork in the middle of compiling; a chain of
   100,000 operations on a stack of 64 KB; a bounded store. */

#include "transforms/compiled.h"
#include "anew.h"
#include "fixtures.h"
#include "lists.h"

enum { N = 64, STEPS = 12, LINKS = 100000, SHAPES = 4 };

static const mlx_stream none;

/* x sin(x), a few times, and the sum of that. */
static int waves(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array y = at(in, 0), sine = mlx_array_new(), sum = mlx_array_new();
  int rc = 0;
  for (int i = 0; i < STEPS && !rc; i++)
    rc = mlx_sin(&sine, y, none) || mlx_multiply(&y, y, sine, none);
  rc = rc || mlx_sum(&sum, y, false, none);
  const mlx_array both[2] = {y, sum};
  rc = rc || mlx_vector_array_set_data(res, both, 2);
  mlx_array_free(y);
  mlx_array_free(sine);
  mlx_array_free(sum);
  return rc;
}

static int sum_of_waves(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_vector_array both = {NULL};
  if (waves(&both, in)) return 1;
  mlx_array sum = at(both, 1);
  mlx_vector_array_free(both);
  return give(res, sum);
}

static int gradient_of(mlx_vector_array *res, const mlx_vector_array in, void *closure) {
  mlx_vector_array one = LIST(1), out = {NULL};
  int rc = mlx_vjp(&out, res, *(mlx_closure *)closure, in, one);
  mlx_vector_array_free(one);
  mlx_vector_array_free(out);
  return rc;
}

static int noise(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = at(in, 0);
  const int shape[1] = {4};
  int rc = mlx_random_bits(&x, shape, 1, 4, (mlx_array){0}, none);
  return rc || give(res, x);
}

static mlx_vector_array ramp(int n) {
  mlx_array x = mlx_array_new();
  CHECK(mlx_linspace(&x, 0.5, 1.5, n, MLX_FLOAT32, none) == 0);
  mlx_vector_array v = mlx_vector_array_new_value(x);
  mlx_array_free(x);
  return v;
}

static void compile_to(mlx_closure *res, mlx_closure f) {
  *res = mlx_closure_new();
  CHECK(mlx_compile(res, f, false) == 0);
}

/* ---- on many threads ---- */

static mlx_closure plain, scalar, compiled, gradient, compiled_gradient, noisy; /* shared */
static float expected[SHAPES][2][N];

static void read_first(mlx_vector_array v, int n, float *to) {
  mlx_array a = at(v, 0);
  const float *data = mlx_array_data_float32(a);
  CHECK(data != NULL && mlx_array_size(a) == (size_t)n);
  memcpy(to, data, (size_t)n * sizeof *to);
  mlx_array_free(a);
}

static void apply_both(mlx_closure f, mlx_closure g, int n, float found[2][N]) {
  mlx_vector_array x = ramp(n), out = {NULL};
  CHECK(mlx_closure_apply(&out, f, x) == 0);
  read_first(out, n, found[0]);
  CHECK(mlx_closure_apply(&out, g, x) == 0);
  read_first(out, n, found[1]);
  mlx_vector_array_free(x);
  mlx_vector_array_free(out);
}

/* Some erase what the others use, some make the same function their own. */
static void apply_as_expected(int i) {
  float found[2][N];
  mlx_stream s = new_stream();
  mlx_closure own = mlx_closure_new();
  if (i % 2) CHECK(mlx_set_default_stream(s) == 0);
  CHECK(mlx_detail_compile(&own, plain, 5, false, NULL, 0) == 0);
  for (int k = 0; k < times(4, 100); k++) {
    const int n = N - (i + k) % SHAPES;
    apply_both(k % 2 ? own : compiled, compiled_gradient, n, found);
    CHECK(memcmp(found[0], expected[N - n][0], (size_t)n * sizeof(float)) == 0);
    CHECK(memcmp(found[1], expected[N - n][1], (size_t)n * sizeof(float)) == 0);
    if (i % 8 == 0) CHECK(mlx_detail_compile_clear_cache() == 0);
    if (i % 8 == 1) CHECK(mlx_detail_compile_erase(5) == 0);
  }
  mlx_closure_free(own);
  mlx_stream_free(s);
}

static void make_closures(void) {
  plain = mlx_closure_new_func(waves);
  scalar = mlx_closure_new_func(sum_of_waves);
  gradient = mlx_closure_new_func_payload(gradient_of, &scalar, NULL);
  mlx_closure draws = mlx_closure_new_func(noise);
  compile_to(&compiled, plain);
  compile_to(&compiled_gradient, gradient);
  compile_to(&noisy, draws);
  mlx_closure_free(draws);
  for (int i = 0; i < SHAPES; i++) apply_both(plain, gradient, N - i, expected[i]);
}

static void *free_closures(void *unused) {
  mlx_closure_free(plain);
  mlx_closure_free(scalar);
  mlx_closure_free(compiled);
  mlx_closure_free(gradient);
  mlx_closure_free(compiled_gradient);
  mlx_closure_free(noisy);
  CHECK(mlx_detail_compile_clear_cache() == 0);
  CHECK(wr_compiled_count().entries == 0 && wr_compiled_count().bytes == 0);
  CHECK(wr_compiled_count().identities == 0);
  return unused;
}

/* ---- the same sample never twice ---- */

enum { DRAWS = 8 };
static uint32_t drawn[MOST_THREADS][DRAWS][4];

static void draw(int i) {
  mlx_vector_array x = ramp(3), out = {NULL};
  for (int k = 0; k < DRAWS; k++) {
    CHECK(mlx_closure_apply(&out, noisy, x) == 0);
    mlx_array a = at(out, 0);
    const uint32_t *data = mlx_array_data_uint32(a);
    CHECK(data != NULL);
    memcpy(drawn[i][k], data, sizeof drawn[i][k]);
    mlx_array_free(a);
  }
  mlx_vector_array_free(x);
  mlx_vector_array_free(out);
}

static int by_bytes(const void *a, const void *b) { return memcmp(a, b, sizeof drawn[0][0]); }

static void samples_differ(void) {
  const int n = many(MOST_THREADS);
  run_threads(n, draw);
  qsort(drawn, (size_t)n * DRAWS, sizeof drawn[0][0], by_bytes);
  uint32_t(*all)[4] = drawn[0];
  for (int i = 1; i < n * DRAWS; i++) CHECK(memcmp(all[i - 1], all[i], sizeof all[i]) != 0);
}

/* ---- a fork in the middle ---- */

static pid_t child = -1;

static int forks_amid(mlx_vector_array *res, const mlx_vector_array in) {
  child = fork();
  CHECK(child >= 0);
  if (child == 0) alarm(20 * patience());
  return waves(res, in);
}

static int over;

static void *apply_until_over(void *unused) {
  float found[2][N];
  while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
    apply_both(compiled, compiled_gradient, N, found);
    CHECK(mlx_detail_compile_clear_cache() == 0);
  }
  return unused;
}

/* Both go on with the capture; the child has what the parent had compiled, and compiles anew. */
static void fork_once(void) {
  float found[2][N];
  int status = 0;
  mlx_closure f = mlx_closure_new_func(forks_amid), c;
  compile_to(&c, f);
  apply_both(c, compiled_gradient, N, found);
  CHECK(memcmp(found, expected[0], sizeof found) == 0);
  apply_both(c, compiled_gradient, N, found);
  CHECK(memcmp(found, expected[0], sizeof found) == 0);
  mlx_closure_free(f);
  mlx_closure_free(c);
  if (child == 0) _exit(43);
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 43);
}

/* Nobody clears what this thread compiles between the two applications: then it would fork twice.
 */
static void fork_amid_compiling(void) {
  if (SANITIZED) return;
  for (int i = 0; i < times(10, 500); i++) fork_once();
}

static void fork_beside_compiling(void) {
  if (SANITIZED) return;
  const pthread_t other = start_thread(apply_until_over, NULL);
  for (int i = 0; i < times(20, 1000); i++) {
    float found[2][N];
    int status = 0;
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
      alarm(20 * patience());
      apply_both(compiled, compiled_gradient, N, found);
      _exit(memcmp(found, expected[0], sizeof found) == 0 ? 43 : 1);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 43);
  }
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

static void *compile_links(void *unused) {
  mlx_closure f = mlx_closure_new_func(links), c;
  mlx_vector_array x = LIST(2), out = {NULL};
  compile_to(&c, f);
  for (int i = 0; i < 2; i++) CHECK(mlx_closure_apply(&out, c, x) == 0 && value_at(out, 0) == 2);
  CHECK(mlx_closure_apply(&out, c, x) == 0); /* never forced */
  mlx_closure_free(f);
  mlx_closure_free(c);
  mlx_vector_array_free(x);
  mlx_vector_array_free(out);
  return unused;
}

/* ---- a bounded store ---- */

static void stays_bounded(void) {
  float found[2][N];
  CHECK(mlx_detail_compile_clear_cache() == 0);
  for (int i = 0; i < 40; i++) apply_both(compiled, compiled_gradient, N - i % (N - 4), found);
  const struct wr_compiled_count count = wr_compiled_count();
  CHECK(count.bytes <= 64 << 10 && count.entries > 0 && count.entries < 80);
}

int main(int argc, char **argv) {
  (void)argv;
  mean_cpu();
  make_closures();
  if (argc > 1) {
    stays_bounded();
    free_closures(NULL);
    return 0;
  }
  run_threads(many(MOST_THREADS), apply_as_expected);
  samples_differ();
  fork_amid_compiling();
  fork_beside_compiling();
  run_on_small_stack(compile_links, NULL);
  run_one(free_closures, NULL);
  CHECK(setenv("WEIR_COMPILE_CACHE_BYTES", "65536", 1) == 0);
  run_anew("bounded");
  return 1;
}
