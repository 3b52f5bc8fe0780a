/* The command line of the search example. */
#ifndef WR_EXAMPLES_SEARCH_OPTIONS_H
#define WR_EXAMPLES_SEARCH_OPTIONS_H

/* The program's exit codes. */
enum {
  EXIT_ALL_WELL = 0,
  EXIT_BAD_DATA = 1, /* a file or folder could not be used, or an answer came out different */
  EXIT_USAGE = 2     /* the command line is wrong */
};

struct options {
  const char *question;     /* --ask; NULL: run the demonstration */
  int top;                  /* hits per question */
  int threads;              /* short-lived threads of the demonstration, one question each */
  int at_once;              /* how many of them may be alive together */
  const char *const *paths; /* what to search, never empty */
  int path_count;
};

enum parsed { PARSED_RUN, PARSED_HELP, PARSED_WRONG };

/* Fills `options` from the command line. PARSED_HELP: the help was printed to stdout; PARSED_WRONG:
   the reason was printed to stderr. The strings stay those of `argv`. */
enum parsed options_parse(struct options *options, int argc, char **argv);

#endif
