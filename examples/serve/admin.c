/* A daemon apart from the one that serves, with threads of its own: what the server hangs in does
   not hold up the answer that says so, its clients do not fill the connections, and a proxy that
   hands on every path does not hand on these. The answers are files without a name, which
   libmicrohttpd sends.

   Lock: `lock`, for the few words below it. */
#include "admin.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <weir/weir.h>

#include "complain.h"
#include "listen.h"
#include "text.h"

enum { CONNECTIONS_MOST = 16, TRACE_SECONDS_MOST = 60, IDLE_SECONDS = 120, END_SECONDS = 5 };

struct admin {
  struct service *service;
  struct MHD_Daemon *daemon;
  uint16_t port;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  int requests; /* under lock: begun and not answered */
  bool tracing; /* under lock */
  bool ends;    /* under lock */
};

/* ---- answers ---- */

static enum MHD_Result send_response(struct MHD_Connection *connection, unsigned status,
                                     struct MHD_Response *response, const char *type) {
  if (response == NULL) return MHD_NO;
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
  MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
  const enum MHD_Result result = MHD_queue_response(connection, status, response);
  MHD_destroy_response(response);
  return result;
}

static enum MHD_Result send_text(struct MHD_Connection *connection, unsigned status,
                                 struct text *text, const char *type) {
  if (text->failed) {
    text_free(text);
    return MHD_NO;
  }
  return send_response(
      connection, status,
      MHD_create_response_from_buffer(text->size, text->bytes, MHD_RESPMEM_MUST_FREE), type);
}

static enum MHD_Result send_words(struct MHD_Connection *connection, unsigned status,
                                  const char *words) {
  struct text text = {0};
  text_print(&text, "%s\n", words);
  return send_text(connection, status, &text, "text/plain; charset=utf-8");
}

/* Takes over the descriptor. */
static enum MHD_Result send_file(struct MHD_Connection *connection, int fd, const char *type) {
  struct stat of;
  if (fstat(fd, &of) != 0) {
    close(fd);
    return send_words(connection, 500, strerror(errno));
  }
  struct MHD_Response *const response = MHD_create_response_from_fd64((uint64_t)of.st_size, fd);
  if (response == NULL) close(fd);
  return send_response(connection, 200, response, type);
}

/* A new file in the folder for such, or -1; *name is what it is called. */
static int make_file(char *name, size_t room) {
  const char *const folder = getenv("TMPDIR");
  snprintf(name, room, "%s/serve-XXXXXX", folder != NULL ? folder : "/tmp");
  return mkostemp(name, O_CLOEXEC);
}

/* ---- what is asked ---- */

static enum MHD_Result answer_streams(struct admin *admin, struct MHD_Connection *connection) {
  (void)admin;
  char name[4096];
  const int fd = make_file(name, sizeof(name));
  if (fd < 0) return send_words(connection, 500, strerror(errno));
  unlink(name);
  if (weir_dump(fd) == 0) return send_file(connection, fd, "text/plain; charset=utf-8");
  close(fd);
  return send_words(connection, 500, weir_last_error());
}

/* Takes the place of the one who traces; false when another one has it. */
static bool begin_tracing(struct admin *admin) {
  pthread_mutex_lock(&admin->lock);
  const bool mine = !admin->tracing && !admin->ends;
  if (mine) admin->tracing = true;
  pthread_mutex_unlock(&admin->lock);
  return mine;
}

static void end_tracing(struct admin *admin) {
  pthread_mutex_lock(&admin->lock);
  admin->tracing = false;
  pthread_mutex_unlock(&admin->lock);
}

/* A moment of the clock of `changed`. */
static struct timespec seconds_from_now(double seconds) {
  struct timespec moment;
  clock_gettime(CLOCK_MONOTONIC, &moment);
  const double end = (double)moment.tv_sec + 1e-9 * (double)moment.tv_nsec + seconds;
  moment.tv_sec = (time_t)end;
  moment.tv_nsec = (long)(1e9 * (end - (double)moment.tv_sec));
  return moment;
}

/* Until they have passed, or the server ends. */
static void wait_seconds(struct admin *admin, double seconds) {
  const struct timespec until = seconds_from_now(seconds);
  int error = 0;
  pthread_mutex_lock(&admin->lock);
  while (!admin->ends && error == 0) {
    error = pthread_cond_timedwait(&admin->changed, &admin->lock, &until);
  }
  pthread_mutex_unlock(&admin->lock);
}

static enum MHD_Result trace(struct admin *admin, struct MHD_Connection *connection,
                             double seconds) {
  char name[4096];
  const int fd = make_file(name, sizeof(name));
  if (fd < 0) return send_words(connection, 500, strerror(errno));
  int rc = weir_trace_start(name);
  const unsigned status = rc != 0 && weir_last_status() == WEIR_ERROR_STATE ? 409 : 500;
  if (rc == 0) {
    wait_seconds(admin, seconds);
    rc = weir_trace_stop();
  }
  unlink(name);
  if (rc == 0) return send_file(connection, fd, "application/json");
  close(fd);
  return send_words(connection, status, weir_last_error());
}

static enum MHD_Result answer_trace(struct admin *admin, struct MHD_Connection *connection) {
  const char *const text =
      MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "seconds");
  char *end = NULL;
  const double seconds = text != NULL ? strtod(text, &end) : 1;
  if ((text != NULL && (end == text || *end != '\0')) ||
      !(seconds > 0 && seconds <= TRACE_SECONDS_MOST)) {
    return send_words(connection, 400, "'seconds' is a number above 0, 60 at most");
  }
  if (!begin_tracing(admin)) return send_words(connection, 409, "a trace is being made already");
  const enum MHD_Result result = trace(admin, connection, seconds);
  end_tracing(admin);
  return result;
}

static enum MHD_Result answer_state(struct admin *admin, struct MHD_Connection *connection) {
  struct service_reloads reloads;
  struct text text = {0};
  service_reloads(admin->service, &reloads);
  text_print(&text, "{\"state\":\"%s\",\"reloads\":%d,\"failures\":%d,\"error\":",
             reloads.under_way ? "loading" : "serving", reloads.done, reloads.failed);
  if (reloads.error[0] != '\0') {
    text_add_json(&text, reloads.error, strlen(reloads.error));
  } else {
    text_puts(&text, "null");
  }
  text_puts(&text, "}\n");
  return send_text(connection, 200, &text, "application/json");
}

static enum MHD_Result answer_reload(struct admin *admin, struct MHD_Connection *connection) {
  /* A page of another's, open in a browser here, may post too; a browser says where it is from. */
  if (MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Origin") != NULL) {
    return send_words(connection, 403, "not from a page");
  }
  service_rebuild(admin->service, true);
  struct text text = {0};
  text_puts(&text, "{\"state\":\"loading\"}\n");
  return send_text(connection, 202, &text, "application/json");
}

static const struct route {
  const char *method, *path;
  enum MHD_Result (*answer)(struct admin *admin, struct MHD_Connection *connection);
} routes[] = {{"GET", "/debug/streams", answer_streams},
              {"GET", "/debug/trace", answer_trace},
              {"GET", "/admin/reload", answer_state},
              {"POST", "/admin/reload", answer_reload}};

static enum MHD_Result answer(struct admin *admin, struct MHD_Connection *connection,
                              const char *path, const char *method) {
  bool there = false;
  for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
    if (strcmp(routes[i].path, path) != 0) continue;
    if (strcmp(routes[i].method, method) == 0) return routes[i].answer(admin, connection);
    there = true;
  }
  if (there) return send_words(connection, 405, "this is asked by another method");
  return send_words(connection, 404,
                    "there is GET /debug/streams, GET /debug/trace?seconds=N, and GET and POST "
                    "/admin/reload");
}

static void count_request(struct admin *admin, int more) {
  pthread_mutex_lock(&admin->lock);
  admin->requests += more;
  pthread_cond_broadcast(&admin->changed);
  pthread_mutex_unlock(&admin->lock);
}

static void on_completed(void *data, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode code) {
  (void)connection;
  (void)code;
  if (*context != NULL) count_request(data, -1);
}

/* Called first with the headers, then with parts of a body, which nobody wants, then without. */
static enum MHD_Result on_request(void *data, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *size, void **context) {
  static char seen;
  (void)version;
  (void)bytes;
  if (*context == NULL) {
    *context = &seen;
    count_request(data, 1);
    return MHD_YES;
  }
  if (*size > 0) {
    *size = 0;
    return MHD_YES;
  }
  return answer(data, connection, path, method);
}

/* ---- the beginning and the end ---- */

static void let_go(struct admin *admin) {
  pthread_cond_destroy(&admin->changed);
  pthread_mutex_destroy(&admin->lock);
  free(admin);
}

static struct admin *make(struct service *service) {
  struct admin *const admin = calloc(1, sizeof(*admin));
  if (admin == NULL) {
    complain("out of memory");
    return NULL;
  }
  admin->service = service;
  pthread_mutex_init(&admin->lock, NULL);
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&admin->changed, &attributes);
  pthread_condattr_destroy(&attributes);
  return admin;
}

struct admin *admin_start(struct service *service, uint16_t port) {
  struct admin *const admin = make(service);
  const int fd = admin != NULL ? listen_at("127.0.0.1", port) : -1;
  if (fd < 0) {
    if (admin != NULL) let_go(admin);
    return NULL;
  }
  admin->port = listen_port(fd);
  admin->daemon = MHD_start_daemon(
      MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL | MHD_USE_ITC,
      0, NULL, NULL, on_request, admin, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED,
      on_completed, admin, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MOST,
      MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS, MHD_OPTION_END);
  if (admin->daemon != NULL) return admin;
  complain("the port for who runs the server did not open: %s", strerror(errno));
  close(fd);
  let_go(admin);
  return NULL;
}

uint16_t admin_port(const struct admin *admin) { return admin->port; }

void admin_stop(struct admin *admin) {
  if (admin == NULL) return;
  pthread_mutex_lock(&admin->lock);
  admin->ends = true;
  pthread_cond_broadcast(&admin->changed);
  const struct timespec until = seconds_from_now(END_SECONDS);
  int error = 0; /* stopped, the daemon would not send what is made */
  while (admin->requests > 0 && error == 0) {
    error = pthread_cond_timedwait(&admin->changed, &admin->lock, &until);
  }
  pthread_mutex_unlock(&admin->lock);
  MHD_stop_daemon(admin->daemon);
  let_go(admin);
}
