/* The server, shown at work: it runs, asks itself, and ends with a table. */
#ifndef WR_EXAMPLES_SERVE_DEMO_H
#define WR_EXAMPLES_SERVE_DEMO_H

#include "options.h"

/* Starts the server on a free port of this machine, indexes, sends options->demo_requests from
   options->demo_clients, half of them beside indexing, and prints what came of it. Returns 0; 1
   when something failed, an answer differed, or streams, threads or arrays were left over. */
int demo_run(const struct options *options);

#endif
