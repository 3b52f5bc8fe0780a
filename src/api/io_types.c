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

struct user {
  struct wr_kind_word kind;
  void *desc;
  mlx_io_vtable vtable;
};

struct user_reader {
  struct user user;
  struct wr_reader reader;
};

struct user_writer {
  struct user user;
  struct wr_writer writer;
};

/* The time of a call that may take long. */
struct users_call {
  int before;
  struct wr_doing *doing;
};

static struct users_call begin_users(const void *fn, const char *what) {
  const int before = wr_cancel_off();
  return (struct users_call){before, wr_doing_begin(WR_DOING_USERS, fn, NULL, what)};
}

static void end_users(const struct users_call *call) {
  wr_doing_end(call->doing);
  wr_cancel_restore(call->before);
}

static const char *label_of(const struct user *u) {
  int before = wr_cancel_off();
  const char *label = u->vtable.label ? u->vtable.label(u->desc) : NULL;
  wr_cancel_restore(before);
  return label ? label : "";
}

static bool is_good(const struct user *u) {
  int before = wr_cancel_off();
  bool good = u->vtable.good(u->desc);
  wr_cancel_restore(before);
  return good;
}

static bool is_good_and_open(const struct user *u) {
  int before = wr_cancel_off();
  bool good = u->vtable.good(u->desc) && u->vtable.is_open(u->desc);
  wr_cancel_restore(before);
  return good;
}

static void end_user(const struct user *u) {
  int before = wr_cancel_off();
  if (u->vtable.free) u->vtable.free(u->desc);
  wr_cancel_restore(before);
}

/* Takes the object's memory, NULL where it was refused. */
static void *handle_of(const char *function, struct user *u, enum wr_kind kind, void *desc,
                       const mlx_io_vtable *vtable) {
  if (u) {
    wr_kind_begin(&u->kind, kind);
    u->desc = desc;
    u->vtable = *vtable;
  }
  void *ctx = wr_api_give(function, u, kind, NULL);
  if (!ctx) wr_free(u);
  return ctx;
}

static void *check_user(void *ctx, enum wr_kind kind, const char *param, struct wr_error **error) {
  const char *empty = kind == WR_KIND_READER ? "is an empty reader" : "is an empty writer";
  return wr_api_object(ctx, kind, param, empty, error);
}

static int descriptor(const char *function, void **desc_, void *ctx, enum wr_kind kind) {
  struct wr_error *error = NULL;
  wr_api_result(desc_, "desc_", &error);
  const struct user *u = check_user(ctx, kind, "io", &error);
  if (!error) *desc_ = u->desc;
  return wr_api_return(function, error);
}

static int tostring(const char *function, mlx_string *str_, void *ctx, enum wr_kind kind) {
  struct wr_error *error = NULL;
  wr_api_result_handle(str_, WR_KIND_STRING, "str_", &error);
  const struct user *u = check_user(ctx, kind, "io", &error);
  if (!error) error = wr_api_set_string(str_, label_of(u));
  return wr_api_return(function, error);
}

/* ---- readers ---- */

static struct user_reader *of(struct wr_reader *reader) {
  return WR_CONTAINER_OF(reader, struct user_reader, reader);
}

static const char *reader_label(struct wr_reader *reader) { return label_of(&of(reader)->user); }

static bool reader_good(struct wr_reader *reader) { return is_good_and_open(&of(reader)->user); }

static struct wr_error *told(struct user_reader *r, size_t n) {
  if (is_good(&r->user)) return NULL;
  return wr_error_new(WEIR_ERROR_DEVICE, "[read] Unable to read %zu bytes from %s", n,
                      label_of(&r->user));
}

static struct wr_error *reader_read(struct wr_reader *reader, void *to, size_t n) {
  struct user_reader *r = of(reader);
  const struct users_call call =
      begin_users((const void *)(uintptr_t)r->user.vtable.read, "read of a reader");
  r->user.vtable.read(r->user.desc, to, n);
  end_users(&call);
  return told(r, n);
}

static struct wr_error *reader_seek(struct wr_reader *reader, uint64_t offset) {
  struct user_reader *r = of(reader);
  int before = wr_cancel_off();
  r->user.vtable.seek(r->user.desc, (int64_t)offset, SEEK_SET);
  wr_cancel_restore(before);
  return told(r, 0);
}

static struct wr_error *reader_size(struct wr_reader *reader, uint64_t *size) {
  struct user_reader *r = of(reader);
  int before = wr_cancel_off();
  r->user.vtable.seek(r->user.desc, 0, SEEK_END);
  *size = r->user.vtable.tell(r->user.desc);
  wr_cancel_restore(before);
  return told(r, 0);
}

static struct wr_error *reader_read_at(struct wr_reader *reader, void *to, size_t n,
                                       uint64_t offset) {
  struct user_reader *r = of(reader);
  const struct users_call call = begin_users((const void *)(uintptr_t)r->user.vtable.read_at_offset,
                                             "read_at_offset of a reader");
  r->user.vtable.read_at_offset(r->user.desc, to, n, (size_t)offset);
  end_users(&call);
  return told(r, n);
}

static void reader_end(struct wr_reader *reader) {
  struct user_reader *r = of(reader);
  end_user(&r->user);
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
    r->reader.kind = &user_kind;
    wr_store_relaxed(&r->reader.refs, 1u); /* relaxed: not yet shared */
  }
  return (mlx_io_reader){
      handle_of("mlx_io_reader_new", r ? &r->user : NULL, WR_KIND_READER, desc, &vtable)};
}

static void require(bool there, const char *what, const char *param, struct wr_error **error) {
  if (!there) wr_api_reject(error, param, "has no function %s", what);
}

struct wr_reader *wr_api_reader(mlx_io_reader io, bool seeks, const char *param,
                                struct wr_error **error) {
  struct user_reader *r = check_user(io.ctx, WR_KIND_READER, param, error);
  if (*error) return NULL;
  require(r->user.vtable.good, "good", param, error);
  require(r->user.vtable.is_open, "is_open", param, error);
  require(r->user.vtable.read, "read", param, error);
  require(r->user.vtable.read_at_offset, "read_at_offset", param, error);
  require(!seeks || r->user.vtable.seek, "seek", param, error);
  require(!seeks || r->user.vtable.tell, "tell", param, error);
  return &r->reader;
}

/* ---- writers ---- */

static struct user_writer *to(struct wr_writer *writer) {
  return WR_CONTAINER_OF(writer, struct user_writer, writer);
}

static const char *writer_label(struct wr_writer *writer) { return label_of(&to(writer)->user); }

static bool writer_good(struct wr_writer *writer) { return is_good_and_open(&to(writer)->user); }

static struct wr_error *writer_write(struct wr_writer *writer, const void *data, size_t n) {
  struct user_writer *w = to(writer);
  const struct users_call call =
      begin_users((const void *)(uintptr_t)w->user.vtable.write, "write of a writer");
  w->user.vtable.write(w->user.desc, data, n);
  end_users(&call);
  if (is_good(&w->user)) return NULL;
  return wr_error_new(WEIR_ERROR_DEVICE, "[write] Unable to write %zu bytes to %s", n,
                      label_of(&w->user));
}

mlx_io_writer mlx_io_writer_new(void *desc, mlx_io_vtable vtable) {
  struct user_writer *w = wr_calloc(sizeof *w);
  if (w) w->writer = (struct wr_writer){writer_label, writer_good, writer_write};
  return (mlx_io_writer){
      handle_of("mlx_io_writer_new", w ? &w->user : NULL, WR_KIND_WRITER, desc, &vtable)};
}

struct wr_writer *wr_api_writer(mlx_io_writer io, const char *param, struct wr_error **error) {
  struct user_writer *w = check_user(io.ctx, WR_KIND_WRITER, param, error);
  if (*error) return NULL;
  require(w->user.vtable.good, "good", param, error);
  require(w->user.vtable.is_open, "is_open", param, error);
  require(w->user.vtable.write, "write", param, error);
  return &w->writer;
}

/* ---- what both have ---- */

static void end_reader(void *object) { wr_reader_release(&((struct user_reader *)object)->reader); }

static void end_writer(void *object) {
  struct user_writer *w = object;
  end_user(&w->user);
  wr_free(w);
}

#define FUNCTIONS(type, kind, end)                               \
  int type##_descriptor(void **desc_, type io) {                 \
    return descriptor(#type "_descriptor", desc_, io.ctx, kind); \
  }                                                              \
  int type##_tostring(mlx_string *str_, type io) {               \
    return tostring(#type "_tostring", str_, io.ctx, kind);      \
  }                                                              \
  int type##_free(type io) { return wr_api_free(#type "_free", io.ctx, kind, "io", end); }
FUNCTIONS(mlx_io_reader, WR_KIND_READER, end_reader)
FUNCTIONS(mlx_io_writer, WR_KIND_WRITER, end_writer)
#undef FUNCTIONS
