#ifndef WEIR_MATMUL_H
#define WEIR_MATMUL_H

/* How precisely GPUs multiply matrices of float32. It is one setting for the process: any thread
   may change it at any time, and a product (mlx_matmul, mlx_addmm and what is made of them) is
   computed as the setting was when the product was recorded, whenever and on whichever thread it is
   forced; and so are convolutions, and attention of more than one query, both in float32 where it
   says TF32X3. Products of other types, products with a vector, and all that is computed on the CPU
   do not depend on it: float32 and complex64 are computed in float32 there. */

#ifdef __cplusplus
extern "C" {
#endif

/* Errors are of one element of a b, against the exact one, where S is the sum of |a| |b| over its k
   terms, and u is 2^-24, half a unit in the last place of 1.
   Squares of 4096 on an H200: the largest error of an element in units of u S, of operands of both
   signs and of one, and 10^12 operations a second (tests/gpu/precision, bench): TF32 948, 1583, at
   391; FLOAT32 6.3, 39, at 51; TF32X3 2.5, 63, at 90.

     TF32     The tensor cores read 10 of the 23 bits behind the point of each operand, and add in
              float32. The default, as in MLX. Error: at most (2^-9 + k u) S; of random operands of
              both signs about 2^-12 S / sqrt(k).
     FLOAT32  In float32 throughout. The default where the environment variable MLX_ENABLE_TF32 is 0
              as the library is loaded. Error: at most k u S.
     TF32X3   Each operand is split in two numbers of TF32, and three products are added: the
              accuracy of FLOAT32, to a few units, by the tensor cores. It takes memory for
              twice both operands meanwhile. Small products, for which it would be no faster, and
              those with an alpha beyond 2^16 or below 2^-16, are computed as FLOAT32, and so are
              rows of a and columns of b that hold an infinity, a NaN or a number beyond 2^40, or
              nothing of 2^-90 and above but zeros: all of these have the values of FLOAT32, though
              many such rows are slow. Error: at most (8 + 2 (min(k, 512) + k / 512)) u S + k 2^-96
              of the largest element of the row times the largest of the column: 2^-22 S for what
              is left out and rounded in the split, the rest for the sums, which tensor cores round
              towards zero for 512 terms at a time. */
typedef enum weir_matmul_precision {
  WEIR_MATMUL_FLOAT32,
  WEIR_MATMUL_TF32,
  WEIR_MATMUL_TF32X3
} weir_matmul_precision;

/* For products that are recorded from now on. rc 1, and no change, for any other value
   (WEIR_ERROR_INVALID_ARGUMENT). */
int weir_set_matmul_precision(weir_matmul_precision precision);
weir_matmul_precision weir_get_matmul_precision(void);

#ifdef __cplusplus
}
#endif

#endif
