"""The cases of mlx/c/linalg.h. Matrices are well conditioned, so that the vectors are those of MLX up
to rounding. Eigenvectors of complex matrices are the conjugates of MLX's, for which a v is
not v w. Singular matrices and those that are not positive definite, of which MLX ends the process
or gives something, are in tests/capi/linalg.c."""

import mlx.core as mx
import numpy as np

from layouts import mlx, views_of
from mlxside import DTYPES, View
from right import SHORT, cast, doubles
from table import sample

LA = mx.linalg
REAL = (mx.float32, mx.float64)
INF = float("inf")
SHAPES = [(1, 1), (2, 2), (3, 3), (5, 5), (3, 5), (5, 3), (1, 4), (4, 1), (2, 3, 3), (2, 2, 4, 3)]
LARGE = [*SHAPES, (16, 16)]  # float32 would differ too much from another order of sums
EMPTY = [(0, 0), (0, 3), (3, 0), (0, 2, 2), (2, 0, 0)]


def drawn(shape, dtype=mx.float32, seed=0, kind="any"):
    """Matrices: any, or symmetric, positive definite, triangular ones; with a large diagonal."""
    rng = np.random.default_rng(seed + 7 * len(shape) + sum(shape))
    x = rng.normal(0, 1, shape)
    if dtype == mx.complex64:
        x = x + 1j * rng.normal(0, 1, shape)
    n = min(shape[-2:], default=0)
    if kind == "symmetric":
        x = x + np.conj(np.swapaxes(x, -1, -2))
    if kind == "positive":
        x = x @ np.conj(np.swapaxes(x, -1, -2)) / max(n, 1) + np.eye(n)
    if kind in ("any", "triangle") and len(shape) > 1:
        x[..., range(n), range(n)] += np.arange(n) + 3
    if kind == "lower" or kind == "upper":
        x = (np.tril if kind == "lower" else np.triu)(x) + 4 * np.eye(n)
    if dtype == mx.float64:
        return doubles(x)
    return mx.array(x.astype(np.complex64 if dtype == mx.complex64 else np.float32)).astype(dtype, stream=mx.cpu)


def one(name, *args, **named):
    """Of an array, and what follows it in both."""
    def call():
        r = getattr(LA, name)(*map(mlx, args), **named)
        if name == "eig" and mlx(args[0]).dtype == mx.complex64:
            return [r[0], mx.conj(r[1])]
        return list(r) if isinstance(r, (tuple, list)) else r

    return "linalg", "mlx_linalg_" + name, (*args, *named.values()), call


def of_matrices(a, square):
    yield one("qr", a)
    yield one("lu", a)
    yield one("lu_factor", a)
    yield one("svd", a, compute_uv=True)
    yield one("svd", a, compute_uv=False)
    yield one("pinv", a)
    if square:
        yield one("inv", a)
        for upper in (False, True):
            yield one("tri_inv", a, upper=upper)


def linalg_matrices():
    for dtype in REAL:
        for shape in LARGE if dtype == mx.float64 else SHAPES:
            square = shape[-1] == shape[-2]
            yield from of_matrices(drawn(shape, dtype), square)
            if not square:
                continue
            positive = drawn(shape, dtype, kind="positive")
            for upper in (False, True):
                yield one("cholesky", positive, upper=upper)
                factor = drawn(shape, dtype, kind="upper" if upper else "lower")
                yield one("cholesky_inv", factor, upper=upper)
        for shape in EMPTY:
            a = mx.zeros(shape, dtype)
            # MLX's inverse of nothing, and what it makes of that, ends in LAPACK with an error.
            for name in ("qr", "lu", "lu_factor"):
                if shape[0] == 0 and len(shape) == 3:
                    yield one(name, a)
            yield one("svd", a, compute_uv=True)
            yield one("svd", a, compute_uv=False)
        for v in views_of(dtype):
            if len(v.shape) >= 2 and 0 not in v.shape:
                yield one("svd", v, compute_uv=False)
                if v.shape[-1] == v.shape[-2]:
                    yield one("eigvalsh", v, UPLO="L")
    wide = drawn((9, 8), mx.float32)
    for v in (View(wide, (0, 0), (8, 8), (2, 2), (0, 1)), View(wide, (1, 0), (9, 8), (2, 2), (1, 0))):
        yield from of_matrices(v, True)


def linalg_values():
    for dtype in (*REAL, mx.complex64):
        for shape in LARGE if dtype == mx.float64 else SHAPES:
            if dtype == mx.complex64:
                yield one("svd", drawn(shape, dtype), compute_uv=False)
            if shape[-1] != shape[-2]:
                continue
            for kind in ("any", "symmetric"):
                for uplo in ("L", "U"):
                    a = drawn(shape, dtype, kind=kind)
                    yield one("eigvalsh", a, UPLO=uplo)
                    if dtype != mx.complex64:
                        yield one("eigh", a, UPLO=uplo)
            yield one("eigvals", drawn(shape, dtype))
            yield one("eig", drawn(shape, dtype))


def linalg_solve():
    for dtype in REAL:
        for shape in ((1, 1), (3, 3), (5, 5), (2, 3, 3), (2, 1, 4, 4)):
            n, batch = shape[-1], shape[:-2]
            a = drawn(shape, dtype)
            for b in ((*batch, n, 1), (*batch, n, 3)):
                yield one("solve", a, drawn(b, dtype, 3, "plain"))
            if len(shape) == 2:
                yield one("solve", a, drawn((n,), dtype, 3, "plain"))
            for upper in (False, True):
                t = drawn(shape, dtype, kind="upper" if upper else "lower")
                yield one("solve_triangular", t, drawn((*batch, n, 2), dtype, 3, "plain"), upper=upper)
                yield one("solve_triangular", a, drawn((*batch, n, 2), dtype, 3, "plain"), upper=upper)
    yield one("solve", drawn((3, 3)), cast(drawn((3, 2), kind="plain"), mx.float16))
    yield one("solve", drawn((3, 3)), sample((3, 2), mx.int32))
    yield one("solve", drawn((3, 3), mx.float64), drawn((3, 2), kind="plain"))


def linalg_errors():
    names = [(n, ()) for n in ("qr", "lu", "lu_factor", "inv", "pinv", "eig", "eigvals")]
    names += [(n, (False,)) for n in ("cholesky", "cholesky_inv", "tri_inv")]
    names += [("svd", (True,)), ("eigh", ("L",)), ("eigvalsh", ("L",))]
    for name, rest in names:
        for dtype in DTYPES:
            if dtype not in (*REAL, mx.complex64):
                yield one(name, sample((3, 3), dtype), *rest)
        yield one(name, mx.array(1.0), *rest)
        yield one(name, mx.ones((3,)), *rest)
        if name not in ("qr", "lu", "lu_factor", "pinv", "svd"):
            yield one(name, drawn((2, 3)), *rest)
        if name in ("qr", "lu", "lu_factor", "inv", "pinv", "cholesky", "cholesky_inv", "tri_inv"):
            yield one(name, drawn((3, 3), mx.complex64), *rest)
    a = drawn((3, 3))
    for x, y in ((mx.ones((3,)), mx.ones((3,))), (a, mx.array(1.0)), (drawn((2, 3)), mx.ones((3,))),
                 (a, mx.ones((2,))), (a, mx.ones((4, 3))), (cast(a, mx.float16), cast(a, mx.float16)),
                 (sample((3, 3), mx.int32), sample((3, 3), mx.int32)), (drawn((3, 3), mx.complex64), a)):
        yield one("solve", x, y)
        yield one("solve_triangular", x, y, False)


def normed(name, a, ord, axis, keepdims):
    def call():
        x = mlx(a)
        given = () if ord is None else (ord,)
        return LA.norm(x, *given, axis=axis if axis is None or len(axis) != 1 else axis[0], keepdims=keepdims)

    head = (a,) if ord is None else (a, ord)
    return "linalg", "mlx_linalg_" + name, (*head, axis, keepdims), call


def linalg_norms():
    for dtype in DTYPES:
        for shape in ((4,), (3, 4), (2, 3, 4)):
            a = sample(shape, dtype, 3)
            axes = [None, [0], [-1]] + ([[0, 1], [1, 0], [-1, -2]] if len(shape) > 1 else [])
            for axis in axes:
                for keepdims in (False, True):
                    yield normed("norm_l2", a, None, axis, keepdims)
                    count = len(shape) if axis is None else len(axis)
                    for ord in (0.0, 1.0, -1.0, 2.0, -2.0, 3.0, 0.5, INF, -INF):
                        if dtype in (mx.uint8, mx.uint16, mx.uint32, mx.uint64, mx.bool_) and ord in (-1.0, -2.0):
                            continue
                        if count == 2 and abs(ord) == 2 and dtype not in (*REAL, mx.complex64):
                            continue
                        if count == 1 and ord < 0 and ord != -INF and dtype not in (mx.float32, mx.float64):
                            continue
                        yield normed("norm", a, ord, axis, keepdims)
                    for ord in ("f", "fro", "nuc", "other"):
                        if count == 2 and ord == "nuc" and dtype not in (*REAL, mx.complex64):
                            continue
                        yield normed("norm_matrix", a, ord, axis, keepdims)
    a = sample((2, 3, 4), mx.float32)
    yield normed("norm_l2", a, None, [0, 1, 2], False)
    yield normed("norm", a, 1.0, [0, 1, 2], False)
    yield normed("norm", a, 1.0, [0, 3], False)
    yield normed("norm_matrix", a, "fro", [0, 1, 2], False)


def linalg_cross():
    for dtype in DTYPES:
        for x, y, axis in (((3,), (3,), -1), ((2,), (3,), 0), ((3,), (2,), -1), ((2,), (2,), -1),
                           ((4, 3), (4, 3), -1), ((3, 4), (3, 4), 0), ((4, 3), (1, 3), -1), ((5, 1, 2), (4, 3), -1)):
            if dtype == mx.bool_ or (dtype in (mx.uint8, mx.uint16, mx.uint32, mx.uint64) and 2 in x + y):
                continue
            yield one("cross", sample(x, dtype, 1), sample(y, dtype, 2), axis=axis)
    yield one("cross", sample((3,), mx.int32), sample((3,), mx.float16), axis=-1)
    for x, y, axis in (((4,), (4,), 0), ((3,), (3,), 1), ((3,), (3,), -2), ((3, 3), (2, 3), -1)):
        yield one("cross", sample(x, mx.float32), sample(y, mx.float32), axis=axis)


def vectors(mean, cov, shape, dtype=mx.float32):
    key = mx.random.key(5)
    return ("linalg", "mlx_random_multivariate_normal", (mean, cov, shape, dtype, key),
            lambda: mx.random.multivariate_normal(mean, cov, shape, dtype, key=key))


def linalg_random():
    for mean, cov, shape in (((3,), (3, 3), ()), ((3,), (3, 3), (4, 2)), ((2, 3), (3, 3), (2,)), ((1,), (1, 1), (5,)),
                             ((3,), (2, 3, 3), (2,)), ((2, 1, 2), (3, 2, 2), (2, 3)), ((3,), (3, 3), (0,))):
        yield vectors(sample(mean, mx.float32, 3), drawn(cov, kind="positive"), list(shape))
    m, c = mx.zeros((3,)), drawn((3, 3), kind="positive")
    for mean, cov, shape, dtype in ((mx.array(0.0), c, [], mx.float32), (m, mx.ones((3,)), [], mx.float32),
                                    (m, mx.ones((3, 2)), [], mx.float32), (mx.zeros((2,)), c, [], mx.float32),
                                    (mx.zeros((2, 3)), c, [3], mx.float32), (m, c, [], mx.float16)):
        yield vectors(mean, cov, shape, dtype)


LINALG = (linalg_random, linalg_matrices, linalg_values, linalg_solve, linalg_errors, linalg_norms, linalg_cross)
