/* Collectives by NCCL over the stand-ins for it and for the driver, in 2 and 4 processes: values,
   orders that blocking sends would not come through, groups of groups, streams of either device;
   and what goes wrong: processes that are killed, do something else, fail, take no part; a library
   that is refused, or fails; variables that make no sense; forks. On the stand-in nothing computes,
   so all values come from the host and are compared there. */

#include <dlfcn.h>

#include "processes.h"
#include "stand_in.h"

enum { MOST = 70000 };

static mlx_distributed_group group;
static mlx_stream s;
static int rank, size;

static const struct stand_in_nccl *nccl(void) {
  void *library = dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
  const struct stand_in_nccl *found = library ? dlsym(library, STAND_IN_NCCL_SYMBOL) : NULL;
  CHECK(found != NULL);
  return found;
}

static void begin(void) {
  group = group_of_backend("nccl");
  s = new_gpu_stream();
  rank = mlx_distributed_group_rank(group);
  size = mlx_distributed_group_size(group);
  barrier(group, s); /* else one may hear that another has failed before it has met all */
}

static void end(void) {
  mlx_stream_free(s);
  CHECK(mlx_distributed_group_free(group) == 0);
  CHECK(weir_shutdown(INT64_C(20000000000)) == 0);
}

/* ---- values ---- */

static int value(int of, int i) { return (of * 7 + i * 3 + 1) % 11; }

static mlx_array floats_of(int of, int n) {
  static float data[MOST];
  CHECK(n <= MOST);
  for (int i = 0; i < n; i++) data[i] = (float)value(of, i);
  return mlx_array_new_data(data, &n, 1, MLX_FLOAT32);
}

static float expected(int what, int i) {
  int result = value(0, i);
  for (int r = 1; r < size; r++) {
    const int v = value(r, i);
    result = what == 0 ? result + v : (what == 1) == (v > result) ? v : result;
  }
  return (float)result;
}

static void reductions(int n) {
  static int (*const all[])(mlx_array *, mlx_array, mlx_distributed_group, mlx_stream) = {
      mlx_distributed_all_sum, mlx_distributed_all_max, mlx_distributed_all_min};
  for (int what = 0; what < 3; what++) {
    mlx_array x = floats_of(rank, n), y = mlx_array_new();
    CHECK(all[what](&y, x, group, s) == 0 && mlx_array_eval(y) == 0);
    const float *data = mlx_array_data_float32(y);
    for (int i = 0; i < n; i++) CHECK(data[i] == expected(what, i));
    mlx_array_free(x);
    mlx_array_free(y);
  }
}

static void gather_and_scatter(int n) {
  mlx_array x = floats_of(rank, n), all = mlx_array_new(), whole, part = mlx_array_new();
  CHECK(mlx_distributed_all_gather(&all, x, group, s) == 0);
  CHECK(mlx_array_dim(all, 0) == n * size);
  const float *data = mlx_array_data_float32(all);
  CHECK(data != NULL);
  for (int i = 0; i < n * size; i++) CHECK(data[i] == (float)value(i / n, i % n));
  whole = floats_of(rank, n * size);
  CHECK(mlx_distributed_sum_scatter(&part, whole, group, s) == 0);
  CHECK(mlx_array_dim(part, 0) == n);
  data = mlx_array_data_float32(part);
  CHECK(data != NULL);
  for (int i = 0; i < n; i++) CHECK(data[i] == expected(0, rank * n + i));
  mlx_array arrays[] = {x, all, whole, part};
  for (int i = 0; i < 4; i++) mlx_array_free(arrays[i]);
}

/* Bytes of any type are gathered; truth values and complex numbers are added as others. */
static void other_types(void) {
  const bool truth[3] = {rank == 0, rank == size - 1, false};
  const int n = 3, pair = 2;
  const float numbers[4] = {1, 2, (float)rank, 0.5f};
  const uint16_t shorts[3] = {(uint16_t)rank, 7, 65535};
  mlx_array b = mlx_array_new_data(truth, &n, 1, MLX_BOOL), y = mlx_array_new();
  mlx_array z = mlx_array_new_data(numbers, &pair, 1, MLX_COMPLEX64);
  mlx_array h = mlx_array_new_data(shorts, &n, 1, MLX_UINT16);
  CHECK(mlx_distributed_all_sum(&y, b, group, s) == 0 && mlx_array_eval(y) == 0);
  const bool *any = mlx_array_data_bool(y);
  CHECK(any[0] && any[1] && !any[2]);
  CHECK(mlx_distributed_all_min(&y, b, group, s) == 0 && mlx_array_eval(y) == 0);
  CHECK(!mlx_array_data_bool(y)[0]);
  CHECK(mlx_distributed_all_sum(&y, z, group, s) == 0 && mlx_array_eval(y) == 0);
  const float *sums = (const void *)mlx_array_data_complex64(y);
  CHECK(sums[0] == (float)size && sums[1] == 2 * (float)size);
  CHECK(sums[2] == (float)(size * (size - 1)) / 2 && sums[3] == 0.5f * (float)size);
  CHECK(mlx_distributed_all_gather(&y, h, group, s) == 0 && mlx_array_eval(y) == 0);
  for (int r = 0; r < size; r++) CHECK(mlx_array_data_uint16(y)[3 * r] == r);
  mlx_array all[] = {b, y, z, h};
  for (int i = 0; i < 4; i++) mlx_array_free(all[i]);
}

/* In one evaluation on two streams, and what is not dense or empty. */
static void many_at_once(void) {
  enum { N = 100 };
  mlx_stream other = new_gpu_stream();
  mlx_vector_array all = mlx_vector_array_new();
  for (int i = 0; i < N; i++) {
    mlx_array x = floats_of(rank + i, i), y = mlx_array_new();
    CHECK(mlx_distributed_all_sum(&y, x, group, i % 3 ? s : other) == 0);
    CHECK(mlx_vector_array_append_value(all, y) == 0);
    mlx_array_free(x);
    mlx_array_free(y);
  }
  CHECK(mlx_eval(all) == 0);
  for (int i = 0; i < N; i++) {
    mlx_array y = mlx_array_new();
    CHECK(mlx_vector_array_get(&y, all, (size_t)i) == 0);
    const float *data = i ? mlx_array_data_float32(y) : NULL;
    for (int k = 0; k < i; k++) {
      int sum = 0;
      for (int r = 0; r < size; r++) sum += value(r + i, k);
      CHECK(data[k] == (float)sum);
    }
    mlx_array_free(y);
  }
  mlx_vector_array_free(all);
  mlx_stream_free(other);
}

/* What a stream of the CPU gives goes by the group's GPU too, and comes back. */
static void from_cpu(void) {
  mlx_stream cpu = new_stream(), before = s;
  mlx_array x = floats_of(rank, 5), twice = mlx_array_new(), y = mlx_array_new();
  CHECK(mlx_add(&twice, x, x, cpu) == 0 && mlx_distributed_all_sum(&y, twice, group, cpu) == 0);
  CHECK(mlx_add(&y, y, x, cpu) == 0);
  const float *data = mlx_array_data_float32(y);
  CHECK(data != NULL);
  for (int i = 0; i < 5; i++) CHECK(data[i] == 2 * expected(0, i) + (float)value(rank, i));
  s = before;
  mlx_array all[] = {x, twice, y};
  for (int i = 0; i < 3; i++) mlx_array_free(all[i]);
  mlx_stream_free(cpu);
}

/* ---- from one to another ---- */

static mlx_array sent_to(int to, int n) {
  mlx_array x = floats_of(10 * rank + to, n), y = mlx_array_new();
  CHECK(mlx_distributed_send(&y, x, to, group, s) == 0);
  mlx_array_free(x);
  return y;
}

static mlx_array got_from(int from, int n) {
  mlx_array y = mlx_array_new();
  CHECK(mlx_distributed_recv(&y, &n, 1, MLX_FLOAT32, from, group, s) == 0);
  return y;
}

static void check_from(mlx_array y, int from, int to, int n) {
  const float *data = mlx_array_data_float32(y);
  CHECK(data != NULL);
  for (int i = 0; i < n; i++) CHECK(data[i] == (float)value(10 * from + to, i));
}

/* All receive first, then send, or the other way round; with all others at once, the sends in one
   order and the receives in the opposite one: sends and receives that wait for each other in the
   order of their calls would never be over. */
static void each_with_each(bool receives_first, int n) {
  mlx_array sent[MOST_PROCESSES], got[MOST_PROCESSES];
  mlx_vector_array all = mlx_vector_array_new();
  for (int turn = 0; turn < 2; turn++) {
    for (int k = 1; k < size; k++) {
      const int to = (rank + k) % size, from = (rank + k) % size;
      mlx_array *place = (turn == 0) == receives_first ? &got[from] : &sent[to];
      *place = (turn == 0) == receives_first ? got_from(from, n) : sent_to(to, n);
      CHECK(mlx_vector_array_append_value(all, *place) == 0);
    }
  }
  CHECK(mlx_eval(all) == 0);
  for (int r = 0; r < size; r++) {
    if (r == rank) continue;
    check_from(got[r], r, rank, n);
    check_from(sent[r], rank, r, n);
    mlx_array_free(got[r]);
    mlx_array_free(sent[r]);
  }
  mlx_vector_array_free(all);
}

static void peers(void) {
  mlx_array y = mlx_array_new(), x = floats_of(1, 3);
  each_with_each(true, 5);
  each_with_each(false, 1000);
  each_with_each(true, MOST);
  CHECK(mlx_distributed_send(&y, x, rank, group, s) == 1);
  CHECK(strstr(weir_last_error(), "cannot send to itself"));
  CHECK(mlx_distributed_recv_like(&y, x, rank, group, s) == 1);
  mlx_array_free(x);
  mlx_array_free(y);
}

/* ---- groups of groups ---- */

/* Even and odd ranks, the latter backwards; used beside the whole group, and again. */
static void splits(void) {
  mlx_distributed_group whole = group, part = mlx_distributed_group_new();
  const int odd = rank % 2, n = (size + 1 - odd) / 2;
  CHECK(mlx_distributed_group_split(&part, whole, odd, odd ? size - rank : -1) == 0);
  CHECK(mlx_distributed_group_size(part) == n);
  const int mine = odd ? n - 1 - rank / 2 : rank / 2;
  CHECK(mlx_distributed_group_rank(part) == mine);
  for (int round = 0; round < 3; round++) {
    mlx_array one = floats_of(rank, 4), y = mlx_array_new();
    CHECK(mlx_distributed_all_gather(&y, one, part, s) == 0);
    const float *data = mlx_array_data_float32(y);
    CHECK(data != NULL);
    for (int i = 0; i < n; i++)
      CHECK(data[4 * i] == (float)value(odd ? 2 * (n - 1 - i) + 1 : 2 * i, 0));
    reductions(10);
    mlx_array_free(one);
    mlx_array_free(y);
  }
  if (n > 1) {
    const int all_ranks = rank, of_all = size;
    group = part;
    rank = mine;
    size = n;
    each_with_each(true, 100);
    group = whole;
    rank = all_ranks;
    size = of_all;
  }
  CHECK(mlx_distributed_group_free(part) == 0);
}

static void all_of_it(int r, int n) {
  begin();
  CHECK(r == rank && n == size);
  reductions(1);
  reductions(1000);
  reductions(MOST);
  gather_and_scatter(1);
  gather_and_scatter(999);
  other_types();
  many_at_once();
  from_cpu();
  peers();
  splits();
  barrier(group, s);
  end();
}

/* ---- what goes wrong ---- */

/* Fails in so many seconds; the message has the words, or the others, or those that are so where
   rank 0 has ended before it could say more. */
static void fails_soon(mlx_array y, const char *words, const char * or) {
  const double start = seconds_now();
  CHECK(mlx_array_eval(y) == 1);
  const char *text = weir_last_error();
  const bool meant = strstr(text, words) || strstr(text, or) ||
                     (rank > 0 && strstr(text, "[nccl] The connection to rank 0 is lost"));
  if (!meant) fprintf(stderr, "not %s: %s\n", words, text);
  CHECK(meant && seconds_now() - start < 5 * patience());
}

static mlx_array sum_of(int n) {
  mlx_array x = floats_of(rank, n), y = mlx_array_new();
  CHECK(mlx_distributed_all_sum(&y, x, group, s) == 0);
  mlx_array_free(x);
  return y;
}

static void group_is_over(const char *words, const char * or) {
  mlx_array y = sum_of(3), z = size > 2 ? got_from((rank + 1) % size, 3) : sum_of(1);
  fails_soon(y, words, or);
  fails_soon(z, words, or);
  mlx_array fine = floats_of(1, 3), same = mlx_array_new();
  CHECK(mlx_copy(&same, fine, s) == 0 && mlx_array_eval(same) == 0 && mlx_synchronize(s) == 0);
  mlx_array all[] = {y, z, fine, same};
  for (int i = 0; i < 4; i++) mlx_array_free(all[i]);
}

static int who_dies;

/* While the others are at a collective, and at a receive from it. */
static void one_dies(int r, int n) {
  begin();
  reductions(10);
  if (r == who_dies) raise(SIGKILL);
  mlx_array y = r % 2 ? sum_of(1000) : got_from(who_dies, 3);
  const char *words = who_dies ? "[nccl] The connection to rank 1 is lost" : "to rank 0 is lost";
  const char * or = n > 2 ? "as another process has said" : words;
  fails_soon(y, words, or);
  group_is_over(words, or);
  mlx_array_free(y);
  end();
}

/* Who does not take part is an error of time, here and there. */
static void one_is_silent(int r, int n) {
  CHECK(!setenv("WEIR_DISTRIBUTED_TIMEOUT", "1500", 1));
  begin();
  reductions(10);
  if (r == n - 1) {
    sleep(2);
  } else {
    mlx_array y = sum_of(10), z = got_from(n - 1, 2);
    CHECK(submit(z) == 0);
    fails_soon(y, "[nccl] It is not over after 1.5 s", "as another process has said");
    CHECK(mlx_array_eval(z) == 1);
    mlx_array_free(y);
    mlx_array_free(z);
  }
  group_is_over("as another process has said", "It is not over after");
  end();
}

static void one_means_another(int r, int n) {
  (void)n;
  begin();
  mlx_array y = r == 0 ? sent_to(1, 3) : got_from(0, 4);
  fails_soon(y, "does not do the same", "as another process has said");
  group_is_over("does not do the same", "as another process has said");
  mlx_array_free(y);
  end();
}

/* The array of one process has failed before. */
static void one_fails(int r, int n) {
  begin();
  mlx_stream cpu = new_stream();
  mlx_array bad = mlx_array_new(), y = mlx_array_new(), all = failing(cpu);
  CHECK(mlx_sum(&bad, all, false, cpu) == 0);
  mlx_array fine = mlx_array_new_float(1);
  CHECK(mlx_distributed_all_sum(&y, r == n - 1 ? bad : fine, group, s) == 0);
  fails_soon(y, r == n - 1 ? "exp to float32" : "as another process has said", "?");
  group_is_over("exp to float32", "as another process has said");
  mlx_array some[] = {bad, y, all, fine};
  for (int i = 0; i < 4; i++) mlx_array_free(some[i]);
  mlx_stream_free(cpu);
  end();
}

/* A call of NCCL's fails as it is made. */
static void call_fails(int r, int n) {
  (void)n;
  begin();
  reductions(10);
  if (r == 0) nccl()->fail("ncclAllReduce", 1, 5);
  mlx_array y = sum_of(10);
  fails_soon(y,
             r == 0 ? "[nccl] ncclAllReduce failed: the calls do not fit together (5)"
                    : "as another process has said",
             "?");
  group_is_over("ncclAllReduce failed", "as another process has said");
  mlx_array_free(y);
  CHECK(nccl()->alive() <= 2);
  end();
}

/* The copy behind a send that has begun, and the event behind both: then the GPU is given up. */
static int events_fail;
static void copy_fails(int r, int n) {
  const struct stand_in *cuda = dlsym(dlopen("libcuda.so.1", RTLD_NOW), STAND_IN_SYMBOL);
  begin();
  mlx_array y = r == 0 ? sent_to(n - 1, MOST) : got_from(0, MOST), x = floats_of(1, 3);
  if (r == 0) cuda->fail("cuMemcpyDtoDAsync_v2", 1, 701);
  if (r == 0 && events_fail) cuda->fail("cuEventRecord", 2, 701);
  if (r == 0) fails_soon(y, "[nccl] cuMemcpyDtoDAsync failed on gpu:0", "?");
  if (r > 0) (void)mlx_array_eval(y);
  mlx_array_free(y);
  CHECK(mlx_copy(&x, x, s) == 0 && mlx_array_eval(x) == (r == 0 && events_fail));
  if (r == 0 && events_fail) CHECK(strstr(weir_last_error(), "aborted does not end"));
  mlx_array_free(x);
  end();
}

/* It says later that something of it has failed; the other process may have all that it needs. */
static void error_comes_later(int r, int n) {
  begin();
  reductions(10);
  if (r == n - 1) nccl()->async_error(6);
  mlx_array y = sum_of(10);
  const char *words = "[nccl] NCCL failed: another process, or the network, failed (6)";
  if (r == n - 1) {
    fails_soon(y, words, words);
  } else {
    (void)mlx_array_eval(y);
  }
  nccl()->async_error(0);
  group_is_over(words, "as another process has said");
  mlx_array_free(y);
  end();
}

static void split_fails(int r, int n) {
  (void)n;
  begin();
  mlx_distributed_group part = mlx_distributed_group_new();
  if (r == 1) nccl()->fail("ncclCommInitRankConfig", 1, 3);
  CHECK(mlx_distributed_group_split(&part, group, 0, -1) == 1);
  CHECK(strstr(weir_last_error(), r == 1 ? "ncclCommInitRankConfig failed" : "another process"));
  group_is_over("ncclCommInitRankConfig failed", "as another process has said");
  end();
}

/* A group cannot be made; there is none then, and a word of why. */
static void refused(const char *words) {
  mlx_distributed_group g = mlx_distributed_group_new();
  CHECK(mlx_distributed_init(&g, true, "nccl") == 1);
  if (!strstr(weir_last_error(), words)) fprintf(stderr, "not %s: %s\n", words, weir_last_error());
  CHECK(strstr(weir_last_error(), words));
}

static void no_library(int r, int n) {
  (void)r;
  (void)n;
  CHECK(!setenv("WEIR_NCCL", "/nowhere/libnccl.so.2", 1));
  refused("Cannot initialize nccl: /nowhere/libnccl.so.2 could not be opened");
  CHECK(!mlx_distributed_is_available("nccl"));
}

static void wrong_variables(int r, int n) {
  (void)r;
  (void)n;
  CHECK(mlx_distributed_is_available("nccl"));
  CHECK(!setenv("MLX_WORLD_SIZE", "none", 1));
  refused("[nccl] MLX_WORLD_SIZE=\"none\" is no number of processes");
  CHECK(!setenv("MLX_WORLD_SIZE", "2", 1) && !setenv("MLX_RANK", "2", 1));
  refused("[nccl] MLX_RANK=\"2\" is no rank of that many");
  CHECK(!setenv("MLX_RANK", "1", 1));
  const char *port = getenv("NCCL_PORT");
  CHECK(port != NULL && !setenv("NCCL_PORT", "70000", 1));
  refused("[nccl] NCCL_PORT=\"70000\" is no port");
  CHECK(!setenv("WEIR_DISTRIBUTED_TIMEOUT", "300", 1) && !setenv("NCCL_PORT", "1", 1));
  refused("[nccl] No connection to rank 0 at 127.0.0.1:1 in 0.3 s");
  CHECK(!unsetenv("NCCL_PORT"));
  refused("[nccl] Required environment variable 'NCCL_PORT' is not set");
  mlx_distributed_group g = mlx_distributed_group_new();
  CHECK(mlx_distributed_init(&g, false, "nccl") == 0 && mlx_distributed_group_size(g) == 1);
  CHECK(mlx_distributed_group_free(g) == 0);
}

/* Rank 0 does not come in time, or the others do not. */
static void one_comes_alone(int r, int n) {
  (void)n;
  CHECK(!setenv("WEIR_DISTRIBUTED_TIMEOUT", "500", 1));
  if (r == 1) return;
  refused("[nccl] It is not over after 0.5 s");
}

/* In the child of a fork it is the parent's group, whose other processes see the parent's end. */
static void forked(int r, int n) {
  begin();
  reductions(10);
  if (r == 0) {
    fflush(NULL);
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
      mlx_array x = mlx_array_new_float(1), y = mlx_array_new();
      alarm(20 * (unsigned)patience());
      const int failed = mlx_distributed_all_sum(&y, x, group, s) || mlx_array_eval(y);
      _exit(failed ? 0 : 1);
    }
    int status = 1;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
  }
  reductions(20);
  barrier(group, s);
  (void)n;
  end();
}

/* The process is over with what is under way, at once. */
static void leaves_at_once(int r, int n) {
  begin();
  reductions(10);
  mlx_array y = sum_of(100);
  if (r < n - 1) CHECK(submit(y) == 0);
  exit(0);
}

/* ---- the processes ---- */

static void name_group(const struct processes *p, int n) {
  char text[16];
  snprintf(text, sizeof text, "%d", n);
  CHECK(!setenv("NCCL_HOST_IP", "127.0.0.1", 1) && !setenv("MLX_WORLD_SIZE", text, 1));
  snprintf(text, sizeof text, "%d", p->ports[0]);
  CHECK(!setenv("NCCL_PORT", text, 1));
}

static int in_group(int n, void (*fn)(int rank, int size), int killed) {
  struct processes p;
  int wrong = 0;
  processes_begin(&p, n, 1);
  name_group(&p, n);
  for (int i = 0; i < n; i++) start_rank(&p, i, fn);
  for (int i = 0; i < n; i++) {
    const int status = end_rank(&p, i);
    const int meant = i == killed ? SIGKILL : 0;
    if (status != meant) fprintf(stderr, "rank %d of %d ended with %#x\n", i, n, (unsigned)status);
    wrong += status != meant;
  }
  processes_end(&p);
  return wrong;
}

static void check(const char *what, int n, void (*fn)(int rank, int size), int killed) {
  const double start = seconds_now();
  const int wrong = in_group(n, fn, killed);
  printf("%s, %d: %.2f s\n", what, n, seconds_now() - start);
  fflush(stdout);
  if (wrong) fprintf(stderr, "%s: %d processes were wrong\n", what, wrong);
  CHECK(wrong == 0);
}

/* A process that has set no default device has the GPU of its rank from then on. */
static void default_device(void) {
  struct processes p;
  processes_begin(&p, 2, 1);
  name_group(&p, 2);
  CHECK(!setenv("WEIR_STAND_IN_DEVICES", "2", 1));
  for (int i = 0; i < 2; i++) {
    fflush(NULL);
    p.pids[i] = fork();
    CHECK(p.pids[i] >= 0);
    if (p.pids[i] > 0) continue;
    mlx_device d = mlx_device_new();
    mlx_device_type type = MLX_CPU;
    int index = -1;
    alarm(60 * (unsigned)patience());
    be_rank(&p, i);
    begin();
    CHECK(mlx_get_default_device(&d) == 0 && mlx_device_get_index(&index, d) == 0);
    CHECK(mlx_device_get_type(&type, d) == 0 && type == MLX_GPU && index == i);
    mlx_array x = floats_of(rank, 5), y = mlx_array_new();
    const mlx_stream none = {NULL};
    CHECK(mlx_distributed_all_max(&y, x, group, none) == 0);
    const float *data = mlx_array_data_float32(y);
    CHECK(data != NULL && data[4] == expected(1, 4));
    mlx_array_free(x);
    mlx_array_free(y);
    mlx_device_free(d);
    barrier(group, s);
    end();
    exit(0);
  }
  for (int i = 0; i < 2; i++) CHECK(end_rank(&p, i) == 0);
  CHECK(!unsetenv("WEIR_STAND_IN_DEVICES"));
  processes_end(&p);
}

static bool stands_in(void) {
  void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  return library && dlsym(library, STAND_IN_SYMBOL);
}

int main(void) {
  if (!stands_in()) {
    printf("skipped: libcuda.so.1 is not the stand-in, ctest sets LD_LIBRARY_PATH\n");
    return 77;
  }
  check("all of it", 2, all_of_it, -1);
  check("all of it", 4, all_of_it, -1);
  for (who_dies = 0; who_dies < 2; who_dies++) {
    check("one dies", 2, one_dies, who_dies);
    check("one dies", 4, one_dies, who_dies);
  }
  check("one is silent", 2, one_is_silent, -1);
  check("one means another", 2, one_means_another, -1);
  check("one fails", 4, one_fails, -1);
  check("a call fails", 2, call_fails, -1);
  for (; events_fail < 2; events_fail++) check("a copy fails", 2, copy_fails, -1);
  check("an error comes later", 2, error_comes_later, -1);
  check("a split fails", 2, split_fails, -1);
  check("no library", 1, no_library, -1);
  check("wrong variables", 1, wrong_variables, -1);
  default_device();
  check("one comes alone", 2, one_comes_alone, -1);
  /* In the child of a process with threads ThreadSanitizer allows none; what a process leaves with
     counts as lost. */
  if (!SANITIZED) check("a fork", 2, forked, -1);
  if (!SANITIZED) check("leaves at once", 4, leaves_at_once, -1);
  return 0;
}
