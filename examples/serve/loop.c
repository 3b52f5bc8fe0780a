/* A request that needs texts embedded becomes a job, and its connection is suspended. Batches are
   made as in batcher.c, a text from each job by turns; but nobody waits for one. Its rows are
   recorded, and what each text needs of them, its row or the scores of all paragraphs with it, is
   evaluated by the ring in the request of its job. So the texts of a batch are one graph that many
   requests share: each can be given up by itself, and what the others need stays.

   A job is given up when its client has gone, which epoll tells, or its time has passed: then its
   request ends by itself, and its completions say so; one that no batch has taken is found by the
   loop. The completions come all the same, and the job stays until they have. All of this is the
   loop's thread's alone, but `wish`. */
#include "loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <weir/weir.h>

#include "complain.h"
#include "gauge.h"

enum { EVENTS_MOST = 64, COMPLETIONS_MOST = 64, STREAMS_MOST = 64 };

struct job {
  struct job *next, **link; /* all jobs that are not ended */
  struct job *next_waiting; /* those with texts that no batch has taken yet */
  struct asked asked;
  const struct route *route;
  struct MHD_Connection *connection;
  int fd;
  double deadline; /* by gauge_seconds */
  weir_request request;
  bool alone;          /* in batches of no other's texts: its budget counts them */
  struct reply *reply; /* the exchange's, until it is ended; so is `ready` */
  bool *ready;
  float *rows; /* of embeddings */
  int taken, tokens_taken;
  int rows_done;
  int parts; /* completions that are still to come */
  bool ended;
};

struct batch {
  struct loop *loop;
  int left; /* completions that are still to come */
};

/* A text of a batch. */
struct part {
  struct batch *batch;
  struct job *job;
  int text;      /* which of the job's */
  mlx_array out; /* its row, or its scores */
};

enum wish { WISH_SERVE, WISH_DRAIN, WISH_END };

struct loop {
  struct service *service;
  struct MHD_Daemon *daemon;
  pthread_t thread;
  atomic_int wish;
  int epoll, bell; /* the bell: an eventfd, for who has a wish */
  weir_ring ring;
  mlx_stream streams[STREAMS_MOST]; /* one for each batch that is computed at a time */
  mlx_stream alone;                 /* for those of jobs that are alone, one at a time */
  int alone_parts;                  /* completions of these that are still to come */
  int stream_count, next_stream;
  struct job *jobs;
  struct job *first_waiting, **last_waiting;
  int batches, parts;
  bool quiet, resumed;
};

/* ---- jobs ---- */

static void free_job(struct job *job) {
  weir_request_free(job->request);
  asked_free(&job->asked);
  free(job->rows);
  free(job);
}

static void leave_waiting(struct loop *loop, struct job *job) {
  struct job **link = &loop->first_waiting;
  while (*link != NULL && *link != job) link = &(*link)->next_waiting;
  if (*link == NULL) return;
  *link = job->next_waiting;
  if (loop->last_waiting == &job->next_waiting) loop->last_waiting = link;
  batcher_note_waiting(&loop->service->batcher, job->taken - job->asked.texts.tokens.count);
}

/* The reply is made. */
static void end_job(struct loop *loop, struct job *job) {
  job->ended = true;
  leave_waiting(loop, job);
  epoll_ctl(loop->epoll, EPOLL_CTL_DEL, job->fd, NULL);
  *job->link = job->next;
  if (job->next != NULL) job->next->link = job->link;
  *job->ready = true;
  MHD_resume_connection(job->connection);
  loop->resumed = true;
  if (job->parts == 0) free_job(job);
}

static void give_up(struct loop *loop, struct job *job, bool gone) {
  weir_request_cancel(job->request);
  api_give_up(job->reply, gone);
  end_job(loop, job);
}

/* `status` is what weir_last_status, or a completion, says. */
static void fail_job(struct loop *loop, struct job *job, weir_status status, const char *message) {
  api_fail_status(job->reply, status, message);
  weir_request_cancel(job->request);
  end_job(loop, job);
}

/* ---- batches ---- */

struct tokens {
  struct part *parts[BATCH_TEXTS_MOST];
  int32_t ids[BATCH_TOKENS_MOST + EMBEDDER_TOKENS_MOST]; /* the first text may be of any length */
  int lengths[BATCH_TEXTS_MOST];
  int count, total;
};

static bool has_room(const struct loop *loop, const struct tokens *tokens, const struct job *job) {
  if (job->alone && loop->alone_parts > 0) return false;
  if (tokens->count == 0) return true;
  const struct job *const first = tokens->parts[0]->job;
  if (job != first && (job->alone || first->alone)) return false;
  return job->asked.embedder == first->asked.embedder && tokens->count < BATCH_TEXTS_MOST &&
         tokens->total + job->asked.texts.tokens.lengths[job->taken] <= BATCH_TOKENS_MOST;
}

static bool take_text(struct tokens *tokens, struct batch *batch, struct job *job) {
  struct part *const part = malloc(sizeof(*part));
  if (part == NULL) return false;
  const struct token_batch *const texts = &job->asked.texts.tokens;
  const int length = texts->lengths[job->taken];
  *part = (struct part){batch, job, job->taken++, mlx_array_new()};
  memcpy(tokens->ids + tokens->total, texts->ids + job->tokens_taken,
         sizeof(*tokens->ids) * (size_t)length);
  tokens->parts[tokens->count] = part;
  tokens->lengths[tokens->count++] = length;
  tokens->total += length;
  job->tokens_taken += length;
  return true;
}

/* One turn over the jobs that wait, a text from each that has room. Returns whether any had. */
static bool take_turn(struct loop *loop, struct tokens *tokens, struct batch *batch) {
  bool took = false;
  struct job **link = &loop->first_waiting;
  while (*link != NULL) {
    struct job *const job = *link;
    if (has_room(loop, tokens, job) && take_text(tokens, batch, job)) took = true;
    if (job->taken == job->asked.texts.tokens.count) {
      *link = job->next_waiting;
    } else {
      link = &job->next_waiting;
    }
  }
  loop->last_waiting = link;
  return took;
}

/* What the text needs of the batch's rows, recorded. */
static int record_part(struct part *part, mlx_array rows, int i, mlx_stream s) {
  const struct asked *const asked = &part->job->asked;
  const int begin[] = {i, 0}, end[] = {i + 1, asked->embedder->width}, step[] = {1, 1};
  mlx_array row = mlx_array_new();
  int rc = mlx_slice(&row, rows, begin, 2, end, 2, step, 2, s);
  if (rc == 0 && asked->index != NULL) {
    rc = index_scores(&part->out, asked->index, row, s);
  } else if (rc == 0) {
    rc = mlx_array_set(&part->out, row);
  }
  mlx_array_free(row);
  return rc;
}

/* A completion comes, unless it fails. */
static int begin_part(struct loop *loop, struct part *part) {
  mlx_vector_array outputs = mlx_vector_array_new_value(part->out);
  const int rc = weir_ring_eval(loop->ring, outputs, part->job->request, part);
  mlx_vector_array_free(outputs);
  return rc;
}

static void drop_part(struct loop *loop, struct part *part) {
  struct job *const job = part->job;
  struct batch *const batch = part->batch;
  mlx_array_free(part->out);
  free(part);
  loop->parts--;
  if (job->alone) loop->alone_parts--;
  if (--batch->left == 0) {
    loop->batches--;
    free(batch);
  }
  if (--job->parts == 0 && job->ended) free_job(job);
}

static void begin_all(struct loop *loop, const struct tokens *tokens, mlx_array rows, int rc,
                      mlx_stream s) {
  for (int i = 0; i < tokens->count; i++) {
    struct part *const part = tokens->parts[i];
    struct job *const job = part->job;
    if (rc == 0 && !job->ended && record_part(part, rows, i, s) == 0 &&
        begin_part(loop, part) == 0) {
      continue;
    }
    if (!job->ended) fail_job(loop, job, weir_last_status(), weir_last_error());
    drop_part(loop, part);
  }
}

/* False when memory is refused. */
static bool begin_batch(struct loop *loop) {
  struct tokens tokens = {.count = 0};
  struct batch *const batch = malloc(sizeof(*batch));
  if (batch == NULL) return false;
  while (take_turn(loop, &tokens, batch)) continue;
  if (tokens.count == 0) {
    free(batch);
    return false;
  }
  *batch = (struct batch){loop, tokens.count};
  loop->batches++;
  loop->parts += tokens.count;
  for (int i = 0; i < tokens.count; i++) tokens.parts[i]->job->parts++;
  const bool alone = tokens.parts[0]->job->alone;
  if (alone) {
    loop->alone_parts = tokens.count;
    /* All that it had is over, and is let go of by then: the budget counts it. */
    mlx_synchronize(loop->alone);
  }
  batcher_note_batch(&loop->service->batcher, tokens.count, tokens.total);
  const mlx_stream s =
      alone ? loop->alone : loop->streams[loop->next_stream++ % loop->stream_count];
  const struct token_batch texts = {tokens.ids, tokens.lengths, tokens.count, tokens.total};
  mlx_array rows = mlx_array_new();
  const int rc = embedder_rows(&rows, tokens.parts[0]->job->asked.embedder, &texts, s);
  begin_all(loop, &tokens, rows, rc, s);
  mlx_array_free(rows);
  return true;
}

/* ---- completions ---- */

/* The value is there; reading it does not wait. */
static void use_part(struct loop *loop, const struct part *part) {
  struct job *const job = part->job;
  const int count = job->asked.texts.tokens.count;
  const size_t width = (size_t)job->asked.embedder->width;
  const float *data = mlx_array_data_float32(part->out);
  if (data == NULL) {
    fail_job(loop, job, weir_last_status(), weir_last_error());
    return;
  }
  if (job->rows != NULL) {
    memcpy(job->rows + (size_t)part->text * width, data, width * sizeof(*data));
    data = job->rows;
  }
  if (++job->rows_done < count) return;
  job->route->end(&job->asked, data, job->reply);
  end_job(loop, job);
}

static void take_completions(struct loop *loop) {
  weir_completion done[COMPLETIONS_MOST];
  size_t count = 0;
  if (weir_ring_take(&count, loop->ring, done, COMPLETIONS_MOST, 0) != 0) return;
  for (size_t i = 0; i < count; i++) {
    struct part *const part = done[i].user;
    if (!part->job->ended && done[i].status == WEIR_OK) {
      use_part(loop, part);
    } else if (!part->job->ended) {
      fail_job(loop, part->job, done[i].status, done[i].message);
    }
    drop_part(loop, part);
  }
}

/* ---- the loop ---- */

static void give_up_late(struct loop *loop, double now) {
  for (struct job *job = loop->jobs, *next; job != NULL; job = next) {
    next = job->next;
    if (now >= job->deadline) give_up(loop, job, false);
  }
}

static void drain(struct loop *loop) {
  const int fd = MHD_quiesce_daemon(loop->daemon);
  if (fd >= 0) close(fd);
  loop->quiet = true;
}

/* How long to wait, in milliseconds; -1: for ever. */
static int patience(const struct loop *loop, double now) {
  MHD_UNSIGNED_LONG_LONG http = 0;
  double most = MHD_get_timeout(loop->daemon, &http) == MHD_YES ? (double)http : -1;
  for (const struct job *job = loop->jobs; job != NULL; job = job->next) {
    const double left = 1e3 * (job->deadline - now) + 1;
    if (most < 0 || left < most) most = left > 0 ? left : 0;
  }
  if (loop->resumed) return 0;
  return most > 60e3 ? 60000 : (int)most;
}

static void see(struct loop *loop, const struct epoll_event *event) {
  uint64_t rung;
  if (event->data.ptr == &loop->bell) {
    if (read(loop->bell, &rung, sizeof(rung)) < 0) return; /* it was not rung */
  } else if (event->data.ptr == &loop->ring) {
    take_completions(loop);
  } else if (event->data.ptr != loop) {
    give_up(loop, event->data.ptr, true); /* the client of a job has gone */
  }
}

static void turn(struct loop *loop) {
  struct epoll_event events[EVENTS_MOST];
  const int count = epoll_wait(loop->epoll, events, EVENTS_MOST, patience(loop, gauge_seconds()));
  loop->resumed = false;
  /* The ring comes last, since a job that has gone may be ended by its completion. */
  for (int i = 0; i < count; i++) {
    if (events[i].data.ptr != &loop->ring) see(loop, &events[i]);
  }
  for (int i = 0; i < count; i++) {
    if (events[i].data.ptr == &loop->ring) see(loop, &events[i]);
  }
  give_up_late(loop, gauge_seconds());
  MHD_run(loop->daemon);
  const int most = loop->service->options->computing_most;
  while (loop->first_waiting != NULL && loop->batches < most && begin_batch(loop)) continue;
}

static void *run(void *data) {
  struct loop *const loop = data;
  int wish = WISH_SERVE;
  while (wish != WISH_END || loop->parts > 0) {
    turn(loop);
    wish = atomic_load(&loop->wish);
    if (wish >= WISH_DRAIN && !loop->quiet) drain(loop);
    while (wish == WISH_END && loop->jobs != NULL) give_up(loop, loop->jobs, false);
  }
  MHD_run(loop->daemon);
  return NULL;
}

bool loop_ask(struct loop *loop, struct MHD_Connection *connection, const struct route *route,
              struct asked *asked, struct reply *reply, bool *ready) {
  const size_t size =
      sizeof(float) * (size_t)asked->embedder->width * (size_t)asked->texts.tokens.count;
  struct job *const job = calloc(1, sizeof(*job));
  float *const rows = asked->index == NULL ? malloc(size) : NULL;
  bool alone = false;
  const weir_request request = asked_request(asked, &alone);
  if (job == NULL || request.ctx == NULL || (asked->index == NULL && rows == NULL)) {
    weir_request_free(request);
    free(rows);
    free(job);
    return false;
  }
  *job = (struct job){.asked = *asked,
                      .route = route,
                      .connection = connection,
                      .deadline = gauge_seconds() + asked->patience,
                      .request = request,
                      .alone = alone,
                      .reply = reply,
                      .ready = ready,
                      .rows = rows};
  *asked = (struct asked){.top = 0};
  job->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
  job->next = loop->jobs;
  job->link = &loop->jobs;
  if (job->next != NULL) job->next->link = &job->next;
  loop->jobs = job;
  *loop->last_waiting = job;
  loop->last_waiting = &job->next_waiting;
  batcher_note_waiting(&loop->service->batcher, job->asked.texts.tokens.count);
  struct epoll_event gone = {.events = EPOLLRDHUP, .data.ptr = job};
  epoll_ctl(loop->epoll, EPOLL_CTL_ADD, job->fd, &gone);
  MHD_suspend_connection(connection);
  return true;
}

/* ---- the beginning and the end ---- */

static int watch(struct loop *loop, int fd, void *what) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};
  return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event);
}

static void let_go(struct loop *loop) {
  mlx_stream_free(loop->alone);
  for (int i = 0; i < loop->stream_count; i++) mlx_stream_free(loop->streams[i]);
  weir_ring_free(loop->ring);
  if (loop->bell >= 0) close(loop->bell);
  if (loop->epoll >= 0) close(loop->epoll);
  free(loop);
}

static int open_streams(struct loop *loop) {
  mlx_device device = mlx_device_new();
  int rc = mlx_get_default_device(&device);
  while (rc == 0 && loop->stream_count < loop->service->options->computing_most) {
    const mlx_stream s = mlx_stream_new_device(device);
    rc = s.ctx == NULL;
    if (rc == 0) loop->streams[loop->stream_count++] = s;
  }
  if (rc == 0) loop->alone = mlx_stream_new_device(device);
  mlx_device_free(device);
  return rc || loop->alone.ctx == NULL;
}

int loop_start(struct loop **started, struct service *service, struct MHD_Daemon *daemon) {
  struct loop *const loop = calloc(1, sizeof(*loop));
  *started = loop;
  if (loop == NULL) {
    complain("out of memory");
    return 1;
  }
  const int http = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
  int ring = -1;
  *loop = (struct loop){.service = service, .daemon = daemon, .ring = weir_ring_new()};
  loop->last_waiting = &loop->first_waiting;
  loop->epoll = epoll_create1(EPOLL_CLOEXEC);
  loop->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (open_streams(loop) == 0 && weir_ring_fd(&ring, loop->ring) == 0 &&
      watch(loop, http, loop) == 0 && watch(loop, ring, &loop->ring) == 0 &&
      watch(loop, loop->bell, &loop->bell) == 0 &&
      pthread_create(&loop->thread, NULL, run, loop) == 0) {
    return 0;
  }
  complain("the loop did not start: %s", strerror(errno));
  let_go(loop);
  *started = NULL;
  return 1;
}

static void wish(struct loop *loop, enum wish what) {
  const uint64_t one = 1;
  atomic_store(&loop->wish, (int)what);
  if (write(loop->bell, &one, sizeof(one)) < 0) return; /* it rings already */
}

void loop_drain(struct loop *loop) { wish(loop, WISH_DRAIN); }

void loop_stop(struct loop *loop) {
  wish(loop, WISH_END);
  pthread_join(loop->thread, NULL);
  let_go(loop);
}
