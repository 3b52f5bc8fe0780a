/* A command with several results (ops/parts.c): run once for all of them, whoever forces which;
   failing for each; its bytes freed with the last result; read by groups, on other streams, on a
   device and across devices, in the child of a fork, and in chains of any depth; taken back with
   its request (R2). */

#include <math.h>

#include "fake_device.h"
#include "in_request.h"
#include "memory/buffer.h"
#include "three.h"

enum { N = 1002 };

static mlx_stream cpu; /* of this program's own: not the default one */

static void values_and_places(void) {
  mlx_array a = three_input(N), out[3];
  const int before = count_of(&three_runs);
  CHECK(three_of(out, a, cpu));
  CHECK(mlx_array_ndim(out[2]) == 0 && mlx_array_dtype(out[1]) == MLX_BOOL);
  CHECK(mlx_array_eval(out[1]) == 0 && count_of(&three_runs) == before + 1);
  three_expect(out, N);
  CHECK(count_of(&three_runs) == before + 1);
  const char *first = (const char *)mlx_array_data_float32(out[0]);
  CHECK(((const char *)mlx_array_data_bool(out[1]) - first) % WR_PART_ALIGNMENT == 0);
  CHECK(((const char *)mlx_array_data_float64(out[2]) - first) % WR_PART_ALIGNMENT == 0);
  three_free(out);
  mlx_array_free(a);
}

/* Nothing in two of the parts. */
static void empty_parts(void) {
  mlx_array a = three_input(0), out[3];
  CHECK(three_of(out, a, cpu));
  three_expect(out, 0);
  three_free(out);
  mlx_array_free(a);
}

/* ---- once ---- */

static mlx_array shared[3];

static void force_one(int i) { CHECK(mlx_array_eval(shared[i % 3]) == 0); }

static void once_for_all(void) {
  mlx_array a = three_input(N);
  for (int round = 0; round < times(50, 1000); round++) {
    const int before = count_of(&three_runs);
    CHECK(three_of(shared, a, cpu));
    run_threads(many(6), force_one);
    CHECK(count_of(&three_runs) == before + 1);
    three_expect(shared, N);
    three_free(shared);
  }
  mlx_array_free(a);
}

/* ---- failing ---- */

static void fails_for_each(mlx_stream s) {
  const int n = 4;
  float values[4] = {NAN, 1, 2, 3};
  mlx_array a = mlx_array_new_data(values, &n, 1, MLX_FLOAT32), out[3], sum = mlx_array_new();
  CHECK(three_of(out, a, s));
  CHECK(mlx_add(&sum, out[0], out[1], s) == 0);
  const int before = count_of(&three_runs);
  for (int i = 2; i >= 0; i--) {
    CHECK(mlx_array_eval(out[i]) == 1);
    CHECK(strstr(weir_last_error(), "three to float32 of shape (4) and 2 more on "));
    CHECK(strstr(weir_last_error(), "no number"));
  }
  CHECK(mlx_array_eval(sum) == 1 && strstr(weir_last_error(), "three to float32"));
  CHECK(count_of(&three_runs) == before + 1);
  mlx_array_free(sum);
  three_free(out);
  mlx_array_free(a);
}

/* Its input has failed: that error, and it never runs. */
static void input_fails(void) {
  mlx_array bad = failing(cpu), flat = mlx_array_new(), out[3];
  const int n = 1, start = 0, stop = 1, step = 1;
  CHECK(mlx_reshape(&flat, bad, (const int[]){-1, 1 << 20, 64}, 3, cpu) == 0);
  CHECK(mlx_sum_axes(&flat, flat, (const int[]){1, 2}, 2, false, cpu) == 0);
  CHECK(mlx_slice(&flat, flat, &start, 1, &stop, 1, &step, 1, cpu) == 0 && n);
  const int before = count_of(&three_runs);
  CHECK(three_of(out, flat, cpu));
  for (int i = 0; i < 3; i++) CHECK(mlx_array_eval(out[i]) == 1);
  CHECK(strstr(weir_last_error(), "exp") && count_of(&three_runs) == before);
  three_free(out);
  mlx_array_free(flat);
  mlx_array_free(bad);
}

/* ---- bytes ---- */

static size_t active(void) {
  size_t bytes = 0;
  CHECK(mlx_get_active_memory(&bytes) == 0);
  return bytes;
}

/* The last result, whichever it is, keeps all of the bytes. */
static void bytes_go_with_the_last(void) {
  enum { MANY = 1 << 18 };
  for (int last = 0; last < 3; last++) {
    mlx_array a = three_input(MANY), out[3];
    CHECK(three_of(out, a, cpu));
    for (int i = 0; i < 3; i++) CHECK(mlx_array_eval(out[i]) == 0);
    mlx_array_free(a);
    const size_t all = active();
    for (int i = 0; i < 3; i++) {
      if (i != last) mlx_array_free(out[i]);
    }
    CHECK(active() == all);
    mlx_array_free(out[last]);
    CHECK(active() + MANY * 5 <= all);
  }
}

/* A result may be written over the first part, but not where it would keep far more than itself. */
static void donation(void) {
  mlx_array a = three_input(N), out[3], doubled = mlx_array_new();
  CHECK(three_of(out, a, cpu));
  for (int i = 0; i < 3; i++) CHECK(mlx_array_eval(out[i]) == 0);
  CHECK(mlx_square(&doubled, out[0], cpu) == 0);
  mlx_array_free(out[0]);
  CHECK(mlx_array_eval(doubled) == 0); /* the others still read these bytes */
  double sum = 0;
  CHECK(mlx_array_item_float64(&sum, out[2]) == 0 && sum == N / 2.0);
  CHECK(mlx_array_data_bool(out[1])[N - 1] &&
        mlx_array_data_float32(doubled)[N - 1] == N * (float)N);
  mlx_array_free(out[1]);
  mlx_array_free(out[2]);
  mlx_array_free(doubled);
  mlx_array_free(a);

  enum { MANY = 1 << 20 };
  const int start = 0, stop = 16, step = 1;
  mlx_array large = three_input(MANY), few = mlx_array_new();
  CHECK(mlx_square(&large, large, cpu) == 0 && mlx_array_eval(large) == 0);
  CHECK(mlx_slice(&few, large, &start, 1, &stop, 1, &step, 1, cpu) == 0 &&
        mlx_array_eval(few) == 0);
  mlx_array_free(large);
  const size_t before = active();
  CHECK(mlx_square(&few, few, cpu) == 0 && mlx_array_eval(few) == 0);
  CHECK(active() + 3 * MANY <= before);
  mlx_array_free(few);
}

/* ---- groups, streams, depth ---- */

/* Groups read parts, and a part is the end of one. */
static void fused(mlx_stream s, mlx_stream other) {
  mlx_array a = three_input(4 * N), b = mlx_array_new(), out[3], mixed = mlx_array_new();
  double sum = 0;
  CHECK(mlx_negative(&b, a, s) == 0 && mlx_negative(&b, b, s) == 0);
  CHECK(three_of(out, b, other));
  CHECK(mlx_multiply(&mixed, out[0], out[1], s) == 0); /* 2x of the positive ones */
  CHECK(mlx_add(&mixed, mixed, mixed, s) == 0 && mlx_subtract(&mixed, mixed, out[0], s) == 0);
  CHECK(mlx_sum(&mixed, mixed, false, s) == 0);
  CHECK(mlx_add(&mixed, mixed, out[2], s) == 0 && mlx_astype(&mixed, mixed, MLX_FLOAT64, cpu) == 0);
  CHECK(mlx_array_item_float64(&sum, mixed) == 0);
  const double half = 2.0 * N; /* 4 (1 + .. + half) - 2 half + half */
  CHECK(fabs(sum - (2 * half * (half + 1) - half)) <= 1e-6 * sum);
  three_expect(out, 4 * N);
  three_free(out);
  mlx_array all[] = {a, b, mixed};
  for (int i = 0; i < 3; i++) mlx_array_free(all[i]);
}

static void *deep_chain(void *unused) {
  enum { DEPTH = 5000 };
  mlx_array a = three_input(2), out[3];
  for (int i = 0; i < DEPTH; i++) {
    CHECK(three_of(out, a, cpu));
    mlx_array_free(a);
    CHECK(mlx_multiply(&out[0], out[0], out[1], cpu) == 0);
    a = out[0];
    mlx_array_free(out[1]);
    mlx_array_free(out[2]);
  }
  mlx_array lazy[3];
  CHECK(three_of(lazy, a, cpu));
  CHECK(mlx_array_eval(a) == 0 && isinf(mlx_array_data_float32(a)[1]));
  mlx_array_free(a);
  three_free(lazy);
  return unused;
}

/* Never forced: all of it is freed. */
static void *deep_and_lazy(void *unused) {
  mlx_array a = three_input(2), out[3];
  for (int i = 0; i < 5000; i++) {
    CHECK(three_of(out, a, cpu));
    mlx_array_free(a);
    a = out[0];
    mlx_array_free(out[1]);
    mlx_array_free(out[2]);
  }
  mlx_array_free(a);
  return unused;
}

/* ---- a device ---- */

/* Computed there, read here, and the other way round; each part is moved by itself. */
static void across_devices(mlx_stream gpu) {
  mlx_array a = three_input(N), b = mlx_array_new(), out[3], sum = mlx_array_new();
  CHECK(three_of(out, a, gpu));
  three_expect(out, N);
  three_free(out);
  CHECK(three_of(out, a, gpu));
  CHECK(mlx_add(&sum, out[0], out[1], cpu) == 0 && mlx_array_eval(sum) == 0);
  CHECK(mlx_array_data_float32(sum)[N - 1] == (float)N + 1);
  three_free(out);
  CHECK(three_of(out, a, cpu) && mlx_add(&b, out[0], out[0], gpu) == 0);
  CHECK(mlx_array_eval(b) == 0 && mlx_array_data_float32(b)[0] == 4 * (1 - N / 2));
  three_expect(out, N);
  three_free(out);
  mlx_array all[] = {a, b, sum};
  for (int i = 0; i < 3; i++) mlx_array_free(all[i]);
}

/* Only queued there, its parts are over when it is. */
static void queued_on_a_device(mlx_stream gpu) {
  mlx_array a = three_input(N), out[3];
  CHECK(three_of(out, a, gpu));
  fake_device_hold();
  for (int i = 0; i < 3; i++) CHECK(submit(out[i]) == 0);
  for (int i = 0; i < 3; i++) CHECK(!available(out[i]));
  fake_device_release();
  three_expect(out, N);
  three_free(out);
  fake_device_fail_next(1, WEIR_ERROR_DEVICE, "told to fail");
  CHECK(three_of(out, a, gpu));
  for (int i = 0; i < 3; i++) {
    CHECK(mlx_array_eval(out[i]) == 1 && strstr(weir_last_error(), "told to fail"));
  }
  three_free(out);
  mlx_array_free(a);
}

/* ---- a fork ---- */

/* Lazy, in flight behind a stall, and with one part forced: the child has the values of all. */
static void forked(void) {
  if (SANITIZED) return;
  mlx_array a = three_input(N), lazy[3], flying[3], some[3];
  mlx_stream busy = new_stream();
  CHECK(three_of(lazy, a, cpu) && three_of(flying, a, busy) && three_of(some, a, cpu));
  CHECK(mlx_array_eval(some[1]) == 0);
  struct stall stall;
  stall_begin(&stall, busy);
  for (int i = 0; i < 3; i++) CHECK(submit(flying[i]) == 0);
  int status = 0;
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    alarm(20 * patience());
    three_expect(flying, N);
    three_expect(lazy, N);
    three_expect(some, N);
    three_free(flying);
    three_free(lazy);
    three_free(some);
    _exit(43);
  }
  CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 43);
  stall_end(&stall);
  three_expect(flying, N);
  three_expect(lazy, N);
  three_expect(some, N);
  three_free(flying);
  three_free(lazy);
  three_free(some);
  mlx_stream_free(busy);
  mlx_array_free(a);
}

/* Nothing of it has run then, and whoever asks for a result later runs it once; where others need
   one, it stays for all of them. */
static void taken_back(bool needed) {
  struct stall stall;
  weir_request r = weir_request_new();
  mlx_array a = three_input(N), out[3];
  const int before = count_of(&three_runs);
  stall_begin(&stall, cpu);
  CHECK(three_of(out, a, cpu));
  CHECK(submit_in(r, out[1]) == 0 && submit_in(r, out[2]) == 0);
  CHECK(!needed || submit(out[0]) == 0);
  CHECK(weir_request_cancel(r) == 0);
  const weir_request_stats_t stats = stats_of(r);
  CHECK(stats.begun == 0 && stats.taken_back > 0 && (stats.queued > 0) == needed);
  CHECK(submit_in(r, out[1]) == 1 && weir_last_status() == WEIR_ERROR_CANCELLED);
  stall_end(&stall);
  CHECK(mlx_synchronize(cpu) == 0 && count_of(&three_runs) == before + needed);
  CHECK(available(out[0]) == needed && !available(out[1]));
  three_expect(out, N);
  CHECK(count_of(&three_runs) == before + 1);
  three_free(out);
  mlx_array_free(a);
  CHECK(weir_request_free(r) == 0);
}

int main(void) {
  mean_cpu();
  fake_device_install();
  mlx_set_error_handler(quiet, NULL, NULL);
  cpu = new_stream();
  forked(); /* while there is no other thread */
  values_and_places();
  empty_parts();
  once_for_all();
  fails_for_each(cpu);
  input_fails();
  bytes_go_with_the_last();
  donation();
  taken_back(false);
  taken_back(true);
  mlx_stream other = new_stream(), gpu = mlx_default_gpu_stream_new();
  fused(cpu, cpu);
  fused(cpu, other);
  run_on_small_stack(deep_chain, NULL);
  run_on_small_stack(deep_and_lazy, NULL);
  fails_for_each(gpu);
  across_devices(gpu);
  queued_on_a_device(gpu);
  mlx_stream_free(gpu);
  mlx_stream_free(other);
  mlx_stream_free(cpu);
  CHECK(weir_shutdown(UINT64_C(10000000000)) == 0);
  CHECK(fake_device_stats().violations == 0);
  CHECK(fake_device_shutdown() == 0);
  return 0;
}
