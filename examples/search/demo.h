/* The demonstration: one thread answers, then a crowd does while the index is rebuilt. */
#ifndef WR_EXAMPLES_SEARCH_DEMO_H
#define WR_EXAMPLES_SEARCH_DEMO_H

#include "corpus.h"
#include "index.h"
#include "options.h"

/* Runs it and prints the table. Returns 0; or 1 when an answer failed or differed from that of the
   single thread, or a stream was left over. */
int demo_run(const struct options *options, const struct corpus *corpus,
             const struct index_source *source, const struct index *index);

#endif
