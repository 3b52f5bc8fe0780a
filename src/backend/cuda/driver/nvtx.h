#ifndef WR_BACKEND_CUDA_DRIVER_NVTX_H
#define WR_BACKEND_CUDA_DRIVER_NVTX_H

/* Names of streams for a tool that watches the process, such as Nsight Systems, by the protocol of
   NVTX 3: the environment names the tool's library. Without one, or with one that does not work,
   nothing happens and nobody is told. The library is opened at first need, once, and never closed.
   Any thread; no locks but that of base/once.h. */

#include <stdbool.h>

#include "backend/cuda/driver/library.h"

/* True when a tool takes names of streams. */
bool wr_nvtx_listens(void);
/* Gives the tool a name for a stream of the driver's, in place of the one before; "" takes it away.
   The tool may ask the driver about the stream, so its context is entered. Nothing where no tool
   listens. */
void wr_nvtx_name_stream(wr_cu_stream stream, const char *label);

#endif
