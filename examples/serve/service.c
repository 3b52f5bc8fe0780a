/* The indexer is a thread with a stream of its own. An index is whole before it takes the old one's
   place, together with the embedder that made its rows, so that a question's row always fits the
   index that it is held against. Lock: `lock`, for a few pointers, never while anything is
   computed. */
#include "service.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "complain.h"
#include "gauge.h"

struct embedder *service_embedder(struct service *service) {
  pthread_mutex_lock(&service->lock);
  struct embedder *const embedder = embedder_keep(service->embedder);
  pthread_mutex_unlock(&service->lock);
  return embedder;
}

struct index *service_index(struct service *service) {
  pthread_mutex_lock(&service->lock);
  struct index *const index = service->index != NULL ? index_keep(service->index) : NULL;
  pthread_mutex_unlock(&service->lock);
  return index;
}

/* Takes over the index. */
static void put_index(struct service *service, struct index *index) {
  pthread_mutex_lock(&service->lock);
  struct index *const old_index = service->index;
  struct embedder *const old_embedder = service->embedder;
  service->index = index;
  service->embedder = embedder_keep(index->embedder);
  pthread_mutex_unlock(&service->lock);
  index_release(old_index);
  embedder_release(old_embedder);
}

static int rebuild(struct service *service, bool reload, mlx_stream s) {
  const struct service_options *const options = service->options;
  struct embedder *const embedder =
      reload ? embedder_load(options->model_folder, true, s) : service_embedder(service);
  struct index *index = NULL;
  if (embedder != NULL) {
    index = index_build(embedder, options->paths, options->path_count, options->paragraphs_most,
                        &service->progress, s);
  }
  embedder_release(embedder);
  if (index == NULL) return 1;
  put_index(service, index);
  return 0;
}

/* Waits for something to do; false when there will be nothing more. */
static bool next_order(struct service *service, bool *reload) {
  pthread_mutex_lock(&service->lock);
  service->indexing = false;
  pthread_cond_broadcast(&service->changed);
  while (!service->wants_index && !service->wants_more && !service->wants_end) {
    pthread_cond_wait(&service->changed, &service->lock);
  }
  const bool more = !service->wants_end;
  if (more) atomic_store_explicit(&service->progress.stop, false, memory_order_relaxed);
  *reload = service->wants_model;
  service->wants_index = false;
  service->wants_model = false;
  service->indexing = more;
  pthread_mutex_unlock(&service->lock);
  return more;
}

static void note_reload_locked(struct service *service, int rc) {
  struct service_reloads *const reloads = &service->reloads;
  reloads->under_way = service->wants_model;
  if (rc == 0) {
    reloads->done++;
    reloads->error[0] = '\0';
  } else {
    reloads->failed++;
    snprintf(reloads->error, sizeof(reloads->error), "%s", complaint());
  }
}

/* One that was given up is neither made nor failed. */
static void count_index(struct service *service, bool reload, int rc) {
  const bool given_up = atomic_load_explicit(&service->progress.stop, memory_order_relaxed);
  pthread_mutex_lock(&service->lock);
  service->built += rc == 0;
  if (reload) note_reload_locked(service, rc);
  if (rc == 0) {
    service->failures = 0;
  } else if (!given_up) {
    service->failures++;
  }
  pthread_mutex_unlock(&service->lock);
}

/* The index that is being made is given up. */
static void stop_locked(struct service *service) {
  atomic_store_explicit(&service->progress.stop, true, memory_order_relaxed);
  if (service->making.ctx != NULL) weir_request_cancel(service->making);
}

static void set_making(struct service *service, weir_request request) {
  pthread_mutex_lock(&service->lock);
  service->making = request;
  if (atomic_load_explicit(&service->progress.stop, memory_order_relaxed)) stop_locked(service);
  pthread_mutex_unlock(&service->lock);
}

/* In a request of a low class: questions go before it, and it can be given up in the middle of a
   batch. */
static int rebuild_in_request(struct service *service, bool reload) {
  const weir_request request = weir_request_new();
  mlx_stream s = mlx_stream_new(); /* empty: this thread's default */
  int rc = 1;
  if (request.ctx != NULL && weir_request_set_class(request, WEIR_CLASS_LOW) == 0 &&
      weir_request_enter(request) == 0) {
    set_making(service, request);
    rc = rebuild(service, reload, s);
    set_making(service, (weir_request){NULL});
    weir_request_leave();
  }
  mlx_stream_free(s);
  weir_request_free(request);
  return rc;
}

static void *run_indexer(void *data) {
  struct service *const service = data;
  bool reload = false;
  while (next_order(service, &reload)) {
    count_index(service, reload, rebuild_in_request(service, reload));
  }
  return NULL;
}

void service_rebuild(struct service *service, bool reload) {
  pthread_mutex_lock(&service->lock);
  service->wants_index = true;
  service->wants_model = service->wants_model || reload;
  service->reloads.under_way = service->reloads.under_way || reload;
  pthread_cond_broadcast(&service->changed);
  pthread_mutex_unlock(&service->lock);
}

void service_reloads(struct service *service, struct service_reloads *reloads) {
  pthread_mutex_lock(&service->lock);
  *reloads = service->reloads;
  pthread_mutex_unlock(&service->lock);
}

void service_keep_rebuilding(struct service *service, bool on) {
  pthread_mutex_lock(&service->lock);
  service->wants_more = on;
  if (!on && service->indexing) stop_locked(service);
  pthread_cond_broadcast(&service->changed);
  pthread_mutex_unlock(&service->lock);
}

int service_await_index(struct service *service, double seconds) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  const double stop = (double)until.tv_sec + 1e-9 * (double)until.tv_nsec + seconds;
  until.tv_sec = (time_t)stop;
  until.tv_nsec = (long)(1e9 * (stop - (double)until.tv_sec));
  pthread_mutex_lock(&service->lock);
  int error = 0;
  while ((service->indexing || service->wants_index) && error == 0) {
    error = pthread_cond_timedwait(&service->changed, &service->lock, &until);
  }
  const bool done = !service->indexing && !service->wants_index && service->failures == 0;
  const int built = service->built;
  pthread_mutex_unlock(&service->lock);
  return done ? built : -1;
}

static void init_waiting(struct service *service) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&service->changed, &attributes);
  pthread_condattr_destroy(&attributes);
  pthread_mutex_init(&service->lock, NULL);
}

static void let_go(struct service *service) {
  index_release(service->index);
  embedder_release(service->embedder);
  metrics_destroy(&service->metrics);
  batcher_destroy(&service->batcher);
  pthread_cond_destroy(&service->changed);
  pthread_mutex_destroy(&service->lock);
}

int service_start(struct service *service, const struct service_options *options) {
  mlx_stream s = mlx_stream_new(); /* empty: this thread's default */
  struct embedder *const embedder = embedder_load(options->model_folder, false, s);
  mlx_stream_free(s);
  if (embedder == NULL) return 1;
  *service = (struct service){
      .options = options, .embedder = embedder, .wants_index = true, .begin = gauge_seconds()};
  init_waiting(service);
  batcher_init(&service->batcher, options->computing_most);
  metrics_init(&service->metrics);
  const int error = pthread_create(&service->indexer, NULL, run_indexer, service);
  if (error == 0) return 0;
  complain("no thread for the indexer: %s", strerror(error));
  let_go(service);
  return 1;
}

void service_stop(struct service *service) {
  pthread_mutex_lock(&service->lock);
  service->wants_end = true;
  stop_locked(service);
  pthread_cond_broadcast(&service->changed);
  pthread_mutex_unlock(&service->lock);
  pthread_join(service->indexer, NULL);
  let_go(service);
}
