/* S1: weir_dump. A process that hangs on purpose, each time in another way: the first line names
   the culprit. Then what a dump has of streams, queues, requests and threads; that it takes no
   lock, by taking all of a stream's; dumps while everything goes on; on a signal, also where all
   workers hang, in the child of a fork and where the program blocks that signal; descriptors that
   do not take it. */

#include "anew.h"
#include "dump_case.h"
#include "fake_device.h"
#include "graph/internal.h"
#include "later.h"
#include "stream/internal.h"

/* ---- a command of the CPU's that does not end ---- */

static struct wr_error *stuck_run(const struct wr_call *call) {
  (void)call;
  wait_for_ever();
  return NULL;
}

static const struct wr_callee stuck_callee = {
    .name = "Stuck", .params_bytes = sizeof(struct wr_call_params), .run = stuck_run};

static mlx_array stuck_of(mlx_array a, mlx_stream s) {
  const struct wr_handle *handle = wr_handle_object(a.ctx, WR_KIND_ARRAY);
  struct wr_node *in = handle->node, *node = NULL;
  const struct wr_call_params params = {.callee = &stuck_callee};
  const struct wr_record record = {.op = WR_OP_CALL,
                                   .dtype = WR_FLOAT32,
                                   .ndim = 1,
                                   .shape = wr_node_shape(in),
                                   .n_in = 1,
                                   .in = &in,
                                   .params = &params,
                                   .params_bytes = sizeof params,
                                   .stream = inside(s)};
  CHECK(!wr_node_record(&node, &record));
  return three_handle(node);
}

static mlx_array sum_of(mlx_array a, mlx_array b, mlx_stream s) {
  mlx_array out = mlx_array_new();
  CHECK(mlx_add(&out, a, b, s) == 0);
  return out;
}

/* What reads it stands on another stream, and a thread waits there. */
static void command(void) {
  mlx_stream s = new_stream(), t = new_stream();
  CHECK(weir_stream_set_label(s, "slow one") == 0);
  mlx_array a = floats(3, 1), stuck = stuck_of(a, s), sum = sum_of(stuck, a, t);
  CHECK(submit(stuck) == 0);
  culprit_is("Stuck float32[3]");
  force_elsewhere(&sum);
  culprit_is("Stuck float32[3] has run for|stream 0 \"slow one\" (cpu:0)");
  dump_has("\"forces\"");
  dump_has("waits for Stuck float32[3] of stream 0 \"slow one\" (cpu:0)");
  dump_has("waits for add float32[3] of float32[3], float32[3] of stream 1 (cpu:0)");
}

/* ---- a full pool ---- */

/* More streams than workers, 64 in some runs, and threads in their place, of which there may be one
   more; each is stuck. So one at least is ready. */
static void pool(void) {
  enum { MANY = 140 };
  mlx_array a = floats(3, 1), stuck[MANY];
  for (int i = 0; i < MANY; i++) {
    stuck[i] = stuck_of(a, new_stream());
    CHECK(submit(stuck[i]) == 0);
  }
  culprit_is("Stuck float32[3] has run for|workers are busy, and|streams wait for one");
  dump_has("waits for a thread that drains it; next is Stuck float32[3]");
}

/* ---- functions of the user's ---- */

static void waits(void *data) {
  (void)data;
  wait_for_ever();
}

static void callback(void) {
  mlx_stream s = new_stream();
  CHECK(weir_stream_on_idle(s, waits, NULL) == 0 && weir_stream_on_idle(s, waits, NULL) == 0);
  culprit_is("\"weir-reclaimer\" runs the user's callback when a stream is idle at 0x");
  dump_has("reclaimer: 2 calls");
}

static void destructor(void) {
  static float data[4] = {1, 2, 3, 4};
  int n = 4;
  mlx_stream s = new_stream();
  mlx_array a = mlx_array_new_data_managed_payload(data, &n, 1, MLX_FLOAT32, NULL, waits);
  mlx_array b = sum_of(a, a, s);
  mlx_array_free(a);
  CHECK(submit(b) == 0 && mlx_synchronize(s) == 0);
  culprit_is("runs the user's destructor of an array's data at 0x");
}

/* A thread that frees is inside the destructor itself. */
static void *frees(void *array) {
  mlx_array_free(*(mlx_array *)array);
  return NULL;
}

static void own_destructor(void) {
  static float data[4] = {1, 2, 3, 4};
  int n = 4;
  mlx_array a = mlx_array_new_data_managed_payload(data, &n, 1, MLX_FLOAT32, NULL, waits);
  (void)start_thread(frees, &a);
  culprit_is("runs the user's destructor of an array's data at 0x");
}

/* ---- a reader that never returns ---- */

static bool yes(void *desc) {
  (void)desc;
  return true;
}

static const char header[] =
    "\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }";
static size_t place;

static size_t tell(void *desc) {
  (void)desc;
  return place;
}

static void seek(void *desc, int64_t off, int whence) {
  (void)desc;
  place = (size_t)(whence == SEEK_END   ? 144 + off
                   : whence == SEEK_CUR ? (int64_t)place + off
                                        : off);
}

static void read_on(void *desc, char *to, size_t n) {
  (void)desc;
  for (size_t i = 0; i < n; i++, place++) {
    to[i] = place < sizeof header - 1 ? header[place] : place == 127 ? '\n' : ' ';
  }
}

static void read_at(void *desc, char *to, size_t n, size_t offset) {
  (void)desc;
  (void)to;
  (void)n;
  (void)offset;
  wait_for_ever();
}

static const char *label(void *desc) {
  (void)desc;
  return "a test's reader";
}

static void reader(void) {
  const mlx_io_vtable table = {.is_open = yes,
                               .good = yes,
                               .tell = tell,
                               .seek = seek,
                               .read = read_on,
                               .read_at_offset = read_at,
                               .label = label};
  mlx_stream s = new_stream();
  mlx_io_reader io = mlx_io_reader_new(&place, table);
  mlx_array a = mlx_array_new();
  CHECK(mlx_load_reader(&a, io, s) == 0);
  force_elsewhere(&a);
  culprit_is("\"weir-blocking\" runs the user's read_at_offset of a reader at 0x");
  dump_has("suspended for");
}

/* ---- an event that a foreign stream never comes to ---- */

static void event(void) {
  mlx_stream foreign = new_stream(), s = new_stream();
  CHECK(weir_stream_set_label(foreign, "foreign") == 0);
  mlx_array a = floats(3, 1), stuck = stuck_of(a, foreign), sum = sum_of(a, a, s);
  CHECK(submit(stuck) == 0);
  culprit_is("Stuck float32[3]");
  weir_event e = weir_event_new();
  CHECK(weir_event_record(e, foreign) == 0 && weir_event_wait(e, s) == 0);
  force_elsewhere(&sum);
  culprit_is("Stuck float32[3]|on stream 0 \"foreign\"");
  dump_has("before a wait for an event, waits for an event of stream 0 \"foreign\" (cpu:0)");
}

/* ---- a planner that has claimed and does not submit ---- */

static void claim(void) {
  mlx_stream s = new_stream();
  mlx_array a = floats(3, 1), sum = sum_of(a, a, s), more = mlx_array_new();
  CHECK(mlx_matmul(&more, sum, a, s) == 0);
  const struct wr_handle *handle = wr_handle_object(sum.ctx, WR_KIND_ARRAY);
  CHECK(wr_completion_claim(&handle->node->completion, 0));
  force_elsewhere(&more);
  culprit_is("a thread that plans has claimed add float32[3]|\"forces\" waits");
}

/* ---- commands that are pending elsewhere, and memory ---- */

static void elsewhere(void) {
  struct later later;
  mlx_stream s = new_stream();
  later_init(&later, LATER_HELD);
  mlx_array a = floats(3, 1), b = later_of(&later, a, s);
  force_elsewhere(&b);
  culprit_is("later float32[3]|and is not over, for which stream 0 (cpu:0) waits");
}

/* ---- a GPU's memory, or what stands in for it ---- */

/* Two streams of a device that is full: what one has stays, and the other one waits behind it. */
static void memory(void) {
  fake_device_install();
  fake_device_capacity(3 << 20);
  mlx_stream s = new_gpu_stream();
  int n = 1 << 18;
  mlx_array a = floats(n, 1), b = sum_of(a, a, s);
  CHECK(submit(b) == 0 && mlx_synchronize(s) == 0);
  fake_device_hold();
  mlx_array c = sum_of(b, b, s), d = sum_of(c, b, s);
  CHECK(submit(c) == 0 && submit(d) == 0);
  culprit_is("stream 0 (gpu:0) waits for memory of its device");
}

/* ---- what a dump has ---- */

static void idle(void) {
  mlx_stream s = new_stream();
  take_dump();
  CHECK(strstr(first_line(), ": nothing runs, and nothing is waited for"));
  dump_has("  1 idle\n");
  mlx_stream_free(s);
}

/* Batches, a marker and a request behind what runs. */
static void queue(void) {
  mlx_stream s = new_stream();
  mlx_array a = floats(3, 1), stuck = stuck_of(a, s), one = sum_of(a, a, s);
  mlx_array two = chain(1, 1, s), both[2] = {sum_of(one, a, s), two};
  weir_request r = weir_request_new();
  CHECK(weir_request_set_label(r, "user 12") == 0);
  CHECK(submit(stuck) == 0 && submit(one) == 0);
  culprit_is("Stuck float32[3]");
  CHECK(weir_request_enter(r) == 0);
  mlx_vector_array v = mlx_vector_array_new_data(both, 2);
  CHECK(mlx_async_eval(v) == 0);
  CHECK(weir_request_leave() == 0);
  weir_event e = weir_event_new();
  CHECK(weir_event_record(e, s) == 0);
  take_dump();
  dump_has("runs Stuck float32[3] (1 of 1), begun ");
  dump_has("queued: 3 commands in 3 tasks\n");
  dump_has("request 1 \"user 12\": 2 commands submitted, 0 begun, 0 taken back\n    next is add ");
  dump_has(" of stream 0 (cpu:0), behind 2 commands\n");
}

/* A group says its operations. */
static void group(void) {
  mlx_stream s = new_stream(), t = new_stream();
  mlx_array a = floats(2000, 1), stuck = stuck_of(a, s);
  mlx_array sum = sum_of(stuck, a, t), root = mlx_array_new();
  CHECK(mlx_exp(&root, sum, t) == 0);
  mlx_array_free(sum);
  CHECK(submit(root) == 0);
  culprit_is("Stuck float32[2000]");
  dump_has("suspended");
  dump_has("before add+exp float32[2000] of float32[2000], float32[2000], waits for Stuck");
}

/* ---- no locks ---- */

static void *take_one(void *unused) {
  take_dump();
  return unused;
}

/* With the table's lock held. */
static void visit(struct wr_stream *stream, void *arg) {
  (void)stream;
  run_one(take_one, arg);
}

static void under_locks(void) {
  mlx_stream s = new_stream();
  mlx_array a = floats(3, 1), stuck = stuck_of(a, s);
  weir_request r = weir_request_new();
  CHECK(submit(stuck) == 0);
  culprit_is("Stuck float32[3]");
  wr_registry_visit_all(visit, NULL);
  CHECK(strstr(first_line(), "Stuck float32[3]"));
  wr_mutex_lock(&inside(s)->lock);
  run_one(take_one, NULL);
  CHECK(strstr(first_line(), "Stuck float32[3]"));
  wr_mutex_unlock(&inside(s)->lock);
  wr_request_lock(wr_handle_object(r.ctx, WR_KIND_REQUEST));
  run_one(take_one, NULL);
  CHECK(strstr(first_line(), "Stuck float32[3]"));
}

/* ---- while everything goes ---- */

static int stop_now;
static mlx_stream busy_streams[4];

static void work(int i) {
  if (i == 0) {
    for (int k = 0; k < times(100, 2000); k++) take_dump();
    probe_count(&stop_now);
    return;
  }
  while (!count_of(&stop_now)) {
    mlx_array a = chain((float)i, 20, busy_streams[i % 4]);
    weir_request r = weir_request_new();
    CHECK(weir_request_enter(r) == 0);
    mlx_array b = sum_of(a, a, busy_streams[(i + 1) % 4]);
    CHECK(float_of(b) == 2 * ((float)i + 20));
    CHECK(weir_request_leave() == 0 && weir_request_free(r) == 0);
    mlx_array_free(a);
    mlx_array_free(b);
  }
}

static void meanwhile(void) {
  for (int i = 0; i < 4; i++) busy_streams[i] = new_stream();
  run_threads(many(6), work);
  for (int i = 0; i < 4; i++) mlx_stream_free(busy_streams[i]);
}

/* ---- descriptors ---- */

static int stuffed[2];

static void *write_into(void *unused) {
  (void)weir_dump(stuffed[1]);
  return unused;
}

/* Nobody reads the pipe, and the dump is longer than what it takes. */
static void descriptors(void) {
  char rest[1 << 16];
  mlx_set_error_handler(quiet, NULL, NULL);
  CHECK(weir_dump(-1) == 1 && weir_last_status() == WEIR_ERROR_DEVICE);
  CHECK(pipe(stuffed) == 0 && fcntl(stuffed[1], F_SETPIPE_SZ, 4096) > 0);
  memset(rest, '.', sizeof rest);
  CHECK(write(stuffed[1], rest, 4000) == 4000);
  pthread_t writer = start_thread(write_into, NULL);
  int rc = 0;
  while (rc == 0) {
    const int fd = memfd_create("dump", MFD_CLOEXEC);
    rc = weir_dump(fd);
    close(fd);
  }
  CHECK(weir_last_status() == WEIR_ERROR_STATE);
  while (read(stuffed[0], rest, 4096) == 4096) continue;
  CHECK(fcntl(stuffed[0], F_SETFL, O_NONBLOCK) == 0);
  pthread_join(writer, NULL);
  take_dump();
}

/* ---- on a signal: this program anew ---- */

static int said[2];

/* Of this program's child, what it says on stderr, until a line with these words. */
static void says(const char *words) {
  static char text[1 << 17];
  size_t n = 0;
  do {
    const ssize_t got = read(said[0], text + n, sizeof text - 1 - n);
    CHECK(got > 0);
    n += (size_t)got;
    text[n] = '\0';
  } while (!strstr(text, words));
}

static pid_t start_anew(const char *word, const char *name) {
  CHECK(pipe(said) == 0);
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child > 0) {
    close(said[1]);
    return child;
  }
  CHECK(dup2(said[1], STDERR_FILENO) == STDERR_FILENO);
  CHECK(setenv("WEIR_DUMP_SIGNAL", name, 1) == 0 && setenv("WEIR_NUM_THREADS", "2", 1) == 0);
  alarm(60 * patience());
  run_anew(word);
  return 0;
}

static void end_child(pid_t child) {
  int status;
  CHECK(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child);
  close(said[0]);
}

/* Both workers hang, and so does this thread, which blocks the signal, as do all others. */
static void be_stuck(void) {
  sigset_t all;
  sigfillset(&all);
  sigdelset(&all, SIGALRM); /* the child's limit */
  pthread_sigmask(SIG_BLOCK, &all, NULL);
  mlx_array a = floats(3, 1), one = stuck_of(a, new_stream()), two = stuck_of(a, new_stream());
  CHECK(submit(one) == 0 && submit(two) == 0);
  culprit_is("Stuck");
  fprintf(stderr, "ready\n");
  wait_for_ever();
}

static void on_signal(void) {
  const pid_t child = start_anew("stuck", "USR2");
  says("ready\n");
  for (int i = 0; i < 3; i++) {
    CHECK(kill(child, SIGUSR2) == 0);
    says("Stuck float32[3] has run for ");
  }
  end_child(child);
}

/* The child of a fork listens by itself. */
static void be_forked(void) {
  mlx_array a = floats(3, 1), stuck = stuck_of(a, new_stream());
  CHECK(submit(stuck) == 0);
  culprit_is("Stuck");
  const pid_t child = fork();
  if (child == 0) {
    mlx_array b = chain(1, 3, new_stream());
    CHECK(float_of(b) == 4);
    fprintf(stderr, "ready\n");
    for (;;) pause();
  }
  int status;
  fprintf(stderr, "pid %d.\n", (int)child);
  CHECK(waitpid(child, &status, 0) == child);
}

static void in_fork(void) {
  char text[256] = "";
  size_t n = 0;
  const pid_t child = start_anew("forked", "SIGUSR1");
  while (!strstr(text, "ready\n") || !strchr(text, '.')) {
    const ssize_t got = read(said[0], text + n, sizeof text - 1 - n);
    CHECK(got > 0);
    n += (size_t)got;
  }
  const pid_t forked = (pid_t)atoi(strstr(text, "pid ") + 4);
  CHECK(forked > 0 && kill(forked, SIGUSR1) == 0);
  says("nothing runs, and nothing is waited for");
  CHECK(kill(child, SIGUSR1) == 0);
  says("Stuck float32[3] has run for ");
  CHECK(kill(forked, SIGKILL) == 0);
  end_child(child);
}

static void misspelt(void) {
  const pid_t child = start_anew("stuck", "USR3");
  says("weir: WEIR_DUMP_SIGNAL=USR3 is ignored: expected a signal, such as USR2");
  end_child(child);
}

int main(int argc, char **argv) {
  CHECK(sem_init(&never, 0, 0) == 0);
  if (argc > 1) {
    if (!strcmp(argv[1], "stuck")) be_stuck();
    if (!strcmp(argv[1], "forked")) be_forked();
    return 0;
  }
  HANGS(command);
  HANGS(pool);
  HANGS(callback);
  HANGS(destructor);
  HANGS(own_destructor);
  HANGS(reader);
  HANGS(event);
  HANGS(claim);
  HANGS(elsewhere);
  HANGS(memory);
  HANGS(idle);
  HANGS(queue);
  HANGS(group);
  HANGS(under_locks);
  HANGS(meanwhile);
  HANGS(descriptors);
  if (emulated()) return 0;
  on_signal();
  misspelt();
  if (!SANITIZED) in_fork();
  return 0;
}
