#ifndef MLX_FFT_H
#define MLX_FFT_H

/* Discrete Fourier transforms. y_k = sum over j of x_j exp(-2 pi i j k / n) forward, with + for
   the inverse (ifft, irfft and theirs).

   Any type is taken, and cast: the result is complex64, of irfft and its forms float32, which is
   also what rfft and its forms make of their input (of complex numbers the real part). Any length
   above 0 is taken. Of lines as long as n the error, relative to the largest element, is about
   1e-7 log2(n), for n with a large prime factor a few times that.

   Where an axis is transformed at another length than it has, its elements from n on are left out,
   or zeros are put behind it. n along `axis`, or one n for each of `axes`, which may be negative,
   are distinct, and are transformed one after the other; without axes the result is a. rfft and its
   forms give half a spectrum, n / 2 + 1 elements, along the last axis listed, since the rest are
   the conjugates of these; irfft and its forms take n / 2 + 1 elements there, of which the first,
   and for an even n the last, count as real, and give n real numbers.

   `res` and `s` are as in mlx/c/ops.h, and so are the rules of threads and ownership: arguments are
   borrowed, the result belongs to the caller, any function may be called from any thread.

   Functions return 0, or 1 after an error: weir_last_error() then has the message, which names the
   operation and the argument, and the handler of mlx_set_error_handler has been called. On a GPU
   the transform needs cuFFT, which is opened at run time: where there is none, that is an error of
   the array. */

#include <stddef.h>

#include "mlx/c/array.h"
#include "mlx/c/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What the result is divided by: nothing forward and N, the product of all n, of the inverse; the
   root of N both ways; N forward and nothing of the inverse. */
typedef enum mlx_fft_norm_ {
  MLX_FFT_NORM_BACKWARD,
  MLX_FFT_NORM_ORTHO,
  MLX_FFT_NORM_FORWARD
} mlx_fft_norm;

/* The transform along one axis, of any type to complex64. */
int mlx_fft_fft(mlx_array *res, const mlx_array a, int n, int axis, mlx_fft_norm norm,
                const mlx_stream s);

/* The transform along several axes, as mlx_fft_fftn. */
int mlx_fft_fft2(mlx_array *res, const mlx_array a, const int *n, size_t n_num, const int *axes,
                 size_t axes_num, mlx_fft_norm norm, const mlx_stream s);

/* The frequencies that the elements of a transform of length n belong to, float32, in periods per
   unit of d, where samples are d apart: 0, 1, .. (n - 1) / 2, then -(n / 2), .. -1, over n d. */
int mlx_fft_fftfreq(mlx_array *res, int n, double d, const mlx_stream s);

/* The transform along several axes, of any type to complex64. */
int mlx_fft_fftn(mlx_array *res, const mlx_array a, const int *n, size_t n_num, const int *axes,
                 size_t axes_num, mlx_fft_norm norm, const mlx_stream s);

/* a, of any type, rolled by half of each of the axes, so that the frequency 0 stands in the
   middle. */
int mlx_fft_fftshift(mlx_array *res, const mlx_array a, const int *axes, size_t axes_num,
                     const mlx_stream s);

/* The inverse of mlx_fft_fft, of any type to complex64. */
int mlx_fft_ifft(mlx_array *res, const mlx_array a, int n, int axis, mlx_fft_norm norm,
                 const mlx_stream s);

/* The inverse of mlx_fft_fft2, as mlx_fft_ifftn. */
int mlx_fft_ifft2(mlx_array *res, const mlx_array a, const int *n, size_t n_num, const int *axes,
                  size_t axes_num, mlx_fft_norm norm, const mlx_stream s);

/* The inverse of mlx_fft_fftn, of any type to complex64. */
int mlx_fft_ifftn(mlx_array *res, const mlx_array a, const int *n, size_t n_num, const int *axes,
                  size_t axes_num, mlx_fft_norm norm, const mlx_stream s);

/* Takes back what mlx_fft_fftshift does, also for odd extents. */
int mlx_fft_ifftshift(mlx_array *res, const mlx_array a, const int *axes, size_t axes_num,
                      const mlx_stream s);

/* The inverse of mlx_fft_rfft: half a spectrum along the axis, of any type, to n numbers, which
   are float32. */
int mlx_fft_irfft(mlx_array *res, const mlx_array a, int n, int axis, mlx_fft_norm norm,
                  const mlx_stream s);

/* The inverse of mlx_fft_rfft2, as mlx_fft_irfftn. */
int mlx_fft_irfft2(mlx_array *res, const mlx_array a, const int *n, size_t n_num, const int *axes,
                   size_t axes_num, mlx_fft_norm norm, const mlx_stream s);

/* The inverse of mlx_fft_rfftn: half a spectrum, of any type, to n numbers along each axis, which
   are float32. */
int mlx_fft_irfftn(mlx_array *res, const mlx_array a, const int *n, size_t n_num, const int *axes,
                   size_t axes_num, mlx_fft_norm norm, const mlx_stream s);

/* The transform along one axis of real numbers, of any type to half a spectrum in complex64. */
int mlx_fft_rfft(mlx_array *res, const mlx_array a, int n, int axis, mlx_fft_norm norm,
                 const mlx_stream s);

/* The transform along several axes of real numbers, as mlx_fft_rfftn. */
int mlx_fft_rfft2(mlx_array *res, const mlx_array a, const int *n, size_t n_num, const int *axes,
                  size_t axes_num, mlx_fft_norm norm, const mlx_stream s);

/* As mlx_fft_fftfreq, of half a spectrum: 0, 1, .. n / 2 over n d. */
int mlx_fft_rfftfreq(mlx_array *res, int n, double d, const mlx_stream s);

/* The transform along several axes of real numbers, of any type to half a spectrum in complex64. */
int mlx_fft_rfftn(mlx_array *res, const mlx_array a, const int *n, size_t n_num, const int *axes,
                  size_t axes_num, mlx_fft_norm norm, const mlx_stream s);

#ifdef __cplusplus
}
#endif

#endif
