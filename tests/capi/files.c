/* npy, safetensors and gguf through files: what was saved comes back, whatever the type and layout;
   loads are lazy and their failures are the arrays'; a file that is there stays whole when a save
   fails. */

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "mean_cpu.h"
#include "mlx/c/mlx.h"
#include "weir/error.h"
#include "weir/stream.h"

static char folder[] = "/tmp/weir-files-XXXXXX";
static const mlx_stream standard;

static const char *path(const char *name) {
  static char text[4][256];
  static int at;
  at = (at + 1) % 4;
  snprintf(text[at], sizeof text[at], "%s/%s", folder, name);
  return text[at];
}

static void silent(const char *message, void *data) {
  (void)message;
  (void)data;
}

static bool says(const char *text) {
  if (strstr(weir_last_error(), text)) return true;
  fprintf(stderr, "\"%s\" is not in \"%s\"\n", text, weir_last_error());
  return false;
}

/* What all kinds of bytes make: no NaN among them. */
static mlx_array sample(mlx_dtype dtype, const int *shape, int ndim) {
  mlx_array a = mlx_array_new(), b = mlx_array_new();
  size_t size = 1;
  for (int i = 0; i < ndim; i++) size *= (size_t)shape[i];
  CHECK(mlx_arange(&a, 0, (double)size, 1, MLX_FLOAT32, standard) == 0);
  CHECK(mlx_astype(&b, a, dtype, standard) == 0);
  CHECK(mlx_reshape(&a, b, shape, (size_t)ndim, standard) == 0);
  mlx_array_free(b);
  return a;
}

static bool same(mlx_array a, mlx_array b) {
  bool equal = false;
  mlx_array r = mlx_array_new();
  CHECK(mlx_array_dtype(a) == mlx_array_dtype(b) && mlx_array_ndim(a) == mlx_array_ndim(b));
  for (size_t i = 0; i < mlx_array_ndim(a); i++) {
    CHECK(mlx_array_shape(a)[i] == mlx_array_shape(b)[i]);
  }
  CHECK(mlx_array_equal(&r, a, b, false, standard) == 0);
  CHECK(mlx_array_item_bool(&equal, r) == 0);
  mlx_array_free(r);
  return equal;
}

static void write_file(const char *name, const void *data, size_t n) {
  FILE *f = fopen(name, "wb");
  CHECK(f && fwrite(data, 1, n, f) == n && fclose(f) == 0);
}

static size_t read_file(const char *name, char *data, size_t n) {
  FILE *f = fopen(name, "rb");
  size_t got = f ? fread(data, 1, n, f) : 0;
  if (f) fclose(f);
  return got;
}

/* ---- npy ---- */

static void npy_types(void) {
  mlx_array got = mlx_array_new();
  for (int dtype = MLX_BOOL; dtype <= MLX_COMPLEX64; dtype++) {
    mlx_array a = sample((mlx_dtype)dtype, (int[]){3, 4, 5}, 3), t = mlx_array_new();
    CHECK(mlx_save(path("a"), a) == 0 && mlx_load(&got, path("a.npy"), standard) == 0);
    CHECK(same(a, got));
    CHECK(mlx_transpose(&t, a, standard) == 0 && mlx_save(path("a.npy"), t) == 0);
    CHECK(mlx_load(&got, path("a.npy"), standard) == 0 && same(t, got));
    CHECK(mlx_slice(&t, a, (int[]){0, 1, 4}, 3, (int[]){3, 4, 0}, 3, (int[]){2, 2, -2}, 3,
                    standard) == 0);
    CHECK(mlx_save(path("a.npy"), t) == 0 && mlx_load(&got, path("a.npy"), standard) == 0);
    CHECK(same(t, got));
    mlx_array_free(a);
    mlx_array_free(t);
  }
  mlx_array_free(got);
}

static void npy_shapes(void) {
  static const int shapes[][3] = {{1, 1, 1}, {1, 7, 1}, {5, 1, 1}, {1, 1, 300}};
  mlx_array got = mlx_array_new(), scalar = mlx_array_new_float(4);
  for (int ndim = 1; ndim <= 3; ndim++) {
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
      mlx_array a = sample(MLX_INT32, shapes[i], ndim);
      CHECK(mlx_save(path("s.npy"), a) == 0 && mlx_load(&got, path("s.npy"), standard) == 0);
      CHECK(same(a, got));
      mlx_array_free(a);
    }
  }
  CHECK(mlx_save(path("s.npy"), scalar) == 0 && mlx_load(&got, path("s.npy"), standard) == 0);
  CHECK(same(scalar, got));
  mlx_array_free(got);
  mlx_array_free(scalar);
}

static mlx_array loaded(const char *header, const void *data, size_t n) {
  char bytes[512];
  size_t length = strlen(header);
  memcpy(bytes, "\x93NUMPY\x01\x00", 8);
  bytes[8] = (char)length;
  bytes[9] = 0;
  memcpy(bytes + 10, header, length);
  memcpy(bytes + 10 + length, data, n);
  write_file(path("h.npy"), bytes, 10 + length + n);
  mlx_array a = mlx_array_new();
  (void)mlx_load(&a, path("h.npy"), standard);
  return a;
}

static void npy_headers(void) {
  static const char *const bad[] = {
      "",
      "{",
      "{}",
      "[]",
      "{'descr': '<f4', 'fortran_order': False}",
      "{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2147483647, 2147483647, 9)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'shape': (3,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x",
      "{'descr': '<f4' 'fortran_order': False, 'shape': (2,)}"};
  float two[2] = {1, 2};
  uint8_t swapped[8] = {0x3f, 0x80, 0, 0, 0x40, 0, 0, 0}, odd[3] = {0, 7, 255};
  mlx_array a = loaded("{\"shape\": (2L,), 'fortran_order':False,'descr':'=f4'}\n", two, 8), want;
  want = mlx_array_new_data(two, (int[]){2}, 1, MLX_FLOAT32);
  CHECK(a.ctx && same(a, want));
  mlx_array_free(a);
  a = loaded("{'descr': '>f4', 'fortran_order': True, 'shape': (2,), }", swapped, 8);
  CHECK(a.ctx && same(a, want));
  mlx_array_free(a);
  mlx_array_free(want);
  a = loaded("{'descr': '>c8', 'fortran_order': True, 'shape': (), }", swapped, 8);
  want = mlx_array_new_complex(1, 2);
  CHECK(a.ctx && same(a, want));
  mlx_array_free(a);
  mlx_array_free(want);
  a = loaded("{'descr': '|b1', 'fortran_order': False, 'shape': (3,)}", odd, 3);
  want = mlx_array_new_data((bool[]){false, true, true}, (int[]){3}, 1, MLX_BOOL);
  CHECK(a.ctx && same(a, want));
  mlx_array_free(a);
  mlx_array_free(want);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    CHECK(!loaded(bad[i], two, 8).ctx && says("[load] Invalid header in file"));
  }
  CHECK(!loaded("{'descr': '<f16', 'fortran_order': False, 'shape': (2,)}", two, 8).ctx);
  CHECK(says("[from_str] Unsupported array protocol type-string: <f16"));
}

static void npy_failures(void) {
  mlx_array a = mlx_array_new(), empty = sample(MLX_INT8, (int[]){0, 3}, 2);
  float two[2] = {1, 2};
  CHECK(mlx_load(&a, path("none.npy"), standard) == 1 && says("[load] Failed to open file "));
  CHECK(mlx_load(&a, folder, standard) == 1 && says("[load] Failed to open file "));
  CHECK(mlx_save(path("empty.npy"), empty) == 1 && says("[save] cannot serialize an empty array"));
  CHECK(access(path("empty.npy"), F_OK) != 0);
  CHECK(mlx_save(path("no/such.npy"), a) == 1);
  write_file(path("short.npy"), "\x93NUMPY\x01", 7);
  CHECK(mlx_load(&a, path("short.npy"), standard) == 1 && says("Unable to read"));
  write_file(path("version.npy"), "\x93NUMPY\x04\x00\x00\x00", 10);
  CHECK(mlx_load(&a, path("version.npy"), standard) == 1 && says("Unsupported npy format version"));
  mlx_array_free(a);
  /* Too few bytes are the array's error, each time that it is forced, and of what uses it. */
  a = loaded("{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", two, 8);
  mlx_array b = mlx_array_new();
  CHECK(a.ctx && mlx_negative(&b, a, standard) == 0);
  CHECK(mlx_array_eval(a) == 1 && says("Unable to read from file"));
  CHECK(weir_last_status() == WEIR_ERROR_DEVICE && mlx_array_eval(a) == 1);
  CHECK(mlx_array_eval(b) == 1 && says("Unable to read from file"));
  mlx_array_free(a);
  mlx_array_free(b);
  mlx_array_free(empty);
}

/* ---- safetensors ---- */

static void put(mlx_map_string_to_array map, const char *key, mlx_array taken) {
  CHECK(mlx_map_string_to_array_insert(map, key, taken) == 0);
  mlx_array_free(taken);
}

static bool header_is(const char *name, const char *json) {
  char bytes[2048];
  size_t n = read_file(name, bytes, sizeof bytes);
  uint64_t length;
  memcpy(&length, bytes, 8);
  CHECK(n >= 8 + length);
  if (length == strlen(json) && !memcmp(bytes + 8, json, length)) return true;
  fprintf(stderr, "%.*s\n", (int)length, bytes + 8);
  return false;
}

static void safetensors_types(void) {
  mlx_map_string_to_array map = mlx_map_string_to_array_new(), got = {NULL};
  mlx_map_string_to_string notes = mlx_map_string_to_string_new(), read = {NULL};
  char name[32];
  for (int dtype = MLX_BOOL; dtype <= MLX_COMPLEX64; dtype++) {
    if (dtype == MLX_FLOAT64) continue;
    snprintf(name, sizeof name, "a/%d", dtype);
    put(map, name, sample((mlx_dtype)dtype, (int[]){2, 3, 4}, 3));
  }
  mlx_array t = sample(MLX_INT32, (int[]){3, 5}, 2), a = mlx_array_new(), b = mlx_array_new();
  CHECK(mlx_transpose(&t, t, standard) == 0);
  put(map, "t", t);
  put(map, "\"\\\n\x01 \xc3\xa9", mlx_array_new_float(3));
  CHECK(mlx_map_string_to_string_insert(notes, "k\t", "v\"") == 0);
  CHECK(mlx_save_safetensors(path("all"), map, notes) == 0);
  CHECK(mlx_load_safetensors(&got, &read, path("all.safetensors"), standard) == 0);
  mlx_map_string_to_array_iterator it = mlx_map_string_to_array_iterator_new(map);
  const char *key;
  int n = 0;
  for (; mlx_map_string_to_array_iterator_next(&key, &a, it) == 0; n++) {
    CHECK(mlx_map_string_to_array_get(&b, got, key) == 0 && same(a, b));
  }
  CHECK(n == 15);
  CHECK(mlx_map_string_to_string_get(&key, read, "k\t") == 0 && !strcmp(key, "v\""));
  mlx_map_string_to_array_iterator_free(it);
  mlx_map_string_to_array_free(map);
  mlx_map_string_to_array_free(got);
  mlx_map_string_to_string_free(notes);
  mlx_map_string_to_string_free(read);
  mlx_array_free(a);
  mlx_array_free(b);
}

static void safetensors_header(void) {
  mlx_map_string_to_array map = mlx_map_string_to_array_new();
  mlx_map_string_to_string notes = mlx_map_string_to_string_new();
  put(map, "z", sample(MLX_FLOAT32, (int[]){2, 3}, 2));
  put(map, "A", mlx_array_new_bool(true));
  CHECK(mlx_save_safetensors(path("h.safetensors"), map, notes) == 0);
  CHECK(header_is(path("h.safetensors"),
                  "{\"A\":{\"data_offsets\":[24,25],\"dtype\":\"BOOL\",\"shape\":[]},"
                  "\"__metadata__\":null,"
                  "\"z\":{\"data_offsets\":[0,24],\"dtype\":\"F32\",\"shape\":[2,3]}}"));
  CHECK(mlx_map_string_to_string_insert(notes, "b", "2") == 0);
  CHECK(mlx_map_string_to_string_insert(notes, "a", "1") == 0);
  mlx_map_string_to_array_free(map);
  map = mlx_map_string_to_array_new();
  CHECK(mlx_save_safetensors(path("h.safetensors"), map, notes) == 0);
  CHECK(header_is(path("h.safetensors"), "{\"__metadata__\":{\"a\":\"1\",\"b\":\"2\"}}"));
  put(map, "d", sample(MLX_FLOAT64, (int[]){2}, 1));
  CHECK(mlx_save_safetensors(path("h.safetensors"), map, notes) == 1);
  CHECK(says("[save_safetensors] received invalid dtype."));
  CHECK(header_is(path("h.safetensors"), "{\"__metadata__\":{\"a\":\"1\",\"b\":\"2\"}}"));
  mlx_map_string_to_array_free(map);
  mlx_map_string_to_string_free(notes);
}

/* A text that no reader would take is refused. */
static void safetensors_not_utf8(void) {
  mlx_map_string_to_array map = mlx_map_string_to_array_new();
  mlx_map_string_to_string notes = mlx_map_string_to_string_new();
  put(map, "caf\xe9", mlx_array_new_float(1));
  CHECK(mlx_save_safetensors(path("utf8"), map, notes) == 1 && says("an array is no UTF-8"));
  mlx_map_string_to_array_free(map);
  map = mlx_map_string_to_array_new();
  CHECK(mlx_map_string_to_string_insert(notes, "a", "\xed\xa0\x80") == 0);
  CHECK(mlx_save_safetensors(path("utf8"), map, notes) == 1 && says("metadata is no UTF-8"));
  CHECK(access(path("utf8.safetensors"), F_OK) != 0);
  mlx_map_string_to_array_free(map);
  mlx_map_string_to_string_free(notes);
}

static int load_text(const char *json, uint64_t length, size_t data,
                     mlx_map_string_to_array *arrays) {
  static char bytes[4096];
  mlx_map_string_to_string notes = {NULL};
  memset(bytes, 1, sizeof bytes);
  memcpy(bytes, &length, 8);
  memcpy(bytes + 8, json, strlen(json));
  write_file(path("x.safetensors"), bytes, 8 + strlen(json) + data);
  int rc = mlx_load_safetensors(arrays, &notes, path("x.safetensors"), standard);
  mlx_map_string_to_string_free(notes);
  return rc;
}

static void safetensors_hostile(void) {
  static const char *const bad[][2] = {
      {"[]", "Invalid json metadata"},
      {"{\"a\":1}", "Invalid json metadata"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}", "Invalid json metadata"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", "missing"},
      {"{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]}}", "unsupported dtypeF64"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]}}",
       "invalid data offsets (0, 8"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,4]}}", "invalid data offsets"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[97,101]}}", "exceeding the size"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[18446744073709551612,0]}}",
       "invalid data offsets"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}",
       "exactly 2 entries but has 1"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", "whole number"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", "whole number"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967297],\"data_offsets\":[0,4]}}", "2^31"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2147483647,2147483647,2147483647],\"data_offsets\":[0,"
       "1]}}",
       "too large"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]},"
       "\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}",
       "comes twice"},
      {"{\"__metadata__\":{\"a\":1}}", "expected a text"},
      {"{\"__metadata__\":3}", "expected an object"},
      {"{} {", "behind the end"}};
  mlx_map_string_to_array map = mlx_map_string_to_array_new();
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    CHECK(load_text(bad[i][0], strlen(bad[i][0]), 100, &map) == 1 && says(bad[i][1]));
    CHECK(weir_last_error()[0] == '[');
  }
  CHECK(load_text("{}", 0, 0, &map) == 1 && says("Invalid json header length"));
  CHECK(load_text("{}", 100000000, 0, &map) == 1 && says("Invalid json header length"));
  CHECK(load_text("{}", 99, 50, &map) == 1 && says("is 99 bytes long but the file is only 60"));
  mlx_map_string_to_array_free(map);
}

static void safetensors_odd(void) {
  static const char json[] =
      "{\"__metadata__\":null,\"b\":{\"shape\":[2],\"more\":[{}],\"dtype\":\"U8\","
      "\"data_offsets\":[3,5]},\"f\":{\"dtype\":\"F8_E4M3\",\"shape\":[1,2],\"data_offsets\":[4,6]}"
      ","
      "\"e\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},\"\":{\"dtype\":\"U16\","
      "\"shape\":[],\"data_offsets\":[1,3]}}   ";
  mlx_map_string_to_array map = {NULL};
  mlx_array a = mlx_array_new();
  uint16_t value = 0;
  CHECK(load_text(json, strlen(json), 20, &map) == 0);
  CHECK(mlx_map_string_to_array_get(&a, map, "e") == 0 && mlx_array_eval(a) == 0);
  CHECK(mlx_map_string_to_array_get(&a, map, "f") == 0 && mlx_array_dtype(a) == MLX_UINT8);
  CHECK(mlx_map_string_to_array_get(&a, map, "") == 0);
  CHECK(mlx_array_item_uint16(&value, a) == 0 && value == 0x0101);
  mlx_array_free(a);
  mlx_map_string_to_array_free(map);
}

/* ---- saving ---- */

static int entries(void) {
  char command[300];
  int n = -1;
  snprintf(command, sizeof command, "ls -A %s | grep -c '^\\.weir' || true", folder);
  FILE *f = popen(command, "r");
  CHECK(f && fscanf(f, "%d", &n) == 1);
  pclose(f);
  return n;
}

/* A file that may not become as long as it should: the old one stays, and nothing beside it. */
static void full_disk(void) {
  mlx_array old = mlx_array_new_float(1), big = sample(MLX_FLOAT32, (int[]){300000}, 1);
  mlx_array got = mlx_array_new();
  CHECK(mlx_save(path("keep.npy"), old) == 0 && chmod(path("keep.npy"), 0600) == 0);
  CHECK(mlx_array_eval(big) == 0);
  pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {100000, 100000};
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    CHECK(mlx_save(path("keep.npy"), big) == 1 && says("[write] Unable to write to file"));
    _exit(0);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  CHECK(mlx_load(&got, path("keep.npy"), standard) == 0 && same(got, old) && entries() == 0);
  /* And without that: the mode stays. */
  struct stat facts;
  CHECK(mlx_save(path("keep.npy"), big) == 0 && stat(path("keep.npy"), &facts) == 0);
  CHECK((facts.st_mode & 0777) == 0600 && entries() == 0);
  CHECK(mlx_load(&got, path("keep.npy"), standard) == 0 && same(got, big));
  mlx_array_free(old);
  mlx_array_free(big);
  mlx_array_free(got);
}

static void links_and_devices(void) {
  mlx_array a = mlx_array_new_float(1), got = mlx_array_new();
  struct stat facts;
  CHECK(mlx_save(path("real.npy"), a) == 0 && symlink("real.npy", path("link.npy")) == 0);
  mlx_array b = mlx_array_new_float(2);
  CHECK(mlx_save(path("link.npy"), b) == 0);
  CHECK(lstat(path("link.npy"), &facts) == 0 && S_ISLNK(facts.st_mode));
  CHECK(mlx_load(&got, path("real.npy"), standard) == 0 && same(got, b));
  CHECK(symlink("/dev/full", path("full.npy")) == 0);
  CHECK(mlx_save(path("full.npy"), a) == 1 && says("Unable to write"));
  CHECK(stat(path("full.npy"), &facts) == 0 && S_ISCHR(facts.st_mode));
  mlx_array_free(a);
  mlx_array_free(b);
  mlx_array_free(got);
}

/* An array that cannot be computed leaves the old file. */
static void failed_array(void) {
  mlx_array a = mlx_array_new_float(5), got = mlx_array_new();
  CHECK(mlx_save(path("f.npy"), a) == 0);
  mlx_array bad = loaded("{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", &(float){1}, 4);
  CHECK(mlx_save(path("f.npy"), bad) == 1 && says("Unable to read") && entries() == 0);
  CHECK(mlx_load(&got, path("f.npy"), standard) == 0 && same(got, a));
  mlx_array_free(a);
  mlx_array_free(bad);
  mlx_array_free(got);
}

/* An array over the file that is replaced reads what it was loaded from. */
static void onto_itself(void) {
  mlx_array a = sample(MLX_INT32, (int[]){1000}, 1), lazy = mlx_array_new(), got = mlx_array_new();
  CHECK(mlx_save(path("o.npy"), a) == 0 && mlx_load(&lazy, path("o.npy"), standard) == 0);
  CHECK(mlx_save(path("o.npy"), lazy) == 0 && mlx_load(&got, path("o.npy"), standard) == 0);
  CHECK(same(got, a) && same(lazy, a));
  mlx_array_free(a);
  mlx_array_free(lazy);
  mlx_array_free(got);
}

static void large(void) {
  mlx_array a = sample(MLX_INT32, (int[]){3000, 1999}, 2), got = mlx_array_new();
  CHECK(mlx_save(path("l.npy"), a) == 0 && mlx_load(&got, path("l.npy"), standard) == 0);
  CHECK(same(a, got));
  int fd = open(path("l.npy"), O_RDONLY);
  CHECK(fd >= 0 && fdatasync(fd) == 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
  close(fd);
  CHECK(mlx_load(&got, path("l.npy"), standard) == 0 && same(a, got));
  mlx_array_free(a);
  mlx_array_free(got);
}

int main(void) {
  mean_cpu();
  CHECK(mkdtemp(folder));
  mlx_set_error_handler(silent, NULL, NULL);
  npy_types();
  npy_shapes();
  npy_headers();
  npy_failures();
  safetensors_types();
  safetensors_header();
  safetensors_not_utf8();
  safetensors_hostile();
  safetensors_odd();
  full_disk();
  links_and_devices();
  failed_array();
  onto_itself();
  large();
  CHECK(weir_shutdown(INT64_C(20000000000)) == 0);
  char command[300];
  snprintf(command, sizeof command, "rm -r %s", folder);
  CHECK(system(command) == 0);
  mlx_set_error_handler(NULL, NULL, NULL);
  return 0;
}
