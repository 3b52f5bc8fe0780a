/* R1, R2, R9: requests as their callers see them. A stall stands in for a long command. */

#include "api/api.h"
#include "fixtures.h"
#include "graph/internal.h"
#include "in_request.h"
#include "median.h"

static mlx_stream stream;

static bool is_cancelled(int rc) { return rc == 1 && weir_last_status() == WEIR_ERROR_CANCELLED; }

static uint64_t queued_on(mlx_stream s) {
  weir_stream_stats_t stats;
  CHECK(weir_stream_stats(&stats, s) == 0);
  return stats.queued + stats.running;
}

/* ---- R2 ---- */

/* What has not begun leaves its queue at once, though something long runs before it, and is lazy:
   the same array is forced afterwards, by others. Its inputs are as they were. */
static void taken_back_and_forced_again(void) {
  struct stall stall;
  weir_request r = weir_request_new();
  int ended = 0;
  stall_begin(&stall, stream);
  mlx_array first = probe(&ended), one = mlx_array_new_float(1), sum = another(first);
  for (int i = 0; i < 100; i++) add_to(&sum, one, stream);
  CHECK(submit_in(r, sum) == 0);
  CHECK(stats_of(r).queued > 0 && stats_of(r).begun == 0);
  CHECK(weir_request_cancel(r) == 0);
  CHECK(stats_of(r).queued == 0 && stats_of(r).taken_back > 0 && stats_of(r).begun == 0);
  CHECK(queued_on(stream) == 0);
  CHECK(!available(sum));
  CHECK(is_cancelled(submit_in(r, sum)));
  CHECK(weir_request_cancel(r) == 0);
  stall_end(&stall);
  CHECK(mlx_array_data_float32(sum)[3] == 104);
  CHECK(weir_request_cancel(r) == 0); /* after everything is done */
  CHECK(submit_in(r, sum) == 0);      /* nothing to wait for */
  CHECK(weir_request_free(r) == 0);
  mlx_array_free(first);
  mlx_array_free(sum);
  mlx_array_free(one);
  CHECK(becomes(&ended, 1));
}

/* Elementwise commands are one then: drawn as what they compute, not as the last of them alone. */
static void drawn(void) {
  struct stall stall;
  char *text = NULL;
  size_t bytes;
  mlx_array x = floats(10000, 4), y = mlx_array_new();
  weir_request r = weir_request_new();
  stall_begin(&stall, stream);
  CHECK(mlx_abs(&y, x, stream) == 0 && mlx_sqrt(&y, y, stream) == 0);
  CHECK(submit_in(r, y) == 0 && weir_request_cancel(r) == 0);
  CHECK(stats_of(r).taken_back == 1);
  mlx_vector_array outputs = mlx_vector_array_new_value(y);
  mlx_node_namer namer = mlx_node_namer_new();
  FILE *os = open_memstream(&text, &bytes);
  CHECK(os && mlx_export_to_dot(os, namer, outputs) == 0 && fclose(os) == 0);
  CHECK(mlx_node_namer_free(namer) == 0);
  CHECK(strstr(text, "\"CompiledAbsSqrt\""));
  free(text);
  mlx_vector_array_free(outputs);
  stall_end(&stall);
  mlx_array_free(x);
  mlx_array_free(y);
  CHECK(weir_request_free(r) == 0);
}

/* Nothing of what was taken back stays alive: arrays, stream, the user's buffer. */
static void freed_when_taken_back(void) {
  struct stall stall;
  weir_request r = weir_request_new();
  const size_t before = live_streams();
  int ended = 0;
  mlx_stream s = new_stream(), other = new_stream();
  stall_begin(&stall, stream);
  mlx_array late = chain(1, 1, stream), sum = probe(&ended);
  CHECK(submit(late) == 0);
  add_to(&sum, late, s); /* s is suspended, other too */
  CHECK(submit_in(r, sum) == 0);
  add_to(&sum, late, other);
  CHECK(submit_in(r, sum) == 0);
  mlx_array_free(sum);
  mlx_array_free(late);
  mlx_stream_free(s);
  mlx_stream_free(other);
  CHECK(weir_request_free(r) == 0); /* while its work is in flight */
  weir_request again = weir_request_new();
  CHECK(weir_request_cancel(again) == 0);
  CHECK(weir_request_free(again) == 0);
  stall_end(&stall);
  CHECK(becomes(&ended, 1));
  CHECK(streams_become(before));
}

/* K9: a stream that was blocked on the request's behalf goes on with what stands behind. */
static void blocked_stream_goes_on(void) {
  struct stall stall;
  weir_request r = weir_request_new();
  mlx_stream s = new_stream();
  stall_begin(&stall, stream);
  mlx_array late = chain(1, 1, stream), blocked = mlx_array_new(), behind = chain(2, 2, s);
  CHECK(submit(late) == 0);
  CHECK(mlx_add(&blocked, late, late, s) == 0);
  CHECK(submit_in(r, blocked) == 0);
  CHECK(submit(behind) == 0);
  CHECK(weir_request_cancel(r) == 0);
  CHECK(float_of(behind) == 4);
  CHECK(!available(late) && !available(blocked));
  stall_end(&stall);
  CHECK(float_of(blocked) == 4);
  mlx_array_free(blocked);
  mlx_array_free(behind);
  mlx_array_free(late);
  mlx_stream_free(s);
  CHECK(weir_request_free(r) == 0);
}

/* What others need stays, with all that it needs: of another request, and of none. */
static void needed_by_others(void) {
  struct stall stall;
  weir_request a = weir_request_new(), b = weir_request_new();
  mlx_stream s = new_stream();
  stall_begin(&stall, stream);
  mlx_array shared = chain(1, 3, stream), mine = mlx_array_new(), theirs = mlx_array_new();
  CHECK(mlx_add(&mine, shared, shared, stream) == 0);
  CHECK(mlx_multiply(&theirs, shared, shared, s) == 0);
  CHECK(submit_in(a, mine) == 0);
  CHECK(submit_in(b, theirs) == 0);
  CHECK(weir_request_cancel(a) == 0);
  CHECK(stats_of(a).taken_back == 1 && stats_of(a).queued > 0);
  stall_end(&stall);
  CHECK(float_of(theirs) == 16);
  CHECK(available(shared) && !available(mine));
  CHECK(stats_of(b).begun == 1 && stats_of(b).taken_back == 0);
  CHECK(float_of(mine) == 8);
  CHECK(weir_request_free(a) == 0);
  CHECK(weir_request_free(b) == 0);
  mlx_array_free(shared);
  mlx_array_free(mine);
  mlx_array_free(theirs);
  mlx_stream_free(s);
}

/* Calls that wait return, each with the error; those outside go on. */
static weir_request waited;
static mlx_array wanted;
static int woken;
static double woken_at[5], cancelled_at;

static void wait_inside(int i) {
  CHECK(weir_request_enter(waited) == 0);
  weir_event event = weir_event_new();
  CHECK(weir_event_record(event, stream) == 0);
  __atomic_add_fetch(&woken, 1, __ATOMIC_ACQ_REL);
  float value = 0;
  int rc = i == 0   ? mlx_array_eval(wanted)
           : i == 1 ? mlx_array_item_float32(&value, wanted)
           : i == 2 ? mlx_synchronize(stream)
           : i == 3 ? weir_stream_wait(stream, INT64_MAX)
                    : weir_event_synchronize(event, INT64_MAX);
  woken_at[i] = seconds_now();
  CHECK(is_cancelled(rc) && strstr(weir_last_error(), "\"lunch\""));
  CHECK(weir_request_leave() == 0);
  CHECK(weir_event_free(event) == 0);
}

static void *cancel_soon(void *arg) {
  (void)arg;
  CHECK(becomes(&woken, 5));
  usleep(20000);
  cancelled_at = seconds_now();
  CHECK(weir_request_cancel(waited) == 0);
  return NULL;
}

enum { MOST_RUNS = 500 };
static double late[5][MOST_RUNS];
static size_t n_late;

static void waits_return(void) {
  struct stall stall;
  waited = weir_request_new();
  CHECK(weir_request_set_label(waited, "lunch") == 0);
  stall_begin(&stall, stream);
  wanted = chain(1, 5, stream);
  pthread_t canceller = start_thread(cancel_soon, NULL);
  run_threads(5, wait_inside);
  pthread_join(canceller, NULL);
  for (int i = 0; i < 5; i++) late[i][n_late] = woken_at[i] - cancelled_at;
  n_late++;
  stall_end(&stall);
  CHECK(float_of(wanted) == 6);
  mlx_array_free(wanted);
  CHECK(weir_request_free(waited) == 0);
}

/* in_time.c has how soon; here it is that nobody of them only looks now and then. */
static void were_woken(void) {
  for (int i = 0; i < 5; i++) CHECK(median(late[i], n_late) < 0.2);
}

/* What another planner has claimed, and not submitted yet, is waited for no longer than the request
   lasts. The planner here comes to submit it only afterwards. */
static void *force_inside(void *arg) {
  CHECK(weir_request_enter(waited) == 0);
  CHECK(is_cancelled(arg ? submit(wanted) : mlx_array_eval(wanted)));
  CHECK(weir_request_leave() == 0);
  return NULL;
}

static void foreign_claim(void) {
  waited = weir_request_new();
  wanted = chain(1, 5, stream);
  struct wr_error *error = NULL;
  struct wr_node *node = wr_api_array(wanted, "wanted", &error);
  CHECK(node && !error);
  struct wr_plan plan;
  wr_plan_make(&plan, &node, 1);
  pthread_t threads[2];
  for (int i = 0; i < 2; i++) threads[i] = start_thread(force_inside, i ? &waited : NULL);
  usleep(2000);
  CHECK(weir_request_cancel(waited) == 0);
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  wr_plan_submit(&plan, true);
  CHECK(float_of(wanted) == 6);
  mlx_array_free(wanted);
  CHECK(weir_request_free(waited) == 0);
}

/* ---- R1 ---- */

static void nested(void) {
  weir_request a = weir_request_new(), b = weir_request_new();
  mlx_array x = chain(1, 2, stream), y = chain(2, 2, stream), z = chain(3, 3, stream);
  CHECK(weir_request_leave() == 1 && weir_last_status() == WEIR_ERROR_STATE);
  CHECK(weir_request_enter(a) == 0);
  CHECK(weir_request_enter(b) == 0);
  CHECK(weir_request_cancel(a) == 0); /* what is done here is b's */
  CHECK(mlx_array_eval(x) == 0);
  CHECK(weir_request_enter(b) == 0);
  CHECK(weir_request_leave() == 0);
  CHECK(weir_request_leave() == 0);
  CHECK(is_cancelled(mlx_array_eval(y)));
  CHECK(mlx_array_eval(x) == 0); /* over: it does not wait */
  CHECK(weir_request_leave() == 0);
  CHECK(mlx_array_eval(y) == 0);
  CHECK(weir_request_cancel(b) == 0);
  CHECK(mlx_array_eval(z) == 0);
  CHECK(stats_of(a).begun == 0 && stats_of(b).begun > 0);
  CHECK(weir_request_free(a) == 0);
  CHECK(weir_request_free(b) == 0);
  mlx_array_free(x);
  mlx_array_free(y);
  mlx_array_free(z);
}

/* Outside of any request nothing knows of those that there are: an ended one stops nobody, and none
   counts what is done. */
static void outside(void) {
  weir_request ended = weir_request_new(), open = weir_request_new();
  CHECK(weir_request_cancel(ended) == 0);
  mlx_array x = floats(4, 1), y = mlx_array_new();
  CHECK(mlx_add(&y, x, x, stream) == 0 && mlx_array_eval(y) == 0);
  const weir_request_stats_t of_ended = stats_of(ended), of_open = stats_of(open);
  CHECK(of_ended.begun == 0 && of_open.begun == 0);
  mlx_array_free(x);
  mlx_array_free(y);
  CHECK(weir_request_free(ended) == 0);
  CHECK(weir_request_free(open) == 0);
}

static void names(void) {
  char label[300];
  const uint8_t id[16] = {1, 2, 3};
  uint8_t got[16] = {9};
  weir_request r = weir_request_new();
  memset(label, 'x', sizeof label);
  label[256] = '\0';
  CHECK(weir_request_trace_id(got, r) == 0 && got[0] == 0);
  CHECK(weir_request_set_trace_id(r, id) == 0);
  CHECK(weir_request_trace_id(got, r) == 0 && !memcmp(id, got, 16));
  CHECK(weir_request_set_label(r, label) == 1);
  CHECK(weir_last_status() == WEIR_ERROR_INVALID_ARGUMENT);
  label[255] = '\0';
  CHECK(weir_request_set_label(r, label) == 0);
  CHECK(weir_request_set_label(r, NULL) == 0);
  CHECK(weir_request_free(r) == 0);
  CHECK(weir_request_free((weir_request){0}) == 0);
}

/* A thread that ends inside leaves. */
static void *end_inside(void *arg) {
  CHECK(weir_request_enter(*(weir_request *)arg) == 0);
  return NULL;
}

/* From a callback, which is inside nothing, whatever its thread did before. */
static int called;
static void cancel_here(void *arg) {
  mlx_array x = chain(1, 2, stream);
  CHECK(weir_request_leave() == 1);
  CHECK(weir_request_enter(*(weir_request *)arg) == 0);
  CHECK(weir_request_cancel(*(weir_request *)arg) == 0);
  CHECK(is_cancelled(mlx_array_eval(x)));
  mlx_array_free(x);
  probe_count(&called); /* still inside */
}

static void from_callbacks(void) {
  weir_request r = weir_request_new();
  run_one(end_inside, &r);
  for (int i = 0; i < 2; i++) CHECK(weir_stream_on_idle(stream, cancel_here, &r) == 0);
  CHECK(becomes(&called, 2));
  CHECK(weir_request_free(r) == 0);
}

/* K11: in the child what was in flight is computed anew, in the request too. */
static weir_request inherited;
static mlx_array in_flight;

static void child(void) {
  mlx_stream s = new_stream();
  mlx_array x = chain(1, 4, s), y = chain(2, 2, s);
  CHECK(stats_of(inherited).queued == 0);
  CHECK(float_of(in_flight) == 6);
  CHECK(submit_in(inherited, x) == 0);
  CHECK(float_of(x) == 5);
  CHECK(weir_request_cancel(inherited) == 0);
  CHECK(is_cancelled(submit_in(inherited, y)));
  CHECK(float_of(y) == 4);
  _exit(42);
}

static void forked(void) {
  struct stall stall;
  inherited = weir_request_new();
  mlx_stream s = new_stream();
  stall_begin(&stall, s);
  in_flight = chain(1, 5, s);
  CHECK(submit_in(inherited, in_flight) == 0);
  CHECK(in_child(child, 60) == 42);
  CHECK(stats_of(inherited).queued > 0);
  CHECK(weir_request_cancel(inherited) == 0);
  stall_end(&stall);
  CHECK(float_of(in_flight) == 6);
  mlx_array_free(in_flight);
  mlx_stream_free(s);
  CHECK(weir_request_free(inherited) == 0);
}

int main(void) {
  mean_cpu();
  stream = new_stream();
  mlx_set_error_handler(quiet, NULL, NULL);
  if (!SANITIZED) forked();
  for (int i = 0; i < times(20, MOST_RUNS); i++) {
    taken_back_and_forced_again();
    freed_when_taken_back();
    blocked_stream_goes_on();
    needed_by_others();
    woken = 0;
    waits_return();
    foreign_claim();
    nested();
  }
  were_woken();
  names();
  outside();
  drawn();
  from_callbacks();
  mlx_stream_free(stream);
  return 0;
}
