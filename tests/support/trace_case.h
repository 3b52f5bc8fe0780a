#ifndef WR_TESTS_SUPPORT_TRACE_CASE_H
#define WR_TESTS_SUPPORT_TRACE_CASE_H

/* Reads the file of a trace (weir/trace.h), strictly: every event is looked at, and what its kind
   has to have is there. For tests that see the library's insides. */

#include <string.h>

#include "base/json.h"
#include "programs.h"

struct event {
  char ph, name[80], cat[16];
  uint64_t pid, tid, id;
  uint64_t begin, end; /* ns; of what is no span both the same */
  char args[1024];     /* the text, or its beginning */
};

struct trace {
  struct event *events;
  size_t n;
  bool whole; /* the array has its end */
};

static char trace_path[64];

/* A folder of its own; the file's name in it. */
static inline const char *trace_file(void) {
  static char folder[] = "/tmp/weir-trace-XXXXXX";
  if (!trace_path[0]) {
    CHECK(mkdtemp(folder) != NULL);
    snprintf(trace_path, sizeof trace_path, "%s/trace.json", folder);
  }
  return trace_path;
}

static inline void trace_file_gone(void) {
  (void)unlink(trace_path);
  *strrchr(trace_path, '/') = '\0';
  CHECK(rmdir(trace_path) == 0);
}

static inline char *text_of_file(const char *path, size_t *n) {
  FILE *f = fopen(path, "r");
  CHECK(f != NULL);
  CHECK(fseek(f, 0, SEEK_END) == 0);
  const long size = ftell(f);
  CHECK(size >= 0);
  char *text = calloc(1, (size_t)size + 1);
  CHECK(text != NULL);
  rewind(f);
  *n = fread(text, 1, (size_t)size, f);
  fclose(f);
  return text;
}

/* Microseconds with three digits behind the point. */
static inline uint64_t ns_of(const char *text) {
  char *end;
  const uint64_t us = strtoull(text, &end, 10);
  CHECK(end != text && end[0] == '.' && strlen(end + 1) == 3);
  return us * 1000 + strtoull(end + 1, NULL, 10);
}

static inline void copy_text(char *to, size_t bytes, const char *from) {
  const size_t n = strlen(from) < bytes ? strlen(from) : bytes - 1;
  memcpy(to, from, n);
  to[n] = '\0';
}

static inline void read_member(struct event *e, const char *name, char *value) {
  char *plain = value;
  if (*value == '"') {
    plain = value + 1;
    plain[strlen(plain) - 1] = '\0';
  }
  if (!strcmp(name, "ph")) e->ph = *plain;
  if (!strcmp(name, "name")) copy_text(e->name, sizeof e->name, plain);
  if (!strcmp(name, "cat")) copy_text(e->cat, sizeof e->cat, plain);
  if (!strcmp(name, "pid")) e->pid = strtoull(plain, NULL, 10);
  if (!strcmp(name, "tid")) e->tid = strtoull(plain, NULL, 10);
  if (!strcmp(name, "id")) e->id = strtoull(plain, NULL, 10);
  if (!strcmp(name, "ts")) e->begin = ns_of(plain);
  if (!strcmp(name, "dur")) e->end = ns_of(plain);
  if (!strcmp(name, "args")) copy_text(e->args, sizeof e->args, plain);
}

/* False where the text ends in the middle of it. */
static inline bool read_event(struct wr_json *j, struct event *e) {
  const size_t begin = j->at;
  *e = (struct event){0};
  bool good = wr_json_enter(j, '{');
  for (bool first = true; good && wr_json_next(j, '}', first); first = false) {
    char *name = wr_json_name(j);
    const size_t from = name && wr_json_peek(j) ? j->at : 0;
    good = from && wr_json_skip(j);
    char *value = strndup(j->text + from, j->at - from);
    if (good) read_member(e, name, value);
    free(value);
    wr_free(name);
  }
  e->end += e->begin; /* the length, until here */
  CHECK(!j->fault || !strchr(j->text + begin + 1, '\n'));
  return !j->fault;
}

/* What each kind of event has to have. */
static inline void check_event(const struct event *e) {
  CHECK(strchr("XMCist", e->ph) && e->name[0] && e->pid);
  CHECK(e->ph == 'M' || e->begin > 0);
  CHECK(!strchr("MC", e->ph) || e->args[0] == '{');
  CHECK(!strchr("st", e->ph) || (e->id && !strcmp(e->cat, "request")));
}

static inline struct trace trace_read_at(const char *path) {
  size_t n;
  char *text = text_of_file(path, &n);
  struct trace t = {.events = calloc(n / 16 + 1, sizeof *t.events)};
  struct wr_json j = {.text = text, .n = n};
  CHECK(n == 0 || wr_json_enter(&j, '['));
  for (bool first = true; n && wr_json_peek(&j) && wr_json_next(&j, ']', first); first = false) {
    if (!read_event(&j, &t.events[t.n])) break;
    check_event(&t.events[t.n++]);
  }
  t.whole = n && !j.fault && wr_json_end(&j) && strchr(text + n - 3, ']');
  free(text);
  return t;
}

static inline struct trace trace_read(void) { return trace_read_at(trace_file()); }

static inline void trace_free(struct trace *t) { free(t->events); }

/* How many events there are of that kind ('*': any), of a category or a name; NULL: any. */
static inline size_t events_of(const struct trace *t, char ph, const char *cat, const char *name) {
  size_t n = 0;
  for (size_t i = 0; i < t->n; i++) {
    const struct event *e = &t->events[i];
    n += (ph == '*' || e->ph == ph) && (!cat || !strcmp(e->cat, cat)) &&
         (!name || !strcmp(e->name, name));
  }
  return n;
}

static inline const struct event *event_of(const struct trace *t, char ph, const char *name) {
  for (size_t i = 0; i < t->n; i++) {
    if (t->events[i].ph == ph && !strcmp(t->events[i].name, name)) return &t->events[i];
  }
  fprintf(stderr, "no event %c \"%s\"\n", ph, name);
  CHECK(!"the event is there");
  return NULL;
}

/* The number behind a name in an event's arguments. */
static inline uint64_t arg_of(const struct event *e, const char *name) {
  char key[40];
  snprintf(key, sizeof key, "\"%s\":", name);
  const char *at = strstr(e->args, key);
  CHECK(at != NULL);
  return strtoull(at + strlen(key), NULL, 10);
}

static inline uint64_t lost_in(const struct trace *t) {
  return arg_of(event_of(t, 'i', "end of trace"), "lost");
}

static inline int by_track(const void *a, const void *b) {
  const struct event *x = a, *y = b;
  if (x->pid != y->pid) return x->pid < y->pid ? -1 : 1;
  if (x->tid != y->tid) return x->tid < y->tid ? -1 : 1;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  return x->end < y->end ? 1 : x->end > y->end ? -1 : 0;
}

/* Spans of one track stand in each other or apart; on a stream's they stand apart. Sorts them. */
static inline void check_tracks(struct trace *t) {
  enum { DEEP = 64 };
  const struct event *open[DEEP];
  size_t depth = 0;
  qsort(t->events, t->n, sizeof *t->events, by_track);
  for (size_t i = 0; i < t->n; i++) {
    const struct event *e = &t->events[i];
    if (e->ph != 'X') continue;
    while (depth && (open[depth - 1]->tid != e->tid || open[depth - 1]->end <= e->begin)) depth--;
    CHECK(!depth || e->end <= open[depth - 1]->end);
    CHECK(!depth || strcmp(e->cat, "command") != 0);
    CHECK(depth < DEEP);
    open[depth++] = e;
  }
}

#endif
