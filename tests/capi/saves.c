/* Saves that something gets in the way of: signals, descriptors that another thread closes, pipes
   that nobody reads, links to nothing, a working directory that changes, several saves of one file.
   What a load reads from may be closed or cut off as well. */

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "check.h"
#include "mean_cpu.h"
#include "mlx/c/mlx.h"
#include "weir/error.h"
#include "weir/stream.h"

enum { COUNT = 300000, BYTES = 4 * COUNT };

static const mlx_stream standard;
static char folder[] = "/tmp/weir-saves-XXXXXX";

static void silent(const char *message, void *data) {
  (void)message;
  (void)data;
}

static bool says(const char *text) {
  if (strstr(weir_last_error(), text)) return true;
  fprintf(stderr, "\"%s\" is not in \"%s\"\n", text, weir_last_error());
  return false;
}

static mlx_array numbers(int count) {
  mlx_array a = mlx_array_new();
  CHECK(mlx_arange(&a, 0, count, 1, MLX_INT32, standard) == 0 && mlx_array_eval(a) == 0);
  return a;
}

static bool holds(const char *name, int count) {
  mlx_array got = mlx_array_new();
  CHECK(mlx_load(&got, name, standard) == 0 && mlx_array_eval(got) == 0);
  const int32_t *data = mlx_array_data_int32(got);
  CHECK(mlx_array_size(got) == (size_t)count);
  for (int i = 0; i < count; i++) CHECK(data[i] == i);
  mlx_array_free(got);
  return true;
}

/* How many names in the folder begin so. */
static int begin_with(const char *name, const char *text) {
  DIR *d = opendir(name);
  const struct dirent *entry;
  int n = 0;
  CHECK(d);
  while ((entry = readdir(d))) n += !strncmp(entry->d_name, text, strlen(text));
  closedir(d);
  return n;
}

/* The descriptor of an open file whose path has that text in it. */
static int descriptor_of(const char *text) {
  char name[64], path[512];
  for (int fd = 0; fd < 1024; fd++) {
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(name, path, sizeof path - 1);
    if (n < 0) continue;
    path[n] = '\0';
    if (strstr(path, text)) return fd;
  }
  return -1;
}

/* ---- an array during whose computation something happens, on a thread of the library's ---- */

struct event {
  void (*happens)(void);
  size_t place;
};

static bool yes(void *desc) {
  (void)desc;
  return true;
}

static void read_header(void *desc, char *data, size_t n) {
  static const char header[] =
      "\x93NUMPY\x01\x00\x37\x00"
      "{'descr': '<i4', 'fortran_order': False, 'shape': (4,)}";
  struct event *event = desc;
  CHECK(event->place + n < sizeof header);
  memcpy(data, header + event->place, n);
  event->place += n;
}

static void read_values(void *desc, char *data, size_t n, size_t off) {
  (void)off;
  ((struct event *)desc)->happens();
  for (int32_t i = 0; i < 4; i++) memcpy(data + 4 * i, &i, 4);
  CHECK(n == 16);
}

static mlx_array array_with(struct event *event) {
  static const mlx_io_vtable vtable = {
      .is_open = yes, .good = yes, .read = read_header, .read_at_offset = read_values};
  mlx_array a = mlx_array_new();
  mlx_io_reader io = mlx_io_reader_new(event, vtable);
  CHECK(mlx_load_reader(&a, io, standard) == 0);
  mlx_io_reader_free(io);
  return a;
}

/* ---- descriptors closed by another thread ---- */

static void close_writer(void) {
  int fd = descriptor_of("/.weir-");
  CHECK(fd >= 0 && close(fd) == 0);
}

static void closed_while_saving(void) {
  struct event event = {.happens = close_writer};
  mlx_array old = numbers(7), a = array_with(&event);
  CHECK(mlx_save("closed.npy", old) == 0);
  CHECK(mlx_save("closed.npy", a) == 1 && says("[write] Unable to write to file closed.npy"));
  CHECK(weir_last_status() == WEIR_ERROR_DEVICE);
  CHECK(holds("closed.npy", 7) && begin_with(".", ".weir") == 0);
  mlx_array_free(old);
  mlx_array_free(a);
}

static void *close_reader(void *name) {
  int fd = descriptor_of(name);
  CHECK(fd >= 0 && close(fd) == 0);
  return NULL;
}

static void closed_before_reading(void) {
  mlx_array a = numbers(COUNT), lazy = mlx_array_new();
  pthread_t thread;
  CHECK(mlx_save("lazy.npy", a) == 0 && mlx_load(&lazy, "lazy.npy", standard) == 0);
  CHECK(pthread_create(&thread, NULL, close_reader, "/lazy.npy") == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  CHECK(mlx_array_eval(lazy) == 1 && says("[read] Unable to read from file lazy.npy"));
  CHECK(weir_last_status() == WEIR_ERROR_DEVICE && mlx_array_eval(lazy) == 1);
  mlx_array_free(lazy);
  mlx_array_free(a);
}

/* ---- files that become shorter, longer, or others ---- */

static void changed_before_reading(void) {
  mlx_array a = numbers(COUNT), b = numbers(3), lazy[3];
  CHECK(mlx_save("short.npy", a) == 0 && mlx_save("long.npy", a) == 0);
  CHECK(mlx_save("other.npy", a) == 0);
  static const char *const names[] = {"short.npy", "long.npy", "other.npy"};
  for (int i = 0; i < 3; i++) {
    lazy[i] = mlx_array_new();
    CHECK(mlx_load(&lazy[i], names[i], standard) == 0);
  }
  CHECK(truncate("short.npy", BYTES / 2) == 0 && truncate("long.npy", 2 * BYTES) == 0);
  CHECK(mlx_save("other.npy", b) == 0);
  CHECK(mlx_array_eval(lazy[0]) == 1 && says("bytes before the array does"));
  for (int i = 1; i < 3; i++) {
    CHECK(mlx_array_eval(lazy[i]) == 0);
    for (int k = 0; k < COUNT; k++) CHECK(mlx_array_data_int32(lazy[i])[k] == k);
  }
  for (int i = 0; i < 3; i++) mlx_array_free(lazy[i]);
  mlx_array_free(a);
  mlx_array_free(b);
}

/* ---- signals, and pipes ---- */

static atomic_int signals;
static atomic_bool saved;

static void count(int number) {
  (void)number;
  signals++;
}

/* Opens the pipe after some signals, and reads with some between any two reads. */
static void *read_slowly(void *total) {
  char bytes[16384];
  ssize_t n;
  sigset_t alarm;
  sigemptyset(&alarm);
  sigaddset(&alarm, SIGALRM);
  pthread_sigmask(SIG_BLOCK, &alarm, NULL);
  while (signals < 20) usleep(500);
  int fd = open("pipe.npy", O_RDONLY);
  CHECK(fd >= 0);
  while ((n = read(fd, bytes, sizeof bytes)) > 0) {
    int seen = signals;
    *(size_t *)total += (size_t)n;
    while (signals == seen && !saved) usleep(100);
  }
  close(fd);
  return NULL;
}

static void signals_while_saving(void) {
  mlx_array a = numbers(COUNT);
  struct sigaction action = {.sa_handler = count}; /* calls are interrupted, not restarted */
  struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
  size_t total = 0;
  pthread_t thread;
  CHECK(sigaction(SIGALRM, &action, NULL) == 0 && mkfifo("pipe.npy", 0600) == 0);
  CHECK(pthread_create(&thread, NULL, read_slowly, &total) == 0);
  CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
  CHECK(mlx_save("pipe.npy", a) == 0);
  saved = true;
  for (int i = 0; i < 5; i++) CHECK(mlx_save("signals.npy", a) == 0);
  CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0 && pthread_join(thread, NULL) == 0);
  CHECK(total > BYTES && total < BYTES + 200 && holds("signals.npy", COUNT));
  mlx_array_free(a);
}

static void *read_little(void *unused) {
  char bytes[10];
  int fd = open("broken.npy", O_RDONLY);
  CHECK(fd >= 0 && read(fd, bytes, sizeof bytes) == sizeof bytes);
  close(fd);
  return unused;
}

/* An error, and neither the signal's end of the process nor the signal. */
static void nobody_reads(void) {
  mlx_array a = numbers(COUNT);
  sigset_t pending;
  pthread_t thread;
  CHECK(mkfifo("broken.npy", 0600) == 0);
  CHECK(pthread_create(&thread, NULL, read_little, NULL) == 0);
  CHECK(mlx_save("broken.npy", a) == 1 && says("[write] Unable to write to file broken.npy"));
  CHECK(pthread_join(thread, NULL) == 0);
  CHECK(sigpending(&pending) == 0 && !sigismember(&pending, SIGPIPE));
  mlx_array_free(a);
}

/* ---- names ---- */

static void links_to_nothing(void) {
  mlx_array a = numbers(5);
  struct stat facts;
  CHECK(mkdir("sub", 0700) == 0 && symlink("sub/second.npy", "first.npy") == 0);
  CHECK(symlink("third.npy", "sub/second.npy") == 0);
  CHECK(mlx_save("first.npy", a) == 0 && holds("sub/third.npy", 5));
  CHECK(lstat("first.npy", &facts) == 0 && S_ISLNK(facts.st_mode));
  CHECK(lstat("sub/second.npy", &facts) == 0 && S_ISLNK(facts.st_mode));
  CHECK(symlink("round.npy", "round.npy") == 0 && mlx_save("round.npy", a) == 1);
  CHECK(symlink("none/x.npy", "none.npy") == 0 && mlx_save("none.npy", a) == 1);
  CHECK(symlink("new/", "slash.npy") == 0 && mlx_save("slash.npy", a) == 1);
  CHECK(says("[save] Failed to open file slash.npy"));
  mlx_array_free(a);
}

static void go_below(void) { CHECK(chdir("below") == 0); }

static void working_directory_changes(void) {
  struct event event = {.happens = go_below};
  mlx_array a = array_with(&event);
  CHECK(mkdir("below", 0700) == 0);
  CHECK(mlx_save("here.npy", a) == 0 && chdir("..") == 0);
  CHECK(holds("here.npy", 4) && begin_with(".", ".weir") == 0 && begin_with("below", "here") == 0);
  mlx_array_free(a);
}

/* What is beside a private file meanwhile is as private, and its owner stays where that can be. */
static mode_t beside;

static void look_beside(void) {
  struct stat facts;
  CHECK(fstat(descriptor_of("/.weir-"), &facts) == 0);
  beside = facts.st_mode & 0777;
}

static void rights(void) {
  struct event event = {.happens = look_beside};
  mlx_array a = array_with(&event), b = numbers(1);
  struct stat facts;
  CHECK(mlx_save("mine.npy", b) == 0 && chmod("mine.npy", 0640) == 0);
  bool root = chown("mine.npy", 1234, 1235) == 0;
  CHECK(mlx_save("mine.npy", a) == 0 && stat("mine.npy", &facts) == 0);
  CHECK(beside == 0640 && (facts.st_mode & 07777) == 0640);
  CHECK(!root || (facts.st_uid == 1234 && facts.st_gid == 1235));
  mlx_array_free(a);
  mlx_array_free(b);
}

/* ---- several at once ---- */

static void *save_again(void *array) {
  for (int i = 0; i < 20; i++) CHECK(mlx_save("shared.npy", *(mlx_array *)array) == 0);
  return NULL;
}

/* One of them is there afterwards, whole, and nothing beside it. */
static void several_at_once(void) {
  mlx_array a[4], got = mlx_array_new();
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) {
    a[i] = numbers(1000 * (i + 1));
    CHECK(pthread_create(&threads[i], NULL, save_again, &a[i]) == 0);
  }
  for (int i = 0; i < 4; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  CHECK(mlx_load(&got, "shared.npy", standard) == 0);
  CHECK(holds("shared.npy", (int)mlx_array_size(got)) && begin_with(".", ".weir") == 0);
  CHECK(mlx_save("no/such", a[0]) == 1 && mlx_load(&got, "no/such", standard) == 1);
  mlx_array_free(got);
  for (int i = 0; i < 4; i++) mlx_array_free(a[i]);
}

/* ---- gguf ---- */

/* Where the metadata say how the file is aligned, it is: a reader goes by it. */
static void gguf_alignment(uint32_t alignment, bool good) {
  mlx_io_gguf file = mlx_io_gguf_new(), got = {NULL};
  mlx_array a[3], x = mlx_array_new();
  mlx_array bytes = mlx_array_new_data(&alignment, NULL, 0, MLX_UINT32);
  char name[3][2] = {"a", "b", "c"};
  CHECK(mlx_io_gguf_set_metadata_array(file, "general.alignment", bytes) == 0);
  for (int i = 0; i < 3; i++) {
    a[i] = numbers(i + 3);
    CHECK(mlx_io_gguf_set_array(file, name[i], a[i]) == 0);
  }
  CHECK(mlx_save_gguf("aligned", file) == (good ? 0 : 1) && (good || says("no power of two")));
  CHECK(good || access("aligned.gguf", F_OK) != 0);
  CHECK(!good || mlx_load_gguf(&got, "aligned.gguf", standard) == 0);
  for (int i = 0; i < 3; i++) {
    CHECK(!good || (mlx_io_gguf_get_array(&x, got, name[i]) == 0 && mlx_array_eval(x) == 0));
    for (int k = 0; good && k < i + 3; k++) CHECK(mlx_array_data_int32(x)[k] == k);
    mlx_array_free(a[i]);
  }
  mlx_array_free(bytes);
  mlx_array_free(x);
  mlx_io_gguf_free(file);
  mlx_io_gguf_free(got);
}

int main(void) {
  int before = begin_with("/proc/self/fd", "");
  mean_cpu();
  CHECK(mkdtemp(folder) && chdir(folder) == 0);
  mlx_set_error_handler(silent, NULL, NULL);
  several_at_once();
  closed_while_saving();
  changed_before_reading();
  signals_while_saving();
  nobody_reads();
  links_to_nothing();
  working_directory_changes();
  rights();
  gguf_alignment(48, false);
  for (uint32_t n = 8; n <= 1 << 13; n *= 2) gguf_alignment(n, true);
  /* The last, since the library closes that number once more, on some thread of its own. */
  closed_before_reading();
  CHECK(weir_shutdown(INT64_C(20000000000)) == 0);
  CHECK(begin_with("/proc/self/fd", "") == before);
  char command[300];
  snprintf(command, sizeof command, "rm -r %s", folder);
  CHECK(system(command) == 0);
  mlx_set_error_handler(NULL, NULL, NULL);
  return 0;
}
