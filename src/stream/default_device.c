/* The default device of the process (D2), and the check that a device exists. GPUs are not looked
   for when the library is loaded, but by the first call that needs the default device. A program
   that sets one before, by mlx_set_default_device(cpu) say, never opens the driver. No locks. */

#include "base/fork.h"
#include "stream/internal.h"

/* The word is 0 until there is a default device; then it holds the device, and whether the program
   set it or a look for GPUs found it. What was found is put in the place of 0 alone, by
   compare-and-swap: so a thread that was looking does not undo what the program has set meanwhile.
 */
enum { DEFAULT_SET = 1 << 24, DEFAULT_FOUND = 1 << 25 };
wr_atomic_u32 wr_default_device_word;

static uint32_t pack_device(struct wr_device device) {
  return (uint32_t)device.type << 16 | (uint32_t)device.index;
}

static enum wr_usable gpu_usable(const char **reason) {
  const struct wr_backend *gpus = wr_backend_for(WR_DEVICE_GPU);
  if (gpus->usable) return gpus->usable(reason);
  return gpus->device_count() > 0 ? WR_USABLE : WR_UNUSABLE;
}

/* The first GPU where there is one. To look for it may open the driver, which can take seconds. All
   threads that ask meanwhile look too; the backend lets one of them open it, and the others wait. A
   look may be refused for a reason of the moment, such as no free descriptor. That decides nothing:
   it must neither leave the program on the CPU for ever nor run this one call there in silence
   (T2).
 */
struct wr_error *wr_default_device_slow(struct wr_device *out) {
  const char *reason = "";
  const enum wr_usable gpu = gpu_usable(&reason);
  if (gpu == WR_UNUSABLE_FOR_NOW) {
    return wr_error_new(WEIR_ERROR_NO_DEVICE, "whether gpu:0 is the default cannot be told now: %s",
                        reason);
  }
  const struct wr_device found = {gpu == WR_USABLE ? WR_DEVICE_GPU : WR_DEVICE_CPU, 0};
  uint32_t known = 0;
  (void)wr_cas_acq_rel(&wr_default_device_word, &known, pack_device(found) | DEFAULT_FOUND);
  *out = known ? wr_default_device_unpack(known) : found; /* what the program has set since */
  return NULL;
}

struct wr_error *wr_set_default_device(struct wr_device device) {
  struct wr_error *error = wr_device_check(device);
  if (error) return error;
  wr_store_relaxed(&wr_default_device_word, pack_device(device) | DEFAULT_SET);
  return NULL;
}

void wr_default_device_prefer(struct wr_device device) {
  uint32_t known = wr_load_relaxed(&wr_default_device_word);
  while (!(known & DEFAULT_SET)) {
    if (wr_cas_acq_rel(&wr_default_device_word, &known, pack_device(device) | DEFAULT_FOUND))
      return;
  }
}

/* A child cannot use a GPU that its parent had opened. What was found is looked for anew there,
   which gives the CPU then; what the program has set stays, and gives errors in words (K11). */
static void look_anew_in_child(void) {
  if (wr_load_relaxed(&wr_default_device_word) & DEFAULT_FOUND)
    wr_store_relaxed(&wr_default_device_word, 0u);
}

WR_AT_FORK(.rank = WR_RANK_NONE, .child = look_anew_in_child)

static const char *type_name(enum wr_device_type type) {
  return type == WR_DEVICE_CPU ? "cpu" : "gpu";
}

struct wr_error *wr_device_check(struct wr_device device) {
  const struct wr_backend *backend = wr_backend_for(device.type);
  int count = backend->device_count();
  const char *reason = count > 0 ? NULL : backend->absent_reason();
  if (count == 0 && !reason) count = backend->device_count(); /* refused, and since then not */
  if (device.index >= 0 && device.index < count && device.index < WR_MAX_DEVICES) return NULL;
  if (count > 0) {
    return wr_error_new(WEIR_ERROR_NO_DEVICE, "no device %s:%d: there are %d of type %s",
                        type_name(device.type), device.index, count, type_name(device.type));
  }
  return wr_error_new(WEIR_ERROR_NO_DEVICE, "no device %s:%d: %s", type_name(device.type),
                      device.index, reason ? reason : "it is not there now");
}
