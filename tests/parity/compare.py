"""Runs the tables against MLX, or records what MLX gives.

compare.py LIBRARY
compare.py --record    writes recorded.xz and docs/parity.md
compare.py --docs      writes docs/parity.md
"""

import ctypes
import hashlib
import os
import pathlib
import sys

if not sys.argv[1].startswith("--"):
    # Before MLX, whose libraries take static thread-local room too.
    ctypes.CDLL(sys.argv[1])

import mlx.core as mx

import counts
import plain
from arrays import ARRAYS
from check import run
from conv import CONV
from edges import EDGES
from fast import FAST
from fft import FFT
from layouts import LAYOUTS
from linalg import LINALG
from mlxside import cases
from products import PRODUCTS
from quantized import QUANTIZED
from table import FAMILIES
from total import TOTAL
from values import values
from weirlib import Weir

CASES = FAMILIES + ARRAYS + EDGES + LAYOUTS + PRODUCTS + FAST + FFT + CONV + LINALG + QUANTIZED + TOTAL + (values,)
RECORD = pathlib.Path(__file__).resolve().parent / "recorded.xz"


class Noted:
    """The cases as they come by: how many there are of what, and a digest of the calls."""

    def __init__(self):
        self.counts, self.calls = {}, hashlib.sha1()

    def all(self, found):
        for case in found:
            counts.note(self.counts, case)
            self.calls.update(plain.line(case[:3]))
            yield case


def compare(library):
    noted = Noted()
    status = run(Weir(library), noted.all(cases(CASES)))
    complaints = counts.complaints(noted.counts, mx.__version__)
    if noted.calls.hexdigest() != plain.digest(RECORD):
        complaints.append(f"{RECORD.name} has other calls than the tables: tests/parity/run --record")
    print(*complaints, sep="\n")
    return 1 if complaints else status


def record(option):
    noted = Noted()
    found = noted.all(cases(CASES))
    if option == "--record":
        plain.write(RECORD, found)
        print(f"{RECORD}: MLX {mx.__version__}, {RECORD.stat().st_size >> 10} KB")
    else:
        for _ in found:
            pass
    counts.write(noted.counts, mx.__version__)
    return 0


def main(argument):
    mx.set_default_device(mx.cpu)
    only = os.environ.get("WEIR_PARITY_ONLY", "").split()
    if argument in ("--record", "--docs"):
        return record(argument)
    if only:
        return run(Weir(argument), cases(f for f in CASES if f.__name__ in only))
    return compare(argument)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
