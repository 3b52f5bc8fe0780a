/* The command line. */
#ifndef WR_EXAMPLES_TRAIN_OPTIONS_H
#define WR_EXAMPLES_TRAIN_OPTIONS_H

#include <stdbool.h>

#include "trainer.h"

struct options {
  const char *text;
  const char *curve; /* NULL: none is drawn */
  int steps;
  bool losses;                    /* each loss on a line, and nothing else */
  bool on_cpu;                    /* though there may be a GPU */
  struct trainer_options trainer; /* but for where */
};

enum parsed { PARSED_RUN, PARSED_HELP, PARSED_WRONG };

/* Fills `options`, whose texts are argv's. PARSED_WRONG was explained on stderr. */
enum parsed options_parse(struct options *options, int argc, char **argv);

#endif
