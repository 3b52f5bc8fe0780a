/* E4, F14, B18: the last error of a thread, the handler and its data, handlers that do not return,
   the default handler, and a failed result used again. */

#include <pthread.h>
#include <setjmp.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "mean_cpu.h"
#include "mlx/c/mlx.h"
#include "weir/error.h"

static void fail_once(void) {
  mlx_array out = mlx_array_new();
  CHECK(mlx_abs(&out, (mlx_array){0}, (mlx_stream){0}) == 1);
  CHECK(out.ctx == NULL);
}

/* The default handler writes one line to stderr and never ends the process. */
static void default_is_one_line(void) {
  int ends[2];
  char text[512];
  CHECK(pipe(ends) == 0);
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    dup2(ends[1], STDERR_FILENO);
    fail_once();
    _exit(7);
  }
  close(ends[1]);
  ssize_t n = read(ends[0], text, sizeof text - 1);
  CHECK(n > 0);
  text[n] = '\0';
  int status;
  CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 7);
  CHECK(strstr(text, "[abs] a ") && strchr(text, '\n') == text + n - 1);
  CHECK(read(ends[0], text, 1) == 0);
  close(ends[0]);
}

struct ear {
  pthread_t thread;
  int calls;
  int ended;
  char message[256];
};

static void hear(const char *message, void *data) {
  struct ear *ear = data;
  ear->thread = pthread_self();
  ear->calls++;
  snprintf(ear->message, sizeof ear->message, "%s", message);
}

static void ear_end(void *data) { ((struct ear *)data)->ended++; }

static void handler_hears_on_the_calling_thread(void) {
  struct ear ear = {0}, other = {0};
  mlx_set_error_handler(hear, &ear, ear_end);
  fail_once();
  CHECK(ear.calls == 1 && pthread_equal(ear.thread, pthread_self()));
  CHECK(!strcmp(ear.message, weir_last_error()));
  CHECK(weir_last_status() == WEIR_ERROR_INVALID_ARGUMENT);
  mlx_set_error_handler(hear, &other, ear_end);
  CHECK(ear.ended == 1);
  _mlx_error("file.c", 12, "%s", "100%s %n");
  CHECK(other.calls == 1 && strstr(other.message, "100%s %n at file.c:12"));
  mlx_error("no %s", "more");
  CHECK(other.calls == 2 && strstr(other.message, "no more at ") &&
        strstr(other.message, "errors.c:"));
  mlx_set_error_handler(NULL, NULL, NULL);
  CHECK(other.ended == 1 && ear.ended == 1 && ear.calls == 1);
}

/* A handler may call anything, also what fails, of which it hears, and replace itself. */
static void nested(const char *message, void *data) {
  int *calls = data;
  CHECK(strstr(message, "[abs]"));
  if (++*calls == 1) fail_once();
  CHECK(strstr(message, "[abs]"));
  mlx_set_error_handler(NULL, NULL, NULL);
}

static void handler_may_call_anything(void) {
  int calls = 0;
  mlx_set_error_handler(nested, &calls, NULL);
  fail_once();
  CHECK(calls == 2 && strstr(weir_last_error(), "[abs]"));
}

/* Bindings raise their language's error in the handler, which then never returns. */
static jmp_buf caller;

static void jump(const char *message, void *data) {
  struct ear *ear = data;
  hear(message, ear);
  if (!strstr(message, "[eval]")) {
    jmp_buf outer;
    memcpy(outer, caller, sizeof outer);
    if (setjmp(caller) == 0) mlx_array_eval((mlx_array){0}); /* told too, and left too */
    memcpy(caller, outer, sizeof outer);
    hear(message, ear);
  }
  longjmp(caller, 1);
}

static void fail_in_split(void) {
  mlx_vector_array parts = {0};
  mlx_split(&parts, (mlx_array){0}, 2, 0, (mlx_stream){0});
}

static void (*const failures[])(void) = {fail_once, fail_in_split};

/* The deeper, the further from where the call before was left. */
static void fail_at(int depth, int which) {
  volatile int here = depth; /* read at the end, so that the frame is there until then */
  if (depth > 0) {
    fail_at(depth - 1, which);
  } else {
    failures[which]();
  }
  CHECK(here == depth);
}

static void jump_out(struct ear *ear, int depth, int which) {
  ear->message[0] = '\0';
  if (setjmp(caller) == 0) {
    fail_at(depth, which);
    CHECK(!"the handler was called");
  }
  CHECK(strstr(ear->message, which ? "[split]" : "[abs]"));
}

static void *jump_and_end(void *ear) {
  jump_out(ear, 3, 0);
  return NULL;
}

static void handler_may_leave_by_a_jump(void) {
  struct ear ear = {0};
  pthread_t thread;
  mlx_set_error_handler(jump, &ear, ear_end);
  for (int depth = 0; depth < 10; depth++) jump_out(&ear, depth, depth % 2);
  for (int depth = 10; depth-- > 0;) jump_out(&ear, depth, depth % 2);
  CHECK(pthread_create(&thread, NULL, jump_and_end, &ear) == 0);
  pthread_join(thread, NULL);
  CHECK(ear.ended == 0);
  mlx_set_error_handler(NULL, NULL, NULL);
  CHECK(ear.ended == 1);
}

static void quiet(const char *message, void *data) {
  (void)message;
  (void)data;
}

static void *other_thread(void *unused) {
  CHECK(!strcmp(weir_last_error(), "") && weir_last_status() == WEIR_OK);
  return unused;
}

static void threads_have_their_own(void) {
  pthread_t thread;
  fail_once();
  CHECK(pthread_create(&thread, NULL, other_thread, NULL) == 0);
  pthread_join(thread, NULL);
  CHECK(strstr(weir_last_error(), "[abs]"));
}

/* F14: shapes that do not fit, then the empty result in further calls. */
static void failed_results_fail_again(void) {
  float data[6] = {0};
  mlx_array a = mlx_array_new_data(data, (int[]){2, 3}, 2, MLX_FLOAT32);
  mlx_array b = mlx_array_new_data(data, (int[]){6}, 1, MLX_FLOAT32);
  mlx_array c = mlx_array_new(), d = mlx_array_new();
  float f;
  CHECK(mlx_add(&c, a, b, (mlx_stream){0}) == 1);
  CHECK(!strncmp(weir_last_error(), "[broadcast_shapes] Shapes (2,3) and (6) cannot be broadcast.",
                 58) &&
        strstr(weir_last_error(), "(2,3)"));
  for (int i = 0; i < 20; i++) CHECK(mlx_multiply(&d, c, a, (mlx_stream){0}) == 1);
  CHECK(mlx_array_eval(c) == 1 && mlx_array_item_float32(&f, c) == 1);
  CHECK(mlx_array_data_float32(c) == NULL && mlx_array_size(c) == 0);
  CHECK(mlx_add(&c, a, a, (mlx_stream){0}) == 0 && mlx_array_eval(c) == 0);
  mlx_array_free(d);
  mlx_array_free(c);
  mlx_array_free(b);
  mlx_array_free(a);
}

int main(void) {
  mean_cpu();
  default_is_one_line();
  handler_hears_on_the_calling_thread();
  handler_may_call_anything();
  handler_may_leave_by_a_jump();
  mlx_set_error_handler(quiet, NULL, NULL);
  threads_have_their_own();
  failed_results_fail_again();
  return 0;
}
