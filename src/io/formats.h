#ifndef WR_IO_FORMATS_H
#define WR_IO_FORMATS_H

/* The headers of files as values. What parses takes bytes that may be anybody's, allocates no more
   than a small multiple of them, and gives an error in words for all that a format does not allow
   or that an array cannot be. No locks. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"
#include "core/dtype.h"
#include "core/error.h"
#include "core/shape.h"

/* How bytes of a file become elements. */
enum wr_load_form {
  WR_LOAD_PLAIN,
  WR_LOAD_SWAPPED, /* of the other byte order; a complex number's parts each by itself */
  /* blocks of gguf: 32 elements each; weights as whole numbers of 4 and 8 bits, scales, biases */
  WR_LOAD_Q4_WEIGHTS,
  WR_LOAD_Q4_SCALES,
  WR_LOAD_Q4_BIASES,
  WR_LOAD_Q41_WEIGHTS,
  WR_LOAD_Q41_SCALES,
  WR_LOAD_Q41_BIASES,
  WR_LOAD_Q8_WEIGHTS,
  WR_LOAD_Q8_SCALES,
  WR_LOAD_Q8_BIASES,
  /* float16 of what has more bits, or 256 elements in a block */
  WR_LOAD_BF16,
  WR_LOAD_Q2_K,
  WR_LOAD_Q4_K,
  WR_LOAD_Q6_K,
  WR_LOAD_FORMS
};

/* One array in a file. */
struct wr_stored {
  uint64_t offset; /* of its first byte */
  enum wr_dtype dtype;
  enum wr_load_form form;
  int ndim;
  bool fortran; /* stored as its transposition: `shape` is that one's */
  int32_t shape[WR_MAX_NDIM];
};

/* ---- npy ---- */

enum { WR_NPY_BEGINNING = 8 }; /* bytes: magic and version */

/* The size in bytes of the number that follows and says how long the header is: 2 or 4. */
struct wr_error *wr_npy_begin(const unsigned char *bytes, const char *label, size_t *length_bytes);
/* All but `offset` of what the header says. */
struct wr_error *wr_npy_parse(const char *header, size_t n, const char *label,
                              struct wr_stored *out);
/* The whole beginning of a file, in memory of wr_alloc; NULL when that is refused. */
char *wr_npy_header(enum wr_dtype dtype, int ndim, const int32_t *shape, bool fortran, size_t *n);

/* ---- headers ---- */

/* What a parser reads, the first bytes of a file, and where it puts what they say: the maps are
   empty after an error. */
struct wr_header {
  const void *bytes;
  size_t n;
  uint64_t size;     /* of the file */
  const char *label; /* for messages */
  struct wr_map *arrays;
  struct wr_map *metadata;
};

/* ---- safetensors ---- */

enum { WR_SAFETENSORS_LENGTH = 8, WR_SAFETENSORS_MAX = 100000000 };

/* The arrays, struct wr_stored by name, and the metadata, texts by name, both of wr_alloc. The
   bytes are the text of the header, which begins at 8 in the file; the data begin at 8 + n. */
struct wr_error *wr_safetensors_parse(const struct wr_header *header);
/* The name of a type that can be saved; NULL for another. */
const char *wr_safetensors_dtype(enum wr_dtype dtype);
/* Frees what a parser gave: values and keys. */
void wr_formats_end(struct wr_map *map);

/* ---- gguf ---- */

enum wr_gguf_kind { WR_GGUF_ARRAY, WR_GGUF_TEXT, WR_GGUF_TEXTS };

/* A value of the metadata, one block of wr_alloc. */
struct wr_gguf_value {
  enum wr_gguf_kind kind;
  enum wr_dtype dtype; /* of an array */
  bool scalar;         /* an array of no dimensions, else of one */
  size_t count;        /* elements, or texts, one behind the other, each with its zero */
  uint64_t data[];     /* elements, or characters */
};

/* The number of a tensor's type, of a value's: as a pair and in a list; false for a type that
   cannot be saved. */
bool wr_gguf_tensor_type(enum wr_dtype dtype, uint32_t *type);
bool wr_gguf_value_type(enum wr_dtype dtype, uint32_t *type);

/* Where data begin: at multiples of what the metadata say under general.alignment, NULL where they
   say nothing. False for a value that is none. */
bool wr_gguf_alignment(const struct wr_gguf_value *value, uint64_t *alignment);

/* Arrays are struct wr_stored by name, metadata struct wr_gguf_value. Where the header goes on
   behind its bytes *wanted is how many are needed at least, and both maps are empty, as on an
   error; else it is 0. */
struct wr_error *wr_gguf_parse(const struct wr_header *header, uint64_t *wanted);

#endif
