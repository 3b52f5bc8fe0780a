"""Values that MLX does not get right (E6): Weir keeps to the mathematics, and right.py says what that
is.
These are the intended differences:

- mean, var and std of integers: MLX adds in 32 or 64 bits, and the sum wraps. Of 16-bit floats: MLX
  rounds each step to 16 bits, and a sum above 65504 is infinite. The variance of equal elements is
  0 here, whatever their sum is rounded to.
- isclose and allclose: MLX subtracts in the inputs' type, in which unsigned numbers and the ends of
  integer types wrap, and takes tolerances of float64 numbers as float32. Complex infinities are
  close where both of their parts are equal; MLX knows inf + 0i alone.
- uniform: where the sum is rounded to `high`, the number before it; in MLX `high`. Where high - low
  overflows, MLX gives infinities. randint: MLX scales float32 numbers, which leaves out most
  integers of a range above 2^24.
- linspace: MLX interpolates in float32, so that whole numbers may be cut to the ones below.
- round to decimal places: MLX's product with 10^n may overflow, goes by float32 for float64 factors
  and for integers, and is made in 16 bits for 16-bit floats. Integers are rounded as such here.
- softmax: `precise` makes float32 of float64 in MLX. 16-bit sums along other axes than the last stop
  growing.
- casts to 16-bit floats go by float32 in MLX, and are rounded twice.
- 0 to the power of 0 is 1 for complex numbers as for all others; MLX's logarithm of 0 gives NaN.
  The sign of complex numbers whose magnitude overflows is finite; log1p near -1 keeps its digits.
- addmm: what a factor of 0 stands before is not looked at; in MLX its NaN stays.
- scatter_add to 16-bit floats adds in float32; in MLX each step is rounded.
- exp of float32: MLX's is infinite from 88.376 on, here from 88.723.
- Shifts by the width of the type or more, or by less than 0: 0, or -1 for negative numbers shifted
  right; in MLX what the processor does. floor_divide of complex numbers is refused; MLX divides.
- scatter_max and scatter_min: a NaN stays, as in maximum and minimum; in MLX the next update of the
  same element takes its place. scatter_prod of 16-bit floats multiplies in float32, as scatter_add adds.
- masked_scatter with fewer rows than trues: the last row is repeated; MLX fails when it computes, on
  the CPU, and reads what it finds elsewhere. Without any rows it is refused; MLX dies.
- to_fp8 of float64 and of a NaN below 0, which MLX takes for another number; from_fp8 to float64.
- from_fp8 of 0x7f and 0xff is NaN, as in MLX 0.32; in MLX 0.31 it is 480 and -480.
- Named arguments of an imported function go where it has their names, others to its positional inputs.
  MLX hands all over in order of name: of a function of one input and `b`, {b, c} gives b to the former.
- hadamard_transform over 36 elements and the like, three times twelve, is refused; what MLX makes of
  it is no transform. float64 has one; MLX refuses it.
- cummax and cummin of 16-bit floats with a NaN: MLX goes on with 0. Here it stays, as in float32.
- categorical of a single distribution, with samples: MLX 0.32.4 inverts the distribution function,
  MLX 0.31, which mlx-c is for, takes the greatest of sums with Gumbel draws for these as for all
  others, and so does Weir. Both draw by the same probabilities.
- put_along_axis and scatter_add_axis drop what is out of range, as_strided refuses what leaves the
  array, slice_dynamic and slice_update_dynamic hold starts within it; MLX reads and writes there.
- nan_to_num of float16: the ends of the type; in MLX 0, or infinite. unflatten to negative extents is
  refused; MLX makes them.
- Products of complex infinities: C++ makes an infinity of NaN parts again, NumPy and Weir do not.
- argmax of more elements than uint32 can number is refused: MLX's number wraps."""

import mlx.core as mx
import numpy as np

import right
from mlxside import DTYPES
from right import cast, doubles

FLOATS = (mx.float16, mx.float32, mx.bfloat16, mx.float64)
CHUNK = 2**24


def of(values, dtype):
    return cast(doubles(values), dtype)


def whole(values, dtype):
    name = str(dtype).removeprefix("mlx.core.")
    return mx.array(np.array(values, name))


def ends(dtype):
    info = mx.iinfo(dtype)
    return whole([info.min, info.max, info.max, info.min, info.max, info.max - 1, 3], dtype)


def case(name, args, value):
    return "values", "mlx_" + name, args, lambda: value


def statistics():
    found = [ends(d) for d in right.INTEGERS] + [of([100.0] * 999, mx.float16)]
    found += [of([60000.0, 59000.0, 50000.0], mx.float16), of([1.0, 1.5, 3e38], mx.bfloat16)]
    found += [mx.random.normal((13, 1, 17), d, key=mx.random.key(3)) for d in right.SHORT]
    found += [mx.random.normal((131, 70), d, key=mx.random.key(4)) for d in (*right.SHORT, mx.float32)]
    for a in found:
        yield case("mean", (a, False), right.statistic("mean")(a))
        yield case("var", (a, True, 1), right.statistic("var")(a, keepdims=True, ddof=1))
        yield case("std_axis", (a, 0, False, 0), right.statistic("std")(a, 0))
    for dtype in DTYPES:
        for n in (1, 3, 7, 1009):
            a = whole([[101] * n] * 2, dtype) if dtype in right.INTEGERS else of([[0.1] * n] * 2, dtype)
            kind = a.dtype if dtype in FLOATS else mx.float32
            yield case("var", (a, False, 0), cast(mx.array(0.0), kind))
            yield case("std_axis", (a, 1, True, 0), cast(mx.zeros((2, 1)), kind))


def closeness():
    for dtype in right.INTEGERS:
        a = ends(dtype)
        for rtol, atol in ((0.0, 1.0), (0.0, 0.0), (1e-5, 1e-8), (0.0, 2.0**33)):
            for name in ("isclose", "allclose"):
                args = (a, a[::-1], rtol, atol)
                yield case(name, (*args, False), getattr(right, name)(*args))
    x = doubles([0.0, 1.0, 1.0, 3e300, 1e-46, np.inf, -np.inf, np.nan])
    y = doubles([1e-46, 1 + 1e-12, 2.0, -3e300, 0.0, np.inf, np.inf, np.nan])
    z = mx.array(np.array([complex(p, q) for p in (np.inf, -np.inf, 1, np.nan)
                           for q in (1, np.inf, np.nan)], np.complex64))
    pairs = [(x, y), (z, z), (z, z[::-1])]
    pairs += [(of([60000.0, 100.0, 1.0], d), of([-60000.0, 0.03, 1.01], d)) for d in right.SHORT]
    for a, b in pairs:
        for rtol, atol in ((0.0, 1e-47), (1e-13, 0.0), (1e-5, 1e-8), (0.0, 99.98)):
            for nan in (False, True):
                yield case("isclose", (a, b, rtol, atol, nan), right.isclose(a, b, rtol, atol, nan))


def draws():
    key = mx.random.key(7)
    for dtype in (mx.float32, mx.float16, mx.bfloat16):
        for low, high in ((1.0, 2.0), (2.0, 1.0), (-2.0, -1.0), (1000.0, 1008.0), (3.0, 3.0)):
            for n in (5, 3001):
                want = right.uniform(low, high, (n,), dtype, key)
                for at in (mx.array(low), mx.full((n,), low)):
                    yield case("random_uniform", (at, mx.array(high), [n], dtype, key), want)
    for dtype, low, high, kind in (
            (mx.int32, CHUNK, CHUNK + 5, mx.int32), (mx.int32, -2**31, 2**31, mx.int64),
            (mx.uint32, 0, 2**32, mx.int64), (mx.int32, 0, 2 * CHUNK, mx.int32),
            (mx.int64, -2**63, 2**63 - 1, mx.int64), (mx.uint64, 0, 2**64 - 1, mx.uint64),
            (mx.int64, 2**62, 2**62 + 7, mx.int64), (mx.uint8, CHUNK, CHUNK + 5, mx.int32),
            (mx.int64, 0, 10**13, mx.int64), (mx.int32, CHUNK * 4, 3, mx.int32)):
        for n in (1, 64, 1009):
            args = (whole(low, kind), whole(high, kind), [n], dtype, key)
            yield case("random_randint", args, right.randint(low, high, [n], dtype, key))


def lines():
    for dtype in DTYPES[1:]:
        for start, stop, num in ((0.0, 10.0, 11), (0.0, 96.0, 97), (3.0, 7.0, 29), (0.1, 0.7, 7),
                                 (1.0, 2.0, 50), (5.0, 0.0, 51), (0.25, 0.25, 1), (0.1, 9.0, 1)):
            yield case("linspace", (start, stop, num, dtype), right.linspace(start, stop, num, dtype))


def rounding():
    values = [0.5, 0.15, 0.25, 12345.678, -12355, 1e10, np.nan, np.inf, 15, -25, 3e38, -0.0, 2.675]
    for n in (-40, -38, -3, -1, 1, 2, 6, 37, 40, 300):
        for dtype in FLOATS:
            a = of(values, dtype)
            yield case("round", (a, n), right.rounded(a, n))
    for n in (-18, -9, -3, -2, -1, 1, 5):
        for dtype in right.INTEGERS:
            for a in (ends(dtype), whole([5, 15, 25, 35, 49, 50, 51, 100], dtype)):
                yield case("round", (a, n), right.rounded(a, n))


def kept():
    """A NaN among several updates of one element."""
    at, u = mx.array([0, 0, 0, 1, 1]), mx.array([2.0, np.nan, 5.0, 7.0, -7.0]).reshape(5, 1)
    for way, want in (("max", [np.nan, 7.0]), ("min", [np.nan, -7.0])):
        yield case("scatter_" + way + "_single", (mx.zeros((2,)), at, u, 0), mx.array(want))


def too_few():
    mask, a = mx.array([True, False, True, True]), mx.zeros((4, 2))
    want = mx.array([[1.0, 2], [0, 0], [3, 4], [3, 4]])
    yield case("masked_scatter", (a, mask, mx.array([[1.0, 2], [3, 4]])), want)


def eights():
    """float64 is rounded once, to 8 bits; MLX reads it as if it were float32."""
    x = doubles([1.0625 + 2.0**-40, 1.0625, 1.0625 - 2.0**-40, 1.1875 - 2.0**-40, 2.0**-10, 1e300])
    yield case("to_fp8", (x,), mx.array(np.array([0x39, 0x38, 0x38, 0x39, 0, 0x7e], np.uint8)))


def sums():
    x = np.array([[0.0, 1e-10, 700.0], [1.0, 2.0, 3.0]])
    e = np.exp(x - x.max(0))
    yield case("softmax_axis", (doubles(x), 0, True), doubles(e / e.sum(0)))
    for dtype in right.SHORT:
        a = mx.zeros((5000, 2), dtype)
        yield case("softmax_axis", (a, 0, False), mx.full((5000, 2), 1 / 5000).astype(dtype))
        yield case("logsumexp_axis", (a, 0, False), cast(mx.full((2,), np.log(5000.0)), dtype))
        at, u = mx.zeros((5000,), mx.int32), mx.ones((5000, 1), dtype)
        yield case("scatter_add_single", (mx.zeros((1,), dtype), at, u, 0), of([5000.0], dtype))


def bits_of(dtype, halves):
    """16-bit floats by their bits."""
    return mx.array(np.array(halves, np.uint16)).view(dtype)


def short_casts():
    # One and a half of the type's last place, and a little more or less, which float32 loses.
    x = doubles([1 + 2.0**-11 - 2.0**-40, 1 + 2.0**-11, 1 + 2.0**-11 + 2.0**-40,
                 65520 - 2.0**-20, 2.0**-25 + 2.0**-60, 2.0**-25, 1e300, -1e-300])
    yield case("astype", (x, mx.float16), bits_of(mx.float16, [
        0x3c00, 0x3c00, 0x3c01, 0x7bff, 0x0001, 0x0000, 0x7c00, 0x8000]))
    x = doubles([1 + 2.0**-8 - 2.0**-40, 1 + 2.0**-8, 1 + 2.0**-8 + 2.0**-40, 3.3961e38,
                 1e39, 2.0**-134 + 2.0**-180, 2.0**-134])
    yield case("astype", (x, mx.bfloat16), bits_of(mx.bfloat16, [
        0x3f80, 0x3f80, 0x3f81, 0x7f7f, 0x7f80, 0x0001, 0x0000]))
    for dtype, top in ((mx.int32, 30), (mx.uint32, 31), (mx.int64, 62), (mx.uint64, 63)):
        a = whole([2**top + 2**(top - 8) + d for d in (-1, 0, 1)], dtype)
        one = (top + 127) << 7
        yield case("astype", (a, mx.bfloat16), bits_of(mx.bfloat16, [one, one, one + 1]))


def complexes():
    a = mx.array(np.array([0, 0, 1j, 2, np.inf, 0], np.complex64))
    b = mx.array(np.array([0, 1, 0, 10, 0, 2 + 1j], np.complex64))
    yield case("power", (a, b), mx.array(np.array([1, 0, 1, 1024, 1, 0], np.complex64)))
    a = mx.array(np.array([-1 + 1e-20j, 1e-10, 3e38 + 3e38j, -1.5j], np.complex64))
    yield case("log1p", (a,), mx.array(np.log1p(np.array(a, np.complex128)).astype(np.complex64)))
    a = mx.array(np.array([3e38 + 3e38j, -3e38, 1e-45], np.complex64))
    yield case("sign", (a,), mx.array(np.array([0.5**0.5 * (1 + 1j), -1, 1], np.complex64)))


def factors():
    for dtype in FLOATS + (mx.complex64,):
        for n, k, m in ((2, 3, 4), (1, 3, 4), (2, 3, 1), (1, 97, 1), (70, 70, 70), (2, 0, 3)):
            bad, a, b = (cast(mx.full(s, x), dtype)
                         for s, x in (((n, m), np.nan), ((n, k), 1.0), ((k, m), 1.0)))
            nan, c = cast(mx.full((n, k), np.nan), dtype), cast(mx.full((n, m), 2.0), dtype)
            yield case("addmm", (bad, a, b, 0.5, 0.0), cast(mx.full((n, m), k / 2), dtype))
            yield case("addmm", (c, nan, b, 0.0, 0.5), cast(mx.full((n, m), 1.0), dtype))
            yield case("addmm", (bad, nan, b, 0.0, 0.0), cast(mx.zeros((n, m)), dtype))


def values():
    for family in (statistics, closeness, draws, lines, rounding, kept, too_few, eights, sums, short_casts, complexes,
                   factors):
        yield from family()
