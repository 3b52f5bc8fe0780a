/* The default device while nobody has set it: found at first need, and not decided where the look
   was refused for the moment. D2, T2, K11, P13. tests/cuda_host/default_device.c has the rest. */

#include "backend/backend.h"
#include "base/atomic.h"
#include "fake_device.h"
#include "fixtures.h"

static struct wr_backend device;
static enum wr_usable answer;
static wr_atomic_u32 looks; /* atomic RELAXED: a count */

static enum wr_usable look(const char **reason) {
  wr_fetch_add_relaxed(&looks, 1u);
  *reason = "no descriptor is left";
  return answer;
}

static bool looked(uint32_t times_so_far) { return wr_load_relaxed(&looks) == times_so_far; }

/* The fake device, in whose place nobody has looked yet. */
static void install(enum wr_usable usable) {
  fake_device_install();
  device = *wr_backend_for(WR_DEVICE_GPU);
  device.usable = look;
  wr_backend_register(&device);
  answer = usable;
  mlx_set_error_handler(quiet, NULL, NULL);
}

static bool default_is(mlx_device_type type) {
  mlx_device d = mlx_device_new();
  mlx_device_type found;
  int index;
  CHECK(mlx_get_default_device(&d) == 0 && mlx_device_get_type(&found, d) == 0);
  CHECK(mlx_device_get_index(&index, d) == 0 && index == 0);
  mlx_device_free(d);
  return found == type;
}

static uint64_t commands_of_one_addition(void) {
  const uint64_t before = fake_device_stats().commands;
  mlx_array a = floats(4, 1);
  add_to(&a, a, (mlx_stream){0});
  CHECK(mlx_array_eval(a) == 0);
  mlx_array_free(a);
  return fake_device_stats().commands - before;
}

/* D2, P13: looked for once, with the first call that needs it. */
static void d2_found_at_first_need(void) {
  install(WR_USABLE);
  mlx_stream cpu = mlx_default_cpu_stream_new();
  mlx_stream_free(cpu);
  CHECK(looked(0));
  CHECK(commands_of_one_addition() > 0 && looked(1));
  CHECK(default_is(MLX_GPU) && looked(1));
  mean_cpu();
  CHECK(default_is(MLX_CPU) && commands_of_one_addition() == 0);
  exit(42);
}

/* D2: what the program sets is not looked for. */
static void d2_set_before(void) {
  install(WR_USABLE);
  mean_cpu();
  CHECK(default_is(MLX_CPU) && commands_of_one_addition() == 0 && looked(0));
  exit(42);
}

/* D6. */
static void d6_without_one(void) {
  install(WR_UNUSABLE);
  CHECK(default_is(MLX_CPU) && commands_of_one_addition() == 0 && looked(1));
  exit(42);
}

/* T2: an error of that call, whatever asks, and the next one looks again. */
static void t2_refused_for_now(void) {
  install(WR_UNUSABLE_FOR_NOW);
  mlx_device d = mlx_device_new();
  mlx_array one = mlx_array_new_float(1), sum = mlx_array_new();
  CHECK(mlx_get_default_device(&d) == 1 && weir_last_status() == WEIR_ERROR_NO_DEVICE);
  CHECK(strstr(weir_last_error(), "no descriptor is left") != NULL && d.ctx == NULL);
  CHECK(mlx_add(&sum, one, one, (mlx_stream){0}) == 1 && looked(2));
  answer = WR_USABLE;
  CHECK(commands_of_one_addition() > 0 && default_is(MLX_GPU) && looked(3));
  mlx_array_free(one);
  mlx_array_free(sum);
  exit(42);
}

/* K11: the child looks anew, but for what the program has set. */
static void k11_in_a_child(void) {
  install(WR_USABLE);
  CHECK(default_is(MLX_GPU) && looked(1));
  answer = WR_UNUSABLE;
  int status;
  pid_t pid = fork();
  if (pid == 0) _exit(default_is(MLX_CPU) && looked(2) ? 42 : 1);
  CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 42);
  CHECK(default_is(MLX_GPU) && looked(1));
  mlx_device gpu = mlx_device_new_type(MLX_GPU, 0);
  CHECK(mlx_set_default_device(gpu) == 0);
  pid = fork();
  if (pid == 0) _exit(default_is(MLX_GPU) && looked(1) ? 42 : 1);
  CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 42);
  exit(42);
}

static void expect_gpu(int i) {
  (void)i;
  CHECK(default_is(MLX_GPU));
}

static void set_cpu_or_look(int i) {
  if (i == 0) {
    mean_cpu();
  } else {
    mlx_device d = mlx_device_new();
    CHECK(mlx_get_default_device(&d) == 0);
  }
}

/* B14: many look at once, and one that sets is not undone by them. */
static void b14_many_at_once(void) {
  install(WR_USABLE);
  run_threads(many(8), expect_gpu);
  exit(42);
}

static void b14_set_while_others_look(void) {
  install(WR_USABLE);
  run_threads(8, set_cpu_or_look);
  CHECK(default_is(MLX_CPU));
  exit(42);
}

int main(void) {
  repeat(d2_found_at_first_need, "found", 1);
  repeat(d2_set_before, "set", 1);
  repeat(d6_without_one, "without", 1);
  repeat(t2_refused_for_now, "refused", 1);
  if (!SANITIZED) repeat(k11_in_a_child, "forked", 1);
  repeat(b14_many_at_once, "many", 5);
  repeat(b14_set_while_others_look, "set meanwhile", times(10, 500));
  return 0;
}
