/* H4: under WEIR_CHECK=handles no number is given twice, also where places have had their last use
   and where the table was made anew. */

#include "api/handle.h"

#include <string.h>

#include "check.h"

enum { LAST_USE = 5, HANDLES = 400 };

static void *given[3 * HANDLES];
static int n_given;
static int object;

static void *give(void) {
  void *ctx = NULL;
  CHECK(wr_handle_give(&ctx, &object, WR_KIND_STRING));
  CHECK(wr_handle_object(ctx, WR_KIND_STRING) == &object);
  for (int i = 0; i < n_given; i++) CHECK(given[i] != ctx);
  given[n_given++] = ctx;
  return ctx;
}

static void take(void *ctx) {
  char text[WR_HANDLE_TEXT];
  CHECK(wr_handle_take(ctx, WR_KIND_STRING) == &object);
  CHECK(!wr_handle_object(ctx, WR_KIND_STRING) && !wr_handle_take(ctx, WR_KIND_STRING));
  CHECK(!strcmp(wr_handle_fault(ctx, WR_KIND_STRING, text), "was freed"));
}

int main(void) {
  wr_handle_odd_bits = UINTPTR_MAX;
  wr_handle_last_use = LAST_USE;
  for (int i = 0; i < HANDLES; i++) take(give()); /* one place after another has its last use */
  wr_handle_trim();
  void *held[HANDLES];
  for (int i = 0; i < HANDLES; i++) held[i] = give(); /* the table grows */
  for (int i = 0; i < HANDLES; i++) take(held[i]);
  wr_handle_trim();
  for (int i = 0; i < HANDLES; i++) take(give());
  for (int i = 0; i < n_given; i++) CHECK(!wr_handle_object(given[i], WR_KIND_STRING));
  return 0;
}
