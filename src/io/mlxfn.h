#ifndef WR_IO_MLXFN_H
#define WR_IO_MLXFN_H

/* Files of functions, as MLX writes them (.mlxfn): little-endian, without alignment or a version
   that counts. A file is a header and any number of traces, each a list of operations on values.
   Read is what MLX 0.31 and 0.32 write; written the form of 0.32.4.
   What is parsed is immutable; any thread may use it. No locks. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"
#include "core/dtype.h"
#include "core/error.h"
#include "core/op.h"
#include "io/formats.h"

enum wr_fn_kind {
#define FN(name, ...) WR_FN_##name,
#include "io/mlxfn.def"
#undef FN
  WR_FN_KINDS
};

struct wr_fn_info {
  const char *name;
  const char *state;
  uint32_t least, most; /* inputs */
};
extern const struct wr_fn_info wr_fn_infos[WR_FN_KINDS];
/* The operations on bits, which MLX stores as one, by their numbers there. */
enum { WR_FN_BITWISE_OPS = 5 };
extern const enum wr_op wr_fn_bitwise_ops[WR_FN_BITWISE_OPS];

enum wr_fn_kind wr_fn_kind_of(const char *name, size_t n); /* WR_FN_KINDS: none */

/* One parameter: a number, or a list of them. */
struct wr_fn_field {
  size_t n;
  const int64_t *items; /* of B three for each of n; of o and v none */
  const char *text;     /* of s */
  double real;          /* of f, d and o */
};

struct wr_fn_value {
  enum wr_dtype dtype;
  int ndim;
  const int32_t *shape;
};

struct wr_fn_entry {
  enum wr_fn_kind kind;
  uint32_t stream;    /* which of the file's */
  const uint32_t *in; /* values */
  uint32_t n_in;
  uint32_t first_out, n_out; /* values */
  struct wr_fn_field *field; /* as many as its state has letters, and an empty one */
};

struct wr_fn_stream {
  int32_t index;
  int32_t type; /* 0: CPU, 1: GPU */
  int32_t device;
};

/* Values are numbered: inputs from 0, the file's constants, results. */
struct wr_fn_trace {
  uint32_t n_names; /* of the last inputs, in their order */
  const char **names;
  uint32_t n_in;
  struct wr_fn_value *in;
  uint32_t n_entries;
  struct wr_fn_entry *entries;
  uint32_t n_results;
  struct wr_fn_value *results;
  uint32_t n_out;
  const uint32_t *out; /* values */
};

struct wr_fn_file {
  bool shapeless;
  uint32_t n_traces;
  struct wr_fn_trace *traces;
  uint32_t n_constants;
  struct wr_stored *constants;
  uint32_t n_streams;
  struct wr_fn_stream *streams;
  struct wr_ptrs *blocks; /* all memory */
};

/* Any bytes; `label` says in messages what they are. Takes memory of a small multiple of them. */
struct wr_error *wr_fn_parse(struct wr_fn_file **out, const unsigned char *bytes, size_t n,
                             const char *label);
void wr_fn_free(struct wr_fn_file *file); /* NULL is a no-op */

#endif
