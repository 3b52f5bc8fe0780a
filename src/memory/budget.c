/* Budgets: see budget.h. A charged buffer is known by a bit in its class, which makes it one that
   no magazine keeps: so the end of any other buffer does not look (R9). */

#include "memory/budget.h"

#include "memory/internal.h"

struct wr_budget {
  wr_atomic_u32 refs; /* atomic ACQ_REL */
  wr_atomic_u64
      live; /* atomic ACQ_REL: who finds room that a buffer has left comes behind its end */
};

struct wr_budget *wr_budget_new(void) {
  struct wr_budget *budget = wr_calloc(sizeof *budget);
  if (budget) wr_store_relaxed(&budget->refs, 1u); /* relaxed: not yet shared */
  return budget;
}

void wr_budget_release(struct wr_budget *budget) {
  if (budget && wr_ref_drop(&budget->refs)) wr_free(budget);
}

uint64_t wr_budget_live(const struct wr_budget *budget) {
  return wr_load_acquire(&((struct wr_budget *)budget)->live);
}

uint64_t wr_buffer_bytes_for(size_t bytes) {
  uint32_t size_class = bytes ? wr_class_of(bytes) : WR_CLASS_NONE;
  return size_class == WR_CLASS_NONE ? bytes : wr_class_bytes(size_class);
}

static struct wr_budget *charged_to(const struct wr_buffer *b) {
  bool charged = b->memory && b->size_class & WR_CLASS_CHARGED;
  return charged ? b->payload : NULL;
}

bool wr_buffer_is_charged(const struct wr_buffer *b, const struct wr_budget *budget) {
  return charged_to(b) == budget;
}

struct wr_budget *wr_buffer_uncharge(struct wr_buffer *b) {
  struct wr_budget *budget = charged_to(b);
  if (!budget) return NULL;
  b->size_class &= ~(uint32_t)WR_CLASS_CHARGED;
  b->payload = NULL;
  return budget;
}

void wr_budget_return(struct wr_budget *budget, uint64_t bytes) {
  if (!budget) return;
  wr_fetch_sub_acq_rel(&budget->live, bytes);
  wr_budget_release(budget);
}

void wr_buffer_discharge(struct wr_buffer *b) { wr_budget_return(wr_buffer_uncharge(b), b->bytes); }

void wr_buffer_charge(struct wr_buffer *b, struct wr_budget *budget) {
  if (!b->memory || charged_to(b) == budget) return;
  wr_ref_take(&budget->refs);
  wr_fetch_add_acq_rel(&budget->live, (uint64_t)b->bytes);
  wr_buffer_discharge(b);
  b->payload = budget;
  b->size_class |= WR_CLASS_CHARGED;
}
