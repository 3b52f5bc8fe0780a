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
import zlib

if not sys.argv[1].startswith("--"):
    # Before MLX, whose libraries take static thread-local room too.
    ctypes.CDLL(sys.argv[1])

import mlx.core as mx

import counts
import plain
from arrays import ARRAYS
from check import run
from classes import CLASSES
from conv import CONV
from edges import EDGES
from fast import FAST
from fft import FFT
from layouts import LAYOUTS
from linalg import LINALG
from mlxside import cases
from own import OWN
from places import PLACES
from products import PRODUCTS
from quantized import QUANTIZED
from table import FAMILIES
from total import TOTAL
from values import values
from weirlib import Weir

CASES = FAMILIES + ARRAYS + EDGES + LAYOUTS + PRODUCTS + FAST + FFT + CONV + LINALG + QUANTIZED + CLASSES + OWN + PLACES + TOTAL + (values,)
RECORD = pathlib.Path(__file__).resolve().parent / "recorded.xz"
LONGEST = 1024
SHARE = 32
SHARED = [f.__name__ for f in CLASSES + OWN + PLACES + TOTAL]


def is_recorded(family, call):
    """Not all: the file is part of the sources. Left out are calls with long text, of large arrays,
    and all but one in SHARE, drawn by the text, of the cases that many functions have."""
    if len(call) > LONGEST:
        return False
    return family not in SHARED or zlib.crc32(call) % SHARE == 0


class Noted:
    """The cases as they come by: how many there are of what, and a digest of those recorded."""

    def __init__(self):
        self.counts, self.calls = {}, hashlib.sha1()

    def all(self, found, recorded_alone=False):
        for case in found:
            counts.note(self.counts, case)
            call = plain.line(case[:3])
            recorded = is_recorded(case[0], call)
            if recorded:
                self.calls.update(call)
            if recorded or not recorded_alone:
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
    found = noted.all(cases(CASES), recorded_alone=option == "--record")
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
