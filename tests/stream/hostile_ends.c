/* The end of threads, in every order with the user's own thread-local destructors, and small rules
   that nobody should have to remember: bad input to functions around the stream. K7, H1, W2, W3. */

#include "fixtures.h"

/* ---- thread-local destructors ---- */

enum { KEYS = 8 };
static pthread_key_t keys[KEYS];
static int rounds;

/* Uses all of the library at the end of a thread, whatever of it is gone already, and asks to be
   called again, twice: the system makes four rounds, of which the library needs one after them, and
   a sanitizer the last for itself. */
static void use_at_the_end(void *arg) {
  int *calls = arg;
  mlx_array a = chain(0, 5, (mlx_stream){0}), empty = mlx_array_new(), bits = mlx_array_new();
  int n = 1000;
  CHECK(float_of(a) == 5);
  CHECK(mlx_array_eval(empty) == 1 && weir_last_error()[0] != '\0');
  CHECK(mlx_random_bits(&bits, &n, 1, 4, (mlx_array){0}, (mlx_stream){0}) == 0);
  CHECK(submit(bits) == 0);
  mlx_array_free(bits);
  mlx_array_free(a);
  probe_count(&rounds);
  if (++*calls <= (SANITIZED ? 1 : 2) * KEYS) {
    for (int i = 0; i < KEYS; i++) CHECK(pthread_setspecific(keys[i], calls) == 0);
  }
}

static void *set_all_keys(void *arg) {
  mlx_array a = chain(0, 5, (mlx_stream){0});
  for (int i = 0; i < KEYS; i++) CHECK(pthread_setspecific(keys[i], arg) == 0);
  CHECK(float_of(a) == 5);
  mlx_array_free(a);
  return NULL;
}

/* One key from before the library's own, the others from after. */
static void k7_destructors_at_the_end(void) {
  int calls[64] = {0};
  size_t before = live_streams();
  for (int i = 1; i < KEYS; i++) CHECK(pthread_key_create(&keys[i], use_at_the_end) == 0);
  for (int i = 0; i < 64; i++) run_one(set_all_keys, &calls[i]);
  CHECK(count_of(&rounds) > 64 * KEYS);
  for (int i = 0; i < KEYS; i++) CHECK(pthread_key_delete(keys[i]) == 0);
  CHECK(streams_become(before));
}

/* A last array, and with it a user's destructor, that goes at the very end. */
static pthread_key_t last_key;
static int probes;

static void free_last(void *arg) { mlx_array_free((mlx_array){arg}); }

static void *keep_a_probe(void *arg) {
  CHECK(pthread_setspecific(last_key, probe(&probes).ctx) == 0);
  return arg;
}

static void k10_destructor_at_the_end(void) {
  CHECK(pthread_key_create(&last_key, free_last) == 0);
  for (int i = 1; i <= 100; i++) {
    run_one(keep_a_probe, NULL);
    CHECK(becomes(&probes, i));
  }
  CHECK(pthread_key_delete(last_key) == 0);
}

/* ---- bad input ---- */

static void label_of_ten_megabytes(void) {
  size_t bytes = 10 << 20;
  char *label = malloc(bytes + 1);
  CHECK(label != NULL);
  memset(label, 'x', bytes);
  label[bytes] = '\0';
  mlx_stream s = new_stream();
  CHECK(weir_stream_set_label(s, label) == 1);
  CHECK(weir_last_status() == WEIR_ERROR_INVALID_ARGUMENT);
  CHECK(weir_stream_set_label(s, "%s%n") == 0);
  mlx_array bad = failing(s);
  CHECK(mlx_array_eval(bad) == 1);
  CHECK(strstr(weir_last_error(), "%s%n") != NULL);
  mlx_array_free(bad);
  CHECK(weir_stream_set_label(s, NULL) == 0);
  mlx_stream_free(s);
  free(label);
}

static void negative_timeouts(void) {
  mlx_stream s = new_stream();
  weir_event e = weir_event_new();
  CHECK(weir_stream_wait(s, -1) == 1 && weir_last_status() == WEIR_ERROR_INVALID_ARGUMENT);
  CHECK(weir_event_record(e, s) == 0);
  CHECK(weir_event_synchronize(e, -1) == 1);
  CHECK(weir_event_synchronize(e, INT64_MIN) == 1);
  CHECK(weir_event_synchronize(e, INT64_MAX) == 0);
  CHECK(weir_stream_wait(s, INT64_MAX) == 0);
  weir_event_free(e);
  mlx_stream_free(s);
}

static void events_before_they_are_recorded(void) {
  bool done = true;
  int64_t ns = 0;
  mlx_stream s = new_stream();
  weir_event e = weir_event_new();
  CHECK(weir_event_query(&done, e) == 1 && weir_last_status() == WEIR_ERROR_STATE);
  CHECK(weir_event_synchronize(e, INT64_MAX) == 1 && weir_last_status() == WEIR_ERROR_STATE);
  CHECK(weir_event_wait(e, s) == 1 && weir_last_status() == WEIR_ERROR_STATE);
  CHECK(weir_event_elapsed(&ns, e, e) == 1 && weir_last_status() == WEIR_ERROR_STATE);
  CHECK(weir_event_free((weir_event){0}) == 0);
  CHECK(weir_event_record((weir_event){0}, s) == 1);
  weir_event_free(e);
  mlx_stream_free(s);
}

/* A stream waits for an event that stands on itself, and two for each other's in turn. */
static void events_in_circles(void) {
  mlx_stream a = new_stream(), b = new_stream();
  weir_event e = weir_event_new(), f = weir_event_new();
  for (int i = 0; i < 200; i++) {
    mlx_array x = chain(0, 5, a), y = chain(0, 5, b);
    CHECK(submit(x) == 0);
    CHECK(weir_event_record(e, a) == 0 && weir_event_wait(e, a) == 0);
    CHECK(weir_event_wait(e, b) == 0 && submit(y) == 0);
    CHECK(weir_event_record(f, b) == 0 && weir_event_wait(f, a) == 0);
    CHECK(weir_event_record(e, a) == 0);
    if (i % 3 == 0) CHECK(weir_event_synchronize(e, INT64_MAX) == 0 && available(y));
    mlx_array_free(x);
    mlx_array_free(y);
  }
  weir_event_free(e); /* with waits for it in the queues */
  weir_event_free(f);
  CHECK(mlx_synchronize(a) == 0 && mlx_synchronize(b) == 0);
  mlx_stream_free(a);
  mlx_stream_free(b);
}

/* ---- events and callbacks of many threads ---- */

static weir_event shared_event;
static mlx_stream shared_stream;
static int called;

static void note_idle(void *arg) {
  mlx_stream s = new_stream();
  CHECK(mlx_synchronize(s) == 0 && mlx_synchronize(shared_stream) == 0);
  mlx_stream_free(s);
  probe_count(arg);
}

static void record_and_wait(int i) {
  bool done = false;
  mlx_stream own = new_stream();
  for (int k = 0; k < 100; k++) {
    mlx_array a = chain((float)i, 10, own);
    CHECK(weir_event_wait(shared_event, own) == 0);
    CHECK(submit(a) == 0);
    CHECK(weir_event_record(shared_event, k % 2 ? own : shared_stream) == 0);
    CHECK(weir_event_query(&done, shared_event) == 0);
    if (k % 10 == 0) CHECK(weir_stream_on_idle(own, note_idle, &called) == 0);
    if (k % 4 == 0) CHECK(weir_event_synchronize(shared_event, INT64_MAX) == 0);
    if (k % 4 == 1) (void)weir_event_synchronize(shared_event, 1000);
    if (k % 4 == 2) (void)weir_stream_wait(shared_stream, 1000);
    CHECK(float_of(a) == (float)i + 10);
    mlx_array_free(a);
  }
  mlx_stream_free(own);
}

static void w2_events_of_many_threads(void) {
  size_t before = live_streams();
  shared_stream = new_stream();
  shared_event = weir_event_new();
  CHECK(weir_event_record(shared_event, shared_stream) == 0);
  run_threads(many(16), record_and_wait);
  CHECK(becomes(&called, many(16) * 10));
  weir_event_free(shared_event);
  CHECK(mlx_synchronize(shared_stream) == 0);
  mlx_stream_free(shared_stream);
  CHECK(streams_become(before));
}

int main(void) {
  mean_cpu();
  CHECK(pthread_key_create(&keys[0], use_at_the_end) == 0);
  mlx_set_error_handler(quiet, NULL, NULL);
  k7_destructors_at_the_end();
  k10_destructor_at_the_end();
  label_of_ten_megabytes();
  negative_timeouts();
  events_before_they_are_recorded();
  events_in_circles();
  w2_events_of_many_threads();
  CHECK(weir_shutdown(UINT64_C(20000000000)) == 0);
  mlx_set_error_handler(NULL, NULL, NULL);
  return 0;
}
