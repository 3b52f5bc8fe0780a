/* The places of a channel, in order: taken when a collective was submitted, filled when it is
   begun, and done by the engine one after the other. Lock: the group's. */

#include <stdio.h>

#include "backend/backend.h"
#include "base/base.h"
#include "distributed/internal.h"

struct wr_job *wr_channel_append(struct wr_comm *group, enum wr_collective what, int channel,
                                 int peer) {
  struct wr_channel *c = &group->channels[channel];
  struct wr_job *job = wr_calloc(sizeof *job);
  if (!job) return NULL;
  job->group = wr_comm_retain(group);
  job->what = what;
  job->channel = channel;
  job->peer = peer;
  wr_mutex_lock(&group->lock);
  if (c->head) {
    c->tail->next = job;
  } else {
    c->head = job;
  }
  c->tail = job;
  wr_mutex_unlock(&group->lock);
  return job;
}

void wr_channel_fill(struct wr_job *job) {
  struct wr_comm *group = job->group;
  const int channel = job->channel;
  struct wr_channel *c = &group->channels[channel];
  wr_mutex_lock(&group->lock);
  job->filled = true;
  const bool start = c->head->filled && !c->running;
  if (start) wr_comm_retain(group);
  c->running = c->running || start;
  wr_mutex_unlock(&group->lock);
  /* The job may be over by now; with `start` there is a reference to the group. */
  if (start) group->engine->run(group, channel);
}

struct wr_job *wr_channel_take(struct wr_comm *group, int channel) {
  struct wr_channel *c = &group->channels[channel];
  wr_mutex_lock(&group->lock);
  struct wr_job *job = c->head && c->head->filled ? c->head : NULL;
  if (job) c->head = job->next;
  c->running = job != NULL;
  wr_mutex_unlock(&group->lock);
  return job;
}

void wr_job_words(const struct wr_job *job, bool before, char text[WR_JOB_WORDS]) {
  const struct wr_comm *group = job->group;
  const int size = group->size, rank = group->rank;
  const char *name = wr_collective_names[job->what];
  int n = snprintf(text, WR_JOB_WORDS, "%s", name);
  if (job->what == WR_SEND || job->what == WR_RECV) {
    n += snprintf(text + n, WR_JOB_WORDS - (size_t)n, " with rank %d", job->peer);
  } else if (before || size == 2) {
    n += snprintf(text + n, WR_JOB_WORDS - (size_t)n, " with rank %d", (rank + size - 1) % size);
  }
  snprintf(text + n, WR_JOB_WORDS - (size_t)n, " (this is rank %d of %d)", rank, size);
}

/* The command may be gone, and with it its reference to the group, once its end is told. */
void wr_job_end(struct wr_job *job, struct wr_error *error) {
  struct wr_completion_hook *hook = job->hook;
  struct wr_comm *group = job->group;
  wr_error_release(job->why);
  wr_free(job);
  if (hook) {
    hook->fn(hook, error);
  } else {
    wr_error_release(error);
  }
  wr_comm_release(group);
}
