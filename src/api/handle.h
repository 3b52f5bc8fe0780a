#ifndef WR_API_HANDLE_H
#define WR_API_HANDLE_H

/* Between a handle's ctx and the object that it leads to: the one place that knows a handle that
   was freed, was never set, or is of another kind (H4).

   As a rule ctx is the object's address, and what is checked is what costs next to nothing: that
   the address is aligned, and the word at the object's beginning (base/kind.h). That sees another
   kind always, and an object that is gone as far as its memory was not used again; an address that
   is none may end the process, as in C.

   With WEIR_CHECK=handles ctx is a number: which place of a table leads to the object, and which
   use of that place it is. A free ends the use; the next handle at the place gets the number of the
   next use. So no number is given twice, and what was freed is known for ever; and nothing is read
   through ctx, whatever it holds. Each handle has a number of its own there, also where several
   lead to one object, as those of a stream do. Lock: REGISTRY, the table's, held with no other. */

#include <stdbool.h>
#include <stdint.h>

#include "base/kind.h"

/* The bits of ctx that are not to be set if it is an address that may be looked at: 7, and under
   WEIR_CHECK all, so that one test says both. Immutable after load. */
extern __attribute__((visibility("hidden"))) uintptr_t wr_handle_odd_bits;

/* The number of the last use: a place that has had it is never given again, since its numbers would
   begin anew. Immutable; but a test may make it small before the first handle. */
extern __attribute__((visibility("hidden"))) uint32_t wr_handle_last_use;

static inline bool wr_handles_are_numbers(void) { return wr_handle_odd_bits == UINTPTR_MAX; }

/* Whether ctx is the address of an object of that kind. */
static inline bool wr_handle_is_plain(void *ctx, enum wr_kind kind) {
  bool plain = ctx && !((uintptr_t)ctx & wr_handle_odd_bits) && wr_kind_of(ctx) == (uint32_t)kind;
  return __builtin_expect(plain, 1);
}

/* The object of a handle; NULL where it is empty or not a live one of that kind. Borrowed. */
void *wr_handle_object(void *ctx, enum wr_kind kind);

bool wr_handle_give_slow(void **ctx, void *object, enum wr_kind kind);

/* Makes *ctx a new handle that leads to the object, which is not NULL; false, and *ctx is left
   alone, when memory is refused. */
static inline bool wr_handle_give(void **ctx, void *object, enum wr_kind kind) {
  if (wr_handles_are_numbers()) return wr_handle_give_slow(ctx, object, kind);
  *ctx = object;
  return true;
}

/* A handle for an object that is not made yet, so that nothing can fail once it is. *ctx is given
   to wr_handle_lead then, or else to wr_handle_take, where it is not NULL. False when memory is
   refused.
 */
bool wr_handle_reserve(void **ctx, enum wr_kind kind);
void wr_handle_lead(void **ctx, void *object);

/* As wr_handle_object, and ends the handle; the object is the caller's to end. */
void *wr_handle_take(void *ctx, enum wr_kind kind);

/* What is wrong with a handle that is not empty and is no live one of that kind. Returns text. */
enum { WR_HANDLE_TEXT = 96 };
char *wr_handle_fault(void *ctx, enum wr_kind kind, char text[WR_HANDLE_TEXT]);

/* Frees the table's memory if no handle is left. */
void wr_handle_trim(void);

#endif
