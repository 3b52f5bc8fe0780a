"""The cases of quantised matrices. Factors of products are short numbers, so that their sums are exact
in float32, in whatever order; of 16-bit floats MLX sums in their own type, so that its float32 is
compared with. Where MLX has nothing to compare with, or dies:

- float64 is quantised by way of float32, and multiplied in float64; MLX refuses that as it computes.
- Products without rows end the process in MLX; scales with other rows than w it does not notice.
- What is not affine and has no elements, or in nvfp4 no multiple of 32, MLX cannot reshape.
- x of two axes by several matrices: MLX takes the first, Weir all of them.
- qqmm of several rows, or of a w that is floating: MLX's CPU multiplies one row, by what is packed, and
  does not look at scales for all.
- Indices outside, and below 0: the nearest, and counted from the end."""

import mlx.core as mx
import numpy as np

from layouts import mlx
from mlxside import DTYPES, View
from right import SHORT, cast, doubles
from table import FLOATS, sample

AFFINE = [(g, b) for g in (32, 64, 128) for b in (1, 2, 3, 4, 5, 6, 8)]
OTHERS = {"mxfp4": (32, 4), "mxfp8": (32, 8), "nvfp4": (16, 4)}
WAYS = [("affine", g, b) for g, b in AFFINE] + [(m, *w) for m, w in OTHERS.items()]
NAN, INF = float("nan"), float("inf")


def drawn(shape, dtype, seed, size=1.0):
    return cast(mx.array((np.random.default_rng(seed).normal(0, size, shape)).astype(np.float32)), dtype)


def quantized(w, group, bits, mode, scale=None):
    def call():
        x = mlx(w)
        r = mx.quantize(cast(x, mx.float32) if x.dtype == mx.float64 else x, group_size=group, bits=bits,
                        mode=mode, global_scale=scale)
        return [cast(p, x.dtype) if p.dtype == mx.float32 else p for p in r]

    return "quantize", "mlx_quantize", (w, group, bits, mode, scale), call


def odd_groups(n):
    """Zeros, equal elements, one sign alone, very small ones, and one that is much larger."""
    x = np.random.default_rng(3).normal(0, 1, (9, n)).astype(np.float32)
    x[0], x[1], x[2] = 0, 3, -0.7
    x[3], x[4] = np.abs(x[3]), -np.abs(x[4])
    x[5], x[6] = x[5] * 1e-12, np.round(x[6] * 4) / 4
    x[7, 5], x[8, ::2] = 1000, 0
    return x


def quantizing():
    for dtype in FLOATS:
        for k, (mode, group, bits) in enumerate(WAYS):
            yield quantized(drawn((4, 256), dtype, k), group, bits, mode)
            yield quantized(cast(mx.array(odd_groups(128)), dtype), group, bits, mode)
        for mode in ("affine", *OTHERS):
            for shape in ((2, 3, 128), (0, 64), (3, 0), (1, 64), (2, 1, 2, 64)):
                if mode == "affine" or 0 not in shape:
                    yield quantized(drawn(shape, dtype, 9), None, None, mode)
            for size in (1e-3, 100.0):
                yield quantized(drawn((8, 128), dtype, 10, size), None, None, mode)
        base = drawn((64, 5, 128), dtype, 4)
        v = View(base, (0, 4, 0), (64, 0, 128), (1, -2, 1), (1, 2, 0))
        for mode in ("affine", "mxfp8"):
            yield quantized(v, None, None, mode)
        for scale in (4.0, 0.1, 300.0):
            yield quantized(drawn((4, 64), dtype, 11), None, None, "nvfp4", mx.array(scale))
    ties = np.concatenate([[6.0, -6.0], np.arange(-5.75, 6, 0.25)])
    ties = np.concatenate([ties, np.zeros(-len(ties) % 64)])[None]
    for mode in OTHERS:
        yield quantized(mx.array(ties.astype(np.float32)), None, None, mode)
    w = drawn((4, 128), mx.float32, 1)
    wide = doubles(np.array(w, np.float64))
    yield quantized(wide, None, None, "affine")
    yield quantized(wide, None, None, "mxfp4")
    for args in ((64, 7, "affine"), (16, 4, "affine"), (256, 4, "affine"),
                 (64, 9, "affine"), (64, 4, "mxfp4"),
                 (32, 8, "mxfp4"), (32, 4, "mxfp8"), (32, 4, "nvfp4"), (None, None, "int4"),
                 (None, None, "")):
        yield quantized(w, *args)
    one = mx.array(1.0)
    for args in ((None, None, "affine", one), (None, None, "mxfp8", one),
                 (None, None, "nvfp4", mx.ones((2,))), (None, None, "nvfp4", cast(one, mx.float16)),
                 (None, None, "nvfp4", mx.array([3.0]))):
        yield quantized(w, *args)
    yield quantized(w[0], None, None, "affine")
    yield quantized(w[:, :96], None, None, "affine")
    for dtype in DTYPES:
        if dtype not in FLOATS + (mx.float64,):
            yield quantized(sample((2, 64), dtype), None, None, "affine")


def dequantized(w, s, b, group, bits, mode, scale=None, dtype=None):
    def call():
        to = mx.float32 if mode != "affine" and dtype is not None and dtype == mx.float64 else dtype
        r = mx.dequantize(mlx(w), mlx(s), None if b is None else mlx(b), group_size=group, bits=bits,
                          mode=mode, global_scale=scale, dtype=to)
        return r if mode == "affine" else cast(r, dtype or mx.bfloat16)

    return "dequantize", "mlx_dequantize", (w, s, b, group, bits, mode, scale, dtype), call


def words(shape, seed):
    return mx.array(np.random.default_rng(seed).integers(0, 2**32, shape, dtype=np.uint32))


def short(shape, dtype, seed):
    """Small multiples of 1/4."""
    values = np.random.default_rng(seed).integers(-8, 9, shape) / 4
    return doubles(values) if dtype == mx.float64 else cast(mx.array(values.astype(np.float32)), dtype)


def scales_of(mode, shape, dtype, seed):
    rng = np.random.default_rng(seed)
    if mode == "affine":
        return short(shape, dtype, seed), short(shape, dtype, seed + 1)
    low, high = (0x28, 0x48) if mode == "nvfp4" else (125, 130)
    return mx.array(rng.integers(low, high, shape, dtype=np.uint8)), None


def packed(mode, group, bits, shape, dtype, seed):
    """Any codes, but no NaN."""
    k = shape[-1]
    w = words((*shape[:-1], k * bits // 32), seed)
    if mode == "mxfp8":
        w = w & 0x3f3f3f3f
    return (w, *scales_of(mode, (*shape[:-1], k // group), dtype, seed + 1))


def unpacking():
    for dtype in FLOATS + (mx.float64,):
        for k, (mode, group, bits) in enumerate(WAYS):
            parts = packed(mode, group, bits, (3, 256), dtype, k)
            yield dequantized(*parts, group, bits, mode)
            yield dequantized(*parts, group, bits, mode, dtype=dtype)
        for mode, shape in (("affine", (2, 3, 64)), ("nvfp4", (3, 2, 16)),
                            ("affine", (3, 0)), ("mxfp8", (1, 1, 32))):
            group, bits = OTHERS.get(mode, (64, 4))
            yield dequantized(*packed(mode, group, bits, shape, dtype, 7), None, None, mode)
    for bits, group, k in ((7, 32, 64), (5, 5, 160), (4, 24, 48), (3, 1, 32), (8, 3, 12), (1, 8, 96)):
        yield dequantized(*packed("affine", group, bits, (3, k), mx.float32, bits), group, bits, "affine")
    for mode in OTHERS:
        every = mx.array(np.arange(256, dtype=np.uint8).repeat(4)).view(mx.uint32).reshape(16, -1)
        count = 16 * 4 * (1 if mode == "mxfp8" else 2) // OTHERS[mode][0]
        s = mx.array(np.full((16, count), 0x38 if mode == "nvfp4" else 127, np.uint8))
        yield dequantized(every, s, None, None, None, mode, dtype=mx.float32)
        s = mx.array(np.linspace(1, 0x7e if mode == "nvfp4" else 250, 16 * count).astype(np.uint8).reshape(16, -1))
        yield dequantized(every & 0x3f3f3f3f, s, None, None, None, mode, dtype=mx.float32)
    w, s, b = packed("affine", 64, 4, (4, 128), mx.float32, 1)
    f, e, _ = packed("nvfp4", 16, 4, (4, 128), mx.float32, 1)
    for dtype in FLOATS:
        yield dequantized(f, e, None, None, None, "nvfp4", mx.array(5.0), dtype)
        yield dequantized(w, cast(s, dtype), b, None, None, "affine")
        yield dequantized(w, s, b, None, None, "affine", dtype=dtype)
    v = View(words((6, 5, 8), 3), (0, 4, 0), (6, 0, 8), (1, -1, 1), (1, 0, 2))
    yield dequantized(v, *scales_of("affine", (4, 6, 1), mx.float16, 3), None, None, "affine")
    for case in ((w, s, None), (cast(w, mx.int32), s, b), (w[0], s, b), (w, s[0], b[0]), (w, s[:2], b[:2]),
                 (w, s, b[:2]), (w, s[:, :1], b[:, :1]), (w, cast(s, mx.int32), cast(b, mx.int32)),
                 (f, e, b)):
        yield dequantized(*case, None, None, "affine")
    yield dequantized(w, s, b, 32, 4, "affine")
    yield dequantized(w, s, b, 64, 0, "affine")
    yield dequantized(w, s, b, 0, 4, "affine")
    yield dequantized(w, s, b, 64, 4, "affine", dtype=mx.int32)
    yield dequantized(w, s, b, 64, 4, "affine", mx.array(1.0))
    yield dequantized(f, e, b, None, None, "nvfp4")
    yield dequantized(f, s, None, None, None, "nvfp4")
    yield dequantized(f, e[0], None, None, None, "nvfp4")
    yield dequantized(f, e[:, :1], None, None, None, "nvfp4")
    yield dequantized(f, e, None, 32, None, "nvfp4")
    yield dequantized(w, s, b, None, None, "int4")


def wide(a):
    a = mlx(a)
    return cast(a, mx.float32) if a is not None and a.dtype in SHORT + (mx.float64,) else a


def product_type(x, s, b, mode):
    x, s, b = map(mlx, (x, s, b))
    if mode != "affine":
        return x.dtype
    return (mx.zeros((1,), x.dtype) + (mx.zeros((1,), s.dtype) + mx.zeros((1,), b.dtype))).dtype


def multiplied(x, w, s, b, transpose, group, bits, mode):
    def call():
        a = mlx(x)
        r = mx.quantized_matmul(wide(a), mlx(w), wide(s), wide(b), transpose=transpose, group_size=group,
                                bits=bits, mode=mode)
        return cast(r, product_type(a, s, b, mode))

    return "multiply", "mlx_quantized_matmul", (x, w, s, b, transpose, group, bits, mode), call


def multiplying():
    for dtype in FLOATS:
        for k, (mode, group, bits) in enumerate(WAYS):
            for rows in (1, 3, 9) if dtype == mx.float32 else (2, 7):
                yield multiplied(short((rows, 256), dtype, k), *packed(mode, group, bits, (20, 256), dtype, k),
                                 True, group, bits, mode)
                yield multiplied(short((rows, 21), dtype, k), *packed(mode, group, bits, (21, 256), dtype, k),
                                 False, group, bits, mode)
    q = packed("affine", 64, 4, (8, 128), mx.float32, 1)
    q3 = packed("affine", 64, 4, (2, 8, 128), mx.float32, 2)
    f3 = packed("nvfp4", 16, 4, (2, 8, 128), mx.float32, 2)
    none = (None, None, "affine")
    for shape in ((128,), (2, 3, 128), (1, 2, 3, 128)):
        yield multiplied(short(shape, mx.float32, 3), *q, True, *none)
    for shape in ((2, 3, 128), (1, 3, 128), (5, 1, 3, 128), (5, 2, 9, 128), (3, 3, 128)):
        yield multiplied(short(shape, mx.float32, 4), *q3, True, *none)
        yield multiplied(short(shape, mx.float16, 4), *f3, True, None, None, "nvfp4")
    yield multiplied(short((2, 3, 8), mx.float32, 4), *q3, False, *none)
    base = short((128, 6, 3), mx.float32, 5)
    v = View(base, (0, 5, 0), (128, 0, 3), (1, -2, 1), (2, 1, 0))
    yield multiplied(v, *q, True, *none)
    for dtype in DTYPES:
        x = sample((3, 128), dtype, 4)
        yield multiplied(x, *q, True, *none)
        if dtype == mx.bool_ or dtype == mx.complex64 or dtype in FLOATS:
            yield multiplied(x, f3[0][0], f3[1][0], None, True, None, None, "nvfp4")
    for line in ([NAN] + [1.0] * 127, [INF] + [1.0] * 127, [1e30] * 128, [1e-30] * 128, [0.0] * 128):
        yield multiplied(mx.array([line]), *q, True, *none)
    x, (w, s, b) = short((3, 128), mx.float32, 6), q
    for case in ((x[:, :64], w, s, b), (x, cast(w, mx.int32), s, b), (x, w, s, b[:2]), (x, w, s, None),
                 (x, w[0], s[0], b[0]), (x, w, s[:, :1], b[:, :1]), (x, w, f3[1][0], None)):
        yield multiplied(*case, True, *none)
    yield multiplied(x, w, s, b, False, *none)
    yield multiplied(x, w, s, b, True, 32, 4, "affine")
    yield multiplied(x, w, s, b, True, 64, 8, "affine")
    yield multiplied(x, w, s, b, True, None, None, "mxfp4")
    yield multiplied(x, w, s, b, True, None, None, "int4")
    yield multiplied(x, w, cast(s, mx.int32), cast(b, mx.int32), True, *none)
    yield multiplied(x, *packed("affine", 32, 7, (8, 128), mx.float32, 1), True, 32, 7, "affine")


def gathered(x, w, s, b, lhs, rhs, transpose, group, bits, mode, order=False):
    def call():
        return cast(mx.gather_qmm(wide(x), mlx(w), wide(s), wide(b), lhs, rhs, transpose=transpose,
                                  group_size=group, bits=bits, mode=mode, sorted_indices=order),
                    product_type(x, s, b, mode))

    return "gather", "mlx_gather_qmm", (x, w, s, b, lhs, rhs, transpose, group, bits, mode, order), call


def gathering():
    for dtype in FLOATS:
        for mode, group, bits in (("affine", 64, 4), ("affine", 32, 5), ("mxfp8", 32, 8), ("nvfp4", 16, 4)):
            q = packed(mode, group, bits, (3, 8, 128), dtype, 5)
            for m in (1, 2, 8):
                x = short((4, m, 128), dtype, 6)
                for lhs, rhs in (([0, 3, 3], [2, 2, 0]), ([[1], [2]], [0, 1, 2]), ([1], [[0], [2]])):
                    yield gathered(x, *q, mx.array(lhs), mx.array(rhs), True, group, bits, mode)
            x = short((4, 2, 8), dtype, 6)
            yield gathered(x, *q, mx.array([0, 3, 3]), mx.array([2, 2, 0]), False, group, bits, mode)
    q = packed("affine", 64, 4, (3, 8, 128), mx.float32, 5)
    x = short((3, 2, 128), mx.float32, 6)
    none = (True, None, None, "affine")
    yield gathered(x, *q, None, None, *none)
    yield gathered(x, *q, mx.array([2, 0, 1]), None, *none)
    yield gathered(x, *q, None, mx.array([[2], [0], [1], [1]]), *none, True)
    yield gathered(x[0], *q, None, mx.array([2, 0]), *none)
    yield gathered(x, *(p[0] for p in q), mx.array([2, 0], mx.uint8), None, *none)
    yield gathered(x, *q, mx.array([2, 0]), None, *none)
    yield gathered(x[0, 0], *q, None, mx.array([2, 0]), *none)
    yield gathered(x, *q, mx.array([2.0, 0.0]), None, *none)
    yield gathered(x, *q, mx.array([2, 0]), mx.array([0, 1, 2]), *none)
    yield gathered(x, *q, mx.array([2, 0]), None, True, None, None, "int4")
    yield gathered(x[..., :64], *q, mx.array([2, 0]), None, *none)
    yield gathered(x, cast(q[0], mx.int32), *q[1:], mx.array([2, 0]), None, *none)
    yield gathered(x, *q[:2], q[2][:2], mx.array([2, 0]), None, *none)
    yield gathered(x, *q[:2], None, mx.array([2, 0]), None, *none)
    yield gathered(x, q[0], q[1][:2], q[2][:2], mx.array([2, 0]), None, *none)
    yield gathered(x, *q, mx.array([2, 0]), None, True, 32, 4, "affine")
    for dtype in DTYPES:
        yield gathered(x, *q, None, sample((3,), dtype, positive=True) * 0 if dtype != mx.bool_ else
                       mx.array([True, False, True]), *none)


def both(given, w, s, mode, gx=None, gw=None):
    def call():
        x = mlx(given)
        if w.dtype not in FLOATS + (mx.uint32,) or x.dtype not in FLOATS:
            raise ValueError
        a, b = wide(x), w if w.dtype == mx.uint32 else wide(w)
        q = (b, s) if s is not None or w.dtype == mx.uint32 else mx.quantize(b, mode=mode, global_scale=gw)
        rows = a.reshape(-1, 1, x.shape[-1])
        r = [mx.qqmm(row, *q, mode=mode, global_scale_x=gx, global_scale_w=gw) for row in rows]
        mx.eval(r)
        if gx is not None:
            a, b = (mx.dequantize(*p, mode=mode, global_scale=g, dtype=mx.float32)
                    for p, g in ((mx.quantize(a, mode=mode, global_scale=gx), gx), (q, gw)))
            r = [a @ b.T]
        return cast(mx.concatenate(r), x.dtype).reshape(*x.shape[:-1], -1)

    return "both", "mlx_qqmm", (given, w, s, None, None, mode, gx, gw), call


def e2m1(w):
    """The nearest numbers that it has, with 6 in each row."""
    values = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6], np.float32)
    x = np.array(cast(w, mx.float32))
    x = np.sign(x) * values[np.abs(np.abs(x)[..., None] - values).argmin(-1)]
    x[..., ::16] = 6
    return cast(mx.array(x), w.dtype)


def quantized_twice():
    """Of 16-bit floats, and of w that is quantised here, such as E2M1 has."""
    for dtype in FLOATS:
        for mode in ("nvfp4", "mxfp8"):
            w, s, _ = packed(mode, *OTHERS[mode], (8, 64), dtype, 3)
            for shape in ((1, 64), (5, 64), (64,), (2, 3, 64), (9, 64)):
                x = drawn(shape, dtype, 4) if dtype == mx.float32 else e2m1(short(shape, dtype, 4))
                yield both(x, w, s, mode)
                yield both(x, e2m1(short((6, 64), dtype, 5)), None, mode)
    x = drawn((3, 64), mx.float32, 4)
    w, s, _ = packed("nvfp4", 16, 4, (8, 64), mx.float32, 3)
    one = mx.array(1.0)
    yield both(x, w, s, "nvfp4", mx.array(4.0), mx.array(3.0))
    yield both(x, w, s, "nvfp4", mx.array([2.5]), mx.array([[7.0]]))
    yield both(x, drawn((6, 64), mx.float32, 6), None, "nvfp4", mx.array(2.5), mx.array(3.0))
    for case in ((x, w, None, "nvfp4"), (x, w, s, "affine"), (x, w, s, "mxfp4"), (x[:, :32], w, s, "nvfp4"),
                 (x, w, s, "nvfp4", one, None), (x, w[None], s[None], "nvfp4"), (x, w, s, "mxfp8"),
                 (x, drawn((6, 32), mx.float32, 5), None, "nvfp4"), (x, w, s, "mxfp8", one, one),
                 (x, mx.zeros((6, 64), mx.int32), None, "nvfp4")):
        yield both(*case)
    for dtype in DTYPES:
        if dtype not in FLOATS:
            yield both(sample((2, 64), dtype), w, s, "nvfp4")


def product(name, a, b, *rest):
    """MLX's CPU has float32 alone."""
    def call():
        given = rest[:2] if name == "gather_mm" else rest  # the last is a promise
        r = getattr(mx, name)(wide(a), wide(b), *given)
        return cast(r, (mx.zeros((1,), mlx(a).dtype) + mx.zeros((1,), mlx(b).dtype)).dtype)

    return "parts", "mlx_" + name, (a, b, *rest), call


def parts_of_products():
    rng = np.random.default_rng(8)
    for dtype in FLOATS + (mx.float64,):
        a, b = short((3, 2, 5), dtype, 1), short((4, 5, 6), dtype, 2)
        for lhs, rhs in (([0, 2, 2], [3, 0, 1]), ([[1], [2]], [0, 3]), (1, 2), ([], [])):
            i, j = (mx.array(x, mx.int32) for x in (lhs, rhs))
            yield product("gather_mm", a, b, i, j, False)
        yield product("gather_mm", a, b, mx.array([0, 1, 2, 0]), None, True)
        yield product("gather_mm", short((5,), dtype, 3), b, None, mx.array([3, 1], mx.uint8), False)
        yield product("gather_mm", a, short((5,), dtype, 3), mx.array([2, 0]), None, False)
        x, y = short((3, 9), dtype, 4), short((9, 4), dtype, 5)
        for ends in ([[0, 4], [4, 9], [3, 3], [5, 2], [0, 9]], [2, 5], [[[1, 2]], [[0, 1]]]):
            yield product("segmented_mm", x, y, mx.array(ends, mx.uint32))
        for block in (32, 64):
            m, k, n = 70, 90, 65
            x, y = short((m, k), dtype, 6), short((k, n), dtype, 7)
            t = [-(-e // block) for e in (m, k, n)]
            kinds = [mx.array(rng.random((t[i], t[j])) < 0.6) for i, j in ((0, 2), (0, 1), (1, 2))]
            for out, lhs, rhs in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)):
                masks = [k if on else None for k, on in zip(kinds, (out, lhs, rhs))]
                yield product("block_masked_mm", x, y, block, *masks)
                factors = [None if k is None else cast(k, mx.float32) * 2 for k in masks]
                yield product("block_masked_mm", x, y, block, *factors)
            yield product("block_masked_mm", short((2, m, k), dtype, 6), y, block, kinds[0], None, kinds[2])
            yield product("block_masked_mm", x, y, block, kinds[0][:1], kinds[1][:, :1], None)
    a, b = short((2, 3, 4), mx.float32, 1), short((5, 4, 6), mx.float32, 2)
    at = mx.array([0, 1])
    for dtype in DTYPES:
        if dtype not in FLOATS:
            yield product("gather_mm", a, b, at, cast(at, dtype), False)
            yield product("gather_mm", cast(a, dtype), cast(b, dtype), at, at, False)
            yield product("segmented_mm", a[0], b[0], cast(mx.array([[0, 1]]), dtype))
    yield product("gather_mm", a, b, None, None, False)
    yield product("gather_mm", a[..., :3], b, at, at, False)
    yield product("gather_mm", mx.array(1.0), b, None, at, False)
    yield product("gather_mm", a, b, mx.array([0, 1, 1]), at, False)
    yield product("segmented_mm", a, b[0], mx.array([[0, 1]]))
    yield product("segmented_mm", a[0], b[0], mx.array([0, 1, 2]))
    x, y = short((40, 40), mx.float32, 1), short((40, 40), mx.float32, 2)
    yes = mx.ones((2, 2), mx.bool_)
    yield product("block_masked_mm", x, y, 16, yes, None, None)
    yield product("block_masked_mm", x, y, 16, None, None, None)
    yield product("block_masked_mm", x, y, 32, mx.ones((3, 2), mx.bool_), None, None)
    yield product("block_masked_mm", x, y, 32, mx.ones((2, 2, 2), mx.bool_), None, None)
    yield product("block_masked_mm", x * NAN, y, 32, None, ~yes, None)
    yield product("block_masked_mm", x * INF, y, 32, ~yes, None, None)


QUANTIZED = (parts_of_products, quantizing, unpacking, multiplying, gathering, quantized_twice)
