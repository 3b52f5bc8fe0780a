/* Buffers: allocation through the cache, user memory, and the end of both. An idle buffer keeps its
   header and its memory together. No locks of its own; a user's destructor goes through the runner,
   with no lock held. */

#include "base/lock.h"
#include "memory/budget.h"
#include "memory/derived.h"
#include "memory/internal.h"

/* ---- accounts ---- */

/* Relaxed, but active bytes: who reads more of those sees what was held for them, and that they are
   a device's (limits.c). */
static void count_alloc(struct wr_memory *memory, uint64_t bytes) {
  if (memory != wr_memory_host()) {
    wr_fetch_add_acq_rel(&memory->active, bytes);
    wr_fetch_add_relaxed(&wr_accounts.devices_taken, bytes);
  }
  wr_active_add(wr_magazine_credit_open(), bytes);
}

static void count_free(struct wr_memory *memory, uint64_t bytes) {
  if (memory != wr_memory_host()) wr_fetch_sub_acq_rel(&memory->active, bytes);
  wr_active_sub(wr_magazine_credit(), bytes);
  /* Behind the count of all, which never has more of devices than what is left here. */
  if (memory != wr_memory_host()) wr_fetch_add_acq_rel(&wr_accounts.devices_freed, bytes);
}

/* ---- memory from a source ---- */

static bool is_above_limit(struct wr_memory *memory, size_t bytes) {
  return wr_account_held(memory) + bytes > wr_account_memory_limit(memory);
}

/* Above the limit the cache is emptied first, and derived forms end; the allocation then goes on
   (K14). Whoever encodes for a device has waited before for what its stream will release
   (graph/run.c). */
static void respect_limit(struct wr_memory *memory, size_t bytes) {
  if (!is_above_limit(memory, bytes)) return;
  wr_cache_empty(memory);
  if (memory != wr_memory_host() || !is_above_limit(memory, bytes)) return;
  if (wr_forms_drop()) wr_cache_empty(memory);
}

/* Derived forms are given up for what there is without them. */
static bool is_lacking(struct wr_memory *memory, size_t bytes) {
  if (!wr_memory_lacks(memory, bytes)) return false;
  const size_t forms = memory == wr_memory_host() ? wr_forms_bytes() : 0;
  if (wr_memory_lacks(memory, bytes > forms ? bytes - forms : 0) || !wr_forms_drop()) return true;
  return wr_memory_lacks(memory, bytes);
}

/* A header and memory for the class; NULL when either is refused. */
static struct wr_buffer *try_make(struct wr_memory *memory, uint32_t size_class) {
  const struct wr_memory_source *source = memory->source;
  size_t bytes = wr_class_bytes(size_class);
  bool mapped = wr_memory_maps(memory, bytes);
  struct wr_buffer *b = wr_calloc(mapped ? sizeof(struct wr_mapped_buffer) : sizeof *b);
  if (!b) return NULL;
  b->data = source->alloc(source, bytes);
  if (!b->data) {
    wr_free(b);
    return NULL;
  }
  b->size_class = size_class;
  b->bytes = bytes;
  b->memory = memory;
  if (mapped) wr_wired_add(wr_mapped_buffer(b));
  wr_account_hold(memory, bytes);
  return b;
}

/* The cache may hold what the system misses: emptied at a refusal, before the second attempt. What
   there is not, with or without it, is refused before anything is given up (K14): a system that
   overcommits would map it, and end the process when it is written. */
static struct wr_buffer *buffer_make(struct wr_memory *memory, uint32_t size_class) {
  if (is_lacking(memory, wr_class_bytes(size_class))) return NULL;
  respect_limit(memory, wr_class_bytes(size_class));
  struct wr_buffer *b = try_make(memory, size_class);
  if (b) return b;
  wr_memory_clear_cache();
  return try_make(memory, size_class);
}

/* ---- allocation ---- */

static bool has_magazines(const struct wr_memory *memory, uint32_t size_class) {
  return size_class < WR_CLASS_MAGAZINES && memory == wr_memory_host();
}

static struct wr_buffer *take_or_make(struct wr_memory *memory, uint32_t size_class) {
  struct wr_buffer *b = NULL;
  bool counted = false;
  if (has_magazines(memory, size_class)) b = wr_magazine_take(size_class, &counted);
  if (!b) b = wr_cache_take(memory, size_class);
  if (!b) b = buffer_make(memory, size_class);
  if (b && !counted) count_alloc(memory, b->bytes);
  return b;
}

static struct wr_error *refused(const struct wr_memory *memory, size_t bytes) {
  const struct wr_memory_source *source = memory->source;
  struct wr_error *error = source->refusal ? source->refusal(source) : NULL;
  if (error) return error;
  return wr_error_new(WEIR_ERROR_OUT_OF_MEMORY, "out of memory: %zu bytes were refused", bytes);
}

struct wr_error *wr_buffer_alloc(struct wr_memory *memory, size_t bytes, struct wr_buffer **out) {
  if (bytes == 0) return wr_buffer_wrap(NULL, 0, NULL, NULL, out);
  uint32_t size_class = wr_class_of(bytes);
  if (size_class == WR_CLASS_NONE) return refused(memory, bytes);
  struct wr_buffer *b = take_or_make(memory, size_class);
  if (!b) return refused(memory, bytes);
  wr_store_relaxed(&b->refs, 1u); /* relaxed: not yet shared */
  *out = b;
  return NULL;
}

/* ---- the user's memory ---- */

/* The address of no elements: C lets nothing be added to a NULL pointer, not even 0. */
static _Alignas(WR_BUFFER_ALIGN) char no_elements;

static const struct wr_destructor_runner *runner; /* immutable after load; NULL: runs directly */

void wr_buffer_set_destructor_runner(const struct wr_destructor_runner *its) { runner = its; }

struct wr_error *wr_buffer_wrap(void *data, size_t bytes, void (*dtor)(void *), void *payload,
                                struct wr_buffer **out) {
  struct wr_buffer *b = wr_calloc(sizeof *b);
  if (!b) return wr_error_out_of_memory();
  wr_store_relaxed(&b->refs, 1u); /* relaxed: not yet shared */
  b->data = data ? data : (void *)&no_elements;
  b->bytes = bytes;
  b->dtor = dtor;
  b->payload = payload;
  struct wr_error *error = dtor && runner ? runner->reserve(dtor, &b->payload) : NULL;
  if (error) {
    wr_free(b);
  } else {
    *out = b;
  }
  return error;
}

void wr_buffer_unwrap(struct wr_buffer *b) {
  if (b->dtor && runner) runner->cancel(b->payload);
  wr_free(b);
}

/* ---- the end ---- */

static void end_wrapped(struct wr_buffer *b) {
  void (*dtor)(void *) = b->dtor;
  void *payload = b->payload;
  wr_free(b);
  if (!dtor) return;
  wr_mutex_assert_none_held();
  if (runner) {
    runner->run(dtor, payload);
  } else {
    dtor(payload);
  }
}

/* Counted as free first: who asks then what is idle finds this one too. */
static void count_and_keep(struct wr_buffer *b) {
  enum wr_magazine_put put = WR_PUT_NOTHING;
  if (has_magazines(b->memory, b->size_class)) put = wr_magazine_put(b);
  if (put == WR_PUT_KEPT) return;
  if (put == WR_PUT_NOTHING) count_free(b->memory, b->bytes);
  wr_cache_put(b);
}

static void end_charged(struct wr_buffer *b) {
  const uint64_t bytes = b->bytes;
  struct wr_budget *budget = wr_buffer_uncharge(b);
  count_and_keep(b);
  wr_budget_return(budget, bytes);
}

void wr_buffer_free_slow(struct wr_buffer *b) {
  if (!b->memory) {
    end_wrapped(b);
    return;
  }
  wr_forms_end(b);
  if (b->size_class & WR_CLASS_CHARGED) {
    end_charged(b);
  } else {
    count_and_keep(b);
  }
}

/* ---- memories ---- */

struct wr_memory *wr_memory_new(const struct wr_memory_source *source) {
  struct wr_memory *memory = wr_calloc(sizeof *memory);
  if (!memory) return NULL;
  memory->source = source;
  wr_cache_register(memory);
  return memory;
}

void wr_memory_free(struct wr_memory *memory) {
  if (!memory) return;
  wr_cache_unregister(memory);
  wr_free(memory);
}

struct wr_device wr_memory_device(const struct wr_memory *memory) {
  return memory->source->device;
}

bool wr_memory_host_visible(const struct wr_memory *memory) { return memory->source->host_visible; }
