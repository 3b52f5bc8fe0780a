/* The crowd: many short-lived threads, each asking one question on its own default stream. */
#ifndef WR_EXAMPLES_SEARCH_CROWD_H
#define WR_EXAMPLES_SEARCH_CROWD_H

#include "bank.h"
#include "gauge.h"
#include "shelf.h"

struct crowd_order {
  struct shelf *shelf;
  const struct bank *bank; /* thread n asks question n mod count */
  int top;
  int threads;
  int at_once;
};

struct crowd_result {
  int same; /* answers equal to those of the single thread */
  int different;
  int failed;         /* no answer: an error, or the thread could not be made */
  double seconds;     /* from the first thread's beginning to the last one's end */
  double median, p99; /* seconds from before a thread is made until it has its answer */
  struct gauge most;  /* the largest values seen meanwhile */
};

/* Sends the crowd and waits until every thread has ended. Shows a progress bar. Returns 0, or 1
   without memory; what went wrong with single questions is in the result. */
int crowd_send(struct crowd_result *result, const struct crowd_order *order);

#endif
