"""A child of fuzz.py, because MLX may crash or never return. It makes what is drawn and prints a line
before each side's turn, `NUMBER SIDE`, and one after, `NUMBER = TEXT`; what the text means is the
part's own.

work.py LIBRARY PART SEED FIRST COUNT
  calls             drawn calls on both sides: `ok`, or what differs
  sums              drawn subscripts of einsum, against NumPy: the same
  hostile           calls that may kill MLX, against the rules in mlx/c/ops.h: the same
  programs          drawn programs and their transforms on both sides: the same
  graphs            drawn graphs, as JSON
  fused, stepwise, streams, alone, compiled
                    graphs from the standard input, a line each, run on Weir in this way: the results' digest
"""

import ctypes
import json
import pathlib
import sys

ctypes.CDLL(sys.argv[1])  # before MLX, whose libraries take static thread-local room too
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "parity"))

import mlx.core as mx

import arranged
import draw
import graphs
import hostile
import transformed
from check import compare
from mlxcalls import CALLS
from mlxside import result_of, to_plain
from plain import Call, show
from weirlib import Weir


def mlx(value):
    """An argument, or the result of a call, on MLX's side."""
    if isinstance(value, Call):
        return CALLS[value.name](*map(mlx, value.args))
    return [mlx(v) for v in value] if isinstance(value, list) else value


def judged(weir, call, want):
    found = compare(weir, call.name, call.args, want)
    return f"{show(call)}: {found}" if found else "ok"


def calls(weir, seed, number):
    call = draw.call(seed, number)
    print(number, "MLX", flush=True)
    want = result_of(lambda: mlx(call))
    print(number, "Weir", flush=True)
    return judged(weir, to_plain(call), want)


def sums(weir, seed, number):
    call, want = arranged.einsum(draw.Draw(seed, number))
    print(number, "Weir", flush=True)
    return judged(weir, to_plain(call), want)


def rules(weir, seed, number):
    call, want = hostile.call(seed, number)
    print(number, "Weir", flush=True)
    return judged(weir, to_plain(call), want)


def programs(weir, seed, number):
    print(number, "MLX", flush=True)
    return transformed.judged(weir, draw.Draw(seed, number), lambda: print(number, "Weir", flush=True))


def graph(weir, seed, number):
    print(number, "Weir", flush=True)
    return json.dumps(graphs.drawn(weir, seed, number))


PARTS = {"calls": calls, "hostile": rules, "sums": sums, "programs": programs, "graphs": graph}


def run_graphs(weir, way):
    """As they come in; `= TEXT` for each."""
    for line in sys.stdin:
        print("=", graphs.results(weir, json.loads(line), way), flush=True)


def main(library, part, seed=0, first=0, count=0):
    mx.set_default_device(mx.cpu)
    weir = Weir(library)
    if part not in PARTS:
        return run_graphs(weir, part)
    for number in range(first, first + count):
        print(number, "=", PARTS[part](weir, seed, number), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:3], *map(int, sys.argv[3:]))
