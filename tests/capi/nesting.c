/* E4, K10, P12: failures inside error handlers. Handlers that fail each time, that are left by
   longjmp at any depth, that switch to another stack and come back or do not, on stacks that are
   freed. What could run for ever runs in a child with a limit. Built without unwind tables. */

#include <setjmp.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "programs.h"

enum { STACK = 64 << 10, LARGE = 8 * STACK, CONTEXTS = 24, DEPTH = 8 };

static int calls;
static jmp_buf back;

static void fail_once(void) {
  mlx_array out = mlx_array_new();
  CHECK(mlx_abs(&out, (mlx_array){0}, (mlx_stream){0}) == 1);
}

static void fail_again(const char *message, void *data) {
  (void)data;
  CHECK(strstr(message, "[abs] a "));
  calls++;
  fail_once();
  CHECK(strstr(message, "[abs] a ")); /* the text lives until the handler returns */
}

static void always_fails(void) {
  mlx_set_error_handler(fail_again, NULL, NULL);
  for (int i = 0; i < 3; i++) {
    calls = 0;
    fail_once();
    CHECK(calls == DEPTH && strstr(weir_last_error(), "[abs]"));
  }
}

/* The same on a thread's smallest stack. */
static void *fails_on_a_small_stack(void *unused) {
  always_fails();
  return unused;
}

static void small_stack(void) { run_on_small_stack(fails_on_a_small_stack, NULL); }

static void jump(const char *message, void *data) {
  (void)message;
  (void)data;
  calls++;
  longjmp(back, 1);
}

static void fail_below(int frames) {
  volatile char room[512];
  memset((void *)room, frames, sizeof room);
  if (frames > 0) {
    fail_below(frames - 1);
  } else {
    fail_once();
  }
  CHECK(room[0] == (char)frames);
}

/* Each deeper than the one before, so that no address says that those were left. */
static void left_deeper_and_deeper(void) {
  mlx_set_error_handler(jump, NULL, NULL);
  calls = 0;
  for (volatile int i = 0; i < 60; i++) {
    if (setjmp(back) == 0) fail_below(i);
    CHECK(calls == i + 1);
  }
  for (volatile int i = 0; i < 1000; i++) {
    if (setjmp(back) == 0) fail_below(i % 7);
  }
  CHECK(calls == 1060);
}

/* The failure inside the deepest call of a handler leaves all of them. */
static void deep_and_out(const char *message, void *data) {
  (void)message;
  (void)data;
  if (++calls % DEPTH == 0) longjmp(back, 1);
  fail_once();
}

static void left_from_the_deepest(void) {
  mlx_set_error_handler(deep_and_out, NULL, NULL);
  calls = 0;
  for (volatile int i = 0; i < 100; i++) {
    if (setjmp(back) == 0) fail_below(i % 5);
    CHECK(calls == DEPTH * (i + 1));
  }
}

/* ---- other stacks ---- */

static ucontext_t home, contexts[CONTEXTS];
static int running;

static void switch_away(const char *message, void *data) {
  (void)data;
  calls++;
  swapcontext(&contexts[running], &home);
  CHECK(strstr(message, "[abs] a "));
}

static void context_main(void) {
  fail_once();
  swapcontext(&contexts[running], &home);
}

static void begin_with(int i, char *stack, size_t bytes, void (*fn)(void)) {
  CHECK(getcontext(&contexts[i]) == 0);
  contexts[i].uc_stack.ss_sp = stack;
  contexts[i].uc_stack.ss_size = bytes;
  contexts[i].uc_link = &home;
  makecontext(&contexts[i], fn, 0);
  running = i;
  swapcontext(&home, &contexts[i]);
}

static void begin(int i, char *stack) { begin_with(i, stack, STACK, context_main); }

/* More coroutines than the depth wait inside their handlers, on stacks side by side; each was told,
   and each goes on, in any order. */
static void many_wait_in_their_handlers(void) {
  char *stacks = malloc((size_t)CONTEXTS * STACK);
  CHECK(stacks != NULL);
  mlx_set_error_handler(switch_away, NULL, NULL);
  calls = 0;
  for (int i = 0; i < CONTEXTS; i++) {
    int at = i % 2 ? CONTEXTS - i : i; /* above and below the one before */
    begin(at, stacks + (size_t)at * STACK);
  }
  CHECK(calls == CONTEXTS);
  for (int i = 0; i < CONTEXTS; i++) {
    running = (i * 7) % CONTEXTS;
    swapcontext(&home, &contexts[running]);
  }
  CHECK(calls == CONTEXTS);
  free(stacks);
}

/* Left for good, and the stack is gone. */
static void stacks_are_freed(void) {
  mlx_set_error_handler(switch_away, NULL, NULL);
  calls = 0;
  for (int i = 0; i < 200; i++) {
    char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(stack != MAP_FAILED);
    begin(0, stack);
    CHECK(calls == i + 1 && munmap(stack, STACK) == 0);
  }
}

/* With much on the stack, between a call of it and the next. */
static void fail_far_below(const char *message, void *data) {
  volatile char room[24 << 10];
  room[0] = message[0];
  fail_again(message, data);
  CHECK(room[0] == message[0]);
}

static void fails_on_a_context(void) {
  static char stack[LARGE];
  mlx_set_error_handler(fail_again, NULL, NULL);
  calls = 0;
  begin(0, stack + LARGE - STACK);
  CHECK(calls == DEPTH);
  mlx_set_error_handler(fail_far_below, NULL, NULL);
  calls = 0;
  begin_with(0, stack, LARGE, context_main);
  CHECK(calls == DEPTH);
}

/* A fiber that lives long, and whose failures come from many depths. */
static void up_and_down(void) {
  calls = 0;
  for (volatile int i = 0; i < 300; i++) {
    if (setjmp(back) == 0) fail_below(19 - i % 20);
    CHECK(calls == i + 1);
  }
}

static void left_on_a_context(void) {
  static char stack[LARGE];
  mlx_set_error_handler(jump, NULL, NULL);
  begin_with(0, stack, LARGE, up_and_down);
  CHECK(calls == 300);
}

/* The data of a handler that was left lives until that is known, and no longer. */
static int ended;
static void end(void *data) { ended += data != NULL; }

static void data_ends_once(void) {
  mlx_set_error_handler(jump, &calls, end);
  for (volatile int i = 0; i < 20; i++) {
    if (setjmp(back) == 0) fail_below(i);
  }
  mlx_set_error_handler(quiet, NULL, NULL);
  fail_once();
  CHECK(ended == 1);
}

int main(void) {
  static void (*const programs[])(void) = {
      always_fails,     small_stack,        left_deeper_and_deeper, left_from_the_deepest,
      stacks_are_freed, fails_on_a_context, left_on_a_context,      many_wait_in_their_handlers,
      data_ends_once};
  for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
    int status = in_child(programs[i], SANITIZED ? 60 : 20);
    if (status != 0) fprintf(stderr, "program %d: status %d\n", (int)i, status);
    CHECK(status == 0);
  }
  return 0;
}
