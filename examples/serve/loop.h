/* The other mode: one thread that waits in epoll for connections and for a ring, and is never
   inside a computation. */
#ifndef WR_EXAMPLES_SERVE_LOOP_H
#define WR_EXAMPLES_SERVE_LOOP_H

#include <microhttpd.h>

#include "api.h"

struct loop;

/* Begins the thread, which runs the daemon: one with MHD_USE_EPOLL, MHD_ALLOW_SUSPEND_RESUME and no
   thread of its own. *started is set before the first request may ask for it, and NULL after an
   error, which makes rc 1 and was said on stderr. */
int loop_start(struct loop **started, struct service *service, struct MHD_Daemon *daemon);

/* On that thread, inside the daemon's callback: suspends the connection and takes over what `asked`
   holds. Once *reply is made, *ready is set and the connection goes on; both stay there until then.
   False, and all is as it was, when memory is refused. */
bool loop_ask(struct loop *loop, struct MHD_Connection *connection, const struct route *route,
              struct asked *asked, struct reply *reply, bool *ready);

/* Takes no further connections. Any thread. */
void loop_drain(struct loop *loop);

/* Gives up what is under way, and ends the thread; the daemon is the caller's to stop. */
void loop_stop(struct loop *loop);

#endif
