"""The cases of operations along an axis and by index. Left out, because MLX differs and Weir keeps to
its contract (see values.py too):

- Running products that leave float32 on the way: Weir joins in float64.
- Running maxima and minima of complex numbers with a NaN part, which MLX passes over.
"""

import mlx.core as mx
import numpy as np

import right
from mlxside import DTYPES, View
from table import FLOATS, SHAPES, sample

SCANS = "cummax cummin cumprod cumsum logcumsumexp".split()
WAYS = [(False, True), (True, True), (False, False), (True, False)]
NAN, INF = float("nan"), float("inf")
SCAN_LINES = [[1, NAN, 3], [NAN, 2], [3, 2, NAN, 5, 1], [INF, 1, 2], [-INF, -INF, 1], [INF, INF, -1],
              [0.0, -0.0, 2], [-INF, 2, INF, 3]]


def scan(name, a, axis, way):
    reverse, inclusive = way
    return ("scans", "mlx_" + name, (a, axis, reverse, inclusive),
            lambda: right.scanned(getattr(mx, name))(a.mlx() if isinstance(a, View) else a, axis=axis,
                                                     reverse=reverse, inclusive=inclusive))


def scans():
    for name in SCANS:
        for dtype in DTYPES:
            for i, shape in enumerate(SHAPES + [(2, 17, 3)]):
                for axis in (0, -1, 1, 3, -4):
                    yield scan(name, sample(shape, dtype, 20), axis, WAYS[(i + axis) % 4])
            base = sample((5, 4, 6), dtype, 9)
            v = View(base, (4, 1, 0), (0, 4, 6), (-2, 1, 3), (2, 0, 1))
            for way in WAYS:
                yield scan(name, sample((13,), dtype, 21), 0, way)
                for axis in range(3):
                    yield scan(name, v, axis, way)
        for dtype in FLOATS + (mx.float64,):
            for line in SCAN_LINES:
                a = mx.array(line).astype(dtype, stream=mx.cpu)
                for way in WAYS:
                    yield scan(name, a, 0, way)
        for dtype in DTYPES[1:9]:
            info = mx.iinfo(dtype)
            a = mx.array(np.array([info.max, 3, info.min, info.max, info.max - 1, 2],
                                  str(dtype).removeprefix("mlx.core.")))
            for way in WAYS:
                yield scan(name, a, 0, way)


WAYS_TO_WRITE = list(right.WRITES)
INDEX_TYPES = [mx.int32, mx.uint8, mx.int64, mx.uint32, mx.int8, mx.uint64, mx.int16, mx.uint16]

# Of a: its shape, the index arrays, their axes, the slices' sizes.
PLACES = [((5,), [[0, -1, 2]], [0], [1]), ((5,), [[0, 3, 1]], [0], [2]), ((5,), [3], [0], [1]),
          ((3, 4), [[0, 2, 2, -1]], [0], [1, 4]), ((3, 4), [[[0, 1], [2, 0]]], [1], [3, 1]),
          ((3, 4), [[0, 1], [3, -2]], [0, 1], [1, 1]), ((3, 4), [[1, 0], [0, 2]], [1, 0], [1, 2]),
          ((3, 4), [[[0], [1]], [3, 2, 0]], [0, 1], [1, 1]), ((3, 4), [1, [0, 2]], [0, 1], [2, 2]),
          ((3, 4), [], [], [2, 3]), ((2, 5, 7), [[1, 0, 1]], [2], [2, 3, 4]),
          ((2, 5, 7), [[4, 1], [0, -2]], [1, 2], [2, 1, 2]), ((3, 4), [[]], [0], [1, 4]),
          ((3, 4), [[0, 1]], [0], [0, 4]), ((13, 17), [[11, 0, 7, 7, 5]], [0], [2, 17])]


def indices(lists, types):
    return [mx.array(np.array(i)).astype(t) for i, t in zip(lists, types)]


def at_places():
    """gather, and scatter in each of its ways, one element in several slices too."""
    for n, dtype in enumerate(DTYPES):
        for k, (shape, lists, axes, sizes) in enumerate(PLACES):
            a = sample(shape, dtype, 30 + k)
            negative = any(np.min(np.array(i), initial=0) < 0 for i in lists)
            first = INDEX_TYPES[0 if negative else (n + k) % 8]
            at = indices(lists, [first, mx.int32 if first != mx.uint64 else mx.uint8])
            yield ("at_places", "mlx_gather", (a, at, axes, sizes),
                   lambda a=a, at=at, x=axes, s=sizes: right.gather(a, at, x, s))
            lead = np.broadcast_shapes(*(i.shape for i in at)) if at else ()
            for way in WAYS_TO_WRITE:
                u = sample(lead + tuple(sizes), DTYPES[(n + k) % 14] if k % 3 == 0 else dtype, 60 + k)
                if u.dtype == mx.complex64:
                    u = sample(u.shape, dtype, 60 + k)
                args = (a, at, u, axes)
                yield ("at_places", "mlx_scatter" + way, args,
                       lambda a=args, w=way: right.scatter(w, *a))
                if len(at) == 1:
                    yield ("at_places", f"mlx_scatter{way}_single", (a, at[0], u, axes[0]),
                           lambda a=args, w=way: right.scatter(w, *a))
            if len(at) == 1:
                yield ("at_places", "mlx_gather_single", (a, at[0], axes[0], sizes),
                       lambda a=a, at=at, x=axes, s=sizes: right.gather(a, at, x, s))


def views_at_places():
    """Strided, reversed and offset views as the array, as the updates and as the indices."""
    rows = View(mx.array([[0, 1, 2, 0], [1, 0, 1, 0], [1, 1, 0, 2]]), (2, 0), (0, 4), (-1, 2), (1, 0))
    for dtype in DTYPES:
        base = sample((5, 4, 6), dtype, 9)
        v = View(base, (4, 1, 0), (0, 4, 6), (-2, 1, 3), (2, 0, 1))  # (2, 2, 3)
        u = View(sample((4, 6, 2, 1, 3), dtype, 10), (3, 0, 0, 0, 2), (1, 6, 2, 1, -4),
                 (-1, 3, 1, 1, -1), (1, 0, 3, 2, 4))  # (2, 2, 1, 2, 3)
        yield ("views_at_places", "mlx_gather_single", (v, rows, 2, [2, 1, 1]),
               lambda v=v: right.gather(v.mlx(), [rows.mlx()], [2], [2, 1, 1]))
        for axis in range(3):
            yield ("views_at_places", "mlx_take_axis", (v, rows, axis),
                   lambda v=v, x=axis: mx.take(v.mlx(), rows.mlx(), x))
        for way in WAYS_TO_WRITE:
            yield ("views_at_places", f"mlx_scatter{way}_single", (v, rows, u, 0),
                   lambda v=v, u=u, w=way: right.scatter(w, v.mlx(), [rows.mlx()], u.mlx(), [0]))


# Start, stop and step of each axis of (5, 6), and the part's shape.
PARTS = [([0, 0], [5, 6], [1, 1], (5, 6)), ([1, 2], [4, 6], [2, 3], (2, 2)),
         ([4, -1], [-9, 1], [-2, -1], (3, 4)), ([2, 3], [2, 5], [1, 1], (0, 2)),
         ([-3, 5], [9, -9], [1, -5], (3, 2)), ([3, 0], [4, 6], [1, 1], (1, 6))]


def parts():
    """slice_update in each of its ways, by updates that are dense, broadcast, or views."""
    for n, dtype in enumerate(DTYPES):
        a = sample((5, 6), dtype, 80)
        view = View(sample((6, 5), dtype, 81), (0, 0), (6, 5), (1, 1), (1, 0))
        for k, (start, stop, step, shape) in enumerate(PARTS):
            where = tuple(slice(*w) for w in zip(start, stop, step))
            other = DTYPES[(n + k) % 13]
            turned = View(sample(shape[::-1], dtype, 84), (-1, 0), (-9, 9), (-1, 1), (1, 0))
            for way in WAYS_TO_WRITE:
                for u in (sample(shape, dtype, 82), sample((), other, 83), sample(shape[1:], dtype, 82),
                          sample((shape[0], 1), other, 85), turned):
                    args = (start, stop, step)
                    plain = lambda x: x.mlx() if isinstance(x, View) else x
                    yield ("parts", "mlx_slice_update" + way, (a, u, *args),
                           lambda a=a, u=u, w=way, p=where, f=plain: right.written(w, a, p, f(u)))
                    if (n + k) % 3:
                        continue
                    yield ("parts", "mlx_slice_update" + way, (view, u, *args),
                           lambda a=view, u=u, w=way, p=where, f=plain: right.written(
                               w, f(a), p, f(u)))
    for way in WAYS_TO_WRITE:
        for dtype in DTYPES:
            a, u = sample((), dtype, 86), sample((), dtype, 87)
            yield ("parts", "mlx_slice_update" + way, (a, u, [], [], []),
                   lambda a=a, u=u, w=way: right.written(w, a.reshape(1), slice(0, 1), u).reshape(()))


def special_writes():
    """NaN and infinities, the ends of integers, many updates of few elements."""
    for dtype in FLOATS + (mx.float64,):
        a = mx.array([1.0, NAN, INF, -INF, 0.0, -0.0]).astype(dtype, stream=mx.cpu)
        u = mx.array([NAN, 2.0, -INF, INF, -0.0, 0.0, 5.0, NAN]).astype(dtype, stream=mx.cpu)
        at = mx.array([0, 1, 2, 3, 4, 5, 0, 4])
        for way in WAYS_TO_WRITE:
            # The largest and smallest of a NaN and what comes after it are numbers in MLX.
            n, x = (6, mx.where(mx.isnan(a), 0, a)) if way in ("_max", "_min") else (8, a)
            args = (x, at[:n], u[:n].reshape(n, 1), 0)
            yield ("special_writes", f"mlx_scatter{way}_single", args,
                   lambda a=args, w=way: right.scatter(w, a[0], [a[1]], a[2], [0]))
            yield ("special_writes", "mlx_slice_update" + way, (a, u[:6], [5], [-7], [-1]),
                   lambda a=a, u=u, w=way: right.written(w, a, slice(None, None, -1), u[:6]))
    for dtype in DTYPES[:9] + [mx.float32]:
        a = sample((3, 2), dtype, 88)
        u, at = sample((97, 1, 2), dtype, 89), mx.array(np.arange(97) * 7 % 3)
        for way in WAYS_TO_WRITE:
            if way == "_prod" and dtype == mx.float32:
                continue  # leaves the type
            yield ("special_writes", f"mlx_scatter{way}_single", (a, at, u, 0),
                   lambda a=a, u=u, at=at, w=way: right.scatter(w, a, [at], u, [0]))


# Shapes of a, the mask and the source.
MASKED = [((2, 3), (2, 3), (4,)), ((2, 3), (2, 3), (6,)), ((2, 3), (2,), (2, 3)), ((2, 3), (2,), (2, 1)),
          ((2, 3), (2,), (5, 3)), ((2, 3), (2,), ()), ((2, 3), (2,), (3,)), ((2, 3), (2,), (2,)),
          ((2, 3), (2, 3), (1, 3)), ((2, 3), (3,), ()), ((2, 3), (), ()), ((2, 3), (), (3,)),
          ((2, 3), (), (1, 2, 3)), ((0, 3), (0,), ()), ((), (), ()), ((13, 2, 5), (13, 2), (26, 5)),
          ((2, 3), (2, 3, 1), (6,)), ((101,), (101,), (101,)), ((4, 0), (4,), (4, 0))]


def masked():
    for n, dtype in enumerate(DTYPES):
        for k, (shape, mask, source) in enumerate(MASKED):
            a, m = sample(shape, dtype, 90 + k), sample(mask, mx.bool_, 91 + k)
            src = sample(source, DTYPES[(n + k) % 13] if k % 3 == 0 else dtype, 92 + k)
            if dtype == mx.complex64 or src.dtype != mx.complex64:
                yield ("masked", "mlx_masked_scatter", (a, m, src),
                       lambda a=a, m=m, s=src: right.masked_scatter(a, m, s))
        base = sample((5, 4, 6), dtype, 9)
        v = View(base, (4, 1, 0), (0, 4, 6), (-2, 1, 3), (2, 0, 1))
        m = View(sample((4, 2), mx.bool_, 12), (0, 1), (4, -3), (2, -1), (1, 0))
        src = View(sample((3, 6), dtype, 13), (2, 5), (-4, -7), (-1, -1), (1, 0))
        yield ("masked", "mlx_masked_scatter", (v, m, src),
               lambda v=v, m=m, s=src: right.masked_scatter(v.mlx(), m.mlx(), s.mlx()))
    flags = sample((2, 3), mx.float32, 3)
    yield "refusals", "mlx_masked_scatter", (flags, mx.array([1, 0]), mx.array(1.0)), refuse
    yield ("refusals", "mlx_masked_scatter",
           (flags, mx.array([True, False]), mx.zeros((0, 3))), refuse)


def aliases():
    for dtype in DTYPES:
        for shape in SHAPES:
            a, b = sample(shape, dtype, 95), sample((3,), mx.int32, 96)
            yield "aliases", "mlx_stop_gradient", (a,), lambda a=a: mx.stop_gradient(a)
            yield "aliases", "mlx_depends", ([a, b], [b, a]), lambda a=a, b=b: mx.depends([a, b], [b, a])
        v = View(sample((5, 4, 6), dtype, 9), (4, 1, 0), (0, 4, 6), (-2, 1, 3), (2, 0, 1))
        yield "aliases", "mlx_stop_gradient", (v,), lambda v=v: mx.stop_gradient(v.mlx())
        yield "aliases", "mlx_depends", ([v], [v]), lambda v=v: mx.depends([v.mlx()], [v.mlx()])


def fp8():
    """Every float of 8 and of 16 bits, and float32 around the middles between two of 8."""
    every, all_bytes = np.arange(1 << 16, dtype=np.uint16), mx.array(np.arange(256, dtype=np.uint8))
    for dtype in (mx.float16, mx.bfloat16):
        for part in np.split(every, 16):
            a = mx.array(part).view(dtype)
            yield "fp8", "mlx_to_fp8", (a,), lambda a=a: right.to_fp8(a)
    values = np.unique(np.array(mx.from_fp8(all_bytes, mx.float32)))
    values = values[np.isfinite(values)]
    middles = ((values[1:] + values[:-1]) / 2).astype(np.float32)
    near = np.concatenate([np.nextafter(middles, np.float32(x)) for x in (-np.inf, np.inf)] + [middles, values])
    edges = np.array([464, 479, 480, 1e9, 3e38, INF, NAN, -INF, -1e-45, 1e-45, -0.0], np.float32)
    for a in (near.astype(np.float32), edges, -edges[:6]):
        yield "fp8", "mlx_to_fp8", (mx.array(a),), lambda a=mx.array(a): mx.to_fp8(a)
        yield ("fp8", "mlx_to_fp8", (right.doubles(a),), lambda a=mx.array(a): mx.to_fp8(a))
    for dtype in FLOATS:
        yield "fp8", "mlx_from_fp8", (all_bytes, dtype), lambda d=dtype: mx.from_fp8(all_bytes, d)
    yield ("fp8", "mlx_from_fp8", (all_bytes, mx.float64),
           lambda: right.cast(mx.from_fp8(all_bytes, mx.float32), mx.float64))
    for shape in SHAPES:
        a, b = sample(shape, mx.float32, 97), sample(shape, mx.uint8, 98)
        yield "fp8", "mlx_to_fp8", (a,), lambda a=a: mx.to_fp8(a)
        yield "fp8", "mlx_from_fp8", (b, mx.float16), lambda b=b: mx.from_fp8(b, mx.float16)
    v = View(sample((5, 4, 6), mx.float32, 9), (4, 1, 0), (0, 4, 6), (-2, 1, 3), (2, 0, 1))
    yield "fp8", "mlx_to_fp8", (v,), lambda: mx.to_fp8(v.mlx())
    for dtype in DTYPES:
        if dtype not in FLOATS + (mx.float64,):
            yield "refusals", "mlx_to_fp8", (sample((3,), dtype),), refuse
            yield "refusals", "mlx_from_fp8", (all_bytes, dtype), refuse
        if dtype != mx.uint8:
            yield "refusals", "mlx_from_fp8", (sample((3,), dtype), mx.float32), refuse


def hadamard():
    extents = [1, 2, 4, 8, 64, 256, 12, 24, 96, 20, 40, 160, 28, 56, 112]
    for k, n in enumerate(extents):
        for dtype in DTYPES:
            if dtype not in FLOATS and (n + k) % 3:
                continue
            a = sample((2, n), dtype, 99 + k)
            if dtype in (mx.float64, mx.complex64):
                continue
            for scale in (None, 0.5):
                yield ("hadamard", "mlx_hadamard_transform", (a, scale),
                       lambda a=a, s=scale: right.hadamard(a, s))
        x = sample((3, n), mx.float32, k)
        yield ("hadamard", "mlx_hadamard_transform", (right.doubles(x), 1.0),
               lambda x=x: right.cast(mx.hadamard_transform(x, 1.0), mx.float64))
    v = View(sample((5, 16, 3), mx.float32, 9), (4, 15, 0), (0, -17, 3), (-2, -2, 1), (2, 0, 1))
    for a in (v, sample((), mx.float32), sample((2, 3, 4), mx.int8), sample((5,), mx.float32),
              sample((2, 0), mx.float32), sample((0, 8), mx.float32)):
        yield ("hadamard", "mlx_hadamard_transform", (a, None),
               lambda a=a: right.hadamard(a.mlx() if isinstance(a, View) else a, None))
    yield "refusals", "mlx_hadamard_transform", (sample((2, 36), mx.float32), None), refuse


def refuse():
    raise ValueError


def refusals():
    """What MLX refuses, by its messages; its Python does not come to most of them."""
    a, i, u = sample((3, 4), mx.float32), mx.array([0, 1]), sample((2, 1, 4), mx.float32)
    f, flags = mx.array([0.0, 1.0]), mx.array([True, False])
    mixed = [mx.array([0, 1]).astype(t) for t in (mx.int32, mx.uint64)]
    for args in (([i, i, i], [0, 1, 0], [1, 1]), ([i, i], [1, 1], [1, 1]), ([i], [-1], [1, 1]),
                 ([i], [2], [1, 1]), ([i], [0, 1], [1, 1]), ([f], [0], [1, 1]), ([flags], [0], [1, 1]),
                 ([i], [0], [1]), ([i], [0], [1, 1, 1]), ([i], [0], [1, 5]), ([i], [0], [-1, 4]),
                 (mixed, [0, 1], [1, 1]), ([i, mx.array([0, 1, 2])], [0, 1], [1, 1])):
        yield "refusals", "mlx_gather", (a, *args), refuse
    yield "refusals", "mlx_gather_single", (a[:0], i, 0, [0, 5]), refuse
    yield "refusals", "mlx_gather_single", (a[:0], i, 0, [1, 4]), refuse
    for way in WAYS_TO_WRITE:
        for args in (([i, i], u, [0, 0]), ([i], u, [-2]), ([i], u, [2]), ([i], u, [0, 1]),
                     ([f], u, [0]), ([flags], u, [0]), (mixed, u, [0, 1]), ([i], u[:, 0], [0]),
                     ([i], u[:1], [0]), ([i], sample((2, 1, 5), mx.float32), [0]),
                     ([i, mx.array([0, 1, 2])], u, [0, 1])):
            yield "refusals", "mlx_scatter" + way, (a, *args), refuse
        for update, *where in ((u, [0, 0], [3, 4], [1, 1]), (a, [0], [3], [1]),
                               (a, [0, 0], [3, 4], [1]), (a, [0, 0], [2, 4], [1, 1])):
            yield "refusals", "mlx_slice_update" + way, (a, update, *where), refuse


ARRAYS = (scans, at_places, views_at_places, parts, special_writes, masked, aliases, fp8, hadamard, refusals)
