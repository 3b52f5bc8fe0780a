/* The server is asked to close after the answer, whose end is thereby the connection's. */
#include "client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int connect_to(uint16_t port) {
  const struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0) return fd;
  if (fd >= 0) close(fd);
  return -1;
}

static int send_all(int fd, const char *bytes, size_t size) {
  for (size_t at = 0; at < size;) {
    const ssize_t sent = send(fd, bytes + at, size - at, MSG_NOSIGNAL);
    if (sent <= 0) return 1;
    at += (size_t)sent;
  }
  return 0;
}

static int receive_all(int fd, struct text *answer) {
  char bytes[16384];
  for (;;) {
    const ssize_t got = recv(fd, bytes, sizeof(bytes), 0);
    if (got < 0) return 1;
    if (got == 0) return 0;
    text_add(answer, bytes, (size_t)got);
  }
}

/* Cuts the head off a whole answer. Returns the status, or 0. */
static unsigned take_body(struct text *answer) {
  static const char end[] = "\r\n\r\n";
  static const char version[] = "HTTP/1.1 ";
  text_add(answer, "", 1); /* terminated, for what follows */
  if (answer->failed || strncmp(answer->bytes, version, strlen(version)) != 0) return 0;
  const char *const head_end = strstr(answer->bytes, end);
  if (head_end == NULL) return 0;
  const unsigned status = (unsigned)strtoul(answer->bytes + strlen(version), NULL, 10);
  const size_t head = (size_t)(head_end - answer->bytes) + strlen(end);
  answer->size -= head + 1;
  memmove(answer->bytes, answer->bytes + head, answer->size);
  return status;
}

unsigned client_post(uint16_t port, const char *path, const struct text *body, int patience_ms,
                     struct text *answer) {
  struct text request = {0};
  answer->size = 0;
  text_print(&request,
             "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
             "Connection: close\r\nContent-Length: %zu\r\n",
             path, body->size);
  if (patience_ms > 0) text_print(&request, "X-Timeout-Ms: %d\r\n", patience_ms);
  text_puts(&request, "\r\n");
  text_add(&request, body->bytes, body->size);
  const int fd = request.failed ? -1 : connect_to(port);
  unsigned status = 0;
  if (fd >= 0) {
    if (send_all(fd, request.bytes, request.size) == 0 && patience_ms != CLIENT_HANGS_UP &&
        receive_all(fd, answer) == 0) {
      status = take_body(answer);
    }
    close(fd);
  }
  text_free(&request);
  return status;
}
