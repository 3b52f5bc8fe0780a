/* Readers and writers of the user's: which functions are called, in which order and how often; free
   once, when the last array is over; what `good` says is an error. K10. */

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "check.h"
#include "mean_cpu.h"
#include "mlx/c/mlx.h"
#include "weir/error.h"
#include "weir/weir.h"

enum { ROOM = 1 << 16 };

struct memory {
  char data[ROOM];
  size_t size, place;
  char calls[256]; /* a letter for each call on the thread that loads or saves */
  _Atomic int at_offset, freed;
  atomic_bool bad, fail_at_offset;
  pthread_t maker;
  _Atomic int elsewhere;
};

static const mlx_stream standard;

static void note(struct memory *m, char what) {
  size_t n = strlen(m->calls);
  if (pthread_equal(pthread_self(), m->maker) && n + 1 < sizeof m->calls) m->calls[n] = what;
}

static bool is_open(void *desc) {
  note(desc, 'o');
  return true;
}

static bool good(void *desc) { return !((struct memory *)desc)->bad; }

static size_t tell(void *desc) {
  note(desc, 't');
  return ((struct memory *)desc)->place;
}

static void seek(void *desc, int64_t off, int whence) {
  struct memory *m = desc;
  note(m, 's');
  m->place = (size_t)(whence == SEEK_END   ? (int64_t)m->size + off
                      : whence == SEEK_CUR ? (int64_t)m->place + off
                                           : off);
}

static void read_at(void *desc, char *data, size_t n, size_t off) {
  struct memory *m = desc;
  m->at_offset++;
  if (!pthread_equal(pthread_self(), m->maker)) m->elsewhere++;
  if (m->fail_at_offset || off + n > m->size) {
    m->bad = true;
    return;
  }
  memcpy(data, m->data + off, n);
}

static void read_on(void *desc, char *data, size_t n) {
  struct memory *m = desc;
  note(m, 'r');
  if (m->place + n > m->size) {
    m->bad = true;
    return;
  }
  memcpy(data, m->data + m->place, n);
  m->place += n;
}

static void write_on(void *desc, const char *data, size_t n) {
  struct memory *m = desc;
  note(m, 'w');
  if (m->place + n > sizeof m->data) {
    m->bad = true;
    return;
  }
  memcpy(m->data + m->place, data, n);
  m->place += n;
  if (m->place > m->size) m->size = m->place;
}

static const char *label(void *desc) {
  (void)desc;
  return "a memory";
}

static void freed(void *desc) { ((struct memory *)desc)->freed++; }

static const mlx_io_vtable vtable = {is_open, good,     tell,  seek, read_on,
                                     read_at, write_on, label, freed};

static struct memory memory;

static void begin(void) {
  memory.place = 0;
  memory.bad = memory.fail_at_offset = false;
  memset(memory.calls, 0, sizeof memory.calls);
  memory.at_offset = memory.freed = memory.elsewhere = 0;
  memory.maker = pthread_self();
}

static bool calls_are(const char *calls) {
  if (!strcmp(memory.calls, calls)) return true;
  fprintf(stderr, "calls: %s\n", memory.calls);
  return false;
}

static void silent(const char *message, void *data) {
  (void)message;
  (void)data;
}

/* The library's own threads let go of the last array. */
static void wait_freed(void) {
  CHECK(weir_shutdown(INT64_C(5000000000)) == 0);
  CHECK(memory.freed == 1);
}

static void npy(void) {
  mlx_array a = mlx_array_new_data((float[]){1, 2, 3}, (int[]){3}, 1, MLX_FLOAT32);
  mlx_array got = mlx_array_new(), r = mlx_array_new();
  mlx_io_writer w = mlx_io_writer_new(&memory, vtable);
  void *desc = NULL;
  mlx_string text = mlx_string_new();
  begin();
  memory.size = 0;
  CHECK(mlx_io_writer_descriptor(&desc, w) == 0 && desc == &memory);
  CHECK(mlx_io_writer_tostring(&text, w) == 0 && !strcmp(mlx_string_data(text), "a memory"));
  CHECK(mlx_save_writer(w, a) == 0 && calls_are("oww"));
  CHECK(mlx_io_writer_free(w) == 0 && memory.freed == 1);
  begin();
  mlx_io_reader io = mlx_io_reader_new(&memory, vtable);
  CHECK(mlx_io_reader_descriptor(&desc, io) == 0 && desc == &memory);
  CHECK(mlx_io_reader_tostring(&text, io) == 0 && !strcmp(mlx_string_data(text), "a memory"));
  CHECK(mlx_load_reader(&got, io, standard) == 0 && calls_are("orrr"));
  CHECK(mlx_io_reader_free(io) == 0 && memory.freed == 0 && memory.at_offset == 0);
  bool equal = false;
  CHECK(mlx_array_equal(&r, a, got, false, standard) == 0);
  CHECK(mlx_array_item_bool(&equal, r) == 0 && equal);
  CHECK(memory.at_offset == 1 && memory.elsewhere == 1);
  wait_freed();
  CHECK(calls_are("orrr"));
  mlx_array_free(a);
  mlx_array_free(got);
  mlx_array_free(r);
  mlx_string_free(text);
}

/* Arrays that are never computed let go of the reader as well, inside the caller's own free. */
static void tensors(void) {
  mlx_map_string_to_array map = mlx_map_string_to_array_new(), got = {NULL};
  mlx_map_string_to_string notes = mlx_map_string_to_string_new();
  char name[16];
  for (int i = 0; i < 20; i++) {
    mlx_array a = mlx_array_new_int(i);
    snprintf(name, sizeof name, "%d", i);
    CHECK(mlx_map_string_to_array_insert(map, name, a) == 0);
    mlx_array_free(a);
  }
  begin();
  memory.size = 0;
  mlx_io_writer w = mlx_io_writer_new(&memory, vtable);
  CHECK(mlx_save_safetensors_writer(w, map, notes) == 0);
  CHECK(calls_are("owwwwwwwwwwwwwwwwwwwwww"));
  mlx_io_writer_free(w);
  begin();
  mlx_io_reader io = mlx_io_reader_new(&memory, vtable);
  CHECK(mlx_load_safetensors_reader(&got, &notes, io, standard) == 0 && calls_are("orstsr"));
  mlx_io_reader_free(io);
  mlx_array a = mlx_array_new();
  for (int i = 0; i < 20; i += 2) {
    int value = -1;
    snprintf(name, sizeof name, "%d", i);
    CHECK(mlx_map_string_to_array_get(&a, got, name) == 0);
    CHECK(mlx_array_item_int32(&value, a) == 0 && value == i);
  }
  CHECK(memory.at_offset == 10 && memory.freed == 0);
  mlx_array_free(a);
  mlx_map_string_to_array_free(got);
  wait_freed();
  mlx_map_string_to_array_free(map);
  mlx_map_string_to_string_free(notes);
}

static void nothing_loaded(void) {
  begin();
  mlx_io_reader_free(mlx_io_reader_new(&memory, vtable));
  CHECK(memory.freed == 1 && calls_are(""));
  mlx_io_vtable none = {0};
  mlx_io_reader io = mlx_io_reader_new(NULL, none);
  mlx_io_writer w = mlx_io_writer_new(NULL, none);
  mlx_array a = mlx_array_new_int(1);
  mlx_string text = mlx_string_new();
  CHECK(mlx_load_reader(&a, io, standard) == 1);
  CHECK(!strcmp(weir_last_error(), "[load] in_stream has no function good"));
  CHECK(mlx_save_writer(w, a) == 1);
  CHECK(!strcmp(weir_last_error(), "[save] out_stream has no function good"));
  CHECK(mlx_io_reader_tostring(&text, io) == 0 && !*mlx_string_data(text));
  mlx_io_reader_free(io);
  mlx_io_writer_free(w);
  mlx_array_free(a);
  mlx_string_free(text);
}

/* `bad` turns good false from the beginning, or in the header, or in the array's own call. */
static void failures(void) {
  mlx_array a = mlx_array_new_data((float[]){1, 2, 3}, (int[]){3}, 1, MLX_FLOAT32);
  mlx_array got = mlx_array_new();
  begin();
  memory.size = 0;
  mlx_io_writer w = mlx_io_writer_new(&memory, vtable);
  CHECK(mlx_save_writer(w, a) == 0);
  memory.bad = true;
  CHECK(mlx_save_writer(w, a) == 1 && strstr(weir_last_error(), "[save] Failed to open a memory"));
  memory.bad = false;
  memory.place = ROOM - 20;
  CHECK(mlx_save_writer(w, a) == 1 && strstr(weir_last_error(), "[write] Unable to write"));
  mlx_io_writer_free(w);
  begin();
  mlx_io_reader io = mlx_io_reader_new(&memory, vtable);
  memory.bad = true;
  CHECK(mlx_load_reader(&got, io, standard) == 1);
  CHECK(strstr(weir_last_error(), "[load] Failed to open a memory") && calls_are(""));
  memory.bad = false;
  memory.size = 20;
  CHECK(mlx_load_reader(&got, io, standard) == 1);
  CHECK(strstr(weir_last_error(), "[read] Unable to read"));
  begin();
  memory.size = ROOM;
  CHECK(mlx_load_reader(&got, io, standard) == 0);
  memory.fail_at_offset = true;
  CHECK(mlx_array_eval(got) == 1 && strstr(weir_last_error(), "[read] Unable to read 12 bytes"));
  CHECK(mlx_array_eval(got) == 1 && memory.at_offset == 1);
  mlx_io_reader_free(io);
  mlx_array_free(a);
  mlx_array_free(got);
  wait_freed();
}

int main(void) {
  mean_cpu();
  mlx_set_error_handler(silent, NULL, NULL);
  npy();
  tensors();
  nothing_loaded();
  failures();
  mlx_set_error_handler(NULL, NULL, NULL);
  return 0;
}
