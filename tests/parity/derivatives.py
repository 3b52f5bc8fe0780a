"""Derivatives beside MLX's: of each function the values, those of the compiled function, the
cotangents of its arguments and, where MLX has a rule, the tangent, in float32 and for some in complex64,
all dense where MLX's are. Usage: derivatives.py LIBRARY.

Left out, because MLX is wrong there or has no rule: addmm's tangent, sort's cotangent, products by
slice and scatter, the tangents of scans, of slice_update alone and of scatter, powers of 0."""

import ctypes as c
import sys

import mlx.core as mx
import numpy as np

from plain import Array
from weirlib import Handle, Weir

FUNCTION = c.CFUNCTYPE(c.c_int, c.POINTER(Handle), Handle)
RNG = np.random.default_rng(17)
weir = Weir(sys.argv[1])
weir.lib.mlx_closure_new_func.restype = Handle


def closure(call):
    def run(res, given):
        try:
            arrays = weir.items(given)
            made = call(arrays)
            items = (Handle * len(made))(*made)
            return weir.lib.mlx_vector_array_set_data(res, items, c.c_size_t(len(made)))
        except Exception as e:  # no exception may leave it
            print("in a closure:", e)
            return 1

    held = FUNCTION(run)
    return held, weir.lib.mlx_closure_new_func(held)


def handle(x):
    return weir.array(Array(str(x.dtype), x))


def vector(arrays):
    items = (Handle * len(arrays))(*[handle(x) for x in arrays])
    return weir.lib.mlx_vector_array_new_data(items, c.c_size_t(len(arrays)))


class Laid:
    """A result as it lies."""

    def __init__(self, h):
        weir.check(weir.lib.mlx_array_eval(h))
        self.dense, self.value = weir.is_dense(h), weir.read(h)[2]


def derive(name, f, primals, others):
    first, second = weir.lib.mlx_vector_array_new(), weir.lib.mlx_vector_array_new()
    weir.check(getattr(weir.lib, name)(c.byref(first), c.byref(second), f, vector(primals), vector(others)))
    return [[Laid(h) for h in weir.items(v)] for v in (first, second)]


def applied_compiled(f, primals):
    """What the compiled closure gives, captured and then repeated."""
    made, out = Handle(), weir.lib.mlx_vector_array_new()
    weir.check(weir.lib.mlx_compile(c.byref(made), f, c.c_bool(False)))
    for _ in range(2):
        weir.check(weir.lib.mlx_closure_apply(c.byref(out), made, vector(primals)))
        yield [Laid(h) for h in weir.items(out)]
    weir.lib.mlx_closure_free(made)


def drawn(shape, low, high, dtype):
    x = RNG.uniform(low, high, shape).astype(np.float32)
    return x + 1j * RNG.uniform(-0.7, 0.7, shape).astype(np.float32) if dtype == "complex64" else x


def close(a, b, what):
    if isinstance(a, Laid):
        if b.size and memoryview(b).c_contiguous and not a.dense:
            print(f"{what}: no dense array, MLX's is")
            return 1
        a = a.value
    a, b = np.asarray(a), np.asarray(b)
    if a.shape == b.shape and a.dtype == b.dtype and np.allclose(a, b, 2e-4, 2e-5, equal_nan=True):
        return 0
    print(f"{what}: Weir has {a.dtype} {a.tolist()}, MLX {b.dtype} {b.tolist()}")
    return 1


def ones(x):
    return np.ones(np.asarray(x).shape, np.asarray(x).dtype)


def check_whole(name, call, of_mlx, primals, tangent=True):
    """Types and values of the derivatives of whole numbers."""
    held, f = closure(call)
    theirs = [mx.array(p) for p in primals]
    d, t = ones(of_mlx(*theirs)), [ones(p) for p in primals]
    found = derive("mlx_vjp", f, primals, [d])[1]
    want = mx.vjp(of_mlx, theirs, [mx.array(d)])[1]
    if tangent:
        found += derive("mlx_jvp", f, primals, t)[1]
        want += mx.jvp(of_mlx, theirs, [mx.array(x) for x in t])[1]
    wrong = sum(close(a, b, f"{name} of {primals[0].dtype}") for a, b in zip(found, want))
    weir.lib.mlx_closure_free(f)
    del held
    return wrong


def check(name, call, of_mlx, shapes, low=-2.0, high=2.0, dtype="float32", tangent=True, points=None):
    primals = [np.asarray(p, np.float32) for p in points] if points else \
        [drawn(s, low, high, dtype).astype(dtype) for s in shapes]
    held, f = closure(call)
    theirs = [mx.array(p) for p in primals]
    out = of_mlx(*theirs)
    d = drawn(out.shape, -1, 1, "complex64" if out.dtype == mx.complex64 else "float32")
    d = d.astype(np.complex64 if out.dtype == mx.complex64 else np.float32)
    wrong = 0
    values, grads = derive("mlx_vjp", f, primals, [d])
    want, want_grads = mx.vjp(of_mlx, theirs, [mx.array(d)])
    wrong += close(values[0], want[0], f"{name}, value")
    for found in applied_compiled(f, primals):
        wrong += close(found[0], want[0], f"{name}, compiled")
    for i, g in enumerate(grads):
        wrong += close(g, want_grads[i], f"{name}, cotangent {i}")
    if tangent:
        t = [drawn(p.shape, -1, 1, dtype).astype(p.dtype) for p in primals]
        _, tangents = derive("mlx_jvp", f, primals, t)
        _, want = mx.jvp(of_mlx, theirs, [mx.array(x) for x in t])
        wrong += close(tangents[0], want[0], f"{name}, tangent")
    weir.lib.mlx_closure_free(f)
    del held
    return wrong


def simple(name, *arguments):
    return lambda arrays: weir.call(f"mlx_{name}", *arrays, *arguments)


UNARY = {"abs": (-2, 2), "arccos": (-0.9, 0.9), "arccosh": (1.2, 3), "arcsin": (-0.9, 0.9),
         "arcsinh": (-3, 3), "arctan": (-3, 3), "arctanh": (-0.9, 0.9), "cos": (-4, 4), "cosh": (-2, 2),
         "erf": (-2, 2), "erfinv": (-0.8, 0.8), "exp": (-2, 2), "expm1": (-2, 2), "log": (0.3, 3),
         "log10": (0.3, 3), "log1p": (-0.7, 2), "log2": (0.3, 3), "negative": (-2, 2),
         "reciprocal": (0.4, 2), "rsqrt": (0.4, 3), "sigmoid": (-3, 3), "sign": (-2, 2), "sin": (-4, 4),
         "sinh": (-2, 2), "sqrt": (0.3, 3), "square": (-2, 2), "tan": (-1.2, 1.2), "tanh": (-2, 2),
         "floor": (-2, 2), "ceil": (-2, 2)}
COMPLEX = ["cos", "exp", "log", "negative", "reciprocal", "sin", "square", "tanh", "sinh", "cosh", "abs"]
BINARY = ["add", "subtract", "multiply", "divide", "maximum", "minimum", "power", "remainder", "arctan2",
          "logaddexp"]


WHOLE = ["abs", "negative", "sign", "square", "floor", "ceil", "exp", "sqrt", "log", "log1p", "expm1",
         "sigmoid", "sin", "tanh", "reciprocal", "rsqrt", "logical_not", "isnan", "real", "imag",
         "conjugate", "erf"]
WHOLE_BINARY = ["add", "subtract", "multiply", "divide", "maximum", "minimum", "power", "remainder",
                "floor_divide", "arctan2", "logaddexp", "bitwise_and", "left_shift", "logical_and"]


def whole_checks():
    """Sums and products of narrow types are made in wider ones, which cotangents have too. Comparisons'
    tangents are left out, which have their results' type."""
    for dtype in (np.int32, np.uint8):
        x, y = np.array([3, 5, 2], dtype), np.array([2, 1, 4], dtype)
        for name in WHOLE:
            yield check_whole(name, simple(name), getattr(mx, name), [x])
        for name in WHOLE_BINARY:
            yield check_whole(name, simple(name), getattr(mx, name), [x, y])
        for name in ("max", "min"):
            yield check_whole(name, simple(name, False), getattr(mx, name), [x])
        for name in ("cumsum", "cumprod", "cummax", "logcumsumexp"):
            yield check_whole(name, simple(name, 0, False, True), lambda v, n=name: getattr(mx, n)(v, axis=0),
                              [x], name == "cumsum")
        yield check_whole("sort", simple("sort_axis", 0), lambda v: mx.sort(v, axis=0), [x])
        yield check_whole("where", lambda v: weir.call("mlx_where", *v), mx.where, [x, x, y])
        yield check_whole("divide, mixed", simple("divide"), mx.divide, [x.astype(np.float32), y])
    for name in ("sum", "prod", "mean", "logsumexp"):
        yield check_whole(name, simple(name, False), getattr(mx, name), [np.array([3, 5, 2], np.int32)])
    for dtype in (np.bool_, np.int8, np.int16, np.uint8, np.uint16):
        x = np.array([[3, 5, 2]], dtype)
        for name in ("sum", "prod"):
            f = getattr(mx, name)
            yield check_whole(name, simple(name, False), f, [x])
            yield check_whole(f"{name}, of one", simple(f"{name}_axis", 0, False), lambda v, f=f: f(v, axis=0), [x])
        yield check_whole("sum of a cast", lambda v: weir.call("mlx_sum", weir.call("mlx_astype", *v, "int32")[0], False),
                          lambda v: mx.sum(v.astype(mx.int32)), [x])
    yield check_whole("cumsum", simple("cumsum", 0, False, True), lambda v: mx.cumsum(v, axis=0),
                      [np.array([True, False, True])])


def all_checks():
    yield from whole_checks()
    for name, (low, high) in UNARY.items():
        yield check(name, simple(name), getattr(mx, name), [(3, 4)], low, high)
    for name in COMPLEX:
        yield check(f"{name}, complex", simple(name), getattr(mx, name), [(3, 4)], 0.5, 2, "complex64")
    for name in BINARY:
        yield check(name, simple(name), getattr(mx, name), [(3, 4), (1, 4)], 0.4, 2.5)
    for name in ("maximum", "minimum"):  # ties, and what is no number
        points = [[1.0, 2.0, np.nan, np.inf], [1.0, 3.0, 1.0, np.inf]]
        yield check(f"{name}, ties", simple(name), getattr(mx, name), None, points=points)
    for name in ("abs", "sqrt", "square", "sign"):
        yield check(f"{name}, at 0", simple(name), getattr(mx, name), None, points=[[0.0, 1.0, 4.0]])
    for name in ("sum", "max", "min", "prod"):
        f = getattr(mx, name)
        yield check(name, simple(f"{name}_axes", [0, 2], False), lambda x, f=f: f(x, axis=[0, 2]), [(2, 3, 2)])
        yield check(f"{name}, kept", simple(f"{name}_axis", 1, True),
                    lambda x, f=f: f(x, axis=1, keepdims=True), [(2, 3)])
    yield check("max, ties", simple("max", False), mx.max, None, points=[[3.0, 1.0, 3.0]], tangent=False)
    yield check("prod, zeros", simple("prod", False), mx.prod, None, points=[[3.0, 0.0, 2.0]])
    yield check("prod, two zeros", simple("prod", False), mx.prod, None, points=[[3.0, 0.0, 0.0]])
    yield check("softmax", simple("softmax_axis", -1, False), lambda x: mx.softmax(x, axis=-1), [(3, 4)])
    yield check("softmax, first axis", simple("softmax_axis", 0, False), lambda x: mx.softmax(x, axis=0), [(3, 4)])
    yield check("logsumexp", simple("logsumexp_axis", -1, False), lambda x: mx.logsumexp(x, axis=-1), [(3, 4)],
                tangent=False)
    for name in ("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"):
        for reverse in (False, True):
            f = getattr(mx, name)
            yield check(name, simple(name, 1, reverse, True),
                        lambda x, f=f, r=reverse: f(x, axis=1, reverse=r), [(2, 4)], tangent=name == "cumsum")
    yield check("mean", simple("mean", False), mx.mean, [(3, 4)])
    yield check("var", simple("var_axis", 1, False, 1), lambda x: mx.var(x, axis=1, ddof=1), [(3, 4)])
    yield check("transpose", simple("transpose"), mx.transpose, [(3, 4)])
    yield check("reshape", simple("reshape", [2, 6]), lambda x: mx.reshape(x, (2, 6)), [(3, 4)])
    yield check("broadcast", simple("broadcast_to", [2, 3, 4]), lambda x: mx.broadcast_to(x, (2, 3, 4)), [(3, 1)])
    yield check("slice", simple("slice", [0, 3], [3, 0], [2, -1]), lambda x: x[0:3:2, 3:0:-1], [(3, 4)])
    yield check("matmul", simple("matmul"), mx.matmul, [(3, 4), (4, 2)])
    yield check("matmul, vectors", simple("matmul"), mx.matmul, [(4,), (4,)])
    yield check("matmul, batches", simple("matmul"), mx.matmul, [(2, 3, 4), (4, 2)])
    yield check("matmul, complex", simple("matmul"), mx.matmul, [(3, 4), (4, 2)], dtype="complex64")
    yield check("addmm", lambda v: weir.call("mlx_addmm", *v, 2.5, -0.5),
                lambda k, a, b: mx.addmm(k, a, b, 2.5, -0.5), [(3, 2), (3, 4), (4, 2)], tangent=False)
    for how in (([1], [0], [0], [1], [1], 1, False), ([2], [1], [2], [1], [1], 1, True),
                ([2], [3], [4], [2], [3], 1, False), ([3], [-1], [0], [1], [1], 1, False),
                ([2], [1], [1], [1], [1], 2, False)):
        stride, low, high, kernel, spread, groups, flip = how
        yield check(f"conv {how}", simple("conv_general", *how),
                    lambda x, w, h=how: mx.conv_general(x, w, stride=h[0][0], padding=(h[1], h[2]),
                                                        kernel_dilation=h[3][0], input_dilation=h[4][0],
                                                        groups=h[5], flip=h[6]),
                    [(2, 7, 4), (6, 3, 4 // groups)], tangent=False)
    yield check("conv2d", simple("conv2d", 2, 1, 1, 0, 1, 1, 2),
                lambda x, w: mx.conv2d(x, w, stride=(2, 1), padding=(1, 0), groups=2),
                [(2, 5, 6, 2), (4, 2, 3, 1)], tangent=False)
    yield check("conv_transpose2d", simple("conv_transpose2d", 2, 1, 1, 0, 1, 1, 1, 0, 1),
                lambda x, w: mx.conv_transpose2d(x, w, stride=(2, 1), padding=(1, 0), output_padding=(1, 0)),
                [(2, 3, 4, 2), (3, 2, 2, 2)], tangent=False)
    for name in ("fft", "ifft", "irfft"):
        yield check(name, simple(f"fft_{name}", 6, 1, 0), lambda x, f=getattr(mx.fft, name): f(x, 6, 1), [(2, 4)],
                    dtype="complex64", tangent=False)
    yield check("rfft", simple("fft_rfft", 6, 1, 0), lambda x: mx.fft.rfft(x, 6, 1), [(2, 6)], tangent=False)
    yield check("rfft2", simple("fft_rfft2", [3, 4], [0, 1], 0), lambda x: mx.fft.rfft2(x, (3, 4), (0, 1)), [(3, 4)])
    at = np.array([1, 0, 1, -1], np.int32)
    index = Array("int32", at)
    yield check("take", lambda v: weir.call("mlx_take_axis", *v, index, 1),
                lambda x: mx.take(x, mx.array(at), axis=1), [(2, 3)])
    yield check("unused", lambda v: weir.call("mlx_square", v[0]), lambda x, y: mx.square(x), [(3, 4), (2, 3)])
    yield check("hadamard", lambda v: weir.call("mlx_hadamard_transform", *v, None),
                mx.hadamard_transform, [(2, 24)])


wrong = 0
count = 0
for found in all_checks():
    wrong += found
    count += 1
print(f"derivatives: {count} functions, {wrong} differences")
sys.exit(1 if wrong else 0)
