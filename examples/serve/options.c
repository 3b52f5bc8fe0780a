/* Parsing of the command line, with getopt_long. Numbers are checked whole: "12x" is refused, as is
   anything outside the range that the option's help states. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "complain.h"
#include "load.h"

enum {
  PATIENCE_MOST = 3600000,
  BUDGET_MOST = 1 << 20,
  DRAIN_MOST = 3600,
  COMPUTING_MOST = 64,
  REQUESTS_MOST = 1000000
};

static const char *const default_paths[] = {"/usr/share/common-licenses", SERVE_DOCS_DIR};

static void print_help(void) {
  printf(
      "Usage: serve [OPTION]... [FILE or FOLDER]...\n"
      "Embeds and searches text, over HTTP.\n"
      "\n"
      "  -a, --address=ADDRESS  where to listen (default 127.0.0.1)\n"
      "  -p, --port=N           0 to 65535, 0 for any that is free (default 8080)\n"
      "  -A, --admin=N          a port of 127.0.0.1 for whoever runs the server, 0 for any that "
      "is\n"
      "                         free (default: none)\n"
      "  -m, --model=FOLDER     model.safetensors and vocab.txt (default %s)\n"
      "  -c, --computing=N      batches side by side, 1 to %d (default 2)\n"
      "  -l, --loop             one thread for all connections, instead of one for each\n"
      "  -w, --patience=MS      a request that takes longer gets 504, 1 to %d (default 30000)\n"
      "  -b, --budget=MB        of arrays that a request may take; what needs more gets 413,\n"
      "                         1 to %d (default 512, which none needs)\n"
      "  -n, --paragraphs=N     the first N are indexed, 1 to %d (default: that)\n"
      "  -t, --drain=SECONDS    for what is under way when told to end, 0 to %d (default 10)\n"
      "  -d, --demo             starts, asks itself, and ends with a table\n"
      "  -r, --requests=N       of the demonstration, 2 to %d (default 10000)\n"
      "  -j, --clients=N        of the demonstration, 1 to %d (default 64)\n"
      "  -h, --help             print this and end\n"
      "\n"
      "Without FILE or FOLDER: %s and %s.\n"
      "POST /v1/embeddings (as OpenAI's), POST /search, GET /, /v1/models, /metrics, /healthz.\n"
      "With --admin, there: GET /debug/streams, GET /debug/trace?seconds=N, POST /admin/reload,\n"
      "GET /admin/reload for how that went.\n"
      "SIGTERM and SIGINT end it; SIGHUP has it read the model and the texts anew.\n"
      "\n"
      "Exit status: 0 all well; 1 it could not start, or requests were left unanswered at the "
      "end;\n"
      "2 wrong usage.\n",
      SERVE_MODEL_DIR, COMPUTING_MOST, PATIENCE_MOST, BUDGET_MOST, CORPUS_PARAGRAPHS_MOST,
      DRAIN_MOST, REQUESTS_MOST, LOAD_CLIENTS_MOST, default_paths[0], default_paths[1]);
}

static bool parse_number(int *number, const char *name, const char *text, int least, int most) {
  char *end = NULL;
  errno = 0;
  const long value = strtol(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || value < least || value > most) {
    complain("--%s takes a number from %d to %d, not '%s'", name, least, most, text);
    return false;
  }
  *number = (int)value;
  return true;
}

static enum parsed parse_port(struct options *options) {
  int port = 0;
  if (!parse_number(&port, "port", optarg, 0, UINT16_MAX)) return PARSED_WRONG;
  options->port = (uint16_t)port;
  return PARSED_RUN;
}

static enum parsed parse_budget(struct service_options *service) {
  int megabytes = 0;
  if (!parse_number(&megabytes, "budget", optarg, 1, BUDGET_MOST)) return PARSED_WRONG;
  service->budget = (size_t)megabytes << 20;
  return PARSED_RUN;
}

static enum parsed parsed_if(bool right) { return right ? PARSED_RUN : PARSED_WRONG; }

static enum parsed parse_option(struct options *options, int letter) {
  struct service_options *const service = &options->service;
  switch (letter) {
    case 'a':
      options->address = optarg;
      return PARSED_RUN;
    case 'p':
      return parse_port(options);
    case 'A':
      return parsed_if(parse_number(&options->admin_port, "admin", optarg, 0, UINT16_MAX));
    case 'm':
      service->model_folder = optarg;
      return PARSED_RUN;
    case 'c':
      return parsed_if(
          parse_number(&service->computing_most, "computing", optarg, 1, COMPUTING_MOST));
    case 'n':
      return parsed_if(
          parse_number(&service->paragraphs_most, "paragraphs", optarg, 1, CORPUS_PARAGRAPHS_MOST));
    case 'l':
      service->loop = true;
      return PARSED_RUN;
    case 'w':
      return parsed_if(parse_number(&service->patience_ms, "patience", optarg, 1, PATIENCE_MOST));
    case 'b':
      return parse_budget(service);
    case 't':
      return parsed_if(parse_number(&options->drain_seconds, "drain", optarg, 0, DRAIN_MOST));
    case 'd':
      options->demo = true;
      return PARSED_RUN;
    case 'r':
      return parsed_if(parse_number(&options->demo_requests, "requests", optarg, 2, REQUESTS_MOST));
    case 'j':
      return parsed_if(
          parse_number(&options->demo_clients, "clients", optarg, 1, LOAD_CLIENTS_MOST));
    case 'h':
      print_help();
      return PARSED_HELP;
    default:
      fprintf(stderr, "Try 'serve --help'.\n");
      return PARSED_WRONG;
  }
}

static void set_paths(struct service_options *service, int argc, char **argv) {
  if (optind < argc) {
    service->paths = (const char *const *)(argv + optind);
    service->path_count = argc - optind;
  } else {
    service->paths = default_paths;
    service->path_count = (int)(sizeof(default_paths) / sizeof(default_paths[0]));
  }
}

enum parsed options_parse(struct options *options, int argc, char **argv) {
  static const struct option names[] = {
      {.name = "address", .has_arg = required_argument, .val = 'a'},
      {.name = "port", .has_arg = required_argument, .val = 'p'},
      {.name = "admin", .has_arg = required_argument, .val = 'A'},
      {.name = "model", .has_arg = required_argument, .val = 'm'},
      {.name = "computing", .has_arg = required_argument, .val = 'c'},
      {.name = "paragraphs", .has_arg = required_argument, .val = 'n'},
      {.name = "loop", .has_arg = no_argument, .val = 'l'},
      {.name = "patience", .has_arg = required_argument, .val = 'w'},
      {.name = "budget", .has_arg = required_argument, .val = 'b'},
      {.name = "drain", .has_arg = required_argument, .val = 't'},
      {.name = "demo", .has_arg = no_argument, .val = 'd'},
      {.name = "requests", .has_arg = required_argument, .val = 'r'},
      {.name = "clients", .has_arg = required_argument, .val = 'j'},
      {.name = "help", .has_arg = no_argument, .val = 'h'},
      {.name = NULL},
  };
  *options = (struct options){.address = "127.0.0.1",
                              .port = 8080,
                              .admin_port = -1,
                              .drain_seconds = 10,
                              .demo_requests = 10000,
                              .demo_clients = 64,
                              .service = {.model_folder = SERVE_MODEL_DIR,
                                          .paragraphs_most = CORPUS_PARAGRAPHS_MOST,
                                          .computing_most = 2,
                                          .patience_ms = 30000,
                                          .budget = (size_t)512 << 20}};
  int letter;
  while ((letter = getopt_long(argc, argv, "a:p:A:m:c:n:lw:b:t:dr:j:h", names, NULL)) != -1) {
    const enum parsed parsed = parse_option(options, letter);
    if (parsed != PARSED_RUN) return parsed;
  }
  set_paths(&options->service, argc, argv);
  return PARSED_RUN;
}
