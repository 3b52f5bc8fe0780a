/* What the program prints on stdout. */
#ifndef WR_EXAMPLES_SEARCH_REPORT_H
#define WR_EXAMPLES_SEARCH_REPORT_H

#include "corpus.h"
#include "crowd.h"
#include "gauge.h"
#include "query.h"

/* Prints each hit with its score, its file and line, and the beginning of its paragraph. */
void report_answer(const struct answer *answer, const struct corpus *corpus);

struct report {
  struct crowd_result crowd;
  struct gauge before, after;
  double alone_per_second; /* questions per second of one thread alone */
  int threads, at_once;    /* as ordered */
  int built;               /* indexes rebuilt beside the crowd */
  int found, asked;        /* of the bank: bank_found, and how many there are */
};

/* Prints the closing table. */
void report_table(const struct report *report);

#endif
