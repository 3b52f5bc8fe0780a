#ifndef WEIR_WEIR_H
#define WEIR_WEIR_H

/* Weir's own surface, beside the MLX-compatible one in mlx/c/mlx.h. */

#include "weir/dump.h"
#include "weir/error.h"
#include "weir/event.h"
#include "weir/matmul.h"
#include "weir/memory.h"
#include "weir/request.h"
#include "weir/ring.h"
#include "weir/stream.h"
#include "weir/thread.h"
#include "weir/trace.h"
#include "weir/version.h"

#endif
