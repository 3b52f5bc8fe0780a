/* The order of things: a bank of questions is answered by this thread alone, and a small crowd
   comes and goes; then the gauges are read, the indexer starts, the crowd comes and goes, the
   indexer ends, the gauges are read. */
#include "demo.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bank.h"
#include "crowd.h"
#include "gauge.h"
#include "indexer.h"
#include "report.h"
#include "shelf.h"

static int answer_alone(struct bank *bank, struct report *report, const struct index *index,
                        int top) {
  mlx_stream stream = mlx_default_cpu_stream_new();
  const double begin = gauge_seconds();
  const int rc = bank_answer(bank, index, top, stream);
  report->alone_per_second = bank->count / (gauge_seconds() - begin);
  report->found = bank_found(bank);
  report->asked = bank->count;
  mlx_stream_free(stream);
  return rc;
}

static int serve_crowd(struct report *report, struct shelf *shelf,
                       const struct index_source *source, const struct crowd_order *order) {
  struct indexer indexer;
  if (indexer_start(&indexer, source, shelf) != 0) return 1;
  const int sent = crowd_send(&report->crowd, order);
  const int built = indexer_stop(&indexer);
  report->built = indexer.built;
  return sent || built;
}

/* What a process keeps once so many threads have worked in it (the C library's heaps, Weir's cache)
   is not what a thread leaves behind: a few come before the gauges are read. */
static int warm_up(struct shelf *shelf, const struct index_source *source,
                   const struct crowd_order *order) {
  struct report unseen = {0};
  struct crowd_order few = *order;
  few.threads = 4 * order->at_once;
  return serve_crowd(&unseen, shelf, source, &few);
}

/* What the last thread dropped may still be on its way to being reclaimed, which is not the
   business of any thread that could be joined: waits up to a second for it. Idle memory goes back
   to the system, so that the gauge shows what is held. */
static struct gauge read_settled(size_t live_streams) {
  const struct timespec millisecond = {.tv_nsec = 1000000};
  for (int i = 0; i < 1000 && gauge_read().live_streams > live_streams; i++) {
    nanosleep(&millisecond, NULL);
  }
  mlx_clear_cache();
  malloc_trim(0);
  return gauge_read();
}

/* Prints one of the answers, to show what they look like. */
static void show_one(const struct bank *bank, const struct corpus *corpus) {
  const struct question *const question = &bank->questions[bank->count / 2];
  const struct paragraph *const paragraph = &corpus->paragraphs[question->row];
  printf("\nFor example, words from %s:%d:\n", corpus->files[paragraph->file].path,
         paragraph->line);
  report_answer(&question->answer, corpus);
  printf("\n");
  fflush(stdout);
}

static int run_with(struct bank *bank, struct shelf *shelf, const struct options *options,
                    const struct corpus *corpus, const struct index_source *source) {
  struct report report = {.threads = options->threads, .at_once = options->at_once};
  const struct crowd_order order = {
      .shelf = shelf,
      .bank = bank,
      .top = options->top,
      .threads = options->threads,
      .at_once = options->at_once,
  };
  bank_fill(bank, corpus);
  if (answer_alone(bank, &report, &shelf->current, options->top) != 0) return 1;
  show_one(bank, corpus);
  if (warm_up(shelf, source, &order) != 0) return 1;
  report.before = read_settled(1);
  if (serve_crowd(&report, shelf, source, &order) != 0) return 1;
  report.after = read_settled(report.before.live_streams);
  report_table(&report);
  if (report.after.live_streams != report.before.live_streams) {
    fprintf(stderr, "search: streams were left over\n");
    return 1;
  }
  return report.crowd.same != options->threads;
}

int demo_run(const struct options *options, const struct corpus *corpus,
             const struct index_source *source, const struct index *index) {
  struct bank *const bank = malloc(sizeof(*bank));
  if (bank == NULL) {
    fprintf(stderr, "search: out of memory\n");
    return 1;
  }
  struct shelf shelf = {.lock = PTHREAD_MUTEX_INITIALIZER, .current = index_empty()};
  const int rc =
      index_copy(&shelf.current, index) || run_with(bank, &shelf, options, corpus, source);
  index_free(&shelf.current);
  pthread_mutex_destroy(&shelf.lock);
  free(bank);
  return rc;
}
