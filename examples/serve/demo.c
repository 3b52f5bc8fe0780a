/* The order of things: the index is made, a bank of questions is answered by this thread alone, and
   a few requests warm up what a process keeps once it has served. Then the gauges are read, the
   requests come, without bulk work and beside it, and the gauges are read again.

   The whole has a minute: the index is cut to what this machine makes in INDEX_SECONDS, and what is
   then left of LAST_SECONDS is the requests' time, after which none is sent; the table says so. */
#include "demo.h"

#include <malloc.h>
#include <stdio.h>
#include <time.h>
#include <weir/weir.h>

#include "bank.h"
#include "complain.h"
#include "gauge.h"
#include "http.h"
#include "load.h"
#include "progress.h"

enum { INDEX_SECONDS = 9, LAST_SECONDS = 54, TRIAL_PARAGRAPHS = 24, WARM_REQUESTS = 256 };

struct held {
  struct gauge gauge;
  size_t array_bytes;
};

struct demo {
  const struct options *options;
  double begin; /* by gauge_seconds */
  struct service service;
  struct http *http;
  struct bank bank;
  double alone_per_second;
  struct load_result quiet, beside;
  double quiet_batch, beside_batch; /* texts in a batch, on average */
  unsigned long long indexed;       /* paragraphs, beside the requests */
  struct held before, after;
};

/* ---- the index ---- */

/* Paragraphs that are indexed in a second here. */
static double try_speed(const struct service_options *options) {
  mlx_stream s = mlx_stream_new(); /* empty: this thread's default */
  struct index_progress progress = {.stop = false};
  struct embedder *const embedder = embedder_load(options->model_folder, false, s);
  struct index *index = NULL;
  double begin = 0;
  for (int i = 0; embedder != NULL && i < 2; i++) { /* the first time things are set up */
    index_release(index);
    begin = gauge_seconds();
    index =
        index_build(embedder, options->paths, options->path_count, TRIAL_PARAGRAPHS, &progress, s);
  }
  const double seconds = gauge_seconds() - begin;
  const double rate = index != NULL ? (double)index->corpus.paragraph_count / seconds : 0;
  index_release(index);
  embedder_release(embedder);
  mlx_stream_free(s);
  return rate;
}

static bool await_first_index(struct service *service) {
  const double begin = gauge_seconds();
  struct progress bar = {.on = false};
  int built = -1;
  while (built < 1) {
    built = service_await_index(service, 0.05);
    const int total = atomic_load_explicit(&service->progress.total, memory_order_relaxed);
    if (bar.total == 0 && total > 0) bar = progress_begin("indexing", total);
    if (bar.total > 0) {
      progress_show(&bar, atomic_load_explicit(&service->progress.done, memory_order_relaxed));
    }
    pthread_mutex_lock(&service->lock);
    const bool failed = service->failures > 0;
    pthread_mutex_unlock(&service->lock);
    if (failed) return false;
  }
  progress_end(&bar);
  printf("%d paragraphs indexed in %.1f s.\n", bar.total, gauge_seconds() - begin);
  return true;
}

/* ---- what the process holds ---- */

static struct held read_held(void) {
  struct held held = {.gauge = gauge_read()};
  if (mlx_get_active_memory(&held.array_bytes) != 0) held.array_bytes = 0;
  return held;
}

static bool fits(const struct held *held, const struct held *wanted) {
  return held->gauge.live_streams <= wanted->gauge.live_streams &&
         held->gauge.os_threads <= wanted->gauge.os_threads &&
         held->array_bytes <= wanted->array_bytes;
}

/* Threads of connections may still be ending, and what they dropped be on its way to being
   reclaimed: waits up to three seconds, until no more is held than `wanted`, or, without it, until
   nothing has changed for a moment. Idle memory goes back to the system. */
static struct held read_settled(const struct held *wanted) {
  const struct timespec moment = {.tv_nsec = 20000000};
  struct held held = read_held();
  for (int i = 0, still = 0; i < 150 && still < 25; i++) {
    nanosleep(&moment, NULL);
    const struct held now = read_held();
    still = fits(&held, &now) && fits(&now, &held) ? still + 1 : 0;
    held = now;
    if (wanted != NULL && fits(&held, wanted)) break;
  }
  mlx_clear_cache();
#ifdef __GLIBC__
  malloc_trim(0);
#endif
  return read_held();
}

/* ---- the requests ---- */

static int answer_alone(struct demo *demo) {
  mlx_stream s = mlx_stream_new(); /* empty: this thread's default */
  struct index *const index = service_index(&demo->service);
  const double begin = gauge_seconds();
  const int rc = bank_fill(&demo->bank, index, demo->options->service.paths,
                           demo->options->service.path_count, s);
  index_release(index);
  demo->alone_per_second = demo->bank.count / (gauge_seconds() - begin);
  mlx_stream_free(s);
  return rc;
}

/* `shares`: of how many equal parts of the time that is left they have one. */
static int send_load(struct demo *demo, struct load_result *result, int requests, int shares,
                     const char *title, double *batch) {
  const double left = demo->begin + LAST_SECONDS - gauge_seconds();
  const struct load_order order = {.bank = &demo->bank,
                                   .port = http_port(demo->http),
                                   .clients = demo->options->demo_clients,
                                   .requests = requests,
                                   .seconds = left / shares,
                                   .title = title,
                                   .impatient = true};
  const struct batcher_counts before = batcher_count(&demo->service.batcher);
  const int rc = load_send(result, &order);
  const struct batcher_counts after = batcher_count(&demo->service.batcher);
  *batch = (double)(after.texts - before.texts) / (double)(after.batches - before.batches);
  return rc;
}

static int send_beside(struct demo *demo, struct load_result *result, int requests, int shares,
                       const char *title, double *batch) {
  service_keep_rebuilding(&demo->service, true);
  const int rc = send_load(demo, result, requests, shares, title, batch);
  service_keep_rebuilding(&demo->service, false);
  return service_await_index(&demo->service, 2 * INDEX_SECONDS) < 0 || rc;
}

static unsigned long long indexed(struct service *service) {
  return atomic_load_explicit(&service->progress.made, memory_order_relaxed);
}

static int send_all(struct demo *demo) {
  const int half = (demo->options->demo_requests + 1) / 2;
  struct load_result warm;
  double unused = 0;
  if (send_beside(demo, &warm, WARM_REQUESTS, 8, "warming up", &unused) != 0) return 1;
  demo->before = read_settled(NULL);
  const unsigned long long indexed_before = indexed(&demo->service);
  const int rc =
      send_load(demo, &demo->quiet, half, 2, "asking", &demo->quiet_batch) ||
      send_beside(demo, &demo->beside, half, 1, "asking, beside indexing", &demo->beside_batch);
  demo->indexed = indexed(&demo->service) - indexed_before;
  demo->after = read_settled(&demo->before);
  return rc;
}

/* ---- the table ---- */

static void print_pair(const char *name, const char *format, double quiet, double beside) {
  printf("%-34s", name);
  printf(format, quiet);
  printf(format, beside);
  printf("\n");
}

static void print_requests(const struct demo *demo) {
  const struct load_result *const quiet = &demo->quiet;
  const struct load_result *const beside = &demo->beside;
  printf("%-34s%14s%14s\n", "", "by themselves", "beside bulk");
  print_pair(
      demo->options->service.loop ? "requests, one thread for all" : "requests, each a thread",
      "%14.0f", quiet->sent, beside->sent);
  print_pair("  clients at once", "%14.0f", demo->options->demo_clients,
             demo->options->demo_clients);
  print_pair("requests per second", "%14.0f", quiet->sent / quiet->seconds,
             beside->sent / beside->seconds);
  printf("%-34s%14.0f\n", "  one thread, no HTTP", demo->alone_per_second);
  print_pair("latency, median, ms", "%14.1f", 1e3 * quiet->median, 1e3 * beside->median);
  print_pair("latency, 99th percentile, ms", "%14.1f", 1e3 * quiet->p99, 1e3 * beside->p99);
  print_pair("texts in a batch, on average", "%14.1f", demo->quiet_batch, demo->beside_batch);
  print_pair("answers as from one thread", "%14.0f", quiet->same, beside->same);
  print_pair("  different", "%14.0f", quiet->different, beside->different);
  print_pair("  failed", "%14.0f", quiet->failed, beside->failed);
  print_pair("given up: late, as they had 2 ms", "%14.0f", quiet->late, beside->late);
  print_pair("given up: the client had gone", "%14.0f", quiet->hung_up, beside->hung_up);
  printf("%-34s%14s%14.0f\n", "paragraphs indexed per second", "-",
         (double)demo->indexed / beside->seconds);
}

static void print_held(const struct demo *demo) {
  const struct gauge *const before = &demo->before.gauge;
  const struct gauge *const after = &demo->after.gauge;
  const struct gauge most = gauge_most(demo->quiet.most, demo->beside.most);
  const double mega = 1e-6;
  printf("\n%-34s%14s%14s%14s\n", "", "before", "most", "after");
  printf("%-34s%14zu%14zu%14zu\n", "live streams", before->live_streams, most.live_streams,
         after->live_streams);
  printf("%-34s%14zu%14zu%14zu\n", "OS threads, the clients' too", before->os_threads,
         most.os_threads, after->os_threads);
  printf("%-34s%14.1f%14s%14.1f\n", "memory of arrays, MB", mega * (double)demo->before.array_bytes,
         "", mega * (double)demo->after.array_bytes);
  printf("%-34s%14.1f%14.1f%14.1f\n", "resident memory, MB", mega * (double)before->resident,
         mega * (double)most.resident, mega * (double)after->resident);
}

static void print_table(const struct demo *demo) {
  const int sent = demo->quiet.sent + demo->beside.sent;
  printf("\n");
  print_requests(demo);
  print_held(demo);
  if (sent < demo->options->demo_requests) {
    printf("\n%d of %d requests: this machine had no time for more within the minute.\n", sent,
           demo->options->demo_requests);
  }
}

static bool is_well(const struct load_result *result) {
  return result->same > 0 && result->same + result->late + result->hung_up == result->sent;
}

static bool all_well(const struct demo *demo) {
  if (!fits(&demo->after, &demo->before)) {
    complain("streams, threads or arrays were left over");
    return false;
  }
  return is_well(&demo->quiet) && is_well(&demo->beside);
}

/* ---- the whole ---- */

static int run_with_server(struct demo *demo) {
  if (!await_first_index(&demo->service) || answer_alone(demo) != 0) return 1;
  int rc = send_all(demo);
  if (rc == 0) print_table(demo);
  bank_free(&demo->bank);
  return rc || !all_well(demo);
}

int demo_run(const struct options *options) {
  struct demo demo = {.options = options, .begin = gauge_seconds()};
  struct service_options service = options->service;
  const double rate = try_speed(&service);
  if (rate <= 0) return 1;
  if (rate * INDEX_SECONDS < service.paragraphs_most) {
    service.paragraphs_most = (int)(rate * INDEX_SECONDS) + 1;
  }
  if (service_start(&demo.service, &service) != 0) return 1;
  demo.http = http_start(&demo.service, "127.0.0.1", 0);
  int rc = 1;
  if (demo.http != NULL) {
    rc = run_with_server(&demo);
    rc = http_stop(demo.http, options->drain_seconds) > 0 || rc;
  }
  service_stop(&demo.service);
  return rc;
}
