"""The cases of layouts, tiling, partitions, statistics that sort, dynamic parts and windows. Left out:

- unflatten of an axis of 0 with a 0 and a -1, which ends the process in MLX; edges of an empty axis
  and starts outside of the array, which it reads all the same (tests/fuzz/hostile.py has those).
- as_strided beyond the array, which MLX does not notice.
- mlx_number_of_elements and roll's lists of one axis have no Python name of their own: what they
  mean is said with others.
- The order of elements beside the kth of a partition, which is anybody's.
"""

import math

import mlx.core as mx
import numpy as np

from mlxside import DTYPES, View, Wide
from right import cast
from table import FLOATS, sample

NUMBERS = [d for d in DTYPES if d != mx.bool_]


def case(family, name, args, call):
    return family, "mlx_" + name, args, call


def views_of(dtype):
    """A dense array, a transposed one, a strided and reversed one, one without elements, a prime one."""
    base = sample((5, 4, 6), dtype, 9)
    yield sample((4, 3, 2), dtype, 4)
    yield View(base, (0, 0, 0), (5, 4, 6), (1, 1, 1), (2, 0, 1))
    yield View(base, (4, 1, 0), (0, 4, 6), (-2, 1, 3), (1, 2, 0))
    yield sample((3, 0, 2), dtype, 4)
    yield sample((7, 1, 3), dtype, 4)


def mlx(a):
    return a.mlx() if isinstance(a, (View, Wide)) else a


def traced(a, offset, axis1, axis2, dtype):
    """MLX may never come back from a sum of nothing."""
    d = mx.diagonal(a, offset, axis1, axis2)
    if d.size:
        return mx.trace(a, offset, axis1, axis2, dtype=dtype)
    return mx.zeros(d.shape[:-1], mx.sum(mx.ones((1,), dtype)).dtype)


def layouts():
    for dtype in DTYPES:
        for a in views_of(dtype):
            for name, args, f in (
                    ("moveaxis", (0, -1), lambda m: mx.moveaxis(m, 0, -1)),
                    ("moveaxis", (2, 0), lambda m: mx.moveaxis(m, 2, 0)),
                    ("diagonal", (0, 0, 1), lambda m: mx.diagonal(m, 0, 0, 1)),
                    ("diagonal", (1, 2, 0), lambda m: mx.diagonal(m, 1, 2, 0)),
                    ("diagonal", (-2, -1, 0), lambda m: mx.diagonal(m, -2, -1, 0)),
                    ("diagonal", (9, 0, 1), lambda m: mx.diagonal(m, 9, 0, 1)),
                    ("trace", (0, 0, 1, dtype), lambda m: traced(m, 0, 0, 1, dtype)),
                    ("trace", (1, 1, 2, mx.float32), lambda m: traced(m, 1, 1, 2, mx.float32)),
                    ("atleast_3d", (), mx.atleast_3d),
                    ("repeat_axis", (3, 1), lambda m: mx.repeat(m, 3, 1)),
                    ("repeat", (2,), lambda m: mx.repeat(m, 2)),
                    ("tile", ([2, 1, 3],), lambda m: mx.tile(m, [2, 1, 3])),
                    ("tile", ([2],), lambda m: mx.tile(m, [2])),
                    ("tile", ([2, 1, 1, 2],), lambda m: mx.tile(m, [2, 1, 1, 2])),
                    ("roll_axis", ([2, -1], 0), lambda m: mx.roll(m, 1, 0)),
                    ("roll_axes", ([1, -2], [0, 2]), lambda m: mx.roll(m, (1, -2), (0, 2))),
                    ("roll_axes", ([1, 1], [-1, 2]), lambda m: mx.roll(m, (1, 1), (-1, 2))),
                    ("roll", ([5, 2],), lambda m: mx.roll(m, (5, 2))),
                    ("view", (mx.uint8,), lambda m: mx.view(m, mx.uint8)),
                    ("view", (dtype,), lambda m: m)):
                yield case("layouts", name, (a, *args), lambda a=a, f=f: f(mlx(a)))
            value = sample((), dtype, 5)
            yield case("layouts", "pad", (a, [0, -1], [1, 0], [0, 2], value, "constant"),
                       lambda a=a, v=value: mx.pad(mlx(a), [(1, 0), (0, 0), (0, 2)], "constant", v))
            yield case("layouts", "pad_symmetric", (a, 1, value, "constant"),
                       lambda a=a, v=value: mx.pad(mlx(a), 1, "constant", v))
            if 0 not in a.shape:
                yield case("layouts", "pad", (a, [0, 1, 2], [1, 0, 2], [0, 3, 0], value, "edge"),
                           lambda a=a: mx.pad(mlx(a), [(1, 0), (0, 3), (2, 0)], "edge"))
                yield case("layouts", "pad_symmetric", (a, 2, value, "edge"),
                           lambda a=a: mx.pad(mlx(a), 2, "edge"))
        for shape in ((), (5,), (2, 3), (2, 3, 4)):
            a = sample(shape, dtype, 3)
            for n, f in enumerate((mx.atleast_1d, mx.atleast_2d, mx.atleast_3d), 1):
                yield case("layouts", f"atleast_{n}d", (a,), lambda a=a, f=f: f(a))
            for k in (0, 1, -2, 9):
                yield case("layouts", "diag", (a, k), lambda a=a, k=k: mx.diag(a, k))


def refusals():
    """Arguments that fit nothing, or hardly."""
    a = sample((4, 3, 2), mx.float32, 4)
    for i in range(-5, 5):
        yield case("refusals", "moveaxis", (a, i, 1), lambda i=i: mx.moveaxis(a, i, 1))
        yield case("refusals", "moveaxis", (a, 1, i), lambda i=i: mx.moveaxis(a, 1, i))
        yield case("refusals", "diagonal", (a, 0, i, 1), lambda i=i: mx.diagonal(a, 0, i, 1))
        yield case("refusals", "repeat_axis", (a, 2, i), lambda i=i: mx.repeat(a, 2, i))
        yield case("refusals", "roll_axis", (a, [1], i), lambda i=i: mx.roll(a, 1, i))
    for shape in ([2, 2], [-1, 2], [2, -1, 1], [3, -1], [-1, -1], [], [4], [-2, -2], [5]):
        # MLX makes arrays of negative extents whose product is right.
        yield case("refusals", "unflatten", (a, 0, shape),
                   lambda s=shape: mx.unflatten(a, 0, s if min(s, default=0) > -2 else [5]))
    yield case("refusals", "unflatten", (a, 3, [2]), lambda: mx.unflatten(a, 3, [2]))
    for times in (-1, 0, 1):
        # MLX may make arrays of a negative extent.
        yield case("refusals", "repeat", (a, times),
                   lambda n=times: mx.reshape(a, [-7]) if n < 0 else mx.repeat(a, n))
        yield case("refusals", "tile", (a, [times, 2]),
                   lambda n=times: mx.reshape(a, [-7]) if n < 0 else mx.tile(a, [n, 2]))
    yield case("refusals", "tile", (a, []), lambda: mx.tile(a, []))
    yield case("refusals", "roll_axes", (a, [1], [0, 1]), lambda: mx.roll(a, (1,), (0, 1)))
    yield case("refusals", "roll_axes", (a, [1, 2, 3], [0, 1]),
               lambda: mx.roll(a, (1, 2, 3), (0, 1)))
    zero = mx.array(0)
    yield case("refusals", "pad_symmetric", (a, -1, zero, "constant"), lambda: mx.pad(a, -1))
    yield case("refusals", "pad_symmetric", (a, 1, zero, "up"), lambda: mx.pad(a, 1, "up"))
    yield case("refusals", "pad_symmetric", (a, 1, mx.arange(5), "constant"),
               lambda: mx.pad(a, 1, "constant", mx.arange(5)))
    for axes, low, high in (([0], [1, 2], [1]), ([0], [1], []), ([3], [1], [1]), ([0], [0], [-1])):
        yield case("refusals", "pad", (a, axes, low, high, zero, "constant"),
                   lambda: mx.pad(a, -1))
    yield case("refusals", "pad", (a, [0, 0], [1, 2], [0, 1], zero, "constant"),
               lambda: mx.pad(a, [(3, 1), (0, 0), (0, 0)]))
    yield case("refusals", "diag", (a, 0), lambda: mx.diag(a))
    yield case("refusals", "meshgrid", ([a], False, "yx"), lambda: mx.meshgrid(a, indexing="yx"))
    yield case("refusals", "broadcast_arrays", ([a, sample((4, 2, 2), mx.int8)],),
               lambda: mx.broadcast_arrays(a, sample((4, 2, 2), mx.int8)))


def reinterpreted():
    for dtype in DTYPES:
        for shape in ((), (8,), (3,), (3, 8), (8, 3), (2, 0), (0, 8), (5, 1)):
            for to in DTYPES:
                a = sample(shape, dtype, 2)
                yield case("reinterpreted", "view", (a, to), lambda a=a, t=to: mx.view(a, t))
        base = sample((4, 9), dtype, 2)
        for to in (mx.int8, mx.uint16, mx.int32, mx.float64, mx.complex64, mx.bool_):
            for v in (View(base, (0, 1), (4, 9), (1, 1), (0, 1)),
                      View(base, (3, 0), (-5, 8), (-1, 1), (0, 1)),
                      View(base, (0, 0), (4, 8), (1, 1), (1, 0)),
                      View(base, (1, 1), (4, 2), (2, 1), (0, 1)),
                      View(base, (0, 8), (4, -10), (1, -1), (0, 1))):
                yield case("reinterpreted", "view", (v, to), lambda v=v, t=to: mx.view(v.mlx(), t))


def strided():
    for dtype in DTYPES:
        a = sample((3, 4, 2), dtype, 6)
        v = View(sample((4, 6), dtype, 6), (3, 0), (-5, 6), (-1, 2), (1, 0))
        for shape, strides, offset in (
                ((2, 3), (1, 2), 0), ((3, 3), (1, 1), 2), ((2, 2), (-1, 4), 1), ((), (), 7),
                ((4,), (0,), 11), ((0,), (1,), 100), ((2, 0), (9, 9), 0), ((12,), (1,), 0),
                ((12,), (-1,), 11), ((1,), (2**62,), 3), ((1, 2), (-2**63, 1), 0)):
            for x in (a, v):
                yield case("strided", "as_strided", (x, list(shape), list(strides), offset),
                           lambda x=x, s=shape, t=strides, o=offset: mx.as_strided(mlx(x), s, t, o))
    a = sample((12,), mx.float32, 6)
    b = [(a, [4], [4], 0), (a, [2], [-1], 0), (a, [1], [1], 12), (a, [2, 2], [1], 0),
         (a, [13], [1], 0), (a, [2], [2**62], 0), (a, [3, 3], [2**62, 2**62], 0),
         (a, [2], [-2**63], 5), (a, [1], [5], 2**63), (a[:0], [], [], 0), (a, [-1], [1], 0)]
    for args in b:
        yield case("strided", "as_strided", args, lambda: mx.reshape(a, [-7]))


def joint():
    """Several arrays in, several out."""
    for dtype in DTYPES:
        x, y, z = sample((3,), dtype, 1), sample((2, 1), dtype, 2), sample((), mx.int32, 3)
        yield case("joint", "broadcast_arrays", ([x, y, z],),
                   lambda v=(x, y, z): list(mx.broadcast_arrays(*v)))
        for sparse in (False, True):
            for indexing in ("xy", "ij"):
                for given in ([x], [x, y], [x, y, z], [x, x[:0]]):
                    yield case("joint", "meshgrid", (given, sparse, indexing),
                               lambda g=given, s=sparse, i=indexing: list(
                                   mx.meshgrid(*g, sparse=s, indexing=i)))
    yield case("joint", "broadcast_arrays", ([],), lambda: [])
    yield case("joint", "meshgrid", ([], False, "ij"), lambda: [])


def partitions():
    """Only what is certain is compared: element kth, or all where it is the only order."""
    for dtype in DTYPES:
        for n in (1, 2, 7):
            a = mx.array(np.arange(n)[::-1].copy()).astype(dtype, stream=mx.cpu)
            for kth in (n - 1, -1):
                for name in ("partition", "argpartition"):
                    yield case("partitions", name, (a[:1], 0 if kth >= 0 else -1),
                               lambda a=a[:1], f=getattr(mx, name): f(a, 0, None))
        a = sample((3, 2), dtype, 3)
        for kth in (0, 1, -1):
            yield case("partitions", "partition_axis", (a, kth, 1),
                       lambda a=a, k=kth: mx.partition(a, k, 1))
    a = sample((3, 2), mx.float32, 3)
    for kth, axis in ((2, 1), (-3, 1), (0, 2), (0, -3), (3, 0), (-4, 0)):
        for name in ("partition", "argpartition"):
            yield case("partitions", name + "_axis", (a, kth, axis),
                       lambda k=kth, x=axis, f=getattr(mx, name): f(a, k, x))
    yield case("partitions", "partition", (a, 6), lambda: mx.partition(a, 6, None))
    yield case("partitions", "partition_axis", (a[:, :0], 0, 1), lambda: mx.partition(a[:, :0], 0, 1))
    yield case("partitions", "partition_axis", (a[:0], 1, 1), lambda: mx.partition(a[:0], 1, 1))


def medians():
    for dtype in DTYPES:
        for a in [*views_of(dtype), sample((3, 2, 1, 4), dtype, 3)]:
            for axes in ([0], [-1], [0, 2], [2, 1], [0, 1, 2], [0, 0], [7], []):
                for keep in (False, True):
                    yield case("medians", "median", (a, axes, keep),
                               lambda a=a, x=axes, k=keep: mx.median(mlx(a), x, keepdims=k))
        a = sample((), dtype, 3)
        yield case("medians", "median", (a, [], False), lambda a=a: mx.median(a))
    for line in ([1, np.nan, 3], [np.nan] * 2, [np.inf, -np.inf], [1, np.inf], [0.0, -0.0, 1, 2]):
        for dtype in FLOATS:
            a = mx.array(line).astype(dtype)
            yield case("medians", "median", (a, [0], False), lambda a=a: mx.median(a))


def dynamic():
    for dtype in DTYPES:
        for a in views_of(dtype):
            for kind in (mx.int8, mx.uint32, mx.int64, mx.uint64):
                n = [max(x - 1, 0) for x in a.shape]
                start = mx.array([0, min(1, a.shape[2] - n[2])]).astype(kind)
                yield case("dynamic", "slice_dynamic", (a, start, [0, -1], n),
                           lambda a=a, s=start, n=n: mx.slice(mlx(a), s, (0, -1), n))
                update = sample(n[1:], dtype, 8)
                if 0 not in n:
                    yield case("dynamic", "slice_update_dynamic", (a, update, start, [0, -1]),
                               lambda a=a, u=update, s=start: mx.slice_update(
                                   mx.array(mlx(a)), u, s, (0, -1)))
    a = sample((3, 4), mx.float32, 3)
    for start, axes, size in (
            ([1, 1], [0, 1], [2, 2]), ([1.0], [1], [2, 2]), ([1], [1], [2, 5]), ([1], [1, 1], [2, 2]),
            ([1, 2], [1, 1], [2, 2]), ([[1]], [1], [2, 2]), ([1], [5], [2, 2]), ([1], [1], [2]),
            (1, [0], [2, 2]), ([True], [1], [2, 2]), ([2], [0], [1, 0])):
        start = mx.array(start)
        yield case("dynamic", "slice_dynamic", (a, start, axes, size),
                   lambda s=start, x=axes, n=size: mx.slice(a, s, x, n))
    for shape, axes, start in (
            ((1, 2), [1], [1]), ((1, 2), [0], [1]), ((2, 1), [1], [1]), ((2, 1), [0], [1]),
            ((1,), [0], [2]), ((4,), [0], [2]), ((5,), [0], [2]), ((5, 1), [0], [0]), ((), [0], [1]),
            ((3, 5), [1], [0]), ((0, 2), [0], [0]), ((1, 1), [0, 1], [1, 1]), ((2,), [1], [2])):
        u, start = sample(shape, mx.int32, 5), mx.array(start)
        yield case("dynamic", "slice_update_dynamic", (a, u, start, axes),
                   lambda u=u, s=start, x=axes: mx.slice_update(a, u, s, x))


def windows():
    for n in (-3, 0, 1, 2, 3, 4, 5, 17, 64, 127):
        for name in ("bartlett", "blackman", "hamming", "hanning"):
            yield case("windows", name, (n,), lambda n=n, f=getattr(mx, name): f(n))


def numbers():
    for dtype in DTYPES:
        for a in views_of(dtype):
            for name in ("degrees", "radians"):
                yield case("numbers", name, (a,), lambda a=a, f=getattr(mx, name): f(mlx(a)))
        a = sample((7,), dtype, 2, special=dtype != mx.complex64)
        for nan, high, low in ((0.0, None, None), (1.5, 2.0, -3.0), (-1.0, None, 7.0),
                               (0.0, 1e6, -1e6)):
            yield case("numbers", "nan_to_num", (a, nan, high, low),
                       lambda a=a, n=nan, h=high, l=low: ends_kept(a, n, h, l))
    a = sample((2, 3, 4), mx.int8, 3)
    for axes, inverted, dtype in (([0, 2], False, mx.int32), ([1], True, mx.float32), ([], False, mx.int8),
                                  ([-1, 1], True, mx.float16), ([0, 0], False, mx.float64)):
        count = math.prod(a.shape[x] for x in axes)
        yield case("numbers", "number_of_elements", (a, axes, inverted, dtype),
                   lambda c=1 / count if inverted else count, d=dtype: cast(mx.array(c), d))
    yield case("numbers", "number_of_elements", (a, [3], False, mx.int32), lambda: mx.sum(a, 3))


def ends_kept(a, nan, high, low):
    """MLX leaves the infinities of float16: its ends are 0 there, or infinite."""
    if a.dtype == mx.float16:
        high, low = 65504.0 if high is None else high, -65504.0 if low is None else low
    r = mx.nan_to_num(a, nan, high, low)
    if a.dtype != mx.float16:
        return r
    values = np.array(a, np.float32)
    wide = np.where(np.isposinf(values), high, np.where(np.isneginf(values), low, values))
    return mx.array(np.where(np.isnan(values), nan, wide).astype(np.float32)).astype(mx.float16)


LAYOUTS = (layouts, refusals, reinterpreted, strided, joint, partitions, medians, dynamic, windows,
           numbers)
