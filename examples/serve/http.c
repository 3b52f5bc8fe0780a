/* Bodies are read whole before they are looked at, up to BODY_MOST; what is larger is read past and
   answered with 413, since a client that is still sending would see its connection reset instead of
   an answer. All bodies together have a bound too, beyond which requests get 503. A client that is
   slow has IDLE_SECONDS between two bytes and BODY_SECONDS for a body. */
#include "http.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "api.h"
#include "complain.h"
#include "gauge.h"
#include "listen.h"
#include "loop.h"
#include "threads.h"

enum {
  BODY_MOST = 4 << 20,
  BODIES_MOST = 256 << 20,
  PASSED_OVER_MOST = 256 << 20,
  CONNECTIONS_MOST = 4096,
  CONNECTION_BYTES = 16 << 10,
  STACK_BYTES = 1 << 20,
  IDLE_SECONDS = 10,
  BODY_SECONDS = 30
};

struct http {
  struct service *service;
  struct MHD_Daemon *daemon;
  struct loop *loop;  /* NULL: a thread for each connection, */
  struct watch watch; /* and this one */
  uint16_t port;
  atomic_size_t body_bytes; /* relaxed: a bound, not exact */
};

/* A request under way; its connection's thread only. */
struct exchange {
  int route;
  double begin;
  struct text body;
  size_t received;  /* bytes of the body, kept or not */
  unsigned refused; /* the status that it gets without being looked at, or 0 */
  unsigned status;  /* what was answered, or 0 */
  struct reply reply;
  bool suspended, ready; /* the loop has it, or had it; the reply is made */
};

/* ---- answers ---- */

static enum MHD_Result send_reply(struct MHD_Connection *connection, struct exchange *exchange,
                                  struct reply *reply, bool last) {
  if (reply->body.failed) {
    text_free(&reply->body);
    api_fail(reply, 500, NULL, NULL, "out of memory");
  }
  struct MHD_Response *const response =
      MHD_create_response_from_buffer(reply->body.size, reply->body.bytes, MHD_RESPMEM_MUST_FREE);
  if (response == NULL) {
    text_free(&reply->body);
    return MHD_NO;
  }
  reply->body = (struct text){0}; /* the response's */
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->type);
  if (reply->allow != NULL) MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, reply->allow);
  if (reply->status == 503) MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1");
  if (last) MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
  exchange->status = reply->status;
  const enum MHD_Result result = MHD_queue_response(connection, reply->status, response);
  MHD_destroy_response(response);
  return result;
}

static void refuse(struct reply *reply, unsigned status) {
  switch (status) {
    case 413:
      api_fail(reply, 413, NULL, "too_large", "the body is larger than 4 MB");
      break;
    case 405:
      api_fail(reply, 405, NULL, "method", "this is asked by another method");
      break;
    default:
      api_fail(reply, 503, NULL, "busy", "too many large requests at once");
  }
}

/* Seconds that the client waits: as many as it says, but no more than the server allows. */
static double patience_of(const struct http *http, struct MHD_Connection *connection) {
  const double most = http->service->options->patience_ms * 1e-3;
  const char *const text = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "X-Timeout-Ms");
  const double wanted = text != NULL ? strtod(text, NULL) * 1e-3 : most;
  return wanted > 0 && wanted < most ? wanted : most;
}

/* Bytes of arrays, the same way. */
static size_t budget_of(const struct http *http, struct MHD_Connection *connection) {
  const size_t most = http->service->options->budget;
  const char *const text =
      MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "X-Memory-Bytes");
  const unsigned long long wanted = text != NULL ? strtoull(text, NULL, 10) : most;
  return wanted > 0 && wanted < most ? (size_t)wanted : most;
}

static int fd_of(struct MHD_Connection *connection) {
  return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

/* False when the loop will make the reply. */
static bool make_reply(struct http *http, struct MHD_Connection *connection,
                       struct exchange *exchange, const struct route *route) {
  struct reply *const reply = &exchange->reply;
  struct asked asked = {.begin = gauge_seconds()};
  if (route->ask == NULL) {
    route->answer(http->service, &exchange->body, reply);
  } else if (route->ask(http->service, &exchange->body, &asked, reply)) {
    asked.patience = patience_of(http, connection);
    asked.budget = budget_of(http, connection);
    if (http->loop == NULL) {
      threads_answer(http->service, &http->watch, fd_of(connection), route, &asked, reply);
    } else if (loop_ask(http->loop, connection, route, &asked, reply, &exchange->ready)) {
      exchange->suspended = true;
      return false;
    } else {
      api_fail(reply, 500, NULL, NULL, "out of memory");
    }
  }
  asked_free(&asked);
  return true;
}

/* Called again when a connection that was suspended goes on. */
static enum MHD_Result answer(struct http *http, struct MHD_Connection *connection,
                              struct exchange *exchange) {
  const struct route *const route = &api_routes[exchange->route];
  struct reply *const reply = &exchange->reply;
  if (exchange->suspended) {
    if (!exchange->ready) return MHD_YES;
  } else if (exchange->refused != 0) {
    *reply = (struct reply){.status = 200, .type = "text/plain"};
    if (exchange->refused == 405) reply->allow = route->method;
    refuse(reply, exchange->refused);
  } else {
    *reply = (struct reply){.status = 200, .type = "text/plain"};
    if (!make_reply(http, connection, exchange, route)) return MHD_YES;
  }
  const bool draining = atomic_load_explicit(&http->service->draining, memory_order_relaxed);
  return send_reply(connection, exchange, reply, draining);
}

/* ---- requests ---- */

static bool is_method(const struct route *route, const char *method) {
  if (route->method == NULL || strcmp(route->method, method) == 0) return true;
  return strcmp(route->method, "GET") == 0 && strcmp(method, "HEAD") == 0;
}

static uint64_t announced_bytes(struct MHD_Connection *connection) {
  const char *const length =
      MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
  return length != NULL ? strtoull(length, NULL, 10) : 0;
}

static enum MHD_Result begin(struct http *http, struct MHD_Connection *connection, const char *path,
                             const char *method, void **context) {
  struct exchange *const exchange = calloc(1, sizeof(*exchange));
  if (exchange == NULL) return MHD_NO;
  *context = exchange;
  exchange->begin = gauge_seconds();
  exchange->route = api_route(path);
  metrics_begin(&http->service->metrics);
  if (!is_method(&api_routes[exchange->route], method)) exchange->refused = 405;
  const uint64_t announced = announced_bytes(connection);
  if (announced > BODY_MOST) exchange->refused = 413;
  if (announced > PASSED_OVER_MOST) return answer(http, connection, exchange);
  return MHD_YES;
}

static void keep(struct http *http, struct exchange *exchange, const char *bytes, size_t size) {
  if (exchange->body.size + size > BODY_MOST) {
    exchange->refused = 413;
  } else if (atomic_fetch_add_explicit(&http->body_bytes, size, memory_order_relaxed) + size >
             BODIES_MOST) {
    atomic_fetch_sub_explicit(&http->body_bytes, size, memory_order_relaxed);
    exchange->refused = 503;
  } else {
    text_add(&exchange->body, bytes, size);
    if (!exchange->body.failed) return;
    atomic_fetch_sub_explicit(&http->body_bytes, size, memory_order_relaxed);
    exchange->refused = 503;
  }
}

/* A part of the body. MHD_NO closes the connection. */
static enum MHD_Result receive(struct http *http, struct exchange *exchange, const char *bytes,
                               size_t size) {
  exchange->received += size;
  if (exchange->received > PASSED_OVER_MOST) return MHD_NO;
  if (gauge_seconds() - exchange->begin > BODY_SECONDS) return MHD_NO;
  if (exchange->refused == 0) keep(http, exchange, bytes, size);
  return MHD_YES;
}

static enum MHD_Result on_request(void *data, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *size, void **context) {
  (void)version;
  struct http *const http = data;
  struct exchange *const exchange = *context;
  if (exchange == NULL) return begin(http, connection, path, method, context);
  if (*size == 0) return answer(http, connection, exchange);
  const enum MHD_Result result = receive(http, exchange, bytes, *size);
  *size = 0;
  return result;
}

static void on_completed(void *data, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode code) {
  (void)connection;
  (void)code;
  struct http *const http = data;
  struct exchange *const exchange = *context;
  if (exchange == NULL) return;
  /* Who has gone is not answered. */
  if (exchange->ready && exchange->status == 0) exchange->status = exchange->reply.status;
  text_free(&exchange->reply.body);
  atomic_fetch_sub_explicit(&http->body_bytes, exchange->body.size, memory_order_relaxed);
  metrics_end(&http->service->metrics, exchange->route, exchange->status,
              gauge_seconds() - exchange->begin);
  text_free(&exchange->body);
  free(exchange);
  *context = NULL;
}

static void on_connection(void *data, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code) {
  (void)connection;
  (void)context;
  struct http *const http = data;
  metrics_connected(&http->service->metrics, code == MHD_CONNECTION_NOTIFY_STARTED ? 1 : -1);
}

/* ---- the daemon ---- */

/* Each connection is a descriptor; many systems allow a thousand unless asked. */
static void allow_connections(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t wanted = CONNECTIONS_MOST + 256;
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
  setrlimit(RLIMIT_NOFILE, &limit);
}

/* Paths are compared as they come: no route has a letter that needs an escape. */
static size_t keep_escapes(void *data, struct MHD_Connection *connection, char *text) {
  (void)data;
  (void)connection;
  return strlen(text);
}

static struct MHD_Daemon *start_daemon(struct http *http, int fd) {
  const unsigned threads =
      MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL | MHD_USE_ITC;
  const unsigned loop = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME;
  return MHD_start_daemon(
      http->service->options->loop ? loop : threads, 0, NULL, NULL, on_request, http,
      MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, on_completed, http,
      MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_CONNECTION_LIMIT,
      (unsigned)CONNECTIONS_MOST, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
      MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS, MHD_OPTION_UNESCAPE_CALLBACK,
      keep_escapes, NULL, MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_BYTES, MHD_OPTION_END);
}

/* Takes over `fd`. Returns 0, or 1 with the reason on stderr. */
static int begin_answering(struct http *http, int fd) {
  const bool threads = !http->service->options->loop;
  if (threads && watch_start(&http->watch, &http->service->batcher) != 0) {
    close(fd);
    return 1;
  }
  http->daemon = start_daemon(http, fd);
  if (http->daemon == NULL) {
    complain("the HTTP server did not start: %s", strerror(errno));
    if (threads) watch_stop(&http->watch);
    close(fd);
    return 1;
  }
  if (threads) return 0;
  if (loop_start(&http->loop, http->service, http->daemon) == 0) return 0;
  MHD_stop_daemon(http->daemon);
  return 1;
}

struct http *http_start(struct service *service, const char *address, uint16_t port) {
  struct http *const http = calloc(1, sizeof(*http));
  const int fd = http != NULL ? listen_at(address, port) : -1;
  if (fd < 0) {
    free(http);
    return NULL;
  }
  allow_connections();
  http->service = service;
  http->port = listen_port(fd);
  if (begin_answering(http, fd) == 0) return http;
  free(http);
  return NULL;
}

uint16_t http_port(const struct http *http) { return http->port; }

int http_stop(struct http *http, double seconds) {
  const struct timespec moment = {.tv_nsec = 5000000};
  const double end = gauge_seconds() + seconds;
  atomic_store_explicit(&http->service->draining, true, memory_order_relaxed);
  if (http->loop != NULL) {
    loop_drain(http->loop);
  } else {
    const int fd = MHD_quiesce_daemon(http->daemon);
    if (fd >= 0) close(fd);
  }
  while (metrics_in_flight(&http->service->metrics) > 0 && gauge_seconds() < end) {
    nanosleep(&moment, NULL);
  }
  const int left = metrics_in_flight(&http->service->metrics);
  if (http->loop != NULL) loop_stop(http->loop);
  MHD_stop_daemon(http->daemon);
  if (http->loop == NULL) watch_stop(&http->watch);
  free(http);
  return left;
}
