/* Host files, as MLX has them: a list with one entry for each rank, a list of "host:port". A text
   alone in the place of such a list is one address. No locks. */

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "base/json.h"
#include "base/text.h"
#include "distributed/ring.h"

enum { MAX_BYTES = 1 << 24 };

void wr_ring_hosts_end(struct wr_ring_hosts *hosts) {
  for (int i = 0; i < hosts->size * hosts->lanes; i++) wr_free(hosts->addresses[i]);
  wr_free(hosts->addresses);
  *hosts = (struct wr_ring_hosts){0};
}

/* ---- parsing ---- */

struct reading {
  struct wr_json json;
  struct wr_ptrs addresses;
  int size, lanes;
  const char *wrong; /* a literal; NULL: nothing but what the json has */
};

static bool add_address(struct reading *r) {
  char *text = wr_json_text(&r->json);
  if (!text) return false;
  if (wr_ptrs_push(&r->addresses, text)) return true;
  wr_free(text);
  return false;
}

static int read_list(struct reading *r) {
  int n = 0;
  if (!wr_json_enter(&r->json, '[')) return 0;
  for (bool first = true; wr_json_next(&r->json, ']', first); first = false) {
    if (!add_address(r)) return 0;
    if (++n > WR_RING_LANES) {
      r->wrong = "a rank has more than 32 addresses";
      return 0;
    }
  }
  return n;
}

static bool read_rank(struct reading *r) {
  int n = wr_json_peek(&r->json) == '"' ? (add_address(r) ? 1 : 0) : read_list(r);
  if (r->json.fault || r->wrong) return false;
  if (n == 0) r->wrong = "a rank has no address";
  if (n > 0 && r->size > 0 && n != r->lanes) {
    r->wrong = "ranks have different numbers of addresses";
  }
  if (r->size == WR_RING_SIZE) r->wrong = "there are more than 65536 ranks";
  r->lanes = n;
  r->size++;
  return !r->wrong;
}

static void read_ranks(struct reading *r) {
  if (wr_json_peek(&r->json) != '[') {
    r->wrong = "it is no list";
    return;
  }
  if (!wr_json_enter(&r->json, '[')) return;
  for (bool first = true; wr_json_next(&r->json, ']', first); first = false) {
    if (!read_rank(r)) return;
  }
  if (wr_json_end(&r->json) && r->size == 0) r->wrong = "it names no rank";
}

struct wr_error *wr_ring_hosts_parse(const char *text, size_t n, const char *label,
                                     struct wr_ring_hosts *out) {
  struct reading r = {.json = {.text = text, .n = n}};
  read_ranks(&r);
  const size_t expected = (size_t)r.size * (size_t)r.lanes;
  const bool whole = !r.json.fault && !r.wrong && expected > 0 && r.addresses.count == expected;
  if (whole) {
    *out = (struct wr_ring_hosts){r.size, r.lanes, (char **)r.addresses.items};
    return NULL;
  }
  for (size_t i = 0; i < r.addresses.count; i++) wr_free(r.addresses.items[i]);
  wr_ptrs_free(&r.addresses);
  if (!r.json.fault && !r.wrong) return wr_error_out_of_memory();
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "[ring] The host file \"%s\": %s at byte %zu",
                      label, r.wrong ? r.wrong : r.json.fault, r.json.at);
}

/* ---- files ---- */

static struct wr_error *refused(const char *file, int number) {
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "[ring] The host file \"%s\" cannot be read: %s",
                      file, wr_text_of_errno(number));
}

/* Makes room for more; 0 or an errno. */
static int grow(char **text, size_t *room) {
  if (*room == MAX_BYTES) return EFBIG;
  char *more = wr_realloc(*text, *room * 2);
  if (!more) return ENOMEM;
  *text = more;
  *room *= 2;
  return 0;
}

/* All of an open file, of wr_alloc, and how much that is; 0 or an errno. */
static int read_all(int fd, char **text, size_t *n) {
  size_t room = 4096;
  *text = wr_alloc(room);
  *n = 0;
  int number = *text ? 0 : ENOMEM;
  while (number == 0) {
    ssize_t got = read(fd, *text + *n, room - *n);
    if (got == 0) return 0;
    if (got < 0) number = errno == EINTR ? 0 : errno;
    if (got > 0) *n += (size_t)got;
    if (*n == room) number = grow(text, &room);
  }
  return number;
}

struct wr_error *wr_ring_hosts_read(const char *file, struct wr_ring_hosts *out) {
  size_t n;
  char *text = NULL;
  int fd = open(file, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return refused(file, errno);
  const int number = read_all(fd, &text, &n);
  close(fd);
  struct wr_error *error = number ? refused(file, number) : wr_ring_hosts_parse(text, n, file, out);
  wr_free(text);
  return error;
}

/* FNV-1a of all addresses and where they end. */
uint64_t wr_ring_hosts_id(const struct wr_ring_hosts *hosts) {
  uint64_t id = UINT64_C(0xcbf29ce484222325) + (uint64_t)hosts->lanes;
  for (int i = 0; i < hosts->size * hosts->lanes; i++) {
    for (const char *c = hosts->addresses[i];; c++) {
      id = (id ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
      if (!*c) break;
    }
  }
  return id;
}

/* ---- addresses ---- */

static struct wr_error *cannot_parse(const char *address) {
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "[ring] Can't parse address %s", address);
}

struct wr_error *wr_ring_resolve(const char *address, struct sockaddr_in *out) {
  const struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
  struct addrinfo *found = NULL;
  char host[256];
  const char *colon = strchr(address, ':');
  if (!colon || (size_t)(colon - address) >= sizeof host || !colon[1]) return cannot_parse(address);
  memcpy(host, address, (size_t)(colon - address));
  host[colon - address] = '\0';
  if (getaddrinfo(host, colon + 1, &hints, &found) || !found) return cannot_parse(address);
  memcpy(out, found->ai_addr, sizeof *out);
  freeaddrinfo(found);
  return NULL;
}
