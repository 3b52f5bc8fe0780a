"""The cases of convolutions. A NaN that only padding's zeros meet is none in Weir or in MLX, as each
likes: there are none here. MLX adds 16-bit floats up in their own type here and there: they are
compared with its float32, rounded; float64, which it computes in float32 or refuses, with sums by
the definition. Left out: weights of complex numbers, which MLX takes and gives something, and what
divides by zero in MLX (no groups, no channels)."""

import mlx.core as mx
import numpy as np

from layouts import mlx, views_of
from mlxside import DTYPES
from right import SHORT, cast, doubles
from table import FLOATS, sample

FLOATING = FLOATS + (mx.float64,)
FORMS = {1: "mlx_conv1d", 2: "mlx_conv2d", 3: "mlx_conv3d"}


def drawn(shape, dtype=mx.float32, seed=0):
    values = np.random.default_rng(seed).normal(0, 1, shape)
    return doubles(values) if dtype == mx.float64 else cast(mx.array(values.astype(np.float32)), dtype)


def exact(x, w, stride, low, high, kernel, dilation, groups, flip):
    """By the definition, in float64; the lists have an entry for each axis."""
    x, w = np.array(x), np.array(w)
    n = x.ndim - 2
    x = x[(slice(None), *(slice(max(-a, 0), e + min(b, 0)) for a, b, e in zip(low, high, x.shape[1:])))]
    apart = [1 + d * (e - 1) for d, e in zip(dilation, x.shape[1:])]
    filled = np.zeros((x.shape[0], *(max(a, 0) + e + max(b, 0) for a, e, b in zip(low, apart, high)), x.shape[-1]))
    filled[(slice(None), *(slice(max(a, 0), max(a, 0) + e, d) for a, e, d in zip(low, apart, dilation)))] = x
    if flip:
        w = w[(slice(None), *[slice(None, None, -1)] * n)]
    out = [(e - 1 - k * (m - 1)) // t + 1 for e, k, m, t in zip(filled.shape[1:], kernel, w.shape[1:], stride)]
    result = np.zeros((x.shape[0], *out, groups, w.shape[0] // groups))
    w = w.reshape(groups, -1, *w.shape[1:])
    for tap in np.ndindex(*w.shape[2:-1]):
        part = filled[(slice(None), *(slice(i * k, i * k + (e - 1) * t + 1, t)
                                      for i, k, e, t in zip(tap, kernel, out, stride)))]
        part = part.reshape(*part.shape[:-1], groups, -1)
        result += np.einsum("...gc,goc->...go", part, w[(slice(None), slice(None), *tap)])
    return doubles(result.reshape(*result.shape[:-2], -1))


def wide(call, right, *arrays):
    given = [mlx(a) for a in arrays]
    short, long = [any(a.dtype in types for a in given) for types in (SHORT, (mx.float64,))]
    if long:
        return right(*given)
    if short and all(a.dtype in SHORT for a in given):
        t = call(*given).dtype
        return cast(call(*(cast(a, mx.float32) for a in given)), t)
    return call(*given)


def each(values, n, otherwise):
    return list(values) * (n if len(values) == 1 else 1) or [otherwise] * n


def general(x, w, stride=(), low=(), high=(), kernel=(), dilation=(), groups=1, flip=False):
    def call():
        def of(a, b):
            return mx.conv_general(a, b, list(stride) or 1, (list(low) or [0], list(high) or [0]), list(kernel) or 1,
                                   list(dilation) or 1, groups, flip)

        def right(a, b):
            of(cast(a, mx.float32), cast(b, mx.float32))  # what it refuses is refused
            n = a.ndim - 2
            lists = [each(v, n, o) for v, o in ((stride, 1), (low, 0), (high, 0), (kernel, 1), (dilation, 1))]
            return exact(a, b, *lists, groups, flip)
        return wide(of, right, x, w)

    args = (x, w, list(stride), list(low), list(high), list(kernel), list(dilation), groups, flip)
    return "conv", "mlx_conv_general", args, call


def plain(n, x, w, stride, padding, dilation, groups=1):
    def call():
        one = (lambda v: v[0]) if n == 1 else tuple
        return wide(lambda a, b: getattr(mx, f"conv{n}d")(a, b, one(stride), one(padding), one(dilation), groups),
                    lambda a, b: exact(a, b, stride, padding, padding, dilation, (1,) * n, groups, False), x, w)

    return "conv", FORMS[n], (x, w, *stride, *padding, *dilation, groups), call


def transposed(n, x, w, stride, padding, dilation, extra, groups=1):
    def call():
        one = (lambda v: v[0]) if n == 1 else tuple

        def right(a, b):
            low = [d * (k - 1) - p for d, k, p in zip(dilation, b.shape[1:], padding)]
            high = [v + e for v, e in zip(low, extra)]
            return exact(a, b, (1,) * n, low, high, dilation, stride, groups, True)
        return wide(lambda a, b: getattr(mx, f"conv_transpose{n}d")(a, b, one(stride), one(padding), one(dilation),
                                                                    one(extra), groups), right, x, w)

    return "conv", f"mlx_conv_transpose{n}d", (x, w, *stride, *padding, *dilation, *extra, groups), call


def conv_forms():
    spaces = {1: ((7,), (3,)), 2: ((6, 7), (3, 2)), 3: ((4, 5, 3), (2, 3, 2))}
    for n, (space, kernel) in spaces.items():
        for dtype in FLOATING:
            for c, o, groups in ((4, 6, 1), (1, 1, 1), (4, 4, 4), (4, 8, 4), (6, 4, 2), (12, 6, 2)):
                if groups > 1 and n == 3:
                    continue
                x, w = drawn((2, *space, c), dtype), drawn((o, *kernel, c // groups), dtype, 1)
                for stride, padding, dilation in ((1, 0, 1), (2, 1, 1), (1, 2, 2), (3, 3, 1)):
                    if padding < 2 and dilation > 1:
                        continue
                    yield plain(n, x, w, (stride,) * n, (padding,) * n, (dilation,) * n, groups)
                    yield transposed(n, x, w, (stride,) * n, (padding,) * n, (dilation,) * n, (stride - 1,) * n, groups)
        x, w = drawn((2, *space, 3)), drawn((5, *kernel, 3), seed=1)
        for flip in (False, True):
            for stride in ((), (2,)):
                for low, high in (((), ()), ((1,), (2,)), ((-1,), (0,)), ((0,), (-1,)), ((2,), (-1,))):
                    for kernel_dilation, dilation in (((), ()), ((2,), (2,)), ((), (3,))):
                        yield general(x, w, stride, low, high, kernel_dilation, dilation, 1, flip)
        one = drawn((5, *(1,) * n, 3), seed=2)
        for stride in (1, 2):
            yield plain(n, x, one, (stride,) * n, (0,) * n, (1,) * n)
            yield plain(n, x, one, (stride,) * n, (1,) * n, (2,) * n)
        yield plain(n, drawn((0, *space, 3)), w, (1,) * n, (0,) * n, (1,) * n)
        yield plain(n, x, drawn((1, *space, 3)), (1,) * n, (0,) * n, (1,) * n)
    x, w = drawn((2, 6, 7, 3)), drawn((5, 3, 2, 3), seed=1)
    for parameters in (((2, 1), (1, 0), (0, 2), (1, 2), (2, 1)), ((1, 3), (0, 2), (1, 1), (2, 1), (1, 3))):
        for flip in (False, True):
            yield general(x, w, *parameters, 1, flip)
    for dtype in FLOATING:
        for v in views_of(dtype):
            if len(v.shape) == 3 and 0 not in v.shape:
                n, m, c = v.shape
                yield plain(1, v, drawn((2, min(m, 2), c), dtype), (1,), (1,), (1,))
                yield plain(1, drawn((1, m + 3, c), dtype), v, (1,), (0,), (1,))
    for c, o in ((64, 96), (3, 32)):
        yield plain(2, drawn((2, 19, 23, c), seed=3) * 0.1, drawn((o, 3, 3, c), seed=4) * 0.1, (1, 1), (1, 1), (1, 1))
    for c, o in ((16, 16), (3, 32)):  # padding behind the input alone, or before it
        x, w = drawn((2, 32, 30, c), seed=3) * 0.1, drawn((o, 3, 3, c), seed=4) * 0.1
        for low, high in (((0, 0), (1, 1)), ((0, 0), (0, 1)), ((0, 0), (1, 0)), ((-1, 0), (3, 2)), ((2, 2), (0, 0))):
            for stride in ((1, 1), (2, 2)):
                yield general(x, w, stride, low, high)
    x, w = drawn((2, 40, 16), seed=3) * 0.1, drawn((16, 3, 16), seed=4) * 0.1
    yield general(x, w, (1,), (0,), (1,))
    yield general(x, w, (1,), (0,), (2,), (2,))
    yield transposed(1, x, w, (1,), (2,), (1,), (1,))
    yield plain(2, drawn((1, 30, 31, 48), seed=3), drawn((48, 5, 5, 1), seed=4), (2, 2), (2, 2), (1, 1), 48)
    yield plain(1, drawn((3, 2000, 8), seed=3) * 0.3, drawn((16, 9, 8), seed=4) * 0.3, (1,), (4,), (1,))


def conv_errors():
    for dtype in DTYPES:
        for other in (mx.float32, mx.int32, mx.float16):
            yield general(sample((1, 5, 4), dtype), sample((2, 3, 4), other))
    z = mx.zeros
    for x, w, groups in ((z((1, 2, 2, 2, 4)), z((4, 1, 1, 1, 2)), 2), (z((1, 2)), z((4, 1)), 1),
                         (z((1, 2, 2, 2, 2, 2)), z((1, 1, 1, 1, 1, 2)), 1), (z((1, 5, 4)), z((2, 3, 3, 4)), 1),
                         (z((1, 5, 5)), z((2, 3, 4)), 2), (z((1, 5, 4)), z((3, 3, 2)), 2),
                         (z((1, 5, 4)), z((3, 3, 2)), 1), (z((1, 5, 4)), z((2, 3, 3)), 2),
                         (z((1, 2, 4)), z((2, 3, 4)), 1)):
        yield general(x, w, groups=groups)
    x, w = z((1, 5, 4)), z((2, 3, 4))
    for named in ({"stride": (1, 2)}, {"low": (1, 2), "high": (1,)}, {"kernel": (1, 2)}, {"dilation": (1, 2)},
                  {"kernel": (0,)}, {"dilation": (-1,)}, {"stride": (0,)}, {"low": (-2,), "high": (-2,)},
                  {"kernel": (3,)}):
        yield general(x, w, **named)
    yield plain(2, x, w, (1, 1), (0, 0), (1, 1))
    yield plain(1, z((1, 5, 4, 4)), w, (1,), (0,), (1,))


CONV = (conv_forms, conv_errors)
