/* S2: how traces begin and end. Wrong calls; the environment; the end of the process, by itself and
   by force (K8); a fork (K11); a file that takes nothing, while rings fill; threads that come and
   go. What can hang runs in a child with a limit. */

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "anew.h"
#include "fixtures.h"
#include "trace_case.h"

static void sort_often(int n) {
  mlx_stream s = new_stream();
  for (int i = 0; i < n; i++) {
    mlx_array a = floats(64, (float)i), sorted = mlx_array_new();
    CHECK(mlx_sort(&sorted, a, s) == 0 && mlx_array_eval(sorted) == 0);
    mlx_array_free(a);
    mlx_array_free(sorted);
  }
  mlx_stream_free(s);
}

static size_t commands_in(const struct trace *t) { return events_of(t, 'X', "command", NULL); }

static bool fails_with(int rc, weir_status status) {
  return rc == 1 && weir_last_status() == status;
}

static void wrong_calls(void) {
  char folder[80];
  snprintf(folder, sizeof folder, "%s/no/trace.json", trace_file());
  CHECK(weir_trace_stop() == 0);
  CHECK(fails_with(weir_trace_start(NULL), WEIR_ERROR_INVALID_ARGUMENT));
  CHECK(strstr(weir_last_error(), "file"));
  CHECK(fails_with(weir_trace_start(""), WEIR_ERROR_INVALID_ARGUMENT));
  CHECK(fails_with(weir_trace_start(folder), WEIR_ERROR_INVALID_ARGUMENT));
  CHECK(weir_trace_start(trace_file()) == 0);
  CHECK(fails_with(weir_trace_start(trace_file()), WEIR_ERROR_STATE));
  CHECK(weir_trace_stop() == 0 && weir_trace_stop() == 0);
  struct trace t = trace_read();
  CHECK(t.whole && commands_in(&t) == 0 && lost_in(&t) == 0);
  trace_free(&t);
}

/* A disk that is full is an error of the end, and of nothing before. */
static void full_disk(void) {
  if (weir_trace_start("/dev/full")) return; /* there is none */
  sort_often(10);
  CHECK(fails_with(weir_trace_stop(), WEIR_ERROR_DEVICE));
  CHECK(weir_trace_start(trace_file()) == 0);
  sort_often(3);
  CHECK(weir_trace_stop() == 0);
  struct trace t = trace_read();
  CHECK(commands_in(&t) == 3);
  trace_free(&t);
}

/* ---- the end of the process ---- */

static void returns_with_42(void) {
  CHECK(weir_trace_start(trace_file()) == 0);
  sort_often(100);
  exit(42);
}

static void whole_at_exit(void) {
  CHECK(in_child(returns_with_42, 30) == 42);
  struct trace t = trace_read();
  CHECK(t.whole && commands_in(&t) + lost_in(&t) >= 100);
  CHECK(WR_TORTURED || commands_in(&t) == 100);
  trace_free(&t);
}

/* What it wrote can be read, wherever it was killed. */
static void killed(void) {
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    CHECK(weir_trace_start(trace_file()) == 0);
    for (;;) sort_often(100);
  }
  struct stat s = {.st_size = 0};
  while (s.st_size < 100000) CHECK(stat(trace_file(), &s) == 0 || errno == ENOENT);
  CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
  struct trace t = trace_read();
  CHECK(!t.whole && commands_in(&t) > 0);
  trace_free(&t);
}

/* Nobody reads the pipe: records are dropped and counted, nobody waits, and the process ends. */
static char pipe_path[80];
static int reader;

static void open_pipe(void) {
  snprintf(pipe_path, sizeof pipe_path, "%s.pipe", trace_file());
  CHECK(mkfifo(pipe_path, 0600) == 0);
  reader = open(pipe_path, O_RDONLY | O_NONBLOCK);
  CHECK(reader >= 0 && fcntl(reader, F_SETFL, 0) == 0);
}

static void close_pipe(void) { CHECK(close(reader) == 0 && unlink(pipe_path) == 0); }

static void ends_with_a_pipe(void) {
  CHECK(weir_trace_start(pipe_path) == 0);
  sort_often(5000);
  exit(42);
}

static void exit_waits_for_no_reader(void) {
  open_pipe();
  const double begin = seconds_now();
  CHECK(in_child(ends_with_a_pipe, 60) == 42);
  CHECK(SANITIZED || emulated() || seconds_now() - begin < 10);
  close_pipe();
}

static void *read_to_the_end(void *to) {
  char bytes[4096];
  ssize_t n;
  FILE *f = fopen(to, "w");
  CHECK(f != NULL);
  while ((n = read(reader, bytes, sizeof bytes)) > 0) CHECK(fwrite(bytes, 1, (size_t)n, f) > 0);
  CHECK(fclose(f) == 0);
  return NULL;
}

/* 5000 commands are more than a ring and a pipe hold. */
static void full_rings(void) {
  pthread_t thread;
  const int n = 20000;
  open_pipe();
  CHECK(weir_trace_start(pipe_path) == 0);
  sort_often(n);
  CHECK(pthread_create(&thread, NULL, read_to_the_end, trace_path) == 0);
  CHECK(weir_trace_stop() == 0);
  pthread_join(thread, NULL);
  struct trace t = trace_read();
  CHECK(t.whole && lost_in(&t) > 0 && commands_in(&t) > 0 && commands_in(&t) < (size_t)n);
  /* A command, its drain and its call are a record each, and there is one of the stream. */
  const size_t records = events_of(&t, 'X', NULL, NULL) + lost_in(&t);
  CHECK(records >= 3 * (size_t)n && records <= 3 * (size_t)n + 10);
  check_tracks(&t);
  trace_free(&t);
  close_pipe();
}

/* ---- fork ---- */

static char other_path[80];

static void in_forked(void) {
  struct stat before, after;
  CHECK(stat(trace_file(), &before) == 0);
  sort_often(50);
  CHECK(fails_with(weir_trace_start(trace_file()), WEIR_ERROR_STATE)); /* the parent's */
  CHECK(weir_trace_start(other_path) == 0);
  sort_often(5);
  CHECK(weir_trace_stop() == 0);
  struct trace t = trace_read_at(other_path);
  CHECK(t.whole && commands_in(&t) == 5);
  CHECK(stat(trace_file(), &after) == 0);
  exit(42);
}

static void forked(void) {
  snprintf(other_path, sizeof other_path, "%s.child", trace_file());
  CHECK(weir_trace_start(trace_file()) == 0);
  sort_often(10);
  CHECK(in_child(in_forked, 30) == 42);
  sort_often(10);
  CHECK(weir_trace_stop() == 0);
  struct trace t = trace_read();
  CHECK(t.whole && commands_in(&t) + lost_in(&t) >= 20 && commands_in(&t) <= 20);
  for (size_t i = 0; i < t.n; i++) CHECK(t.events[i].pid % 10000000 == (uint64_t)getpid());
  trace_free(&t);
  CHECK(unlink(other_path) == 0);
}

static void fork_often(int i) {
  for (int n = 0; n < 20; n++) {
    pid_t pid = i ? 0 : fork();
    if (i) {
      sort_often(20);
    } else if (pid == 0) {
      alarm(60);
      sort_often(1);
      _exit(42);
    } else {
      int status;
      CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 42);
    }
  }
}

static void forked_amid(void) {
  CHECK(weir_trace_start(trace_file()) == 0);
  run_threads(4, fork_often);
  CHECK(weir_trace_stop() == 0);
  struct trace t = trace_read();
  CHECK(t.whole && commands_in(&t) <= 3 * 20 * 20);
  check_tracks(&t);
  trace_free(&t);
}

/* ---- threads ---- */

static void *come_and_go(void *unused) {
  sort_often(2);
  return unused;
}

static void *start_and_stop(void *unused) {
  for (int i = 0; i < 50; i++) {
    (void)weir_trace_start(trace_file());
    (void)weir_trace_stop();
  }
  return unused;
}

/* Rings of threads that have ended go, while traces come and go. */
static void threads_come_and_go(void) {
  pthread_t ender;
  CHECK(pthread_create(&ender, NULL, start_and_stop, NULL) == 0);
  for (int i = 0; i < times(100, 2000); i++) {
    pthread_t thread[4];
    for (int k = 0; k < 4; k++) CHECK(!pthread_create(&thread[k], NULL, come_and_go, NULL));
    for (int k = 0; k < 4; k++) pthread_join(thread[k], NULL);
  }
  pthread_join(ender, NULL);
  CHECK(weir_trace_stop() == 0);
}

/* ---- the environment ---- */

static int asked(void) {
  mean_cpu();
  sort_often(6);
  return 42;
}

static void ask_for_trace(void) {
  CHECK(setenv("WEIR_TRACE", trace_file(), 1) == 0);
  run_anew("asked");
}

static void of_the_environment(void) {
  CHECK(in_child(ask_for_trace, 60) == 42);
  struct trace t = trace_read();
  CHECK(t.whole && commands_in(&t) + lost_in(&t) >= 6);
  trace_free(&t);
  /* The file is somebody else's just now: it gets a name of its own. */
  char name[100];
  CHECK(weir_trace_start(trace_file()) == 0);
  fflush(NULL);
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) ask_for_trace();
  int status;
  CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 42);
  CHECK(weir_trace_stop() == 0);
  snprintf(name, sizeof name, "%s.%d", trace_file(), (int)pid);
  t = trace_read_at(name);
  CHECK(t.whole && commands_in(&t) + lost_in(&t) >= 6);
  trace_free(&t);
  CHECK(unlink(name) == 0);
}

int main(int argc, char **argv) {
  if (argc > 1 && !strcmp(argv[1], "asked")) return asked();
  mlx_set_error_handler(quiet, NULL, NULL);
  mean_cpu();
  (void)trace_file();
  /* Before this process has threads: sanitizers bear no fork after that. */
  whole_at_exit();
  exit_waits_for_no_reader();
  killed();
  of_the_environment();
  wrong_calls();
  full_disk();
  full_rings();
  threads_come_and_go();
  if (!SANITIZED) forked();
  if (!SANITIZED) forked_amid();
  trace_file_gone();
  CHECK(weir_shutdown(INT64_C(20000000000)) == 0);
  return 0;
}
