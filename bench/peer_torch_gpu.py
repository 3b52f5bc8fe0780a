"""The rows of the GPU table that PyTorch has, in eager mode; the same names and units as bench/gpu.c.

Prints name, value and unit, separated by tabs; nothing but a line on stderr where there is no
PyTorch or no GPU."""

import statistics
import sys
import threading
import time

try:
    import torch
except ImportError:
    sys.exit("PyTorch: not found")
if not torch.cuda.is_available():
    sys.exit("PyTorch: no GPU")


def seconds(run, count, turns=7):
    """Median over the turns of the time of one of `count` runs."""
    run()
    torch.cuda.synchronize()
    times = []
    for _ in range(turns):
        start = time.perf_counter()
        for _ in range(count):
            run()
        torch.cuda.synchronize()
        times.append((time.perf_counter() - start) / count)
    return statistics.median(times)


def uniform(*shape):
    """From -1 to 1, as in bench/gpu.c: what the bits are changes what the GPU's power allows."""
    return torch.rand(*shape, device="cuda") * 2 - 1


def request(out):
    a = torch.ones(16, device="cuda")
    out.append((a + a).cpu())


def thread_per_request():
    out = []
    thread = threading.Thread(target=request, args=(out,))
    thread.start()
    thread.join()


def add_and_wait(a):
    torch.add(a, a)
    torch.cuda.synchronize()


def fused(a, b, c):
    return torch.sqrt(torch.abs(a * b + c)) * torch.exp(-a)


def hundred(x, b):
    """As bench/gpu.c's steps."""
    for _ in range(50):
        x = torch.abs(x + b)
    return x


def steps_and_wait(x, b):
    hundred(x, b)
    torch.cuda.synchronize()


def captured(x, b):
    """The same as a CUDA graph, the least that a compiler could make of a hundred kernels."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        hundred(x, b)
    return graph


def replay_and_wait(graph):
    graph.replay()
    torch.cuda.synchronize()


def row(name, value, unit):
    print(f"{name}\t{value:.2f}\t{unit}", flush=True)


def large_rows():
    n = 64 << 20
    a, b, c = (uniform(n) for _ in range(3))
    row("a + b, 64M floats", seconds(lambda: a + b, 20) * 1e6, "us")
    row("sqrt(abs(a*b+c))*exp(-a), 64M floats", seconds(lambda: fused(a, b, c), 20) * 1e6, "us")
    row("sum of 64M floats", seconds(a.sum, 100) * 1e6, "us")
    row("sum of a*b, 64M floats", seconds(lambda: (a * b).sum(), 100) * 1e6, "us")
    x, bias = uniform(16384, 4096), uniform(4096)
    row("softmax 16384x4096 f32", seconds(lambda: torch.softmax(x, -1), 20) * 1e6, "us")
    row("softmax of a sum, 16384x4096 f32",
        seconds(lambda: torch.softmax(x + bias, -1), 20) * 1e6, "us")


def matmul_row(name, side, dtype):
    """From rest, as in bench/gpu.c."""
    a, b = (uniform(side, side).to(dtype) for _ in range(2))
    torch.cuda.synchronize()
    time.sleep(3)
    row(name, 2 * side**3 / seconds(lambda: a @ b, 3, turns=9) * 1e-12, "TFLOP/s")


def small_rows():
    small = torch.ones(16, device="cuda")
    row("small operation, pipelined", seconds(lambda: torch.add(small, small), 2000) * 1e6, "us")
    row("small operation + synchronize", seconds(lambda: add_and_wait(small), 500) * 1e6, "us")
    row("100 small steps, each handed over", seconds(lambda: steps_and_wait(small, small), 30) * 1e6, "us")
    graph = captured(small, small)
    row("the same, compiled", seconds(lambda: replay_and_wait(graph), 300) * 1e6, "us")
    row("new stream", seconds(torch.cuda.Stream, 1000) * 1e6, "us")
    row("thread per request", seconds(thread_per_request, 200) * 1e6, "us")


def main():
    torch.set_grad_enabled(False)
    if sys.argv[1:] == ["small"]:
        small_rows()
        return
    if sys.argv[1:] != ["matmul"]:
        small_rows()
        large_rows()
    matmul_row("matmul 8192 bf16", 8192, torch.bfloat16)
    matmul_row("matmul 4096 f32", 4096, torch.float32)


if __name__ == "__main__":
    main()
