/* A server of one thread: an event loop with a ring, and 10,000 requests in flight. Clients send
   numbers over connections of their own, a hundred at a time; each gets 128 times its number from a
   product of matrices. One of them hangs up before it has heard anything. */
#include <errno.h>
#include <mlx/c/mlx.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weir/weir.h>

enum { CLIENTS = 100, WINDOW = 100, EACH = 300, STREAMS = 4, N = 128 };

struct question {
  uint32_t number;
};

struct answer {
  uint32_t number, status; /* a weir_status */
  float value;
};

/* ---- the server ---- */

struct connection {
  int fd;
  mlx_stream stream;    /* some share one: a stream is an order, and costs no thread */
  weir_request request; /* all that this client waits for */
};

struct job {
  struct connection *from;
  uint32_t number;
  mlx_array result;
};

static struct connection connections[CLIENTS];
static weir_ring ring;
static mlx_array weights;
static int open_connections = CLIENTS, in_flight, most_in_flight, given_up;

/* Records what is asked for, and starts it; nothing here waits. */
static int begin(struct connection *c, uint32_t number) {
  const int shape[] = {1, N};
  struct job *job = malloc(sizeof *job);
  if (!job) return 1;
  *job = (struct job){c, number, mlx_array_new()};
  mlx_array x = mlx_array_new_float((float)number);
  int rc = mlx_full(&job->result, shape, 2, x, MLX_FLOAT32, c->stream);
  if (rc == 0) rc = mlx_matmul(&job->result, job->result, weights, c->stream);
  if (rc == 0) rc = mlx_sum(&job->result, job->result, false, c->stream);
  mlx_vector_array outputs = mlx_vector_array_new_value(job->result);
  if (rc == 0) rc = weir_ring_eval(ring, outputs, c->request, job);
  if (rc == 0 && ++in_flight > most_in_flight) most_in_flight = in_flight;
  mlx_vector_array_free(outputs);
  mlx_array_free(x);
  return rc;
}

/* It has ended, however it did. The value is there, so reading it does not wait. */
static void finish(const weir_completion *done) {
  struct job *job = done->user;
  struct answer answer = {.number = job->number, .status = done->status};
  in_flight--;
  if (done->status == WEIR_OK) (void)mlx_array_item_float32(&answer.value, job->result);
  if (done->status == WEIR_ERROR_CANCELLED) given_up++;
  if (job->from->fd >= 0)
    (void)send(job->from->fd, &answer, sizeof answer, MSG_DONTWAIT | MSG_NOSIGNAL);
  mlx_array_free(job->result);
  free(job);
}

/* What nobody waits for any more is given up: its completions come at once. */
static void hang_up(struct connection *c) {
  (void)close(c->fd);
  c->fd = -1;
  open_connections--;
  weir_request_cancel(c->request);
}

static int read_from(struct connection *c) {
  struct question q;
  ssize_t got;
  while ((got = recv(c->fd, &q, sizeof q, MSG_DONTWAIT)) == (ssize_t)sizeof q) {
    if (begin(c, q.number) != 0) return 1;
  }
  if (got == 0 || (errno != EAGAIN && errno != EINTR)) hang_up(c);
  return 0;
}

/* As many as there are, 64 at a time; the descriptor stays readable while some are left. */
static int take(void) {
  weir_completion done[64];
  size_t n = 0;
  if (weir_ring_take(&n, ring, done, 64, 0) != 0) return 1;
  for (size_t i = 0; i < n; i++) finish(&done[i]);
  return 0;
}

static int serve(int loop) {
  struct epoll_event events[64];
  while (open_connections > 0 || in_flight > 0) {
    int n = epoll_wait(loop, events, 64, -1);
    for (int i = 0; i < n; i++) {
      struct connection *c = events[i].data.ptr; /* NULL: the ring */
      if (c ? read_from(c) : take()) return 1;
    }
  }
  return 0;
}

/* ---- the clients, on a thread of their own ---- */

static struct pollfd clients[CLIENTS];
static uint32_t sent[CLIENTS], wrong;

static void ask(int i) {
  struct question q = {.number = sent[i]++};
  if (send(clients[i].fd, &q, sizeof q, MSG_NOSIGNAL) != (ssize_t)sizeof q) wrong++;
}

/* Each answer is followed by another question, as long as there are some. */
static void hear(int i, uint32_t *heard) {
  struct answer a;
  while (recv(clients[i].fd, &a, sizeof a, MSG_DONTWAIT) == (ssize_t)sizeof a) {
    wrong += a.status != WEIR_OK || a.value != (float)a.number * N;
    if (sent[i] < EACH) ask(i);
    if (++*heard < EACH) continue;
    (void)close(clients[i].fd);
    clients[i].fd = -1;
    return;
  }
}

static void *run_clients(void *arg) {
  static uint32_t heard[CLIENTS];
  int left = CLIENTS - 1;
  for (int i = 0; i < CLIENTS; i++) {
    while (sent[i] < WINDOW) ask(i);
  }
  (void)close(clients[CLIENTS - 1].fd); /* hangs up */
  clients[CLIENTS - 1].fd = -1;
  while (left > 0) {
    if (poll(clients, CLIENTS, -1) < 0) continue;
    for (int i = 0; i < CLIENTS; i++) {
      if (clients[i].fd < 0 || !clients[i].revents) continue;
      hear(i, &heard[i]);
      left -= clients[i].fd < 0;
    }
  }
  return arg;
}

/* ---- both ---- */

static int connect_all(int loop, const mlx_stream *streams) {
  for (int i = 0; i < CLIENTS; i++) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return 1;
    connections[i] = (struct connection){pair[0], streams[i % STREAMS], weir_request_new()};
    clients[i] = (struct pollfd){.fd = pair[1], .events = POLLIN};
    struct epoll_event want = {.events = EPOLLIN, .data.ptr = &connections[i]};
    if (epoll_ctl(loop, EPOLL_CTL_ADD, pair[0], &want) != 0) return 1;
  }
  return 0;
}

int main(void) {
  const int shape[] = {N, N};
  int fd = -1, loop = epoll_create1(EPOLL_CLOEXEC);
  pthread_t thread;
  mlx_stream streams[STREAMS];
  mlx_device cpu = mlx_device_new_type(MLX_CPU, 0);
  for (int i = 0; i < STREAMS; i++) streams[i] = mlx_stream_new_device(cpu);
  mlx_array share = mlx_array_new_float(1.0f / N);
  weights = mlx_array_new();
  if (mlx_full(&weights, shape, 2, share, MLX_FLOAT32, streams[0]) != 0) return 1;

  ring = weir_ring_new();
  if (loop < 0 || weir_ring_fd(&fd, ring) != 0) return 1;
  struct epoll_event want = {.events = EPOLLIN};
  if (epoll_ctl(loop, EPOLL_CTL_ADD, fd, &want) != 0) return 1;
  if (connect_all(loop, streams) != 0) return 1;
  if (pthread_create(&thread, NULL, run_clients, NULL) != 0) return 1;
  if (serve(loop) != 0) return 1;
  pthread_join(thread, NULL);

  weir_runtime_stats_t stats;
  if (weir_runtime_stats(&stats) != 0) return 1;
  printf("%d in flight at most, on %zu workers; %d given up\n", most_in_flight,
         (size_t)stats.worker_threads, given_up);
  for (int i = 0; i < CLIENTS; i++) weir_request_free(connections[i].request);
  for (int i = 0; i < STREAMS; i++) mlx_stream_free(streams[i]);
  mlx_array_free(weights);
  mlx_array_free(share);
  mlx_device_free(cpu);
  weir_ring_free(ring); /* closes fd */
  close(loop);
  return wrong == 0 ? 0 : 1;
}
