/* weir_*: rings. Checks handles and reports, and writes out completions. */

#include "weir/ring.h"

#include <string.h>

#include "api/api.h"
#include "graph/ring_eval.h"
#include "stream/ring.h"

static struct wr_ring *some_ring(weir_ring ring, struct wr_error **error) {
  return wr_api_object(ring.ctx, WR_KIND_RING, "ring", "is an empty ring", error);
}

int weir_ring_eval(weir_ring ring, mlx_vector_array arrays, weir_request request, void *user) {
  struct wr_error *error = NULL;
  size_t n = 0;
  struct wr_ring *r = some_ring(ring, &error);
  struct wr_node *const *nodes = wr_api_vector(arrays, "arrays", &n, &error);
  struct wr_request *in = request.ctx ? wr_api_object(request.ctx, WR_KIND_REQUEST, "request",
                                                      "is an empty request", &error)
                                      : NULL;
  if (!error) error = wr_ring_eval(r, nodes, n, in, user);
  return wr_api_return(__func__, error);
}

/* Cut between characters of UTF-8. */
static void copy_message(char message[WEIR_COMPLETION_MESSAGE], const char *text) {
  const size_t length = strlen(text);
  size_t room = WEIR_COMPLETION_MESSAGE - sizeof "...";
  if (length < WEIR_COMPLETION_MESSAGE) {
    memcpy(message, text, length + 1);
    return;
  }
  while (room > 0 && ((unsigned char)text[room] & 0xc0u) == 0x80u) room--;
  memcpy(message, text, room);
  memcpy(message + room, "...", sizeof "...");
}

/* Writes the completion, and ends the entry. */
static void write_out(weir_completion *completion, struct wr_ring_entry *entry) {
  completion->user = entry->user;
  completion->status = entry->status;
  completion->message[0] = '\0';
  if (entry->error) copy_message(completion->message, wr_error_message(entry->error));
  wr_error_release(entry->error);
  entry->drop(entry);
}

int weir_ring_take(size_t *taken, weir_ring ring, weir_completion *completions, size_t n,
                   int64_t timeout_ns) {
  struct wr_error *error = NULL;
  wr_api_result(taken, "taken", &error);
  struct wr_ring *r = some_ring(ring, &error);
  wr_api_list(completions, n, "completions", &error);
  uint64_t deadline = wr_api_deadline(timeout_ns, &error);
  if (error) return wr_api_fail(__func__, error);
  struct wr_ring_entry *entry = wr_ring_take(r, n, deadline);
  *taken = 0;
  while (entry) {
    struct wr_ring_entry *next = entry->next;
    write_out(&completions[(*taken)++], entry);
    entry = next;
  }
  return 0;
}
