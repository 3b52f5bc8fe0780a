/* The places of open calls of error handlers, and what they prove (nesting.h has the argument). No
   locks. */

#include "api/nesting.h"

#include <pthread.h>
#include <string.h>

#include "base/lock.h"

/* The bounds of the thread's own stack. Asked once a thread, and only where calls were open or left
   when it failed: for a process's first thread the C library reads a file for it. When that is
   refused, the stack passes for one of the program's, and the next failure asks again. */
static void find_stack(struct wr_nesting *n) {
  pthread_attr_t attr;
  void *low;
  size_t size;
  if (n->stack_high != 0) return;
  int before = wr_cancel_off();
  if (pthread_getattr_np(pthread_self(), &attr) == 0) {
    if (pthread_attr_getstack(&attr, &low, &size) == 0) {
      n->stack_low = (uintptr_t)low;
      n->stack_high = n->stack_low + size;
    }
    pthread_attr_destroy(&attr);
  }
  wr_cancel_restore(before);
}

static bool on_own_stack(const struct wr_nesting *n, uintptr_t frame) {
  return frame >= n->stack_low && frame < n->stack_high;
}

/* Of a frame above the caller's own, on the same stack. Sanitizers would say, rightly, that there
   may be no such object any more. */
__attribute__((noinline, no_sanitize("address", "thread", "undefined"))) static bool is_written(
    uintptr_t frame) {
  const volatile struct wr_nesting_frame *f = (const struct wr_nesting_frame *)frame;
  return f->above == frame && f->below == frame;
}

static void take_out(struct wr_nesting *n, size_t i) {
  n->count--;
  memmove(&n->calls[i], &n->calls[i + 1], (n->count - i) * sizeof n->calls[0]);
}

/* Whether the call has been left for sure, by what the new frame proves. */
static bool was_left(const struct wr_nesting *n, const struct wr_nesting_call *call,
                     uintptr_t frame) {
  if (!on_own_stack(n, frame) || !on_own_stack(n, call->frame)) return call->frame == frame;
  return call->frame <= frame || !is_written(call->frame);
}

/* `end` may fail itself, and so change the list: what was looked at stays behind. */
static void end_left(struct wr_nesting *n, uintptr_t frame, void (*end)(void *handler)) {
  for (size_t i = n->count; i-- > 0;) {
    if (i >= n->count) continue;
    struct wr_nesting_call call = n->calls[i];
    if (!was_left(n, &call, frame)) continue;
    take_out(n, i);
    end(call.handler);
  }
}

static int depth_on_own_stack(const struct wr_nesting *n) {
  int depth = 0;
  for (size_t i = 0; i < n->count; i++) depth += on_own_stack(n, n->calls[i].frame);
  return depth;
}

/* Frames at most a hop apart, the one above the other. */
static bool is_next(uintptr_t below, uintptr_t above) {
  return above > below && above - below < WR_NESTING_HOP;
}

/* The nearest open call above, or none: UINTPTR_MAX. */
static uintptr_t next_above(const struct wr_nesting *n, uintptr_t at) {
  uintptr_t next = UINTPTR_MAX;
  for (size_t i = 0; i < n->count; i++) {
    uintptr_t other = n->calls[i].frame;
    bool open = n->calls[i].counts && !on_own_stack(n, other);
    if (open && is_next(at, other) && other < next) next = other;
  }
  return next;
}

static int depth_elsewhere(struct wr_nesting *n, uintptr_t frame) {
  int depth = 0;
  for (size_t i = 0; i < n->count; i++) {
    if (is_next(n->calls[i].frame, frame)) n->calls[i].counts = false;
  }
  for (uintptr_t at = next_above(n, frame); at != UINTPTR_MAX; at = next_above(n, at)) depth++;
  return depth;
}

bool wr_nesting_enter(struct wr_nesting *n, uintptr_t frame, void (*end)(void *handler)) {
  if (n->count == 0) return true;
  find_stack(n);
  end_left(n, frame, end);
  int depth = on_own_stack(n, frame) ? depth_on_own_stack(n) : depth_elsewhere(n, frame);
  return depth < WR_NESTING_DEPTH;
}

void wr_nesting_open(struct wr_nesting *n, struct wr_nesting_frame *frame, const char *text,
                     void *handler) {
  size_t length = strnlen(text, sizeof frame->text - 1);
  frame->above = frame->below = (uintptr_t)frame;
  memcpy(frame->text, text, length);
  memset(frame->text + length, 0, sizeof frame->text - length);
  if (n->count == WR_NESTING_KEPT) take_out(n, 0);
  n->calls[n->count++] =
      (struct wr_nesting_call){.frame = (uintptr_t)frame, .handler = handler, .counts = true};
}

void *wr_nesting_close(struct wr_nesting *n, struct wr_nesting_frame *frame) {
  for (size_t i = n->count; i-- > 0;) {
    if (n->calls[i].frame != (uintptr_t)frame) continue;
    void *handler = n->calls[i].handler;
    take_out(n, i);
    return handler;
  }
  return NULL;
}

void wr_nesting_end(struct wr_nesting *n, void (*end)(void *handler)) {
  if (n->count != 0) find_stack(n);
  for (size_t i = 0; i < n->count; i++) {
    if (on_own_stack(n, n->calls[i].frame)) end(n->calls[i].handler);
  }
  n->count = 0;
}
