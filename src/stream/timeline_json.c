/* The writer's text: records as Chrome's trace events in JSON, one on a line, in an array that may
   lack its end. Numbers are put by hand, since this is what limits how many events a second are not
   lost; text of the program's, labels and names, is escaped, and replaced where it is no UTF-8. All
   functions are the writer's alone.

   Tracks. A thread's is of the process's own number and the system's number of the thread. Each
   device is a process of its own to whoever reads the file, so that its streams stand together: its
   number is the process's and a multiple of DEVICE_PIDS, which no process's reaches, and a stream's
   the stream's own and STREAM_TIDS. */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "base/json.h"
#include "core/op.h"
#include "memory/buffer.h"
#include "stream/timeline_internal.h"

enum { TEXT_MOST = 1000 };
enum { DEVICE_PIDS = 10 * 1000 * 1000, STREAM_TIDS = 100 * 1000 * 1000 };

/* ---- text ---- */

static void put(struct wr_timeline_text *t, const char *text) {
  const size_t n = strlen(text);
  memcpy(t->text + t->n, text, n);
  t->n += n;
}

static void put_number(struct wr_timeline_text *t, uint64_t value) {
  char digits[20];
  size_t n = sizeof digits;
  do {
    digits[--n] = (char)('0' + value % 10);
    value /= 10;
  } while (value);
  memcpy(t->text + t->n, digits + n, sizeof digits - n);
  t->n += sizeof digits - n;
}

/* Microseconds. */
static void put_time(struct wr_timeline_text *t, uint64_t ns) {
  const uint64_t part = ns % 1000;
  put_number(t, ns / 1000);
  const char text[] = {'.', (char)('0' + part / 100), (char)('0' + part / 10 % 10),
                       (char)('0' + part % 10), '\0'};
  put(t, text);
}

static void put_hex(struct wr_timeline_text *t, unsigned value) {
  static const char digits[] = "0123456789abcdef";
  t->text[t->n++] = digits[value >> 4 & 15];
  t->text[t->n++] = digits[value & 15];
}

/* Between quotes that stand there. The name of a kernel of the user's may have any length: what is
   longer is cut off, before a character. */
static void put_escaped(struct wr_timeline_text *t, const char *text) {
  const bool plain = !wr_json_is_utf8(text);
  for (int n = 0; *text; text++, n++) {
    const unsigned char c = (unsigned char)*text;
    if (n >= TEXT_MOST && (c & 0xc0) != 0x80) return;
    if (c == '"' || c == '\\') {
      t->text[t->n++] = '\\';
      t->text[t->n++] = (char)c;
    } else if (c < 0x20 || c == 0x7f) {
      put(t, "\\u00");
      put_hex(t, c);
    } else {
      t->text[t->n++] = plain && c >= 0x80 ? '?' : (char)c;
    }
  }
}

/* ---- the file ---- */

void wr_timeline_text_flush(struct wr_timeline_text *t) {
  size_t at = 0;
  while (at < t->n && !t->failed) {
    const ssize_t n = write(t->fd, t->text + at, t->n - at);
    if (n >= 0) {
      at += (size_t)n;
    } else if (errno != EINTR) {
      t->failed = errno;
    }
  }
  t->n = 0;
}

/* ---- events ---- */

static int32_t device_pid(const struct wr_timeline_text *t, const struct wr_record_track *s) {
  return t->pid + DEVICE_PIDS * (1 + s->device_type * WR_DEVICE_INDICES + s->device_index);
}

static uint64_t stream_tid(const struct wr_record_track *s) { return STREAM_TIDS + s->number; }

static void begin_event(struct wr_timeline_text *t, const char *ph, int32_t pid, uint64_t tid) {
  if (t->n + EVENT_BYTES > sizeof t->text) wr_timeline_text_flush(t);
  put(t, t->any ? ",\n{\"ph\":\"" : "[\n{\"ph\":\"");
  t->any = true;
  put(t, ph);
  put(t, "\",\"pid\":");
  put_number(t, (uint64_t)pid);
  put(t, ",\"tid\":");
  put_number(t, tid);
}

static void put_at(struct wr_timeline_text *t, uint64_t ns) {
  put(t, ",\"ts\":");
  put_time(t, ns);
}

static void put_span_times(struct wr_timeline_text *t, uint64_t begin, uint64_t end) {
  put_at(t, begin);
  put(t, ",\"dur\":");
  put_time(t, end - begin);
}

/* What readers are told of a track: its name, or its place. */
static void put_fact(struct wr_timeline_text *t, int32_t pid, uint64_t tid, const char *fact) {
  begin_event(t, "M", pid, tid);
  put(t, ",\"name\":\"");
  put(t, fact);
  put(t, "\",\"args\":{\"");
}

static void put_sort_index(struct wr_timeline_text *t, int32_t pid, uint64_t tid, const char *fact,
                           uint64_t index) {
  put_fact(t, pid, tid, fact);
  put(t, "sort_index\":");
  put_number(t, index);
  put(t, "}}");
}

static void put_device_name(struct wr_timeline_text *t, unsigned type, unsigned index) {
  put(t, type == WR_DEVICE_CPU ? "cpu:" : "gpu:");
  put_number(t, index);
}

static void name_device(struct wr_timeline_text *t, const struct wr_record_track *s) {
  bool *named = &t->devices[s->device_type][s->device_index].named;
  if (*named) return;
  *named = true;
  const int32_t pid = device_pid(t, s);
  put_fact(t, pid, 0, "process_name");
  put(t, "name\":\"");
  put_device_name(t, s->device_type, s->device_index);
  put(t, "\"}}");
  put_sort_index(t, pid, 0, "process_sort_index",
                 s->device_type == WR_DEVICE_CPU ? 1u : 2u + s->device_index);
}

static void put_stream_name(struct wr_timeline_text *t, const struct wr_record_track *s) {
  put(t, "stream ");
  put_number(t, s->index);
}

void wr_timeline_text_begin(struct wr_timeline_text *t) {
  char name[16] = "";
  (void)wr_thread_name_of((uint64_t)t->pid, name, sizeof name);
  put_fact(t, t->pid, (uint64_t)t->pid, "process_name");
  put(t, "name\":\"");
  put_escaped(t, name[0] ? name : "threads");
  put(t, "\"}}");
  put_sort_index(t, t->pid, (uint64_t)t->pid, "process_sort_index", 0);
}

/* The process's first thread has the name of the program. */
void wr_timeline_text_thread(struct wr_timeline_text *t, const struct wr_record_ring *ring) {
  put_fact(t, t->pid, ring->tid, "thread_name");
  put(t, "name\":\"");
  put_escaped(t, ring->tid == (uint64_t)t->pid || !ring->name[0] ? "main" : ring->name);
  put(t, "\"}}");
}

/* ---- memory ---- */

static void put_memory(struct wr_timeline_text *t, const struct wr_record_track *device,
                       uint64_t at, uint64_t live, uint64_t cached) {
  uint64_t *last_live = &t->devices[device->device_type][device->device_index].live;
  uint64_t *last_cached = &t->devices[device->device_type][device->device_index].cached;
  if (*last_live == live && *last_cached == cached) return;
  *last_live = live;
  *last_cached = cached;
  name_device(t, device);
  begin_event(t, "C", device_pid(t, device), 0);
  put_at(t, at);
  put(t, ",\"name\":\"memory\",\"args\":{\"live\":");
  put_number(t, live);
  put(t, ",\"cached\":");
  put_number(t, cached);
  put(t, "}}");
}

void wr_timeline_text_memory(struct wr_timeline_text *t) {
  const struct wr_record_track host = {.device_type = WR_DEVICE_CPU};
  size_t live, cached;
  wr_memory_usage(wr_memory_host(), &live, &cached);
  put_memory(t, &host, wr_clock_ns(), live, cached);
}

/* ---- commands ---- */

/* "float32[2,3]" */
static void put_tensor(struct wr_timeline_text *t, const uint64_t **at) {
  struct wr_record_tensor tensor;
  int32_t extents[WR_RECORD_DIMS];
  memcpy(&tensor, *at, sizeof tensor);
  memcpy(extents, *at + 1, tensor.kept * sizeof extents[0]);
  *at += 1 + (tensor.kept + 1) / 2;
  put(t, wr_dtype_name((enum wr_dtype)tensor.dtype));
  put(t, "[");
  for (int i = 0; i < tensor.kept; i++) {
    if (i) put(t, ",");
    put_number(t, (uint64_t)extents[i]);
  }
  put(t, tensor.kept < tensor.ndim ? ",...]" : "]");
}

static const char *op_name(uint16_t op) { return wr_op_info((enum wr_op)op)->name; }

/* The first few of a group's operations. */
static void put_group_name(struct wr_timeline_text *t, const struct wr_group_step *steps, int n) {
  enum { NAMED = 4 };
  for (int i = 0; i < n && i < NAMED; i++) {
    if (i) put(t, " ");
    put(t, op_name(steps[i].op));
  }
  if (n <= NAMED) return;
  put(t, " +");
  put_number(t, (uint64_t)(n - NAMED));
}

static void put_name(struct wr_timeline_text *t, const struct wr_command_record *r,
                     const struct wr_group_step *steps) {
  put(t, ",\"cat\":\"command\",\"name\":\"");
  if (r->steps) {
    put_group_name(t, steps, r->steps);
  } else {
    put_escaped(t, r->name ? r->name : op_name(r->head.what));
  }
  put(t, "\"");
}

static void put_value(struct wr_timeline_text *t, const struct wr_command_record *r, int value) {
  put(t, value < r->inputs ? "x" : "s");
  put_number(t, (uint64_t)(value < r->inputs ? value : value - r->inputs));
}

/* "s1 = add(s0, x2) float32": inputs are x0, x1 and so on, steps s0, s1. */
static void put_step(struct wr_timeline_text *t, const struct wr_command_record *r, int i,
                     const struct wr_group_step *step) {
  put(t, i ? ",\"s" : "\"s");
  put_number(t, (uint64_t)i);
  put(t, " = ");
  put(t, op_name(step->op));
  for (int k = 0; k < step->n_in; k++) {
    put(t, k ? ", " : "(");
    put_value(t, r, step->in[k]);
  }
  put(t, ") ");
  put(t, wr_dtype_name((enum wr_dtype)step->dtype));
  put(t, "\"");
}

static void put_command_args(struct wr_timeline_text *t, const struct wr_command_record *r,
                             const uint64_t *at, const struct wr_group_step *steps) {
  put(t, ",\"args\":{\"result\":\"");
  put_tensor(t, &at);
  put(t, "\",\"inputs\":\"");
  for (int i = 1; i < r->tensors; i++) {
    if (i > 1) put(t, " ");
    put_tensor(t, &at);
  }
  put(t, r->inputs >= r->tensors ? " ...\"" : "\"");
  if (r->steps) {
    put(t, ",\"operations\":[");
    for (int i = 0; i < r->steps; i++) put_step(t, r, i, &steps[i]);
    put(t, "]");
  }
  if (r->head.number) {
    put(t, ",\"request\":");
    put_number(t, r->head.number);
  }
  if (r->begin != r->encoded) {
    put(t, ",\"handed over\":");
    put_time(t, r->encoded);
  }
  if (r->failed) put(t, ",\"failed\":true");
  put(t, "}}");
}

/* A point of a request's flow, inside the span that stands there on the track. */
static void put_flow(struct wr_timeline_text *t, const char *ph, int32_t pid, uint64_t tid,
                     uint64_t at, uint32_t number) {
  begin_event(t, ph, pid, tid);
  put_at(t, at);
  put(t, ",\"cat\":\"request\",\"name\":\"request\",\"bp\":\"e\",\"id\":");
  put_number(t, number);
  put(t, "}");
}

static void put_command(struct wr_timeline_text *t, const uint64_t *words) {
  struct wr_command_record r;
  struct wr_group_step steps[WR_GROUP_STEPS];
  memcpy(&r, words, sizeof r);
  if (r.end < t->since) return;
  memcpy(steps, words + r.head.words - r.steps, r.steps * sizeof steps[0]);
  const int32_t pid = device_pid(t, &r.stream);
  const uint64_t tid = stream_tid(&r.stream);
  name_device(t, &r.stream);
  begin_event(t, "X", pid, tid);
  put_span_times(t, r.begin, r.end);
  put_name(t, &r, steps);
  put_command_args(t, &r, words + WR_WORDS_OF(struct wr_command_record), steps);
  if (r.head.number) put_flow(t, "t", pid, tid, r.begin, r.head.number);
  put_memory(t, &r.stream, r.end, r.live, r.cached);
  t->commands++;
}

/* ---- spans of threads, and others ---- */

static void put_span(struct wr_timeline_text *t, uint64_t tid, const uint64_t *words) {
  static const char *const names[] = {[WR_SPAN_EVAL] = "eval",
                                      [WR_SPAN_ASYNC] = "async_eval",
                                      [WR_SPAN_DRAIN] = "drain ",
                                      [WR_SPAN_SLEEP] = "wait for ",
                                      [WR_SPAN_PARK] = "wait for a plan",
                                      [WR_SPAN_SLICES] = "slices of a kernel"};
  struct wr_span_record r;
  memcpy(&r, words, sizeof r);
  if (r.end < t->since) return;
  const bool waits = r.head.what == WR_SPAN_SLEEP || r.head.what == WR_SPAN_PARK;
  begin_event(t, "X", t->pid, tid);
  put_span_times(t, r.begin, r.end);
  put(t, waits ? ",\"cat\":\"wait\",\"name\":\"" : ",\"cat\":\"thread\",\"name\":\"");
  put(t, names[r.head.what]);
  if (r.stream.number) put_stream_name(t, &r.stream);
  put(t, "\"");
  if (r.head.number) {
    put(t, ",\"args\":{\"arrays\":");
    put_number(t, r.head.number);
    put(t, "}");
  }
  put(t, "}");
}

static void put_blocked(struct wr_timeline_text *t, const uint64_t *words) {
  struct wr_span_record r;
  memcpy(&r, words, sizeof r);
  if (r.end < t->since) return;
  name_device(t, &r.stream);
  begin_event(t, "X", device_pid(t, &r.stream), stream_tid(&r.stream));
  put_span_times(t, r.begin, r.end);
  put(t, ",\"cat\":\"blocked\",\"name\":\"blocked\"");
  if (r.by.number) {
    put(t, ",\"args\":{\"by\":\"");
    put_stream_name(t, &r.by);
    put(t, " (");
    put_device_name(t, r.by.device_type, r.by.device_index);
    put(t, ")\"}");
  }
  put(t, "}");
}

static void put_request(struct wr_timeline_text *t, uint64_t tid, const uint64_t *words, size_t n) {
  struct wr_request_record r;
  memcpy(&r, words, n * sizeof *words);
  if (r.at < t->since) return;
  begin_event(t, "i", t->pid, tid);
  put_at(t, r.at);
  put(t, ",\"s\":\"t\",\"cat\":\"request\",\"name\":\"request");
  if (r.label[0]) put(t, " ");
  put_escaped(t, r.label);
  put(t, "\",\"args\":{\"request\":");
  put_number(t, r.head.number);
  put(t, ",\"trace_id\":\"");
  for (size_t i = 0; i < sizeof r.trace_id; i++) put_hex(t, r.trace_id[i]);
  put(t, "\"}}");
  put_flow(t, r.head.what ? "s" : "t", t->pid, tid, r.at, r.head.number);
}

static void put_stream(struct wr_timeline_text *t, const uint64_t *words, size_t n) {
  struct wr_stream_record r;
  memcpy(&r, words, n * sizeof *words);
  name_device(t, &r.stream);
  const int32_t pid = device_pid(t, &r.stream);
  const uint64_t tid = stream_tid(&r.stream);
  put_fact(t, pid, tid, "thread_name");
  put(t, "name\":\"");
  put_stream_name(t, &r.stream);
  if (r.label[0]) put(t, " \\\"");
  put_escaped(t, r.label);
  put(t, r.label[0] ? "\\\"\"}}" : "\"}}");
  put_sort_index(t, pid, tid, "thread_sort_index", r.stream.index);
}

void wr_timeline_text_record(struct wr_timeline_text *t, uint64_t tid, const uint64_t *words) {
  struct wr_record_head head;
  memcpy(&head, words, sizeof head);
  switch ((enum wr_record_kind)head.kind) {
    case WR_RECORD_COMMAND:
      put_command(t, words);
      break;
    case WR_RECORD_SPAN:
      put_span(t, tid, words);
      break;
    case WR_RECORD_BLOCKED:
      put_blocked(t, words);
      break;
    case WR_RECORD_REQUEST:
      put_request(t, tid, words, head.words);
      break;
    case WR_RECORD_STREAM:
      put_stream(t, words, head.words);
      break;
  }
}

/* ---- what is missing, and the end ---- */

static void put_lost(struct wr_timeline_text *t, const char *name, uint64_t lost) {
  begin_event(t, "i", t->pid, (uint64_t)t->pid);
  put_at(t, wr_clock_ns());
  put(t, ",\"s\":\"p\",\"name\":\"");
  put(t, name);
  put(t, "\",\"args\":{\"lost\":");
  put_number(t, lost);
}

void wr_timeline_text_lost(struct wr_timeline_text *t, uint64_t lost) {
  put_lost(t, "lost", lost);
  put(t, "}}");
}

void wr_timeline_text_end(struct wr_timeline_text *t, uint64_t lost) {
  put_lost(t, "end of trace", lost);
  put(t, ",\"commands\":");
  put_number(t, t->commands);
  put(t, "}}\n]\n");
}
