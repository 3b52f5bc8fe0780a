/* Derived forms: see derived.h. Who knows of which:

   - A buffer's word `derived` is 0, or odd: marks of forms that were asked for once; or it leads to
     the buffer's list, which is made once, by a compare-and-swap, and stays until the buffer ends.
     A list only grows, at its head, by a store that releases the new form; so it is walked without
     a lock, by whoever has a reference to the buffer.
   - A form's word `state` says who may touch its bytes. 0: there are none. FILLING: one thread
     alone, which makes or frees them. READY and a number: that many threads read them. Bytes are
     taken away only by a compare-and-swap from READY with no readers to FILLING, and a reader comes
     in only by one from READY; so no reader is ever left with bytes that are gone. It acquires what
     was released with READY.
   - All forms stand in one list besides, under LOCK (rank ALLOCATOR, taken with no other), by which
     they are found when memory is short. A form leaves it before its memory goes.

   A thread that finds a form FILLING does not wait, but works without; so the thread that fills may
   be held up, or be missing in the child of a fork, where such forms are without bytes again. */

#include "memory/derived.h"

#include "base/fork.h"
#include "base/lock.h"
#include "memory/internal.h"

#define FILLING 0x80000000u
#define READY 0x40000000u
/* Forms of one buffer, and how often one is made: what memory keeps taking away is not worth it. */
enum { MOST_FORMS = 256, MOST_TIMES = 3 };

struct wr_form {
  struct wr_form_key key;  /* immutable after publish */
  struct wr_form *next;    /* immutable after publish; of the buffer's list */
  struct wr_link link;     /* under LOCK */
  wr_atomic_u32 state;     /* atomic ACQ_REL */
  uint32_t times;          /* by whom FILLING says; how often there were bytes */
  struct wr_buffer *bytes; /* by whom FILLING says; read by READY's readers */
};

struct list {
  wr_atomic_u64 marks; /* atomic RELAXED: bits that order nothing */
  wr_atomic_ptr first; /* atomic ACQ_REL: struct wr_form *; written under LOCK */
  uint32_t count;      /* under LOCK */
};

static struct {
  struct wr_mutex lock;
  struct wr_dlist forms; /* under LOCK */
  wr_atomic_u64 bytes;   /* atomic RELAXED */
} all = {.lock = WR_MUTEX_INIT(WR_RANK_ALLOCATOR)};

/* ---- marks ---- */

/* Never the lowest bit, which says that the word is marks. */
static uint64_t mark_of(const struct wr_form_key *key) {
  uint64_t h = (uint64_t)(uintptr_t)key->maker ^ ((uint64_t)key->turned << 7);
  const int64_t parts[] = {key->at, key->rows, key->cols, key->apart, key->deep};
  for (int i = 0; i < 5; i++) h = (h ^ (uint64_t)parts[i]) * 0x9e3779b97f4a7c15u;
  return (uint64_t)1 << (1 + (h >> 32) % 63);
}

static struct list *list_of(uintptr_t word) { return word & 1 ? NULL : (void *)word; }

static uintptr_t word_of(struct wr_buffer *b) { return (uintptr_t)wr_load_acquire(&b->derived); }

/* The marks that the word has become a list with. */
static struct list *list_new(struct wr_buffer *b, uintptr_t word) {
  struct list *list = wr_calloc(sizeof *list);
  void *expected = (void *)word;
  if (!list) return NULL;
  wr_store_relaxed(&list->marks, (uint64_t)word); /* relaxed: not yet shared */
  if (wr_cas_acq_rel(&b->derived, &expected, list)) return list;
  wr_free(list);
  return list_of((uintptr_t)expected);
}

/* The list, once the form was asked for before; else NULL, and next time it was. */
static struct list *list_for(struct wr_buffer *b, uint64_t mark) {
  uintptr_t word = word_of(b);
  struct list *list = list_of(word);
  if (!list && word & mark) return list_new(b, word);
  if (!list) {
    void *expected = (void *)word;
    /* One of two marks that come at once is lost. */
    (void)wr_cas_acq_rel(&b->derived, &expected, (void *)(word | mark | 1));
    return NULL;
  }
  if (wr_load_relaxed(&list->marks) & mark) return list;
  wr_store_relaxed(&list->marks, wr_load_relaxed(&list->marks) | mark); /* the same */
  return NULL;
}

/* ---- the list ---- */

static bool is_same(const struct wr_form_key *a, const struct wr_form_key *b) {
  return a->maker == b->maker && a->at == b->at && a->rows == b->rows && a->cols == b->cols &&
         a->apart == b->apart && a->deep == b->deep && a->turned == b->turned;
}

static struct wr_form *find(struct list *list, const struct wr_form_key *key) {
  struct wr_form *f = wr_load_acquire(&list->first); /* acquire: the form, and those behind it */
  while (f && !is_same(&f->key, key)) f = f->next;
  return f;
}

static void enter_locked(struct list *list, struct wr_form *f) {
  f->next = wr_load_relaxed(&list->first); /* relaxed: written under this lock */
  wr_dlist_append(&all.forms, &f->link);
  list->count++;
  wr_store_release(&list->first, f); /* release: the form is whole */
}

/* Another thread may be adding it too; NULL when memory is refused or there are too many. */
static struct wr_form *add(struct list *list, const struct wr_form_key *key) {
  struct wr_form *f = wr_calloc(sizeof *f);
  if (!f) return NULL;
  f->key = *key;
  wr_mutex_lock(&all.lock);
  struct wr_form *found = find(list, key);
  const bool enter = !found && list->count < MOST_FORMS;
  if (enter) enter_locked(list, f);
  wr_mutex_unlock(&all.lock);
  if (enter) return f;
  wr_free(f);
  return found;
}

/* ---- bytes ---- */

static void count(size_t bytes) { wr_fetch_add_relaxed(&all.bytes, (uint64_t)bytes); }
static void discount(size_t bytes) { wr_fetch_sub_relaxed(&all.bytes, (uint64_t)bytes); }

size_t wr_forms_bytes(void) { return wr_load_relaxed(&all.bytes); }

static bool is_room(size_t bytes) {
  struct wr_memory *host = wr_memory_host();
  return wr_forms_bytes() + bytes <= wr_account_memory_limit(host) / 4 &&
         wr_account_may_keep(bytes) && !wr_memory_crowded(host, bytes);
}

/* By the thread that is FILLING. A child of a fork may find bytes that its parent began. */
static bool make_bytes(struct wr_form *f, size_t bytes) {
  if (f->bytes) return true;
  if (f->times >= MOST_TIMES || !is_room(bytes)) return false;
  struct wr_error *error = wr_buffer_alloc(wr_memory_host(), bytes, &f->bytes);
  if (error) {
    wr_error_release(error);
    f->times = MOST_TIMES;
    return false;
  }
  count(f->bytes->bytes);
  f->times++;
  return true;
}

/* By the thread that is FILLING; the form is without bytes from then on. */
static struct wr_buffer *take_bytes(struct wr_form *f) {
  struct wr_buffer *bytes = f->bytes;
  f->bytes = NULL;
  if (bytes) discount(bytes->bytes);
  wr_store_release(&f->state, 0u); /* release: to whoever fills it next */
  return bytes;
}

/* ---- holding ---- */

/* As a reader, or FILLING; false: neither can be. */
static bool take(struct wr_form *f, bool *fresh) {
  uint32_t state = wr_load_relaxed(&f->state); /* relaxed: the swap acquires */
  for (;;) {
    *fresh = state == 0;
    if (state & FILLING) return false;
    if (wr_cas_acq_rel(&f->state, &state, *fresh ? FILLING : state + 1)) return true;
  }
}

struct wr_form *wr_form_hold(struct wr_buffer *b, const struct wr_form_key *key, size_t bytes,
                             bool *fresh) {
  if (!b->memory) return NULL; /* the user may write there */
  struct list *list = list_for(b, mark_of(key));
  if (!list) return NULL;
  struct wr_form *f = find(list, key);
  if (!f) f = add(list, key);
  if (!f || !take(f, fresh)) return NULL;
  if (!*fresh || make_bytes(f, bytes)) return f;
  wr_buffer_release(take_bytes(f));
  return NULL;
}

void *wr_form_data(const struct wr_form *form) { return form->bytes->data; }

/* Release: the bytes, to all readers. */
void wr_form_ready(struct wr_form *form) { wr_store_release(&form->state, READY | 1u); }

void wr_form_leave(struct wr_form *form) {
  if (wr_load_relaxed(&form->state) & FILLING) { /* relaxed: only the caller's, if it is */
    wr_buffer_release(take_bytes(form));
  } else {
    wr_fetch_sub_acq_rel(&form->state, 1u); /* release: the reads are over */
  }
}

/* ---- ends ---- */

/* Under LOCK: a form that ends waits until a walk of all is over. */
static void leave_all(struct wr_form *first) {
  wr_mutex_lock(&all.lock);
  for (struct wr_form *f = first; f; f = f->next) wr_dlist_remove(&all.forms, &f->link);
  wr_mutex_unlock(&all.lock);
}

void wr_forms_end_slow(struct wr_buffer *b) {
  struct list *list = list_of((uintptr_t)wr_load_relaxed(&b->derived)); /* see wr_forms_end */
  wr_store_relaxed(&b->derived, NULL);
  if (!list) return;
  struct wr_form *f = wr_load_relaxed(&list->first);
  leave_all(f);
  while (f) {
    struct wr_form *next = f->next;
    wr_buffer_release(take_bytes(f));
    wr_free(f);
    f = next;
  }
  wr_free(list);
}

bool wr_forms_drop(void) {
  struct wr_buffer *out = NULL;
  wr_mutex_lock(&all.lock);
  for (struct wr_link *l = all.forms.head; l; l = l->next) {
    struct wr_form *f = WR_CONTAINER_OF(l, struct wr_form, link);
    uint32_t state = READY;
    if (!wr_cas_acq_rel(&f->state, &state, FILLING)) continue;
    struct wr_buffer *bytes = take_bytes(f);
    bytes->next = out;
    out = bytes;
  }
  wr_mutex_unlock(&all.lock);
  const bool some = out != NULL;
  while (out) {
    struct wr_buffer *bytes = out;
    out = bytes->next;
    wr_buffer_release(bytes);
  }
  return some;
}

/* No kernel runs on the only thread: nobody reads, and what was being filled is to be filled anew.
   Relaxed: the only thread. */
static void forget_holders(void) {
  uint64_t sum = 0;
  for (struct wr_link *l = all.forms.head; l; l = l->next) {
    struct wr_form *f = WR_CONTAINER_OF(l, struct wr_form, link);
    wr_store_relaxed(&f->state, wr_load_relaxed(&f->state) & READY);
    if (f->bytes) sum += f->bytes->bytes;
  }
  wr_store_relaxed(&all.bytes, sum);
}

WR_AT_FORK(.rank = WR_RANK_ALLOCATOR, .lock = &all.lock, .child = forget_holders)
