"""MLX's functions under the names of its C API, with the same arguments in the same order; where MLX
is not right, what is (tests/parity/right.py)."""

import mlx.core as mx
import numpy as np

import right
import tables
from layouts import ends_kept, traced
from products import added_along

UNARY = tables.family("unary", "res", "a", "s")
BINARY = tables.family("binary", "res", "a", "b", "s")
OVER_AXES = tables.with_parameters("res", "a", "keepdims", "s")
ARG = [n for n in OVER_AXES if n.startswith("arg")]
REDUCE = [n for n in OVER_AXES if n not in ARG]
SPREAD = ["var", "std"]


def ranges(start, stop, step):
    return tuple(slice(*w) for w in zip(start, stop, step))


def close(f):
    return lambda a, b, rtol, atol, nan: f(a, b, rtol=rtol, atol=atol, equal_nan=nan)


def padded(a, axes, low, high, value, mode):
    widths = [(0, 0)] * a.ndim
    for axis, *width in zip(axes, low, high):
        widths[axis] = tuple(width)
    return mx.pad(a, widths, mode, value)


def arranged():
    """The same of what tests/fuzz/arranged.py draws."""
    calls = {n: getattr(mx, n) for n in """moveaxis unflatten atleast_1d atleast_2d atleast_3d diag
        diagonal view as_strided repeat_axis tile degrees radians bartlett blackman hamming hanning
        inner outer kron""".replace("_axis", "").split()}
    calls.update(
        repeat_axis=mx.repeat, roll=lambda a, shift: mx.roll(a, tuple(shift)),
        roll_axis=lambda a, shift, axis: mx.roll(a, sum(shift), axis),
        roll_axes=lambda a, shift, axes: mx.roll(a, tuple(shift), tuple(axes)), pad=padded,
        pad_symmetric=lambda a, width, value, mode: mx.pad(a, width, mode, value),
        broadcast_arrays=lambda a: list(mx.broadcast_arrays(*a)),
        meshgrid=lambda a, sparse, way: list(mx.meshgrid(*a, sparse=sparse, indexing=way)),
        median=lambda a, axes, keep: mx.median(a, axes, keepdims=keep), slice_dynamic=mx.slice,
        slice_update_dynamic=lambda a, u, s, axes: mx.slice_update(mx.array(a), u, s, axes),
        tensordot_axis=mx.tensordot, tensordot=lambda a, b, x, y: mx.tensordot(a, b, [x, y]))
    draws = {n: getattr(mx.random, n) for n in
             "bernoulli gumbel laplace permutation truncated_normal".split()}
    draws.update(
        permutation_arange=lambda n, key: mx.random.permutation(n, key=key),
        normal_broadcast=mx.random.normal,
        categorical=lambda l, axis, key: mx.random.categorical(l, axis, key=key),
        categorical_num_samples=lambda l, axis, n, key: mx.random.categorical(
            l, axis, num_samples=n, key=key))
    calls.update({"random_" + n: f for n, f in draws.items()})
    return calls


def table():
    """Name in C: function of what C is given, without the result and the stream."""
    calls = {n: getattr(mx, n) for n in UNARY + BINARY}
    calls["exp"] = right.exp
    for n in REDUCE + ARG:
        f = right.statistic(n) if n == "mean" else getattr(mx, n)
        calls[n] = lambda a, keep, f=f: f(a, keepdims=keep)
        calls[n + "_axis"] = lambda a, axis, keep, f=f: f(a, axis, keepdims=keep)
        calls[n + "_axes"] = calls[n + "_axis"]
    for n in SPREAD:
        f = right.statistic(n)
        calls[n] = lambda a, keep, ddof, f=f: f(a, keepdims=keep, ddof=ddof)
        calls[n + "_axis"] = lambda a, axis, keep, ddof, f=f: f(a, axis, keepdims=keep, ddof=ddof)
        calls[n + "_axes"] = calls[n + "_axis"]
    for n in ("sort", "argsort"):
        calls[n] = lambda a, f=getattr(mx, n): f(a, None)
        calls[n + "_axis"] = getattr(mx, n)
    for n in ("cummax", "cummin", "cumprod", "cumsum"):
        calls[n] = lambda a, x, reverse, incl, f=right.scanned(getattr(mx, n)): f(
            a, axis=x, reverse=reverse, inclusive=incl)
    for way in right.WRITES:
        calls["scatter" + way] = lambda a, at, u, axes, w=way: right.scatter(w, a, at, u, axes)
        calls[f"scatter{way}_single"] = lambda a, i, u, x, w=way: right.scatter(w, a, [i], u, [x])
        calls["slice_update" + way] = lambda a, u, *where, w=way: right.written(
            w, a, ranges(*where), u)
    softmax = lambda a, axes, precise: mx.softmax(a, axes, precise=precise)
    calls.update(
        where=mx.where, clip=mx.clip, round=right.rounded, astype=lambda a, d: a.astype(d),
        isclose=close(right.isclose), allclose=close(right.allclose),
        array_equal=lambda a, b, nan: mx.array_equal(a, b, equal_nan=nan),
        softmax=lambda a, precise: mx.softmax(a, precise=precise), softmax_axis=softmax,
        softmax_axes=softmax, topk=lambda a, k: mx.topk(a, k, None), topk_axis=mx.topk,
        matmul=mx.matmul, addmm=right.addmm, take=mx.take, take_axis=mx.take,
        take_along_axis=mx.take_along_axis, gather=right.gather,
        gather_single=lambda a, i, x, sizes: right.gather(a, [i], [x], sizes),
        slice=lambda a, *where: a[ranges(*where)],
        reshape=mx.reshape, flatten=mx.flatten, transpose=mx.transpose,
        transpose_axes=mx.transpose, swapaxes=mx.swapaxes, broadcast_to=mx.broadcast_to,
        expand_dims=mx.expand_dims, expand_dims_axes=mx.expand_dims, squeeze=mx.squeeze,
        squeeze_axis=mx.squeeze, squeeze_axes=mx.squeeze, copy=lambda a: a,
        contiguous=mx.contiguous, concatenate_axis=mx.concatenate, stack_axis=mx.stack,
        concatenate=lambda a: mx.concatenate([mx.flatten(x) for x in a]), stack=mx.stack,
        split=mx.split, split_sections=mx.split, tril=mx.tril, triu=mx.triu,
        ones_like=mx.ones_like, zeros_like=mx.zeros_like,
        full=lambda shape, v, d: mx.full(shape, v.astype(d)),
        full_like=lambda a, v, d: mx.full(np.broadcast_shapes(a.shape, v.shape), v.astype(d)), zeros=mx.zeros, ones=mx.ones,
        eye=lambda n, m, k, d: mx.eye(n, m, k, d), identity=mx.identity, arange=mx.arange,
        tri=lambda n, m, k, d: mx.tri(n, m, k, d),
        linspace=lambda start, stop, n, d: right.linspace(start, stop, n, d),
        random_key=mx.random.key, random_split_num=mx.random.split,
        random_uniform=lambda lo, hi, shape, d, key: mx.random.uniform(lo, hi, shape, d, key),
        random_normal=lambda shape, d, loc, scale, key: mx.random.normal(shape, d, loc, scale, key),
        random_randint=lambda lo, hi, shape, d, key: mx.random.randint(lo, hi, shape, d, key))
    calls.update(
        divmod=mx.divmod, stop_gradient=mx.stop_gradient, to_fp8=right.to_fp8, trace=traced,
        masked_scatter=right.masked_scatter, put_along_axis=mx.put_along_axis,
        scatter_add_axis=added_along, nan_to_num=ends_kept, depends=mx.depends,
        logcumsumexp=lambda a, x, reverse, incl: mx.logcumsumexp(
            a, x, reverse=reverse, inclusive=incl))
    calls.update(arranged())
    return {"mlx_" + n: f for n, f in calls.items()}


CALLS = table()
