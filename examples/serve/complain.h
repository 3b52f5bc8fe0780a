/* What goes wrong, in words: on stderr, and kept for whoever answers with it. */
#ifndef WR_EXAMPLES_SERVE_COMPLAIN_H
#define WR_EXAMPLES_SERVE_COMPLAIN_H

/* Writes a line "serve: ..." to stderr. */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);

/* What this thread complained of last, "" if of nothing; the thread's until it complains again. */
const char *complaint(void);

#endif
