/* Loading and saving: handles and names in, one function of src/io, handles out. No locks. */

#include "mlx/c/io.h"

#include "api/api.h"
#include "api/io_types.h"
#include "api/map.h"
#include "io/io.h"
#include "io/load.h"

/* What a save computes, it computes on the calling thread's default stream. */
static struct wr_stream *default_stream(struct wr_error **error) {
  return wr_api_stream((mlx_stream){NULL}, error);
}

/* With a reference of the caller's: a reader of the user's may change the thread's default, or end
   the handle, while its header is read. */
static struct wr_stream *take_stream(mlx_stream s, struct wr_error **error) {
  struct wr_stream *stream = wr_api_stream(s, error);
  return *error ? NULL : wr_stream_retain(stream);
}

/* Readers, with a reference of the caller's: the user's and a file's. */
static struct wr_reader *take_reader(mlx_io_reader in_stream, bool seeks, struct wr_error **error) {
  struct wr_reader *reader = wr_api_reader(in_stream, seeks, "in_stream", error);
  return reader ? wr_reader_retain(reader) : NULL;
}

static struct wr_reader *open_file(const char *file, struct wr_error **error) {
  struct wr_reader *reader = NULL;
  wr_api_result(file, "file", error);
  if (!*error) *error = wr_reader_open(&reader, file);
  return reader;
}

/* The writer of a file, once all else is known to be good. */
static struct wr_file_writer *make_file(const char *file, const char *ending,
                                        struct wr_error **error) {
  struct wr_file_writer *writer = NULL;
  wr_api_result(file, "file", error);
  if (!*error) *error = wr_file_writer_new(&writer, file, ending);
  return writer;
}

static struct wr_error *end_file(struct wr_file_writer *writer, struct wr_error *error) {
  return writer ? wr_file_writer_end(writer, error) : error;
}

/* ---- npy ---- */

/* Takes the references of reader and stream. */
static int load(const char *function, mlx_array *res, struct wr_reader *taken,
                struct wr_stream *stream, struct wr_error *error) {
  struct wr_node *out = NULL;
  if (!error) error = wr_load_npy(&out, taken, stream);
  wr_reader_release(taken);
  wr_stream_release(stream);
  return wr_api_return_array(function, error, res, out);
}

int mlx_load_reader(mlx_array *res, mlx_io_reader in_stream, const mlx_stream s) {
  struct wr_error *error = NULL;
  wr_api_result_handle(res, WR_KIND_ARRAY, "res", &error);
  struct wr_stream *stream = take_stream(s, &error);
  struct wr_reader *reader = take_reader(in_stream, false, &error);
  return load("mlx_load_reader", res, reader, stream, error);
}

int mlx_load(mlx_array *res, const char *file, const mlx_stream s) {
  struct wr_error *error = NULL;
  wr_api_result_handle(res, WR_KIND_ARRAY, "res", &error);
  struct wr_stream *stream = take_stream(s, &error);
  struct wr_reader *reader = open_file(file, &error);
  return load("mlx_load", res, reader, stream, error);
}

int mlx_save_writer(mlx_io_writer out_stream, const mlx_array a) {
  struct wr_error *error = NULL;
  struct wr_writer *writer = wr_api_writer(out_stream, "out_stream", &error);
  struct wr_node *node = wr_api_array(a, "a", &error);
  struct wr_stream *stream = default_stream(&error);
  if (!error) error = wr_save_npy(writer, node, stream);
  return wr_api_return("mlx_save_writer", error);
}

int mlx_save(const char *file, const mlx_array a) {
  struct wr_error *error = NULL;
  struct wr_node *node = wr_api_array(a, "a", &error);
  struct wr_stream *stream = default_stream(&error);
  struct wr_file_writer *writer = make_file(file, ".npy", &error);
  if (!error) error = wr_save_npy(wr_file_writer(writer), node, stream);
  return wr_api_return("mlx_save", end_file(writer, error));
}

/* ---- safetensors ---- */

/* Takes the references of reader and stream. */
static int load_safetensors(const char *function, mlx_map_string_to_array *res_0,
                            mlx_map_string_to_string *res_1, struct wr_reader *taken,
                            struct wr_stream *stream, struct wr_error *error) {
  struct wr_map arrays = {0}, metadata = {0};
  if (!error) error = wr_load_safetensors(&arrays, &metadata, taken, stream);
  if (!error) error = wr_api_set_maps(res_0, &arrays, res_1, &metadata);
  wr_load_end(&arrays);
  wr_formats_end(&metadata);
  wr_reader_release(taken);
  wr_stream_release(stream);
  return wr_api_return(function, error);
}

int mlx_load_safetensors_reader(mlx_map_string_to_array *res_0, mlx_map_string_to_string *res_1,
                                mlx_io_reader in_stream, const mlx_stream s) {
  struct wr_error *error = NULL;
  wr_api_result_handle(res_0, WR_KIND_MAP_ARRAY, "res_0", &error);
  wr_api_result_handle(res_1, WR_KIND_MAP_STRING, "res_1", &error);
  struct wr_stream *stream = take_stream(s, &error);
  struct wr_reader *reader = take_reader(in_stream, true, &error);
  return load_safetensors("mlx_load_safetensors_reader", res_0, res_1, reader, stream, error);
}

int mlx_load_safetensors(mlx_map_string_to_array *res_0, mlx_map_string_to_string *res_1,
                         const char *file, const mlx_stream s) {
  struct wr_error *error = NULL;
  wr_api_result_handle(res_0, WR_KIND_MAP_ARRAY, "res_0", &error);
  wr_api_result_handle(res_1, WR_KIND_MAP_STRING, "res_1", &error);
  struct wr_stream *stream = take_stream(s, &error);
  struct wr_reader *reader = open_file(file, &error);
  return load_safetensors("mlx_load_safetensors", res_0, res_1, reader, stream, error);
}

int mlx_save_safetensors_writer(mlx_io_writer in_stream, const mlx_map_string_to_array param,
                                const mlx_map_string_to_string metadata) {
  struct wr_error *error = NULL;
  struct wr_writer *writer = wr_api_writer(in_stream, "in_stream", &error);
  const struct wr_map *arrays = wr_api_map_of_arrays(param, "param", &error);
  const struct wr_map *texts = wr_api_map_of_texts(metadata, "metadata", &error);
  struct wr_stream *stream = default_stream(&error);
  if (!error) error = wr_save_safetensors(writer, arrays, texts, stream);
  return wr_api_return("mlx_save_safetensors_writer", error);
}

int mlx_save_safetensors(const char *file, const mlx_map_string_to_array param,
                         const mlx_map_string_to_string metadata) {
  struct wr_error *error = NULL;
  const struct wr_map *arrays = wr_api_map_of_arrays(param, "param", &error);
  const struct wr_map *texts = wr_api_map_of_texts(metadata, "metadata", &error);
  struct wr_stream *stream = default_stream(&error);
  struct wr_file_writer *writer = make_file(file, ".safetensors", &error);
  if (!error) error = wr_save_safetensors(wr_file_writer(writer), arrays, texts, stream);
  return wr_api_return("mlx_save_safetensors", end_file(writer, error));
}

/* ---- gguf ---- */

int mlx_load_gguf(mlx_io_gguf *gguf, const char *file, const mlx_stream s) {
  struct wr_error *error = NULL;
  struct wr_map arrays, values;
  wr_api_result_handle(gguf, WR_KIND_GGUF, "gguf", &error);
  struct wr_stream *stream = wr_api_stream(s, &error);
  struct wr_reader *reader = open_file(file, &error);
  if (!error) error = wr_load_gguf(&arrays, &values, reader, stream);
  if (!error) error = wr_api_set_gguf(gguf, &arrays, &values);
  wr_reader_release(reader);
  return wr_api_return("mlx_load_gguf", error);
}

int mlx_save_gguf(const char *file, mlx_io_gguf gguf) {
  struct wr_error *error = NULL;
  struct wr_map values = {0};
  const struct wr_api_gguf *held = wr_api_gguf(gguf, "gguf", &error);
  struct wr_stream *stream = default_stream(&error);
  if (!error) error = wr_api_gguf_values(&values, held, stream);
  struct wr_file_writer *writer = make_file(file, ".gguf", &error);
  if (!error) error = wr_save_gguf(wr_file_writer(writer), &held->arrays, &values, stream);
  wr_formats_end(&values);
  return wr_api_return("mlx_save_gguf", end_file(writer, error));
}
