"""The cases of mlx/c/fft.h. Long lines are transformed orthonormally, so that the error of all
elements is that of the largest."""

import mlx.core as mx
import numpy as np

from layouts import mlx, views_of
from mlxside import DTYPES
from right import cast
from table import sample

NORMS = ("backward", "ortho", "forward")
ORTHO = 1
# Each factor that has code of its own, larger primes, products of them, powers; and lengths with
# large primes.
LENGTHS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 25, 27, 29, 31, 36, 49, 60, 61, 64, 67,
           74, 77, 97, 100, 127, 128, 134, 180, 243, 251, 256, 262, 343, 361, 500, 512, 521, 625, 719]
LONG = [1024, 1000, 1023, 1031, 2048, 2310, 3721, 4096, 4099, 8192, 8198, 10007, 16384, 20736, 65536]
NAN = float("nan")


def drawn(shape, dtype=mx.complex64, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, shape)
    return mx.array((x + 1j * rng.normal(0, 1, shape)).astype(np.complex64)
                    if dtype == mx.complex64 else x.astype(np.float32))


def one(name, a, n, axis, norm=0):
    def call():
        return getattr(mx.fft, name)(mlx(a), n, axis, norm=NORMS[norm])

    return "fft", "mlx_fft_" + name, (a, n, axis, norm), call


def several(name, a, n, axes, norm=0):
    def call():
        # An empty list of axes is one of all in Python.
        return getattr(mx.fft, name)(mlx(a), n, axes, norm=NORMS[norm]) if axes else mlx(a)

    return "fft", "mlx_fft_" + name, (a, n, axes, norm), call


def half(n):
    return n // 2 + 1


def fft_lengths():
    for n in LENGTHS:
        for lines in (1, 3, 7, 16, 21) if n <= 134 else (1, 7):
            x, real = drawn((lines, n)), drawn((lines, n), mx.float32)
            yield one("fft", x, n, 1)
            yield one("ifft", x, n, -1)
            yield one("rfft", real, n, 1)
            yield one("irfft", drawn((lines, half(n))), n, 1)
            yield one("fft", drawn((n, lines)), n, 0)
            yield one("rfft", drawn((n, lines), mx.float32), n, 0)
            yield one("irfft", drawn((half(n), lines)), n, 0)
    for n in LONG:
        for shape, axis in (((n,), 0), ((2, n), 1), ((n, 2), 0), ((17, n), 1)):
            if n > 10000 and shape[0] == 17:
                continue
            spectrum = tuple(half(e) if e == n else e for e in shape)
            yield one("fft", drawn(shape), n, axis, ORTHO)
            yield one("ifft", drawn(shape), n, axis, ORTHO)
            yield one("rfft", drawn(shape, mx.float32), n, axis, ORTHO)
            yield one("irfft", drawn(spectrum), n, axis, ORTHO)


def fft_forms():
    for dtype in DTYPES:
        a = sample((3, 6), dtype, 7)
        for name in ("fft", "ifft", "rfft", "irfft"):
            for n in (1, 5, 6, 9):
                for norm in range(3):
                    yield one(name, a, n, 1, norm)
            yield one(name, a, 4, 0)
            yield several(name + "n", a, [4, 7], [0, 1], 2)
        for v in views_of(dtype):
            axes = list(range(len(v.shape)))
            yield several("fftn", v, list(v.shape), axes)
            yield several("irfftn", v, list(v.shape), axes[::-1])
            for axis in axes:
                yield one("ifft", v, v.shape[axis], axis)
                yield one("rfft", v, v.shape[axis] + 1, axis)
    x, real = drawn((4, 3, 5, 2)), drawn((4, 3, 5, 2), mx.float32)
    for axes in ([0, 1], [1, 0], [-1, -2], [0, 2, 1], [3, 0, 1, 2], [2], []):
        shape = [x.shape[i] for i in axes]
        for norm in range(3):
            for given in (shape, [n + 1 for n in shape], [max(n - 1, 1) for n in shape]):
                for name, a in (("fft", x), ("ifft", x), ("rfft", real), ("irfft", x)):
                    for form in ("n", "2"):
                        yield several(name + form, a, given, axes, norm)
    for shape in ((0, 4), (4, 0), (0,), (2, 0, 3)):
        for axis in range(len(shape)):
            for n in (1, 4, 5):
                for name in ("fft", "ifft", "rfft", "irfft"):
                    yield one(name, mx.zeros(shape), n, axis)
    line = mx.array([[1, NAN, 2, 3], [1, 2, 3, 4]], mx.float32)
    for name in ("fft", "ifft", "rfft"):  # what a factor of 0 makes of a NaN is no matter
        yield one(name, line, 4, 1)
    ends = mx.array([3 + 2j, 1 + 1j, 4 - 2j, 5 + 7j], mx.complex64)
    for n in (1, 2, 3, 4, 5, 6, 7):
        yield one("irfft", ends, n, 0)


def fft_errors():
    x = drawn((2, 3, 4))
    for name in ("fft", "ifft", "rfft", "irfft"):
        for n, axis in ((0, 0), (-1, 1), (2, 3), (2, -4), (0, 7)):
            yield one(name, x, n, axis)
        yield one(name, mx.array(1.0), 2, 0)
        for n, axes in (([2], [0, 1]), ([2, 2], [0, 0]), ([2, 2], [0, -3]), ([2, 2], [0, 3]), ([0, 2], [0, 1]),
                        ([2, -2], [0, 1]), ([2, 3, 4, 2], [0, 1, 2, 0]), ([2, 2], [3, 3])):
            yield several(name + "n", x, n, axes)


def shifted(name, a, axes):
    return ("fft", "mlx_fft_" + name, (a, axes),
            lambda: getattr(mx.fft, name)(mlx(a), axes) if axes else mlx(a))


def fft_shifts():
    for dtype in DTYPES:
        a = sample((3, 4, 5), dtype, 3)
        for name in ("fftshift", "ifftshift"):
            for axes in ([0], [1], [-1], [0, 1, 2], [2, 0], [1, 1], [], [3], [-4]):
                yield shifted(name, a, axes)
            yield shifted(name, sample((0, 3), dtype), [0, 1])
    yield shifted("fftshift", mx.array(1.0), [0])
    for n in (1, 2, 3, 4, 5, 100, 0, -1):
        for d in (1.0, 0.3, -2.0, 1e-30, 1e10, 0.0):
            for name in ("fftfreq", "rfftfreq"):
                yield ("fft", "mlx_fft_" + name, (n, d),
                       lambda n=n, d=d, name=name: getattr(mx.fft, name)(n, d))


FFT = (fft_lengths, fft_forms, fft_errors, fft_shifts)
