/* A text search by hashed trigrams, served from many threads: see options.c for its use, index.c
   and query.c for how arrays do it, crowd.c for the threads. */
#include <stdio.h>
#include <string.h>
#include <weir/weir.h>

#include "corpus.h"
#include "demo.h"
#include "gauge.h"
#include "index.h"
#include "options.h"
#include "query.h"
#include "report.h"

static int ask(const struct options *options, const struct corpus *corpus,
               const struct index *index) {
  struct answer answer;
  mlx_stream stream = mlx_default_cpu_stream_new();
  const int rc = query_answer(&answer, index, options->question, strlen(options->question),
                              options->top, stream);
  mlx_stream_free(stream);
  if (rc == 0) report_answer(&answer, corpus);
  return rc;
}

static int build(struct index *index, const struct index_source *source) {
  mlx_stream stream = mlx_default_cpu_stream_new();
  const int rc = index_build(index, source, stream);
  mlx_stream_free(stream);
  return rc;
}

static int demonstrate(const struct options *options, const struct corpus *corpus,
                       const struct index_source *source, const struct index *index,
                       double seconds) {
  printf("%zu paragraphs of %zu files, indexed in %.2f s.\n", corpus->paragraph_count,
         corpus->file_count, seconds);
  return demo_run(options, corpus, source, index);
}

static int search(const struct options *options, const struct corpus *corpus) {
  struct index_source source = index_source_empty();
  struct index index = index_empty();
  const double begin = gauge_seconds();
  int rc = index_source_make(&source, corpus) || build(&index, &source);
  const double seconds = gauge_seconds() - begin;
  if (rc != 0) {
    fprintf(stderr, "search: the index could not be built\n");
  } else if (options->question != NULL) {
    rc = ask(options, corpus, &index);
  } else {
    rc = demonstrate(options, corpus, &source, &index, seconds);
  }
  index_free(&index);
  index_source_free(&source);
  return rc;
}

static int read_paths(struct corpus *corpus, const struct options *options) {
  for (int i = 0; i < options->path_count; i++) {
    if (corpus_read(corpus, options->paths[i]) != 0) return 1;
  }
  if (corpus->paragraph_count > 0) return 0;
  fprintf(stderr, "search: %s%s: no text to search\n", options->paths[0],
          options->path_count > 1 ? " and the others" : "");
  return 1;
}

int main(int argc, char **argv) {
  struct options options;
  const enum parsed parsed = options_parse(&options, argc, argv);
  if (parsed != PARSED_RUN) return parsed == PARSED_HELP ? EXIT_ALL_WELL : EXIT_USAGE;

  struct corpus corpus = {0};
  const int rc = read_paths(&corpus, &options) || search(&options, &corpus);
  const int skipped = corpus.skipped;
  corpus_free(&corpus);

  const uint64_t patience_ns = 5000000000;
  const int left = weir_shutdown(patience_ns); /* not needed; for leak checkers */
  if (left != 0) fprintf(stderr, "search: Weir did not come to rest: %s\n", weir_last_error());
  const int unwritten = fflush(stdout) != 0;
  if (unwritten) perror("search: output");
  return rc != 0 || left != 0 || unwritten || skipped > 0 ? EXIT_BAD_DATA : EXIT_ALL_WELL;
}
