"""Every function on arrays in files of functions, between Weir and MLX: of the cases of all tables some
of each type and class are exported by MLX and called here, and exported here and called in MLX and
here, with the values that MLX gives. What cannot be stored stands in docs/export.md, with the reason,
and what is not listed there goes every way.

exported.py LIBRARY [FUNCTION...]
exported.py LIBRARY --docs    writes docs/export.md
"""

import ctypes
import os
import pathlib
import re
import sys
import tempfile

ctypes.CDLL(sys.argv[1])  # before MLX, whose libraries take static thread-local room too

import mlx.core as mx
import numpy as np

import plain
import tables
from check import difference
from compare import CASES
from mlxside import NAMES, View, Wide, result_of, to_plain
from weirlib import Handle, Weir, WeirError

PAGE = tables.ROOT / "docs/export.md"
FOLDER = tempfile.TemporaryDirectory()
PATH = str(pathlib.Path(FOLDER.name) / "f.mlxfn")
NAME = PATH.encode()
QUANTIZE = (8).to_bytes(8, "little") + b"Quantize"
MOST = 28  # cases of a function
FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Handle), Handle)
DTYPES = {name: dtype for dtype, name in NAMES.items()}
WAYS = ("from MLX", "to MLX", "to Weir")
weir = Weir(sys.argv[1])
lib = weir.lib
for maker in ("mlx_closure_new_func", "mlx_imported_function_new"):
    getattr(lib, maker).restype = Handle


class Cannot(Exception):
    """That one side refuses to store or to read something, in its words."""


# What MLX writes or reads in a way that it does not itself compute.
BROADCAST = (("from MLX",), "broadcast constants, of which MLX writes what lies behind their bytes")
SHORT_SUMS = (("to MLX",), "products of 16-bit floats, which MLX sums in 16 bits; float32 is in functions.py")
CONJUGATES = (("from MLX", "to MLX"), "complex64, of which MLX's vectors are the conjugates")
NARROW = (("to MLX",), "float64, which MLX computes in float32")
OWN_WAYS = {
    "mlx_scatter_add_axis": BROADCAST, "mlx_take_along_axis": BROADCAST, "mlx_put_along_axis": BROADCAST,
    "mlx_hadamard_transform float64": (("to MLX",), "float64, which MLX's transform refuses"),
    "mlx_linalg_eig complex64": CONJUGATES,
} | {f"mlx_conv{n} float64": NARROW for n in ("1d", "2d", "3d", "_general", "_transpose1d", "_transpose2d", "_transpose3d")} \
  | {f"mlx_{n} {d}": SHORT_SUMS for n in ("quantized_matmul", "gather_qmm") for d in ("float16", "bfloat16")}


# ---- calls ----

def is_array(value):
    return isinstance(value, (mx.array, View, Wide, plain.Call))


def arrays_of(args):
    for a in args:
        if isinstance(a, (list, tuple)):
            yield from arrays_of(a)
        elif is_array(a):
            yield a


def with_arrays(args, handles):
    """The arguments with these in the place of arrays, in their order."""
    for a in args:
        if isinstance(a, (list, tuple)):
            yield list(with_arrays(a, handles))
        elif is_array(a):
            yield next(handles)
        else:
            yield to_plain(a)


def mlx_of(dtype, bits):
    if dtype == "bfloat16":
        return mx.array(bits).view(mx.bfloat16)
    return mx.array(bits, dtype=DTYPES[dtype])


def vector(handles):
    return lib.mlx_vector_array_new_data((Handle * len(handles))(*handles), ctypes.c_size_t(len(handles)))


def checked(rc):
    """What is not stored or read is said in words; all else is a failure."""
    try:
        weir.check(rc)
    except WeirError as error:
        raise cannot(str(error)) from error


def cannot(text):
    found = re.search(r"Unable to (?:de)?serialize primitive (\w+)", text)
    return Cannot(found[1]) if found else RuntimeError(text)


# ---- files ----

def called_here(inputs):
    """Of the function in the file, (dtype, shape, elements) of each result."""
    out = lib.mlx_vector_array_new()
    function = lib.mlx_imported_function_new(NAME)
    checked(not function.ctx)
    given = vector(inputs)
    rc = lib.mlx_imported_function_apply(ctypes.byref(out), function, given)
    lib.mlx_imported_function_free(function)
    lib.mlx_vector_array_free(given)
    checked(rc)
    return read_all(out)


def read_all(out):
    handles = weir.items(out)
    found = [weir.read(h) for h in handles]
    for handle in handles:
        lib.mlx_array_free(handle)
    lib.mlx_vector_array_free(out)
    return found


def without_cpu():
    """What in the file MLX runs on GPUs alone, where its CPU ends the process: all but affine packing."""
    file = pathlib.Path(PATH).read_bytes()
    at = file.find(QUANTIZE)
    mode, back = file[at + len(QUANTIZE) + 8:][:4], file[at + len(QUANTIZE) + 12:][:1]
    return "Quantize" if at >= 0 and (mode != bytes(4) or back != b"\0") else None


def called_in_mlx(inputs):
    alone = without_cpu()
    if alone:
        mx.import_function(PATH)  # parsed it is
        raise Cannot(f"{alone} on a CPU")
    try:
        results = mx.import_function(PATH)(*[mlx_of(dtype, bits) for dtype, _, bits in inputs])
        mx.eval(results)
    except (ValueError, RuntimeError, MemoryError) as error:
        raise cannot(str(error)) from error
    made = [to_plain(a) for a in results]
    return [(a.dtype, a.shape, a.bits) for a in made]


def export_by_mlx(call):
    def function(_):
        made = call()
        return list(made) if isinstance(made, (list, tuple)) else [made]

    try:
        mx.export_function(PATH, function, mx.zeros((1,)))
    except ValueError as error:
        raise cannot(str(error)) from error


def export_here(name, args, inputs):
    def run(res, given):
        try:
            items = weir.items(given)
            made = weir.call(name, *with_arrays(args, iter(items)))
            rc = lib.mlx_vector_array_set_data(res, (Handle * len(made))(*made), ctypes.c_size_t(len(made)))
            for handle in items + made:
                lib.mlx_array_free(handle)
            return rc
        except WeirError:  # none may leave it
            return 1

    held = FUNCTION(run)
    closure, given = lib.mlx_closure_new_func(held), vector(inputs)
    rc = lib.mlx_export_function(NAME, closure, given, ctypes.c_bool(False))
    lib.mlx_closure_free(closure)
    lib.mlx_vector_array_free(given)
    checked(rc)


# ---- the cases ----

class Chosen:
    """The first of each type and class that a function has, and some more."""

    def __init__(self, wanted):
        self.wanted, self.seen, self.count = wanted, set(), {}

    def takes(self, name, args):
        if self.wanted and name not in self.wanted:
            return False
        first = next(arrays_of(args), None)
        kind = (NAMES.get(getattr(first, "dtype", None)), type(first), len(getattr(first, "shape", ())))
        others = tuple(type(a) if is_array(a) else str(a) for a in args if not isinstance(a, (list, tuple)))
        if self.count.get(name, 0) >= MOST or (name, kind) in self.seen and (name, others) in self.seen:
            return False
        self.seen |= {(name, kind), (name, others)}
        return True

    def note(self, name):
        self.count[name] = self.count.get(name, 0) + 1


def chosen(wanted):
    """(function, arguments, call, what MLX gives) where it does not refuse."""
    some = Chosen(wanted)
    for family in CASES:
        for _, name, args, call in family():
            if name.startswith("mlx_random") and any(a is None for a in args) or not some.takes(name, args):
                continue  # a sequence of keys is the thread's
            want = result_of(call)
            if not isinstance(want, plain.Refused):
                some.note(name)
                yield name, args, call, [w for w, _ in want]


def differs(name, got, want):
    if len(got) != len(want):
        return f"{len(got)} results, expected {len(want)}"
    return next(filter(None, (difference(name, *pair) for pair in zip(got, want))), None)


def attempt(name, args, call, want):
    """By way: None, what is wrong, or Cannot."""
    inputs = [weir.argument(to_plain(a)) for a in arrays_of(args)]
    zero = weir.array(plain.Array("float32", np.zeros(1, np.float32)))
    values = [weir.read(h) for h in inputs]

    def from_mlx():
        export_by_mlx(call)
        return called_here([zero])

    def to_mlx():
        export_here(name, args, inputs)
        return called_in_mlx(values)

    def to_weir():
        export_here(name, args, inputs)
        return called_here(inputs)

    first = next(arrays_of(args), None)
    own = OWN_WAYS.get(name) or OWN_WAYS.get(f"{name} {NAMES.get(getattr(first, 'dtype', None))}")
    for way, run in zip(WAYS, (from_mlx, to_mlx, to_weir)):
        if way == "from MLX" and any(isinstance(a, Wide) for a in arrays_of(args)):
            continue  # BROADCAST
        if own and way in own[0]:
            yield way, Cannot(own[1])
            continue
        try:
            yield way, differs(name, run(), want)
        except Cannot as error:
            yield way, error
        except (RuntimeError, WeirError) as error:
            yield way, str(error)
    for handle in (*inputs, zero):
        lib.mlx_array_free(handle)


def run(wanted):
    """Of each function and way the number of cases that went, and the primitives that did not; failures."""
    found, failures = {}, []
    for name, args, call, want in chosen(wanted):
        if os.environ.get("WEIR_PARITY_TRACE"):
            print(name, *map(plain.show, to_plain(args)), flush=True)
        for way, what in attempt(name, args, call, want):
            good, missing = found.setdefault(name, {w: [0, set()] for w in WAYS})[way]
            if isinstance(what, Cannot):
                missing.add(str(what))
            elif what:
                failures.append(f"{name}({', '.join(plain.show(to_plain(a)) for a in args)}), {way}: {what}")
            else:
                found[name][way][0] = good + 1
    return found, failures


WHY = {
    "BitwiseInvert": "MLX stores none; Weir writes an exclusive or with all bits",
    "Contiguous": "MLX stores none; Weir writes a copy",
    "CumLogAddExp": "MLX has it under another name where it writes than where it reads; Weir writes one that MLX reads",
    "FromFP8": "MLX stores none; Weir writes what it is made of",
    "LU": "MLX stores no LU factors; the name is Weir's",
    "LUF": "MLX stores no LU factors; Weir writes solve by those of QR",
    "LUFactor": "MLX stores no LU factors; the name is Weir's",
    "QQMatmul": "MLX stores none, and it rounds E2M1 otherwise than quantize, so that Weir writes it of mxfp8 alone",
    "Quantize on a CPU": "MLX packs short floats on GPUs alone, and its process ends on a CPU; the file is right",
    "SegmentedMM": "MLX stores none; Weir writes what it is made of",
    "ToFP8": "MLX stores none, of which it makes scales; Weir writes Quantize, and to_fp8 as what it is made of",
}
HEAD = """# Functions in files

`mlx_export_function` and the others of `mlx/c/export.h` write and read MLX's .mlxfn files: read is what MLX
0.31 and 0.32 write, written the form of 0.32.4. A function in a file is code: a kernel in it runs on the
GPU as any other, so that files of strangers are as programs of strangers. Everything else in a file is
checked as it is read and called.

This page is written by `tests/parity/exported.py LIBRARY --docs`, which tries every function on arrays in
three ways, with some cases of each type and class of `docs/parity.md`: exported by MLX {version} and called
here, exported here and called in MLX, and called here again, with the values that MLX gives.
{functions} functions, none with other values. {whole} functions go every way, with all their cases.

What does not, and why:

| function | way | what went | not | why |
|---|---|---|---|---|
"""
TAIL = """
Besides the functions of MLX's C API, Weir reads what MLX writes of searchsorted, of the derivatives of norms and of
rope on GPUs, and of norms without weights. Attention, norms and dequantize on a CPU are stored as their steps, as by MLX;
on a GPU as one primitive. Kernels of the caller's are stored with their source, which MLX finds as its own: without linkage.
Not stored are loads, collectives, and functions with derivatives of their own (those of the caller's): what they
compute is. GatedDeltaUpdate, CrossEntropy and GatherQQMM of MLX's are in no file.
"""


def page(found):
    """The page's lines: no counts of cases, which change with every case that docs/parity.md gains."""
    whole = [name for name, ways in found.items() if not any(missing for _, missing in ways.values())]
    yield HEAD.format(version=mx.__version__, functions=len(found), whole=len(whole))
    for name, ways in sorted(found.items()):
        for way, (good, missing) in ways.items():
            for what in sorted(missing):
                primitive = what if what in WHY else ""
                yield f"| {name} | {way} | {'some' if good else 'nothing'} | {primitive} | {WHY.get(what, what)} |\n"
    yield TAIL


def total_of(found):
    return sum(good for ways in found.values() for good, _ in ways.values())


def main():
    mx.set_default_device(mx.cpu)
    wanted = [a for a in sys.argv[2:] if not a.startswith("--")]
    found, failures = run(wanted)
    text = "".join(page(found))
    if "--docs" in sys.argv:
        PAGE.write_text(text, encoding="utf-8")
    elif not wanted and (not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text):
        failures.append("docs/export.md is stale: tests/parity/exported.py LIBRARY --docs")
    print(*failures[:200], sep="\n")
    print(f"{len(found)} functions, {total_of(found)} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
