/* Plain lines of text, the same on a terminal and in a file. */
#include "report.h"

#include <stdio.h>
#include <string.h>

enum { EXCERPT_BYTES = 88 };

static bool is_gap(char c) {
  return (unsigned char)c <= ' ' || c == 0x7f; /* control bytes could drive the terminal */
}

/* The beginning of a paragraph on one line, runs of white space as one space. */
static void print_excerpt(const char *text, size_t size) {
  char line[EXCERPT_BYTES];
  size_t length = 0;
  size_t at = 0;
  for (; at < size && length < EXCERPT_BYTES; at++) {
    if (!is_gap(text[at])) {
      line[length++] = text[at];
    } else if (length > 0 && line[length - 1] != ' ') {
      line[length++] = ' ';
    }
  }
  if (at < size) {
    while (length > 0 && ((unsigned char)line[length - 1] & 0xc0) == 0x80) length--;
    if (length > 0 && (unsigned char)line[length - 1] >= 0xc0) length--; /* half a UTF-8 letter */
  }
  while (length > 0 && line[length - 1] == ' ') length--;
  printf("       %.*s%s\n", (int)length, line, at < size ? " ..." : "");
}

void report_answer(const struct answer *answer, const struct corpus *corpus) {
  if (answer->count == 0) printf("No paragraph has anything in common with the question.\n");
  for (int i = 0; i < answer->count; i++) {
    const struct paragraph *const paragraph = &corpus->paragraphs[answer->hits[i].row];
    const struct corpus_file *const file = &corpus->files[paragraph->file];
    printf("%.3f  %s:%d\n", (double)answer->hits[i].score, file->path, paragraph->line);
    print_excerpt(file->text + paragraph->begin, paragraph->size);
  }
}

static void print_gauges(const struct report *report) {
  const struct gauge *const before = &report->before;
  const struct gauge *const most = &report->crowd.most;
  const struct gauge *const after = &report->after;
  const double mega = 1e-6;
  printf("%-30s %10s %10s %10s\n", "", "before", "most", "after");
  printf("%-30s %10zu %10zu %10zu\n", "live streams", before->live_streams, most->live_streams,
         after->live_streams);
  printf("%-30s %10zu %10zu %10zu\n", "OS threads", before->os_threads, most->os_threads,
         after->os_threads);
  printf("%-30s %10.1f %10.1f %10.1f\n", "resident memory, MB", mega * (double)before->resident,
         mega * (double)most->resident, mega * (double)after->resident);
}

void report_table(const struct report *report) {
  const struct crowd_result *const crowd = &report->crowd;
  printf("%-30s %10d\n", "threads, one question each", report->threads);
  printf("%-30s %10d\n", "  alive together, at most", report->at_once);
  printf("%-30s %10d\n", "indexes rebuilt beside them", report->built);
  printf("%-30s %10.0f\n", "questions per second", (double)report->threads / crowd->seconds);
  printf("%-30s %10.0f\n", "  one thread, nothing beside", report->alone_per_second);
  printf("%-30s %10.2f\n", "latency, median, ms", 1e3 * crowd->median);
  printf("%-30s %10.2f\n", "latency, 99th percentile, ms", 1e3 * crowd->p99);
  printf("%-30s %10d of %d\n", "answers as from one thread", crowd->same, report->threads);
  if (crowd->different > 0) printf("%-30s %10d\n", "  different", crowd->different);
  if (crowd->failed > 0) printf("%-30s %10d\n", "  failed", crowd->failed);
  printf("%-30s %10d of %d\n", "own paragraph among the hits", report->found, report->asked);
  printf("\n");
  print_gauges(report);
}
