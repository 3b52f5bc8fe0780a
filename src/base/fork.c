/* The table of what happens around a fork: see fork.h. Lock: the table's own, of no rank as it
   comes before all others; it is held from before the fork until after it, so two threads that fork
   go one after the other, and a row that is registered meanwhile comes after. */

#include "base/fork.h"

#include <stddef.h>

#include "base/base.h"

uint32_t wr_fork_generation;

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static struct wr_fork_row *first; /* under LOCK */

/* Taken and released without a look at the ranks: fork.h says why that is right. */
static void lock_row(const struct wr_fork_row *row) {
  if (row->before) row->before();
  if (row->lock) pthread_mutex_lock(&row->lock->os);
}

static void unlock_row(const struct wr_fork_row *row, void (*then)(void)) {
  if (then) then();
  if (row->lock) pthread_mutex_unlock(&row->lock->os);
}

/* The rows are few: backwards by counting, so that a row need not know the one before it. */
static const struct wr_fork_row *row_at(int n) {
  const struct wr_fork_row *row = first;
  for (; n > 0; n--) row = row->next;
  return row;
}

static int count_rows(void) {
  int n = 0;
  for (const struct wr_fork_row *row = first; row; row = row->next) n++;
  return n;
}

static void before_fork(void) {
  wr_mutex_assert_none_held();
  pthread_mutex_lock(&table_lock);
  for (const struct wr_fork_row *row = first; row; row = row->next) lock_row(row);
}

static void in_parent(void) {
  for (int n = count_rows(); n-- > 0;) unlock_row(row_at(n), row_at(n)->parent);
  pthread_mutex_unlock(&table_lock);
}

static void in_child(void) {
  wr_fork_generation++;
  for (int n = count_rows(); n-- > 0;) unlock_row(row_at(n), row_at(n)->child);
  pthread_mutex_unlock(&table_lock);
}

void wr_fork_register(struct wr_fork_row *row) {
  struct wr_fork_row **at = &first;
  pthread_mutex_lock(&table_lock);
  while (*at && (*at)->rank <= row->rank) at = &(*at)->next;
  row->next = *at;
  *at = row;
  pthread_mutex_unlock(&table_lock);
}

/* As the library is loaded: what a library that Weir opens later has to do before a fork is done
   before all of this. */
__attribute__((constructor)) static void watch_forks(void) {
  if (pthread_atfork(before_fork, in_parent, in_child)) {
    wr_log_line("weir: no memory to watch forks: a child must not use the library");
  }
}
