"""Draws programs of several operations on views of views. A program is a list of steps, (function,
arguments, which result), whose arguments name earlier arrays by Ref; the first are its inputs. MLX runs
each step as it is drawn: what it refuses, and what becomes large, is left out. See transformed.py."""

import mlx.core as mx
import numpy as np

from mlxcalls import CALLS
from mlxside import NAMES

FLOATS = (mx.float32, mx.complex64)
MOST = 1e3


class Ref(int):
    """An earlier array of the program."""


# What the transforms of MLX can run: mlxcalls.py goes by NumPy where MLX's values are not right.
def moments(name):
    f = getattr(mx, name)
    return {name: lambda a, keep, *d: f(a, None, keep, *d),
            name + "_axis": lambda a, axis, keep, *d: f(a, axis, keep, *d),
            name + "_axes": lambda a, axes, keep, *d: f(a, axes, keep, *d)}


def attention(q, k, v, scale, mode, mask, sinks):
    return mx.fast.scaled_dot_product_attention(q, k, v, scale=scale, mask=mode or mask, sinks=sinks)


def convolved(x, w, stride, low, high, kernel, spread, groups, flip):
    return mx.conv_general(x, w, stride=stride, padding=(low, high), kernel_dilation=kernel,
                           input_dilation=spread, groups=groups, flip=flip)


def table():
    calls = {n.removeprefix("mlx_"): f for n, f in CALLS.items()}
    for name in ("mean", "var", "std"):
        calls.update(moments(name))
    for name in ("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"):
        calls[name] = lambda a, x, reverse, incl, f=getattr(mx, name): f(a, axis=x, reverse=reverse, inclusive=incl)
    norms = ("backward", "ortho", "forward")
    for name in ("fft", "ifft", "rfft", "irfft"):
        calls["fft_" + name] = lambda a, n, axis, norm, f=getattr(mx.fft, name): f(a, n, axis, norms[norm])
        calls[f"fft_{name}n"] = lambda a, n, axes, norm, f=getattr(mx.fft, name + "n"): f(a, n, axes, norms[norm])
    linalg = lambda name: lambda *a: getattr(mx.linalg, name)(*a, stream=mx.cpu)
    calls.update(
        exp=mx.exp, addmm=mx.addmm, einsum=lambda s, a: mx.einsum(s, *a), logsumexp=lambda a, k: mx.logsumexp(a, keepdims=k),
        fast_rms_norm=mx.fast.rms_norm, fast_layer_norm=mx.fast.layer_norm,
        fast_rope=lambda x, dims, way, base, scale, at, freqs: mx.fast.rope(
            x, dims, traditional=way, base=base, scale=scale, offset=at, freqs=freqs),
        fast_scaled_dot_product_attention=attention, conv_general=convolved,
        hadamard_transform=mx.hadamard_transform, linalg_inv=linalg("inv"), linalg_solve=linalg("solve"),
        linalg_norm_l2=lambda a, axes, keep: mx.linalg.norm(a, axis=axes, keepdims=keep),
        linalg_norm=lambda a, p, axes, keep: mx.linalg.norm(a, p, axes, keep), linalg_cross=mx.linalg.cross,
        linalg_cholesky=linalg("cholesky"), linalg_eigvalsh=linalg("eigvalsh"),
        nan_to_num=lambda a, n, p, m: mx.nan_to_num(a, n, p, m), contiguous=mx.contiguous,
        gather_mm=lambda a, b, l, r, s: mx.gather_mm(a, b, l, r, sorted_indices=s),
        quantized_matmul=lambda x, w, s, b, t, g, bits, mode: mx.quantized_matmul(
            x, w, s, b, transpose=t, group_size=g, bits=bits, mode=mode),
        dequantize=lambda w, s, b, g, bits, mode, scale, dtype: mx.dequantize(
            w, s, b, group_size=g, bits=bits, mode=mode))
    return calls


TABLE = table()
SMOOTH = """sin cos tanh sigmoid exp square negative abs arctan erf expm1 sinh arcsinh real conjugate
    stop_gradient sign copy floor degrees""".split()
POSITIVE = "sqrt rsqrt log log1p log2 log10 reciprocal".split()
PAIRS = "add subtract multiply divide maximum minimum logaddexp arctan2 add multiply subtract".split()
COMPARED = "less greater equal not_equal less_equal logical_and logical_or".split()


# ---- steps: each draws a call of arrays there, by their shapes ----

def values(d, shape, dtype=mx.float32):
    kind = d.between(0, 3)
    x = d.rng.integers(-8, 9, shape) / 4 if kind == 0 else d.rng.standard_normal(shape)
    if dtype == mx.complex64:
        return mx.array((x + 1j * d.rng.standard_normal(shape)).astype(np.complex64))
    return mx.array(np.asarray(x, np.float32)).astype(dtype)


def whole(d, shape, low, high):
    return mx.array(np.asarray(d.rng.integers(low, high, shape))).astype(d.one([mx.int32, mx.int64, mx.int32, mx.int16]))


def elementwise(d, p):
    i = p.any(d)
    kind = d.between(0, 9)
    if kind < 4:
        return d.one(SMOOTH), [Ref(i)]
    if kind == 4:
        j = p.add("abs", [Ref(i)])
        j = p.add("add", [Ref(j), mx.array(0.5)])
        return d.one(POSITIVE), [Ref(j)]
    j = p.near(d, i)
    if kind < 8:
        return d.one(PAIRS), [Ref(i), Ref(j)]
    if kind == 8:
        c = p.add(d.one(COMPARED), [Ref(i), Ref(j)])
        return "where", [Ref(c), Ref(i), Ref(p.near(d, i))]
    return "clip", [Ref(i), mx.array(-0.7), d.one([None, mx.array(1.1)])]


def reduced(d, p):
    i = p.any(d)
    n = p.at(i).ndim
    name = d.one(["sum", "sum", "mean", "max", "min", "prod", "logsumexp", "var", "std", "softmax", "argmax", "all"])
    keep = [d.chance(0.5)]
    if name in ("var", "std"):
        keep.append(d.one([0, 0, 1]))
    form = d.one(["", "_axis", "_axes"]) if n and name not in ("argmax",) else ""
    if name == "argmax" and n:
        return "argmax_axis", [Ref(i), d.axis(n, 0), *keep]
    where = {"": [], "_axis": [d.axis(n, 0)] if n else [], "_axes": [d.axes(n, 0) or [0]] if n else []}[form]
    return name + form, [Ref(i), *where, *keep]


def seen(d, p):
    i = p.any(d)
    shape = list(p.at(i).shape)
    n = len(shape)
    names = ["transpose_axes", "slice", "slice", "reshape", "broadcast_to", "expand_dims_axes", "flatten",
             "contiguous", "swapaxes", "moveaxis", "diagonal", "unflatten", "squeeze", "atleast_2d", "as_strided"]
    name = d.one(names if n else ["broadcast_to", "reshape", "expand_dims_axes", "atleast_2d"])
    if name == "transpose_axes":
        return name, [Ref(i), [int(x) - (n if d.chance(0.3) else 0) for x in d.rng.permutation(n)]]
    if name == "slice":
        by = [d.one([1, 1, 2, 3, -1, -1, -2]) for _ in shape]
        start = [d.between(0, max(m // 3, 0)) if s > 0 else d.between(max(m - 2, 0), m) for m, s in zip(shape, by)]
        stop = [d.one([m, m + 2, max(m - 1, 1)]) if s > 0 else d.one([-m - 1, -m - 5, -m]) for m, s in zip(shape, by)]
        return name, [Ref(i), start, stop, by]
    if name == "reshape":
        to = [int(x) for x in d.rng.permutation(shape)] + [1] * d.between(0, 1)
        if len(to) > 1 and d.chance(0.5):
            k = d.between(0, len(to) - 2)
            to[k:k + 2] = [to[k] * to[k + 1]]
        return name, [Ref(i), to]
    if name == "broadcast_to":
        return name, [Ref(i), [d.between(1, 3)] * d.between(0, 1) + [3 if m == 1 else m for m in shape]]
    if name == "expand_dims_axes":
        return name, [Ref(i), [d.axis(n + 1, 0)]]
    if name == "flatten":
        a, b = sorted([d.between(0, n - 1), d.between(0, n - 1)])
        return name, [Ref(i), a, b - (n if d.chance(0.4) else 0)]
    if name == "contiguous":
        return name, [Ref(i), d.chance(0.5)]
    if name in ("swapaxes", "moveaxis"):
        return name, [Ref(i), d.axis(n, 0), d.axis(n, 0)]
    if name == "diagonal":
        a, b = d.rng.permutation(n)[:2] if n > 1 else (0, 0)
        return name, [Ref(i), d.between(-2, 2), int(a), int(b)]
    if name == "unflatten":
        axis = d.between(0, n - 1)
        m = shape[axis]
        by = d.one([x for x in (1, 2, 3, 5) if m and m % x == 0] or [1])
        return name, [Ref(i), axis, [by, m // by]]
    if name == "as_strided":
        size = int(np.prod(shape))
        if size < 4:
            return "squeeze", [Ref(i)]
        last = d.one([1, -1])
        return name, [Ref(i), [2, 2, 2], [1, d.one([0, 1]), last], d.between(0 if last > 0 else 1, size - 4 if last > 0 else size - 3)]
    return name, [Ref(i)]


def arranged(d, p):
    i = p.any(d)
    a = p.at(i)
    n = a.ndim
    name = d.one("concatenate_axis stack_axis split pad tile repeat_axis roll_axis sort_axis cumsum cumsum cumprod cummax logcumsumexp tril triu argsort_axis roll_axes".split())
    if n == 0:
        return "stack_axis", [[Ref(i), Ref(i)], 0]
    axis = d.axis(n, 0)
    if name in ("concatenate_axis", "stack_axis"):
        j = p.same(d, i)
        return name, [[Ref(i), Ref(j), Ref(i)][:d.between(1, 3)], axis]
    if name == "split":
        m = a.shape[axis]
        return name, [Ref(i), d.one([k for k in (1, 2, 3, 5, 7) if m and m % k == 0] or [1]), axis]
    if name == "pad":
        axes = [int(x) for x in d.rng.permutation(n)[:d.between(1, n)]]
        w = [[d.between(0, 2) for _ in axes] for _ in range(2)]
        return name, [Ref(i), axes, *w, mx.array(0.5), d.one(["constant", "edge"]) if 0 not in a.shape else "constant"]
    if name == "tile":
        return name, [Ref(i), [d.between(1, 2) for _ in range(d.between(1, n + 1))]]
    if name == "repeat_axis":
        return name, [Ref(i), d.between(1, 3), axis]
    if name == "roll_axis":
        return name, [Ref(i), [d.between(-3, 9)], axis]
    if name == "roll_axes":
        axes = [int(x) for x in d.rng.permutation(n)[:d.between(1, n)]]
        return name, [Ref(i), [d.between(-3, 9) for _ in axes], axes]
    if name in ("sort_axis", "argsort_axis"):
        return name, [Ref(i), axis]
    if name == "topk_axis":
        return name, [Ref(i), d.between(1, max(a.shape[axis], 1)), axis]
    if name in ("tril", "triu"):
        return name, [Ref(i), d.between(-2, 2)]
    return name, [Ref(i), axis, d.chance(0.5), d.chance(0.6)]


def indexed(d, p):
    i = p.any(d)
    a = p.at(i)
    n = a.ndim
    if n == 0 or 0 in a.shape:
        return "square", [Ref(i)]
    axis = d.axis(n, 0)
    m = a.shape[axis]
    name = d.one("""take take_axis take_along_axis gather gather_single scatter scatter_add scatter_single
        scatter_add_single put_along_axis scatter_add_axis slice_update slice_update_add slice_dynamic
        slice_update_dynamic masked_scatter take_axis take_along_axis""".split())
    if name == "take":
        return name, [Ref(i), whole(d, d.shape(d.one([0, 1, 2]), 0), -a.size, a.size)]
    if name == "take_axis":
        return name, [Ref(i), whole(d, d.shape(d.one([0, 1, 2]), 0), -m, m), axis]
    if name in ("take_along_axis", "put_along_axis", "scatter_add_axis"):
        at = list(a.shape)
        at[axis] = d.between(1, min(m, 4))
        index = d.rng.random((*at[:axis % n], m, *at[axis % n + 1:])).argsort(axis)
        index = mx.array(np.take(index, np.arange(at[axis]), axis).astype(np.int32))
        if name == "take_along_axis":
            return name, [Ref(i), index, axis]
        return name, [Ref(i), index, values(d, tuple(at)) if d.chance(0.5) else Ref(p.shaped(d, tuple(at))), axis]
    axis %= n
    if name.startswith("gather"):
        sizes = [d.between(1, k) for k in a.shape]
        at = d.shape(d.one([0, 1, 2]), 0)
        one = whole(d, at, 0, m - sizes[axis] + 1)
        return (name, [Ref(i), one, axis, sizes]) if name == "gather_single" else (name, [Ref(i), [one], [axis], sizes])
    if name.startswith("scatter"):
        sizes = [d.between(1, k) for k in a.shape]
        count = d.between(1, m - sizes[axis] + 1)
        sizes[axis] = 1 if d.chance(0.7) else sizes[axis]
        at = mx.array(d.rng.permutation(m - sizes[axis] + 1)[:count].astype(np.int32))
        if name.startswith("scatter_add") and d.chance(0.5):
            at = whole(d, (d.between(1, 5),), 0, m - sizes[axis] + 1)
        elif sizes[axis] > 1:
            at = at[:1]
        u = p.shaped(d, (at.shape[0], *sizes))
        if name.endswith("single"):
            return name, [Ref(i), at, Ref(u), axis]
        return name, [Ref(i), [at], Ref(u), [axis]]
    if name.startswith("slice_update") and not name.endswith("dynamic"):
        by = [d.one([1, 1, 2, -1, -2]) for _ in a.shape]
        start = [d.between(0, max(k // 3, 0)) if s > 0 else k - 1 for k, s in zip(a.shape, by)]
        stop = [k if s > 0 else -k - 1 for k, s in zip(a.shape, by)]
        part = tuple(len(range(*slice(*w).indices(k))) for *w, k in zip(start, stop, by, a.shape))
        return name, [Ref(i), Ref(p.shaped(d, d.beside(part, 0))), start, stop, by]
    if name == "masked_scatter":
        mask = mx.array(d.rng.random(a.shape) < 0.5)
        return name, [Ref(i), mask, Ref(p.shaped(d, (a.size,)))]
    sizes = [d.between(1, k) for k in a.shape]
    axes = [int(x) for x in d.rng.permutation(n)[:d.between(1, n)]]
    start = mx.array(np.array([d.between(0, a.shape[x] - sizes[x]) for x in axes], np.int32))
    if name == "slice_dynamic":
        return name, [Ref(i), start, axes, sizes]
    return name, [Ref(i), Ref(p.shaped(d, tuple(sizes))), start, axes]


def multiplied(d, p):
    i = p.any(d)
    a = p.at(i)
    name = d.one("matmul matmul matmul addmm inner outer tensordot_axis einsum kron gather_mm".split())
    if a.ndim == 0 or a.size == 0:
        return "outer", [Ref(i), Ref(i)]
    k = a.shape[-1]
    if name == "matmul":
        j = p.shaped(d, d.one([(k,), (k, 3), (2, k, 2), (1, k, 1)]) if a.ndim < 3 else d.one([(k,), (k, 3), (1, k, 4)]))
        if d.chance(0.4):
            t = list(range(p.at(j).ndim))
            j = p.add("transpose_axes", [Ref(p.shaped(d, p.at(j).shape[::-1])), t[::-1]])
        return name, [Ref(i), Ref(j)]
    if name == "addmm" and a.ndim == 2:
        return name, [Ref(p.shaped(d, d.one([(3,), (a.shape[0], 3), (1, 3)]))), Ref(i), Ref(p.shaped(d, (k, 3))), 0.5, d.one([1.0, -2.0])]
    if name == "inner":
        return name, [Ref(i), Ref(p.shaped(d, d.one([(k,), (2, k)])))]
    if name == "tensordot_axis":
        return name, [Ref(i), Ref(p.shaped(d, (k, 2))), 1]
    if name == "kron" and a.size < 40:
        return name, [Ref(i), Ref(p.shaped(d, d.one([(2,), (2, 2), (1,)])))]
    if name == "einsum" and a.ndim == 2:
        return name, [d.one(["ab,bc->ca", "ab,bc", "ab,bc->b", "ab,bc->abc"]), [Ref(i), Ref(p.shaped(d, (k, 3)))]]
    if name == "gather_mm" and a.ndim == 3:
        at = [whole(d, (3,), 0, a.shape[0]).astype(mx.uint32), whole(d, (3,), 0, 2).astype(mx.uint32)]
        return name, [Ref(i), Ref(p.shaped(d, (2, k, 3))), *at, False]
    return "outer", [Ref(i), Ref(p.shaped(d, (3,)))]


def larger(d, p):
    i = p.any(d)
    a = p.at(i)
    name = d.one("rms layer rope sdpa conv1 conv2 fft rfft fftn hadamard inv norm norm2 solve quantized dequantize cross chol".split())
    k = a.shape[-1] if a.ndim else 1
    if name == "rms" and a.ndim and k:
        return "fast_rms_norm", [Ref(i), d.one([None, Ref(p.shaped(d, (k,)))]), 1e-3]
    if name == "layer" and a.ndim and k:
        w = d.one([None, Ref(p.shaped(d, (k,)))])
        return "fast_layer_norm", [Ref(i), w, d.one([None, Ref(p.shaped(d, (k,)))]) if w is not None else None, 1e-2]
    if name == "rope":
        x = p.shaped(d, (2, 2, 3, d.one([4, 6])))
        m = p.at(x).shape[-1]
        dims = d.one([2, 4, m])
        freqs = d.one([None, mx.array(np.linspace(1, 2, dims // 2, dtype=np.float32))])
        return "fast_rope", [Ref(x), dims, d.chance(0.5), None if freqs is not None else 100.0, 0.5, d.between(0, 5), freqs]
    if name == "sdpa":
        q = p.shaped(d, (1, 4, 3, 4))
        kv = [Ref(p.shaped(d, (1, 2, 5, 4))) for _ in range(2)]
        mode = d.one(["", "causal", "array"])
        mask = {"": None, "causal": None, "array": d.one([mx.array(d.rng.random((3, 5)) < 0.7), Ref(p.shaped(d, (3, 5)))])}[mode]
        sinks = d.one([None, Ref(p.shaped(d, (4,)))])
        return "fast_scaled_dot_product_attention", [Ref(q), *kv, 0.5, "causal" if mode == "causal" else "", mask, sinks]
    if name == "conv1":
        x, g = p.shaped(d, (2, 7, 4)), d.one([1, 2])
        w = p.shaped(d, (4, 3, 4 // g))
        return "conv_general", [Ref(x), Ref(w), [d.between(1, 2)], [d.between(-1, 2)], [d.between(0, 2)], [d.between(1, 2)], [d.between(1, 2)], g, d.chance(0.3)]
    if name == "conv2":
        x, w = p.shaped(d, (1, 5, 4, 2)), p.shaped(d, (3, 2, 3, 2))
        return "conv_general", [Ref(x), Ref(w), [1, 2], [1, 0], [0, 1], [1, 1], [d.between(1, 2), 1], 1, d.chance(0.3)]
    if name in ("fft", "rfft") and a.ndim and a.size:
        return d.one(["fft_fft", "fft_ifft", "fft_irfft"] if name == "fft" else ["fft_rfft"]), [Ref(i), d.between(2, 6), d.axis(a.ndim, 0), d.between(0, 2)]
    if name == "fftn" and a.ndim > 1 and a.size:
        axes = [int(x) for x in d.rng.permutation(a.ndim)[:2]]
        return d.one(["fft_fftn", "fft_ifftn", "fft_rfftn"]), [Ref(i), [d.between(2, 5) for _ in axes], axes, d.between(0, 2)]
    if name == "hadamard":
        return "hadamard_transform", [Ref(p.shaped(d, (2, d.one([4, 8, 12])))), d.one([None, 0.5])]
    if name == "norm2" and a.ndim:
        return "linalg_norm_l2", [Ref(i), [d.axis(a.ndim, 0)], d.chance(0.5)]
    if name == "norm" and a.ndim:
        return "linalg_norm", [Ref(i), d.one([1.0, 3.0, float("inf")]), [d.axis(a.ndim, 0)], d.chance(0.5)]
    if name in ("inv", "solve", "chol"):
        s = p.shaped(d, (3, 3))
        s = p.add("matmul", [Ref(s), Ref(p.add("transpose", [Ref(s)]))])
        s = p.add("add", [Ref(s), mx.eye(3)])
        if name == "chol":
            return "linalg_cholesky", [Ref(s), d.chance(0.5)]
        return ("linalg_inv", [Ref(s)]) if name == "inv" else ("linalg_solve", [Ref(s), Ref(p.shaped(d, (3, 2)))])
    if name in ("quantized", "dequantize"):
        w = mx.quantize(values(d, (8, 64)), group_size=32, bits=4)
        s, b = (p.shaped(d, (8, 2)) for _ in range(2))
        if name == "dequantize":
            return "dequantize", [w[0], Ref(s), Ref(b), 32, 4, "affine", None, None]
        way = d.chance(0.5)
        return "quantized_matmul", [Ref(p.shaped(d, (3, 64) if way else (3, 8))), w[0], Ref(s), Ref(b), way, 32, 4, "affine"]
    if name == "cross":
        return "linalg_cross", [Ref(p.shaped(d, (2, 3))), Ref(p.shaped(d, (2, 3))), -1]
    return "square", [Ref(i)]


STEPS = [elementwise] * 4 + [reduced] * 2 + [seen] * 4 + [arranged] * 3 + [indexed] * 3 + [multiplied] * 2 + [larger] * 2


def filled(args, arrays):
    return [arrays[a] if isinstance(a, Ref) else filled(a, arrays) if isinstance(a, list) else a for a in args]


class Refused(Exception):
    """By MLX."""


class Program:
    def __init__(self, inputs):
        self.inputs, self.steps, self.arrays = inputs, [], list(inputs)

    def at(self, i):
        return self.arrays[i]

    def add(self, name, args, pick=0):
        try:
            found = TABLE[name](*filled(args, self.arrays))
            found = found[pick] if isinstance(found, (list, tuple)) else found
            mx.eval(found)
        except (ValueError, RuntimeError, TypeError, IndexError) as error:
            raise Refused(f"{name}: {error}") from error
        if found.size > 3000:
            raise Refused("large")
        if found.dtype in FLOATS and found.size and not float(mx.max(mx.abs(found))) < MOST:
            raise Refused("not finite, or large")
        self.arrays.append(found)
        self.steps.append((name, args, pick))
        return len(self.arrays) - 1

    def any(self, d):
        floats = [i for i, a in enumerate(self.arrays) if a.dtype in FLOATS]
        recent = floats[-4:]
        return d.one(recent if d.chance(0.75) else floats)

    def near(self, d, i):
        """One that broadcasts with it."""
        shape = self.at(i).shape
        fits = [j for j, a in enumerate(self.arrays) if a.dtype in FLOATS and broadcasts(shape, a.shape)]
        return d.one(fits[-5:]) if fits and d.chance(0.8) else self.shaped(d, d.beside(shape, 0))

    def same(self, d, i):
        fits = [j for j, a in enumerate(self.arrays) if a.shape == self.at(i).shape and a.dtype in FLOATS]
        return d.one(fits)

    def shaped(self, d, shape):
        """An array of a shape, made of one that is there where that is easy."""
        size = int(np.prod(shape))
        fits = [j for j, a in enumerate(self.arrays) if a.shape == tuple(shape) and a.dtype == mx.float32]
        if fits and d.chance(0.7):
            return d.one(fits)
        i = d.one([j for j, a in enumerate(self.arrays) if a.dtype == mx.float32])
        n = self.at(i).size
        if n == 0 or size == 0 or size > 200:
            self.arrays.append(values(d, shape))
            self.steps.append(("copy", [self.arrays[-1]], 0))
            return len(self.arrays) - 1
        j = self.add("flatten", [Ref(i), 0, -1])
        if n < size:
            j = self.add("tile", [Ref(j), [-(-size // n)]])
            n *= -(-size // n)
        by = d.one([1, 1, -1])
        if n != size or by < 0:
            room = d.between(0, n - size)
            j = self.add("slice", [Ref(j), *([room], [room + size], [1])] if by > 0 else
                         [Ref(j), [room + size - 1], [room - 1 if room else -n - 1], [-1]])
        return self.add("reshape", [Ref(j), list(shape)])


def broadcasts(a, b):
    try:
        return np.prod(np.broadcast_shapes(a, b)) < 1500
    except ValueError:
        return False


def drawn(d):
    shapes = [d.one([(3,), (2, 3), (3, 4), (2, 1, 3), (4, 2, 3), (2, 3, 2, 2), (6,), (), (1,), (5, 4)]) for _ in range(d.between(1, 3))]
    if d.chance(0.03):
        shapes[0] = (2, 0, 3)
    kinds = [mx.float32] * len(shapes)
    if d.chance(0.1):
        kinds[0] = mx.complex64
    if mx.float32 not in kinds:
        shapes.append((3,))
        kinds.append(mx.float32)
    p = Program([values(d, s, k) for s, k in zip(shapes, kinds)])
    for _ in range(d.between(2, 9)):
        before = len(p.arrays)
        try:
            name, args = d.one(STEPS)(d, p)
            p.add(name, args, d.one([0, 0, 1]) if name == "split" and args[1] > 1 else 0)
        except Refused:
            del p.arrays[before:], p.steps[before - len(p.inputs):]
    floats = [i for i in range(len(p.inputs), len(p.arrays)) if p.arrays[i].dtype in FLOATS]
    if not floats:
        return None
    keep = [floats[-1]]
    if d.chance(0.5):
        keep.append(p.add("negative", [Ref(d.one(floats))]))
    p.keep = keep
    return pruned(p)


def references(args):
    for a in args:
        if isinstance(a, Ref):
            yield int(a)
        elif isinstance(a, list):
            yield from references(a)


def renumbered(args, number):
    return [Ref(number[a]) if isinstance(a, Ref) else renumbered(a, number) if isinstance(a, list) else a for a in args]


def pruned(p):
    n, wanted = len(p.inputs), set(p.keep)
    for i in range(len(p.arrays) - 1, n - 1, -1):
        if i in wanted:
            wanted.update(references(p.steps[i - n][1]))
    number = {i: i for i in range(n)}
    q = Program(p.inputs)
    for i in range(n, len(p.arrays)):
        if i in wanted:
            number[i] = len(q.arrays)
            name, args, pick = p.steps[i - n]
            q.steps.append((name, renumbered(args, number), pick))
            q.arrays.append(p.arrays[i])
    q.keep = [number[i] for i in p.keep]
    return q


def shown(p):
    lines = [f"{i}: input {NAMES[a.dtype]}{list(a.shape)}" for i, a in enumerate(p.inputs)]
    for k, (name, args, pick) in enumerate(p.steps):
        i = k + len(p.inputs)
        text = ", ".join(show(a) for a in args)
        lines.append(f"{i}: {name}({text})[{pick}] -> {NAMES[p.arrays[i].dtype]}{list(p.arrays[i].shape)}")
    return lines + [f"keep {p.keep}"]


def show(a):
    if isinstance(a, Ref):
        return f"%{int(a)}"
    if isinstance(a, list):
        return "[" + ", ".join(map(show, a)) + "]"
    if isinstance(a, mx.array):
        return f"{NAMES[a.dtype]}{a.tolist()}" if a.size < 9 else f"{NAMES[a.dtype]}{list(a.shape)}"
    return repr(a)
