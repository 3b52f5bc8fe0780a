/* Readers and writers of the user's, behind the interface of src/io. Each call of theirs that can
   fail is followed by a look at `good`, which is how they say it. What they do may well be a
   cancellation point, so the thread is not cancelled inside: what the call around them still has to
   end would stay (K7). No locks. */

#include "mlx/c/io_types.h"

#include <stdio.h>

#include "api/api.h"
#include "api/io_types.h"
#include "base/base.h"
#include "base/doing.h"
#include "base/lock.h"

struct user_reader {
  struct wr_kind_word kind;
  struct wr_reader reader;
  void *desc;
  mlx_io_vtable vtable;
};

struct user_writer {
  struct wr_kind_word kind;
  struct wr_writer writer;
  void *desc;
  mlx_io_vtable vtable;
};

static struct wr_doing *begin_users(const void *fn, const char *what) {
  return wr_doing_begin(WR_DOING_USERS, fn, NULL, what);
}

static const char *label_of(void *desc, const mlx_io_vtable *vtable) {
  int before = wr_cancel_off();
  const char *label = vtable->label ? vtable->label(desc) : NULL;
  wr_cancel_restore(before);
  return label ? label : "";
}

static bool is_good(void *desc, const mlx_io_vtable *vtable) {
  int before = wr_cancel_off();
  bool good = vtable->good(desc);
  wr_cancel_restore(before);
  return good;
}

static bool is_good_and_open(void *desc, const mlx_io_vtable *vtable) {
  int before = wr_cancel_off();
  bool good = vtable->good(desc) && vtable->is_open(desc);
  wr_cancel_restore(before);
  return good;
}

static void end_user(void *desc, const mlx_io_vtable *vtable) {
  int before = wr_cancel_off();
  if (vtable->free) vtable->free(desc);
  wr_cancel_restore(before);
}

/* ---- readers ---- */

static struct user_reader *of(struct wr_reader *reader) {
  return WR_CONTAINER_OF(reader, struct user_reader, reader);
}

static const char *reader_label(struct wr_reader *reader) {
  return label_of(of(reader)->desc, &of(reader)->vtable);
}

static bool reader_good(struct wr_reader *reader) {
  return is_good_and_open(of(reader)->desc, &of(reader)->vtable);
}

static struct wr_error *told(struct user_reader *r, size_t n) {
  if (is_good(r->desc, &r->vtable)) return NULL;
  return wr_error_new(WEIR_ERROR_DEVICE, "[read] Unable to read %zu bytes from %s", n,
                      label_of(r->desc, &r->vtable));
}

static struct wr_error *reader_read(struct wr_reader *reader, void *to, size_t n) {
  struct user_reader *r = of(reader);
  int before = wr_cancel_off();
  struct wr_doing *doing = begin_users((const void *)(uintptr_t)r->vtable.read, "read of a reader");
  r->vtable.read(r->desc, to, n);
  wr_doing_end(doing);
  wr_cancel_restore(before);
  return told(r, n);
}

static struct wr_error *reader_seek(struct wr_reader *reader, uint64_t offset) {
  struct user_reader *r = of(reader);
  int before = wr_cancel_off();
  r->vtable.seek(r->desc, (int64_t)offset, SEEK_SET);
  wr_cancel_restore(before);
  return told(r, 0);
}

static struct wr_error *reader_size(struct wr_reader *reader, uint64_t *size) {
  struct user_reader *r = of(reader);
  int before = wr_cancel_off();
  r->vtable.seek(r->desc, 0, SEEK_END);
  *size = r->vtable.tell(r->desc);
  wr_cancel_restore(before);
  return told(r, 0);
}

static struct wr_error *reader_read_at(struct wr_reader *reader, void *to, size_t n,
                                       uint64_t offset) {
  struct user_reader *r = of(reader);
  int before = wr_cancel_off();
  struct wr_doing *doing =
      begin_users((const void *)(uintptr_t)r->vtable.read_at_offset, "read_at_offset of a reader");
  r->vtable.read_at_offset(r->desc, to, n, (size_t)offset);
  wr_doing_end(doing);
  wr_cancel_restore(before);
  return told(r, n);
}

static void reader_end(struct wr_reader *reader) {
  struct user_reader *r = of(reader);
  end_user(r->desc, &r->vtable);
  wr_free(r);
}

static const struct wr_reader_kind user_kind = {.label = reader_label,
                                                .good = reader_good,
                                                .read = reader_read,
                                                .seek = reader_seek,
                                                .size = reader_size,
                                                .read_at = reader_read_at,
                                                .end = reader_end};

mlx_io_reader mlx_io_reader_new(void *desc, mlx_io_vtable vtable) {
  struct user_reader *r = wr_calloc(sizeof *r);
  if (r) {
    wr_kind_begin(&r->kind, WR_KIND_READER);
    r->reader.kind = &user_kind;
    wr_store_relaxed(&r->reader.refs, 1u); /* relaxed: not yet shared */
    r->desc = desc;
    r->vtable = vtable;
  }
  const mlx_io_reader io = {wr_api_give("mlx_io_reader_new", r, WR_KIND_READER, NULL)};
  if (!io.ctx) wr_free(r);
  return io;
}

static struct user_reader *check_reader(mlx_io_reader io, const char *param,
                                        struct wr_error **error) {
  return wr_api_object(io.ctx, WR_KIND_READER, param, "is an empty reader", error);
}

int mlx_io_reader_descriptor(void **desc_, mlx_io_reader io) {
  struct wr_error *error = NULL;
  wr_api_result(desc_, "desc_", &error);
  const struct user_reader *r = check_reader(io, "io", &error);
  if (!error) *desc_ = r->desc;
  return wr_api_return("mlx_io_reader_descriptor", error);
}

int mlx_io_reader_tostring(mlx_string *str_, mlx_io_reader io) {
  struct wr_error *error = NULL;
  wr_api_result_handle(str_, WR_KIND_STRING, "str_", &error);
  const struct user_reader *r = check_reader(io, "io", &error);
  if (!error) error = wr_api_set_string(str_, label_of(r->desc, &r->vtable));
  return wr_api_return("mlx_io_reader_tostring", error);
}

int mlx_io_reader_free(mlx_io_reader io) {
  struct wr_error *error = NULL;
  struct user_reader *r = wr_api_take(io.ctx, WR_KIND_READER, "io", &error);
  if (r) wr_reader_release(&r->reader);
  return wr_api_return("mlx_io_reader_free", error);
}

static void require(bool there, const char *what, const char *param, struct wr_error **error) {
  if (!there) wr_api_reject(error, param, "has no function %s", what);
}

struct wr_reader *wr_api_reader(mlx_io_reader io, bool seeks, const char *param,
                                struct wr_error **error) {
  struct user_reader *r = check_reader(io, param, error);
  if (*error) return NULL;
  require(r->vtable.good, "good", param, error);
  require(r->vtable.is_open, "is_open", param, error);
  require(r->vtable.read, "read", param, error);
  require(r->vtable.read_at_offset, "read_at_offset", param, error);
  require(!seeks || r->vtable.seek, "seek", param, error);
  require(!seeks || r->vtable.tell, "tell", param, error);
  return &r->reader;
}

/* ---- writers ---- */

static struct user_writer *to(struct wr_writer *writer) {
  return WR_CONTAINER_OF(writer, struct user_writer, writer);
}

static const char *writer_label(struct wr_writer *writer) {
  return label_of(to(writer)->desc, &to(writer)->vtable);
}

static bool writer_good(struct wr_writer *writer) {
  return is_good_and_open(to(writer)->desc, &to(writer)->vtable);
}

static struct wr_error *writer_write(struct wr_writer *writer, const void *data, size_t n) {
  struct user_writer *w = to(writer);
  int before = wr_cancel_off();
  struct wr_doing *doing =
      begin_users((const void *)(uintptr_t)w->vtable.write, "write of a writer");
  w->vtable.write(w->desc, data, n);
  wr_doing_end(doing);
  wr_cancel_restore(before);
  if (is_good(w->desc, &w->vtable)) return NULL;
  return wr_error_new(WEIR_ERROR_DEVICE, "[write] Unable to write %zu bytes to %s", n,
                      label_of(w->desc, &w->vtable));
}

mlx_io_writer mlx_io_writer_new(void *desc, mlx_io_vtable vtable) {
  struct user_writer *w = wr_calloc(sizeof *w);
  if (w) {
    wr_kind_begin(&w->kind, WR_KIND_WRITER);
    w->writer = (struct wr_writer){writer_label, writer_good, writer_write};
    w->desc = desc;
    w->vtable = vtable;
  }
  const mlx_io_writer io = {wr_api_give("mlx_io_writer_new", w, WR_KIND_WRITER, NULL)};
  if (!io.ctx) wr_free(w);
  return io;
}

static struct user_writer *check_writer(mlx_io_writer io, const char *param,
                                        struct wr_error **error) {
  return wr_api_object(io.ctx, WR_KIND_WRITER, param, "is an empty writer", error);
}

int mlx_io_writer_descriptor(void **desc_, mlx_io_writer io) {
  struct wr_error *error = NULL;
  wr_api_result(desc_, "desc_", &error);
  const struct user_writer *w = check_writer(io, "io", &error);
  if (!error) *desc_ = w->desc;
  return wr_api_return("mlx_io_writer_descriptor", error);
}

int mlx_io_writer_tostring(mlx_string *str_, mlx_io_writer io) {
  struct wr_error *error = NULL;
  wr_api_result_handle(str_, WR_KIND_STRING, "str_", &error);
  const struct user_writer *w = check_writer(io, "io", &error);
  if (!error) error = wr_api_set_string(str_, label_of(w->desc, &w->vtable));
  return wr_api_return("mlx_io_writer_tostring", error);
}

int mlx_io_writer_free(mlx_io_writer io) {
  struct wr_error *error = NULL;
  struct user_writer *w = wr_api_take(io.ctx, WR_KIND_WRITER, "io", &error);
  if (w) end_user(w->desc, &w->vtable);
  wr_free(w);
  return wr_api_return("mlx_io_writer_free", error);
}

struct wr_writer *wr_api_writer(mlx_io_writer io, const char *param, struct wr_error **error) {
  struct user_writer *w = check_writer(io, param, error);
  if (*error) return NULL;
  require(w->vtable.good, "good", param, error);
  require(w->vtable.is_open, "is_open", param, error);
  require(w->vtable.write, "write", param, error);
  return &w->writer;
}
