/* Collectives on the ring, in processes of one machine, with one and several connections. K9, R2.
 */

#include "collectives.h"

int main(void) {
  in_processes(2, 1, all_of_it, "all");
  in_processes(4, 1, all_of_it, "all");
  in_processes(3, 1, few, "few");
  in_processes(2, 3, few, "few, three connections");
  in_processes(4, 2, few, "few, two connections");
  in_processes(2, 1, no_handle, "no handle");
  in_processes(2, 1, large, "large");
  in_processes(4, 1, large, "large");
  return 0;
}
