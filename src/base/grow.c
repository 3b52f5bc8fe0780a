/* Arrays that double as they fill; see grow.h. */

#include "base/grow.h"

#include <string.h>

#include "base/base.h"

bool wr_grow(void *array, size_t *room, size_t needed, size_t first, size_t item) {
  if (needed <= *room) return true;
  size_t more = first, bytes;
  if (*room > 0 && !wr_mul_size(*room, 2, &more)) return false;
  if (more < needed) more = needed;
  if (!wr_mul_size(more, item, &bytes)) return false;
  void *items; /* by its bytes, since pointers of other types cannot be reached as void * */
  memcpy(&items, array, sizeof items);
  items = wr_realloc(items, bytes);
  if (!items) return false;
  memcpy(array, &items, sizeof items);
  *room = more;
  return true;
}
