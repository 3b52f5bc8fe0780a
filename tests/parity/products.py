"""The cases of products over chosen axes, einsum, writing along an axis, and draws."""

import mlx.core as mx
import numpy as np

from layouts import case, mlx, views_of
from mlxside import DTYPES, View
from table import FLOATS, sample

INEXACT = FLOATS + (mx.float64, mx.complex64)
MATRICES = [((2, 3), (3, 4)), ((2, 3), (2, 3)), ((3,), (3,)), ((), (2,)), ((2, 0), (0, 2)),
            ((2, 3, 4), (4, 3, 2)), ((7, 5), (5, 3)), ((0, 3), (3, 0)), ((2, 3), (4, 3))]


def products():
    for dtype in DTYPES:
        for x, y in MATRICES:
            a, b = sample(x, dtype, 7), sample(y, dtype, 8)
            for name in ("inner", "outer", "kron"):
                if name != "kron" or a.size * b.size:
                    yield case("products", name, (a, b),
                               lambda a=a, b=b, f=getattr(mx, name): f(a, b))
            for n in (-1, 0, 1, 2, 3):
                yield case("products", "tensordot_axis", (a, b, n),
                           lambda a=a, b=b, n=n: mx.tensordot(a, b, n))
            for left, right in (([0], [0]), ([-1], [-1]), ([0, 1], [1, 0]), ([], []), ([0], [0, 1])):
                if len(left) <= a.ndim and len(right) <= b.ndim:
                    yield case("products", "tensordot", (a, b, left, right),
                               lambda a=a, b=b, l=left, r=right: mx.tensordot(a, b, [l, r]))
        base = sample((5, 4, 6), dtype, 9)
        v = View(base, (4, 1, 0), (0, 4, 6), (-2, 1, 3), (2, 0, 1))
        w = View(base, (0, 3, 1), (4, 0, 5), (2, -1, 2), (2, 0, 1))
        for name in ("inner", "outer", "kron"):
            yield case("products", name, (v, w),
                       lambda v=v, w=w, f=getattr(mx, name): f(v.mlx(), w.mlx()))
        yield case("products", "tensordot", (v, w, [0, 2], [0, 2]),
                   lambda v=v, w=w: mx.tensordot(v.mlx(), w.mlx(), [[0, 2], [0, 2]]))
    a = mx.zeros((0, 3))
    yield case("products", "kron", (a, a), lambda: mx.kron(a, a))


ONE = ["ij->ji", "ij", "ji", "ij->i", "ij->", "ii->i", "ii", "ii->", "...->...", "...j->j...",
       "i...->...", " i j -> j i ", "ij->k", "ij->ii", "i->i", "ijk->i", "iJ->Ji", "Ba", "...", "->",
       "", "i,j->ij", "i1->i", "....->", "... ...->", "ij->i..", "ij-ji", "ij->j->i"]
TWO = ["ij,jk->ik", "ij,jk", "ij,ij->ij", "ij,ij->", "ij,kl->ijkl", "ij,j->i", "ij,k->ijk",
       "ij,ij->i", "ij,ji->ij", "ij,jk->kij", "...j,jk->...k", "ij,jk->", "ij,...->...ij", "ij,ik->kj",
       "ij,jj->i", "i...,i...->...", "ij,", ",->", "ij,jk->ikm", "ij,jk,kl->il", "xij,xjk->xik"]


def sums():
    for dtype in DTYPES:
        square, tall = sample((3, 3), dtype, 1), sample((3, 4), dtype, 2)
        for text in ONE:
            for a in (square, tall, sample((2, 3, 4), dtype, 3)):
                yield case("sums", "einsum", (text, [a]), lambda t=text, a=a: mx.einsum(t, a))
        pairs = [(square, tall), (square, square), (sample((2, 3), dtype, 3), sample((3,), dtype, 4)),
                 (sample((5, 1), dtype, 5), sample((4, 7), dtype, 6)),
                 (sample((2, 0), dtype, 5), sample((0, 3), dtype, 6)),
                 (sample((2, 3, 5), dtype, 5), sample((2, 5, 3), dtype, 6))]
        for text in TWO:
            for a, b in pairs:
                yield case("sums", "einsum", (text, [a, b]),
                           lambda t=text, a=a, b=b: mx.einsum(t, a, b))
        base = sample((5, 4, 6), dtype, 9)
        v = View(base, (4, 1, 0), (0, 4, 6), (-2, 1, 3), (2, 0, 1))
        for text in ("ijk,lmk->ijlm", "ijk,ijk->k", "iij,jkk->ik", "ijk,kli->jl"):
            yield case("sums", "einsum", (text, [v, v]),
                       lambda t=text, v=v: mx.einsum(t, v.mlx(), v.mlx()))
    chains = ["ij,jk,kl->il", "ij,jk,kl,lm->im", "ij,ik,il->jkl", "i,j,k->ijk", "ij,ij,ij->", "ij,jk,ki",
              "ea,fb,abcd,gc,hd->efgh", "a,ab,abc->", "abc,cd,def->abef", "...a,ab,b...->..."]
    rng = np.random.default_rng(1)
    for text in chains:
        extent = dict(zip("abcdefghijklm", rng.integers(2, 6, 13).tolist()))
        terms = text.split("->")[0].split(",")
        shapes = [[5 if c == "." else extent[c] for c in t.replace("...", ".")] for t in terms]
        for dtype in (mx.float32, mx.complex64, mx.int32):
            given = [sample(s, dtype, i) for i, s in enumerate(shapes)]
            yield case("sums", "einsum", (text, given), lambda t=text, g=given: mx.einsum(t, *g))
    mixed = [sample((2, 3), mx.float16, 1), sample((3, 4), mx.float32, 2)]
    yield case("sums", "einsum", ("ij,jk->ik", mixed), lambda: mx.einsum("ij,jk->ik", *mixed))
    yield case("sums", "einsum", ("i->i", []), lambda: mx.einsum("i->i"))


def along():
    for dtype in DTYPES:
        for a in views_of(dtype):
            if a.shape[0] == 0 or 0 in a.shape:
                continue
            at = mx.array(np.arange(a.shape[1])[None, ::-1, None].copy()) % a.shape[0]
            for kind in (mx.int32, mx.uint8, mx.int64):
                i = mx.broadcast_to(at.astype(kind), (1, *a.shape[1:]))
                u = sample((1, *a.shape[1:]), dtype, 8)
                yield case("along", "scatter_add_axis", (a, i, u, 0),
                           lambda a=a, i=i, u=u: added_along(mlx(a), i, u, 0))
        a, u = sample((3, 4), dtype, 5), sample((2, 1), dtype, 6)
        i = mx.array([[0, 0, -1, 2], [0, 1, 1, 2]])
        yield case("along", "scatter_add_axis", (a, i, u, 0),
                   lambda a=a, i=i, u=u: added_along(a, i, mx.broadcast_to(u, i.shape), 0))
        for i, axis, shape in ([[[0, 2, -1, 1]], 0, (1, 4)], [[[0], [3]], 1, (3, 2)],
                               [[[1, 1, 2, 0], [1, 0, 2, 0]], 0, (2, 4)], [[[2, -4, 1]], 1, (1, 3)],
                               [[[1]], -1, ()], [[[2]], 0, (1, 1, 1, 4)], [[[0, 3]], 1, (2,)],
                               [[[0, 1]], 0, (1, 2)], [[[1] * 4], 0, (3, 4)], [[[0]], 2, (1,)]):
            for kind in (mx.int32, mx.int64, mx.int8):
                i, u = mx.array(i).astype(kind), sample(shape, mx.int32, 6)
                yield case("along", "put_along_axis", (a, i, u, axis),
                           lambda a=a, i=i, u=u, x=axis: mx.put_along_axis(a, i, u, x))
        v = View(sample((5, 4, 6), dtype, 9), (4, 1, 0), (0, 4, 6), (-2, 1, 3), (1, 2, 0))
        i, u = mx.array([[[1, 0]], [[0, 1]], [[1, 1]]]), sample((3, 1, 2), dtype, 4)
        yield case("along", "put_along_axis", (v, i, u, 1),
                   lambda v=v, i=i, u=u: mx.put_along_axis(v.mlx(), i, u, 1))
        yield case("along", "put_along_axis", (a, i[:0, 0, :1], u[:0, 0, :1], 0),
                   lambda a=a, i=i, u=u: mx.put_along_axis(a, i[:0, 0, :1], u[:0, 0, :1], 0))
    a = sample((3, 4), mx.float32, 5)
    for i, u, axis in ((mx.array([0]), a[:1], 0), (mx.array([[0.0]]), a[:1], 0),
                       (mx.array([[0, 0]]), a[:1, :2], 0), (mx.array([[0] * 4]), a, 2)):
        yield case("along", "scatter_add_axis", (a, i, u, axis), lambda: mx.sum(a, 7))


def added_along(a, indices, values, axis):
    """mx.scatter_add_axis has no Python name; 16-bit floats are added in float32."""
    wide = a.astype(mx.float32) if a.dtype in (mx.float16, mx.bfloat16) else a
    if 0 in indices.shape:
        return a
    grid = [mx.arange(n).reshape([n if d == k else 1 for k in range(a.ndim)])
            for d, n in enumerate(indices.shape)]
    where = [indices if d == axis % a.ndim else g for d, g in enumerate(grid)]
    shape = mx.broadcast_arrays(*where)
    u = mx.broadcast_to(values.astype(a.dtype), shape[0].shape)
    return wide.at[tuple(shape)].add(u.astype(wide.dtype)).astype(a.dtype)


def draws_of():
    """Each distribution with the same key on both sides, value for value."""
    key = mx.random.key(3)
    for shape in ([], [0], [1], [7], [2, 3], [101]):
        for dtype in (*FLOATS, mx.float64, mx.int32, mx.complex64):
            yield case("draws_of", "random_gumbel", (shape, dtype, key),
                       lambda s=shape, d=dtype: mx.random.gumbel(s, d, key))
            for loc, scale in ((0.0, 1.0), (1.0, 2.0)):
                yield case("draws_of", "random_laplace", (shape, dtype, loc, scale, key),
                           lambda s=shape, d=dtype, l=loc, w=scale: mx.random.laplace(s, d, l, w, key))
            low, high = mx.array(-1.0), mx.array(2.0)
            yield case("draws_of", "random_truncated_normal", (low, high, shape, dtype, key),
                       lambda s=shape, d=dtype, l=low, h=high: mx.random.truncated_normal(
                           l, h, s, d, key))
            if dtype == mx.int32:
                continue
            for loc, scale in ((None, None), (mx.array([1.0, 100.0]), None), (None, mx.array([[2.0], [3.0]])),
                               (mx.array(1), mx.array(0.5))):
                yield case("draws_of", "random_normal_broadcast", (shape, dtype, loc, scale, key),
                           lambda s=shape, d=dtype, l=loc, w=scale: mx.random.normal(
                               s, d, l, w, key))
        for p in (mx.array(0.5), mx.array([0.0, 1.0, 0.5]), mx.array([[0.25], [0.75]]).astype(mx.float16)):
            yield case("draws_of", "random_bernoulli", (p, shape, key),
                       lambda p=p, s=shape: mx.random.bernoulli(p, s, key))
    low, high = mx.array([-1.0, 0.0]), mx.array([[2.0], [1.0]])
    for shape in ([2, 2], [3, 2, 2], [2], [1, 2]):
        yield case("draws_of", "random_truncated_normal", (low, high, shape, mx.float32, key),
                   lambda s=shape: mx.random.truncated_normal(low, high, s, mx.float32, key))
    yield case("draws_of", "random_bernoulli", (mx.array([1]), [1], key),
               lambda: mx.random.bernoulli(mx.array([1]), [1], key))


def choices():
    key = mx.random.key(0)
    for dtype in DTYPES[:-1]:
        logits = sample((4, 3), dtype, 2)
        for axis in (0, 1, -1, -2, 2, -3):
            yield case("choices", "random_categorical", (logits, axis, key),
                       lambda l=logits, x=axis: mx.random.categorical(l, x, key=key))
            for n in (-1, 0, 1, 5):
                yield case("choices", "random_categorical_num_samples", (logits, axis, n, key),
                           lambda l=logits, x=axis, n=n: mx.random.categorical(
                               l, x, num_samples=n, key=key))
            for shape in ([2, 4], [4], [3], [2, 3], [5, 2, 4], [1], []):
                yield case("choices", "random_categorical_shape", (logits, axis, shape, key),
                           lambda l=logits, x=axis, s=shape: mx.random.categorical(
                               l, x, s, key=key))
    for logits in (mx.array(1.0), mx.zeros((0, 3)), mx.zeros((3, 0)), mx.zeros((13,))):
        yield case("choices", "random_categorical", (logits, -1, key),
                   lambda l=logits: mx.random.categorical(l, -1, key=key))
    for n in (-1, 0, 1, 5, 64, 257):
        yield case("choices", "random_permutation_arange", (n, key),
                   lambda n=n: mx.random.permutation(n, key=key))
    for dtype in DTYPES:
        for x in views_of(dtype):
            for axis in (0, 1, -1, 5):
                if axis != 1 or 0 not in x.shape:
                    yield case("choices", "random_permutation", (x, axis, key),
                               lambda x=x, a=axis: mx.random.permutation(mlx(x), a, key=key))


PRODUCTS = (products, sums, along, draws_of, choices)
