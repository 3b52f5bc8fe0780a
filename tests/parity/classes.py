"""Functions whose tables have arrays of their own, Fourier transforms and norms, on arrays of each class
and type as total.py has them."""

import mlx.core as mx

from mlxside import DTYPES
from total import classes, mlx


def arrays():
    """Without values at the ends of types, of which all elements of a transform are made."""
    for dtype in DTYPES:
        for kind, a in classes(dtype):
            if kind != "special":
                yield a


def one(name, a, n, axis):
    return ("fft_classes", "mlx_fft_" + name, (a, n, axis, 0),
            lambda: getattr(mx.fft, name)(mlx(a), n, axis))


def several(name, a, n, axes):
    return ("fft_classes", "mlx_fft_" + name, (a, n, axes, 0),
            lambda: getattr(mx.fft, name)(mlx(a), n, axes))


def shifted(name, a, axes):
    return "fft_classes", "mlx_fft_" + name, (a, axes), lambda: getattr(mx.fft, name)(mlx(a), axes)


def fft_classes():
    for a in arrays():
        n = len(a.shape)
        for name in ("fft", "ifft", "rfft", "irfft"):
            yield one(name, a, a.shape[-1] if n else 2, -1)
            if n > 1:
                yield one(name, a, a.shape[0], 0)
                yield several(name + "2", a, list(a.shape[-2:]), [-2, -1])
                yield several(name + "n", a, list(a.shape), list(range(n)))
        for name in ("fftshift", "ifftshift") if n else ():
            yield shifted(name, a, [n - 1])
            yield shifted(name, a, list(range(n)))


def normed(name, a, ord, axis, keepdims):
    def call():
        given = () if ord is None else (ord,)
        return mx.linalg.norm(mlx(a), *given, axis=axis if len(axis) > 1 else axis[0], keepdims=keepdims)

    args = (a, axis, keepdims) if ord is None else (a, ord, axis, keepdims)
    return "norm_classes", "mlx_linalg_" + name, args, call


def norm_classes():
    for a in arrays():
        if not a.shape or 0 in a.shape:  # MLX's sums of nothing
            continue
        yield normed("norm_l2", a, None, [-1], False)
        for ord in (1.0, 3.0, float("inf")):
            yield normed("norm", a, ord, [0], True)
        if len(a.shape) > 1:
            yield normed("norm_l2", a, None, [0, -1], True)
            yield normed("norm_matrix", a, "fro", [-2, -1], False)


CLASSES = (fft_classes, norm_classes)
