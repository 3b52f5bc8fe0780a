"""Functions in files, between Weir and MLX: what MLX has exported is imported and called here, and
the other way round; values are equal, or near where sums are in another order. Then traces by
shapes, named arguments, shapeless files. Usage: functions.py LIBRARY"""

import ctypes as c
import pathlib
import struct
import sys
import tempfile

import mlx.core as mx
import numpy as np

import tables
from plain import Array
from weirlib import Handle, Weir

FUNCTION = c.CFUNCTYPE(c.c_int, c.POINTER(Handle), Handle)
NAMED = c.CFUNCTYPE(c.c_int, c.POINTER(Handle), Handle, Handle)
RNG = np.random.default_rng(23)
weir = Weir(sys.argv[1])
lib = weir.lib
for maker in ("mlx_closure_new_func", "mlx_closure_kwargs_new_func", "mlx_function_exporter_new",
              "mlx_imported_function_new", "mlx_map_string_to_array_new"):
    getattr(lib, maker).restype = Handle
folder = tempfile.TemporaryDirectory()
PATH = str(pathlib.Path(folder.name) / "f.mlxfn")
NAME = PATH.encode()


def handle(x):
    return weir.array(Array(str(x.dtype), x))


def vector(arrays):
    items = (Handle * len(arrays))(*[handle(x) for x in arrays])
    return lib.mlx_vector_array_new_data(items, c.c_size_t(len(arrays)))


def table(named):
    made = lib.mlx_map_string_to_array_new()
    for key, x in named.items():
        weir.check(lib.mlx_map_string_to_array_insert(made, key.encode(), handle(x)))
    return made


def closure(call):
    def run(res, given):
        try:
            made = call(weir.items(given))
            items = (Handle * len(made))(*made)
            return lib.mlx_vector_array_set_data(res, items, c.c_size_t(len(made)))
        except Exception as e:  # no exception may leave it
            print("in a closure:", e)
            return 1

    held = FUNCTION(run)
    return held, lib.mlx_closure_new_func(held)


def called(function, arrays, named=None):
    """The values of an imported function."""
    out = lib.mlx_vector_array_new()
    if named is None:
        weir.check(lib.mlx_imported_function_apply(c.byref(out), function, vector(arrays)))
    else:
        weir.check(lib.mlx_imported_function_apply_kwargs(c.byref(out), function, vector(arrays), table(named)))
    return [weir.read(h)[2] for h in weir.items(out)]


def imported():
    function = lib.mlx_imported_function_new(NAME)
    weir.check(not function.ctx)
    return function


def close(what, found, want):
    wrong = 0
    if len(found) != len(want):
        print(f"{what}: {len(found)} results, not {len(want)}")
        return 1
    for i, (a, b) in enumerate(zip(found, want)):
        a, b = np.asarray(a), np.asarray(b)
        if a.shape != b.shape or a.dtype != b.dtype or not np.allclose(a, b, 2e-4, 2e-5, equal_nan=True):
            print(f"{what}, result {i}: {a.dtype} {a.shape} {a.tolist()} is not {b.dtype} {b.shape} {b.tolist()}")
            wrong += 1
    return wrong


def floats(*shape):
    return RNG.uniform(0.1, 0.9, shape).astype(np.float32)


def whole(*shape):
    return RNG.integers(1, 9, shape).astype(np.int32)


TYPES = {o.cells["name"]: o.cells["types"] for o in tables.operations()}


def of_floats(family, *parameters):
    """The public functions of a family that take floats and that MLX has by the same name."""
    return [n for n in tables.family(family, *parameters)
            if TYPES[n] not in ("integer", "whole", "complex64") and hasattr(mx, n)]


UNARY = of_floats("unary", "res", "a", "s") + ["stop_gradient"]
BINARY = of_floats("binary", "res", "a", "b", "s") + ["matmul"]
WHOLE = "bitwise_and bitwise_or bitwise_xor left_shift right_shift floor_divide remainder divide".split()


def w(name, *arguments):
    return lambda a: weir.call(f"mlx_{name}", *a, *arguments)


def first(name, *arguments):
    return lambda a: weir.call(f"mlx_{name}", a[0], *arguments)


# name, MLX's function, the same here, inputs
CASES = [(n, getattr(mx, n), w(n), [floats(3, 4) + (1 if n == "arccosh" else 0)]) for n in UNARY]
CASES += [(n, getattr(mx, n), w(n), [floats(4, 4), floats(4, 4)]) for n in BINARY]
CASES += [(n + " broadcast", getattr(mx, n), w(n), [floats(3, 1), floats(4)]) for n in ("add", "power")]
CASES += [(n + " of int32", getattr(mx, n), w(n), [whole(3, 4), whole(3, 4)]) for n in WHOLE]
CASES += [(n, getattr(mx, n), w(n, False), [floats(3, 4)]) for n in ("sum", "prod", "max", "min", "mean", "all", "any", "argmax", "argmin", "logsumexp")]
CASES += [(n + " of an axis", lambda x, n=n: getattr(mx, n)(x, axis=1), w(n + "_axis", 1, False), [floats(3, 4, 2)])
          for n in ("sum", "max", "mean", "argmax", "logsumexp", "var")
          if n != "var"]
CASES += [(n, lambda x, n=n: getattr(mx, n)(x, axis=1), w(n, 1, False, True), [floats(3, 4)]) for n in ("cumsum", "cumprod", "cummax", "cummin")]
CASES += [
    ("softmax", lambda x: mx.softmax(x, axis=0), w("softmax_axis", 0, True), [floats(3, 4)]),
    ("sort", lambda x: mx.sort(x, axis=1), w("sort_axis", 1), [floats(3, 4)]),
    ("argsort", lambda x: mx.argsort(x, axis=0), w("argsort_axis", 0), [floats(3, 4)]),
    ("partition", lambda x: mx.partition(x, 1, axis=1)[:, 1:2], lambda a: weir.call("mlx_slice", *weir.call("mlx_partition_axis", a[0], 1, 1), [0, 1], [3, 2], [1, 1]), [floats(3, 4)]),
    ("transpose", lambda x: mx.transpose(x, (2, 0, 1)), w("transpose_axes", [2, 0, 1]), [floats(2, 3, 4)]),
    ("reshape", lambda x: mx.reshape(x, (4, 3)), w("reshape", [4, 3]), [floats(3, 4)]),
    ("flatten", lambda x: mx.flatten(x, 1, 2), w("flatten", 1, 2), [floats(2, 3, 4)]),
    ("unflatten", lambda x: mx.unflatten(x, 0, (2, 3)), w("unflatten", 0, [2, 3]), [floats(6, 2)]),
    ("expand_dims", lambda x: mx.expand_dims(x, (0, 2)), w("expand_dims_axes", [0, 2]), [floats(3, 4)]),
    ("squeeze", lambda x: mx.squeeze(x, 1), w("squeeze_axis", 1), [floats(3, 1, 4)]),
    ("broadcast_to", lambda x: mx.broadcast_to(x, (3, 4)), w("broadcast_to", [3, 4]), [floats(3, 1)]),
    ("slice", lambda x: x[1:3, ::2], w("slice", [1, 0], [3, 4], [1, 2]), [floats(4, 4)]),
    ("slice backwards", lambda x: x[::-1, 3:0:-2], w("slice", [3, 3], [-5, 0], [-1, -2]), [floats(4, 4)]),
    *[(f"slice to {stop}, backwards", lambda x, stop=stop: x[3:stop:-1], w("slice", [3, 0], [stop, 4], [-1, 1]), [floats(4, 4)])
      for stop in (-3, -1, -9, 0)],
    *[(f"slice_update to {stop}, backwards", lambda x, u, stop=stop: x.at[3:stop:-1].add(u), w("slice_update_add", [3, 0], [stop, 4], [-1, 1]), [floats(4, 4), floats(n, 4)])
      for stop, n in ((-3, 2), (-9, 4), (0, 3))],
    ("slice_update", lambda x, u: mx.slice_update(x, u, mx.array([1, 1]), (0, 1)), lambda a: weir.call("mlx_slice_update", *a, [1, 1], [3, 3], [1, 1]), [floats(4, 4), floats(2, 2)]),
    ("split", lambda x: mx.split(x, 2, axis=1), lambda a: weir.call("mlx_split", a[0], 2, 1), [floats(3, 4)]),
    ("concatenate", lambda x, y: mx.concatenate([x, y], axis=1), lambda a: weir.call("mlx_concatenate_axis", a, 1), [floats(3, 4), floats(3, 2)]),
    ("pad", lambda x: mx.pad(x, ((1, 2), (0, 1)), constant_values=mx.array(0.5)), lambda a: weir.call("mlx_pad", a[0], [0, 1], [1, 0], [2, 1], Array("float32", np.float32(0.5)), "constant"), [floats(2, 3)]),
    ("as_strided", lambda x: mx.as_strided(x, (3, 2), (4, 1), 1), w("as_strided", [3, 2], [4, 1], 1), [floats(4, 4)]),
    ("diagonal", lambda x: mx.diagonal(x, 1), w("diagonal", 1, 0, 1), [floats(3, 4)]),
    ("astype", lambda x: x.astype(mx.int32), w("astype", "int32"), [floats(3, 4) * 9]),
    ("view", lambda x: mx.view(x, mx.int16), w("view", "int16"), [floats(3, 4)]),
    ("where", mx.where, w("where"), [whole(3, 4) > 4, floats(3, 4), floats(3, 4)]),
    ("take", lambda x, i: mx.take(x, i, axis=1), w("take_axis", 1), [floats(3, 5), whole(2, 2) % 5]),
    ("take first", lambda x, i: mx.take(x, i, axis=0), w("take_axis", 0), [floats(9, 5), whole(3)  % 9]),
    ("take_along_axis", lambda x, i: mx.take_along_axis(x, i, axis=1), w("take_along_axis", 1), [floats(3, 5), whole(3, 2) % 5]),
    ("scatter_add", lambda x, i, u: x.at[i].add(u), lambda a: weir.call("mlx_scatter_add_single", a[0], a[1], weir.call("mlx_expand_dims", a[2], 1)[0], 0), [floats(5, 2), whole(3) % 5, floats(3, 2)]),
    ("matmul batched", mx.matmul, w("matmul"), [floats(2, 3, 4), floats(4, 5)]),
    ("addmm", lambda x, y, z: mx.addmm(x, y, z, 0.5, 2.0), w("addmm", 0.5, 2.0), [floats(3, 5), floats(3, 4), floats(4, 5)]),
    ("conv1d", lambda x, k: mx.conv1d(x, k, stride=2, padding=1), w("conv1d", 2, 1, 1, 1), [floats(1, 9, 2), floats(3, 3, 2)]),
    ("conv2d", lambda x, k: mx.conv2d(x, k), w("conv2d", 1, 1, 0, 0, 1, 1, 1), [floats(1, 5, 6, 2), floats(3, 3, 2, 2)]),
    ("fft", mx.fft.fft, w("fft_fft", 8, -1, 0), [floats(3, 8)]),
    ("rfft", mx.fft.rfft, w("fft_rfft", 8, -1, 0), [floats(3, 8)]),
    ("irfft", lambda x: mx.fft.irfft(mx.fft.rfft(x)), lambda a: weir.call("mlx_fft_irfft", *weir.call("mlx_fft_rfft", a[0], 8, -1, 0), 8, -1, 0), [floats(3, 8)]),
    ("qr", lambda x: mx.linalg.qr(x, stream=mx.cpu), lambda a: weir.call("mlx_linalg_qr", a[0]), [floats(3, 3) + 2 * np.eye(3, dtype=np.float32)]),
    ("inv", lambda x: mx.linalg.inv(x, stream=mx.cpu), w("linalg_inv"), [floats(3, 3) + 2 * np.eye(3, dtype=np.float32)]),
    ("cholesky", lambda x: mx.linalg.cholesky(x @ x.T, stream=mx.cpu), lambda a: weir.call("mlx_linalg_cholesky", *weir.call("mlx_matmul", a[0], *weir.call("mlx_transpose", a[0])), False), [floats(3, 3) + 2 * np.eye(3, dtype=np.float32)]),
    ("rms_norm", lambda x, k: mx.fast.rms_norm(x, k, 1e-5), w("fast_rms_norm", 1e-5), [floats(3, 8), floats(8)]),
    ("layer_norm", lambda x, k, b: mx.fast.layer_norm(x, k, b, 1e-5), w("fast_layer_norm", 1e-5), [floats(3, 8), floats(8), floats(8)]),
    ("divmod", mx.divmod, lambda a: weir.call("mlx_divmod", *a), [floats(3, 4), floats(3, 4)]),
    ("round", lambda x: mx.round(x, 1), w("round", 1), [floats(3, 4)]),
    ("clip", lambda x: mx.clip(x, 0.2, 0.5), lambda a: weir.call("mlx_clip", a[0], Array("float32", np.float32(0.2)), Array("float32", np.float32(0.5))), [floats(3, 4)]),
    ("arange", lambda x: x + mx.arange(4, dtype=mx.float32), lambda a: weir.call("mlx_add", a[0], *weir.call("mlx_arange", 0.0, 4.0, 1.0, "float32")), [floats(3, 4)]),
    ("hadamard", lambda x: mx.hadamard_transform(x), w("hadamard_transform", None), [floats(3, 8)]),
    ("conjugate", lambda x: mx.conjugate(mx.fft.fft(x)), lambda a: weir.call("mlx_conjugate", *weir.call("mlx_fft_fft", a[0], 4, -1, 0)), [floats(4)]),
    ("bitwise_invert", mx.bitwise_invert, w("bitwise_invert"), [whole(4)]),
    ("solve", lambda x, b: mx.linalg.solve(x, b, stream=mx.cpu), w("linalg_solve"), [floats(2, 3, 3) + 2 * np.eye(3, dtype=np.float32), floats(2, 3, 2)]),
    ("solve_triangular", lambda x, b: mx.linalg.solve_triangular(x, b, upper=True, stream=mx.cpu), w("linalg_solve_triangular", True), [np.triu(floats(3, 3)) + np.eye(3, dtype=np.float32), floats(3)]),
    ("quantize", mx.quantize, w("quantize", None, None, "affine", None), [floats(4, 128)]),
    ("quantized_matmul", lambda x, k: mx.quantized_matmul(x, *mx.quantize(k)), lambda a: weir.call("mlx_quantized_matmul", a[0], *weir.call("mlx_quantize", a[1], None, None, "affine", None), True, None, None, "affine"), [floats(3, 64), floats(8, 64)]),
    ("gather_qmm", lambda x, k, i: mx.gather_qmm(x, *mx.quantize(k), None, i), lambda a: weir.call("mlx_gather_qmm", a[0], *weir.call("mlx_quantize", a[1], None, None, "affine", None), None, a[2], True, None, None, "affine", False), [floats(2, 3, 64), floats(4, 8, 64), np.array([3, 1], np.int32)]),
    ("sixty arrays joined", lambda *x: mx.concatenate(x), lambda a: weir.call("mlx_concatenate_axis", a, 0), [floats(1, 2) for _ in range(60)]),
]


def from_mlx(name, function, inputs, want):
    mx.export_function(PATH, function, *[mx.array(x) for x in inputs])
    f = imported()
    wrong = close(f"{name}, from MLX", called(f, inputs), want)
    lib.mlx_imported_function_free(f)
    return wrong


def not_from_mlx(name, function, inputs, want):
    """What MLX cannot store, though a function here can be."""
    try:
        mx.export_function(PATH, function, *[mx.array(x) for x in inputs])
    except ValueError:
        return 0
    return from_mlx(name, function, inputs, want)


def to_mlx(name, call, inputs, want):
    held, f = closure(call)
    weir.check(lib.mlx_export_function(NAME, f, vector(inputs), c.c_bool(False)))
    lib.mlx_closure_free(f)
    del held
    wrong = close(f"{name}, to MLX", mx.import_function(PATH)(*[mx.array(x) for x in inputs]), want)
    f = imported()
    wrong += close(f"{name}, to itself", called(f, inputs), want)
    lib.mlx_imported_function_free(f)
    return wrong


def each():
    wrong = 0
    for name, function, call, inputs in CASES:
        want = function(*[mx.array(x) for x in inputs])
        want = list(want) if isinstance(want, (list, tuple)) else [want]
        way_in = not_from_mlx if name in ("bitwise_invert", "solve") else from_mlx
        for way, f in ((way_in, function), (to_mlx, call)):
            try:
                wrong += way(name, f, inputs, want)
            except Exception as e:
                print(f"{name}, {way.__name__}: {e}")
                wrong += 1
    return wrong


# Of which mlx-c has no function of its own: MLX alone writes them.
NAN = np.float32("nan")
READ = [
    (f"searchsorted, {side}", lambda x, v, side=side: mx.searchsorted(x, v, side=side), [x, v])
    for side in ("left", "right")
    for x, v in ((np.array([1, 2, 2, 3, NAN, NAN], np.float32), np.array([[0, 2], [3, NAN], [9, 1]], np.float32)),
                 (np.zeros(0, np.float32), floats(3)), (floats(1), floats(3)), (np.sort(whole(31)), whole(2, 9)))]
READ += [("norms without weights", lambda x: mx.fast.rms_norm(x, None, 1e-5) + mx.fast.layer_norm(x, None, None, 1e-5), [floats(3, 8)])]


def read_alone():
    wrong = 0
    for name, function, inputs in READ:
        want = function(*[mx.array(x) for x in inputs])
        wrong += from_mlx(name, function, inputs, [want])
    return wrong


# ---- files by hand: what MLX writes on GPUs alone. That the form is right MLX's parser says. ----

def number(x, kind="<Q"):
    return struct.pack(kind, x)


def words(text):
    return number(len(text)) + text.encode()


def value(x):
    kinds = {"float32": (10, 4), "int32": (7, 4)}
    kind, size = kinds[str(x.dtype)]
    shape = b"".join(number(n, "<i") for n in x.shape)
    return number(x.ndim) + shape, number(kind, "<i") + number(size, "<B")


def by_hand(name, state, inputs, outputs, gpu=False):
    """A file of a function that is one primitive."""
    n, m = len(inputs), len(outputs)
    given, made = [number(i) for i in range(n)], [number(n + i) for i in range(m)]
    shapes, kinds = zip(*map(value, outputs))
    file = [words("0.32.4"), number(1, "<i"), b"\0", words(""), number(0), number(n), *given, number(n),
            *[b"".join(value(x)) for x in inputs], number(m), *made, number(n + 1)]
    file += [i + b"\0\0" for i in given]
    file += [made[0], b"\1", number(n), *given, number(0, "<i"), number(gpu, "<i"), number(0, "<i"), words(name), state]
    if m == 1:
        file += [number(0), shapes[0], kinds[0]]
    else:
        file += [number(m - 1), number(m), *made, number(m), *shapes, number(m), *kinds]
    pathlib.Path(PATH).write_bytes(b"".join(file))


def norms_by_hand():
    """Derivatives of norms, which MLX has as primitives on GPUs: beside those of its CPU."""
    x, g, wrong = floats(2, 3, 8), floats(2, 3, 8), 0
    w, b, none = floats(8), floats(8), np.float32(1).reshape(())
    for weight, bias in ((w, b), (none, none)):
        given = (weight, bias) if weight.ndim else (None, None)
        fast = {"RMSNormVJP": (lambda x, w, b: mx.fast.rms_norm(x, w, 1e-5), (x, weight)),
                "LayerNormVJP": (lambda x, w, b: mx.fast.layer_norm(x, w, b, 1e-5), (x, weight, bias))}
        for name, (f, primals) in fast.items():
            by_hand(name, number(1e-5, "<f"), (*primals, g), primals)
            mx.import_function(PATH)
            if weight.ndim:
                inside = [mx.array(p) for p in (x, *given)][:len(primals)]
                _, want = mx.vjp(lambda *p: f(*p, None) if len(p) == 2 else f(*p), inside, [mx.array(g)])
            else:
                _, want = mx.vjp(lambda p: f(p, None, None), [mx.array(x)], [mx.array(g)])
                want = [*want, *[np.float32(0).reshape(())] * (len(primals) - 1)]
            wrong += close(f"{name}{', no weight' * (not weight.ndim)}", called(imported(), [*primals, g]), want)
    return wrong


KERNEL = """namespace mlx::core::cu {
__global__ void custom_kernel_twice(const float* x, float* y) { y[threadIdx.x] = 2 * x[threadIdx.x]; }
}"""


def kernel_by_hand():
    """MLX parses it; what is not there to run it says so in words."""
    x = floats(4)
    size = number(4, "<i") + number(1, "<i") * 2
    state = [words("custom_kernel_twice"), words(KERNEL), size, size, number(1), b"\0\0\0", b"\1", b"\1", number(0, "<f"),
             number(0), b"\0", number(0, "<i"), number(0, "<i")]
    by_hand("CustomKernel", b"".join(state), [x], [x])
    mx.import_function(PATH)
    try:
        called(imported(), [x])
    except Exception as e:
        return 0 if "Only supports the GPU" in str(e) else close(str(e), [], [x])
    return 1


def derived_in_mlx():
    """MLX takes derivatives of what is exported here: they go by the stops that the file has."""
    wrong, x = 0, floats(4)
    for start, stop, step in ((3, -5, -1), (3, -5, -2), (3, 0, -1), (0, -5, -1), (1, 4, 2)):
        held, f = closure(w("slice", [start], [stop], [step]))
        weir.check(lib.mlx_export_function(NAME, f, vector([x]), c.c_bool(False)))
        theirs = mx.import_function(PATH)
        found = mx.grad(lambda a: theirs(a)[0].sum())(mx.array(x))
        want = np.zeros(4, np.float32)
        want[slice(start, stop, step)] = 1
        wrong += close(f"slice {start}:{stop}:{step}, derived in MLX", [found], [want])
        lib.mlx_closure_free(f)
        del held
    return wrong


def traces_of_mlx():
    weight = mx.array(floats(4, 3))
    with mx.exporter(PATH, lambda x, y=None: mx.tanh(x @ weight.T.T) + (0 if y is None else y)) as export:
        export(mx.zeros((2, 4)))
        export(mx.zeros((5, 4)))
        export(mx.zeros((5, 4)), y=mx.zeros((3,)))
    f, x, y = imported(), floats(5, 4), floats(3)
    wrong = close("traces", called(f, [x[:2]]), [np.tanh(x[:2] @ np.asarray(weight))])
    wrong += close("traces", called(f, [x]), [np.tanh(x @ np.asarray(weight))])
    wrong += close("traces, named", called(f, [x], {"y": y}), [np.tanh(x @ np.asarray(weight)) + y])
    wrong += close("traces, by name", called(f, [], {"a": x, "y": y}), [np.tanh(x @ np.asarray(weight)) + y])
    wrong += close("traces, by any name", called(f, [], {"z": x}), [np.tanh(x @ np.asarray(weight))])
    try:
        called(f, [floats(3, 4)], {"z": y})
        wrong += 1
    except Exception as e:
        text = str(e)
        parts = ("[import_function::call] No imported function found which matches the given positional and "
                 "keyword arguments. Possible functions include:",
                 "3. Function with 1 positional inputs and 1 keyword inputs:", '   "y": (3) float32',
                 "Called with 1 positional inputs and 1 keyword inputs:", "\n  1: (3,4) float32", '\n  "z": (3) float32')
        for part in parts:
            if part not in text:
                print(f"no {part!r} in {text!r}")
                wrong += 1
    mx.export_function(PATH, lambda x: (mx.exp(x) * x + weight[0, 0]).sum(axis=1, keepdims=True), mx.zeros((2, 4)), shapeless=True)
    f = imported()
    for n in (1, 3, 7):
        x = floats(n, 4)
        wrong += close("shapeless", called(f, [x]), [(np.exp(x) * x + np.asarray(weight)[0, 0]).sum(1, keepdims=True)])
    return wrong


def traces_to_mlx():
    weight = floats(4, 3)
    constant = handle(weight)
    held, f = closure(lambda a: weir.call("mlx_tanh", *weir.call("mlx_matmul", a[0], constant)))
    x = lib.mlx_function_exporter_new(NAME, f, c.c_bool(False))
    for n in (2, 5):
        weir.check(lib.mlx_function_exporter_apply(x, vector([floats(n, 4)])))
    if lib.mlx_function_exporter_apply(x, vector([floats(5, 4)])) == 0 or "twice with the same" not in weir.message:
        print("a trace twice:", weir.message)
        return 1
    wrong, theirs = 0, mx.import_function(PATH)
    for n in (2, 5):
        a = floats(n, 4)
        wrong += close("traces to MLX", theirs(mx.array(a)), [np.tanh(a @ weight)])
    lib.mlx_function_exporter_free(x)

    two, row = handle(np.float32(2).reshape(())), floats(4)
    added = handle(row)
    held, f = closure(lambda a: weir.call("mlx_add", *weir.call("mlx_multiply", a[0], two), added))
    weir.check(lib.mlx_export_function(NAME, f, vector([floats(2, 4)]), c.c_bool(True)))
    ours, theirs = imported(), mx.import_function(PATH)
    for n in (1, 3, 7):
        a = floats(n, 4)
        wrong += close("shapeless to MLX", theirs(mx.array(a)), [2 * a + row])
        wrong += close("shapeless to itself", called(ours, [a]), [2 * a + row])

    def numbers(a):
        made = weir.call("mlx_reciprocal", *weir.call("mlx_degrees", a[0]))
        return weir.call("mlx_nan_to_num", made[0], 0.5, 2.0, 1.0)

    held, f = closure(numbers)
    weir.check(lib.mlx_export_function(NAME, f, vector([floats(2, 4)]), c.c_bool(True)))
    ours, theirs = imported(), mx.import_function(PATH)
    for shape in ((1, 1), (3, 5), (7, 4)):
        a = floats(*shape)
        a[0, 0] = 0
        want = np.where(a == 0, np.float32(2), 1 / np.degrees(np.where(a == 0, 1, a)))
        wrong += close("shapeless numbers to MLX", theirs(mx.array(a)), [want])
        wrong += close("shapeless numbers to itself", called(ours, [a]), [want])

    # A count of elements stays what it was: other extents are refused by what is broadcast, not divided by it.
    held, f = closure(lambda a: weir.call("mlx_subtract", a[0], *weir.call("mlx_mean_axis", a[0], 0, True)))
    weir.check(lib.mlx_export_function(NAME, f, vector([floats(4, 5)]), c.c_bool(True)))
    ours, a = imported(), floats(4, 5)
    wrong += close("a count", called(ours, [a]), [a - a.mean(0, keepdims=True)])
    try:
        print("divided by a count of other extents:", called(ours, [floats(3, 5)]))
        wrong += 1
    except Exception:
        pass  # as it should

    def run(res, given, named):
        out = Handle()
        lib.mlx_map_string_to_array_get(c.byref(out), named, b"scale")
        made = weir.call("mlx_multiply", weir.items(given)[0], out)
        return lib.mlx_vector_array_set_data(res, (Handle * 1)(*made), c.c_size_t(1))

    held = NAMED(run)
    f = lib.mlx_closure_kwargs_new_func(held)
    a, s = floats(3, 4), floats(4)
    weir.check(lib.mlx_export_function_kwargs(NAME, f, vector([a]), table({"scale": s}), c.c_bool(False)))
    wrong += close("named to MLX", mx.import_function(PATH)(mx.array(a), scale=mx.array(s)), [a * s])
    return wrong


mx.set_default_device(mx.cpu)
failed = each() + read_alone() + norms_by_hand() + kernel_by_hand() + derived_in_mlx() + traces_of_mlx() + traces_to_mlx()
print(f"functions: {2 * len(CASES)} files, {failed} wrong")
sys.exit(1 if failed else 0)
