/* Locks, conditions, pointers, processors, names of threads and words of the loader. */

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "base/lock.h"
#include "base/once.h"
#include "check.h"

static struct {
  struct wr_mutex lock;
  struct wr_cond changed;
  int value; /* under LOCK */
} shared = {.lock = WR_MUTEX_INIT(WR_RANK_STREAM)};

static void *add_one(void *unused) {
  (void)unused;
  for (int i = 0; i < 1000; i++) {
    wr_mutex_lock(&shared.lock);
    shared.value++;
    wr_cond_signal(&shared.changed);
    wr_mutex_unlock(&shared.lock);
  }
  return NULL;
}

static void locks_and_conditions(void) {
  pthread_t threads[4];
  wr_cond_init(&shared.changed);
  for (int i = 0; i < 4; i++) CHECK(pthread_create(&threads[i], NULL, add_one, NULL) == 0);
  wr_mutex_lock(&shared.lock);
  while (shared.value < 4000) wr_cond_wait(&shared.changed, &shared.lock);
  uint64_t start = wr_clock_ns();
  while (wr_cond_wait_until(&shared.changed, &shared.lock, start + 2000000)) {
  }
  CHECK(wr_clock_ns() >= start + 2000000);
  wr_mutex_assert_held(&shared.lock);
  wr_mutex_unlock(&shared.lock);
  wr_mutex_assert_none_held();
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  wr_cond_destroy(&shared.changed);
}

#ifdef WR_DEBUG

static bool child_aborts(void (*fn)(void)) {
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    close(STDERR_FILENO);
    fn();
    _exit(0);
  }
  int status;
  CHECK(waitpid(pid, &status, 0) == pid);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static struct wr_mutex low = WR_MUTEX_INIT(WR_RANK_REGISTRY);
static struct wr_mutex high = WR_MUTEX_INIT(WR_RANK_LOG);

static void out_of_rank(void) {
  wr_mutex_lock(&high);
  wr_mutex_lock(&low);
}

static void not_held(void) { wr_mutex_assert_held(&low); }

static void held(void) {
  wr_mutex_lock(&low);
  wr_mutex_assert_none_held();
}

static void ranks(void) {
  CHECK(child_aborts(out_of_rank));
  CHECK(child_aborts(not_held));
  CHECK(child_aborts(held));
}

#else

static void ranks(void) {}

#endif

static void pointers(void) {
  struct wr_ptrs v = {0};
  for (uintptr_t i = 0; i < 1000; i++) CHECK(wr_ptrs_push(&v, (void *)i));
  CHECK(v.count == 1000 && v.capacity >= 1000);
  for (uintptr_t i = 0; i < 1000; i++) CHECK(v.items[i] == (void *)i);
  CHECK(!wr_ptrs_reserve(&v, SIZE_MAX / 2));
  CHECK(v.count == 1000);
  wr_ptrs_free(&v);
  CHECK(!v.items && !v.count && !v.capacity);
}

static void pointers_in_room(void) {
  void *room[3];
  struct wr_ptrs v = wr_ptrs_in(room, 3), other = wr_ptrs_in(room, 3);
  for (uintptr_t i = 0; i < 3; i++) CHECK(wr_ptrs_push(&v, (void *)i));
  CHECK(v.items == room && v.count == 3);
  wr_ptrs_free(&v);
  v = wr_ptrs_in(room, 3);
  for (uintptr_t i = 0; i < 100; i++) CHECK(wr_ptrs_push(&v, (void *)i));
  for (uintptr_t i = 0; i < 100; i++) CHECK(v.items[i] == (void *)i);
  wr_ptrs_free(&v);
  room[0] = &v;
  other.count = 1;
  CHECK(wr_ptrs_leave_room(&other) && other.items != room && other.items[0] == &v);
  CHECK(wr_ptrs_leave_room(&other));
  wr_ptrs_free(&other);
}

/* In a child each, since the count is taken once. */
static int count_in_child(bool on_one) {
  int status = 0;
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    if (on_one) CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
    _exit(wr_cpu_count());
  }
  CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
  return WEXITSTATUS(status);
}

static void processors(void) {
  cpu_set_t all;
  CHECK(sched_getaffinity(0, sizeof all, &all) == 0);
  CHECK(count_in_child(true) == 1);
  CHECK(count_in_child(false) >= 1 && count_in_child(false) <= CPU_COUNT(&all));
}

static void threads_have_names(void) {
  char name[32];
  CHECK(wr_thread_os_id() == (uint64_t)getpid());
  pthread_setname_np(pthread_self(), "known");
  CHECK(wr_thread_name_of(wr_thread_os_id(), name, sizeof name));
  CHECK(!strcmp(name, "known"));
  CHECK(!wr_thread_name_of(UINT32_MAX, name, sizeof name));
}

/* What the system answered decides; where the loader does not say, there was no memory. */
static void words_of_the_loader(void) {
  static const char *const of_the_moment[] = {
      "libx.so: cannot open shared object file: Too many open files",
      "libx.so: cannot open shared object file: Too many open files in system",
      "libx.so: cannot create shared object descriptor: Cannot allocate memory",
      "libx.so: failed to map segment from shared object: Cannot allocate memory",
      "libx.so: failed to map segment from shared object",
      "libx.so: cannot map zero-fill pages"};
  static const char *const for_good[] = {
      "libx.so: cannot open shared object file: No such file or directory",
      "libx.so: failed to map segment from shared object: Operation not permitted",
      "libx.so: failed to map segment from shared object: Permission denied",
      "libx.so: failed to map segment from shared object: No such device",
      "libx.so: cannot allocate memory in static TLS block",
      "libx.so: file too short"};
  for (size_t i = 0; i < 6; i++) {
    CHECK(wr_refusal_is_of_the_moment(of_the_moment[i]));
    CHECK(!wr_refusal_is_of_the_moment(for_good[i]));
  }
}

int main(void) {
  words_of_the_loader();
  processors();
  locks_and_conditions();
  ranks();
  pointers();
  pointers_in_room();
  threads_have_names();
  return 0;
}
