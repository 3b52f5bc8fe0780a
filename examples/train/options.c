/* Parsing of the command line, with getopt_long. Numbers are checked whole. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS_MOST = 1000000, BATCH_MOST = 4096 };

static const char default_text[] = "/usr/share/common-licenses/GPL-3";

static void print_help(void) {
  printf(
      "Usage: train [OPTION]...\n"
      "Trains a small transformer to guess the next character of a text.\n"
      "\n"
      "  -t, --text=FILE        what it learns (default %s)\n"
      "  -n, --steps=N          1 to %d (default 300)\n"
      "  -o, --optimizer=NAME   adam or sgd, with momentum (default adam)\n"
      "  -r, --rate=R           how far a step goes (default 0.003 for adam, 0.1 for sgd)\n"
      "  -b, --batch=N          pieces of the text for a step, 1 to %d (default 16)\n"
      "  -s, --seed=N           of the weights and the pieces (default 0)\n"
      "  -c, --curve=FILE       draws the losses there, as SVG\n"
      "  -d, --device=NAME      cpu, or gpu where there is one (default)\n"
      "  -u, --uncompiled       each step is recorded anew, to compare\n"
      "  -l, --losses           prints every loss on a line, and nothing else\n"
      "  -h, --help             print this and end\n"
      "\n"
      "Exit status: 0 all well; 1 an error, which stderr has; 2 wrong usage.\n",
      default_text, STEPS_MOST, BATCH_MOST);
}

static bool wrong(const char *name) {
  fprintf(stderr, "train: --%s does not take '%s'\nTry 'train --help'.\n", name, optarg);
  return false;
}

static bool parse_number(int *number, const char *name, int least, int most) {
  char *end = NULL;
  errno = 0;
  const long value = strtol(optarg, &end, 10);
  if (errno != 0 || end == optarg || *end != '\0' || value < least || value > most) {
    return wrong(name);
  }
  *number = (int)value;
  return true;
}

static bool parse_seed(uint64_t *seed) {
  char *end = NULL;
  errno = 0;
  *seed = strtoull(optarg, &end, 10);
  return (errno == 0 && end != optarg && *end == '\0' && *optarg != '-') || wrong("seed");
}

static bool parse_rate(float *rate) {
  char *end = NULL;
  *rate = strtof(optarg, &end);
  return (end != optarg && *end == '\0' && *rate > 0 && *rate < 1e6F) || wrong("rate");
}

/* Sets *second to whether it is the second of two words. */
static bool parse_word(bool *second, const char *name, const char *const words[2]) {
  *second = strcmp(optarg, words[1]) == 0;
  return *second || strcmp(optarg, words[0]) == 0 || wrong(name);
}

static bool parse_optimizer(struct optimizer *optimizer) {
  bool is_adam;
  if (!parse_word(&is_adam, "optimizer", (const char *const[]){"sgd", "adam"})) return false;
  optimizer->kind = is_adam ? OPTIMIZER_ADAM : OPTIMIZER_SGD;
  return true;
}

static bool parse_option(struct options *options, int letter) {
  struct trainer_options *const trainer = &options->trainer;
  switch (letter) {
    case 't':
      options->text = optarg;
      return true;
    case 'c':
      options->curve = optarg;
      return true;
    case 'n':
      return parse_number(&options->steps, "steps", 1, STEPS_MOST);
    case 'b':
      return parse_number(&trainer->batch, "batch", 1, BATCH_MOST);
    case 'o':
      return parse_optimizer(&trainer->optimizer);
    case 'r':
      return parse_rate(&trainer->optimizer.rate);
    case 's':
      return parse_seed(&trainer->seed);
    case 'd':
      return parse_word(&options->on_cpu, "device", (const char *const[]){"gpu", "cpu"});
    case 'u':
      trainer->compiled = false;
      return true;
    case 'l':
      options->losses = true;
      return true;
    default:
      fprintf(stderr, "Try 'train --help'.\n");
      return false;
  }
}

enum parsed options_parse(struct options *options, int argc, char **argv) {
  static const struct option names[] = {
      {.name = "text", .has_arg = required_argument, .val = 't'},
      {.name = "steps", .has_arg = required_argument, .val = 'n'},
      {.name = "optimizer", .has_arg = required_argument, .val = 'o'},
      {.name = "rate", .has_arg = required_argument, .val = 'r'},
      {.name = "batch", .has_arg = required_argument, .val = 'b'},
      {.name = "seed", .has_arg = required_argument, .val = 's'},
      {.name = "curve", .has_arg = required_argument, .val = 'c'},
      {.name = "device", .has_arg = required_argument, .val = 'd'},
      {.name = "uncompiled", .has_arg = no_argument, .val = 'u'},
      {.name = "losses", .has_arg = no_argument, .val = 'l'},
      {.name = "help", .has_arg = no_argument, .val = 'h'},
      {.name = NULL},
  };
  struct trainer_options *const trainer = &options->trainer;
  *options = (struct options){
      .text = default_text,
      .steps = 300,
      .trainer = {.optimizer = {.kind = OPTIMIZER_ADAM}, .batch = 16, .compiled = true}};
  int letter;
  while ((letter = getopt_long(argc, argv, "t:n:o:r:b:s:c:d:ulh", names, NULL)) != -1) {
    if (letter == 'h') {
      print_help();
      return PARSED_HELP;
    }
    if (!parse_option(options, letter)) return PARSED_WRONG;
  }
  if (optind < argc) {
    fprintf(stderr, "train: what is '%s'?\nTry 'train --help'.\n", argv[optind]);
    return PARSED_WRONG;
  }
  if (trainer->optimizer.rate == 0) {
    trainer->optimizer.rate = trainer->optimizer.kind == OPTIMIZER_ADAM ? 0.003F : 0.1F;
  }
  return PARSED_RUN;
}
