"""The cases: (family, C function, arguments, the same in MLX).

Where MLX is not asked, and why:
- Reductions of empty arrays: MLX 0.32 reads past the shape, and then gives anything or never
  returns. The expected values are NumPy's.
- logsumexp and softmax of bool and unsigned integers: MLX subtracts the maximum in that type, and it
  wraps. The expected values are those of float32.
- argmax and argmin of 0-dimensional arrays: MLX refuses; here, as in NumPy, the answer is 0.
- Negative powers and remainders of integers by zero can end the process in MLX: not in the table.
- random.bits has no Python name: tests/unit/cpu_random.c holds what MLX gives in C++.
"""

import mlx.core as mx
import numpy as np

import tables
from mlxside import DTYPES, View

SHAPES = [(), (0,), (1,), (7,), (2, 3), (3, 0, 2), (2, 1, 4)]
PAIRS = [((), ()), ((3,), ()), ((2, 3), (3,)), ((2, 1), (1, 4)), ((0, 3), (1, 3)), ((2,), (3,))]
UNARY = tables.family("unary", "res", "a", "s")
BINARY = tables.family("binary", "res", "a", "b", "s")
REDUCE = tables.with_parameters("res", "a", "keepdims", "s")
FLOATS = (mx.float16, mx.float32, mx.bfloat16)


def sample(shape, dtype, seed=0, special=False, positive=False):
    rng = np.random.default_rng(seed + len(shape))
    values = np.round(rng.uniform(0.25 if positive else -4, 4, shape) * 4) / 4
    if dtype in (mx.uint8, mx.uint16, mx.uint32, mx.uint64) or positive:
        values = np.abs(values) + positive
    if special and dtype in FLOATS and values.ndim == 1 and values.size >= 5:
        values[:5] = [np.nan, np.inf, -np.inf, 0.0, -0.0]
    if dtype == mx.bool_:
        return mx.array(values > 0)
    return mx.array(values.astype(np.float32)).astype(dtype, stream=mx.cpu)


def unary():
    for name in UNARY:
        for dtype in DTYPES:
            for shape in SHAPES:
                a = sample(shape, dtype, special=dtype != mx.complex64)
                yield "unary", "mlx_" + name, (a,), lambda a=a, n=name: getattr(mx, n)(a)


def binary():
    for name in BINARY:
        for i, left in enumerate(DTYPES):
            for right in (left, DTYPES[(i + 5) % len(DTYPES)]):
                # Division and powers of integers by 0 or below can end the process in MLX.
                # Shifts by negative counts are what the machine does in MLX.
                safe = name in ("power", "remainder", "divide", "floor_divide") or "shift" in name
                if name == "floor_divide" and mx.complex64 in (left, right):
                    continue  # MLX takes the floor of both parts
                for x, y in PAIRS:
                    a, b = sample(x, left, 1), sample(y, right, 2, positive=safe)
                    yield "binary", "mlx_" + name, (a, b), lambda a=a, b=b, n=name: getattr(mx, n)(a, b)


EMPTY = {"all": 1, "any": 0, "sum": 0, "prod": 1, "mean": np.nan}
UNSIGNED = (mx.bool_, mx.uint8, mx.uint16, mx.uint32, mx.uint64)


def reference(name, a):
    """MLX's function of one array, or what stands in for it."""
    f = getattr(mx, name)
    if a.size == 0 and name in EMPTY:
        dtype = f(mx.ones((1,), a.dtype)).dtype
        return lambda axis=None, keepdims=False: mx.full(
            np.sum(np.zeros(a.shape), axis, keepdims=keepdims).shape, EMPTY[name]).astype(dtype)
    if name == "logsumexp" and a.dtype in UNSIGNED:
        a = a.astype(mx.float32)
    if name.startswith("arg") and a.ndim == 0:
        return lambda axis=None, keepdims=False: f(a.reshape(1), axis).reshape(())
    return lambda axis=None, keepdims=False: f(a, axis=axis, keepdims=keepdims)


def reduce():
    for name in REDUCE:
        for dtype in DTYPES:
            for shape in SHAPES:
                a = sample(shape, dtype, 3)
                f = reference(name, a)
                yield "reduce", "mlx_" + name, (a, True), lambda f=f: f(keepdims=True)
                for axis in (0, -1, 3) if shape else ():
                    yield ("reduce", f"mlx_{name}_axis", (a, axis, False),
                           lambda f=f, x=axis: f(axis=x))
            if not name.startswith("arg"):
                a = sample((2, 3, 4), dtype, 3)
                f = reference(name, a)
                yield ("reduce", f"mlx_{name}_axes", (a, [0, -1], True),
                       lambda f=f: f(axis=(0, -1), keepdims=True))


def shape():
    for dtype in DTYPES:
        a = sample((4, 3, 2), dtype, 4)
        for name, args, f in (
                ("transpose", (a,), lambda a: mx.transpose(a)),
                ("transpose_axes", (a, [1, 2, 0]), lambda a: mx.transpose(a, [1, 2, 0])),
                ("swapaxes", (a, 0, -1), lambda a: mx.swapaxes(a, 0, -1)),
                ("reshape", (a, [6, -1]), lambda a: mx.reshape(a, [6, -1])),
                ("reshape", (a, [5, -1]), lambda a: mx.reshape(a, [5, -1])),
                ("flatten", (a, 1, -1), lambda a: mx.flatten(a, 1, -1)),
                ("broadcast_to", (a, [2, 4, 3, 2]), lambda a: mx.broadcast_to(a, [2, 4, 3, 2])),
                ("slice", (a, [3, 0, 1], [-5, 3, 2], [-1, 2, 1]), lambda a: a[::-1, 0:3:2, 1:2]),
                ("tril", (a, 0), lambda a: mx.tril(a, 0)), ("triu", (a, 1), lambda a: mx.triu(a, 1)),
                ("sort_axis", (a, 1), lambda a: mx.sort(a, 1)),
                ("sort", (a,), lambda a: mx.sort(a, None)),
                ("argsort", (a,), lambda a: mx.argsort(a, None)),
                ("argsort_axis", (a, 0), lambda a: mx.argsort(a, 0)),
                ("cumsum", (a, 1, True, False),
                 lambda a: mx.cumsum(a, 1, reverse=True, inclusive=False)),
                ("round", (a, 1), lambda a: mx.round(a, 1)),
                ("var_axis", (a, 1, False, 1), lambda a: mx.var(a, 1, ddof=1)),
                ("std", (a, False, 0), mx.std), ("topk_axis", (a, 2, 0), lambda a: mx.topk(a, 2, 0)),
                ("var_axes", (a, [0, 2], True, 0), lambda a: mx.var(a, (0, 2), keepdims=True)),
                ("ones_like", (a,), mx.ones_like), ("zeros_like", (a,), mx.zeros_like),
                ("copy", (a,), lambda a: a), ("contiguous", (a, False), lambda a: a),
                ("expand_dims", (a, -1), lambda a: mx.expand_dims(a, -1)),
                ("expand_dims_axes", (a, [0, 2]), lambda a: mx.expand_dims(a, (0, 2))),
                ("squeeze", (a[:1],), lambda a: mx.squeeze(a[:1])),
                ("squeeze_axis", (a[:1], 0), lambda a: mx.squeeze(a[:1], 0)),
                ("squeeze_axis", (a, 0), lambda a: mx.squeeze(a, 0)),
                ("squeeze_axes", (a[:1, :1], [0, 1]), lambda a: mx.squeeze(a[:1, :1], (0, 1))),
                ("concatenate_axis", ([a, a], 1), lambda a: mx.concatenate([a, a], 1)),
                ("concatenate", ([a, a[:2]],), lambda a: mx.concatenate([a.flatten(), a[:2].flatten()])),
                ("concatenate_axis", ([a], 7), lambda a: mx.concatenate([a], 7)),
                ("concatenate_axis", ([a, a], 3), lambda a: mx.concatenate([a, a], 3)),
                ("softmax_axis", (a[:0], 7, False), lambda a: mx.softmax(a[:0], 7)),
                ("stack_axis", ([a, a], 1), lambda a: mx.stack([a, a], 1)),
                ("stack", ([a, a],), lambda a: mx.stack([a, a])),
                ("split", (a, 2, 0), lambda a: mx.split(a, 2, 0)),
                ("split", (a, 3, 0), lambda a: mx.split(a, 3, 0)),
                ("split_sections", (a, [1, 3], 0), lambda a: mx.split(a, [1, 3], 0)),
                ("isclose", (a, a, 1e-5, 1e-8, False), lambda a: mx.isclose(a, a)),
                ("allclose", (a, a, 1e-5, 1e-8, False), lambda a: mx.allclose(a, a)),
                ("array_equal", (a, a, True), lambda a: mx.array_equal(a, a, equal_nan=True)),
                ("clip", (a, mx.array(0), mx.array(2)),
                 lambda a: mx.clip(a, mx.array(0), mx.array(2))),
                ("clip", (a, None, mx.array(1.5)), lambda a: mx.clip(a, None, mx.array(1.5)))):
            yield "shape", "mlx_" + name, args, lambda a=a, f=f: f(a)
        if dtype not in UNSIGNED:
            yield ("shape", "mlx_softmax_axis", (a, 1, False), lambda a=a: mx.softmax(a, 1))
            yield ("shape", "mlx_softmax", (a, True), lambda a=a: mx.softmax(a, precise=True))
            yield ("shape", "mlx_softmax_axes", (a, [0, 2], False),
                   lambda a=a: mx.softmax(a, (0, 2)))


def update(a, u):
    b = mx.array(a)
    b[2:0:-1, 0:1] = u
    return b


def views():
    """The same operations on strided, reversed and offset views."""
    for dtype in DTYPES:
        base = sample((5, 4, 6), dtype, 9)
        v = View(base, (4, 1, 0), (0, 4, 6), (-2, 1, 3), (2, 0, 1))
        w = View(base, (0, 3, 1), (4, 0, 5), (2, -1, 2), (2, 0, 1))
        for name in ("abs", "exp", "negative", "isnan", "square", "sigmoid"):
            yield "views", "mlx_" + name, (v,), lambda v=v, n=name: getattr(mx, n)(v.mlx())
        for name in ("add", "maximum", "less", "logical_or", "multiply"):
            yield ("views", "mlx_" + name, (v, w),
                   lambda v=v, w=w, n=name: getattr(mx, n)(v.mlx(), w.mlx()))
        for name in ("sum", "max", "all", "prod"):
            for axis in range(3):
                yield ("views", f"mlx_{name}_axis", (v, axis, True),
                       lambda v=v, n=name, x=axis: getattr(mx, n)(v.mlx(), x, keepdims=True))
        for name, args, f in (
                ("reshape", [[-1]], lambda m: m.reshape(-1)), ("copy", [], lambda m: m),
                ("sort_axis", [0], lambda m: mx.sort(m, 0)),
                ("argmax_axis", [1, False], lambda m: mx.argmax(m, 1)),
                ("cumsum", [2, False, True], lambda m: mx.cumsum(m, 2)),
                ("astype", [mx.float32], lambda m: m.astype(mx.float32)),
                ("astype", [mx.int8], lambda m: m.astype(mx.int8)),
                ("tril", [0], lambda m: mx.tril(m, 0)),
                ("slice", [[1, 0, 2], [-9, 2, 3], [-1, 1, 1]], lambda m: m[1::-1, 0:2, 2:3])):
            yield "views", "mlx_" + name, (v, *args), lambda v=v, f=f: f(v.mlx())
        yield "views", "mlx_matmul", (v, View(base, (0, 0, 0), (2, 3, 3), (1, 1, 1), (0, 1, 2))), (
            lambda v=v, b=base: mx.matmul(v.mlx(), b[0:2, 0:3, 0:3]))


def pairs_of_results():
    """divmod, of every pair of types but complex ones."""
    for i, left in enumerate(DTYPES[:-1]):
        right = DTYPES[(i + 5) % (len(DTYPES) - 1)]
        for x, y in PAIRS:
            a, b = sample(x, left, 1), sample(y, right, 2, positive=True)
            yield "binary", "mlx_divmod", (a, b), lambda a=a, b=b: mx.divmod(a, b)


def text():
    """Printing: special values, magnitudes, and where long arrays are cut."""
    values = [0.0, -0.0, 1.0, -1.5, 0.1, 1e-5, 123456.7, 1e6, 1e10, 1e-10, 3e38, np.inf, -np.inf,
              np.nan, 1 / 3, 16777216.0, 100000.0, 0.00012345678]
    for dtype in (mx.float16, mx.float32, mx.float64, mx.bfloat16, mx.complex64):
        a = mx.array(np.array(values, np.float32)).astype(dtype, stream=mx.cpu)
        yield "text", "mlx_copy", (a,), lambda a=a: a
    for dtype in DTYPES:
        for shape in ((1001,), (7,), (6,), (8, 7), (2, 7, 3), (0, 4), (3, 0), (1, 1, 1), (40, 40)):
            a = sample(shape, dtype, 10)
            yield "text", "mlx_copy", (a,), lambda a=a: a


def limits():
    """Integers wrap; bounds of their types."""
    for dtype in DTYPES[1:9]:
        info = mx.iinfo(dtype)
        a = mx.array(np.array([info.min, info.max, 0, 1, 3], to_numpy_type(dtype)))
        for name in ("abs", "negative", "sign", "square", "logical_not"):
            yield "limits", "mlx_" + name, (a,), lambda a=a, n=name: getattr(mx, n)(a)
        for name in ("add", "subtract", "multiply", "maximum", "less", "equal", "divide"):
            yield ("limits", "mlx_" + name, (a, a[::-1]),
                   lambda a=a, n=name: getattr(mx, n)(a, a[::-1]))
        yield "limits", "mlx_sum", (a, False), lambda a=a: mx.sum(a)


def to_numpy_type(dtype):
    return np.array(mx.zeros((1,), dtype)).dtype


def index():
    where, column = mx.array([[0, -1], [2, 1]]), mx.array([1, 0])
    for types in ((mx.int8, mx.uint32), (mx.int32, mx.uint64), (mx.int64, mx.uint64)):
        at = [i.astype(t) for i, t in zip((mx.abs(where[0]), column), types)]
        a, u = mx.zeros((3, 2)), mx.ones((2, 1, 1))
        yield ("index", "mlx_scatter_add", (a, at, u, [0, 1]),
               lambda a=a, at=at: a.at[tuple(at)].add(mx.ones(2)))
    for dtype in DTYPES:
        a, u = sample((3, 2), dtype, 5), sample((2, 2), dtype, 6)
        yield "index", "mlx_take_axis", (a, where, 0), lambda a=a: mx.take(a, where, 0)
        yield "index", "mlx_take", (a, where), lambda a=a: mx.take(a, where)
        yield ("index", "mlx_take_along_axis", (a, where, 0),
               lambda a=a: mx.take_along_axis(a, where, 0))
        for other in DTYPES:
            yield "index", "mlx_astype", (a, other), lambda a=a, o=other: a.astype(o)
        yield ("index", "mlx_scatter_add_single", (a, where[0], u.reshape(2, 1, 2), 0),
               lambda a=a, u=u: a.at[where[0]].add(u))
        yield ("index", "mlx_scatter_add", (a, [where[0], column], u[:, :1].reshape(2, 1, 1),
                                            [0, 1]),
               lambda a=a, u=u: a.at[where[0], column].add(u[:, 0]))
        yield ("index", "mlx_slice_update", (a, u[:, :1], [2, 0], [0, 1], [-1, 1]),
               lambda a=a, u=u: update(a, u[:, :1]))
        c = mx.array([[True], [False]])
        yield "index", "mlx_where", (c, u, u[0]), lambda u=u, c=c: mx.where(c, u, u[0])


def matmul():
    for dtype in DTYPES:
        for x, y in (((2, 3), (3, 4)), ((3,), (3,)), ((2, 1, 3), (3, 2)), ((2, 0), (0, 2)),
                     ((2, 3), (2, 3)), ((), (2,)), ((17, 33), (33, 9))):
            a, b = sample(x, dtype, 7), sample(y, dtype, 8)
            yield "matmul", "mlx_matmul", (a, b), lambda a=a, b=b: mx.matmul(a, b)
        a, b, c = sample((2, 3), dtype, 7), sample((3, 4), dtype, 8), sample((4,), dtype, 9)
        yield ("matmul", "mlx_addmm", (c, a, b, 0.5, 2.0),
               lambda a=a, b=b, c=c: mx.addmm(c, a, b, 0.5, 2.0))


def random():
    key = mx.random.key(42)
    yield "random", "mlx_random_key", (42,), lambda: mx.random.key(42)
    yield "random", "mlx_random_split_num", (key, 5), lambda: mx.random.split(key, 5)
    yield "random", "mlx_random_split", (key,), lambda: list(mx.random.split(key))
    for n in (0, 1, 2, 7, 64):
        for dtype in FLOATS:
            low, high = mx.array(-1.0), mx.array(2.0)
            yield ("random", "mlx_random_uniform", (low, high, [n], dtype, key),
                   lambda n=n, d=dtype: mx.random.uniform(-1.0, 2.0, (n,), d, key))
            yield ("random", "mlx_random_normal", ([n], dtype, 0.0, 1.0, key),
                   lambda n=n, d=dtype: mx.random.normal((n,), d, key=key))
        for low, high in ((0, 9), (-5, 5), (0.5, 3.7), (-2.5, 2.5), (5, 2), (3, 3), (0, 2**24)):
            low, high = mx.array(low), mx.array(high)
            for dtype in (mx.bool_, mx.int32, mx.uint8, mx.int64, mx.uint64):
                yield ("random", "mlx_random_randint", (low, high, [n], dtype, key),
                       lambda n=n, d=dtype, x=low, y=high: mx.random.randint(x, y, (n,), d, key))
    low, high = mx.array([[0.0], [1.0]]), mx.array([2.0, 3.0, 4.0])
    for shape in ([2, 3], [4, 2, 3], [3], [2, 1]):
        yield ("random", "mlx_random_uniform", (low, high, shape, mx.float32, key),
               lambda s=shape: mx.random.uniform(low, high, s, mx.float32, key))
    # A seed, then what the seeding thread draws: MLX's own sequence (W4).
    yield "random", "mlx_random_seed", (11,), lambda: mx.random.seed(11) or []
    for n in (3, 1, 8):
        yield ("random", "mlx_random_uniform", (mx.array(0.0), mx.array(1.0), [n], mx.float32, None),
               lambda n=n: mx.random.uniform(0.0, 1.0, (n,)))
        yield ("random", "mlx_random_normal", ([n], mx.float32, 1.0, 2.0, None),
               lambda n=n: mx.random.normal((n,), loc=1.0, scale=2.0))


def make():
    for dtype in DTYPES:
        yield "make", "mlx_eye", (3, 4, 1, dtype), lambda d=dtype: mx.eye(3, 4, 1, dtype=d)
        yield "make", "mlx_zeros", ([2, 0], dtype), lambda d=dtype: mx.zeros([2, 0], d)
        yield "make", "mlx_arange", (1., 7., 2., dtype), lambda d=dtype: mx.arange(1., 7., 2., d)
        for start, stop, step in ((1.5, 9.2, 1.7), (-0.9, 3., 0.9), (10., -10., -3.3),
                                  (0., 1., 0.3), (5., 0., 1.), (0., 5., 0.), (0., np.inf, 1.), (0., 5., np.inf)):
            # A sum of float16 steps drifts in MLX.
            if dtype not in (mx.float16, mx.bfloat16) and (start >= 0 or dtype not in UNSIGNED):
                yield ("make", "mlx_arange", (start, stop, step, dtype),
                       lambda x=start, y=stop, z=step, d=dtype: mx.arange(x, y, z, d))
        yield "make", "mlx_linspace", (0., 3., 4, dtype), lambda d=dtype: mx.linspace(0., 3., 4, dtype=d)
        yield "make", "mlx_identity", (3, dtype), lambda d=dtype: mx.identity(3, dtype=d)
        yield "make", "mlx_tri", (3, 4, -1, dtype), lambda d=dtype: mx.tri(3, 4, -1, dtype=d)
        yield "make", "mlx_ones", ([2, 3], dtype), lambda d=dtype: mx.ones([2, 3], d)
        yield ("make", "mlx_full", ([2, 3], mx.array([1, 2, 3]), dtype),
               lambda d=dtype: mx.full([2, 3], mx.array([1, 2, 3])).astype(d))


FAMILIES = (unary, binary, pairs_of_results, reduce, shape, text, views, limits, index, matmul, random, make)
