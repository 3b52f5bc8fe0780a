"""What models are made of, and single operations, on one GPU: Weir beside PyTorch, in one run.

Calls are recorded first and evaluated together, several of them, so that the time is the device's, as in
a model: a row is the median over some turns of the time of one call, with the wait for all of them
divided among them. The rate is of the bytes that have to be read and written, or of the operations.

Usage: models_gpu.py LIBRARY [ROW...], names of rows or how they begin. Exits 77 without PyTorch or a GPU.
"""

import ctypes as c
import pathlib
import statistics
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests/parity")]

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    print("skipped: there is no PyTorch")
    sys.exit(77)
if not torch.cuda.is_available():
    print("skipped: PyTorch finds no GPU")
    sys.exit(77)

import numpy as np

from plain import DTYPES
from weirlib import Handle, Weir

TURNS, SECONDS = 7, 0.12
ZERO = np.zeros(2)
BF16, F32 = torch.bfloat16, torch.float32


def timed(run, wait):
    """Median seconds of run, which begins and ends with nothing to do on the device."""
    run()
    wait()
    times, end = [], time.perf_counter() + SECONDS
    while len(times) < 3 or (time.perf_counter() < end and len(times) < TURNS):
        start = time.perf_counter()
        run()
        wait()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


class Peers:
    def __init__(self, path, wanted):
        self.weir, self.wanted = Weir(path, gpu=True), wanted
        self.weir.check(self.weir.lib.weir_set_matmul_precision(1))  # TF32, as below

    def array(self, t):
        """A copy of PyTorch's array, on the device."""
        host = t.detach().cpu().contiguous()
        data = (torch.view_as_real(host) if host.is_complex() else host).view(torch.uint8).numpy()
        made = self.of(data.ctypes.data, t.shape, t.dtype)
        zero = self.of(ZERO.ctypes.data, (), t.dtype)
        moved = self.weir.call("mlx_add", made, zero)[0]
        self.weir.check(self.weir.lib.mlx_array_eval(moved))
        return moved

    def of(self, data, shape, dtype):
        return self.weir.lib.mlx_array_new_data(c.c_void_p(data), (c.c_int * len(shape))(*shape), c.c_int(len(shape)),
                                                c.c_int(list(DTYPES).index(str(dtype).replace("torch.", ""))))

    def seconds_of_weir(self, calls, count):
        """calls(i) records result i."""
        lib, times = self.weir.lib, []
        for turn in range(TURNS + 1):
            made = [calls(i) for i in range(count)]
            vector = lib.mlx_vector_array_new_data((Handle * len(made))(*made), c.c_size_t(len(made)))
            start = time.perf_counter()
            self.weir.check(lib.mlx_eval(vector))
            self.weir.check(lib.mlx_synchronize(self.weir.stream))
            times.append((time.perf_counter() - start) / count)
            lib.mlx_vector_array_free(vector)
            for handle in made:
                lib.mlx_array_free(handle)
        return statistics.median(times[1:])

    def row(self, name, calls, peer, count=8, amount=None, unit="GB/s"):
        """amount: of bytes or operations, by which the rates are."""
        if self.wanted and not any(name.startswith(w) for w in self.wanted):
            return

        def all_of_peer():
            for i in range(count):
                peer(i)

        weir = self.seconds_of_weir(calls, count)
        other = timed(all_of_peer, torch.cuda.synchronize) / count if peer else None
        line = f"{name:52} {weir * 1e6:10.1f} us"
        if other:
            line += f"  PyTorch {other * 1e6:10.1f} us  {other / weir:6.2f}"
        if amount:
            scale = 1e12 if unit == "TFLOP/s" else 1e9
            line += f"  {amount / weir / scale:8.1f} {unit}"
        print(line, flush=True)


def random(*shape, dtype=F32):
    return (torch.rand(*shape, device="cuda") * 2 - 1).to(dtype)


def fast(p):
    x, w, b = random(16384, 4096, dtype=BF16), random(4096, dtype=BF16), random(4096, dtype=BF16)
    hx, hw, hb = p.array(x), p.array(w), p.array(b)
    moved = 2 * x.numel() * 2
    y = torch.empty_like(x)
    p.row("a copy of 16384 x 4096 bf16", lambda i: p.weir.call("mlx_negative", hx)[0], lambda i: torch.neg(x, out=y),
          amount=moved)
    p.row("rms_norm 16384 x 4096 bf16", lambda i: p.weir.call("mlx_fast_rms_norm", hx, hw, 1e-5)[0],
          lambda i: F.rms_norm(x, (4096,), w, 1e-5), amount=moved)
    p.row("layer_norm 16384 x 4096 bf16", lambda i: p.weir.call("mlx_fast_layer_norm", hx, hw, hb, 1e-5)[0],
          lambda i: F.layer_norm(x, (4096,), w, b, 1e-5), amount=moved)
    f, g = random(16384, 4096), random(4096)
    hf, hg = p.array(f), p.array(g)
    p.row("rms_norm 16384 x 4096 f32", lambda i: p.weir.call("mlx_fast_rms_norm", hf, hg, 1e-5)[0],
          lambda i: F.rms_norm(f, (4096,), g, 1e-5), amount=2 * moved)
    r = random(8, 32, 2048, 128, dtype=BF16)
    hr = p.array(r)
    p.row("rope 8 x 32 x 2048 x 128 bf16", lambda i: p.weir.call("mlx_fast_rope", hr, 128, False, 10000.0, 1.0, 0, None)[0],
          None, amount=4 * r.numel())


def attention(p):
    call = "mlx_fast_scaled_dot_product_attention"
    for d in (64, 128):
        for length in (1024, 4096, 16384):
            for causal in (False, True):
                batch, heads = max(1, 16384 // length), 16
                q, k, v = (random(batch, heads, length, d, dtype=BF16) for _ in range(3))
                hq, hk, hv = (p.array(x) for x in (q, k, v))
                work = 4 * batch * heads * length * length * d / (2 if causal else 1)
                p.row(f"attention {batch} x {heads} x {length} x {d} bf16{', causal' if causal else ''}",
                      lambda i: p.weir.call(call, hq, hk, hv, d**-0.5, "causal" if causal else "", None, None)[0],
                      lambda i: F.scaled_dot_product_attention(q, k, v, is_causal=causal),
                      count=4, amount=work, unit="TFLOP/s")
                for h in (hq, hk, hv):
                    p.weir.lib.mlx_array_free(h)
    for batch, keys in ((1, 32768), (16, 4096), (64, 4096)):
        q, k, v = random(batch, 32, 1, 128, dtype=BF16), *(random(batch, 8, keys, 128, dtype=BF16) for _ in range(2))
        hq, hk, hv = (p.array(x) for x in (q, k, v))
        p.row(f"attention {batch} x 32 x 1 by 8 x {keys} x 128 bf16",
              lambda i: p.weir.call(call, hq, hk, hv, 128**-0.5, "", None, None)[0],
              lambda i: F.scaled_dot_product_attention(q, k, v, enable_gqa=True), count=16,
              amount=4 * k.numel())


def quantized(p):
    side, matrices = 4096, 16
    for rows in (1, 4, 16, 512):
        x = random(rows, side, dtype=BF16)
        hx = p.array(x)
        plain = [random(side, side, dtype=BF16) for _ in range(matrices)]
        packed = [p.weir.call("mlx_quantize", p.array(w), 64, 4, "affine", None) for w in plain]
        for parts in packed:
            for part in parts:
                p.weir.check(p.weir.lib.mlx_array_eval(part))
        read = side * side // 2 + 2 * 2 * side * side // 64
        p.row(f"quantized_matmul {rows} x 4096 x 4096, 4 bits; bf16",
              lambda i: p.weir.call("mlx_quantized_matmul", hx, *packed[i % matrices], True, 64, 4, "affine")[0],
              lambda i: x @ plain[i % matrices], count=64, amount=read)


def convolutions(p):
    for n, side, ch in ((32, 56, 64), (32, 28, 128), (32, 14, 256), (32, 7, 512)):
        x, w = random(n, side, side, ch, dtype=BF16), random(ch, 3, 3, ch, dtype=BF16)
        hx, hw = p.array(x), p.array(w)
        tx = x.permute(0, 3, 1, 2)
        tw = w.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        p.row(f"conv2d 3 x 3, {n} x {side} x {side} x {ch} bf16",
              lambda i: p.weir.call("mlx_conv2d", hx, hw, 1, 1, 1, 1, 1, 1, 1)[0],
              lambda i: F.conv2d(tx, tw, padding=1), amount=2 * n * side * side * ch * ch * 9, unit="TFLOP/s")
    z = torch.complex(random(1 << 20), random(1 << 20))
    hz = p.array(z)
    p.row("fft of 2^20", lambda i: p.weir.call("mlx_fft_fft", hz, 1 << 20, 0, 0)[0], lambda i: torch.fft.fft(z),
          amount=16 << 20)


def single(p):
    """As models call them: results are waited for together."""
    n = 1 << 24
    x, m = random(n), random(4096, 4096)
    hx, hm = p.array(x), p.array(m)
    call = p.weir.call
    rows = (
        ("exp of 16M", lambda i: call("mlx_exp", hx)[0], lambda i: torch.exp(x), 8 * n),
        ("sum of 16M", lambda i: call("mlx_sum", hx, False)[0], lambda i: x.sum(), 4 * n),
        ("argmax of 16M", lambda i: call("mlx_argmax", hx, False)[0], lambda i: x.argmax(), 4 * n),
        ("sum over rows 4096^2", lambda i: call("mlx_sum_axis", hm, 1, False)[0], lambda i: m.sum(1), 4 * n),
        ("sum over columns 4096^2", lambda i: call("mlx_sum_axis", hm, 0, False)[0], lambda i: m.sum(0), 4 * n),
        ("max over columns 4096^2", lambda i: call("mlx_max_axis", hm, 0, False)[0], lambda i: m.amax(0), 4 * n),
        ("argmax over columns 4096^2", lambda i: call("mlx_argmax_axis", hm, 0, False)[0], lambda i: m.argmax(0), 4 * n),
        ("argmax over rows 4096^2", lambda i: call("mlx_argmax_axis", hm, 1, False)[0], lambda i: m.argmax(1), 4 * n),
        ("cumsum of 16M", lambda i: call("mlx_cumsum", hx, 0, False, True)[0], lambda i: x.cumsum(0), 8 * n),
        ("cumsum over rows", lambda i: call("mlx_cumsum", hm, 1, False, True)[0], lambda i: m.cumsum(1), 8 * n),
        ("cumsum over columns", lambda i: call("mlx_cumsum", hm, 0, False, True)[0], lambda i: m.cumsum(0), 8 * n),
        ("sort of 16M", lambda i: call("mlx_sort_axis", hx, 0)[0], lambda i: x.sort()[0], 8 * n),
        ("sort of rows", lambda i: call("mlx_sort_axis", hm, 1)[0], lambda i: m.sort(1)[0], 8 * n),
        ("argsort of rows", lambda i: call("mlx_argsort_axis", hm, 1)[0], lambda i: m.argsort(1), 8 * n),
        ("topk 10 of rows", lambda i: call("mlx_topk_axis", hm, 10, 1)[0], lambda i: m.topk(10, 1)[0], 4 * n),
        ("softmax over rows", lambda i: call("mlx_softmax_axis", hm, 1, False)[0], lambda i: m.softmax(1), 8 * n),
        ("normal numbers, 16M", lambda i: call("mlx_random_normal", [n], "float32", 0.0, 1.0, None)[0],
         lambda i: torch.randn(n, device="cuda"), 4 * n),
    )
    for name, weir, peer, moved in rows:
        p.row(name, weir, peer, count=8, amount=moved)
    at = torch.randint(0, 4096, (8192,), device="cuda", dtype=torch.int32)
    hat = p.array(at)
    p.row("8192 rows of 4096 taken", lambda i: call("mlx_take_axis", hm, hat, 0)[0], lambda i: m[at], amount=8 * 8192 * 4096)


def linear_algebra(p):
    call, la = p.weir.call, torch.linalg

    def symmetric(*shape):
        a = random(*shape)
        return a @ a.mT / shape[-1] + torch.eye(shape[-1], device="cuda")

    def rows(name, x):
        h = p.array(x)
        each = (("cholesky", lambda i: call("mlx_linalg_cholesky", h, False)[0], lambda i: la.cholesky(x)),
                ("inv", lambda i: call("mlx_linalg_inv", h)[0], lambda i: la.inv(x)),
                ("solve", lambda i: call("mlx_linalg_solve", h, h)[0], lambda i: la.solve(x, x)),
                ("solve_triangular", lambda i: call("mlx_linalg_solve_triangular", h, h, False)[0],
                 lambda i: la.solve_triangular(x, x, upper=False)),
                ("lu", lambda i: call("mlx_linalg_lu", h)[0], lambda i: la.lu(x)),
                ("qr", lambda i: call("mlx_linalg_qr", h)[0], lambda i: la.qr(x)),
                ("eigh", lambda i: call("mlx_linalg_eigh", h, "L")[0], lambda i: la.eigh(x)),
                ("svd", lambda i: call("mlx_linalg_svd", h, True)[0], lambda i: la.svd(x)))
        for operation, weir, peer in each:
            p.row(f"{operation} of {name}", weir, peer, count=2)

    rows("1024^2", symmetric(1024, 1024))
    rows("256^2", symmetric(256, 256))
    rows("64^2", symmetric(64, 64))
    rows("1000 of 32^2", symmetric(1000, 32, 32))
    rows("16 of 256^2", symmetric(16, 256, 256))


def main():
    torch.set_grad_enabled(False)
    torch.backends.cuda.matmul.allow_tf32 = True
    peers = Peers(sys.argv[1], sys.argv[2:])
    for family in (fast, attention, quantized, convolutions, single, linear_algebra):
        family(peers)
        torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
