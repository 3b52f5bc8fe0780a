"""For the functions that have tables of their own: the classes of arrays that those do not have,
scalars, arrays without elements, of odd prime extents, and broadcast ones. Not made, because MLX dies:

- Products without channels, rows or groups: of conv without channels, segmented_mm, quantized_matmul,
  gather_qmm and gather_mm without rows or matrices; LU factors and inverses of matrices of no rows.
- What is random is the same for keys of any class that has two elements; others are refused."""

import mlx.core as mx
import numpy as np

from conv import general, plain, transposed
from conv import drawn as short_drawn
from fast import attended, layer, rms, roped
from layouts import case, mlx
from linalg import drawn, normed, one
from mlxside import DTYPES, Wide
from quantized import both, dequantized, gathered, multiplied, packed, product, quantized, short
from right import cast
from table import FLOATS, sample

REAL = (mx.float32, mx.float64)
FLOATING = FLOATS + (mx.float64,)
KEY = mx.random.key(3)
ONE = mx.array(1.0)


def wide(shape, by, dtype=mx.float32):
    return Wide(short_drawn(shape, dtype, 2), by)


def own_convolutions():
    for n in (1, 2, 3):
        ones, zeros, side = (1,) * n, (0,) * n, (7,) * n
        for dtype in FLOATING:
            w = short_drawn((5, *(3,) * n, 3), dtype, 1)
            for x in (short_drawn((3, *side, 3), dtype), wide((3, *ones, 3), (3, *side, 3), dtype),
                      short_drawn((0, *side, 3), dtype), ONE):
                if dtype == mx.float64 and 0 in x.shape:
                    continue  # NumPy's, of which there are no windows
                yield plain(n, x, w, ones, zeros, ones)
                yield general(x, w)
                yield transposed(n, x, w, ones, zeros, ones, zeros)
            yield plain(n, short_drawn((3, *side, 3), dtype), wide((1, *(3,) * n, 3), w.shape, dtype), ones, ones, ones)
        yield plain(n, mx.zeros((2, *zeros, 3)), w, ones, zeros, ones)


def distinct(shape, dtype):
    """Along the last axis, in no order."""
    order = np.argsort(np.random.default_rng(4).random(shape), -1)
    return mx.array(order.astype(np.float32)).astype(dtype, stream=mx.cpu)


def own_partitions():
    """Of three elements the middle one leaves no choice of the others' places."""
    for name in ("partition", "argpartition"):
        f = getattr(mx, name)
        for dtype in DTYPES:
            given = [distinct(shape, dtype) for shape in ((5, 3), (3, 7, 3), (1, 3))]
            given += [Wide(distinct((1, 3), dtype), (5, 3)), Wide(distinct((3,), dtype), (3, 5, 3))]
            if dtype != mx.bool_:  # two of three are equal
                for a in given:
                    yield case("partitions", name + "_axis", (a, 1, -1), lambda a=a: f(mlx(a), 1, -1))
                line = distinct((3,), dtype)
                yield case("partitions", name, (line, 1), lambda a=line: f(a, 1, None))
                yield case("partitions", name, (Wide(line[:1], (1, 1)), 0), lambda a=line: f(a[:1].reshape(1, 1), 0, None))
            for shape, kth in (((0, 3), 1), ((3, 0), 0), ((), 0), ((0,), 0)):
                a = sample(shape, dtype)
                yield case("partitions", name, (a, kth), lambda a=a, k=kth: f(a, k, None))
                yield case("partitions", name + "_axis", (a, kth, -1), lambda a=a, k=kth: f(a, k, -1))


EMPTY = [(0, 0), (2, 0, 0), (0, 3), (3, 0)]
DIES = set("cholesky_inv inv lu lu_factor tri_inv".split())


def own_matrices():
    names = [(n, ()) for n in "lu lu_factor inv pinv qr eig eigvals".split()]
    names += [(n, (False,)) for n in ("cholesky", "cholesky_inv", "tri_inv")]
    names += [("svd", (True,)), ("svd", (False,)), ("eigh", ("L",)), ("eigvalsh", ("U",))]
    for name, rest in names:
        for dtype in REAL:
            kind = {"tri_inv": "lower", "cholesky_inv": "lower"}.get(name, "positive")
            for a in (Wide(drawn((1, 3, 3), dtype, kind=kind), (2, 3, 3)), mx.zeros((0, 2, 2), dtype), mx.array(2.0).astype(dtype)):
                yield one(name, a, *rest)
            for shape in EMPTY:
                if name not in DIES or name in ("inv", "tri_inv", "cholesky_inv") and shape[0] != shape[1] and len(shape) == 2:
                    yield one(name, mx.zeros(shape, dtype), *rest)
    for name, rest in (("solve", {}), ("solve_triangular", {"upper": False})):
        for dtype in REAL:
            a, b = drawn((1, 3, 3), dtype, kind="lower"), drawn((1, 3, 1), dtype, kind="plain")
            yield one(name, Wide(a, (2, 3, 3)), Wide(b, (2, 3, 1)), **rest)
            yield one(name, mx.zeros((0, 2, 2), dtype), mx.zeros((0, 2, 1), dtype), **rest)
            yield one(name, a[0], mx.zeros((3, 0), dtype), **rest)
        yield one(name, ONE, ONE, **rest)
    for dtype in DTYPES[1:]:
        line = sample((3,), dtype, 2)
        for a in (sample((0, 3), dtype), Wide(line, (2, 3)), sample((), dtype)):
            yield one("cross", a, line, axis=-1)


def own_norms():
    for dtype in FLOATING:
        for a in (wide((1, 3), (2, 3), dtype), wide((1,), (5, 3), dtype)):
            yield rms(a, mx.ones((3,), dtype), 1e-5)
            yield layer(a, mx.ones((3,), dtype), mx.ones((3,), dtype), 1e-5)
        scalar, empty = short_drawn((), dtype), mx.zeros((0, 3), dtype)
        yield normed("norm_l2", scalar, None, [-1], False)
        yield normed("norm", scalar, 1.0, [-1], False)
        yield normed("norm_matrix", scalar, "fro", [-2, -1], False)
        yield normed("norm_l2", empty, None, [-1], True)
        yield normed("norm", empty, 1.0, [-1], False)


def own_turned_and_attended():
    for dtype in FLOATING:
        for a in (short_drawn((3, 5, 7), dtype), wide((1, 1, 4), (2, 3, 4), dtype), ONE):
            for offset in (0, mx.array(3)):
                yield roped(a, 2, False, 100.0, 1.0, offset, None)
        q = short_drawn((3, 3, 5, 7), dtype)
        k = wide((1, 3, 1, 7), (3, 3, 5, 7), dtype)
        yield attended(q, q, q, 0.3, "", None, None)
        yield attended(wide((1, 1, 5, 7), (3, 3, 5, 7), dtype), k, q, 0.3, "causal", None, None)
    yield attended(ONE, ONE, ONE, 0.3, "", None, None)


def own_packings():
    x, codes = mx.array(1.5), packed("affine", 64, 4, (3, 64), mx.float32, 1)
    rows = [Wide(p[:1], p.shape) for p in codes]
    q = packed("affine", 64, 4, (3, 5, 64), mx.float32, 5)
    n = packed("nvfp4", 16, 4, (8, 64), mx.float32, 3)[:2]
    for a in (wide((1, 64), (3, 64)), x, short_drawn((3, 7))):
        yield quantized(a, None, None, "affine")
    yield dequantized(*rows, None, None, "affine")
    yield dequantized(mx.array(1, mx.uint32), x, x, None, None, "affine")
    for a in (Wide(x, (3, 64)), x):
        yield multiplied(a, *codes, True, None, None, "affine")
    for a in (Wide(x, (3, 2, 64)), x):
        yield gathered(a, *q, mx.array([0, 1, 2]), mx.array([0, 1, 2]), True, None, None, "affine")
    yield both(Wide(x, (1, 64)), *n, "nvfp4")
    yield both(x, *n, "nvfp4")
    for a in (short_drawn((3, 7)), short_drawn((3, 3, 7))):
        yield multiplied(a, *codes, True, None, None, "affine")
        yield gathered(a, *q, mx.array([0, 1, 2]), mx.array([0, 1, 2]), True, None, None, "affine")
        yield both(a, *n, "nvfp4")
    for a in (mx.array(56, mx.uint8), Wide(mx.array([56], mx.uint8), (3, 5))):
        yield case("packings", "from_fp8", (a, mx.float16), lambda a=a: mx.from_fp8(mlx(a), mx.float16))


def own_parts():
    mask, at, ends = mx.ones((1, 1), mx.bool_), mx.array([0, 1, 2]), mx.array([[0, 4], [1, 3]], mx.uint32)
    for dtype in FLOATING:
        c = lambda *shape: short(shape, dtype, 3)
        x = c()
        for a, b in ((Wide(x, (3, 9)), c(9, 4)), (c(3, 7), c(7, 5)), (x, x)):
            yield product("segmented_mm", a, b, ends)
            yield product("block_masked_mm", a, b, 32, mask, None, None)
        for a, b in ((c(0, 9), c(9, 4)), (c(3, 0), c(0, 4))):
            yield product("block_masked_mm", a, b, 32, mask, None, None)
        for a, b in ((Wide(x, (3, 2, 5)), c(4, 5, 6)), (c(3, 0, 5), c(4, 5, 6)), (c(3, 2, 0), c(4, 0, 6)), (c(3, 5, 7), c(3, 7, 5))):
            yield product("gather_mm", a, b, at, at, False)


def own_by_index():
    """What total.py gives no scalar, or nothing of an array without elements."""
    for dtype in DTYPES:
        s, e, w = sample((), dtype, 3), sample((0,), dtype), Wide(sample((2,), dtype), (3, 2))
        p, z, none = sample((3, 5), dtype), mx.zeros((1,), mx.int32), mx.zeros((0,), mx.int32)
        calls = {"take": mx.take, "as_strided": mx.as_strided, "einsum": lambda t, a: mx.einsum(t, *map(mlx, a)),
                 "argsort": lambda a: mx.argsort(a, None), "argsort_axis": mx.argsort, "take_axis": mx.take,
                 "take_along_axis": mx.take_along_axis, "argmax_axis": lambda a, x, k: mx.argmax(a, x, keepdims=k),
                 "put_along_axis": mx.put_along_axis, "slice_dynamic": mx.slice,
                 "argmin_axis": lambda a, x, k: mx.argmin(a, x, keepdims=k), "unflatten": mx.unflatten,
                 "hadamard_transform": lambda a, _: mx.hadamard_transform(mlx(a))}
        rows = [("take", s, mx.array([0, -1])), ("take", e, none), ("take", e, z), ("argsort", s), ("argsort_axis", s, -1),
                ("take_axis", s, z, 0), ("take_along_axis", s, z[0], 0), ("put_along_axis", s, z[0], s, 0),
                ("slice_dynamic", s, none, [], []), ("argmax_axis", s, 0, False), ("argmin_axis", s, 0, True),
                ("unflatten", e, 0, [0, 3]), ("einsum", "...->...", [s]), ("einsum", "ij->ji", [w]),
                *[("as_strided", a, [1], [1], 0) for a in (s, w, p)]]
        if dtype in FLOATS:
            rows += [("hadamard_transform", w, None)]
        for name, *args in rows:
            yield case("by_index", name, tuple(args), lambda n=name, v=args: calls[n](*map(mlx, v)))
    for name in ("fft2", "ifft2", "rfft2", "irfft2"):
        yield case("by_index", "fft_" + name, (ONE, [1, 1], [-2, -1], 0), lambda f=getattr(mx.fft, name): f(ONE, (1, 1)))
    for name in ("fftn", "ifftn", "rfftn", "irfftn"):
        yield case("by_index", "fft_" + name, (ONE, [], [], 0), lambda f=getattr(mx.fft, name): f(ONE))
    yield case("by_index", "fft_ifftshift", (ONE, []), lambda: mx.fft.ifftshift(ONE))


def nothing(name, a, axes, keep, ddof=None):
    """Along other axes than the one without elements there is nothing to add: the shape alone counts."""
    shape = [n for i, n in enumerate(a.shape) if keep or i not in axes]
    shape = [1 if keep and i in axes else n for i, n in enumerate(shape)]
    rest = (keep,) if ddof is None else (keep, ddof)
    to = mx.float32 if name in ("std", "var") and a.dtype not in FLOATING else a.dtype
    for ending, which in (("_axes", axes), ("_axis", axes[0])):
        if ending == "_axes" or len(axes) == 1:
            yield case("nothing", name + ending, (a, which, *rest), lambda s=shape, t=to: mx.zeros(s, t))


def own_nothing():
    for dtype in (mx.float32, mx.int32, mx.bfloat16, mx.float64):
        a = sample((3, 0, 2), dtype)
        for axes in ([0], [2], [0, 2]):
            for keep in (False, True):
                for name in ("max", "min"):
                    yield from nothing(name, a, axes, keep)
                for name in ("std", "var"):
                    yield from nothing(name, a, axes, keep, 0)
            yield case("nothing", "logsumexp_axes", (a, axes, False), lambda a=a, x=axes: mx.logsumexp(a, x))
            if dtype in FLOATING:
                yield case("nothing", "softmax_axes", (a, axes, False), lambda a=a: a)
        if dtype in FLOATING:
            yield case("nothing", "softmax", (a, False), lambda a=a: a)
    for dtype in DTYPES:
        for a in (sample((), dtype), sample((3, 0, 2), dtype), sample((3, 5, 7), dtype), Wide(sample((2,), dtype), (3, 2))):
            count = int(np.prod(a.shape))
            yield case("nothing", "number_of_elements", (a, list(range(len(a.shape))), False, mx.int32), lambda n=count: mx.array(n))
        for v in (sample((), dtype, 2), sample((0,), dtype), Wide(sample((2,), dtype, 2), (3, 2))):
            shape = list(v.shape) or [2]
            yield case("nothing", "full", (shape, v, dtype), lambda v=mlx(v), s=shape: mx.full(s, v))


def own_places_of_nothing():
    """Places along an axis that has some, of an array that has no elements: nothing is read or written."""
    for dtype in DTYPES:
        a, at = sample((3, 0, 2), dtype), mx.array([0, 2])
        read, written = [1, 0, 2], sample((2, 1, 0, 2), dtype)
        yield case("places_of_nothing", "gather", (a, [at], [0], read), lambda u=written: u)
        yield case("places_of_nothing", "slice_update_dynamic", (a, written[0], at[1:], [0]), lambda a=a: a)
        for way in ("", "_add", "_max", "_min", "_prod"):
            yield case("places_of_nothing", "scatter" + way, (a, [at], written, [0]), lambda a=a: a)
            yield case("places_of_nothing", f"scatter{way}_single", (a, at, written, 0), lambda a=a: a)
        yield case("places_of_nothing", "linalg_norm_matrix", (a, "fro", [0, 2], False),
                   lambda d=dtype: mx.linalg.norm(mx.ones((3, 1, 2), d), "fro", axis=[0, 2])[:0])


def own_draws():
    r = mx.random
    for dtype in FLOATS:
        half = mx.array(0.5).astype(dtype)
        for a in (mx.zeros((0,), dtype), Wide(half, (3,)), mx.full((3, 5), half, dtype)):
            shape, m = list(a.shape), mlx(a)
            high = m + 1
            yield case("draws", "random_bernoulli", (a, shape, KEY), lambda m=m: r.bernoulli(m, key=KEY))
            yield case("draws", "random_uniform", (a, high, shape, mx.float32, KEY),
                       lambda m=m, h=high: r.uniform(m, h, m.shape, mx.float32, KEY))
            yield case("draws", "random_truncated_normal", (a, high, shape, mx.float32, KEY),
                       lambda m=m, h=high: r.truncated_normal(m, h, m.shape, mx.float32, KEY))
            yield case("draws", "random_randint", (a, m + 9, shape, mx.int32, KEY),
                       lambda m=m: r.randint(m, m + 9, m.shape, mx.int32, KEY))
            yield case("draws", "random_normal_broadcast", (shape, mx.float32, a, high, KEY),
                       lambda m=m, h=high: r.normal(m.shape, mx.float32, m, h, KEY))
            yield case("draws", "random_categorical", (a, -1, KEY), lambda m=m: r.categorical(m, key=KEY))
            yield case("draws", "random_permutation", (a, 0, KEY), lambda m=m: r.permutation(m, 0, key=KEY))
        for a in (ONE, mx.zeros((0,)), mx.zeros((3, 0)), mx.zeros((3, 5)), Wide(half, (3, 2))):
            m = mlx(a)
            last = [2, *m.shape[:-1]]
            yield case("draws", "random_categorical", (a, -1, KEY), lambda m=m: r.categorical(m, key=KEY))
            if m.ndim != 1:  # of a single one MLX 0.32.4 draws another way
                yield case("draws", "random_categorical_num_samples", (a, -1, 2, KEY),
                           lambda m=m: r.categorical(m, num_samples=2, key=KEY))
                yield case("draws", "random_categorical_shape", (a, -1, last, KEY),
                           lambda m=m, s=last: r.categorical(m, shape=s, key=KEY))
    for key in (mx.array(3, mx.uint32), mx.zeros((0, 2), mx.uint32), mx.zeros((3,), mx.uint32), mx.zeros((3, 2), mx.uint32),
                Wide(mx.array([7], mx.uint32), (2,))):
        k, f = mlx(key), mx.float32
        yield case("draws", "random_gumbel", ([2], f, key), lambda k=k: r.gumbel((2,), key=k))
        yield case("draws", "random_normal", ([2], f, 0.0, 1.0, key), lambda k=k: r.normal((2,), key=k))
        yield case("draws", "random_laplace", ([2], f, 0.0, 1.0, key), lambda k=k: r.laplace((2,), key=k))
        yield case("draws", "random_split", (key,), lambda k=k: list(r.split(k)))
        yield case("draws", "random_split_num", (key, 3), lambda k=k: r.split(k, 3))
        yield case("draws", "random_permutation_arange", (5, key), lambda k=k: r.permutation(5, key=k))
    yield case("draws", "random_permutation", (ONE, 0, KEY), lambda: r.permutation(ONE, 0, key=KEY))
    m, c = mx.array([2.0]), drawn((3, 3), kind="positive")
    for mean in (Wide(m, (3,)), mx.zeros((0, 3))):
        yield case("draws", "random_multivariate_normal", (mean, c, [], mx.float32, KEY),
                   lambda m=mlx(mean): r.multivariate_normal(m, c, (), mx.float32, key=KEY))


OWN = (own_convolutions, own_partitions, own_matrices, own_norms, own_turned_and_attended, own_packings, own_parts,
       own_by_index, own_nothing, own_places_of_nothing, own_draws)
