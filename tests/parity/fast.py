"""The cases of mlx/c/fast.h. MLX computes 16-bit floats in steps of their own type here and there:
rope and attention are compared with its float32, rounded. Of float64 it makes float32 in between:
what is right there is NumPy's. Left out: keys and values without heads, which end the process in MLX,
and a rope without a batch that has an offset for each of it, which MLX refuses."""

import mlx.core as mx
import numpy as np

from layouts import mlx, views_of
from mlxside import DTYPES, View
from right import SHORT, cast, doubles
from table import FLOATS, sample

NORMED = [(5,), (1,), (0,), (2, 3), (0, 3), (2, 0), (3, 1, 8), (2, 17), (4, 129)]
FLOATING = FLOATS + (mx.float64,)
NAN, INF = float("nan"), float("inf")


def drawn(shape, dtype, seed):
    """Values that are not short in any type's sense."""
    values = np.random.default_rng(seed).normal(0, 1.5, shape)
    return doubles(values) if dtype == mx.float64 else cast(mx.array(values.astype(np.float32)), dtype)


def normed(a, weight, bias, eps, centred):
    """In float64."""
    x = np.array(a)
    x = x - x.mean(-1, keepdims=True) if centred and x.size else x
    with np.errstate(all="ignore"):
        x = x / np.sqrt(np.square(x).mean(-1, keepdims=True) + np.float64(np.float32(eps))) if x.size else x
    x = x if weight is None else x * np.array(weight)
    return doubles(x if bias is None else x + np.array(bias))


def rms(a, weight, eps):
    def call():
        x = mlx(a)
        r = mx.fast.rms_norm(x, weight, eps)
        mx.eval(r)
        return normed(x, weight, None, eps, False) if r.dtype == x.dtype == mx.float64 else r

    return "norms", "mlx_fast_rms_norm", (a, weight, eps), call


def layer(a, weight, bias, eps):
    def call():
        x = mlx(a)
        r = mx.fast.layer_norm(x, weight, bias, eps)
        if x.size == 0:
            return mx.zeros(r.shape, r.dtype)  # MLX takes long over the mean of nothing, or forever
        mx.eval(r)
        return normed(x, weight, bias, eps, True) if r.dtype == x.dtype == mx.float64 else r

    return "norms", "mlx_fast_layer_norm", (a, weight, bias, eps), call


def norms():
    for dtype in FLOATING:
        for k, shape in enumerate(NORMED):
            a, n = drawn(shape, dtype, k), shape[-1]
            w, b = drawn((n,), dtype, 20 + k), drawn((n,), dtype, 40 + k)
            for weight, bias in ((None, None), (w, None), (None, b), (w, b)):
                yield layer(a, weight, bias, 1e-5)
                if bias is None:
                    yield rms(a, weight, 1e-5)
        for v in views_of(dtype):
            n = v.shape[-1]
            yield rms(v, drawn((n,), dtype, 1), 1e-3)
            yield layer(v, drawn((n,), dtype, 1), drawn((n,), dtype, 2), 1e-3)
        constant = mx.full((2, 9), 3.0, dtype)
        yield rms(constant, None, 0.0)
        yield layer(constant, None, None, 1e-6)
    for line in ([1, NAN, 2], [INF, 1, 2], [0, 0, 0], [-0.0, 0, 1], [1e30, 1, 1]):
        a = mx.array(line, mx.float32)
        yield rms(a, None, 0.0)
        yield rms(a, None, 1e-5)
        yield layer(a, a, a, 1e-5)
    for dtype in DTYPES:
        for other in (mx.float32, mx.float16, mx.int32, mx.complex64):
            a, w = sample((2, 4), dtype, 5), sample((4,), other, 6)
            yield rms(a, w, 1e-5)
            yield layer(a, w, None, 1e-5)
            yield layer(a, w, w, 1e-5)
            if other != mx.complex64 and dtype != mx.complex64:  # MLX casts the bias it cannot hold
                yield layer(a, None, w, 1e-5)
        yield rms(sample((2, 4), dtype, 5), None, 1e-5)
    a = sample((2, 4), mx.float32)
    for w in (sample((3,), mx.float32), sample((1, 4), mx.float32), mx.array(1.0)):
        yield rms(a, w, 1e-5)
        yield layer(a, w, None, 1e-5)
        yield layer(a, None, w, 1e-5)
    yield rms(mx.array(1.0), None, 1e-5)
    yield layer(mx.array(1.0), None, None, 1e-5)


def turned(x, dims, traditional, base, scale, offset, freqs):
    """In float64."""
    x, half = np.array(x), dims // 2
    steps = np.exp(np.arange(half) * np.log(base) / half) if freqs is None else np.array(freqs, np.float64)
    offsets = np.array(offset, np.float64).reshape([-1] + [1] * (x.ndim - 2))
    angle = ((np.arange(x.shape[-2]) + offsets) * np.float64(np.float32(scale)))[..., None] / steps
    cos, sin = np.cos(angle), np.sin(angle)
    i = (slice(0, dims, 2), slice(1, dims, 2)) if traditional else (slice(0, half), slice(half, dims))
    r = x.copy()
    r[..., i[0]] = x[..., i[0]] * cos - x[..., i[1]] * sin
    r[..., i[1]] = x[..., i[0]] * sin + x[..., i[1]] * cos
    return doubles(r)


def roped(a, dims, traditional, base, scale, offset, freqs):
    def call():
        x = mlx(a)
        r = mx.fast.rope(cast(x, mx.float32) if x.dtype in SHORT else x, dims, traditional=traditional,
                         base=base, scale=scale, offset=offset, freqs=freqs)
        mx.eval(r)
        if x.dtype == mx.float64:
            return turned(x, dims, traditional, base, scale, offset, freqs)
        return cast(r, x.dtype)

    name = "mlx_fast_rope" + ("_dynamic" if isinstance(offset, mx.array) else "")
    return "ropes", name, (a, dims, traditional, base, scale, offset, freqs), call


def ropes():
    for dtype in FLOATING:
        for k, shape in enumerate([(2, 3, 4, 8), (1, 1, 1, 2), (2, 4, 8), (2, 2, 3, 5, 6), (0, 2, 3, 4),
                                   (2, 0, 3, 4), (2, 1, 0, 4), (1, 2, 33, 16),
                                   (2, 3, *(1,) * 27, 2, 5, 4)]):
            a = drawn(shape, dtype, k)
            for traditional in (False, True):
                for dims in (shape[-1], 2):
                    yield roped(a, dims, traditional, 10000.0, 1.0, 0, None)
                    yield roped(a, dims, traditional, 100.0, 0.5, 7, None)
                    yield roped(a, dims, traditional, None, 1.0, -3, drawn((dims // 2,), mx.float32, 3))
                offsets = mx.array(np.arange(shape[0], dtype=np.int32) * 3 - 1)
                if shape[0]:
                    yield roped(a, shape[-1], traditional, 1000.0, 1.0, offsets, None)
                yield roped(a, 2, traditional, 1000.0, 2.0, mx.array(5), None)
                yield roped(a, 2, traditional, 1000.0, 2.0, mx.array([5], mx.uint8), None)
        for v in views_of(dtype):
            if v.shape[-1] >= 2:
                yield roped(v, 2, True, 100.0, 1.0, 2, None)
                yield roped(v, 2, False, 100.0, 1.0, 2, None)
    x = sample((2, 3, 4, 8), mx.float32)
    for dtype in DTYPES:
        yield roped(sample((1, 2, 4), dtype), 4, False, 10.0, 1.0, 0, None)
        yield roped(x, 4, False, 10.0, 1.0, sample((2,), dtype, 7), None)
        if dtype != mx.complex64:
            yield roped(x, 4, True, None, 1.0, 1, sample((2,), dtype, 8, positive=True))
    for dims in (0, -2, 3, 10):
        yield roped(x, dims, False, 10.0, 1.0, 0, None)
    yield roped(sample((3, 4), mx.float32), 4, False, 10.0, 1.0, 0, None)
    yield roped(x, 4, False, 10.0, 1.0, mx.array([[1, 2]]), None)
    yield roped(x, 4, False, 10.0, 1.0, mx.array([1, 2, 3]), None)
    yield roped(x, 4, False, 10.0, 1.0, 0, mx.ones((2,)))
    yield roped(x, 4, False, None, 1.0, 0, None)
    yield roped(x, 4, False, None, 1.0, 0, mx.ones((3,)))
    yield roped(x, 4, False, None, 1.0, 0, mx.ones((2, 1)))


def wide(a):
    return cast(a, mx.float32) if a is not None and a.dtype in SHORT else a


def attended(q, k, v, scale, mode, mask, sinks):
    def call():
        if mode not in ("", "array", "causal") or (mode == "causal" and mask is not None):
            raise ValueError
        given = [mlx(x) for x in (q, k, v)]
        mx.eval(mx.fast.scaled_dot_product_attention(*given, scale=scale, sinks=sinks,
                                                     mask=mode if mode == "causal" else mask))
        r = mx.fast.scaled_dot_product_attention(*map(wide, given), scale=scale, sinks=wide(sinks),
                                                 mask=mode if mode == "causal" else wide(mask))
        types = {x.dtype for x in given}
        return cast(r, types.pop()) if len(types) == 1 else r

    return ("attention", "mlx_fast_scaled_dot_product_attention", (q, k, v, scale, mode, mask, sinks), call)


# B, H, L, D; K, M; E.
ATTENDED = [(1, 1, 1, 1, 1, 1, 1), (2, 4, 3, 8, 2, 5, 8), (1, 6, 1, 16, 2, 9, 4), (2, 2, 7, 4, 2, 3, 6),
            (1, 2, 40, 64, 1, 70, 64), (1, 2, 0, 4, 1, 3, 4), (1, 2, 3, 4, 1, 0, 4), (0, 2, 3, 4, 1, 3, 4)]


def operands(shape, dtype, seed):
    b, h, l, d, k, m, e = shape
    return (drawn((b, h, l, d), dtype, seed), drawn((b, k, m, d), dtype, seed + 1),
            drawn((b, k, m, e), dtype, seed + 2))


def attention():
    rng = np.random.default_rng(5)
    for dtype in FLOATING:
        for n, shape in enumerate(ATTENDED):
            b, h, l, d, _, m, _ = shape
            q, k, v = operands(shape, dtype, n)
            seen = mx.array(rng.random((b, h, l, m)) < 0.7)
            sinks = drawn((h,), dtype, 9)
            for mode, mask, sink in (
                    ("", None, None), ("array", None, None), ("causal", None, None), ("", seen, None),
                    ("array", seen[:1, :1], sinks), ("array", drawn((l, m), dtype, 8), None),
                    ("causal", None, sinks), ("", drawn((h, 1, m), dtype, 8), sinks),
                    ("array", mx.zeros((1,), mx.bool_), None), ("", mx.ones((1,), mx.int32), None)):
                yield attended(q, k, v, d**-0.5, mode, mask, sink)
        base = drawn((3, 6, 5, 8), dtype, 4)
        q = View(base, (0, 5, 0, 0), (3, -7, 5, 8), (1, -1, 2, 1), (0, 3, 2, 1))
        k = View(base, (0, 0, 1, 0), (3, 6, 5, 4), (1, 1, 1, 1), (0, 3, 2, 1))
        yield attended(q, k, k, 0.3, "", None, None)
        yield attended(q, k, k, 0.3, "causal", None, None)
    q, k, v = operands((1, 2, 2, 4, 1, 3, 4), mx.float32, 3)
    least = mx.array([[0, -INF, 0], [-INF, -INF, -INF]])
    yield attended(q, k, v, 1.0, "", least, None)
    yield attended(q, k, v, 1.0, "", least, mx.zeros((2,)))
    yield attended(q, k, v, -2.0, "", mx.array([[False] * 3, [True, False, True]]), None)
    yield attended(q, k, v, 1.0, "", mx.array([[False] * 3, [True, False, True]]), mx.zeros((2,)))
    yield attended(q * NAN, k, v, 1.0, "", None, None)
    yield attended(q, k, v, 1.0, "", None, mx.array([INF, -INF]))
    for dtype in DTYPES:
        a = sample((1, 1, 2, 2), dtype, 3)
        yield attended(a, a, a, 0.5, "", None, None)
        yield attended(q, k, v, 0.5, "", sample((2, 3), dtype, 3), None)
        yield attended(q, k, v, 0.5, "", None, sample((2,), dtype, 3))
    yield attended(q, cast(k, mx.float16), v, 1.0, "", None, None)
    yield attended(q, k, doubles(np.array(v)), 1.0, "", None, None)
    yield attended(q, k, v[0], 1.0, "", None, None)
    yield attended(q, k, v[:, :, :2], 1.0, "", None, None)
    yield attended(q, k[..., :3], v, 1.0, "", None, None)
    yield attended(mx.concatenate([q, q]), k, v, 1.0, "", None, None)
    z = mx.zeros((1, 2, 3, 4))
    yield attended(mx.zeros((1, 3, 2, 4)), z, z, 1.0, "", None, None)
    yield attended(q, mx.zeros((1, 2, 3, 4)), v, 1.0, "", None, None)
    for mask in (mx.ones((4, 3)), mx.ones((1, 1, 1, 1, 1)), mx.ones((2, 1, 1, 1))):
        yield attended(q, k, v, 1.0, "array", mask, None)
    yes = mx.ones((2, 3), mx.bool_)
    for mode, mask in (("full", None), ("causal", yes), ("array", None), ("array", yes), ("", yes)):
        yield attended(q, k, v, 1.0, mode, mask, None)
    for sinks in (mx.ones((3,)), mx.ones((2, 1)), mx.array(1.0)):
        yield attended(q, k, v, 1.0, "", None, sinks)


FAST = (norms, ropes, attention)
