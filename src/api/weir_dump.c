/* Dumps: the public surface of stream/dump.h. No locks. */

#include "weir/dump.h"

#include <errno.h>

#include "api/api.h"
#include "base/text.h"
#include "stream/dump.h"

int weir_dump(int fd) {
  struct wr_error *error = NULL;
  switch (wr_dump_to(fd)) {
    case WR_DUMP_WRITTEN:
      break;
    case WR_DUMP_REFUSED:
      error = wr_error_new(WEIR_ERROR_DEVICE, "descriptor %d does not take it: %s", fd,
                           wr_text_of_errno(errno));
      break;
    case WR_DUMP_BUSY:
      error = wr_error_new(WEIR_ERROR_STATE, "another dump is being written, and does not end");
      break;
  }
  return wr_api_return(__func__, error);
}
