#ifndef WR_BACKEND_CPU_FUSED_H
#define WR_BACKEND_CPU_FUSED_H

/* Groups on the CPU: see fused.c. */

#include "backend/backend.h"

/* Runs the group before it returns, spread over the pool where it is large. */
struct wr_error *wr_cpu_fused(const struct wr_group *group);

#endif
