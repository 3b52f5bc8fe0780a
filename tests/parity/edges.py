"""The cases at the edges: special values, all pairs of types, lists of axes, ranges and shapes that
hardly fit. Left out, because MLX differs and Weir keeps to the mathematics or to its contract (more of
that, with rows, in values.py):

- erf and exp of float64, which MLX computes in float32.
- Running sums of long float16 and bfloat16 lines, which MLX rounds at each step.
- Products of complex infinities: C++ recovers an infinity from NaN parts, NumPy and Weir do not.
- tril, triu, eye and tri with a diagonal at the end of int32, which overflows in MLX.
- Floating ranges: MLX adds the step again and again, in the result's type.
- The order of complex numbers with a NaN part, and floating values beyond uint32 as uint32: what
  MLX makes of them depends on where they stand.
- Integers whose distance from their maximum overflows, in logsumexp and softmax.
"""

import mlx.core as mx
import numpy as np

import right
from table import BINARY, FLOATS, UNARY, UNSIGNED, sample
from mlxside import DTYPES, View

VALUES = [0.0, -0.0, 1e-45, 1e-38, 3.4e38, -3.4e38, np.inf, -np.inf, np.nan, 1e-7, 0.5, 1.5, 2.5,
          -0.5, -1.5, 1e10, 88.8, -104.0, 710.0, 0.999999, 1.0, -1.0, 0.1, 65504.0, 65520.0, 6e-5]
LINES = [[1, np.nan, 3], [np.nan] * 3, [np.inf, -np.inf], [-np.inf] * 2, [3, 3, 1], [5] * 40,
         [1, 2, 3, 4, 5, 6, 7, 8, np.nan, 10] * 7]


def floats(values, dtype):
    with np.errstate(all="ignore"):
        return mx.array(np.array(values, np.float32)).astype(dtype, stream=mx.cpu)


def special():
    pairs = [complex(x, y) for x in (0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 2.5)
             for y in (0.0, -1.0, np.inf, np.nan, 3.0)]
    for name in UNARY:
        for a in [floats(VALUES, d) for d in FLOATS] + [mx.array(np.array(pairs, np.complex64))]:
            yield "special", "mlx_" + name, (a,), lambda a=a, n=name: getattr(mx, n)(a)
    for dtype in FLOATS:
        for decimals in (-40, -3, -1, 1, 2, 6, 40):
            a = floats([0.5, 0.15, 0.25, 12345.678, -12355, 1e10, np.nan, np.inf, 15, -25], dtype)
            yield ("special", "mlx_round", (a, decimals),
                   lambda a=a, n=decimals: right.rounded(a, n))
        for line in LINES:
            a = floats(line, dtype)
            for name in "max min sum mean argmax argmin logsumexp any".split():
                yield "special", "mlx_" + name, (a, False), lambda a=a, n=name: getattr(mx, n)(a)
            for name in ("sort", "argsort", "softmax"):
                args = (a, 0, False) if name == "softmax" else (a, 0)
                yield ("special", f"mlx_{name}_axis", args,
                       lambda a=a, n=name: getattr(mx, n)(a, 0))


def promotion():
    for name in BINARY:
        for left in DTYPES:
            for right in DTYPES:
                if name == "floor_divide" and mx.complex64 in (left, right):
                    continue  # as in table.py
                a, b = sample((3,), left, 1, positive=True), sample((3,), right, 2, positive=True)
                yield ("promotion", "mlx_" + name, (a, b),
                       lambda a=a, b=b, n=name: getattr(mx, n)(a, b))


def axes():
    lists = ([], [0], [-1], [0, 2], [0, 1, 2, 3], [0, 0], [4], [-5], [3, 1], [0, -4])
    for dtype in (mx.bool_, mx.int8, mx.uint8, mx.float16, mx.float32, mx.complex64):
        a = sample((2, 3, 1, 4), dtype, 3)
        for name in "all any max min sum prod mean logsumexp softmax".split():
            if name in ("logsumexp", "softmax") and dtype in UNSIGNED:
                continue
            for which in lists:
                # The flag is keepdims, or whether softmax is precise, which is as good here.
                yield ("axes", f"mlx_{name}_axes", (a, which, False),
                       lambda a=a, n=name, w=which: getattr(mx, n)(a, axis=w))
    for a in (sample((4, 3, 2), mx.float32), sample((), mx.float32), sample((1, 3, 1), mx.float32)):
        for i in range(-4, 5):
            for name in ("squeeze", "expand_dims"):
                yield ("axes", f"mlx_{name}_axes", (a, [i, 0]),
                       lambda a=a, n=name, i=i: getattr(mx, n)(a, [i, 0]))
            yield "axes", "mlx_flatten", (a, i, -1), lambda a=a, i=i: mx.flatten(a, i, -1)
            yield "axes", "mlx_swapaxes", (a, i, 1), lambda a=a, i=i: mx.swapaxes(a, i, 1)
            for cuts in ([], [1, 2], [2, 1], [-1], [9], [1, 9], [-9, 2]):
                yield ("axes", "mlx_split_sections", (a, cuts, i),
                       lambda a=a, c=cuts, i=i: mx.split(a, c, i))


def ranges():
    rng = np.random.default_rng(4)
    a = sample((5, 4, 3), mx.float32, 6)
    for _ in range(300):
        start, stop = rng.integers(-9, 10, (2, 3)).tolist()
        step = rng.choice([-7, -2, -1, 1, 2, 7], 3).tolist()
        where = tuple(slice(*w) for w in zip(start, stop, step))
        yield "ranges", "mlx_slice", (a, start, stop, step), lambda w=where: a[w]
    for dtype in DTYPES[1:]:
        for start, stop, num in ((0, 1, 5), (0, 1, 1), (0, 1, 0), (1, 0, 7), (5, 5, 3), (0, 1, -1),
                                 (2.75, -5.5, 4), (0.125, 1e6, 7)):
            yield ("ranges", "mlx_linspace", (start, stop, num, dtype),
                   lambda x=start, y=stop, n=num, d=dtype: mx.linspace(x, y, n, dtype=d))


def addends():
    for x, y in (((2, 3), (3, 4)), ((3,), (3,)), ((3,), (3, 4)), ((2, 3), (3,)),
                 ((5, 2, 3), (3, 4)), ((5, 2, 3), (5, 3, 4)), ((2, 0), (0, 4))):
        for z in ((), (1,), (4,), (2, 4), (2, 1), (1, 4), (5, 2, 4), (3, 2, 4), (3, 4)):
            # Complex ones may have an addend that makes the result larger.
            for dtype in (mx.float32, mx.complex64):
                a, b, c = (sample(s, dtype, i) for i, s in enumerate((x, y, z)))
                yield ("addends", "mlx_addmm", (c, a, b, 0.5, 2.0),
                       lambda a=a, b=b, c=c: mx.addmm(c, a, b, 0.5, 2.0))
    base = sample((6, 8), mx.float32, 1)
    for steps in ((1, 1), (2, 2), (-1, 1), (-2, -1)):
        starts = [0 if s > 0 else n - 1 for s, n in zip(steps, (6, 8))]
        stops = [n if s > 0 else -n - 1 for s, n in zip(steps, (6, 8))]
        for order in ((0, 1), (1, 0)):
            v, w = (View(base, starts, stops, steps, o) for o in (order, order[::-1]))
            yield "addends", "mlx_matmul", (v, w), lambda v=v, w=w: mx.matmul(v.mlx(), w.mlx())


def casts():
    values = [np.nan, np.inf, -np.inf, 2.0**64, 3e38, 2.0**63, -(2.0**63), 1e10, -1e10, 2.0**31,
              -(2.0**31), 70000, -300, 300.7, -1.5, 6e4]
    for source in FLOATS + (mx.float64, mx.complex64):
        for dtype in DTYPES:
            if dtype != mx.uint32:
                a = floats(values, source)
                yield "casts", "mlx_astype", (a, dtype), lambda a=a, d=dtype: a.astype(d)


def spellings():
    """The type of softmax of integers depends on how its axes are written."""
    for shape in ((1, 7), (5, 1), (1, 1, 4), (2, 3, 1)):
        for dtype in (mx.int16, mx.int64, mx.float16):
            a = sample(shape, dtype, 8)
            last = len(shape) - 1
            for which in ([last], [-1], [0, last], [0, -1], [-1, 0], [-2, -1], [last - 1, last], [0]):
                yield ("spellings", "mlx_softmax_axes", (a, which, False),
                       lambda a=a, w=which: mx.softmax(a, w))
            yield "spellings", "mlx_softmax", (a, False), lambda a=a: mx.softmax(a)


EDGES = (special, promotion, axes, ranges, addends, casts, spellings)
