#ifndef WR_TESTS_SUPPORT_PROCESSES_H
#define WR_TESTS_SUPPORT_PROCESSES_H

/* A test in several processes of one machine: the ring's variables and host file, children that run
   one function each, and how they end. The parent calls no function of the library's. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixtures.h"
#include "mean_cpu.h"
#include "mlx/c/mlx.h"
#include "weir/weir.h"

enum { MOST_PROCESSES = 8, MOST_LANES = 4 };

struct processes {
  int n, lanes;
  int ports[MOST_PROCESSES * MOST_LANES];
  char file[64];
  pid_t pids[MOST_PROCESSES];
};

/* A port of this machine's that was free a moment ago; *keep, unless NULL, is a socket that listens
   there. */
static inline int free_port(int *keep) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t n = sizeof a;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(fd >= 0 && !bind(fd, (struct sockaddr *)&a, n) &&
        !getsockname(fd, (struct sockaddr *)&a, &n));
  if (keep) {
    CHECK(!listen(fd, 1));
    *keep = fd;
  } else {
    close(fd);
  }
  return ntohs(a.sin_port);
}

static inline void write_text(const char *file, const char *text) {
  FILE *f = fopen(file, "w");
  CHECK(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
}

static inline void write_hosts(const struct processes *p) {
  char text[4096] = "[";
  size_t at = 1;
  for (int i = 0; i < p->n; i++) {
    at += (size_t)snprintf(text + at, sizeof text - at, "%s[", i ? ", " : "");
    for (int lane = 0; lane < p->lanes; lane++) {
      at += (size_t)snprintf(text + at, sizeof text - at, "%s\"127.0.0.1:%d\"", lane ? "," : "",
                             p->ports[i * p->lanes + lane]);
    }
    at += (size_t)snprintf(text + at, sizeof text - at, "]");
  }
  snprintf(text + at, sizeof text - at, "]\n");
  write_text(p->file, text);
}

static inline void processes_begin(struct processes *p, int n, int lanes) {
  int kept[MOST_PROCESSES * MOST_LANES];
  *p = (struct processes){.n = n, .lanes = lanes, .file = "/tmp/weir-hosts-XXXXXX"};
  int fd = mkstemp(p->file);
  CHECK(fd >= 0);
  close(fd);
  for (int i = 0; i < n * lanes; i++) p->ports[i] = free_port(&kept[i]);
  for (int i = 0; i < n * lanes; i++) close(kept[i]);
  write_hosts(p);
}

static inline void be_rank(const struct processes *p, int rank) {
  char text[16];
  snprintf(text, sizeof text, "%d", rank);
  CHECK(!setenv("MLX_RANK", text, 1) && !setenv("MLX_HOSTFILE", p->file, 1));
}

static inline void start_rank(struct processes *p, int rank, void (*fn)(int rank, int size)) {
  fflush(NULL);
  p->pids[rank] = fork();
  CHECK(p->pids[rank] >= 0);
  if (p->pids[rank] > 0) return;
  alarm(100 * (unsigned)patience());
  be_rank(p, rank);
  mean_cpu();
  mlx_set_error_handler(quiet, NULL, NULL);
  fn(rank, p->n);
  /* ThreadSanitizer looks for threads that nobody has joined. */
  if (SANITIZED) CHECK(weir_shutdown(INT64_C(20000000000)) == 0);
  exit(0);
}

/* The status of wait; 0: all was well. */
static inline int end_rank(const struct processes *p, int rank) {
  int status = 0;
  while (waitpid(p->pids[rank], &status, 0) < 0) CHECK(errno == EINTR);
  return status;
}

static inline void processes_end(const struct processes *p) { CHECK(!unlink(p->file)); }

/* fn in n processes, each of which has to end well. */
static inline void in_processes(int n, int lanes, void (*fn)(int rank, int size),
                                const char *what) {
  struct processes p;
  int wrong = 0;
  processes_begin(&p, n, lanes);
  for (int i = 0; i < n; i++) start_rank(&p, i, fn);
  for (int i = 0; i < n; i++) {
    int status = end_rank(&p, i);
    if (status) fprintf(stderr, "%s: rank %d of %d ended with %#x\n", what, i, n, (unsigned)status);
    wrong += status != 0;
  }
  processes_end(&p);
  CHECK(wrong == 0);
}

/* ---- in a child ---- */

static inline mlx_distributed_group group_of_backend(const char *backend) {
  mlx_distributed_group g = mlx_distributed_group_new();
  if (mlx_distributed_init(&g, true, backend)) {
    fprintf(stderr, "%s\n", weir_last_error());
    CHECK(!"there is a group");
  }
  return g;
}

/* All have come here. */
static inline void barrier(mlx_distributed_group g, mlx_stream s) {
  mlx_array one = mlx_array_new_float(1), sum = mlx_array_new();
  float n = 0;
  CHECK(mlx_distributed_all_sum(&sum, one, g, s) == 0 && mlx_array_item_float32(&n, sum) == 0);
  CHECK((int)n == mlx_distributed_group_size(g));
  mlx_array_free(one);
  mlx_array_free(sum);
}

#endif
