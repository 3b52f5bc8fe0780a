/* GET /metrics: the counts of requests and batches, and what the process holds. */
#include <mlx/c/mlx.h>
#include <weir/weir.h>

#include "api.h"
#include "gauge.h"

static void gauge(struct text *body, const char *name, const char *help, double value) {
  text_print(body, "# HELP serve_%s %s\n# TYPE serve_%s gauge\nserve_%s %.9g\n", name, help, name,
             name, value);
}

static void counter(struct text *body, const char *name, const char *help, double value) {
  text_print(body, "# HELP serve_%s %s\n# TYPE serve_%s counter\nserve_%s %.17g\n", name, help,
             name, name, value);
}

static void write_batches(struct text *body, struct service *service) {
  const struct batcher_counts counts = batcher_count(&service->batcher);
  counter(body, "batches_total", "Batches computed for requests.", (double)counts.batches);
  counter(body, "batch_texts_total", "Texts in them.", (double)counts.texts);
  counter(body, "batch_tokens_total", "Tokens in them.", (double)counts.tokens);
  gauge(body, "texts_waiting", "Texts that no batch has taken yet.", (double)counts.waiting);
}

static void write_index(struct text *body, struct service *service) {
  struct index *const index = service_index(service);
  const struct index_progress *const progress = &service->progress;
  pthread_mutex_lock(&service->lock);
  const bool indexing = service->indexing;
  const int built = service->built;
  pthread_mutex_unlock(&service->lock);
  gauge(body, "index_paragraphs", "Paragraphs of the index that serves.",
        index != NULL ? (double)index->corpus.paragraph_count : 0);
  index_release(index);
  counter(body, "indexed_paragraphs_total", "Paragraphs embedded for indexes.",
          (double)atomic_load_explicit(&progress->made, memory_order_relaxed));
  counter(body, "indexes_built_total", "Indexes made.", built);
  struct service_reloads reloads;
  service_reloads(service, &reloads);
  counter(body, "model_reloads_total", "Times that the model was read anew.", reloads.done);
  counter(body, "model_reload_failures_total", "Times that this failed.", reloads.failed);
  gauge(body, "indexing", "1 while an index is being made.", indexing);
  gauge(body, "indexing_done", "Paragraphs done of the one being made.",
        atomic_load_explicit(&progress->done, memory_order_relaxed));
  gauge(body, "indexing_total", "Paragraphs that it has in all.",
        atomic_load_explicit(&progress->total, memory_order_relaxed));
}

static void write_process(struct text *body, struct service *service) {
  const struct gauge now = gauge_read();
  size_t active = 0;
  if (mlx_get_active_memory(&active) != 0) active = 0;
  weir_runtime_stats_t weir = {0};
  weir_runtime_stats(&weir);
  gauge(body, "streams", "Streams that something refers to.", (double)weir.live_streams);
  gauge(body, "threads", "Threads of the process.", (double)now.os_threads);
  gauge(body, "weir_threads", "Of these Weir's own, begun at need.",
        (double)(weir.worker_threads + weir.other_threads));
  gauge(body, "resident_bytes", "Memory of the process that is resident.", (double)now.resident);
  gauge(body, "array_bytes", "Memory of arrays.", (double)active);
  gauge(body, "uptime_seconds", "Seconds since the start.", gauge_seconds() - service->begin);
}

void api_metrics(struct service *service, const struct text *body, struct reply *reply) {
  (void)body;
  const char *names[METRICS_ROUTES];
  for (int i = 0; i < METRICS_ROUTES; i++) names[i] = api_routes[i].name;
  reply->type = "text/plain; version=0.0.4; charset=utf-8";
  metrics_write(&service->metrics, &reply->body, names);
  write_batches(&reply->body, service);
  write_index(&reply->body, service);
  write_process(&reply->body, service);
}
