/* What whoever runs the server asks of it, on a port of its own that only this machine reaches:
   GET /debug/streams, GET /debug/trace?seconds=N, POST and GET /admin/reload. */
#ifndef WR_EXAMPLES_SERVE_ADMIN_H
#define WR_EXAMPLES_SERVE_ADMIN_H

#include <stdint.h>

#include "service.h"

struct admin;

/* Listens on 127.0.0.1 and `port`, 0 for any that is free. NULL after an error, said on stderr. */
struct admin *admin_start(struct service *service, uint16_t port);
uint16_t admin_port(const struct admin *admin);

/* Ends a trace that is being made, and everything else; NULL is a no-op. */
void admin_stop(struct admin *admin);

#endif
