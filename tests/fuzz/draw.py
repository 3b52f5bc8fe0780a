"""Draws calls: a function of the C API and arguments for it. All comes from the generator that is
given, so a seed and a number repeat a call.

What MLX answers by a crash, by never returning or by reading what is not its own is not drawn: see
the heads of tests/parity/table.py and edges.py; hostile.py has those values for Weir alone.
"""

import mlx.core as mx
import numpy as np

import arranged
from mlxcalls import ARG, BINARY, REDUCE, SPREAD, UNARY
from mlxside import DTYPES
from plain import Call

FLOATS = [mx.float16, mx.float32, mx.bfloat16, mx.float64]
SIGNED = [mx.int8, mx.int16, mx.int32, mx.int64]
UNSIGNED = [mx.uint8, mx.uint16, mx.uint32, mx.uint64]
INTEGERS = SIGNED + UNSIGNED
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 1e-45, -1e-40, 1e-38, 3e38, -3e38, 1e10, 88.5, -103.0,
           65504.0, 65520.0, 6e-8, 2.0**31, -2.0**31, 2.0**63, np.inf, -np.inf, np.nan]


def tame(dtype):
    """Which values of a type have an order in MLX: not complex ones with a NaN part."""
    return "small" if dtype == mx.complex64 else None


class Draw:
    def __init__(self, seed, number):
        self.rng = np.random.default_rng([seed, number])

    def one(self, items):
        return items[int(self.rng.integers(len(items)))]

    def chance(self, p):
        return bool(self.rng.random() < p)

    def between(self, low, high):
        return int(self.rng.integers(low, high + 1))

    # Shapes

    def shape(self, ndim=None, empty=0.06):
        ndim = self.one([0, 1, 1, 2, 2, 3, 3, 4]) if ndim is None else ndim
        shape = [self.one([1, 1, 2, 3, 4, 5, 7]) for _ in range(ndim)]
        if ndim and self.chance(0.12):
            long = [17, 32, 33, 100, 1000] if ndim < 3 else [17]
            shape[self.between(0, ndim - 1)] = self.one(long)
        if ndim and self.chance(empty):
            shape[self.between(0, ndim - 1)] = 0
        return tuple(shape)

    def beside(self, shape, wrong=0.03):
        """A shape that broadcasts with another one, seldom not."""
        shape = [1 if self.chance(0.2) else n for n in shape]
        if shape and self.chance(wrong):
            shape[0] += 1
        return tuple(shape[self.between(0, len(shape)) if self.chance(0.3) else 0:])

    def axis(self, ndim, wrong=0.03):
        if ndim == 0 or self.chance(wrong):
            return self.between(-ndim - 2, ndim + 1)
        return self.between(-ndim, ndim - 1)

    def axes(self, ndim, wrong=0.03):
        some = [int(x) for x in self.rng.permutation(ndim)[: self.between(0, ndim)]]
        if self.chance(wrong):
            some.append(self.axis(ndim, 0.5))
        return [x - ndim if self.chance(0.3) else x for x in some]

    # Values

    def dtype(self):
        return self.one(DTYPES)

    def values(self, shape, dtype, how):
        if dtype == mx.bool_:
            return mx.array(self.rng.random(shape) < 0.5)
        if dtype == mx.complex64:
            parts = [self.values(shape, mx.float32, how) for _ in range(2)]
            z = np.empty(shape, np.complex64)
            z.real, z.imag = map(np.array, parts)
            if how == "unit":
                z = z.real * np.where(self.rng.random(shape) < 0.5, 1, 1j).astype(np.complex64)
            return mx.array(z)
        if how == "unit":
            return as_type(self.rng.choice([1.0, -1.0, 1.0078125], shape), dtype)
        if how == "small":
            low = 0 if dtype in UNSIGNED else -16
            quarters = self.rng.integers(low, 17, shape)
            return as_type(quarters if dtype in INTEGERS else quarters / 4, dtype)
        if dtype in INTEGERS:
            info = mx.iinfo(dtype)
            if how == "special":
                edges = [info.min, info.max, info.min + 1, info.max - 1, 0, 1, 2, 3]
                return as_type(self.rng.choice(np.array(edges, to_numpy(dtype)), shape), dtype)
            any_ = self.rng.integers(info.min, info.max, shape, to_numpy(dtype), endpoint=True)
            return as_type(any_, dtype)
        if how == "special":
            return as_type(self.rng.choice(SPECIAL, shape), dtype)
        scale = 10.0 ** self.rng.uniform(-6, 6, shape)
        return as_type(self.rng.standard_normal(shape) * scale, dtype)

    def dense(self, shape, dtype, how=None):
        return self.values(shape, dtype, how or self.one(["small", "small", "special", "wide"]))

    def array(self, shape, dtype, how=None):
        """An array of the shape, dense or some view."""
        kind = self.one(["dense", "dense", "view", "view", "broadcast", "reshaped"])
        if kind == "view":
            return self.view(shape, dtype, how)
        if kind == "broadcast" and shape:
            small = tuple(1 if self.chance(0.5) else n for n in shape)
            small = small[self.between(0, len(small)) if set(small) == {1} else 0:]
            return Call("mlx_broadcast_to", [self.dense(small, dtype, how), list(shape)])
        if kind == "reshaped" and shape:
            turned = tuple(reversed(shape))
            return Call("mlx_reshape", [self.view(turned, dtype, how), list(shape)])
        return self.dense(shape, dtype, how)

    def view(self, shape, dtype, how=None):
        """A slice with steps and offsets of a larger array, with its axes permuted."""
        ndim = len(shape)
        order = [int(x) for x in self.rng.permutation(ndim)]
        if ndim == 0:
            return self.dense(shape, dtype, how)
        cut = [0] * ndim
        for i, axis in enumerate(order):
            cut[axis] = shape[i]
        extents, start, stop, step = [], [], [], []
        for n in cut:
            by = self.one([1, 1, 1, 2, 3, -1, -1, -2])
            front, back = self.between(0, 2), self.between(0, 2)
            span = (n - 1) * abs(by) + 1 if n else 0
            extent = front + span + back
            first, last = (front, front + span) if by > 0 else (front + span - 1, front - 1)
            extents.append(extent)
            start.append(first if n else 0)
            stop.append((last if last >= 0 else -extent - 1) if n else 0)
            step.append(by if n else 1)
        base = self.dense(tuple(extents), dtype, how)
        return Call("mlx_transpose_axes", [Call("mlx_slice", [base, start, stop, step]), order])

    def scalar_or(self, shape, dtype, how=None):
        return self.array(() if self.chance(0.25) else self.beside(shape), dtype, how)


def to_numpy(dtype):
    return np.array(mx.zeros((1,), dtype)).dtype if dtype != mx.bfloat16 else np.dtype(np.float32)


def as_type(values, dtype):
    values = np.asarray(values)
    with np.errstate(all="ignore"):
        if dtype == mx.float64 or dtype in INTEGERS:
            return mx.array(values.astype(to_numpy(dtype)))
        return mx.array(values.astype(np.float32)).astype(dtype, stream=mx.cpu)


def unary(d):
    return d.one(UNARY), [d.array(d.shape(), d.dtype())]


def binary(d):
    name = d.one(BINARY)
    types = [t for t in DTYPES if name != "floor_divide" or t != mx.complex64]
    left = d.one(types)
    right = left if d.chance(0.4) else d.one(types)
    shape = d.shape()
    how = None
    if name in ("power", "remainder"):
        how = "small"
    b_shape = d.beside(shape)
    a = d.array(d.beside(shape), left, how)
    if how and right in INTEGERS + [mx.bool_]:
        # A divisor of 0, or a power below 0, ends or hangs MLX.
        b = as_type(d.rng.integers(1, 5, b_shape), right)
    else:
        b = d.array(b_shape, right, how)
    if name == "remainder" and not (left in FLOATS or right in FLOATS):
        b = as_type(d.rng.integers(1, 5, b_shape), right)
    if name in ("left_shift", "right_shift") and right in INTEGERS:
        b = as_type(d.rng.integers(0, 8, b_shape), right)  # below the width of every type
    return name, [a, b]


def over_axes(d, name, a, ndim, *rest):
    """The three forms of a reduction."""
    form = d.one(["", "_axis", "_axes"])
    where = {"": [], "_axis": [d.axis(ndim)], "_axes": [d.axes(ndim)]}[form]
    return name + form, [a, *where, *rest]


def reduce(d):
    name, dtype = d.one(REDUCE), d.dtype()
    if name == "logsumexp" and dtype in UNSIGNED + [mx.bool_]:
        dtype = mx.float32
    shape, how = d.shape(empty=0), tame(dtype)
    if name == "logsumexp" and dtype in SIGNED:
        how = "small"
    if name == "mean" and dtype in (mx.int64, mx.uint64):
        how = "small"  # what is left of numbers that nearly cancel depends on their order
    if name == "prod" and np.prod(shape) > 32 and dtype not in INTEGERS:
        how = "unit"  # else it depends on the order whether a part of it overflows
    return over_axes(d, name, d.array(shape, dtype, how), len(shape), d.chance(0.5))


def arg_reduce(d):
    name, shape = d.one(ARG), d.shape(d.one([1, 2, 3]), empty=0)
    dtype = d.dtype()
    a, keep = d.array(shape, dtype, tame(dtype)), d.chance(0.5)
    return (name, [a, keep]) if d.chance(0.3) else (name + "_axis", [a, d.axis(len(shape)), keep])


def spread(d):
    shape = d.shape(empty=0)
    a = d.array(shape, d.dtype(), "small")
    return over_axes(d, d.one(SPREAD), a, len(shape), d.chance(0.5), d.one([0, 0, 1, 2, 5]))


def softmax(d):
    dtype = d.one(FLOATS + SIGNED + [mx.complex64])
    shape, how = d.shape(), "small" if dtype in SIGNED else None
    return over_axes(d, "softmax", d.array(shape, dtype, how), len(shape), d.chance(0.5))


def order(d):
    shape = d.shape()
    dtype = d.dtype()
    a = d.array(shape, dtype, tame(dtype))
    name = d.one(["sort", "argsort", "topk", "cumsum", "cummax", "cummin", "cumprod"])
    if name.startswith("cum"):
        a = d.array(shape, d.dtype(), "small")
        return name, [a, d.axis(len(shape)), d.chance(0.5), d.chance(0.5)]
    all_of_it = d.chance(0.3)
    if name == "topk":
        axis = d.axis(len(shape))
        n = shape[axis] if -len(shape) <= axis < len(shape) else 1
        n = int(np.prod(shape)) if all_of_it else n
        k = d.between(0, n + 1)
        return (name, [a, k]) if all_of_it else (name + "_axis", [a, k, axis])
    return (name, [a]) if all_of_it else (name + "_axis", [a, d.axis(len(shape))])


def select(d):
    shape = d.shape()
    name = d.one(["where", "clip", "isclose", "allclose", "array_equal", "round"])
    dtype = d.dtype()
    x = d.array(d.beside(shape), dtype)
    y = d.scalar_or(shape, dtype if d.chance(0.5) else d.dtype())
    if name == "where":
        return name, [d.scalar_or(shape, mx.bool_ if d.chance(0.7) else d.dtype()), x, y]
    if name == "clip":
        z = d.scalar_or(shape, d.dtype())
        return name, [x, *d.one([[y, z], [None, y], [y, None]])]
    if name == "round":
        return name, [x, d.one([0, 0, 1, 2, -1, 3])]
    if d.chance(0.3):
        y = x
    if name == "array_equal":
        return name, [x, y, d.chance(0.5)]
    return name, [x, y, d.one([1e-5, 0.1, 0.0]), d.one([1e-8, 0.5]), d.chance(0.5)]


def matmul(d):
    dtype = d.one(FLOATS + FLOATS + [mx.complex64, mx.int32])
    other = dtype if d.chance(0.8) else d.dtype()
    n, k, m = (d.one([0, 1, 1, 2, 3, 5, 8, 17, 40]) for _ in range(3))
    name = d.one(["matmul", "addmm"])
    if name == "addmm":
        k = max(k, 1)  # a sum of no products: MLX reads what is not in c, or refuses batches
    batch = d.shape(d.one([0, 0, 0, 1, 2]))
    x, y = (k,) if d.chance(0.15) else (n, k), (k,) if d.chance(0.15) else (k, m)
    if d.chance(0.03):
        y = (k + 1, m)
    if len(x) == 2:
        x = d.beside(batch, 0) + x
    if len(y) == 2:
        y = d.beside(batch, 0) + y
    a, b = d.array(x, dtype, "small"), d.array(y, other, "small")
    if name == "matmul":
        return name, [a, b]
    full = (d.one([(), (1,)]) if len(x) == 1 or len(y) == 1 else (n, m))
    c = d.array(d.beside(full), dtype, "small")
    return name, [c, a, b, d.one([1.0, 0.5, 0.0, -2.0]), d.one([1.0, 2.0, 0.0, 0.25])]


def indices(d, shape, n, negative=True):
    dtype = d.one(INTEGERS)
    low = -n if negative and dtype not in UNSIGNED else 0
    return as_type(d.rng.integers(low, n, shape) if n else np.zeros(shape), dtype)


def index(d):
    dtype = d.dtype()
    shape = d.shape(d.one([1, 2, 2, 3]), empty=0)
    ndim = len(shape)
    a = d.array(shape, dtype)
    axis = d.between(-ndim, ndim - 1)
    name = d.one(["take", "take_axis", "take_along_axis", "scatter", "scatter", "gather"])
    if name == "take":
        return name, [a, indices(d, d.shape(), int(np.prod(shape)))]
    if name == "take_axis":
        return name, [a, indices(d, d.shape(), shape[axis]), axis if d.chance(0.97) else ndim]
    if name == "take_along_axis":
        at = list(d.beside(shape, 0.03) if d.chance(0.2) else shape)
        if len(at) == ndim:
            at[axis] = d.between(0, 6)
        return name, [a, indices(d, tuple(at), shape[axis]), axis]
    at = d.shape(d.one([0, 1, 2]))
    axis %= ndim
    single = d.chance(0.4)
    axes = [axis] if single or axis + 1 == ndim else [axis, axis + 1]
    sizes = [d.between(1, n) if d.chance(0.2) else 1 if x in axes else n for x, n in enumerate(shape)]
    room = [n - size + 1 for n, size in zip(shape, sizes)]
    if name == "gather":
        at = [indices(d, at, room[x], sizes[x] == 1) for x in axes]
        return ("gather_single", [a, at[0], axis, sizes]) if single else (name, [a, at, axes, sizes])
    name += d.one(["", "_add", "_add", "_max", "_min", "_prod"])
    updates = d.array(at + tuple(sizes), dtype if d.chance(0.7) else mx.int8, "small")
    a = d.array(shape, dtype, "small")
    at = [indices(d, at, room[x], sizes[x] == 1) for x in axes]
    return (name + "_single", [a, at[0], updates, axis]) if single else (name, [a, at, updates, axes])


def cut(d):
    shape = d.shape(d.one([1, 2, 3]))
    n = len(shape)
    start, stop = ([d.between(-9, 9) for _ in shape] for _ in range(2))
    step = [d.one([1, 1, 2, 3, -1, -2, 7]) for _ in shape]
    dtype = d.dtype()
    a = d.array(shape, dtype)
    if d.chance(0.5):
        return "slice", [a, start, stop, step]
    part = tuple(len(range(*slice(*w).indices(m))) for *w, m in zip(start, stop, step, shape))
    other = dtype if d.chance(0.6) else d.dtype()
    return "slice_update" + d.one(["", "_add", "_max", "_min", "_prod"]), [a, d.array(d.beside(part), other, "small"), start, stop, step]


def reshape(d):
    shape = d.shape()
    n = len(shape)
    a = d.array(shape, d.dtype())
    name = d.one("""reshape flatten transpose transpose_axes swapaxes broadcast_to expand_dims
        expand_dims_axes squeeze squeeze_axis squeeze_axes copy contiguous ones_like zeros_like
        tril triu astype full_like split split_sections""".split())
    if name == "reshape":
        to = list(d.rng.permutation(shape)) if d.chance(0.5) else [-1]
        to = [int(x) for x in to] + [1] * d.between(0, 2)
        if len(to) > 1 and d.chance(0.4):
            i = d.between(0, len(to) - 2)
            to[i:i + 2] = [to[i] * to[i + 1] if -1 not in to[i:i + 2] else -1]
        if to and d.chance(0.2):
            to[d.between(0, len(to) - 1)] = -1
        return name, [a, to]
    if name == "broadcast_to":
        to = list(d.shape(d.between(0, 2))) + [d.one([2, 3]) if m == 1 else m for m in shape]
        return name, [a, to if d.chance(0.9) else to[1:]]
    if name in ("split", "split_sections"):
        places = [d.between(-4, 8) for _ in range(d.between(0, 3))]
        return name, [a, d.one([1, 2, 3, 7]) if name == "split" else places, d.axis(n)]
    flat = [i for i, m in enumerate(shape) if m == 1]
    turned = d.axes(n) if d.chance(0.1) else [int(x) for x in d.rng.permutation(n)]
    two = [d.axis(n), d.axis(n)]
    rest = {"flatten": two, "swapaxes": two, "expand_dims": [d.axis(n + 1)],
            "transpose_axes": [turned],
            "expand_dims_axes": [d.axes(n + 2)[:2]], "squeeze_axis": [d.axis(n)],
            "squeeze_axes": [flat[:d.between(0, 3)] or d.axes(n)],
            "contiguous": [d.chance(0.5)], "tril": [d.between(-5, 5)], "triu": [d.between(-5, 5)],
            "astype": [d.dtype()]}.get(name, [])
    if rest == [mx.uint32]:
        a = d.array(shape, d.dtype(), "small")
    if name == "full_like":
        rest = [d.scalar_or(shape, d.dtype(), "small"), d.dtype()]
    if name == "transpose_axes" and not turned:
        name, rest = "transpose", []
    return name, [a, *rest]


def join(d):
    shape, dtype = d.shape(d.one([0, 1, 2, 3])), d.dtype()
    axis, parts = d.axis(len(shape)), []
    name = d.one(["concatenate_axis", "stack_axis", "concatenate", "stack"])
    for _ in range(d.between(1, 4)):
        s = list(shape)
        if name == "concatenate_axis" and -len(s) <= axis < len(s):
            s[axis] = d.between(0, 4)
        parts.append(d.array(tuple(s), dtype if d.chance(0.7) else d.dtype()))
    return name, [parts, axis] if name.endswith("axis") else [parts]


def make(d):
    name = d.one("zeros ones full eye tri identity arange linspace".split())
    dtype = d.dtype()
    if name in ("zeros", "ones"):
        return name, [list(d.shape()), dtype]
    if name == "full":
        shape = d.shape()
        return name, [list(shape), d.scalar_or(shape, d.dtype(), "small"), dtype]
    if name == "identity":
        return name, [d.between(-1, 6), dtype]
    if name in ("eye", "tri"):
        return name, [d.between(0, 6), d.between(0, 6), d.between(-7, 7), dtype]
    quarters = [d.between(-40, 40) / 4 for _ in range(3)]
    if dtype in UNSIGNED:
        quarters[:2] = sorted(map(abs, quarters[:2]))
        quarters[2] = abs(quarters[2])
    if name == "arange":
        return name, [*quarters, dtype]
    return name, [*quarters[:2], d.between(0, 12), dtype]


def random(d):
    key = mx.random.key(d.between(0, 1 << 40))
    shape, dtype = list(d.shape()), d.one(FLOATS[:3])
    name = d.one(["key", "split_num", "uniform", "normal", "randint"])
    if name == "key":
        return "random_key", [d.between(0, 1 << 62)]
    if name == "split_num":
        return "random_split_num", [key, d.between(1, 9)]
    if name == "normal":
        loc, scale = d.one([0.0, 1.0, -3.5]), d.one([1.0, 2.0, 0.1])
        dtype = d.one(FLOATS + [mx.complex64])
        # What is left of float32 draws that loc nearly cancels is not float64's.
        loc = 0.0 if dtype == mx.float64 else loc
        return "random_normal", [shape, dtype, loc, scale, key]
    types = d.one([(mx.int32, mx.int32), (mx.float32, mx.float32), (mx.int64, mx.int8)])
    low, high = (as_type(d.rng.integers(-20, 20, d.beside(shape)), t) for t in types)
    if name == "randint":
        return "random_randint", [low, high, shape, d.one(INTEGERS), key]
    return "random_uniform", [low, high, shape, dtype, key]


FAMILIES = [unary, binary, binary, reduce, arg_reduce, spread, softmax, order, select, matmul, index,
            cut, reshape, reshape, join, make, random, *arranged.FAMILIES]


def one_of(families, seed, number):
    d = Draw(seed, number)
    return d.one(families)(d)


def call(seed, number):
    name, args = one_of(FAMILIES, seed, number)
    return Call("mlx_" + name, args)
