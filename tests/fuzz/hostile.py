"""Draws calls whose values are at or over the edge (rule E6), with what mlx/c/ops.h says about them,
computed in Python's own integers. MLX is not asked: it would end, hang, or read what is not its own.
"""

import mlx.core as mx
import numpy as np

import draw
from mlxside import to_plain
from plain import Array, Call, Refused

EDGES = [0, 1, 2, 3, 5, 31, 32, 33, 63, 64, 127, 1 << 31, 1 << 62]
FAR = [-(1 << 31), (1 << 31) - 1, -7, 7, -1, 0, 1, 1000]


def integers(d, shape, dtype):
    """Elements of the type, the extremes of all types among them."""
    info = mx.iinfo(dtype)
    near = [info.min, info.min + 1, info.max, info.max - 1] + EDGES + [-x for x in EDGES]
    fit = [x for x in near if info.min <= x <= info.max]
    return mx.array(d.rng.choice(np.array(fit, draw.to_numpy(dtype)), shape))


def wrapped(value, dtype):
    info = mx.iinfo(dtype)
    return (value - info.min) % (info.max - info.min + 1) + info.min


def remainder(a, b):
    return a % b if b else 0


def power(a, b):
    if b < 0:
        return {1: 1, -1: -1 if b % 2 else 1}.get(a, 0)
    return pow(a, b, 1 << 64)


def shifts(dtype):
    """By less than 0, or by all bits or more: what is left of them, for a sign that is all ones."""
    inside = lambda b: 0 <= b < 8 * dtype.size
    return [("left_shift", lambda a, b: a << b if inside(b) else 0),
            ("right_shift", lambda a, b: a >> b if inside(b) else -(a < 0))]


def elementwise(d):
    dtype, shape = d.one(draw.INTEGERS), d.shape(empty=0)
    a, b = integers(d, shape, dtype), integers(d, shape, dtype)
    name, f = d.one([("remainder", remainder), ("power", power), *shifts(dtype)])
    pairs = zip(*(np.array(v).ravel().tolist() for v in (a, b)))
    want = [wrapped(f(x, y), dtype) for x, y in pairs]
    return name, [a, b], np.array(want, draw.to_numpy(dtype)).reshape(shape)


def nearest(at, n):
    """An index as it is read: from the end if negative, then held inside."""
    at = np.where(at < 0, at + n, at)
    return np.array(np.clip(at, 0, n - 1), np.int64)


def positions(at):
    """Indices as Python's integers, which hold those of all types."""
    return np.array(at).astype(object)


def taken(d):
    dtype, shape = d.one([mx.int32, mx.float32, mx.uint8]), d.shape(d.one([1, 2, 3]), empty=0)
    a, axis = d.values(shape, dtype, "small"), d.between(0, len(shape) - 1)
    values, n = np.array(a), shape[axis]
    if d.chance(0.3):
        at = integers(d, d.shape(d.one([0, 1, 2])), d.one(draw.INTEGERS))
        return "take_axis", [a, at, axis], np.take(values, nearest(positions(at), n), axis)
    if d.chance(0.5):
        return gathered(d, a, axis)
    to = list(shape)
    to[axis] = d.between(0, 6)
    at = integers(d, tuple(to), d.one(draw.INTEGERS))
    want = np.take_along_axis(values, nearest(positions(at), n), axis)
    return "take_along_axis", [a, at, axis], want


def gathered(d, a, axis):
    """Slices that begin anywhere: the nearest that lie inside."""
    values, n = np.array(a), a.shape[axis]
    sizes = [d.between(0, m) if x == axis or d.chance(0.3) else m for x, m in enumerate(a.shape)]
    at = integers(d, d.shape(d.one([0, 1, 2])), d.one(draw.INTEGERS))
    where = positions(at).ravel()
    starts = np.clip(np.where(where < 0, where + n, where), 0, n - sizes[axis]).tolist()
    want = np.zeros((len(starts), *sizes), values.dtype)
    for k, start in enumerate(starts):
        first = [int(start) if x == axis else 0 for x in range(a.ndim)]
        want[k] = values[tuple(slice(f, f + m) for f, m in zip(first, sizes))]
    return "gather_single", [a, at, axis, sizes], want.reshape(at.shape + tuple(sizes))


JOINS = {"": lambda a, u: u, "_add": np.add, "_max": np.maximum, "_min": np.minimum,
         "_prod": np.multiply}


def scattered(d):
    """Slices of several rows, some of which do not lie inside."""
    n, m, way = d.between(1, 9), d.between(1, 5), d.one(list(JOINS))
    a, rows = d.values((n, m), mx.int32, "small"), d.between(1, min(n, 2))
    at = integers(d, (d.between(0, 9),), d.one(draw.INTEGERS))
    updates = d.values((at.size, rows, m), mx.int32, "small")
    want = np.array(a)
    for i, u in zip(positions(at).tolist(), np.array(updates)):
        i += n if i < 0 else 0
        if 0 <= i <= n - rows:
            want[i:i + rows] = JOINS[way](want[i:i + rows], u)
    return f"scatter{way}_single", [a, at, updates, 0], want


def sliced(d):
    shape = d.shape(d.one([1, 2, 3]))
    start, stop = ([d.one(FAR) for _ in shape] for _ in range(2))
    step = [d.one([x for x in FAR if x]) for _ in shape]
    a = d.values(shape, mx.int32, "small")
    # Python lets a negative stop reach the front only by its distance from the end, as here.
    want = np.array(a)[tuple(slice(*w) for w in zip(start, stop, step))]
    return "slice", [a, start, stop, step], want


def misplaced(d):
    """Numbers that are no axes, extents or counts: a refusal, or the rare right one's result."""
    a, far = d.values(d.shape(2, empty=0), mx.float32, "small"), lambda: d.one(FAR[:4] + [1 << 30])
    name, args = d.one([
        ("sum_axis", [a, far(), True]), ("sort_axis", [a, far()]), ("cumsum", [a, far(), True, True]),
        ("swapaxes", [a, far(), far()]), ("expand_dims", [a, far()]), ("squeeze_axis", [a, far()]),
        ("take_axis", [a, mx.array([0]), far()]), ("softmax_axis", [a, far(), True]),
        ("transpose_axes", [a, [far(), far()]]), ("reshape", [a, [-3, far()]]),
        ("broadcast_to", [a, [-7, far(), 5]]), ("split", [a, -far() or -1, far()]),
        ("topk_axis", [a, far(), far()]), ("zeros", [[-1, far()], mx.int8]),
        ("zeros", [[1 << 30, 1 << 30, 1 << 30], mx.int8]), ("concatenate_axis", [[a, a], far()]),
        ("argmax_axis", [a, far(), False]), ("logsumexp_axes", [a, [0, far()], True]),
        ("moveaxis", [a, far(), 0]), ("unflatten", [a, 0, [far(), -3]]), ("diagonal", [a, 0, 0, far()]),
        ("repeat_axis", [a, -5, 0]), ("repeat", [a, -1]), ("tile", [a, [FAR[1], FAR[1], FAR[1]]]),
        ("tile", [a, [-1]]), ("pad", [a, [0], [FAR[1]], [FAR[1]], mx.array(1), "constant"]),
        ("pad", [a, [far()], [1], [1], mx.array(1), "edge"]), ("median", [a, [far()], True]),
        ("partition_axis", [a, FAR[0], 0]), ("argpartition", [a, FAR[1]]), ("kron", [a, a[:0]]),
        ("tensordot_axis", [a, a, far()]), ("tensordot", [a, a, [far()], [0]]),
        ("number_of_elements", [a, [far()], False, mx.int32]), ("diag", [a[None], far()]),
        ("random_permutation", [a, far(), mx.random.key(1)]),
        ("random_categorical", [a, far(), mx.random.key(1)]),
        ("random_categorical_num_samples", [a, 0, -2, mx.random.key(1)]),
        ("random_split_num", [mx.random.key(1), -5]), ("eye", [-2, 3, far(), mx.int8])])
    return name, args, None


def put(d):
    """Along one axis; what is out of range is dropped, of two for one element the last stays."""
    n, m, k = d.between(1, 9), d.between(1, 4), d.between(0, 5)
    a, at = d.values((n, m), mx.int32, "small"), integers(d, (k, m), d.one(draw.INTEGERS))
    u, add = d.values((k, m), mx.int32, "small"), d.chance(0.5)
    want, values = np.array(a), np.array(u)
    for (i, j), place in np.ndenumerate(positions(at)):
        place += n if place < 0 else 0
        if 0 <= place < n:
            want[place, j] = values[i, j] + (want[place, j] if add else 0)
    return "scatter_add_axis" if add else "put_along_axis", [a, at, u, 0], want


def moved(d):
    """Parts that begin anywhere are held inside; shifts of any size."""
    shape = d.shape(d.one([1, 2]), empty=0)
    a, axis = d.values(shape, mx.int32, "small"), d.between(0, len(shape) - 1)
    values = np.array(a)
    if d.chance(0.3):
        shift = [d.one(FAR) for _ in range(d.between(0, 3))]
        return "roll_axis", [a, shift, axis], np.roll(values, sum(shift) % shape[axis], axis)
    sizes = [d.between(1, m) if x == axis else m for x, m in enumerate(shape)]
    start = integers(d, (1,), d.one(draw.INTEGERS))
    first = min(max(positions(start)[0], 0), shape[axis] - sizes[axis])
    where = tuple(slice(first, first + m) if x == axis else slice(None) for x, m in enumerate(sizes))
    if d.chance(0.5):
        return "slice_dynamic", [a, start, [axis], sizes], values[where]
    u = d.values(tuple(sizes), mx.int32, "small")
    values[where] = np.array(u)
    return "slice_update_dynamic", [a, u, start, [axis]], values


def strided(d):
    """A view that leaves the array is refused, however it does."""
    a = d.values((d.between(0, 12),), mx.int32, "small")
    n = d.between(0, 3)
    shape = [d.one([0, 1, 2, 3, 3, 1000, (1 << 31) - 1]) for _ in range(n)]
    strides = [d.one([0, 1, 2, -1, 3, 7, 1 << 31, 1 << 62, -(1 << 63), (1 << 63) - 1]) for _ in range(n)]
    offset = d.one([0, 1, 2, 5, 11, 12, 1 << 31, (1 << 63) - 1, 1 << 63])
    args = [a, shape, strides, offset]
    if np.prod(np.array(shape, object)) > 100000:
        return "as_strided", [a, [-1], [1], 0], None
    if 0 in shape:
        return "as_strided", args, np.zeros(shape, np.int32)
    places = np.full((), offset, object)
    for m, by in zip(shape, strides):
        places = places[..., None] + np.arange(m).astype(object) * by
    places = np.asarray(places, object)
    if not all(0 <= p < a.size for p in places.ravel()):
        return "as_strided", args, None
    return "as_strided", args, np.array(a)[places.astype(np.int64)]


def thin(d):
    """Of no elements, however long an axis is: no memory."""
    n, name = d.one([0, 5, 1 << 30, (1 << 31) - 1]), d.one(["eye", "tri", "tril", "triu"])
    shape, k = d.one([[n, 0], [0, n]]), d.one(FAR)
    want = np.zeros(shape, np.int32)
    if name in ("eye", "tri"):
        return name, [*shape, k, mx.int32], want
    return name, [Call("mlx_zeros", [shape, mx.int32]), k], want


BROKEN = ["ij->", "i,j->ij,", "i.j->ij", "i..j", "....i->i", "...i...->i", "ij->ii", "ij->k", "i-j",
          "->i", "i->j->k", "1i", "i\u00e9", "ij,jk->ik", "ii,ii,ii", "i" * 400, "," * 300, "...,...",
          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJK", "-", ">", "...->", "ij...->...ji", " ", "i" * 33]


def subscripts(d):
    """Words that are no subscripts, or not those of the operands: whatever comes, it comes back."""
    text = d.one(BROKEN)
    if d.chance(0.5):
        at = d.between(0, len(text))
        text = text[:at] + d.one(list("ij,.->A \t-[")) + text[at + d.between(0, 1):]
    count = text.split("->")[0].count(",") + d.between(0, 1)
    if text.replace(" ", "").split("->")[0].endswith(","):
        count = max(count, 1)
    arrays = [d.values((2, 3, 4), mx.float32, "small") for _ in range(min(count, 3))]
    return "einsum", [text + "!", arrays], None


FAMILIES = [elementwise, elementwise, taken, scattered, sliced, misplaced, put, moved, strided,
            subscripts, thin]


def call(seed, number):
    """The call, and its results as check.compare takes them."""
    name, args, want = draw.one_of(FAMILIES, seed, number)
    if want is None:
        return Call("mlx_" + name, args), Refused()
    want = np.array(want, order="C")
    dtype = to_plain(mx.array(want)).dtype
    return Call("mlx_" + name, args), [[Array(dtype, want), None]]
