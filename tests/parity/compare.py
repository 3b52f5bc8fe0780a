"""Runs the tables against MLX, or records what MLX gives.

compare.py LIBRARY
compare.py --record
"""

import ctypes
import os
import pathlib
import sys

if sys.argv[1] != "--record":
    # Before MLX, whose libraries take static thread-local room too.
    ctypes.CDLL(sys.argv[1])

import mlx.core as mx

import plain
from arrays import ARRAYS
from check import run
from edges import EDGES
from fast import FAST
from layouts import LAYOUTS
from mlxside import cases
from products import PRODUCTS
from quantized import QUANTIZED
from table import FAMILIES
from values import values
from weirlib import Weir

CASES = FAMILIES + ARRAYS + EDGES + LAYOUTS + PRODUCTS + FAST + QUANTIZED + (values,)
RECORD = pathlib.Path(__file__).resolve().parent / "recorded.xz"


def noted(found, calls):
    """The cases, while their calls are noted."""
    for case in found:
        calls.append(plain.packed(case[:3]))
        yield case


def main(argument):
    mx.set_default_device(mx.cpu)
    only = os.environ.get("WEIR_PARITY_ONLY", "").split()
    if only:
        return run(Weir(argument), cases(f for f in CASES if f.__name__ in only))
    if argument != "--record":
        calls = []
        status = run(Weir(argument), noted(cases(CASES), calls))
        if calls == [plain.packed(case[:3]) for case in plain.read(RECORD)]:
            return status
        print(f"{RECORD.name} has other calls than the tables: tests/parity/run --record")
        return 1
    plain.write(RECORD, cases(CASES))
    print(f"{RECORD}: MLX {mx.__version__}, {RECORD.stat().st_size >> 10} KB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
