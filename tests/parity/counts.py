"""Counts the cases, function by function, and writes docs/parity.md of it: which types and which
classes of arrays a function is compared on, and where both sides refuse."""

import importlib
import math
import pathlib

import plain
import tables

PAGE = tables.ROOT / "docs/parity.md"
CLASSES = ("scalar", "empty", "dense", "prime", "broadcast", "offset", "strided", "reversed")
# Without a name in MLX's Python, or with what only streams and threads can tell.
FILES = ("mlx_load", "mlx_load_reader", "mlx_load_gguf", "mlx_load_safetensors",
         "mlx_load_safetensors_reader")
ELSEWHERE = {"mlx_random_bits": "tests/unit/cpu_random.c"} | dict.fromkeys(FILES, "files.py") | \
    dict.fromkeys((f.name for f in tables.functions() if "_distributed_" in f.name), "tests/distributed")
NOTES = ("values", "edges", "arrays", "layouts", "table", "total", "own")
# Why a class of arrays has no case, by what functions' names begin with.
SUMS = "MLX's products without rows, channels, groups or matrices end the process, or read what is not theirs"
PLACED = "an index is one along an axis"
WHY = {
    ("mlx_addmm", "mlx_gather_qmm", "mlx_quantized_matmul", "mlx_qqmm", "mlx_segmented_mm"): ({"empty"}, SUMS),
    ("mlx_gather", "mlx_scatter", "mlx_slice_update_dynamic"): ({"scalar"}, PLACED),
    ("mlx_std", "mlx_var"): ({"empty"}, "over all axes a sum of nothing, of which MLX gives anything or never returns"),
}
HEAD = """# Parity with MLX

Written by `tests/parity/run --docs` from the tables in `tests/parity`; `make test` compares every
case with MLX {version} and fails where one differs, or where this page is stale. Types and shapes are
equal, so are integers and bools, refusals and the operation that their messages begin with; floats
are within `tests/parity/check.py`'s tolerance of their type; draws of the same key are the same value
for value, but for the rounding of logarithms.

{functions} functions, {cases} cases, {refused} of them refused by both sides. Mismatches: none.

Types and classes are those of a call's first array, or its dtype where it has none. Classes:
{classes}. A strided view has steps other than 1, a prime one extents that are all odd primes.

| function | cases | refused | types | classes |
|---|--:|--:|---|---|
"""
BETWEEN = """
Classes that have no case, and why:

"""
MIDDLE = """
## Intended differences

Where MLX is not right, Weir keeps to the mathematics or to its contract; `tests/parity/values.py` has
the cases.

"""


class Count:
    def __init__(self):
        self.cases, self.refused, self.types, self.classes = 0, 0, set(), set()


def first_array(args):
    """In lists too."""
    for a in args:
        if isinstance(a, list):
            a = first_array(a)
        if isinstance(a, (plain.Array, plain.View, plain.Call)):
            return a
    return None


def odd_prime(n):
    return n > 2 and all(n % k for k in range(2, math.isqrt(n) + 1))


def classes_of(a):
    if isinstance(a, plain.Call):
        return {"broadcast"}
    if isinstance(a, plain.View):
        found = {"strided"} if any(abs(s) > 1 for s in a.step) else set()
        found |= {"reversed"} if any(s < 0 for s in a.step) else set()
        return found | ({"offset"} if any(x > 0 for x in a.start) else set()) or {"strided"}
    if 0 in a.shape:
        return {"empty"}
    if not a.shape:
        return {"scalar"}
    return {"dense", "prime"} if all(map(odd_prime, a.shape)) else {"dense"}


def dtype_of(a):
    return first_array(a.args).dtype if isinstance(a, plain.Call) else a.dtype


def note(counts, case):
    _, name, args, want = case
    count = counts.setdefault(name, Count())
    count.cases += 1
    count.refused += isinstance(want, plain.Refused)
    a = first_array(args)
    if a is not None:
        count.types.add(dtype_of(a))
        count.classes |= classes_of(a)
    else:
        count.types |= {str(x) for x in args if isinstance(x, plain.Dtype)}


def some(found, every):
    """All, or those that there are, or those that there are not where these are fewer."""
    missing = [x for x in every if x not in found]
    if not missing or not found:
        return "all" if found else "-"
    if len(missing) < len(found):
        return "all but " + ", ".join(missing)
    return ", ".join(x for x in every if x in found)


def reason(name, missing):
    """Why a class is not there; None: nobody knows."""
    for names, (classes, why) in WHY.items():
        if name.startswith(names) and missing in classes:
            return why
    return None


def missing_classes(counts):
    """(function, class) that have no case, of functions that take arrays."""
    for name, count in sorted(counts.items()):
        yield from ((name, c) for c in CLASSES if count.classes and c not in count.classes)


def reasons(counts):
    """A line for each reason, with what it is one for."""
    found = {}
    for name, missing in missing_classes(counts):
        found.setdefault((reason(name, missing), missing), []).append(name)
    for (why, missing), names in found.items():
        yield f"- {missing}: {why}: {', '.join(names)}.\n"


def compared():
    """The functions on arrays that parity is about."""
    return [f.name for f in tables.functions()
            if any(p.name == "s" for p in f.parameters) and f.header.startswith("mlx/")]


def left_out():
    """What the tables say of the cases that they have not."""
    for module in NOTES:
        text = importlib.import_module(module).__doc__
        if "\n- " in text:
            yield text[text.index("\n- "):].strip()


def page(counts, version):
    total = [sum(getattr(c, n) for c in counts.values()) for n in ("cases", "refused")]
    yield HEAD.format(version=version, functions=len(counts), cases=total[0], refused=total[1],
                      classes=", ".join(CLASSES))
    for name in sorted(counts):
        c = counts[name]
        yield (f"| {name} | {c.cases} | {c.refused} | {some(c.types, plain.DTYPES)} "
               f"| {some(c.classes, CLASSES)} |\n")
    yield BETWEEN
    yield from reasons(counts)
    yield MIDDLE
    notes = list(left_out())
    yield notes[0] + "\n\nCases that are in no table, by table:\n\n" + "\n".join(notes[1:]) + "\n"


def without_cases(counts):
    return [n for n in compared() if n not in counts and n not in ELSEWHERE]


def write(counts, version):
    PAGE.write_text("".join(page(counts, version)), encoding="utf-8")
    print(f"wrote {pathlib.Path(PAGE).relative_to(tables.ROOT)}")


def complaints(counts, version):
    found = [f"{n} has no case" for n in without_cases(counts)]
    found += [f"{n} has no case of class {c}, and no reason in counts.py" for n, c in missing_classes(counts)
              if reason(n, c) is None]
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != "".join(page(counts, version)):
        found.append("docs/parity.md is stale: tests/parity/run --docs")
    return found
