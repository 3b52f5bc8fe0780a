"""What the Python peers share: the clock, the data, the expected values, the output.

The counterpart of harness.c and expect.c, row by row with the same sizes. A row is a function that
returns (unit, value); a wrong result ends the program with 1.
"""

import argparse
import statistics
import sys
import threading
import time

import numpy as np

SMALL = 16
CHAIN, CHAIN_SIDE = 1000, 8
PRODUCTS, PRODUCT_SIDE, ANGLE = 500, 32, 0.003
LARGE = 16 << 20
SOFTMAX_SIDE = 4096
MATMUL_SIDE = 1024


class Scale:
    """How long a row may take; set once by main."""

    quick = False


def data(shape, seed):
    """Floats between 0.5 and 1.5."""
    return np.random.default_rng(seed).random(shape, dtype=np.float32) + np.float32(0.5)


def rotation(turns):
    """Pairs of axes turned by a small angle: products of it keep their size."""
    out = np.zeros((PRODUCT_SIDE, PRODUCT_SIDE), np.float32)
    c, s = np.cos(turns * ANGLE), np.sin(turns * ANGLE)
    for i in range(0, PRODUCT_SIDE, 2):
        out[i:i + 2, i:i + 2] = [[c, s], [-s, c]]
    return out


def same(got, want, tolerance=1e-4):
    if not np.allclose(np.asarray(got), want, rtol=tolerance, atol=tolerance):
        sys.exit("bench: a result differs from the expected one")


def batch(step, calls):
    start = time.perf_counter()
    for _ in range(calls):
        step()
    return time.perf_counter() - start


def timed(step):
    """Seconds per call: warmed up, the median of batches long enough for the clock."""
    least, total = (0.002, 0.05) if Scale.quick else (0.01, 0.5)
    calls = 1
    while batch(step, calls) < least:
        calls *= 2
    each, start = [], time.perf_counter()
    while len(each) < 3 or (time.perf_counter() - start < total and len(each) < 64):
        each.append(batch(step, calls) / calls)
    return statistics.median(each)


def requests(step):
    """Seconds per thread that is made, runs `step` and ends."""
    def one():
        thread = threading.Thread(target=step)
        thread.start()
        thread.join()

    count = 200 if Scale.quick else 1000
    batch(one, count // 10)
    return "s", batch(one, count) / count


def parallel(step, threads):
    """Calls per second of `threads` threads in a loop."""
    stop, calls = threading.Event(), [0] * threads

    def loop(k):
        while not stop.is_set():
            for _ in range(16):
                step()
            calls[k] += 16

    crew = [threading.Thread(target=loop, args=(k,)) for k in range(threads)]
    start = time.perf_counter()
    for thread in crew:
        thread.start()
    time.sleep(0.05 if Scale.quick else 0.5)
    stop.set()
    for thread in crew:
        thread.join()
    return "1/s", sum(calls) / (time.perf_counter() - start)


def table(peer):
    """The rows in terms of a peer: an object with make(numpy array) and the operations."""
    def small_eval():
        a, b = data(SMALL, 1), data(SMALL, 2)
        pa, pb = peer.make(a), peer.make(b)
        value = timed(lambda: peer.add(pa, pb))
        same(peer.add(pa, pb), a + b)
        return "s", value

    def chain():
        side = (CHAIN_SIDE, CHAIN_SIDE)
        a, b = data(side, 1), data(side, 2)
        pa, pb = peer.make(a), peer.make(b)

        def step():
            x = pa
            for _ in range(CHAIN // 2):
                x = peer.add(x, pb).T
            return x

        value = timed(step) / CHAIN
        same(step(), a + CHAIN // 4 * (b + b.T), 1e-3)
        return "s", value

    def matmul_chain():
        a = data((PRODUCT_SIDE, PRODUCT_SIDE), 1)
        pa, turn = peer.make(a), peer.make(rotation(1))

        def step():
            x = pa
            for _ in range(PRODUCTS):
                x = peer.matmul(x, turn)
            return x

        value = timed(step) / PRODUCTS
        same(step(), a @ rotation(PRODUCTS), 1e-3)
        return "s", value

    def fused():
        a, b, c = data(LARGE, 1), data(LARGE, 2), data(LARGE, 3)
        p = [peer.make(x) for x in (a, b, c)]
        value = timed(lambda: peer.fused(*p))
        same(peer.fused(*p), np.sqrt(np.abs(a * b + c)) * np.exp(-a))
        return "s", value

    def add():
        a, b = data(LARGE, 1), data(LARGE, 2)
        pa, pb = peer.make(a), peer.make(b)
        value = timed(lambda: peer.add(pa, pb))
        same(peer.add(pa, pb), a + b)
        return "s", value

    def total():
        a = data(LARGE, 1)
        pa = peer.make(a)
        value = timed(lambda: peer.sum(pa))
        same(float(peer.sum(pa)) / LARGE, a.sum(dtype=np.float64) / LARGE)
        return "s", value

    def softmax():
        a = data((SOFTMAX_SIDE, SOFTMAX_SIDE), 1)
        pa = peer.make(a)
        value = timed(lambda: peer.softmax(pa))
        e = np.exp(a)
        # Against the mean of the results, 1 / SOFTMAX_SIDE.
        same(np.asarray(peer.softmax(pa)) * SOFTMAX_SIDE, e / e.sum(-1, keepdims=True) * SOFTMAX_SIDE)
        return "s", value

    def matmul():
        side = (MATMUL_SIDE, MATMUL_SIDE)
        a, b = data(side, 1), data(side, 2)
        pa, pb = peer.make(a), peer.make(b)
        value = timed(lambda: peer.matmul(pa, pb))
        same(peer.matmul(pa, pb), a.astype(np.float64) @ b)
        return "flop/s", 2 * MATMUL_SIDE**3 / value

    def small_step():
        pa, pb = peer.make(data(SMALL, 1)), peer.make(data(SMALL, 2))
        return lambda: peer.add(pa, pb)

    rows = {"small_eval": small_eval, "chain": chain, "matmul_chain": matmul_chain, "fused": fused,
            "add": add, "sum": total, "softmax": softmax, "matmul": matmul,
            "thread_request": lambda: requests(small_step())}
    for threads in (1, 2, 4, 8):
        rows[f"evals_{threads}"] = lambda threads=threads: parallel(small_step(), threads)
    return rows


def main(peer):
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rows", default="")
    options = parser.parse_args()
    Scale.quick = options.quick
    for name, row in table(peer).items():
        if not options.rows or name in options.rows.split(","):
            unit, value = row()
            print(f"{name}\t{unit}\t{value:.9g}", flush=True)
