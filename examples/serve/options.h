/* The command line. */
#ifndef WR_EXAMPLES_SERVE_OPTIONS_H
#define WR_EXAMPLES_SERVE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "service.h"

enum { EXIT_ALL_WELL = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct options {
  const char *address;
  uint16_t port;
  int drain_seconds;
  int admin_port; /* -1: none */
  bool demo;
  int demo_requests, demo_clients;
  struct service_options service;
};

enum parsed { PARSED_RUN, PARSED_HELP, PARSED_WRONG };

/* Fills `options`, whose texts are argv's. PARSED_WRONG was explained on stderr. */
enum parsed options_parse(struct options *options, int argc, char **argv);

#endif
