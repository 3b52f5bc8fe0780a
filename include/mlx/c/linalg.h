#ifndef MLX_LINALG_H
#define MLX_LINALG_H

/* Linear algebra. Matrices are the last two axes of an array, and the axes before them a batch,
   each of which is computed by itself.

   All but norms and cross products are LAPACK's, of the OpenBLAS that is opened at run time, and
   run on the CPU: with a stream of a GPU they stand on the calling thread's default stream of the
   CPU, and values are copied to and fro as they are needed. Where there is no LAPACK, that is an
   error of the result. They take float32 and float64, and those that say so complex64; nothing else
   is cast. A matrix that cannot be factorised, inverted or solved with, since it is singular or not
   positive definite, is an error of the result, and so is one with a NaN or an infinity where
   values or vectors of it are asked for. The error is relative to the largest element some multiple
   of the type's precision times the condition of the problem, as of LAPACK. Anderson et al.: LAPACK
   Users' Guide, 1999.

   `res` and `s` are as in mlx/c/ops.h, and so are the rules of threads and ownership: arguments are
   borrowed, results belong to the caller, any function may be called from any thread. A call of
   LAPACK is not cut in parts: a process that ends during one ends all the same, within half a
   second.

   Functions return 0, or 1 after an error: weir_last_error() then has the message, which names the
   operation and the argument, and the handler of mlx_set_error_handler has been called. */

#include <stdbool.h>
#include <stddef.h>

#include "mlx/c/array.h"
#include "mlx/c/stream.h"
#include "mlx/c/vector.h"

#ifdef __cplusplus
extern "C" {
#endif

/* L of a = L L^T, or with upper U of a = U^T U. Only that triangle of a is read. */
int mlx_linalg_cholesky(mlx_array *res, const mlx_array a, bool upper, const mlx_stream s);

/* The inverse of L L^T, or with upper of U^T U, from that factor. */
int mlx_linalg_cholesky_inv(mlx_array *res, const mlx_array a, bool upper, const mlx_stream s);

/* The cross product along `axis`, which is 2 or 3 long in each: a third component that is not there
   is 0, and the result is 3 long. Any type; the other axes broadcast. */
int mlx_linalg_cross(mlx_array *res, const mlx_array a, const mlx_array b, int axis,
                     const mlx_stream s);

/* Eigenvalues (n) and, as columns (n, n), eigenvectors of square matrices, complex64 too. Both are
   complex64. */
int mlx_linalg_eig(mlx_array *res_0, mlx_array *res_1, const mlx_array a, const mlx_stream s);
int mlx_linalg_eigvals(mlx_array *res, const mlx_array a, const mlx_stream s);

/* The same of symmetric matrices, or Hermitian ones, of which the lower triangle is read, where
   UPLO is "L", or the upper, where it is "U". Eigenvalues are real, of complex64 float32, and
   ascend; vectors have the type of a, and are orthonormal. LAPACK finds vectors of at most 32766
   rows: of more they are an error when they are forced; eigenvalues alone are not. */
int mlx_linalg_eigh(mlx_array *res_0, mlx_array *res_1, const mlx_array a, const char *UPLO,
                    const mlx_stream s);
int mlx_linalg_eigvalsh(mlx_array *res, const mlx_array a, const char *UPLO, const mlx_stream s);

/* The inverses of square matrices. */
int mlx_linalg_inv(mlx_array *res, const mlx_array a, const mlx_stream s);

/* Three arrays: rows (m) uint32, L (m, k) with ones on its diagonal, U (k, n), where k is the
   lesser of m and n: row i of a is row rows_i of L U. A singular matrix has such factors too. */
int mlx_linalg_lu(mlx_vector_array *res, const mlx_array a, const mlx_stream s);
/* L, without its diagonal, and U in one (m, n), and pivots (k) uint32: step i exchanged rows i and
   pivots_i. */
int mlx_linalg_lu_factor(mlx_array *res_0, mlx_array *res_1, const mlx_array a, const mlx_stream s);

/* Norms over one axis, as of vectors, or two, as of matrices, which are 1 long in the result with
   keepdims, and not there without. axis NULL means all axes of a; for mlx_linalg_norm_l2 they are
   one long vector. Any type; whole numbers become float32.

   mlx_linalg_norm, one axis: the p-th root of the sum of magnitudes to the power of p = ord; 0
   counts what is not 0, infinity gives the largest magnitude, minus infinity the least. Two axes:
   1 gives the largest sum of magnitudes of a column, infinity that of a row, 2 the largest singular
   value, and their negatives the least.

   mlx_linalg_norm_matrix, two axes: "f" or "fro" is the root of the sum of squares, "nuc" the sum
   of the singular values. Singular values are of float32, float64 and complex64.

   mlx_linalg_norm_l2: the root of the sum of squares over one axis or two. */
int mlx_linalg_norm(mlx_array *res, const mlx_array a, double ord,
                    const int *axis /* may be null */, size_t axis_num, bool keepdims,
                    const mlx_stream s);
int mlx_linalg_norm_matrix(mlx_array *res, const mlx_array a, const char *ord,
                           const int *axis /* may be null */, size_t axis_num, bool keepdims,
                           const mlx_stream s);
int mlx_linalg_norm_l2(mlx_array *res, const mlx_array a, const int *axis /* may be null */,
                       size_t axis_num, bool keepdims, const mlx_stream s);

/* The pseudoinverse (n, m) of Moore and Penrose: singular values up to 10 max(m, n) times the
   type's precision times the largest count as 0. */
int mlx_linalg_pinv(mlx_array *res, const mlx_array a, const mlx_stream s);

/* Q (m, k), of orthonormal columns, and R (k, n), an upper triangle, where k is the lesser of m and
   n, and a = Q R. The diagonal of R may be negative. */
int mlx_linalg_qr(mlx_array *res_0, mlx_array *res_1, const mlx_array a, const mlx_stream s);

/* x of a x = b: a square, b a vector (n) or matrices (n, r). Batches broadcast. The common type of
   both counts. */
int mlx_linalg_solve(mlx_array *res, const mlx_array a, const mlx_array b, const mlx_stream s);
/* The same where a is a lower triangle, or with upper an upper one; the rest of it is not read. */
int mlx_linalg_solve_triangular(mlx_array *res, const mlx_array a, const mlx_array b, bool upper,
                                const mlx_stream s);

/* Three arrays: U (m, m), S (k) and Vt (n, n), where a = U diag(S) Vt and k is the lesser of m and
   n, or S alone. Takes complex64 too; S is real, and descends. LAPACK finds U and Vt for k up to
   26753, and of real matrices with 11 / 6 k rows or columns, or more, up to 23169: of larger ones
   they are an error when they are forced; S alone is not. */
int mlx_linalg_svd(mlx_vector_array *res, const mlx_array a, bool compute_uv, const mlx_stream s);

/* The inverse of a lower triangle, or with upper of an upper one; the rest of a is not read, and of
   the result 0. */
int mlx_linalg_tri_inv(mlx_array *res, const mlx_array a, bool upper, const mlx_stream s);

#ifdef __cplusplus
}
#endif

#endif
