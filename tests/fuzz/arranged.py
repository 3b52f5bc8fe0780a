"""Draws calls of layouts, tiling, dynamic parts, products over axes, distributions; and einsum, whose
results are NumPy's, in float64.

What MLX never comes back from is not drawn: sums of nothing, edges of empty axes, starts outside.
"""

import mlx.core as mx
import numpy as np

from mlxside import to_plain
from plain import Array, Call

FLOATS = [mx.float16, mx.float32, mx.bfloat16]


def layout(d):
    shape = d.shape(empty=0.04)
    n = len(shape)
    a = d.array(shape, d.dtype())
    name = d.one("moveaxis unflatten atleast_1d atleast_2d atleast_3d diag diagonal view".split())
    if name == "moveaxis":
        return name, [a, d.axis(n), d.axis(n)]
    if name == "unflatten":
        axis = d.axis(n)
        extent = shape[axis] if -n <= axis < n else 1
        by = d.one([x for x in (1, 2, 3, 5, 7) if extent % x == 0] or [1])
        to = d.one([[by, extent // by], [-1, by], [by, 1, -1], [extent]])
        # With a 0 beside it MLX divides by it.
        return name, [a, axis, to if extent or -1 not in to else [extent, 1]]
    if name == "diag":
        return name, [a, d.between(-9, 9)]
    if name == "diagonal":
        return name, [a, d.between(-9, 9), d.axis(n), d.axis(n)]
    if name == "view":
        return name, [a, d.one([t for t in (mx.uint8, mx.int16, mx.uint32, mx.uint64)])]
    return name, [a]


def strided(d):
    a = d.dense(d.shape(empty=0), d.dtype())  # of some views MLX refuses to make one
    shape, strides, low, high = [], [], 0, 0
    for _ in range(d.between(0, 3)):
        shape.append(d.between(1, 4))
        strides.append(d.between(-3, 5))
        way = (shape[-1] - 1) * strides[-1]
        low, high = low + min(way, 0), high + max(way, 0)
    if high - low >= a.size:
        shape, strides, low, high = [], [], 0, 0
    return "as_strided", [a, shape, strides, d.between(-low, a.size - 1 - high)]


def tile(d):
    shape = d.shape(d.one([0, 1, 2, 3]), empty=0)
    n = len(shape)
    dtype = d.dtype()
    a = d.array(shape, dtype)
    name = d.one("repeat repeat_axis tile roll roll_axis roll_axes pad pad_symmetric".split())
    if name == "repeat":
        return name, [a, d.between(1, 4)]
    if name == "repeat_axis":
        return name, [a, d.between(1, 4), d.axis(n)]
    if name == "tile":
        return name, [a, [d.between(1, 3) for _ in range(d.between(0, 4))]]
    shift = [d.between(-20, 20) for _ in range(d.between(1, 3))]
    if name == "roll":
        return name, [a, shift]
    if name == "roll_axis":
        return name, [a, shift, d.axis(n)]
    if name == "roll_axes":
        return name, [a, shift, d.axes(n)[: len(shift)]]
    value, mode = d.values((), dtype, "small"), d.one(["constant", "edge"])
    if name == "pad_symmetric":
        return name, [a, d.between(0, 3), value, mode]
    axes = d.axes(n, 0)
    low, high = ([d.between(0, 3) for _ in axes] for _ in range(2))
    return name, [a, axes, low, high, value, mode]


def joint(d):
    arrays = [d.array(d.shape(d.one([0, 1, 2])), d.dtype()) for _ in range(d.between(1, 3))]
    if d.chance(0.5):
        shape = d.shape()
        arrays = [d.array(d.beside(shape), d.dtype()) for _ in arrays]
        return "broadcast_arrays", [arrays]
    return "meshgrid", [arrays, d.chance(0.5), d.one(["xy", "ij"])]


def dynamic(d):
    shape = d.shape(d.one([1, 2, 3]), empty=0)
    dtype = d.dtype()
    sizes = [d.between(1, m) for m in shape]
    axes = [x for x in d.axes(len(shape), 0)]
    start = [d.between(0, shape[x] - sizes[x]) for x in axes]
    start = mx.array(np.array(start, np.int64)).astype(d.one([mx.int32, mx.uint8, mx.int64]))
    a = d.array(shape, dtype)
    if d.chance(0.5):
        return "slice_dynamic", [a, start, axes, sizes]
    return "slice_update_dynamic", [a, d.array(tuple(sizes), d.dtype(), "small"), start, axes]


def number(d):
    name = d.one("degrees radians median bartlett blackman hamming hanning".split())
    if name == "median":
        dtype = d.one([mx.float32, mx.float16, mx.int32, mx.uint8, mx.bool_])
        shape = d.shape(d.one([1, 2, 3]), empty=0)
        return name, [d.array(shape, dtype), d.axes(len(shape)), d.chance(0.5)]
    if name in ("degrees", "radians"):
        return name, [d.array(d.shape(), d.dtype(), "small")]
    return name, [d.between(-1, 70)]


def product(d):
    dtype, n = d.one(FLOATS + [mx.complex64]), d.one([1, 2, 3])
    shape = d.shape(n, empty=0)
    a = d.array(shape, dtype, "small")
    name = d.one("inner outer kron tensordot tensordot_axis".split())
    if name == "inner":
        last = shape[-1] if d.chance(0.95) else 6
        return name, [a, d.array(d.shape(d.one([0, 1, 2]))[:-1] + (last,), dtype, "small")]
    if name in ("outer", "kron"):
        return name, [a, d.array(d.shape(d.one([0, 1, 2]), empty=0), d.dtype(), "small")]
    k = d.between(0, n)
    if name == "tensordot_axis":
        return name, [a, d.array(shape[n - k:] + d.shape(1), dtype, "small"), k]
    axes = [int(x) for x in d.rng.permutation(n)[:k]]
    other = d.array(tuple(shape[x] for x in axes) + d.shape(1), dtype, "small")
    return name, [a, other, [x - n if d.chance(0.3) else x for x in axes], list(range(k))]


def chance(d):
    key, shape = mx.random.key(d.between(0, 1 << 40)), list(d.shape())
    name = d.one("""bernoulli categorical categorical_num_samples gumbel laplace permutation
        permutation_arange normal_broadcast truncated_normal""".split())
    dtype, full = d.one(FLOATS), d.shape(d.one([1, 2, 3]), empty=0)
    if name == "bernoulli":
        p = mx.array(d.rng.random(d.beside(tuple(shape), 0)).astype(np.float32))
        return "random_" + name, [p, shape, key]
    if name.startswith("categorical"):
        # Of a single distribution MLX 0.32.4 draws samples in another way than before (values.py).
        full = (2, 3) + full
        logits = d.array(full, d.one([mx.float32, mx.int32, mx.float16]), "small")
        rest = [d.between(0, 4)] if name.endswith("samples") else []
        return "random_" + name, [logits, d.axis(len(full)), *rest, key]
    if name == "permutation":
        return "random_" + name, [d.array(full, d.dtype()), d.axis(len(full)), key]
    return "random_" + name, {
        "gumbel": [shape, dtype, key], "permutation_arange": [d.between(0, 300), key],
        "laplace": [shape, dtype, d.one([0.0, -2.5]), d.one([1.0, 3.0]), key],
        "normal_broadcast": [shape, dtype, d.values(d.beside(tuple(shape), 0), mx.float32, "small"),
                             None, key],
        "truncated_normal": [mx.array(-1.0), mx.array(d.between(0, 3) + 0.5), shape, dtype, key],
    }[name]


FAMILIES = [layout, layout, strided, tile, tile, joint, dynamic, number, product, chance]


# Sums of products


def term(d, letters, extent, dots, least):
    """Subscripts and shape of one operand; an extent of 1 stands for any."""
    count = max(d.one([0, 1, 2, 2, 3, 3]), least)
    own = [letters[d.between(0, len(letters) - 1)] for _ in range(count)]
    shape = [1 if own.count(c) == 1 and d.chance(0.08) else extent[c] for c in own]
    if not dots or d.chance(0.3):
        return "".join(own), tuple(shape)
    at, n = d.between(0, len(own)), d.between(0, len(dots))
    wide = [1 if d.chance(0.2) else m for m in dots[len(dots) - n:]]
    return "".join(own[:at]) + "..." + "".join(own[at:]), tuple(shape[:at] + wide + shape[at:])


def einsum(d):
    """The call, and its result as check.compare takes it."""
    letters = [str(x) for x in d.rng.permutation(list("abcdxyzABZ"))[: d.between(2, 6)]]
    extent = {c: d.one([1, 2, 3, 4, 5]) for c in letters}
    dots = [d.between(1, 3) for _ in range(d.one([0, 0, 0, 1, 2]))]
    n = d.one([1, 2, 2, 3, 3, 4, 5])
    # An empty term at the end is none in MLX, nor here.
    terms = [term(d, letters, extent, dots, i == n - 1) for i in range(n)]
    subscripts = ",".join(t for t, _ in terms)
    dtype = d.one([mx.float32, mx.float32, mx.float64, mx.complex64])
    dense = [d.values(shape, dtype, "small") for _, shape in terms]
    if d.chance(0.7):
        there = sorted({c for c in subscripts if c.isalpha()})
        result = [str(c) for c in d.rng.permutation(there)[: d.between(0, len(there))]] if there else []
        if "..." in subscripts:
            result.insert(d.between(0, len(result)), "...")
        subscripts += "->" + "".join(result)
    wide = np.complex128 if dtype == mx.complex64 else np.float64
    want = np.einsum(subscripts, *[np.array(x).astype(wide) for x in dense])
    want = np.ascontiguousarray(want).reshape(want.shape).astype(np.array(dense[0]).dtype)
    return Call("mlx_einsum", [subscripts, dense]), [[Array(to_plain(dense[0]).dtype, want), None]]
