"""What models are made of, on the CPU: Weir beside MLX, and NumPy, SciPy, PyTorch or ONNX Runtime (with onnx,
by which its models are written) where they have it, in one run. Each row is the least of some runs of one call, evaluated, in milliseconds, taken in turns; other
programs that run meanwhile make all of them longer. Behind a quantised product stands what it takes to
read as many bytes as its matrix has, by NumPy's sum of words.

Usage: models.py LIBRARY [ROW...]
"""

import ctypes
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests/parity"), str(ROOT / "tools")]
ctypes.CDLL(sys.argv[1])  # before MLX, whose libraries take static thread-local room too

import mlx.core as mx
import numpy as np

from mlxside import to_plain
from weirlib import Weir

try:
    import torch
except ImportError:
    torch = None
try:
    import scipy.fft
except ImportError:
    scipy = None

try:
    import onnx
    import onnxruntime
except ImportError:
    onnx = None

SECONDS = 1.0  # for each number, or some runs
TURNS = 3


def least(call):
    """Milliseconds of the shortest of some runs."""
    runs, end = [], time.perf_counter() + SECONDS / TURNS
    while not runs or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        runs.append(time.perf_counter() - start)
    return min(runs) * 1e3


def drawn(*shape, dtype=mx.float32):
    x = mx.array(np.random.default_rng(len(shape)).normal(0, 1, shape).astype(np.float32)).astype(dtype)
    mx.eval(x)
    return x


class Row:
    """Weir's function and its arguments, and the same of the others: calls that give an array."""

    def __init__(self, name, function, args, in_mlx, **others):
        self.name, self.function, self.args, self.in_mlx, self.others = name, function, args, in_mlx, others

    def weir(self, weir):
        args = [weir.array(to_plain(a)) if isinstance(a, mx.array) else a for a in self.args]

        def call():
            for result in weir.call(self.function, *args):
                weir.check(weir.lib.mlx_array_eval(result))
                weir.lib.mlx_array_free(result)

        return call

    def run(self, weir):
        calls = {"Weir": self.weir(weir), "MLX": lambda: mx.eval(self.in_mlx()), **self.others}
        found = {}
        for turn in range(TURNS + 1):  # the first warms up
            for name, call in calls.items():
                found[name] = min(least(call), found[name] if turn > 1 else float("inf"))
        print(f"{self.name:44}", *(f"{name} {ms:9.3f}" for name, ms in found.items()), flush=True)


def by_onnx(op, given, constants=(), **attributes):
    """A call of one operation of ONNX on arrays of NumPy; constants are part of the model."""
    names = [f"x{i}" for i in range(len(given) + len(constants))]
    kind = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(op, names, ["y"], **attributes)], "one",
        [onnx.helper.make_tensor_value_info(n, kind, a.shape) for n, a in zip(names, given)],
        [onnx.helper.make_tensor_value_info("y", kind, None)],
        [onnx.numpy_helper.from_array(a, n) for n, a in zip(names[len(given):], constants)])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 23)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    feed = dict(zip(names, given))
    return lambda: session.run(None, feed)


def norms():
    x, w, b = drawn(2048, 4096), drawn(4096), drawn(4096)
    a = np.array(x)
    yield Row("rms_norm 2048 x 4096", "mlx_fast_rms_norm", (x, w, 1e-5),
              lambda: mx.fast.rms_norm(x, w, 1e-5),
              NumPy=lambda: a / np.sqrt(np.square(a).mean(-1, keepdims=True) + 1e-5))
    yield Row("layer_norm 2048 x 4096", "mlx_fast_layer_norm", (x, w, b, 1e-5),
              lambda: mx.fast.layer_norm(x, w, b, 1e-5))
    r = drawn(1, 32, 1024, 128)
    yield Row("rope 32 x 1024 x 128", "mlx_fast_rope", (r, 128, False, 10000.0, 1.0, 0, None),
              lambda: mx.fast.rope(r, 128, traditional=False, base=10000.0, scale=1.0, offset=0))


def attention():
    name = "mlx_fast_scaled_dot_product_attention"
    for dtype in (mx.float32, mx.float16):
        for h, l, d, k, m in ((8, 1024, 64, 8, 1024), (4, 2048, 128, 4, 2048), (32, 1, 128, 8, 4096)):
            q, keys, values = (drawn(1, *s, dtype=dtype) for s in ((h, l, d), (k, m, d), (k, m, d)))
            others = {}
            if torch and dtype == mx.float32 and h == k:
                t = [torch.from_numpy(np.array(x)) for x in (q, keys, values)]
                others["PyTorch"] = lambda t=t: torch.nn.functional.scaled_dot_product_attention(*t)
            if onnx and dtype == mx.float32 and h == k:
                others["ONNX"] = by_onnx("Attention", [np.array(x) for x in (q, keys, values)], scale=d**-0.5)
            yield Row(f"attention {dtype}, {h} x {l}, {k} x {m}, of {d}".replace("mlx.core.", ""), name,
                      (q, keys, values, d**-0.5, "", None, None),
                      lambda q=q, k=keys, v=values, d=d: mx.fast.scaled_dot_product_attention(
                          q, k, v, scale=d**-0.5), **others)


def quantized():
    w = drawn(4096, 4096)
    yield Row("quantize 4096 x 4096, 4 bits", "mlx_quantize", (w, 64, 4, "affine", None),
              lambda: mx.quantize(w, 64, 4))
    words = np.random.default_rng(0).integers(0, 1 << 60, w.size // 16 + 4 * w.size // 64 // 4)
    for mode, group, bits in (("affine", 64, 4), ("affine", 64, 8), ("affine", 64, 3), ("mxfp4", 32, 4)):
        parts = mx.quantize(w, group, bits, mode=mode)
        mx.eval(parts)
        given = parts if len(parts) == 3 else [*parts, None]
        for rows in (1, 16):
            x = drawn(rows, 4096)
            others = {"reading": words.sum} if (mode, bits, rows) == ("affine", 4, 1) else {}
            yield Row(f"quantized_matmul {rows} x 4096 x 4096, {mode} {bits}", "mlx_quantized_matmul",
                      (x, *given, True, group, bits, mode),
                      lambda x=x, p=parts, g=group, b=bits, m=mode: mx.quantized_matmul(
                          x, *p, transpose=True, group_size=g, bits=b, mode=m), **others)


def convolutions():
    """3 x 3, as in ResNet's layers; PyTorch's operands lie as its convolution likes them best."""
    for n, side, channels in ((1, 56, 64), (1, 28, 128), (1, 14, 256), (1, 7, 512), (8, 56, 64), (8, 14, 256)):
        x, w = drawn(n, side, side, channels), drawn(channels, 3, 3, channels)
        others = {}
        if torch:
            a, b = (torch.from_numpy(np.array(t)).permute(0, 3, 1, 2) for t in (x, w))
            others["PyTorch"] = lambda a=a, b=b: torch.nn.functional.conv2d(a, b, padding=1)
            c, d = a.contiguous(), b.contiguous()
            others["PyTorch-NCHW"] = lambda c=c, d=d: torch.nn.functional.conv2d(c, d, padding=1)
        if onnx:
            turned = [np.ascontiguousarray(np.array(t).transpose(0, 3, 1, 2)) for t in (x, w)]
            others["ONNX"] = by_onnx("Conv", turned[:1], turned[1:], pads=[1, 1, 1, 1])
        yield Row(f"conv2d 3 x 3, {n} x {side} x {side} x {channels}", "mlx_conv2d", (x, w, 1, 1, 1, 1, 1, 1, 1),
                  lambda x=x, w=w: mx.conv2d(x, w, padding=1), **others)


def transforms():
    x = drawn(1 << 20)
    z = mx.array(np.array(x) + 1j * np.array(x)[::-1]).astype(mx.complex64)
    for name, a, mlx in (("fft", z, mx.fft.fft), ("rfft", x, mx.fft.rfft)):
        host = np.array(a)
        others = {"NumPy": lambda f=getattr(np.fft, name), h=host: f(h)}
        if scipy:
            others["SciPy"] = lambda f=getattr(scipy.fft, name), h=host: f(h)
        if torch:
            t = torch.from_numpy(host)
            others["PyTorch"] = lambda f=getattr(torch.fft, name), t=t: f(t)
        yield Row(f"{name} of 2^20", f"mlx_fft_{name}", (a, 1 << 20, 0, 0), lambda a=a, f=mlx: f(a), **others)


def main():
    mx.set_default_device(mx.cpu)
    weir, wanted = Weir(sys.argv[1]), sys.argv[2:]
    for family in (norms, attention, quantized, convolutions, transforms):
        for row in family():
            if not wanted or any(row.name.startswith(w) for w in wanted):
                row.run(weir)


main()
