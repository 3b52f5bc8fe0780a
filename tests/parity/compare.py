"""Runs the tables against MLX. Usage: compare.py LIBRARY"""

import ctypes
import os
import sys

if __name__ == "__main__":
    # Before MLX, whose libraries take static thread-local room too.
    ctypes.CDLL(sys.argv[1])

import mlx.core as mx

from check import difference
from edges import EDGES
from table import FAMILIES
from weirlib import View, Weir, WeirError, to_numpy


def show(value):
    if isinstance(value, list):
        return "[" + ", ".join(map(show, value)) + "]"
    if isinstance(value, (mx.array, View)):
        return f"{value.dtype}{list(value.shape)}"
    return repr(value)


def expected(call):
    """MLX's results, each with its text, or None where it refuses."""
    try:
        arrays = call()
        arrays = arrays if isinstance(arrays, list) else [arrays]
        mx.eval(arrays)
    except (ValueError, RuntimeError, TypeError, IndexError):
        return None
    # MLX's Python prints True and False, its C++ (and so mlx-c) true and false.
    texts = (str(a).replace("True", "true").replace("False", "false") for a in arrays)
    return [((a.dtype, tuple(a.shape), to_numpy(a)), text) for a, text in zip(arrays, texts)]


def compare_one(got, text, want):
    found = difference(got, want[0])
    # Of the same bits the same text is asked.
    if found is None and got[2].tobytes() == want[0][2].tobytes() and text != want[1]:
        return f"text {text!r}, expected {want[1]!r}"
    return found


def compare(weir, name, args, call):
    want = expected(call)
    try:
        results = weir.call(name, *args)
        got = [(weir.read(r), weir.text(r)) for r in results]
    except WeirError as error:
        return None if want is None else f"refused: {error}"
    for handle in results:
        weir.lib.mlx_array_free(handle)
    if want is None:
        return "taken, MLX refuses"
    if len(got) != len(want):
        return f"{len(got)} results, expected {len(want)}"
    found = [compare_one(*g, w) for g, w in zip(got, want)]
    return next((f for f in found if f), None)


def main(path):
    mx.set_default_device(mx.cpu)
    weir, passed, failures = Weir(path), 0, []
    for family in FAMILIES + EDGES:
        good, bad = 0, 0
        for _, name, args, call in family():
            if os.environ.get("WEIR_PARITY_TRACE"):
                print(name, *map(show, args), flush=True)
            found = compare(weir, name, args, call)
            good, bad = good + (found is None), bad + (found is not None)
            if found is not None:
                failures.append(f"{name}({', '.join(map(show, args))}): {found}")
        print(f"{family.__name__}: {good} passed, {bad} failed", flush=True)
        passed += good
    limit = int(os.environ.get("WEIR_PARITY_SHOW", "40"))
    print(*failures[:limit], sep="\n")
    print(f"{passed} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
