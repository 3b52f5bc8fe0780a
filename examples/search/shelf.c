/* The lock is held for the copying of two handles, never while an array is computed. */
#include "shelf.h"

int shelf_take(struct shelf *shelf, struct index *index) {
  pthread_mutex_lock(&shelf->lock);
  const int rc = index_copy(index, &shelf->current);
  pthread_mutex_unlock(&shelf->lock);
  return rc;
}

int shelf_put(struct shelf *shelf, const struct index *index) {
  pthread_mutex_lock(&shelf->lock);
  const int rc = index_copy(&shelf->current, index);
  pthread_mutex_unlock(&shelf->lock);
  return rc;
}
