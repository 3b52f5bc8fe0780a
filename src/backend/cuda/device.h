#ifndef WR_BACKEND_CUDA_DEVICE_H
#define WR_BACKEND_CUDA_DEVICE_H

/* A GPU that is ready for use: above all rooms, which it puts together. Any thread. */

#include "backend/backend.h"

struct wr_gpu;

/* The GPU, set up at first need. */
struct wr_error *wr_gpu_get(int index, struct wr_gpu **out);
/* As in backend.h. */
enum wr_usable wr_gpu_usable(const char **reason);
bool wr_gpu_facts(int index, struct wr_device_facts *facts);
extern const struct wr_exchange_device wr_gpu_exchanges; /* exchanges.c */

#endif
