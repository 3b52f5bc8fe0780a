#ifndef WR_OPS_QUANTIZED_H
#define WR_OPS_QUANTIZED_H

/* What the files of quantised matrices share: modes by name, checks, and a packed matrix as the
   kernels take it. Messages are MLX's. No locks. */

#include "core/quantized.h"
#include "ops/internal.h"

/* A matrix in parts, as a caller gives it. */
struct wr_packed {
  struct wr_node *w, *scales;
  struct wr_node *biases; /* NULL: none */
  struct wr_quantized_params how;
};

const char *wr_ops_quantized_name(enum wr_quantized_mode mode);
/* Mode, group and bits; what is not given is the mode's. */
struct wr_error *wr_ops_quantized_how(struct wr_quantized_params *how,
                                      const struct wr_ops_how *given);
/* Whether group and bits are such as quantize can make. */
struct wr_error *wr_ops_quantized_check_how(const struct wr_quantized_params *how);
/* Whether the scales are of the mode, and biases are there where it has some. */
struct wr_error *wr_ops_quantized_check_scales(const struct wr_packed *p);
/* A scale for all: one float32, in nvfp4. NULL is none. */
struct wr_error *wr_ops_quantized_check_global(const struct wr_node *scale,
                                               enum wr_quantized_mode mode);
/* The common type of scales and biases. */
enum wr_dtype wr_ops_quantized_type(const struct wr_packed *p);
static inline int64_t wr_ops_packed_elements(const struct wr_packed *p) {
  const struct wr_node *w = p->w;
  return wr_packed_elements(wr_node_shape(w)[wr_node_ndim(w) - 1], p->how.bits);
}

/* The two or three parts that quantize makes of w, in 16 bits or float32; `even` as in
   struct wr_quantized_params. */
struct wr_error *wr_ops_quantized_parts(struct wr_node *parts[3], struct wr_node *w,
                                        struct wr_quantized_params how, struct wr_node *global,
                                        struct wr_stream *s);
/* Its elements, in a type that is floating; affine ones in that of the scales and no other. */
struct wr_error *wr_ops_quantized_unpack(struct wr_node **out, const struct wr_packed *p,
                                         struct wr_node *global, enum wr_dtype dtype,
                                         struct wr_stream *s);

/* The same, made of steps; not of a matrix without elements. */
struct wr_error *wr_ops_quantized_steps(struct wr_node **out, const struct wr_packed *p,
                                        struct wr_node *global, enum wr_dtype dtype,
                                        struct wr_stream *s);

/* As wr_again_quantized, of QUANTIZED_MATMUL. */
struct wr_error *wr_again_quantized_matmul(struct wr_node **out, const struct wr_record *like);

#endif
