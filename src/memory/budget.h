#ifndef WR_MEMORY_BUDGET_H
#define WR_MEMORY_BUDGET_H

/* What the buffers of one request's results take together (R4): each that is charged to a budget
   counts there, for all of its bytes, from the charge until its end, or until it is charged to
   another. No locks. */

#include "memory/buffer.h"

#define WR_NO_BUDGET UINT64_MAX

/* Counted: the request has one, each charged buffer another. */
struct wr_budget;

struct wr_budget *wr_budget_new(void); /* NULL: memory is refused */
void wr_budget_release(struct wr_budget *budget);
uint64_t wr_budget_live(const struct wr_budget *budget);

/* What a new buffer for so many bytes takes. */
uint64_t wr_buffer_bytes_for(size_t bytes);
/* Charges the buffer to the budget, and to none that it was charged to before. The caller keeps it
   alive, and nobody else charges it. Memory of the user's is not charged. */
void wr_buffer_charge(struct wr_buffer *b, struct wr_budget *budget);
/* Whether it is charged to that one, for who may charge it. */
bool wr_buffer_is_charged(const struct wr_buffer *b, const struct wr_budget *budget);
/* To none any more: its memory is another result's. */
void wr_buffer_discharge(struct wr_buffer *b);
/* In two steps, for its end: what it was charged to, or NULL, gets its bytes back once they count
   as active no more. */
struct wr_budget *wr_buffer_uncharge(struct wr_buffer *b);
void wr_budget_return(struct wr_budget *budget, uint64_t bytes);

#endif
