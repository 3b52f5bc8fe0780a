/* The mode with a thread for each connection: a request is answered where it came in. */
#ifndef WR_EXAMPLES_SERVE_THREADS_H
#define WR_EXAMPLES_SERVE_THREADS_H

#include "api.h"

/* Computes what the route's `end` needs, and has it make the reply. */
void threads_answer(struct service *service, const struct route *route, const struct asked *asked,
                    struct reply *reply);

#endif
