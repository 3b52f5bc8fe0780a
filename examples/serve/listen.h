/* A socket that listens. */
#ifndef WR_EXAMPLES_SERVE_LISTEN_H
#define WR_EXAMPLES_SERVE_LISTEN_H

#include <stdint.h>

/* At an address, IPv4 or IPv6, and a port, 0 for any that is free. -1 after an error, said on
   stderr. */
int listen_at(const char *address, uint16_t port);

/* The port that it listens on. */
uint16_t listen_port(int fd);

#endif
