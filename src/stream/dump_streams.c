/* What streams are at, for weir_dump: by peeks alone, see dump.h. No locks. */

#include <stdio.h>
#include <string.h>

#include "stream/dump.h"
#include "stream/internal.h"

enum {
  MOST_STREAMS = 1 << 16, /* that are looked at */
  MOST_TOLD = 256,        /* of those that are not idle */
  MOST_TASKS = 1 << 16    /* that are looked at in queues, of all together */
};

/* How many more of those; who makes the dump only. */
static int tasks_left;

/* A stream as it was found. */
struct found {
  const struct wr_stream *at;
  struct wr_stream copy;
  struct wr_encoder_look device; /* zeroed where nothing is known */
  char name[WR_DUMP_WORDS];
};

/* What stands in a queue. */
struct queue {
  uint64_t tasks, commands;
  bool more; /* than were counted */
};

static bool look_at(const struct wr_stream *at, struct found *f) {
  f->at = at;
  memset(&f->device, 0, sizeof f->device);
  if (!wr_peek(&f->copy, at, sizeof f->copy)) return false;
  return wr_load_relaxed(&f->copy.refs.kind.word) == WR_KIND_STREAM;
}

static void name_of(const struct wr_stream *copy, char text[WR_DUMP_WORDS]) {
  char label[WR_STREAM_LABEL] = "";
  if (copy->label) wr_peek_text(label, copy->label, sizeof label);
  snprintf(text, WR_DUMP_WORDS, "stream %d%s%s%s (%s:%d)", copy->index, *label ? " \"" : "", label,
           *label ? "\"" : "", copy->device.type == WR_DEVICE_CPU ? "cpu" : "gpu",
           copy->device.index);
}

bool wr_dump_stream_name(const struct wr_stream *stream, char text[WR_DUMP_WORDS]) {
  struct found f;
  if (!stream || !look_at(stream, &f)) return false;
  name_of(&f.copy, text);
  return true;
}

/* ---- queues ---- */

static bool next_task(const struct wr_task **at, struct wr_task *copy) {
  return *at && wr_peek(copy, *at, sizeof *copy);
}

static void (*key_of(const struct wr_task *task))(void) { return (void (*)(void))task->run; }

static void count_queue(const struct wr_stream *s, struct queue *q) {
  struct wr_dump_work told;
  struct wr_task task;
  const struct wr_task *at = s->head;
  *q = (struct queue){0};
  for (; tasks_left > 0 && next_task(&at, &task); at = task.next, tasks_left--) {
    q->tasks++;
    if (wr_dump_tell(key_of(&task), at, &told)) q->commands += told.left;
  }
  q->more = tasks_left == 0;
}

/* What its drainer is at, or the first in its queue. */
static const struct wr_task *first_task(const struct wr_stream *s) {
  return s->current ? s->current : s->head;
}

static bool tell_task(const struct wr_task *at, struct wr_dump_work *told) {
  struct wr_task task;
  memset(told, 0, sizeof *told);
  return next_task(&at, &task) && wr_dump_tell(key_of(&task), at, told);
}

uint64_t wr_dump_before(const struct wr_stream *stream, const struct wr_task *task) {
  struct found f;
  struct wr_dump_work told;
  struct wr_task copy;
  if (!look_at(stream, &f) || f.copy.current == task) return 0;
  uint64_t n = tell_task(f.copy.current, &told) ? told.left : 0;
  const struct wr_task *at = f.copy.head;
  for (; tasks_left > 0 && at != task && next_task(&at, &copy); at = copy.next, tasks_left--) {
    if (tell_task(at, &told)) n += told.left;
  }
  return n;
}

/* ---- one stream ---- */

/* The backend is asked only where it is one: what was copied may be no stream any more. */
static void look_at_device(struct found *f) {
  const enum wr_device_type type = f->copy.device.type;
  if ((unsigned)type >= WR_DEVICE_TYPE_COUNT) return;
  const struct wr_backend *backend = wr_backend_for(type);
  const struct wr_async_device *async = backend == f->copy.backend ? backend->async : NULL;
  if (async && async->look && !async->look(f->copy.encoder, &f->device)) {
    memset(&f->device, 0, sizeof f->device);
  }
}

static bool has_nothing(const struct found *f) {
  return f->copy.state == WR_STREAM_IDLE && !f->copy.head && !f->device.in_flight &&
         !f->device.held;
}

static void device_name(const struct found *f, char text[16]) {
  snprintf(text, 16, "%s:%d", f->copy.device.type == WR_DEVICE_CPU ? "cpu" : "gpu",
           f->copy.device.index);
}

static void tell_device(struct wr_dump *d, const struct found *f) {
  const struct wr_encoder_look *look = &f->device;
  struct wr_dump_work told = {0};
  struct wr_completion_hook hook;
  char age[WR_DUMP_AGE], device[16];
  if (!look->in_flight && !look->held) return;
  if (look->first && wr_peek(&hook, look->first, sizeof hook)) {
    (void)wr_dump_tell((void (*)(void))hook.fn, look->first, &told);
  }
  wr_dump_age(d, look->since, age);
  device_name(f, device);
  wr_dump_say(
      d,
      "    with the device: %llu commands, of which none has ended for %s%s%s; held back: %llu%s\n",
      (unsigned long long)look->in_flight, age, *told.what ? "; the first is " : "", told.what,
      (unsigned long long)look->held, look->behind ? "; it waits there for another stream" : "");
  if (!look->in_flight || look->behind) return;
  wr_dump_blame(d, WR_DUMP_SEEN, look->since,
                "%s has ended nothing of %s for %s: %s%s is the first of %llu commands", device,
                f->name, age, *told.what ? "" : "a marker", told.what,
                (unsigned long long)look->in_flight);
}

static void tell_request(struct wr_dump *d, const struct wr_dump_work *work) {
  char name[WR_DUMP_WORDS];
  if (!work->request) return;
  wr_dump_request_name(work->request, name);
  wr_dump_say(d, "    of %s\n", name);
}

static const char *or_unknown(const char *what) { return *what ? what : "a task of no known kind"; }

static void tell_running(struct wr_dump *d, const struct found *f,
                         const struct wr_dump_work *work) {
  char age[WR_DUMP_AGE];
  struct wr_doing_look doing;
  const unsigned long long thread = (unsigned long long)f->copy.drainer;
  wr_dump_age(d, f->copy.began, age);
  if (!f->copy.current) {
    wr_dump_say(d, "  %s: drained by thread 0x%llx, which is between two commands\n", f->name,
                thread);
    wr_dump_blame(d, WR_DUMP_GUESSED, f->copy.began,
                  "thread 0x%llx hands to the device what it has encoded for %s, and has not come "
                  "back from the driver for %s",
                  thread, f->name, age);
    return;
  }
  wr_dump_say(d, "  %s: runs %s (%u of %u), begun %s ago, on thread 0x%llx\n", f->name,
              or_unknown(work->what), (unsigned)(work->all - work->left + 1), (unsigned)work->all,
              age, thread);
  /* What its thread is deeper in is blamed there, by itself. */
  if (wr_dump_thread_at(f->copy.drainer, f->copy.began, &doing)) return;
  wr_dump_blame(d, WR_DUMP_SEEN, f->copy.began, "%s has run for %s on %s, on thread 0x%llx",
                or_unknown(work->what), age, f->name, thread);
}

/* The stream of that id, if it is there. */
static bool find_stream(uint64_t id, struct found *f) {
  size_t index = (uint32_t)id;
  const struct wr_stream *at = wr_registry_peek(&index);
  return at && look_at(at, f) && f->copy.id == id;
}

static void tell_suspended(struct wr_dump *d, const struct found *f,
                           const struct wr_dump_work *work) {
  char age[WR_DUMP_AGE], other[WR_DUMP_WORDS] = "a stream that is gone";
  const char *for_what = *work->for_what ? work->for_what : "something";
  struct found by;
  wr_dump_age(d, f->copy.began, age);
  wr_dump_say(d, "  %s: suspended for %s%s%s, waits for ", f->name, age,
              *work->what ? " before " : "", work->what);
  switch (work->wait) {
    case WR_DUMP_WAITS_STREAM:
      if (find_stream(work->by, &by)) name_of(&by.copy, other);
      wr_dump_say(d, "%s of %s\n", for_what, other);
      break;
    case WR_DUMP_WAITS_CLAIM:
      wr_dump_say(d, "%s, which a planner has claimed\n", for_what);
      wr_dump_blame(
          d, WR_DUMP_SEEN, f->copy.began,
          "a thread that plans has claimed %.200s and not submitted it, for which %s waits",
          for_what, f->name);
      break;
    case WR_DUMP_WAITS_OTHERS:
      wr_dump_say(d, "the end of %s\n", for_what);
      wr_dump_blame(d, WR_DUMP_GUESSED, f->copy.began,
                    "%.200s was begun %s ago and is not over, for which %s waits", for_what, age,
                    f->name);
      break;
    case WR_DUMP_WAITS_SEAT:
      wr_dump_say(d, "its turn among routines that keep their threads\n");
      break;
    case WR_DUMP_WAITS_ROOM:
      wr_dump_say(d, "its device to come on with what it has\n");
      break;
    case WR_DUMP_WAITS_MEMORY:
      wr_dump_say(d, "memory of its device\n");
      wr_dump_blame(d, WR_DUMP_GUESSED, f->copy.began,
                    "%s waits for memory of its device, which others hold, for %s", f->name, age);
      break;
    default:
      if (f->copy.blocked_by && wr_dump_stream_name(f->copy.blocked_by, other)) {
        wr_dump_say(d, "%s\n", other);
      } else {
        wr_dump_say(d, "something that has come meanwhile\n");
      }
      break;
  }
}

static void tell_stream(struct wr_dump *d, struct found *f) {
  struct wr_dump_work work;
  struct queue queue;
  char age[WR_DUMP_AGE];
  (void)tell_task(first_task(&f->copy), &work);
  switch (f->copy.state) {
    case WR_STREAM_RUNNING:
      tell_running(d, f, &work);
      break;
    case WR_STREAM_SUSPENDED:
      tell_suspended(d, f, &work);
      break;
    case WR_STREAM_READY:
      wr_dump_say(d, "  %s: ready for %s, waits for a thread that drains it; next is %s\n", f->name,
                  wr_dump_age(d, f->copy.began, age), or_unknown(work.what));
      break;
    default:
      wr_dump_say(d, "  %s: nobody drains it\n", f->name);
      break;
  }
  tell_request(d, &work);
  count_queue(&f->copy, &queue);
  if (queue.tasks) {
    wr_dump_say(d, "    queued: %llu commands in %llu tasks%s\n",
                (unsigned long long)queue.commands, (unsigned long long)queue.tasks,
                queue.more ? " and more" : "");
  }
  tell_device(d, f);
}

/* ---- all ---- */

void wr_dump_streams(struct wr_dump *d) {
  static struct found f; /* who makes the dump only */
  const struct wr_stream *at;
  int idle = 0, told = 0, left_out = 0;
  tasks_left = MOST_TASKS;
  wr_dump_say(d, "streams:\n");
  for (size_t index = 0; index < MOST_STREAMS && (at = wr_registry_peek(&index)); index++) {
    if (!look_at(at, &f)) continue;
    look_at_device(&f);
    if (has_nothing(&f)) {
      idle++;
      continue;
    }
    name_of(&f.copy, f.name);
    if (told++ < MOST_TOLD) {
      tell_stream(d, &f);
    } else {
      left_out++;
    }
  }
  if (left_out) wr_dump_say(d, "  and %d more that are not idle\n", left_out);
  wr_dump_say(d, "  %d idle\n", idle);
}
