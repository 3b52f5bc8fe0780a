/* A server that embeds and searches text: options.c has its use, http.c the threads, batcher.c how
   their texts are computed together, minilm.c the model, docs/serving.md the whole. */
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <weir/weir.h>

#include "admin.h"
#include "complain.h"
#include "demo.h"
#include "http.h"
#include "options.h"
#include "service.h"

/* The signals that main waits for, blocked before any thread begins. */
static sigset_t block_signals(void) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, NULL);
  signal(SIGPIPE, SIG_IGN); /* who goes away is seen by the write */
  return signals;
}

static void await_end(struct service *service, const sigset_t *signals) {
  int number = 0;
  while (sigwait(signals, &number) == 0 && number == SIGHUP) service_rebuild(service, true);
}

/* Returns how many requests were left unanswered, or -1 when it did not start. */
static int serve_until_end(struct service *service, const struct options *options,
                           const sigset_t *signals) {
  const bool wants_admin = options->admin_port >= 0;
  struct admin *const admin =
      wants_admin ? admin_start(service, (uint16_t)options->admin_port) : NULL;
  struct http *const http =
      wants_admin && admin == NULL ? NULL : http_start(service, options->address, options->port);
  int left = -1;
  if (http != NULL) {
    printf("http://%s:%u/\n", options->address, (unsigned)http_port(http));
    if (admin != NULL) printf("http://127.0.0.1:%u/debug/streams\n", (unsigned)admin_port(admin));
    fflush(stdout);
    await_end(service, signals);
    left = http_stop(http, options->drain_seconds);
    if (left > 0) complain("%d requests were left unanswered", left);
  }
  admin_stop(admin);
  return left;
}

static int serve(const struct options *options, const sigset_t *signals) {
  struct service service;
  if (service_start(&service, &options->service) != 0) return EXIT_FAILED;
  const int left = serve_until_end(&service, options, signals);
  service_stop(&service);
  return left != 0 ? EXIT_FAILED : EXIT_ALL_WELL;
}

/* glibc gives threads eight heaps for each processor, and of all but the first it keeps what was
   freed at the end, up to a threshold that grows: with a thread for each connection every heap
   comes to be as large as it ever had to be. */
static void keep_heaps_few(void) {
#ifdef __GLIBC__
  if (!getenv("MALLOC_ARENA_MAX")) mallopt(M_ARENA_MAX, 2 * (int)sysconf(_SC_NPROCESSORS_ONLN));
#endif
}

int main(int argc, char **argv) {
  struct options options;
  const enum parsed parsed = options_parse(&options, argc, argv);
  if (parsed != PARSED_RUN) return parsed == PARSED_HELP ? EXIT_ALL_WELL : EXIT_USAGE;
  keep_heaps_few(); /* before any thread begins */
  const sigset_t signals = block_signals();
  const int rc = options.demo ? demo_run(&options) : serve(&options, &signals);

  const int64_t patience_ns = 5000000000;
  const int left = weir_shutdown(patience_ns); /* not needed; for leak checkers */
  if (left != 0) complain("Weir did not come to rest: %s", weir_last_error());
  return rc != 0 ? rc : left;
}
