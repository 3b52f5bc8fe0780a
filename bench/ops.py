"""What bench/ops runs, once for one core and once for all: ops.py LIBRARY one|all [NAME...]

On one core times are the processor's, to which other programs add nothing; on all the clock's."""

import ctypes
import os
import sys
import time

ONE = sys.argv[2] == "one"
if ONE:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
sys.path.remove(os.path.dirname(os.path.abspath(__file__)))  # its table.py is another
ctypes.CDLL(sys.argv[1])  # before MLX, whose libraries take static thread-local room too

import mlx.core as mx
import numpy as np

import total
from mlxcalls import CALLS
from mlxside import to_plain
from table import sample
from weirlib import Weir

try:
    import torch
except ImportError:
    torch = None

LARGE = (1499, 1399)
# Whose results are as large as both of their arrays together, and whose work is more than that.
SHAPES = dict.fromkeys("outer kron tensordot tensordot_axis".split(), (37, 41))
SHAPES |= dict.fromkeys("matmul inner addmm".split(), (499, 499))
TURNS, LEAST = 5, 0.004  # the best of so many turns, each of so many seconds or one call
# Before a turn on more cores than one: threads of NumPy's and PyTorch's libraries spin for some hundredths
# of a second when they have nothing to do, on the cores that the next side counts on.
REST = 0 if ONE else 0.1
PYTHON = 1e-4  # seconds below which it is the calls from Python that are compared
KEYWORDS = ("axis", "axes", "keepdims", "ddof", "decimals")
now = time.process_time if ONE else time.perf_counter
SIDES = ["Weir", "MLX", "NumPy"] + (["PyTorch"] if torch else [])


def case(name):
    """Arguments that MLX takes, of float32 where it takes that, and its result; None: there are none."""
    for dtype in (mx.float32, mx.int32, mx.complex64):
        a = sample(SHAPES.get(name, LARGE), dtype, 1)
        for rest in total.given_to(name)(a, dtype):
            if rest and rest[0] == []:
                continue  # along no axis
            args = total.arguments(name, a, rest)
            try:
                result = CALLS["mlx_" + name](*args)
                mx.eval(result)
                return args, result
            except (ValueError, RuntimeError, TypeError, IndexError):
                continue
    return None


def weir_side(weir, name, args):
    def own(x):
        return [own(y) for y in x] if isinstance(x, list) else weir.argument(x) if hasattr(x, "shape") else x

    given = own(to_plain(args))

    def call():
        results = weir.call("mlx_" + name, *given)
        for handle in results:
            weir.check(weir.lib.mlx_array_eval(handle))
            weir.lib.mlx_array_free(handle)
    return call


def mlx_side(name, args):
    return lambda: mx.eval(CALLS["mlx_" + name](*args))


def shapes(result):
    return [tuple(r.shape) for r in (result if isinstance(result, (list, tuple)) else [result])]


def other_side(module, name, args, want, own):
    """A function of the same name, with the same parameters, whose result has the same shape."""
    f = getattr(module, total.root(name), None)
    names = total.PUBLIC[name].split()
    if f is None or names[0] in ("arrays", "inputs"):
        return None
    values = [own(x) if isinstance(x, mx.array) else x for x in args]
    places = [x for n, x in zip(names, values) if n not in KEYWORDS]
    named = {n.replace("axes", "axis"): tuple(x) if isinstance(x, list) else x
             for n, x in zip(names, values) if n in KEYWORDS}
    try:
        if shapes(f(*places, **named)) != shapes(want):
            return None
    except Exception:  # whatever another library says to arguments that are not its own
        return None
    return lambda: f(*places, **named)


def sides(weir, name, args, want):
    yield "Weir", weir_side(weir, name, args)
    yield "MLX", mlx_side(name, args)
    yield "NumPy", other_side(np, name, args, want, np.array)
    if torch:
        yield "PyTorch", other_side(torch, name, args, want, lambda x: torch.from_numpy(np.array(x)))


def turn(call):
    time.sleep(REST)
    if REST:
        call()
    start, calls = now(), 0
    while True:
        call()
        calls += 1
        taken = now() - start
        if taken > LEAST:
            return taken / calls


def measured(calls):
    """The best turn of each side, which take turns."""
    times = {side: turn(call) for side, call in calls.items()}
    for _ in range(TURNS):
        for side, call in calls.items():
            times[side] = min(times[side], turn(call))
    return times


def names():
    return [n for n in sorted(total.PUBLIC) if total.given_to(n) and "mlx_" + n in CALLS]


def main(library, cores, *chosen):
    mx.set_default_device(mx.cpu)
    weir, slower = Weir(library), []
    print(f"{len(os.sched_getaffinity(0))} of {os.cpu_count()} cores")
    print(f"{'operation':<26}{'Weir':>12}" + "".join(f"{s:>12}" for s in SIDES[1:]), flush=True)
    for name in chosen or names():
        found = case(name)
        if not found:
            continue
        calls = {side: call for side, call in sides(weir, name, *found) if call}
        times = measured(calls)
        if times["MLX"] < PYTHON and times["Weir"] < PYTHON:
            continue
        ratios = {side: times[side] / times["Weir"] for side in times}
        slower += [f"{name} {side} x{x:.2f}" for side, x in ratios.items() if x < 1]
        cells = (f"x{ratios[s]:.2f}" if s in ratios else "-" for s in SIDES[1:])
        print(f"{name:<26}{times['Weir'] * 1e3:>9.3f} ms" + "".join(f"{c:>12}" for c in cells), flush=True)
    print(f"below 1.0: {', '.join(slower) or 'none'}\n", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
