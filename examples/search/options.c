/* Parsing of the command line, with getopt_long. Numbers are checked whole: "12x" is refused, as is
   anything outside the range that the option's help states. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "letters.h"
#include "query.h"

enum { THREADS_MOST = 1000000, AT_ONCE_MOST = 1024 };

static const char *const default_paths[] = {"/usr/share/common-licenses", SEARCH_DOCS_DIR};

static void print_help(void) {
  printf(
      "Usage: search [OPTION]... [FILE or FOLDER]...\n"
      "Searches text by hashed character trigrams. Without --ask, shows it served by thousands\n"
      "of short-lived threads, each on its own stream, while the index is rebuilt beside them.\n"
      "\n"
      "  -a, --ask=QUESTION   answer one question and end\n"
      "  -k, --top=N          paragraphs per answer, 1 to %d (default 3)\n"
      "  -n, --threads=N      threads in all, 1 to %d (default 10000)\n"
      "  -j, --at-once=N      threads alive together, 1 to %d (default 64)\n"
      "  -h, --help           print this and end\n"
      "\n"
      "Without FILE or FOLDER: %s and %s.\n"
      "Names that begin with a dot and symbolic links inside a folder are passed over.\n"
      "\n"
      "Exit status: 0 all well; 1 something could not be read (the rest was searched), there was\n"
      "no text at all, or an answer differed; 2 wrong usage.\n",
      ANSWER_MOST, THREADS_MOST, AT_ONCE_MOST, default_paths[0], default_paths[1]);
}

static bool parse_number(int *number, const char *name, const char *text, int most) {
  char *end = NULL;
  errno = 0;
  const long value = strtol(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || value < 1 || value > most) {
    fprintf(stderr, "search: --%s takes a number from 1 to %d, not '%s'\n", name, most, text);
    return false;
  }
  *number = (int)value;
  return true;
}

static bool parse_question(struct options *options, const char *text) {
  if (!letters_in(text, strlen(text))) {
    fprintf(stderr, "search: --ask takes a question with a letter or digit, not '%s'\n", text);
    return false;
  }
  options->question = text;
  return true;
}

static enum parsed parse_option(struct options *options, int letter) {
  switch (letter) {
    case 'a':
      return parse_question(options, optarg) ? PARSED_RUN : PARSED_WRONG;
    case 'k':
      return parse_number(&options->top, "top", optarg, ANSWER_MOST) ? PARSED_RUN : PARSED_WRONG;
    case 'n':
      return parse_number(&options->threads, "threads", optarg, THREADS_MOST) ? PARSED_RUN
                                                                              : PARSED_WRONG;
    case 'j':
      return parse_number(&options->at_once, "at-once", optarg, AT_ONCE_MOST) ? PARSED_RUN
                                                                              : PARSED_WRONG;
    case 'h':
      print_help();
      return PARSED_HELP;
    default:
      fprintf(stderr, "Try 'search --help'.\n");
      return PARSED_WRONG;
  }
}

enum parsed options_parse(struct options *options, int argc, char **argv) {
  static const struct option names[] = {
      {.name = "ask", .has_arg = required_argument, .val = 'a'},
      {.name = "top", .has_arg = required_argument, .val = 'k'},
      {.name = "threads", .has_arg = required_argument, .val = 'n'},
      {.name = "at-once", .has_arg = required_argument, .val = 'j'},
      {.name = "help", .has_arg = no_argument, .val = 'h'},
      {.name = NULL},
  };
  *options = (struct options){.top = 3, .threads = 10000, .at_once = 64};
  int letter;
  while ((letter = getopt_long(argc, argv, "a:k:n:j:h", names, NULL)) != -1) {
    const enum parsed parsed = parse_option(options, letter);
    if (parsed != PARSED_RUN) return parsed;
  }
  if (optind < argc) {
    options->paths = (const char *const *)(argv + optind);
    options->path_count = argc - optind;
  } else {
    options->paths = default_paths;
    options->path_count = (int)(sizeof(default_paths) / sizeof(default_paths[0]));
  }
  return PARSED_RUN;
}
