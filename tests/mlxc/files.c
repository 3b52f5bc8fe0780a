/* What mlx-c's examples of files call: safetensors to memory and back by a writer and a reader, and
   a gguf file in the folder at hand. */

#include <mlx/c/mlx.h>
#include <stdio.h>
#include <string.h>

static int failures;

static void expect(int right, const char *what) {
  if (right) return;
  fprintf(stderr, "not true: %s\n", what);
  failures++;
}
#define EXPECT(condition) expect(condition, #condition)

struct memory {
  char bytes[2048];
  size_t at;
  bool bad;
  int ended;
};

static bool is_open(void *m) { return m != NULL; }
static bool good(void *m) { return !((struct memory *)m)->bad; }
static size_t tell(void *m) { return ((struct memory *)m)->at; }
static const char *label(void *m) { return m ? "memory" : "nothing"; }
static void end(void *m) { ((struct memory *)m)->ended++; }

static void seek(void *m, int64_t off, int whence) {
  struct memory *memory = m;
  const size_t from = whence == SEEK_SET   ? 0
                      : whence == SEEK_CUR ? memory->at
                                           : sizeof memory->bytes;
  memory->at = from + (size_t)off;
  memory->bad = memory->at > sizeof memory->bytes;
}

static bool fits(struct memory *m, size_t n, size_t at) {
  if (at > sizeof m->bytes || n > sizeof m->bytes - at) m->bad = true;
  return !m->bad;
}

static void read_at(void *m, char *data, size_t n, size_t off) {
  struct memory *memory = m;
  if (fits(memory, n, off)) memcpy(data, memory->bytes + off, n);
}

static void read_next(void *m, char *data, size_t n) {
  struct memory *memory = m;
  read_at(m, data, n, memory->at);
  memory->at += n;
}

static void write_next(void *m, const char *data, size_t n) {
  struct memory *memory = m;
  if (!fits(memory, n, memory->at)) return;
  memcpy(memory->bytes + memory->at, data, n);
  memory->at += n;
}

static const mlx_io_vtable functions = {is_open, good,       tell,  seek, read_next,
                                        read_at, write_next, label, end};

static void safetensors(mlx_stream stream) {
  struct memory memory = {.at = 0};
  mlx_map_string_to_array arrays = mlx_map_string_to_array_new();
  mlx_map_string_to_string notes = mlx_map_string_to_string_new();
  mlx_array a = mlx_array_new(), b = mlx_array_new();
  const char *key = NULL;
  size_t count = 0;
  bool same = false;
  EXPECT(mlx_arange(&a, 0, 6, 1, MLX_INT32, stream) == 0);
  EXPECT(mlx_map_string_to_array_insert(arrays, "a", a) == 0);
  EXPECT(mlx_map_string_to_string_insert(notes, "format", "mlx") == 0);
  mlx_io_writer writer = mlx_io_writer_new(&memory, functions);
  EXPECT(mlx_save_safetensors_writer(writer, arrays, notes) == 0);
  EXPECT(mlx_io_writer_free(writer) == 0 && memory.ended == 1 && memory.at > 24);
  mlx_map_string_to_array_free(arrays);
  mlx_map_string_to_string_free(notes);

  memory.at = 0;
  mlx_io_reader reader = mlx_io_reader_new(&memory, functions);
  arrays = mlx_map_string_to_array_new();
  notes = mlx_map_string_to_string_new();
  EXPECT(mlx_load_safetensors_reader(&arrays, &notes, reader, stream) == 0);
  mlx_io_reader_free(reader);
  mlx_map_string_to_array_iterator it = mlx_map_string_to_array_iterator_new(arrays);
  while (mlx_map_string_to_array_iterator_next(&key, &b, it) == 0) {
    EXPECT(strcmp(key, "a") == 0);
    EXPECT(mlx_array_equal(&b, a, b, false, stream) == 0 && mlx_array_item_bool(&same, b) == 0);
    count += same;
  }
  EXPECT(count == 1);
  mlx_map_string_to_array_iterator_free(it);
  mlx_map_string_to_array_free(arrays);
  mlx_map_string_to_string_free(notes);
  mlx_array_free(b);
  mlx_array_free(a);
}

static void gguf(mlx_stream stream) {
  const int shape[] = {6, 7};
  mlx_array a = mlx_array_new();
  mlx_io_gguf file = mlx_io_gguf_new();
  mlx_vector_string keys = mlx_vector_string_new();
  char *key = NULL;
  bool there = false;
  EXPECT(mlx_zeros(&a, shape, 2, MLX_FLOAT16, stream) == 0);
  EXPECT(mlx_io_gguf_set_array(file, "zeros", a) == 0);
  EXPECT(mlx_io_gguf_set_metadata_string(file, "note", "of zeros") == 0);
  EXPECT(mlx_save_gguf("zeros.gguf", file) == 0);
  mlx_io_gguf_free(file);

  file = mlx_io_gguf_new();
  EXPECT(mlx_load_gguf(&file, "zeros.gguf", stream) == 0);
  EXPECT(mlx_io_gguf_get_keys(&keys, file) == 0 && mlx_vector_string_size(keys) == 1);
  EXPECT(mlx_vector_string_get(&key, keys, 0) == 0 && strcmp(key, "zeros") == 0);
  EXPECT(mlx_io_gguf_get_array(&a, file, key) == 0 && mlx_array_dtype(a) == MLX_FLOAT16);
  EXPECT(mlx_io_gguf_has_metadata_string(&there, file, "note") == 0 && there);
  EXPECT(mlx_io_gguf_has_metadata_array(&there, file, "note") == 0 && !there);
  mlx_vector_string_free(keys);
  mlx_io_gguf_free(file);
  mlx_array_free(a);
}

int main(void) {
  mlx_stream stream = mlx_default_cpu_stream_new();
  safetensors(stream);
  gguf(stream);
  mlx_stream_free(stream);
  return failures;
}
