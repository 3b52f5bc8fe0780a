/* Many clients at once, who ask the questions of a bank by turns. */
#ifndef WR_EXAMPLES_SERVE_LOAD_H
#define WR_EXAMPLES_SERVE_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "bank.h"
#include "gauge.h"

enum { LOAD_CLIENTS_MOST = 1024 };

struct load_order {
  const struct bank *bank;
  uint16_t port;
  int clients;
  int requests;   /* in all */
  double seconds; /* after which no further ones are sent */
  const char *title;
  bool impatient; /* some have no time, and some hang up */
};

struct load_result {
  int sent, same, different, failed; /* failed: no answer, or another status than 200 */
  int late, hung_up;                 /* of those that had no time, or hung up: given up with 504, or
                                        not waited for */
  double seconds;                    /* from the first to the last */
  double median, p99;                /* of an answer, from connecting to its end */
  struct gauge most;                 /* what the process held while they came */
};

/* Sends the requests and waits for the answers. Returns 0, or 1 with the reason on stderr. */
int load_send(struct load_result *result, const struct load_order *order);

#endif
