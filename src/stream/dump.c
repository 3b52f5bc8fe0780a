/* The text of a dump, the threads in it, and the culprit; see dump.h. No locks: one flag says that
   a dump is being made, and who finds it set waits for a bounded time. */

#include "stream/dump.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "base/fork.h"
#include "base/lock.h"
#include "stream/internal.h"

enum { TEXT_BYTES = 256 << 10, LINE_BYTES = 1024, PATIENCE_MS = 2000 };

struct wr_dump {
  uint64_t now; /* of wr_clock_coarse_ns */
  size_t used;
  uint64_t lost; /* bytes that did not fit */
  struct blame {
    uint64_t since;
    char text[LINE_BYTES]; /* "": nobody is blamed */
  } blame[WR_DUMP_SURES];
  char text[TEXT_BYTES];
};

static struct wr_dump the_dump;              /* who has set `making` only */
static wr_atomic_bool making;                /* atomic ACQ_REL */
static _Atomic(struct wr_dump_kind *) kinds; /* atomic ACQ_REL; a stack */

/* ---- text ----

   Of numbers and words alone: no locale changes how they look, and nothing is allocated for them.
 */

static void append(struct wr_dump *d, const char *text, size_t length) {
  const size_t room = sizeof d->text - d->used;
  const size_t fits = length < room ? length : room;
  memcpy(d->text + d->used, text, fits);
  d->used += fits;
  d->lost += length - fits;
}

void wr_dump_say(struct wr_dump *d, const char *format, ...) {
  char line[LINE_BYTES];
  va_list args;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  append(d, line, strlen(line));
}

char *wr_dump_age(const struct wr_dump *d, uint64_t since, char text[WR_DUMP_AGE]) {
  const uint64_t ms = d->now > since ? (d->now - since) / 1000000 : 0;
  if (ms < 1000) {
    snprintf(text, WR_DUMP_AGE, "%u ms", (unsigned)ms);
  } else {
    snprintf(text, WR_DUMP_AGE, "%llu.%u s", (unsigned long long)(ms / 1000),
             (unsigned)(ms % 1000 / 100));
  }
  return text;
}

void wr_dump_blame(struct wr_dump *d, enum wr_dump_sure sure, uint64_t since, const char *format,
                   ...) {
  struct blame *b = &d->blame[sure];
  if (*b->text && since >= b->since) return;
  va_list args;
  va_start(args, format);
  vsnprintf(b->text, sizeof b->text, format, args);
  va_end(args);
  b->since = since;
}

/* What is guessed is often the other end of what is seen. */
static struct blame *culprit(struct wr_dump *d) {
  enum { MUCH_NS = 1000 * 1000 * 1000 };
  struct blame *seen = &d->blame[WR_DUMP_SEEN], *guessed = &d->blame[WR_DUMP_GUESSED];
  if (!*guessed->text) return seen;
  return *seen->text && seen->since < guessed->since + MUCH_NS ? seen : guessed;
}

/* ---- kinds ---- */

void wr_dump_know(struct wr_dump_kind *kind) {
  struct wr_dump_kind *first = wr_load_relaxed(&kinds);
  do {
    kind->next = first;
  } while (!wr_cas_acq_rel(&kinds, &first, kind));
}

bool wr_dump_tell(void (*key)(void), const void *work, struct wr_dump_work *told) {
  memset(told, 0, sizeof *told);
  for (struct wr_dump_kind *k = wr_load_acquire(&kinds); k; k = k->next) {
    if (k->key != key) continue;
    k->tell(work, told);
    if (*told->what || key) return true;
  }
  return false;
}

/* ---- threads ---- */

/* "thread 4711 "name"". */
static void thread_name(const struct wr_doing_look *look, char text[WR_DUMP_WORDS]) {
  char name[32];
  if (wr_thread_name_of(look->thread_id, name, sizeof name)) {
    snprintf(text, WR_DUMP_WORDS, "thread %u \"%s\"", (unsigned)look->thread_id, name);
  } else {
    snprintf(text, WR_DUMP_WORDS, "thread %u", (unsigned)look->thread_id);
  }
}

/* What it is at, as the end of a sentence about it. */
static void tell_doing(const struct wr_doing_look *look, char text[WR_DUMP_WORDS]) {
  char of[WR_DUMP_WORDS / 2];
  wr_peek_text(of, look->text, sizeof of);
  static const struct {
    enum wr_doing_kind kind;
    const char *does; /* what stands behind it is the name of */
  } rows[] = {{WR_DOING_READ, "reads from"},
              {WR_DOING_COMPILE, "has NVRTC compile"},
              {WR_DOING_OPEN, "opens the library"},
              {WR_DOING_COLLECTIVE, "waits for other processes, in"}};
  snprintf(text, WR_DUMP_WORDS, "is at something");
  if (look->kind == WR_DOING_USERS) {
    snprintf(text, WR_DUMP_WORDS, "runs the user's %s at %p", of, look->of);
  }
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    if (rows[i].kind == look->kind) snprintf(text, WR_DUMP_WORDS, "%s %s", rows[i].does, of);
  }
}

/* What a thread that sleeps waits for. */
static void tell_wait(struct wr_dump *d, const struct wr_doing_look *look,
                      char text[WR_DUMP_WORDS]) {
  struct wr_dump_work told;
  char stream[WR_DUMP_WORDS] = "", thread[WR_DUMP_WORDS];
  const bool known = wr_dump_tell(NULL, look->of, &told);
  const bool on = wr_dump_stream_name(look->on, stream);
  if (!known && !on) wr_peek_text(told.what, look->text, sizeof told.what);
  snprintf(text, WR_DUMP_WORDS, "waits for %.160s%s%.100s", *told.what || on ? told.what : "work",
           *told.what && on ? " of " : "", stream);
  if (told.wait != WR_DUMP_WAITS_CLAIM) return;
  thread_name(look, thread);
  wr_dump_blame(
      d, WR_DUMP_SEEN, look->since,
      "a thread that plans has claimed %.160s and not submitted it, for which %.60s waits",
      told.for_what, thread);
}

/* Entries of a thread that is deeper in something else: what began later, or sleeps. */
static bool is_innermost(const struct wr_doing_look *looks, int n, int i) {
  for (int k = 0; k < n; k++) {
    if (k == i || looks[k].thread != looks[i].thread) continue;
    if (looks[i].kind == WR_DOING_COLLECTIVE && looks[k].kind == WR_DOING_COLLECTIVE) continue;
    if (looks[k].since > looks[i].since) return false;
    if (looks[k].since == looks[i].since && looks[k].kind == WR_DOING_WAIT) return false;
  }
  return true;
}

static void tell_thread(struct wr_dump *d, const struct wr_doing_look *looks, int n, int i) {
  char thread[WR_DUMP_WORDS], what[WR_DUMP_WORDS], age[WR_DUMP_AGE];
  const struct wr_doing_look *look = &looks[i];
  thread_name(look, thread);
  wr_dump_age(d, look->since, age);
  if (look->kind == WR_DOING_WAIT) {
    tell_wait(d, look, what);
  } else {
    tell_doing(look, what);
    if (is_innermost(looks, n, i))
      wr_dump_blame(d, WR_DUMP_SEEN, look->since, "%s %s, for %s", thread, what, age);
  }
  wr_dump_say(d, "  %s (0x%llx) %s, for %s\n", thread, (unsigned long long)look->thread, what, age);
}

static void tell_threads(struct wr_dump *d) {
  static struct wr_doing_look looks[WR_DOING_ENTRIES]; /* who makes the dump only */
  int n = 0, busy = 0;
  for (int i = 0; i < WR_DOING_ENTRIES; i++) {
    wr_doing_look(i, &looks[n]);
    if (looks[n].kind != WR_DOING_NOTHING) n++;
  }
  for (int i = 0; i < n; i++) busy += looks[i].kind != WR_DOING_WAIT;
  wr_dump_say(d, "threads: %d wait, %d are at something long\n", n - busy, busy);
  for (int i = 0; i < n; i++) tell_thread(d, looks, n, i);
  const uint64_t missed = wr_doing_missed();
  if (missed) wr_dump_say(d, "  (%llu more had no entry)\n", (unsigned long long)missed);
}

bool wr_dump_thread_at(uintptr_t thread, uint64_t since, struct wr_doing_look *look) {
  for (int i = 0; i < WR_DOING_ENTRIES; i++) {
    wr_doing_look(i, look);
    bool here = look->kind != WR_DOING_NOTHING && look->thread == thread;
    if (here && look->kind != WR_DOING_WAIT && look->since >= since) return true;
  }
  return false;
}

/* ---- the pool ---- */

static bool is_full(const struct wr_pool_look *look) {
  return look->ready > 0 && look->idle == 0 && look->workers >= look->most;
}

static void tell_pool(struct wr_dump *d) {
  struct wr_pool_look look;
  wr_pool_peek(&look);
  wr_dump_say(d,
              "pool: %d workers of at most %d, %d of them idle, %d threads in their place; %u "
              "streams are ready\n",
              look.workers, look.most, look.idle, look.others, (unsigned)look.ready);
  struct blame *b = culprit(d);
  if (!is_full(&look) || !*b->text) return;
  const size_t length = strlen(b->text);
  snprintf(b->text + length, sizeof b->text - length,
           "; all %d workers are busy, and %u streams wait for one", look.workers,
           (unsigned)look.ready);
}

/* ---- the whole ---- */

static void make(struct wr_dump *d) {
  d->now = wr_clock_coarse_ns();
  d->used = 0;
  d->lost = 0;
  memset(d->blame, 0, sizeof d->blame);
  wr_dump_streams(d);
  tell_threads(d);
  wr_dump_blocking(d);
  wr_dump_reclaimer(d);
  wr_dump_requests(d);
  tell_pool(d); /* last: it adds to who is blamed */
  if (d->lost)
    snprintf(d->text + sizeof d->text - 64, 64, "\n(%llu bytes more did not fit)\n",
             (unsigned long long)d->lost);
}

/* A descriptor that does not block is waited for. */
static bool write_all(int fd, const char *text, size_t length) {
  struct pollfd room = {.fd = fd, .events = POLLOUT};
  while (length > 0) {
    const ssize_t n = write(fd, text, length);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN && poll(&room, 1, PATIENCE_MS) > 0) continue;
    if (n <= 0) return false; /* with errno */
    text += n;
    length -= (size_t)n;
  }
  return true;
}

static bool write_dump(struct wr_dump *d, int fd) {
  char head[LINE_BYTES + 64];
  const struct blame *b = culprit(d);
  snprintf(head, sizeof head, "weir: process %ld: %s\n", (long)getpid(),
           *b->text ? b->text : "nothing runs, and nothing is waited for");
  return write_all(fd, head, strlen(head)) && write_all(fd, d->text, d->used);
}

/* Acq_rel: the text is one dump's after the other. */
static bool begin(void) {
  for (int ms = 0; ms < PATIENCE_MS; ms++) {
    if (!wr_exchange_acq_rel(&making, true)) return true;
    wr_nap(1000 * 1000);
  }
  return false;
}

static void forget_in_child(void) { wr_store_relaxed(&making, false); }

WR_AT_FORK(.rank = WR_RANK_NONE, .child = forget_in_child)

enum wr_dumped wr_dump_to(int fd) {
  enum wr_dumped done = WR_DUMP_BUSY;
  int before = wr_cancel_off();
  if (begin()) {
    make(&the_dump);
    done = write_dump(&the_dump, fd) ? WR_DUMP_WRITTEN : WR_DUMP_REFUSED;
    wr_store_release(&making, false);
  }
  wr_cancel_restore(before);
  return done;
}
