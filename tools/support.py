"""docs/support.md: which operations there are for which element types on which devices, from ops.def
and the sets of types in core/op.h. It is what a backend's `supports` answers (backend/backend.h)."""

import re

from tables import ROOT, operations

SETS = re.compile(r"\bWR_TYPES_(\w+) = (.*?)(?=,\n|\n\})", re.DOTALL)
# What no function is called for: values, what a transform or a command of several results leaves.
INTERNAL = {"DATA", "PLACEHOLDER", "CUSTOM", "PART", "CALL"}
HEAD = """# Element types and devices

Written by `tools/generate` from `src/core/ops.def`; `tools/generate --check` fails where it is stale.
Which functions are compared with MLX on which types is in [parity.md](parity.md).

A row is an operation, named as in messages, and the types that it computes in: **b** on the CPU and
on GPUs, **c** on the CPU alone, where a stream of a GPU leaves it to the thread's default stream of
the CPU; a dot: arrays of that type are converted first, as MLX does, or refused in words. What
has no row is composed of these. Views share their input's bytes and compute nothing. Linear algebra
is done on a GPU where it is faster there ([architecture.md](architecture.md)).

"""


def types():
    """The element types, in their order."""
    text = (ROOT / "src/core/dtype.h").read_text(encoding="utf-8")
    body = re.search(r"enum wr_dtype \{(.*?)\}", text, re.DOTALL).group(1)
    return [n for n in re.findall(r"\bWR_(\w+)\b", body) if n != "DTYPE_COUNT"]


def sets(names):
    """Each WR_TYPES_.. as a set of names."""
    bits = {f"WR_{n}": i for i, n in enumerate(names)} | {"WR_DTYPE_COUNT": len(names)}
    text = (ROOT / "src/core/op.h").read_text(encoding="utf-8")
    found = {}
    for name, value in SETS.findall(text):
        known = bits | {f"WR_TYPES_{n}": v for n, v in found.items()}
        found[name] = eval(value, {"__builtins__": {}}, known)
    return {n: {t for i, t in enumerate(names) if v >> i & 1} for n, v in found.items()}


def row(cells, names, taken):
    def device(name):
        alone = cells["cuda"] == "none" or (cells["types"] == "lapack_complex" and name == "COMPLEX64")
        return "c" if alone else "b"

    marks = [device(n) if n in taken else "·" for n in names]
    return f"| {cells['name']} | {' | '.join(marks)} |\n"


def page():
    names = types()
    taken = sets(names)
    rows = [op.cells for op in operations() if op.cells["ID"] not in INTERNAL]
    yield HEAD
    yield f"| operation | {' | '.join(n.lower() for n in names)} |\n"
    yield "|---|" + ":-:|" * len(names) + "\n"
    for cells in sorted(rows, key=lambda cells: cells["name"]):
        yield row(cells, names, taken[cells["types"]])
