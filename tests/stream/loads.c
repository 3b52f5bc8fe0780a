/* Loads that block for as long as they like: they hold up nobody else, and run side by side (K9);
   what comes behind them in their stream's order waits (O1); a fork in the midst computes them anew
   (K11); a request that ends takes back what reads them, and its waits return (R2, R3).
 */

#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "fixtures.h"

enum { LOADS = WR_TORTURED ? 2 : 16, BYTES = 96 + 4 };

/* A file of one int32, whose value is read once the gate opens. */
struct slow {
  char data[BYTES];
  sem_t inside; /* posted by each call for the value */
  sem_t gate;
  atomic_bool failing;
  _Atomic int freed;
  size_t place;
};

static bool is_open(void *desc) {
  (void)desc;
  return true;
}

static bool good(void *desc) { return !((struct slow *)desc)->failing; }

static void read_on(void *desc, char *data, size_t n) {
  struct slow *slow = desc;
  CHECK(slow->place + n <= BYTES);
  memcpy(data, slow->data + slow->place, n);
  slow->place += n;
}

static void read_at(void *desc, char *data, size_t n, size_t off) {
  struct slow *slow = desc;
  sem_post(&slow->inside);
  while (sem_wait(&slow->gate)) continue;
  CHECK(off + n <= BYTES);
  memcpy(data, slow->data + off, n);
}

static void freed(void *desc) { ((struct slow *)desc)->freed++; }

static void slow_begin(struct slow *slow, int32_t value) {
  static const char header[] = "{'descr': '<i4', 'fortran_order': False, 'shape': ()}";
  memset(slow, 0, sizeof *slow);
  memset(slow->data, ' ', sizeof slow->data);
  memcpy(slow->data, "\x93NUMPY\x01\x00", 8);
  slow->data[8] = (char)(BYTES - 4 - 10);
  slow->data[9] = 0;
  memcpy(slow->data + 10, header, sizeof header - 1);
  memcpy(slow->data + BYTES - 4, &value, 4);
  CHECK(sem_init(&slow->inside, 0, 0) == 0 && sem_init(&slow->gate, 0, 0) == 0);
}

static mlx_array slow_load(struct slow *slow, mlx_stream s) {
  static const mlx_io_vtable vtable = {
      .is_open = is_open, .good = good, .read = read_on, .read_at_offset = read_at, .free = freed};
  mlx_array a = mlx_array_new();
  mlx_io_reader io = mlx_io_reader_new(slow, vtable);
  slow->place = 0;
  CHECK(mlx_load_reader(&a, io, s) == 0);
  mlx_io_reader_free(io);
  return a;
}

static int32_t int_of(mlx_array a) {
  int32_t value = -1;
  CHECK(mlx_array_item_int32(&value, a) == 0);
  return value;
}

static void wait_inside(struct slow *slow) {
  while (sem_wait(&slow->inside)) continue;
}

/* ---- nobody else waits ---- */

/* What reads the load has not begun, and is lazy again; the load goes on, and has its value. */
static void given_up(bool by_deadline) {
  static struct slow slow;
  mlx_stream s = new_stream();
  weir_request r = weir_request_new();
  weir_request_stats_t stats;
  slow_begin(&slow, 7);
  mlx_array load = slow_load(&slow, s), twice = mlx_array_new();
  CHECK(mlx_add(&twice, load, load, s) == 0);
  CHECK(weir_request_enter(r) == 0);
  CHECK(submit(twice) == 0);
  wait_inside(&slow);
  if (by_deadline) CHECK(weir_request_set_deadline(r, 2000000) == 0);
  if (!by_deadline) CHECK(weir_request_cancel(r) == 0);
  CHECK(mlx_array_eval(twice) == 1);
  CHECK(weir_last_status() == (by_deadline ? WEIR_ERROR_DEADLINE : WEIR_ERROR_CANCELLED));
  CHECK(weir_request_leave() == 0);
  CHECK(weir_request_stats(&stats, r) == 0 && stats.begun == 1 && stats.taken_back == 1);
  CHECK(!available(load) && !available(twice));
  sem_post(&slow.gate);
  CHECK(int_of(twice) == 14 && int_of(load) == 7);
  mlx_array_free(load);
  mlx_array_free(twice);
  CHECK(weir_request_free(r) == 0);
  mlx_stream_free(s);
}

static void others_go_on(void) {
  static struct slow slow[LOADS];
  mlx_array loads[LOADS];
  mlx_stream streams[LOADS], s = new_stream();
  for (int i = 0; i < LOADS; i++) {
    streams[i] = new_stream();
    slow_begin(&slow[i], i);
    loads[i] = slow_load(&slow[i], streams[i]);
    CHECK(submit(loads[i]) == 0);
  }
  for (int i = 0; i < LOADS; i++) wait_inside(&slow[i]); /* all of them at once */
  for (int i = 0; i < 100; i++) {
    mlx_array a = mlx_array_new_float(1);
    add_to(&a, a, s);
    CHECK(submit(a) == 0 && weir_stream_wait(s, INT64_C(20000000000)) == 0 && float_of(a) == 2);
    mlx_array_free(a);
  }
  for (int i = LOADS - 1; i >= 0; i--) {
    CHECK(!available(loads[i]));
    sem_post(&slow[i].gate);
    CHECK(int_of(loads[i]) == i);
    mlx_array_free(loads[i]);
    mlx_stream_free(streams[i]);
  }
  mlx_stream_free(s);
}

/* ---- one stream ---- */

/* Of one submission, side by side on one stream; a marker behind them waits, and so does what is
   forced later. */
static void one_stream(void) {
  static struct slow slow[2];
  mlx_array loads[2], sum = mlx_array_new(), later = mlx_array_new_float(3);
  mlx_stream s = new_stream();
  weir_event e = weir_event_new();
  for (int i = 0; i < 2; i++) {
    slow_begin(&slow[i], 10 + i);
    loads[i] = slow_load(&slow[i], s);
  }
  CHECK(mlx_add(&sum, loads[0], loads[1], s) == 0 && submit(sum) == 0);
  CHECK(weir_event_record(e, s) == 0);
  add_to(&later, later, s);
  CHECK(submit(later) == 0);
  wait_inside(&slow[0]);
  wait_inside(&slow[1]);
  sem_post(&slow[1].gate);
  CHECK(int_of(loads[1]) == 11);
  bool done = true;
  CHECK(weir_event_query(&done, e) == 0 && !done && !available(sum) && !available(later));
  CHECK(weir_stream_wait(s, INT64_C(1000000)) == 1);
  sem_post(&slow[0].gate);
  CHECK(int_of(sum) == 21 && weir_event_synchronize(e, INT64_C(20000000000)) == 0);
  CHECK(mlx_synchronize(s) == 0 && available(later) && float_of(later) == 6);
  weir_event_free(e);
  for (int i = 0; i < 2; i++) mlx_array_free(loads[i]);
  mlx_array_free(sum);
  mlx_array_free(later);
  mlx_stream_free(s);
}

/* ---- failures, and what another stream needs ---- */

static void across(bool failing) {
  static struct slow slow;
  mlx_stream first = new_stream(), second = new_stream();
  slow_begin(&slow, 5);
  mlx_array load = slow_load(&slow, first), sum = mlx_array_new();
  CHECK(mlx_add(&sum, load, load, second) == 0 && submit(sum) == 0);
  wait_inside(&slow);
  slow.failing = failing;
  sem_post(&slow.gate);
  if (failing) {
    CHECK(mlx_array_eval(sum) == 1 && strstr(weir_last_error(), "[read] Unable to read 4 bytes"));
    CHECK(mlx_array_eval(load) == 1 && weir_last_status() == WEIR_ERROR_DEVICE);
  } else {
    CHECK(int_of(sum) == 10);
  }
  CHECK(mlx_synchronize(first) == 0 && mlx_synchronize(second) == 0);
  mlx_array_free(load);
  mlx_array_free(sum);
  mlx_stream_free(first);
  mlx_stream_free(second);
}

/* Freed while it is read: the reader lives until that is over. */
static void let_go(void) {
  static struct slow slow;
  mlx_stream s = new_stream();
  slow_begin(&slow, 5);
  mlx_array load = slow_load(&slow, s);
  CHECK(submit(load) == 0);
  wait_inside(&slow);
  mlx_array_free(load);
  mlx_stream_free(s);
  CHECK(slow.freed == 0);
  sem_post(&slow.gate);
  CHECK(weir_shutdown(INT64_C(20000000000)) == 0 && slow.freed == 1);
}

/* ---- what a reader may do ---- */

static void change_default(void *desc, char *data, size_t n) {
  const bool first = ((struct slow *)desc)->place == 0;
  read_on(desc, data, n);
  if (!first) return;
  mlx_stream another = new_stream();
  CHECK(mlx_set_default_stream(another) == 0 && mlx_stream_free(another) == 0);
}

/* The stream of a load is the one that was the default as the call began, also when the reader has
   let go of it while the header is read. */
static void default_goes(void) {
  static struct slow slow;
  const size_t before = live_streams();
  static const mlx_io_vtable vtable = {.is_open = is_open,
                                       .good = good,
                                       .read = change_default,
                                       .read_at_offset = read_at,
                                       .free = freed};
  mlx_stream old = new_stream(), none = {NULL};
  mlx_array load = mlx_array_new();
  slow_begin(&slow, 9);
  mlx_io_reader io = mlx_io_reader_new(&slow, vtable);
  CHECK(mlx_set_default_stream(old) == 0 && mlx_stream_free(old) == 0);
  CHECK(mlx_load_reader(&load, io, none) == 0 && mlx_io_reader_free(io) == 0);
  sem_post(&slow.gate);
  CHECK(int_of(load) == 9);
  mlx_array_free(load);
  CHECK(weir_shutdown(INT64_C(20000000000)) == 0 && slow.freed == 1 && live_streams() <= before);
}

/* Each waits for another load, while as many of them are read as there may be at once. */
enum { NESTED = WR_TORTURED ? 4 : 80, AT_ONCE = WR_TORTURED ? 2 : 64 };

static struct slow inner[NESTED], outer[NESTED];
static int entered; /* atomic */

static void read_nested(void *desc, char *data, size_t n, size_t off) {
  struct slow *slow = desc;
  mlx_stream s = new_stream();
  probe_count(&entered);
  for (int i = 0; i < 10000 && count_of(&entered) < AT_ONCE; i++) usleep(1000);
  CHECK(count_of(&entered) >= AT_ONCE);
  mlx_array a = slow_load(&inner[slow - outer], s);
  CHECK(int_of(a) == 3);
  mlx_array_free(a);
  mlx_stream_free(s);
  CHECK(off + n <= BYTES);
  memcpy(data, slow->data + off, n);
}

static void loads_in_loads(void) {
  static const mlx_io_vtable vtable = {.is_open = is_open,
                                       .good = good,
                                       .read = read_on,
                                       .read_at_offset = read_nested,
                                       .free = freed};
  mlx_vector_array all = mlx_vector_array_new();
  mlx_stream s = new_stream();
  for (int i = 0; i < NESTED; i++) {
    mlx_array load = mlx_array_new();
    slow_begin(&inner[i], 3);
    slow_begin(&outer[i], i);
    sem_post(&inner[i].gate);
    mlx_io_reader io = mlx_io_reader_new(&outer[i], vtable);
    CHECK(mlx_load_reader(&load, io, s) == 0 && mlx_io_reader_free(io) == 0);
    CHECK(mlx_vector_array_append_value(all, load) == 0);
    mlx_array_free(load);
  }
  CHECK(mlx_eval(all) == 0);
  mlx_vector_array_free(all);
  mlx_stream_free(s);
}

/* ---- forks ---- */

static void in_the_midst(void) {
  static struct slow slow;
  mlx_stream s = new_stream();
  slow_begin(&slow, 7);
  mlx_array load = slow_load(&slow, s), later = mlx_array_new_int(1), sum = mlx_array_new();
  CHECK(mlx_add(&sum, load, later, s) == 0 && submit(sum) == 0);
  wait_inside(&slow);
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    sem_post(&slow.gate); /* for this process's own call */
    CHECK(int_of(sum) == 8 && int_of(load) == 7 && mlx_synchronize(s) == 0);
    _exit(0);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  sem_post(&slow.gate);
  CHECK(int_of(sum) == 8);
  mlx_array_free(load);
  mlx_array_free(later);
  mlx_array_free(sum);
  mlx_stream_free(s);
}

int main(void) {
  mean_cpu();
  mlx_set_error_handler(quiet, NULL, NULL);
  others_go_on();
  given_up(false);
  given_up(true);
  one_stream();
  across(false);
  across(true);
  if (!SANITIZED) in_the_midst();
  let_go();
  default_goes();
  loads_in_loads();
  CHECK(weir_shutdown(INT64_C(20000000000)) == 0);
  return 0;
}
