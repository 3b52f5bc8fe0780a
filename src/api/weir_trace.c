/* weir_*: traces of time. Checks and reports; no logic. */

#include "weir/trace.h"

#include "api/api.h"
#include "stream/timeline.h"

int weir_trace_start(const char *file) {
  struct wr_error *error = NULL;
  wr_api_result(file, "file", &error);
  if (!error) error = wr_timeline_start(file);
  return wr_api_return(__func__, error);
}

int weir_trace_stop(void) { return wr_api_return(__func__, wr_timeline_stop()); }
