/* What weir_dump tells of an encoder: by peeks (base/peek.h), since the GPU's lock is held around
   calls of the driver, in which a thread may hang. No locks. */

#include "backend/cuda/queue/internal.h"
#include "base/peek.h"

enum { MOST_HELD = 4096 };

/* The oldest command in flight comes after commands of another encoder that were not reported. */
static bool is_behind(const struct wr_encoder *copy, uint64_t number) {
  struct wr_order order;
  struct wr_progress other;
  if (!wr_peek(&order, copy->orders, sizeof order) || order.behind >= number) return false;
  return wr_peek(&other, order.on, sizeof other) && other.reported < order.up_to;
}

static uint64_t count_held(const struct wr_encoder *copy) {
  struct wr_gpu_command command;
  const struct wr_gpu_command *at = copy->held;
  uint64_t n = 0;
  for (; n < MOST_HELD && at && wr_peek(&command, at, sizeof command); n++) at = command.next;
  return n;
}

bool wr_gpu_look(const struct wr_encoder *encoder, struct wr_encoder_look *look) {
  struct wr_encoder copy;
  struct wr_gpu_command first;
  struct wr_progress progress;
  *look = (struct wr_encoder_look){0};
  if (!wr_peek(&copy, encoder, sizeof copy)) return false;
  if (!wr_peek(&progress, copy.progress, sizeof progress) || progress.encoder != encoder)
    return false;
  look->in_flight = copy.launched > progress.reported ? copy.launched - progress.reported : 0;
  look->held = count_held(&copy);
  look->since = copy.came_on;
  if (!wr_peek(&first, copy.first, sizeof first)) return true;
  look->first = first.hook;
  look->behind = is_behind(&copy, first.number);
  return true;
}
