#ifndef WEIR_ERROR_H
#define WEIR_ERROR_H

/* Errors. Every function of mlx_* and weir_* that can fail returns 1 (or an empty handle, NULL, 0
   or false where it returns something else); the message and the code of the last failing call on
   the calling thread are kept here, and the handler of mlx_set_error_handler is called. A success
   changes neither: look at them after a failure. Both functions may be called from any thread; they
   never fail. */

#ifdef __cplusplus
extern "C" {
#endif

typedef enum weir_status {
  WEIR_OK = 0,
  WEIR_ERROR_INVALID_ARGUMENT, /* a handle, shape, dtype, axis or value that the call does not take
                                */
  WEIR_ERROR_OUT_OF_MEMORY,    /* the system, the device or a limit refused memory */
  WEIR_ERROR_WRONG_THREAD,     /* checked policy: a stream used away from its thread */
  WEIR_ERROR_THREAD_RETIRED,   /* checked policy: work on a thread that cleared its streams */
  WEIR_ERROR_UNSUPPORTED,      /* no body of this operation for this device or dtype */
  WEIR_ERROR_NO_DEVICE,        /* no such device on this machine */
  WEIR_ERROR_DEVICE,           /* the device reported a failure */
  WEIR_ERROR_TIMEOUT,          /* a wait ran out of time */
  WEIR_ERROR_STATE,            /* the call is not possible in this state */
  WEIR_ERROR_INTERNAL,         /* a defect of Weir's */
  WEIR_ERROR_CANCELLED,        /* the request that the call was made in was cancelled */
  WEIR_ERROR_DEADLINE,         /* the deadline of the request that the call was made in passed */
  WEIR_ERROR_AGAIN,            /* a stream has no room at this moment (weir_stream_set_limit) */
  WEIR_ERROR_BUDGET            /* a result would have gone over the budget of its request */
} weir_status;

/* The message of the last failing call on this thread; "" when none failed. It begins with the
   operation in brackets, except from mlx_array_item_*, and names the parameter. The library's,
   valid until the next failing call on this thread or the thread's end. */
const char *weir_last_error(void);

/* The code of the last failing call on this thread; WEIR_OK when none failed. */
weir_status weir_last_status(void);

#ifdef __cplusplus
}
#endif

#endif
