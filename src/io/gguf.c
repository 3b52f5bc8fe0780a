/* gguf, versions 2 and 3: pairs of metadata, descriptions of tensors, and the data. Quantized
   tensors become three arrays, as MLX has them: weights packed in uint32, and a scale and a bias of
   float16 for each 32 elements. All numbers of the file are little-endian. No locks. */

#include <string.h>

#include "base/base.h"
#include "io/decode.h"
#include "io/formats.h"

enum { ALIGNMENT = 32, MAX_ALIGNMENT = 1 << 20, VALUE_TEXT = 8, VALUE_ARRAY = 9 };

/* Values of the metadata: bytes in the file, and the type that they get. */
static const struct {
  uint8_t bytes;
  uint8_t dtype;
} values[] = {{1, WR_UINT8},  {1, WR_INT8},    {2, WR_UINT16}, {2, WR_INT16}, {4, WR_UINT32},
              {4, WR_INT32},  {4, WR_FLOAT32}, {1, WR_BOOL},   {0, 0},        {0, 0},
              {8, WR_UINT64}, {8, WR_INT64},   {8, WR_FLOAT32}};

enum { VALUES = sizeof values / sizeof values[0], VALUE_BOOL = 7, VALUE_F64 = 12 };

/* Types of tensors: elements and bytes of a block, and what it is read as. `parts`: by three
   arrays, of which the form is the first's. */
static const struct tensor_type {
  uint32_t type;
  uint16_t elements, bytes;
  uint8_t dtype, form, bits;
} tensor_types[] = {
    {0, 1, 4, WR_FLOAT32, WR_LOAD_PLAIN, 0},        {1, 1, 2, WR_FLOAT16, WR_LOAD_PLAIN, 0},
    {24, 1, 1, WR_INT8, WR_LOAD_PLAIN, 0},          {25, 1, 2, WR_INT16, WR_LOAD_PLAIN, 0},
    {26, 1, 4, WR_INT32, WR_LOAD_PLAIN, 0},         {2, 32, 18, WR_UINT32, WR_LOAD_Q4_WEIGHTS, 4},
    {3, 32, 20, WR_UINT32, WR_LOAD_Q41_WEIGHTS, 4}, {8, 32, 34, WR_UINT32, WR_LOAD_Q8_WEIGHTS, 8},
    {30, 1, 2, WR_FLOAT16, WR_LOAD_BF16, 0},        {10, 256, 84, WR_FLOAT16, WR_LOAD_Q2_K, 0},
    {12, 256, 144, WR_FLOAT16, WR_LOAD_Q4_K, 0},    {14, 256, 210, WR_FLOAT16, WR_LOAD_Q6_K, 0}};

bool wr_gguf_tensor_type(enum wr_dtype dtype, uint32_t *type) {
  for (size_t i = 0; i < sizeof tensor_types / sizeof tensor_types[0]; i++) {
    *type = tensor_types[i].type;
    if (tensor_types[i].form == WR_LOAD_PLAIN && tensor_types[i].dtype == dtype) return true;
  }
  return false;
}

bool wr_gguf_value_type(enum wr_dtype dtype, uint32_t *type) {
  for (uint32_t i = 0; i < VALUE_F64; i++) {
    *type = i;
    if (values[i].bytes && values[i].dtype == dtype) return true;
  }
  return false;
}

struct cursor {
  const struct wr_header *header;
  uint64_t at;     /* at most the header's bytes */
  uint64_t wanted; /* 0, or where the bytes were not enough */
  uint64_t alignment;
};

/* ---- taking bytes ---- */

static struct wr_error *wrong(const struct cursor *c, const char *what) {
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "[load_gguf] gguf_init failed: %s: %s",
                      c->header->label, what);
}

/* The next `n` bytes; NULL without an error where they are not at hand. */
static const unsigned char *take(struct cursor *c, uint64_t n, struct wr_error **error) {
  if (*error || c->wanted) return NULL;
  if (n > c->header->size - c->at) {
    *error = wrong(c, "the file ends inside its header");
    return NULL;
  }
  if (n > c->header->n - c->at) {
    c->wanted = c->at + n;
    return NULL;
  }
  const unsigned char *found = (const unsigned char *)c->header->bytes + c->at;
  c->at += n;
  return found;
}

static uint64_t number(const unsigned char *bytes, size_t n) {
  uint64_t value = 0;
  for (size_t i = n; i > 0; i--) value = value << 8 | bytes[i - 1];
  return value;
}

/* 0 where it is not at hand. */
static uint64_t take_number(struct cursor *c, size_t n, struct wr_error **error) {
  const unsigned char *bytes = take(c, n, error);
  return bytes ? number(bytes, n) : 0;
}

static const unsigned char *take_text(struct cursor *c, uint64_t *n, struct wr_error **error) {
  *n = take_number(c, 8, error);
  return take(c, *n, error);
}

/* A name, of wr_alloc; NULL on an error or where it is not at hand. */
static char *take_name(struct cursor *c, struct wr_error **error) {
  uint64_t n;
  const unsigned char *text = take_text(c, &n, error);
  if (!text) return NULL;
  if (memchr(text, 0, n)) {
    *error = wrong(c, "a name has a zero inside");
    return NULL;
  }
  char *name = wr_alloc(n + 1);
  if (!name) {
    *error = wr_error_out_of_memory();
    return NULL;
  }
  memcpy(name, text, n);
  name[n] = '\0';
  return name;
}

/* ---- metadata ---- */

static struct wr_gguf_value *value_new(enum wr_gguf_kind kind, size_t count, uint64_t bytes,
                                       struct wr_error **error) {
  struct wr_gguf_value *value = NULL;
  if (*error) return NULL;
  if (bytes < SIZE_MAX - sizeof *value) value = wr_calloc(sizeof *value + (size_t)bytes);
  if (!value) {
    *error = wr_error_out_of_memory();
    return NULL;
  }
  value->kind = kind;
  value->count = count;
  return value;
}

/* Elements as they are in memory. */
static void copy_elements(struct wr_gguf_value *value, const unsigned char *from, size_t bytes,
                          uint32_t type) {
  const size_t size = wr_dtype_size(value->dtype);
  char *to = (char *)value->data;
  for (size_t i = 0; i < value->count; i++, from += bytes, to += size) {
    uint64_t bits = number(from, bytes);
    if (type == VALUE_F64) {
      double wide;
      memcpy(&wide, &bits, sizeof wide);
      float narrow = (float)wide;
      memcpy(to, &narrow, sizeof narrow);
    } else if (type == VALUE_BOOL) {
      *to = bits != 0;
    } else {
      memcpy(to, &bits, size); /* a little-endian host: decode.c asks for one */
    }
  }
}

static struct wr_gguf_value *take_elements(struct cursor *c, uint32_t type, uint64_t count,
                                           struct wr_error **error) {
  size_t bytes = type < VALUES ? values[type].bytes : 0;
  uint64_t whole;
  if (!*error && !c->wanted && !bytes) *error = wrong(c, "a value of a type that gguf has not");
  if (*error || c->wanted) return NULL;
  if (count > INT32_MAX || __builtin_mul_overflow(count, (uint64_t)bytes, &whole)) {
    *error = wrong(c, "a list of 2^31 values or more");
    return NULL;
  }
  const unsigned char *from = take(c, whole, error);
  struct wr_gguf_value *value = from ? value_new(WR_GGUF_ARRAY, (size_t)count, whole, error) : NULL;
  if (!value) return NULL;
  value->dtype = (enum wr_dtype)values[type].dtype;
  copy_elements(value, from, bytes, type);
  return value;
}

/* Two passes over the texts: their bytes, then the copies. Each has at least the 8 bytes of its
   length, so a count that lies is found out after so many. */
static struct wr_gguf_value *take_texts(struct cursor *c, uint64_t count, enum wr_gguf_kind kind,
                                        struct wr_error **error) {
  uint64_t n, bytes = 0, begin = c->at;
  for (uint64_t i = 0; i < count; i++) {
    if (!take_text(c, &n, error)) return NULL;
    bytes += n + 1;
  }
  struct wr_gguf_value *value = value_new(kind, (size_t)count, bytes, error);
  if (!value) return NULL;
  char *to = (char *)value->data;
  c->at = begin;
  for (uint64_t i = 0; i < count; i++) {
    const unsigned char *text = take_text(c, &n, error);
    if (!text) break; /* it was there a moment ago */
    for (uint64_t k = 0; k < n && text[k]; k++) *to++ = (char)text[k];
    *to++ = '\0';
  }
  return value;
}

static struct wr_gguf_value *take_list(struct cursor *c, struct wr_error **error) {
  uint32_t type = (uint32_t)take_number(c, 4, error);
  uint64_t count = take_number(c, 8, error);
  if (*error || c->wanted) return NULL;
  if (type == VALUE_ARRAY) {
    *error = wr_error_new(WEIR_ERROR_UNSUPPORTED,
                          "[load_gguf] Only supports loading 1-layer of nested arrays.");
    return NULL;
  }
  if (type == VALUE_TEXT) return take_texts(c, count, WR_GGUF_TEXTS, error);
  return take_elements(c, type, count, error);
}

static struct wr_gguf_value *take_value(struct cursor *c, struct wr_error **error) {
  uint32_t type = (uint32_t)take_number(c, 4, error);
  if (*error || c->wanted) return NULL;
  if (type == VALUE_TEXT) return take_texts(c, 1, WR_GGUF_TEXT, error);
  if (type == VALUE_ARRAY) return take_list(c, error);
  struct wr_gguf_value *value = take_elements(c, type, 1, error);
  if (value) value->scalar = true;
  return value;
}

bool wr_gguf_alignment(const struct wr_gguf_value *value, uint64_t *alignment) {
  uint32_t bytes = value ? 0 : ALIGNMENT;
  if (value && value->kind == WR_GGUF_ARRAY && value->scalar && value->dtype == WR_UINT32) {
    memcpy(&bytes, value->data, sizeof bytes);
  }
  *alignment = bytes;
  return bytes != 0 && bytes <= MAX_ALIGNMENT && (bytes & (bytes - 1)) == 0;
}

static void note_alignment(struct cursor *c, const struct wr_gguf_value *value,
                           struct wr_error **error) {
  if (wr_gguf_alignment(value, &c->alignment)) return;
  *error = wrong(c, "general.alignment is no power of two up to 2^20");
}

static void put(struct wr_map *map, const char *name, void *value, struct wr_error **error) {
  bool added = false;
  void **place = wr_map_add(map, name, &added);
  if (added) {
    *place = value;
    return;
  }
  wr_free(value);
  *error = !place ? wr_error_out_of_memory()
                  : wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                                 "[load_gguf] Duplicate parameter name %.200s", name);
}

static void take_pair(struct cursor *c, struct wr_error **error) {
  char *name = take_name(c, error);
  struct wr_gguf_value *value = name ? take_value(c, error) : NULL;
  if (value && !strcmp(name, "general.alignment")) note_alignment(c, value, error);
  if (value && *error) {
    wr_free(value);
  } else if (value) {
    put(c->header->metadata, name, value, error);
  }
  wr_free(name);
}

/* ---- tensors ---- */

static const struct tensor_type *type_of(uint32_t type) {
  for (size_t i = 0; i < sizeof tensor_types / sizeof tensor_types[0]; i++) {
    if (tensor_types[i].type == type) return &tensor_types[i];
  }
  return NULL;
}

/* The offset is from the data's beginning, which is not known yet. */
static void put_array(struct cursor *c, const char *name, const struct wr_stored *stored,
                      struct wr_error **error) {
  struct wr_stored *copy = *error ? NULL : wr_alloc(sizeof *copy);
  if (copy) {
    *copy = *stored;
    put(c->header->arrays, name, copy, error);
  } else if (!*error) {
    *error = wr_error_out_of_memory();
  }
}

/* What stands beside quantized weights: the name without its last seven characters, which are
   ".weight", and an ending. */
static void put_beside(struct cursor *c, const char *name, const char *ending,
                       const struct wr_stored *stored, struct wr_error **error) {
  size_t n = strlen(name), keep = n >= 7 ? n - 7 : n, more = strlen(ending) + 1;
  char *beside = *error ? NULL : wr_alloc(keep + more);
  if (!beside) {
    if (!*error) *error = wr_error_out_of_memory();
    return;
  }
  memcpy(beside, name, keep);
  memcpy(beside + keep, ending, more);
  put_array(c, beside, stored, error);
  wr_free(beside);
}

static void put_tensor(struct cursor *c, const char *name, const struct tensor_type *type,
                       struct wr_stored *stored, struct wr_error **error) {
  if (!type->bits) {
    put_array(c, name, stored, error);
    return;
  }
  int32_t *last = &stored->shape[stored->ndim - 1];
  const int32_t extent = *last;
  *last = extent / (32 / type->bits);
  put_array(c, name, stored, error);
  *last = extent / type->elements;
  stored->dtype = WR_FLOAT16;
  stored->form = (enum wr_load_form)(type->form + 1);
  put_beside(c, name, ".scales", stored, error);
  stored->form = (enum wr_load_form)(type->form + 2);
  put_beside(c, name, ".biases", stored, error);
}

static bool take_shape(struct cursor *c, struct wr_stored *stored, struct wr_error **error) {
  uint32_t ndim = (uint32_t)take_number(c, 4, error);
  if (*error || c->wanted) return false;
  if (ndim > WR_MAX_NDIM) {
    *error = wrong(c, "a tensor of more than 32 dimensions");
    return false;
  }
  stored->ndim = (int)ndim;
  for (uint32_t i = 0; i < ndim; i++) {
    uint64_t extent = take_number(c, 8, error);
    if (*error || c->wanted) return false;
    if (extent > INT32_MAX) *error = wrong(c, "a dimension of 2^31 or more");
    if (*error) return false;
    stored->shape[ndim - 1 - i] = (int32_t)extent;
  }
  return true;
}

/* Offset and size are whole; where they lie is checked once the data's beginning is known. */
static bool check_tensor(struct cursor *c, const char *name, const struct tensor_type *type,
                         const struct wr_stored *stored, struct wr_error **error) {
  int64_t elements;
  int32_t last = stored->ndim ? stored->shape[stored->ndim - 1] : 1;
  if (!type) {
    *error = wr_error_new(WEIR_ERROR_UNSUPPORTED,
                          "[load_gguf] gguf_tensor_to_f16 failed: tensor %.200s", name);
  } else if (last % type->elements != 0) {
    *error = wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                          "[load_gguf] tensor %.200shas incompatible last dim shape: %d", name,
                          (int)last);
  } else if (!wr_shape_size(stored->shape, stored->ndim, &elements)) {
    *error = wrong(c, "a tensor is too large");
  }
  return !*error;
}

/* How many bytes the file has of what an array is made of. */
static uint64_t stored_bytes(const struct wr_stored *stored) {
  const struct wr_decoder *decoder = wr_decoder_of(stored->form);
  int64_t elements;
  (void)wr_shape_size(stored->shape, stored->ndim, &elements);
  uint64_t bytes = (uint64_t)elements * wr_dtype_size(stored->dtype);
  return decoder->in ? bytes / decoder->out * decoder->in : bytes;
}

static void take_tensor(struct cursor *c, struct wr_error **error) {
  struct wr_stored stored = {.form = WR_LOAD_PLAIN};
  char *name = take_name(c, error);
  bool whole = name && take_shape(c, &stored, error);
  uint32_t number_of_type = (uint32_t)take_number(c, 4, error);
  stored.offset = take_number(c, 8, error);
  const struct tensor_type *type = type_of(number_of_type);
  if (whole && !*error && !c->wanted && check_tensor(c, name, type, &stored, error)) {
    stored.dtype = (enum wr_dtype)type->dtype;
    stored.form = (enum wr_load_form)type->form;
    put_tensor(c, name, type, &stored, error);
  }
  wr_free(name);
}

/* Offsets from the file's beginning, inside the file. */
static void place_tensors(struct cursor *c, struct wr_error **error) {
  uint64_t begin = (c->at + c->alignment - 1) / c->alignment * c->alignment;
  for (size_t i = 0; i < c->header->arrays->count && !*error; i++) {
    struct wr_stored *stored = c->header->arrays->entries[i].value;
    uint64_t bytes = stored_bytes(stored), end;
    if (__builtin_add_overflow(stored->offset, begin, &stored->offset) ||
        __builtin_add_overflow(stored->offset, bytes, &end) || (bytes && end > c->header->size)) {
      *error = wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                            "[load_gguf] tensor %.200s lies outside of %s. Perhaps an incomplete "
                            "download or corrupt file?",
                            c->header->arrays->entries[i].key, c->header->label);
    }
  }
}

/* ---- the header ---- */

static void read_header(struct cursor *c, struct wr_error **error) {
  const unsigned char *magic = take(c, 4, error);
  if (magic && memcmp(magic, "GGUF", 4) != 0) *error = wrong(c, "it does not begin with GGUF");
  uint64_t version = take_number(c, 4, error);
  if (!*error && !c->wanted && version != 2 && version != 3) {
    *error = wrong(c, "a version other than 2 and 3");
  }
  uint64_t tensors = take_number(c, 8, error), pairs = take_number(c, 8, error);
  for (uint64_t i = 0; i < pairs && !*error && !c->wanted; i++) take_pair(c, error);
  for (uint64_t i = 0; i < tensors && !*error && !c->wanted; i++) take_tensor(c, error);
  if (!*error && !c->wanted) place_tensors(c, error);
}

struct wr_error *wr_gguf_parse(const struct wr_header *header, uint64_t *wanted) {
  struct cursor c = {.header = header, .alignment = ALIGNMENT};
  struct wr_error *error = NULL;
  *header->arrays = *header->metadata = (struct wr_map){0};
  read_header(&c, &error);
  *wanted = error ? 0 : c.wanted;
  if (error || c.wanted) {
    wr_formats_end(header->arrays);
    wr_formats_end(header->metadata);
  }
  return error;
}
