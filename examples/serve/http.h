/* HTTP, by libmicrohttpd: a thread for each connection, on which its requests are answered, each on
   that thread's own default stream (threads.h); or one thread for all (loop.h). */
#ifndef WR_EXAMPLES_SERVE_HTTP_H
#define WR_EXAMPLES_SERVE_HTTP_H

#include <stdint.h>

#include "service.h"

struct http;

/* Listens on `address` (IPv4 or IPv6) and `port`, 0 for any that is free. NULL after an error, said
   on stderr. */
struct http *http_start(struct service *service, const char *address, uint16_t port);

/* The port that it listens on. */
uint16_t http_port(const struct http *http);

/* Takes no further connection, answers what is under way, for `seconds` at most, and ends. Returns
   how many requests were left unanswered. */
int http_stop(struct http *http, double seconds);

#endif
