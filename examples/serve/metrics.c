/* Sums under one lock, which is held for a few additions. */
#include "metrics.h"

#include "text.h"

static const unsigned codes[METRICS_CODES] = {200, 400, 404, 405, 408, 413, 422,
                                              429, 499, 500, 503, 504, 0 /* others */};

/* Seconds. */
static const double bounds[METRICS_BUCKETS - 1] = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2,
                                                   0.3,   0.5,   0.75,  1,    2,    5,    10};

void metrics_init(struct metrics *metrics) {
  *metrics = (struct metrics){.in_flight = 0};
  pthread_mutex_init(&metrics->lock, NULL);
}

void metrics_destroy(struct metrics *metrics) { pthread_mutex_destroy(&metrics->lock); }

void metrics_begin(struct metrics *metrics) {
  pthread_mutex_lock(&metrics->lock);
  metrics->in_flight++;
  pthread_mutex_unlock(&metrics->lock);
}

void metrics_end(struct metrics *metrics, int route, unsigned status, double seconds) {
  int code = 0;
  int bucket = 0;
  while (codes[code] != status && codes[code] != 0) code++;
  while (bucket < METRICS_BUCKETS - 1 && seconds > bounds[bucket]) bucket++;
  pthread_mutex_lock(&metrics->lock);
  struct route_counts *const counts = &metrics->routes[route];
  counts->codes[code]++;
  counts->buckets[bucket]++;
  counts->count++;
  counts->seconds += seconds;
  metrics->in_flight--;
  pthread_mutex_unlock(&metrics->lock);
}

void metrics_connected(struct metrics *metrics, int more) {
  pthread_mutex_lock(&metrics->lock);
  metrics->connections += more;
  pthread_mutex_unlock(&metrics->lock);
}

uint64_t metrics_ended(struct metrics *metrics, unsigned status) {
  uint64_t count = 0;
  int code = 0;
  while (codes[code] != status && codes[code] != 0) code++;
  pthread_mutex_lock(&metrics->lock);
  for (int i = 0; i < METRICS_ROUTES; i++) count += metrics->routes[i].codes[code];
  pthread_mutex_unlock(&metrics->lock);
  return count;
}

int metrics_in_flight(struct metrics *metrics) {
  pthread_mutex_lock(&metrics->lock);
  const int in_flight = metrics->in_flight;
  pthread_mutex_unlock(&metrics->lock);
  return in_flight;
}

static void write_codes(const struct route_counts *counts, struct text *text, const char *name) {
  for (int i = 0; i < METRICS_CODES; i++) {
    if (counts->codes[i] == 0) continue;
    text_print(text, "serve_requests_total{route=\"%s\",code=\"%u\"} %llu\n", name, codes[i],
               (unsigned long long)counts->codes[i]);
  }
}

static void write_seconds(const struct route_counts *counts, struct text *text, const char *name) {
  unsigned long long within = 0;
  for (int i = 0; i < METRICS_BUCKETS - 1; i++) {
    within += counts->buckets[i];
    text_print(text, "serve_request_seconds_bucket{route=\"%s\",le=\"%g\"} %llu\n", name, bounds[i],
               within);
  }
  text_print(text, "serve_request_seconds_bucket{route=\"%s\",le=\"+Inf\"} %llu\n", name,
             (unsigned long long)counts->count);
  text_print(text, "serve_request_seconds_sum{route=\"%s\"} %.6f\n", name, counts->seconds);
  text_print(text, "serve_request_seconds_count{route=\"%s\"} %llu\n", name,
             (unsigned long long)counts->count);
}

void metrics_write(struct metrics *metrics, struct text *text, const char *const *names) {
  pthread_mutex_lock(&metrics->lock);
  text_puts(text,
            "# HELP serve_requests_total Requests answered.\n"
            "# TYPE serve_requests_total counter\n");
  for (int i = 0; i < METRICS_ROUTES; i++) write_codes(&metrics->routes[i], text, names[i]);
  text_puts(text,
            "# HELP serve_request_seconds From the end of the headers to the answer.\n"
            "# TYPE serve_request_seconds histogram\n");
  for (int i = 0; i < METRICS_ROUTES; i++) {
    if (metrics->routes[i].count > 0) write_seconds(&metrics->routes[i], text, names[i]);
  }
  text_print(text,
             "# HELP serve_requests_in_flight Requests begun and not answered.\n"
             "# TYPE serve_requests_in_flight gauge\nserve_requests_in_flight %d\n",
             metrics->in_flight);
  text_print(text,
             "# HELP serve_connections Connections that are open.\n"
             "# TYPE serve_connections gauge\nserve_connections %d\n",
             metrics->connections);
  pthread_mutex_unlock(&metrics->lock);
}
