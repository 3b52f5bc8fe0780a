/* The worker's stream lives as long as the worker. Each index is complete before it is put on the
   shelf, so those who take it never wait for this stream. */
#include "indexer.h"

#include <stdio.h>
#include <string.h>

static int build_once(struct indexer *indexer, mlx_stream stream) {
  struct index fresh = index_empty();
  const int rc = index_build(&fresh, indexer->source, stream) || shelf_put(indexer->shelf, &fresh);
  index_free(&fresh);
  return rc;
}

static void *run(void *data) {
  struct indexer *const indexer = data;
  mlx_device cpu = mlx_device_new_type(MLX_CPU, 0);
  mlx_stream stream = mlx_stream_new_device(cpu);
  while (indexer->rc == 0 && !atomic_load_explicit(&indexer->stop, memory_order_relaxed)) {
    indexer->rc = build_once(indexer, stream);
    if (indexer->rc == 0) indexer->built++;
  }
  mlx_stream_free(stream);
  mlx_device_free(cpu);
  return NULL;
}

int indexer_start(struct indexer *indexer, const struct index_source *source, struct shelf *shelf) {
  indexer->source = source;
  indexer->shelf = shelf;
  indexer->built = 0;
  indexer->rc = 0;
  atomic_init(&indexer->stop, false);
  const int error = pthread_create(&indexer->thread, NULL, run, indexer);
  if (error != 0) fprintf(stderr, "search: no thread for the indexer: %s\n", strerror(error));
  return error != 0;
}

int indexer_stop(struct indexer *indexer) {
  atomic_store_explicit(&indexer->stop, true, memory_order_relaxed);
  pthread_join(indexer->thread, NULL);
  return indexer->rc;
}
