"""What is right where MLX is not: the same functions from NumPy, from Python's integers, or from MLX
in a wider type. values.py has the list, with the reasons."""

import fractions
import warnings

import mlx.core as mx
import numpy as np

SHORT = (mx.float16, mx.bfloat16)
SIGNED = (mx.int8, mx.int16, mx.int32, mx.int64)
UNSIGNED = (mx.uint8, mx.uint16, mx.uint32, mx.uint64)
INTEGERS = SIGNED + UNSIGNED
WORD = np.uint64(0xffffffff)


def cast(a, dtype):
    return a.astype(dtype, stream=mx.cpu)


def doubles(values):
    """float64, which MLX makes float32 of unless it is told."""
    return mx.array(np.array(values, np.float64), dtype=mx.float64)


def numbers(a):
    """As NumPy's, 16-bit floats as float32."""
    return np.array(cast(a, mx.float32) if a.dtype in SHORT else a)


def refuse_as(call, *args, **named):
    """What MLX refuses is refused."""
    mx.eval(call(*args, **named))


def exp(a):
    """MLX's of float32 is infinite from 88.376 on, where e^x has a float32 up to 88.722."""
    a = mx.array(a)
    found = mx.exp(a)
    if a.dtype not in (mx.float32, mx.bfloat16):
        return found
    with np.errstate(all="ignore"):
        wide = np.exp(numbers(a).astype(np.float64)).astype(np.float32)
    return mx.where(mx.isinf(found), cast(mx.array(wide), a.dtype), found)


def statistic(name):
    """mean, var, std: of integers in float64, of 16-bit floats in float32."""
    f, exact = getattr(mx, name), getattr(np, name)

    def of(a, axes=None, keepdims=False, **named):
        a = mx.array(a)
        refuse_as(f, a, axes, keepdims=keepdims, **named)
        if a.dtype in SHORT:
            return cast(f(cast(a, mx.float32), axes, keepdims=keepdims, **named), a.dtype)
        if a.dtype not in INTEGERS:
            return f(a, axes, keepdims=keepdims, **named)
        axes = tuple(axes) if isinstance(axes, (list, tuple)) else axes
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # more degrees of freedom than elements
            x = exact(np.array(a, np.float64), axes, keepdims=keepdims, **named)
        return mx.array(np.asarray(x, np.float32))

    return of


def isclose(a, b, rtol=1e-5, atol=1e-8, equal_nan=False):
    a, b = mx.array(a), mx.array(b)
    x, y = np.broadcast_arrays(numbers(a), numbers(b))
    whole = a.dtype in INTEGERS and b.dtype in INTEGERS
    with np.errstate(all="ignore"):
        if whole and {a.dtype, b.dtype} & {mx.uint64} and {a.dtype, b.dtype} & set(SIGNED):
            x, y, whole = x.astype(np.float64), y.astype(np.float64), False
        if whole:
            apart = np.abs(x.astype(object) - y.astype(object)).astype(np.float64)
            return mx.array(apart <= atol + rtol * np.abs(y.astype(np.float64)))
        if mx.complex64 in (a.dtype, b.dtype):
            x, y = x.astype(np.complex64), y.astype(np.complex64)
            apart, size = np.abs(x - y).astype(np.float64), np.abs(y).astype(np.float64)
        else:
            x, y = x.astype(np.float64), y.astype(np.float64)
            apart, size = np.abs(x - y), np.abs(y)
        same = (x == y) | (equal_nan & np.isnan(x) & np.isnan(y))
        close = np.where(np.isfinite(x) & np.isfinite(y), apart <= atol + rtol * size, same)
    return mx.array(close)


def allclose(*args, **named):
    return mx.array(bool(np.all(np.array(isclose(*args, **named)))))


def wrapped(values, dtype):
    info = mx.iinfo(dtype)
    span = info.max - info.min + 1
    return [(v - info.min) % span + info.min for v in values]


def rounded(a, decimals=0):
    a = mx.array(a)
    if decimals == 0:
        return mx.round(a)
    x = numbers(a)
    if a.dtype in INTEGERS:
        values = wrapped([round(v, decimals) for v in x.ravel().tolist()], a.dtype)
        return mx.array(np.array(values, x.dtype).reshape(x.shape))
    if a.dtype == mx.bool_:
        return a if decimals > 0 else mx.zeros(a.shape, mx.bool_)
    wide = np.float64 if abs(decimals) > 38 and a.dtype != mx.complex64 else x.dtype
    with np.errstate(all="ignore"):
        r = np.round(x.astype(wide), decimals)
        r = np.where(np.isfinite(r), r, x)
    r = r.astype(x.dtype)
    return cast(doubles(r) if a.dtype == mx.float64 else mx.array(r), a.dtype)


def linspace(start, stop, num, dtype=mx.float32):
    if num < 0:
        raise ValueError(num)
    start, stop = fractions.Fraction(start), fractions.Fraction(stop)
    last = max(num - 1, 1)
    values = [float(start + (stop - start) * i / last) for i in range(num)]
    return cast(doubles(values), dtype)


def places(a, indices, axes, sizes):
    """An index array for each axis of a: all elements of the slices that begin at the indices."""
    if indices and not mx.issubdtype(mx.result_type(*indices), mx.integer):
        raise ValueError("uint64 and signed indices")
    lead = np.broadcast_shapes(*(i.shape for i in indices)) if indices else ()
    found = []
    for d, size in enumerate(sizes):
        along = [1] * (len(lead) + a.ndim)
        along[len(lead) + d] = size
        at = mx.arange(size).astype(mx.int64).reshape(along)
        if d in axes:
            i = mx.broadcast_to(indices[axes.index(d)], lead).astype(mx.int64)
            i = mx.where(i < 0, i + a.shape[d], i)
            at = at + i.reshape(lead + (1,) * a.ndim)
        found.append(at)
    return tuple(found)


def gather(a, indices, axes, sizes):
    return a[places(a, indices, axes, sizes)]


def set_at(at, updates):
    a = mx.array(at[0])
    a[at[1]] = updates
    return a


WRITES = {"": set_at, "_add": lambda at, u: at[0].at[at[1]].add(u),
          "_max": lambda at, u: at[0].at[at[1]].maximum(u),
          "_min": lambda at, u: at[0].at[at[1]].minimum(u),
          "_prod": lambda at, u: at[0].at[at[1]].multiply(u)}


def written(way, a, where, updates):
    """Updates where index arrays or slices say; sums and products of 16-bit floats in float32."""
    u = cast(updates, a.dtype)
    if a.dtype not in SHORT or way not in ("_add", "_prod"):
        return WRITES[way]((a, where), u)
    return cast(WRITES[way]((cast(a, mx.float32), where), cast(u, mx.float32)), a.dtype)


def scatter(way, a, indices, updates, axes):
    """Updates: the indices' shape, then a slice."""
    sizes = updates.shape[updates.ndim - a.ndim:]
    return written(way, a, places(a, indices, axes, sizes), updates)


def masked_scatter(a, mask, source):
    a = mx.array(a)
    if mask.shape != a.shape[:mask.ndim]:
        raise ValueError(mask.shape)
    a[mask] = cast(source, a.dtype)
    return a


def to_fp8(a):
    """16-bit floats by way of float32, a NaN by its sign."""
    if not mx.issubdtype(a.dtype, mx.floating):
        raise ValueError(a.dtype)
    wide = cast(a, mx.float32)
    below = (wide.view(mx.uint32) >> 31) != 0
    return mx.where(mx.isnan(wide), mx.where(below, 0xfe, 0x7e).astype(mx.uint8), mx.to_fp8(wide))


def hadamard(a, scale):
    """16-bit floats in float32."""
    if a.dtype in SHORT:
        return cast(mx.hadamard_transform(cast(a, mx.float32), scale), a.dtype)
    return mx.hadamard_transform(a, scale)


def scanned(f):
    """Running maxima and minima of 16-bit floats by way of float32."""
    def of(a, **named):
        if a.dtype not in SHORT or f not in (mx.cummax, mx.cummin):
            return f(a, **named)
        return cast(f(cast(a, mx.float32), **named), a.dtype)
    return of


def addmm(c, a, b, alpha=1.0, beta=1.0):
    """With what a factor of 0 stands before left out."""
    zero = mx.zeros_like
    refuse_as(mx.addmm, c, a, b, alpha, beta)
    a, b = (zero(a), zero(b)) if alpha == 0 else (a, b)
    return mx.addmm(zero(c) if beta == 0 else c, a, b, alpha, beta)


def words(key, n):
    """Threefry-2x32, as MLX lays its words out."""
    half, odd = n // 2, n % 2
    i = np.arange(half + odd, dtype=np.uint64)
    x, y = i.copy(), np.where(i < half, half + odd + i, 0).astype(np.uint64)
    ks = [int(k) for k in np.array(key)]
    ks.append(ks[0] ^ ks[1] ^ 0x1bd11bda)
    x, y = (x + np.uint64(ks[0])) & WORD, (y + np.uint64(ks[1])) & WORD
    for turn in range(5):
        for r in ((13, 15, 26, 6), (17, 29, 16, 24))[turn % 2]:
            x = (x + y) & WORD
            y = (((y << np.uint64(r)) | (y >> np.uint64(32 - r))) & WORD) ^ x
        x = (x + np.uint64(ks[(turn + 1) % 3])) & WORD
        y = (y + np.uint64(ks[(turn + 2) % 3] + turn + 1)) & WORD
    return np.concatenate([x, y[:half]]).astype(np.uint32)


def randint(low, high, shape, dtype, key):
    """Words scaled by the exact range, two of them for types of 64 bits."""
    n = int(np.prod(shape))
    first = words(key, n).tolist()
    second, width = [0] * n, 32
    if dtype.size == 8:
        second, width = words(words(key, 2), n).tolist(), 64
    draws = [low + (((a << 32 | b) * max(high - low, 0) >> 64) if width == 64 else
                    (a * max(high - low, 0) >> 32)) for a, b in zip(first, second)]
    if dtype == mx.bool_:
        return mx.array(np.array(draws) != 0).reshape(shape)
    name = str(dtype).removeprefix("mlx.core.")
    return mx.array(np.array(wrapped(draws, dtype), name)).reshape(shape)


def uniform(low, high, shape, dtype, key):
    """MLX's draws, and one step before the end where it gives the end."""
    draws = np.array(cast(mx.random.uniform(low, high, shape, dtype, key), mx.float32))
    unit = 2.0 ** {mx.float16: -11, mx.bfloat16: -8, mx.float32: -24}[dtype]
    step = abs(high) * unit * (1 + unit)
    last = high - step if low < high else high + step
    end = np.array(cast(cast(mx.array(high, mx.float32), dtype), mx.float32))
    last = cast(doubles(last), dtype)
    draws = mx.array(np.where(draws == end, np.array(cast(last, mx.float32)), draws))
    return cast(draws, dtype)
