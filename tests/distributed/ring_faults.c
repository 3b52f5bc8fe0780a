/* What goes wrong in a ring is an error in words, in all processes, in seconds: processes that are
   killed, do something else, fail, are silent or come late; programs that are no process of the
   ring's; host files and variables that make no sense; ends and forks of processes. */

#include "processes.h"

static mlx_distributed_group group;
static mlx_stream s;

static void begin(void) {
  s = new_stream();
  group = group_of_backend("ring");
}

/* Fails in so many seconds; the message has the words. */
static void fails_soon(mlx_array y, const char *words) {
  const double start = seconds_now();
  CHECK(mlx_array_eval(y) == 1);
  if (!strstr(weir_last_error(), words)) fprintf(stderr, "not %s: %s\n", words, weir_last_error());
  CHECK(strstr(weir_last_error(), words) && seconds_now() - start < 5 * patience());
}

static mlx_array sum_of(int n) {
  mlx_array x = mlx_array_new(), y = mlx_array_new();
  CHECK(mlx_ones(&x, &n, 1, MLX_FLOAT32, s) == 0);
  CHECK(mlx_distributed_all_sum(&y, x, group, s) == 0);
  mlx_array_free(x);
  return y;
}

/* The group is over: what comes is an error at once, and so is what is only recorded by then. */
static void group_is_over(const char *words) {
  mlx_array y = sum_of(3), x = mlx_array_new_float(1), z = mlx_array_new();
  fails_soon(y, words);
  CHECK(mlx_distributed_all_gather(&z, x, mlx_distributed_group_new(), s) == 0);
  fails_soon(z, words);
  mlx_array fine = chain(1, 2, s);
  CHECK(float_of(fine) == 3 && mlx_synchronize(s) == 0);
  mlx_array_free(fine);
  mlx_array_free(x);
  mlx_array_free(y);
  mlx_array_free(z);
}

/* ---- one is killed ---- */

static void one_dies(int rank, int size) {
  begin();
  barrier(group, s);
  if (rank == 1) {
    mlx_array y = sum_of(1 << 22);
    CHECK(submit(y) == 0);
    raise(SIGKILL);
  }
  for (int i = 0; i < 100; i++) {
    mlx_array y = sum_of(1 << 22);
    if (mlx_array_eval(y)) {
      CHECK(strstr(weir_last_error(), "all_sum to float32 of shape (4194304) on stream"));
      CHECK(strstr(weir_last_error(), "[ring] The connection to rank"));
      mlx_array_free(y);
      group_is_over("[ring] The connection to rank");
      return;
    }
    mlx_array_free(y);
  }
  (void)size;
  CHECK(!"a process is gone");
}

/* One dies while all are idle, or between two commands of the others. */
static void one_dies_idle(int rank, int size) {
  (void)size;
  begin();
  barrier(group, s);
  if (rank == 0) raise(SIGKILL);
  mlx_array y = sum_of(7), again = mlx_array_new(), x = mlx_array_new_float(1);
  fails_soon(y, "[ring] The connection to rank");
  CHECK(mlx_distributed_recv_like(&again, x, rank == 1 ? 0 : 1, group, s) == (rank == 3));
  if (rank != 3) fails_soon(again, "[ring] The connection to rank");
  mlx_array_free(x);
  mlx_array_free(y);
  mlx_array_free(again);
}

static void all_but_one(int n, int dies, int status, void (*fn)(int, int), const char *what) {
  struct processes p;
  processes_begin(&p, n, 1);
  for (int i = 0; i < n; i++) start_rank(&p, i, fn);
  for (int i = 0; i < n; i++) {
    const int got = end_rank(&p, i);
    if (got != (i == dies ? status : 0)) {
      fprintf(stderr, "%s: rank %d of %d ended with %#x\n", what, i, n, (unsigned)got);
      CHECK(!"each ends as it should");
    }
  }
  processes_end(&p);
}

/* One dies while the others split the group. */
static void one_dies_in_split(int rank, int size) {
  begin();
  barrier(group, s);
  if (rank == 2) raise(SIGKILL);
  mlx_distributed_group half = mlx_distributed_group_new();
  const double start = seconds_now();
  CHECK(mlx_distributed_group_split(&half, group, rank % 2, -1) == 1);
  CHECK(strstr(weir_last_error(), "[ring]") && seconds_now() - start < 5 * patience());
  group_is_over("[ring]");
  (void)size;
}

/* ---- one does something else ---- */

static void differ(int rank, int size) {
  begin();
  mlx_array x = mlx_array_new_float(1), y = mlx_array_new();
  if (rank == size - 1) {
    CHECK(mlx_distributed_all_max(&y, x, group, s) == 0);
  } else {
    CHECK(mlx_distributed_all_sum(&y, x, group, s) == 0);
  }
  fails_soon(y, "[ring]");
  group_is_over("[ring]");
  mlx_array_free(x);
  mlx_array_free(y);
}

static void differ_in_size(int rank, int size) {
  (void)size;
  begin();
  mlx_array y = sum_of(10 + rank);
  fails_soon(y, "[ring]");
  mlx_array_free(y);
}

static void differ_in_message(int rank, int size) {
  (void)size;
  begin();
  mlx_array x = mlx_array_new_float(1), y = mlx_array_new(), i = mlx_array_new_int(1);
  if (rank == 0) {
    CHECK(mlx_distributed_send(&y, x, 1, group, s) == 0);
    (void)mlx_array_eval(y);
  } else {
    CHECK(mlx_distributed_recv_like(&y, i, 0, group, s) == 0);
    fails_soon(y,
               "Rank 0 does not do the same: its command 0 is send of 1 elements of float32, "
               "here command 0 is send of 1 elements of int32");
  }
  mlx_array_free(x);
  mlx_array_free(i);
  mlx_array_free(y);
}

/* ---- an array fails here ---- */

/* What was begun before is not touched by it. */
static void input_fails(int rank, int size) {
  begin();
  mlx_array fine = sum_of(1000), y = mlx_array_new();
  if (rank == 1) {
    mlx_array bad = failing(s), one = mlx_array_new();
    CHECK(mlx_sum(&one, bad, false, s) == 0);
    CHECK(mlx_distributed_all_sum(&y, one, group, s) == 0);
    mlx_vector_array both = mlx_vector_array_new_value(fine);
    CHECK(mlx_vector_array_append_value(both, y) == 0 && mlx_eval(both) == 1);
    CHECK(strstr(weir_last_error(), "exp to float32"));
    mlx_vector_array_free(both);
    mlx_array_free(bad);
    mlx_array_free(one);
  } else {
    mlx_array one = mlx_array_new_float(1);
    CHECK(mlx_distributed_all_sum(&y, one, group, s) == 0);
    CHECK(submit(fine) == 0);
    fails_soon(y, "[ring] The connection to rank");
    mlx_array_free(one);
  }
  CHECK(mlx_array_eval(fine) == 0 && mlx_array_data_float32(fine)[999] == (float)size);
  mlx_array last = sum_of(1);
  CHECK(mlx_array_eval(last) == 1);
  mlx_array_free(last);
  mlx_array_free(fine);
  mlx_array_free(y);
}

/* ---- one is silent ---- */

static void silent(int rank, int size) {
  (void)size;
  CHECK(!setenv("WEIR_DISTRIBUTED_TIMEOUT", "1500", 1));
  begin();
  if (rank == 0) {
    mlx_array x = mlx_array_new_float(0), y = mlx_array_new();
    CHECK(mlx_distributed_recv_like(&y, x, 1, group, s) == 0 && mlx_array_eval(y) == 1);
    mlx_array_free(x);
    mlx_array_free(y);
    return;
  }
  mlx_array y = sum_of(5);
  CHECK(mlx_array_eval(y) == 1);
  CHECK(strstr(weir_last_error(), "WEIR_DISTRIBUTED_TIMEOUT") ||
        strstr(weir_last_error(), "[ring] The connection to rank"));
  mlx_array_free(y);
}

/* ---- late, strange and wrong ---- */

static void sums(int rank, int size) {
  (void)rank;
  (void)size;
  begin();
  barrier(group, s);
  barrier(group, s);
}

/* The first ones try to connect again and again until the last is there. */
static void late(void) {
  struct processes p;
  processes_begin(&p, 3, 1);
  for (int i = 0; i < 2; i++) start_rank(&p, i, sums);
  usleep(1500000);
  start_rank(&p, 2, sums);
  for (int i = 0; i < 3; i++) CHECK(end_rank(&p, i) == 0);
  processes_end(&p);
}

static int call(int port) {
  struct sockaddr_in a = {.sin_family = AF_INET,
                          .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                          .sin_port = htons((uint16_t)port)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(fd >= 0);
  while (connect(fd, (struct sockaddr *)&a, sizeof a)) usleep(1000);
  return fd;
}

/* Somebody connects to a rank and says nothing, something else, or half of what is right. */
static void strangers(void) {
  static const char *const texts[] = {
      "", "GET / HTTP/1.1\r\n\r\n", "WEIRRING", "WEIRRINGxxxxxxxx",
      "WEIRRINGxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"};
  enum { N = sizeof texts / sizeof texts[0] };
  struct processes p;
  int fds[N];
  processes_begin(&p, 2, 1);
  start_rank(&p, 0, sums);
  for (int i = 0; i < N; i++) {
    fds[i] = call(p.ports[0]);
    (void)!send(fds[i], texts[i], strlen(texts[i]), MSG_NOSIGNAL);
  }
  start_rank(&p, 1, sums);
  for (int i = 0; i < 2; i++) CHECK(end_rank(&p, i) == 0);
  for (int i = 0; i < N; i++) close(fds[i]);
  processes_end(&p);
}

static const char *expected;

static void is_refused(int rank, int size) {
  mlx_distributed_group g = mlx_distributed_group_new();
  (void)rank;
  (void)size;
  for (int strict = 0; strict < 2; strict++) {
    CHECK(mlx_distributed_init(&g, strict, "ring") == 1 && g.ctx == NULL);
    if (!strstr(weir_last_error(), expected)) {
      fprintf(stderr, "not %s: %s\n", expected, weir_last_error());
    }
    CHECK(strstr(weir_last_error(), expected) != NULL);
  }
  mlx_array x = mlx_array_new_float(1), y = mlx_array_new();
  CHECK(mlx_distributed_all_sum(&y, x, g, mlx_stream_new()) == 1);
  mlx_array_free(x);
  mlx_array_free(y);
}

/* As the only process, with this host file. */
static void refused_file(const char *text, const char *words) {
  struct processes p;
  processes_begin(&p, 2, 1);
  write_text(p.file, text);
  expected = words;
  start_rank(&p, 1, is_refused);
  CHECK(end_rank(&p, 1) == 0);
  processes_end(&p);
}

static void refused_files(void) {
  refused_file("", "[ring] The host file");
  refused_file("{}", "it is no list");
  refused_file("[]", "it names no rank");
  refused_file("[[]]", "a rank has no address");
  refused_file("[[\"127.0.0.1:1\"], [\"127.0.0.1:2\", \"127.0.0.1:3\"]]",
               "different numbers of addresses");
  refused_file("[[\"127.0.0.1:1\"], [1]]", "[ring] The host file");
  refused_file("[[\"127.0.0.1:1\"], [\"127.0.0.1:2\"]", "[ring] The host file");
  refused_file("[[\"127.0.0.1:1\"]]", "[ring] Rank cannot be larger than the size of the group");
  refused_file("[[\"127.0.0.1\"], [\"localhost\"]]", "[ring] Can't parse address localhost");
  refused_file("[[\"127.0.0.1:\"], [\":\"]]", "[ring] Can't parse address");
  refused_file("[[\"127.0.0.1:9\"], [\"no.such.host.invalid:5\"]]", "[ring] Can't parse address");
}

static void bad_rank(int rank, int size) {
  mlx_distributed_group g = mlx_distributed_group_new();
  CHECK(!setenv("MLX_RANK", "two", 1) && mlx_distributed_init(&g, false, "ring") == 1);
  CHECK(strstr(weir_last_error(), "MLX_RANK=\"two\" is no rank"));
  CHECK(!unsetenv("MLX_RANK") && mlx_distributed_init(&g, true, "ring") == 1);
  CHECK(strstr(weir_last_error(),
               "[ring] You need to provide via environment variables both a rank (MLX_RANK) and a "
               "hostfile (MLX_HOSTFILE) but provided MLX_RANK=\"\" and MLX_HOSTFILE=\"/tmp/weir"));
  CHECK(mlx_distributed_init(&g, false, "ring") == 0 && mlx_distributed_group_size(g) == 1);
  CHECK(!setenv("MLX_RANK", "0", 1) && !setenv("MLX_HOSTFILE", "/no/such/file", 1));
  CHECK(mlx_distributed_init(&g, false, "ring") == 1 && mlx_distributed_group_size(g) == 1);
  CHECK(strstr(weir_last_error(), "\"/no/such/file\" cannot be read: No such file or directory"));
  CHECK(mlx_distributed_group_free(g) == 0);
  (void)rank;
  (void)size;
}

/* Another program that listens; until it is killed. */
static void say_something_else(int listener) {
  for (;;) {
    int fd = accept(listener, NULL, NULL);
    if (fd < 0) continue;
    (void)!send(fd, "220 ready\r\n", 11, MSG_NOSIGNAL);
    close(fd);
  }
}

/* The port is another program's; nobody is at the next rank's; somebody else is. */
static void wrong_ports(void) {
  struct processes p;
  int taken;
  processes_begin(&p, 2, 1);
  p.ports[0] = free_port(&taken);
  write_hosts(&p);
  expected = "[ring] Cannot listen at 127.0.0.1:";
  start_rank(&p, 0, is_refused);
  CHECK(end_rank(&p, 0) == 0);
  CHECK(!setenv("WEIR_DISTRIBUTED_TIMEOUT", "700", 1));
  expected = "[ring] Rank 1 has no sockets to the right: no connection to rank 0 at 127.0.0.1:";
  start_rank(&p, 1, is_refused);
  CHECK(end_rank(&p, 1) == 0);
  CHECK(!unsetenv("WEIR_DISTRIBUTED_TIMEOUT"));
  expected = "what answers there is something else";
  pid_t other = fork();
  CHECK(other >= 0);
  if (other == 0) say_something_else(taken);
  start_rank(&p, 1, is_refused);
  CHECK(end_rank(&p, 1) == 0);
  CHECK(!kill(other, SIGKILL) && waitpid(other, NULL, 0) == other);
  close(taken);
  processes_end(&p);
}

/* Two host files in one group. */
static void other_file(int rank, int size) {
  mlx_distributed_group g = mlx_distributed_group_new();
  (void)size;
  CHECK(!setenv("WEIR_DISTRIBUTED_TIMEOUT", "3000", 1));
  if (rank == 0) {
    FILE *f = fopen(getenv("MLX_HOSTFILE"), "r");
    char text[256] = "", name[] = "/tmp/weir-other-XXXXXX", *colon;
    CHECK(f != NULL && fgets(text, sizeof text, f) && fclose(f) == 0);
    CHECK((colon = strstr(text, "127.0.0.1")) != NULL);
    memcpy(colon, "127.1.0.1", 9); /* the loopback network's too */
    int fd = mkstemp(name);
    CHECK(fd >= 0);
    close(fd);
    write_text(name, text);
    CHECK(!setenv("MLX_HOSTFILE", name, 1) && mlx_distributed_init(&g, true, "ring") == 1);
    CHECK(!unlink(name));
  } else {
    CHECK(mlx_distributed_init(&g, true, "ring") == 1);
  }
  CHECK(strstr(weir_last_error(), "[ring] Rank"));
}

/* ---- ends and forks ---- */

/* Ends at once, beside what is pending and what others still read. */
static void leaves(int rank, int size) {
  begin();
  mlx_array y = sum_of(1 << 20);
  CHECK(mlx_array_eval(y) == 0 && mlx_array_data_float32(y)[5] == (float)size);
  mlx_array x = mlx_array_new_float(1), z = mlx_array_new();
  CHECK(mlx_distributed_recv_like(&z, x, (rank + 1) % size, group, s) == 0 && submit(z) == 0);
  exit(0);
}

/* A child has no part in it, and its end is not the parent's; it may make a group of its own. */
static void forks(int rank, int size) {
  int status = 1;
  begin();
  barrier(group, s);
  mlx_array y = sum_of(4);
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    mlx_array z = sum_of(4);
    CHECK(mlx_array_eval(y) == 1 && mlx_array_eval(z) == 1);
    CHECK(strstr(weir_last_error(), "forked"));
    mlx_distributed_group half = mlx_distributed_group_new();
    CHECK(mlx_distributed_group_split(&half, group, 0, 0) == 1);
    CHECK(strstr(weir_last_error(), "forked"));
    CHECK(!unsetenv("MLX_RANK"));
    CHECK(mlx_distributed_init(&group, false, "any") == 0);
    CHECK(mlx_distributed_group_size(group) == 1);
    _exit(0);
  }
  CHECK(waitpid(pid, &status, 0) == pid && status == 0);
  CHECK(mlx_array_eval(y) == 0 && mlx_array_data_float32(y)[3] == (float)size);
  barrier(group, s);
  mlx_array_free(y);
  (void)rank;
}

int main(void) {
  all_but_one(2, 1, SIGKILL, one_dies, "killed");
  all_but_one(4, 1, SIGKILL, one_dies, "killed");
  all_but_one(4, 0, SIGKILL, one_dies_idle, "killed while idle");
  all_but_one(4, 2, SIGKILL, one_dies_in_split, "killed in a split");
  in_processes(2, 1, differ, "differ");
  in_processes(4, 1, differ, "differ");
  in_processes(3, 1, differ_in_size, "differ in size");
  in_processes(2, 1, differ_in_message, "differ in message");
  in_processes(3, 1, input_fails, "input fails");
  in_processes(3, 1, silent, "silent");
  late();
  strangers();
  refused_files();
  in_processes(1, 1, bad_rank, "bad rank");
  wrong_ports();
  in_processes(2, 1, other_file, "another host file");
  if (!SANITIZED) in_processes(3, 1, leaves, "leaves");
  if (!SANITIZED) in_processes(2, 1, forks, "forks");
  return 0;
}
