"""Runs Weir against what MLX was recorded to give, with NumPy alone. Exits 77 without NumPy.

replay.py LIBRARY [gpu [PART OF]]: all calls, or one of so many parts, from 1 on
"""

import pathlib
import sys

try:
    import numpy  # noqa: F401
except ImportError:
    print("skipped: recorded parity: there is no NumPy")
    sys.exit(77)

import plain
from check import run
from weirlib import Weir

if __name__ == "__main__":
    record = pathlib.Path(__file__).resolve().parent / "recorded.xz"
    calls = list(plain.read(record))
    part, of = map(int, sys.argv[3:5] or (1, 1))
    first, end = (len(calls) * n // of for n in (part - 1, part))
    sys.exit(run(Weir(sys.argv[1], gpu=sys.argv[2:3] == ["gpu"]), calls[first:end]))
