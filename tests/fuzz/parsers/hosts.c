/* Any bytes as a host file of a ring. */

#include "distributed/ring.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  struct wr_ring_hosts hosts;
  struct wr_error *error = wr_ring_hosts_parse((const char *)data, n, "the file", &hosts);
  if (!error) {
    MUST(hosts.size > 0 && hosts.size <= WR_RING_SIZE);
    MUST(hosts.lanes > 0 && hosts.lanes <= WR_RING_LANES);
    (void)wr_ring_hosts_id(&hosts);
    wr_ring_hosts_end(&hosts);
  }
  drop(error);
  return 0;
}
