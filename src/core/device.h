#ifndef WR_CORE_DEVICE_H
#define WR_CORE_DEVICE_H

/* A device: a plain value. */

#include <stdbool.h>

enum wr_device_type { WR_DEVICE_CPU, WR_DEVICE_GPU, WR_DEVICE_TYPE_COUNT };

struct wr_device {
  enum wr_device_type type;
  int index;
};

static inline bool wr_device_equal(struct wr_device a, struct wr_device b) {
  return a.type == b.type && a.index == b.index;
}

#endif
