/* The least of an HTTP client: one request on a connection of its own. */
#ifndef WR_EXAMPLES_SERVE_CLIENT_H
#define WR_EXAMPLES_SERVE_CLIENT_H

#include <stdint.h>

#include "text.h"

/* How long a client waits: as the server is told, 0: as long as it takes; CLIENT_HANGS_UP: not at
   all, the connection is closed as soon as the request is sent. */
enum { CLIENT_HANGS_UP = -1 };

/* Posts `body` to `path` of this machine's `port` and reads the answer's body into `answer`, which
   it empties before. Returns the status, or 0 when there was no whole answer. */
unsigned client_post(uint16_t port, const char *path, const struct text *body, int patience_ms,
                     struct text *answer);

#endif
