/* What the server counts of itself, as Prometheus reads it. */
#ifndef WR_EXAMPLES_SERVE_METRICS_H
#define WR_EXAMPLES_SERVE_METRICS_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

enum { METRICS_ROUTES = 7, METRICS_CODES = 13, METRICS_BUCKETS = 16 };

/* Requests of one route. */
struct route_counts {
  uint64_t codes[METRICS_CODES];     /* by status, as metrics.c lists them */
  uint64_t buckets[METRICS_BUCKETS]; /* answered within metrics.c's bounds, and beyond the last */
  uint64_t count;
  double seconds; /* the sum */
};

struct metrics {
  pthread_mutex_t lock;
  struct route_counts routes[METRICS_ROUTES]; /* under lock */
  int in_flight;                              /* under lock: requests begun and not answered */
  int connections;                            /* under lock */
};

/* Any thread may call all but the first and the last. */
void metrics_init(struct metrics *metrics);
void metrics_begin(struct metrics *metrics);
void metrics_end(struct metrics *metrics, int route, unsigned status, double seconds);
void metrics_connected(struct metrics *metrics, int more);
int metrics_in_flight(struct metrics *metrics);
/* Requests that ended with that status, one that metrics.c lists. */
uint64_t metrics_ended(struct metrics *metrics, unsigned status);
void metrics_destroy(struct metrics *metrics);

struct text;

/* Adds what it counts, in Prometheus's text format; names[i] is route i's. */
void metrics_write(struct metrics *metrics, struct text *text, const char *const *names);

#endif
