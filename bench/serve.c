/* The Weir side of bench/serve: sentences embedded for many callers at once, each of which has one
   at a time, by what serves them in examples/serve: its tokenizer, its batcher, its model; without
   HTTP. Prints lines "name<TAB>value".

   Usage: bench_serve COMPUTING MODEL SENTENCES rows | rate CALLERS SECONDS BULK | given_up TIMES
   COMPUTING is how many batches are computed side by side.
   SENTENCES is a file of one a line. With BULK 1 the same sentences are embedded meanwhile, over
   and over, sixteen at a time, in a request of the class low. */
#include <mlx/c/mlx.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <weir/weir.h>

#include "batcher.h"
#include "embedder.h"
#include "gauge.h"

enum { SENTENCES_MOST = 4096, LATENCIES_MOST = 1 << 20, BULK_TEXTS = 16, ROWS_SHOWN = 8 };

static struct {
  struct embedder *embedder;
  struct batcher batcher;
  char *texts[SENTENCES_MOST];
  int count;
  atomic_bool stop;
  atomic_int next;      /* of the callers' sentences */
  atomic_int bulk_done; /* sentences */
  atomic_int answered;  /* of `latencies` */
  float *latencies;     /* seconds */
  double begin;         /* before which nothing is counted */
} bench;

static void fail(const char *what) {
  fprintf(stderr, "bench_serve: %s: %s\n", what, weir_last_error());
  exit(1);
}

static void read_sentences(const char *path) {
  char *line = NULL;
  size_t room = 0;
  FILE *const file = fopen(path, "r");
  if (file == NULL) fail(path);
  while (bench.count < SENTENCES_MOST && getline(&line, &room, file) > 0) {
    line[strcspn(line, "\n")] = '\0';
    bench.texts[bench.count++] = strdup(line);
  }
  free(line);
  fclose(file);
}

/* ---- one request ---- */

struct tokens {
  struct token_batch batch;
  int32_t *ids;
  int *lengths;
};

static struct tokens encode(int first, int count) {
  struct tokens tokens = {.ids = malloc(sizeof(int32_t) * EMBEDDER_TOKENS_MOST * (size_t)count),
                          .lengths = malloc(sizeof(int) * (size_t)count)};
  if (tokens.ids == NULL || tokens.lengths == NULL) fail("memory");
  tokens.batch = (struct token_batch){tokens.ids, tokens.lengths, count, 0};
  for (int i = 0; i < count; i++) {
    const char *const text = bench.texts[(first + i) % bench.count];
    tokens.lengths[i] =
        embedder_encode(bench.embedder, tokens.ids + tokens.batch.total, text, strlen(text));
    tokens.batch.total += tokens.lengths[i];
  }
  return tokens;
}

static void free_tokens(struct tokens *tokens) {
  free(tokens->ids);
  free(tokens->lengths);
}

/* As a request of the server's: of the class high, with a deadline. */
static enum batcher_end embed(const struct token_batch *batch, float *rows, double seconds) {
  char error[BATCHER_ERROR_BYTES];
  const struct batcher_caller caller = {.request = weir_request_new(),
                                        .until = gauge_seconds() + seconds};
  if (weir_request_set_class(caller.request, WEIR_CLASS_HIGH) != 0 ||
      weir_request_set_deadline(caller.request, (int64_t)(1e9 * seconds)) != 0) {
    fail("request");
  }
  const enum batcher_end end =
      batcher_embed(&bench.batcher, bench.embedder, batch, rows, &caller, error);
  weir_request_free(caller.request);
  return end;
}

/* ---- many callers ---- */

static bool stopped(void) { return atomic_load_explicit(&bench.stop, memory_order_relaxed); }

static void *call(void *data) {
  (void)data;
  float *const row = malloc(sizeof(*row) * (size_t)bench.embedder->width);
  while (row != NULL && !stopped()) {
    const double begin = gauge_seconds();
    struct tokens tokens = encode(atomic_fetch_add(&bench.next, 1) % bench.count, 1);
    if (embed(&tokens.batch, row, 30) != BATCHER_ALL_THERE) fail("a sentence");
    free_tokens(&tokens);
    const double end = gauge_seconds();
    if (begin < bench.begin) continue;
    const int at = atomic_fetch_add(&bench.answered, 1);
    if (at < LATENCIES_MOST) bench.latencies[at] = (float)(end - begin);
  }
  free(row);
  return NULL;
}

/* Of sentences of like lengths, as who indexes has them. */
static int by_length(const void *a, const void *b) {
  const size_t x = strlen(*(char *const *)a), y = strlen(*(char *const *)b);
  return (x > y) - (x < y);
}

static void bulk_batch(int first, mlx_stream s) {
  struct tokens tokens = encode(first, BULK_TEXTS);
  mlx_array rows = mlx_array_new();
  if (embedder_rows(&rows, bench.embedder, &tokens.batch, s) || mlx_array_eval(rows)) fail("bulk");
  mlx_array_free(rows);
  free_tokens(&tokens);
  if (gauge_seconds() >= bench.begin) atomic_fetch_add(&bench.bulk_done, BULK_TEXTS);
}

static void *work_in_bulk(void *data) {
  (void)data;
  const mlx_stream mine = {0}; /* this thread's default */
  const weir_request request = weir_request_new();
  if (weir_request_set_class(request, WEIR_CLASS_LOW) != 0 || weir_request_enter(request) != 0) {
    fail("request");
  }
  for (int first = 0; !stopped(); first = (first + BULK_TEXTS) % bench.count) {
    bulk_batch(first, mine);
  }
  weir_request_leave();
  weir_request_free(request);
  return NULL;
}

static double cpu_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int by_value(const void *a, const void *b) {
  const float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

static void measure_rate(int callers, double seconds, bool bulk) {
  pthread_t threads[1024], bulk_thread;
  const struct timespec warm = {.tv_sec = 1};
  const struct timespec wait = {(time_t)seconds, (long)(1e9 * (seconds - (double)(time_t)seconds))};
  bench.latencies = malloc(sizeof(float) * LATENCIES_MOST);
  if (bench.latencies == NULL || callers > 1024) fail("memory");
  bench.begin = gauge_seconds() + 1;
  if (bulk) pthread_create(&bulk_thread, NULL, work_in_bulk, NULL);
  for (int i = 0; i < callers; i++) pthread_create(&threads[i], NULL, call, NULL);
  nanosleep(&warm, NULL);
  const double cpu = cpu_seconds();
  nanosleep(&wait, NULL);
  const double took = gauge_seconds() - bench.begin;
  const int done = atomic_load(&bench.answered);
  const int bulk_done = atomic_load(&bench.bulk_done);
  const double cpu_each = (cpu_seconds() - cpu) / (done + bulk_done > 0 ? done + bulk_done : 1);
  atomic_store(&bench.stop, true);
  for (int i = 0; i < callers; i++) pthread_join(threads[i], NULL);
  if (bulk) pthread_join(bulk_thread, NULL);
  const int count = done < LATENCIES_MOST ? done : LATENCIES_MOST;
  qsort(bench.latencies, (size_t)count, sizeof(float), by_value);
  printf("rate\t%.1f\nmedian\t%.6f\np99\t%.6f\nbulk\t%.1f\ncpu\t%.6f\n", done / took,
         (double)bench.latencies[count / 2], (double)bench.latencies[count * 99 / 100],
         bulk_done / took, cpu_each);
  free(bench.latencies);
}

/* ---- one that is given up ---- */

static void sleep_until(double moment) {
  const struct timespec until = {(time_t)moment, (long)(1e9 * (moment - (double)(time_t)moment))};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0) continue;
}

struct cost {
  double begin, after; /* seconds of processors, from 105 ms to 305 ms */
};

static void *watch_cost(void *data) {
  struct cost *const cost = data;
  sleep_until(cost->begin + 0.105);
  const double before = cpu_seconds();
  sleep_until(cost->begin + 0.305);
  cost->after = cpu_seconds() - before;
  return NULL;
}

/* 2,048 sentences, whose time ends after a twentieth of them. */
static void give_up(struct tokens *tokens, float *rows) {
  pthread_t watcher;
  struct cost cost = {.begin = gauge_seconds()};
  pthread_create(&watcher, NULL, watch_cost, &cost);
  const enum batcher_end end = embed(&tokens->batch, rows, 0.1);
  const double took = gauge_seconds() - cost.begin;
  pthread_join(watcher, NULL);
  if (end != BATCHER_GIVEN_UP) fail("it was not given up");
  printf("returned\t%.6f\ncost\t%.6f\n", took, cost.after);
}

static void measure_given_up(int times) {
  struct tokens tokens = encode(0, 2048);
  float *const rows = malloc(sizeof(*rows) * 2048 * (size_t)bench.embedder->width);
  if (rows == NULL) fail("memory");
  for (int i = 0; i < times; i++) give_up(&tokens, rows);
  free(rows);
  free_tokens(&tokens);
}

static void show_rows(void) {
  struct tokens tokens = encode(0, ROWS_SHOWN);
  const int width = bench.embedder->width;
  float *const rows = malloc(sizeof(*rows) * ROWS_SHOWN * (size_t)width);
  if (rows == NULL || embed(&tokens.batch, rows, 30) != BATCHER_ALL_THERE) fail("rows");
  for (int i = 0; i < ROWS_SHOWN * width; i++) printf("row\t%.9g\n", (double)rows[i]);
  free(rows);
  free_tokens(&tokens);
}

int main(int argc, char **argv) {
  if (argc < 5) return 2;
  mlx_stream s = mlx_stream_new(); /* empty: this thread's default */
  bench.embedder = embedder_load(argv[2], true, s);
  if (bench.embedder == NULL) return 1;
  read_sentences(argv[3]);
  batcher_init(&bench.batcher, atoi(argv[1]));
  if (strcmp(argv[4], "rows") == 0) {
    show_rows();
  } else if (strcmp(argv[4], "rate") == 0 && argc == 8) {
    if (atoi(argv[7])) qsort(bench.texts, (size_t)bench.count, sizeof(char *), by_length);
    measure_rate(atoi(argv[5]), atof(argv[6]), atoi(argv[7]));
  } else if (strcmp(argv[4], "given_up") == 0 && argc == 6) {
    measure_given_up(atoi(argv[5]));
  } else {
    return 2;
  }
  batcher_destroy(&bench.batcher);
  embedder_release(bench.embedder);
  for (int i = 0; i < bench.count; i++) free(bench.texts[i]);
  return 0;
}
