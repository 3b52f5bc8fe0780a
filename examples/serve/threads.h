/* The mode with a thread for each connection: a request is answered where it came in. */
#ifndef WR_EXAMPLES_SERVE_THREADS_H
#define WR_EXAMPLES_SERVE_THREADS_H

#include "api.h"
#include "watch.h"

/* Computes what the route's `end` needs, in a request of its own, and has that make the reply.
   Gives up when its time has passed, or the client at the other end of `fd` goes. */
void threads_answer(struct service *service, struct watch *watch, int fd, const struct route *route,
                    const struct asked *asked, struct reply *reply);

#endif
