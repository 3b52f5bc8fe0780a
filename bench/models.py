"""What models are made of, on the CPU: Weir beside MLX, and NumPy or PyTorch where they have it, in one
run. Each row is the least of some runs of one call, evaluated, in milliseconds; other programs that run
meanwhile make all of them longer.

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

SECONDS = 1.0  # for each number, or one run


def least(call):
    call()
    runs, end = [], time.perf_counter() + SECONDS
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
        found = {"Weir": least(self.weir(weir)), "MLX": least(lambda: mx.eval(self.in_mlx()))}
        found.update((name, least(call)) for name, call in self.others.items())
        print(f"{self.name:44}", *(f"{name} {ms:9.3f}" for name, ms in found.items()), flush=True)


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
            yield Row(f"attention {dtype}, {h} x {l}, {k} x {m}, of {d}".replace("mlx.core.", ""), name,
                      (q, keys, values, d**-0.5, "", None, None),
                      lambda q=q, k=keys, v=values, d=d: mx.fast.scaled_dot_product_attention(
                          q, k, v, scale=d**-0.5), **others)


def quantized():
    w = drawn(4096, 4096)
    yield Row("quantize 4096 x 4096, 4 bits", "mlx_quantize", (w, 64, 4, "affine", None),
              lambda: mx.quantize(w, 64, 4))
    for mode, group, bits in (("affine", 64, 4), ("affine", 64, 8), ("affine", 64, 3), ("mxfp4", 32, 4)):
        parts = mx.quantize(w, group, bits, mode=mode)
        mx.eval(parts)
        given = parts if len(parts) == 3 else [*parts, None]
        for rows in (1, 16):
            x = drawn(rows, 4096)
            yield Row(f"quantized_matmul {rows} x 4096 x 4096, {mode} {bits}", "mlx_quantized_matmul",
                      (x, *given, True, group, bits, mode),
                      lambda x=x, p=parts, g=group, b=bits, m=mode: mx.quantized_matmul(
                          x, *p, transpose=True, group_size=g, bits=b, mode=m))


def main():
    mx.set_default_device(mx.cpu)
    weir, wanted = Weir(sys.argv[1]), sys.argv[2:]
    for family in (norms, attention, quantized):
        for row in family():
            if not wanted or any(row.name.startswith(w) for w in wanted):
                row.run(weir)


main()
