"""When what Weir gives is what MLX gave: dtype and shape exactly, elements within the dtype's
tolerance, the same text for the same bits, one behind the other where MLX's are (programs read them
so), a refusal for a refusal, under the same operation's name."""

import os
import re

import numpy as np

from plain import Array, Call, Refused, show
from weirlib import WeirError

# Relative and absolute; a dtype that is not here is compared exactly.
TOLERANCE = {"float16": (4e-3, 1e-3), "bfloat16": (2e-2, 1e-2), "float32": (2e-5, 2e-6),
             "float64": (1e-6, 1e-7), "complex64": (1e-4, 1e-5)}


def widen(dtype, bits):
    if dtype == "bfloat16":
        return (bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    if dtype == "float16":
        return bits.astype(np.float64)
    return bits


def close(a, b, rtol, atol):
    """Of complex numbers the distance counts; where a part is infinite, each part by itself."""
    same = np.isclose(a, b, rtol, atol, equal_nan=True)
    if not np.iscomplexobj(a):
        return same
    parts = [np.isclose(x, y, rtol, atol, equal_nan=True) for x, y in
             ((a.real, b.real), (a.imag, b.imag))]
    return same | (np.isinf(b) & parts[0] & parts[1])


# Of several updates of one element any may stay on a GPU (mlx/c/ops.h).
COPIES = ("mlx_scatter", "mlx_scatter_single", "mlx_put_along_axis")


def undecided(weir, name, args):
    """Where a GPU may give another element than MLX's CPU, as a mask, or None for nowhere."""
    if not weir.gpu or name not in COPIES:
        return None
    a, at, updates, axes = args
    none, each = (Call("mlx_full_like", [x, n, "uint32"]) for x, n in
                  ((a, Array("uint32", np.uint32(0))), (updates, Array("uint32", np.uint32(1)))))
    add = "mlx_scatter_add_axis" if "along" in name else name.replace("scatter", "scatter_add")
    [times] = weir.call(add, none, at, each, axes)
    mask = weir.read(times)[2] > 1
    weir.lib.mlx_array_free(times)
    return mask


def rounding(name, dtype, b):
    """The tolerances of an array that LAPACK makes are by the largest of its elements: what is proved
    of its algorithms, and what holds on every processor's kernels, bounds the error of a vector or a
    matrix by its norm, not that of each element by itself."""
    rtol, atol = TOLERANCE.get(dtype, (0, 0))
    if rtol and name.startswith("mlx_linalg_"):
        atol = max(atol, rtol * float(np.max(np.abs(b), where=np.isfinite(b), initial=0)))
    return rtol, atol


def difference(name, got, want, free=None):
    """What differs but where it is free to, or None. Got is (dtype, shape, elements), want an array."""
    if got[0] != want.dtype:
        return f"dtype {got[0]}, expected {want.dtype}"
    if got[1] != want.shape:
        return f"shape {got[1]}, expected {want.shape}"
    a, b = widen(got[0], got[2]), widen(want.dtype, want.bits)
    rtol, atol = rounding(name, got[0], b)
    with np.errstate(all="ignore"):
        same = close(a, b, rtol, atol) if rtol else a == b
    if free is not None:
        same = same | free
    if np.all(same):
        return None
    i = tuple(np.argwhere(~same)[0])
    return f"element {tuple(map(int, i))}: {a[i]}, expected {b[i]}"


def compare_one(name, got, text, want, free):
    """Want is an array and its text, or None for a text that nobody knows."""
    array, wanted = want
    found = difference(name, got, array, free)
    if found is None and got[2].tobytes() == array.bits.tobytes() and text != (wanted or text):
        return f"text {text!r}, expected {wanted!r}"
    return found


# Messages that name neither what MLX's does nor the function: of the operations it is made of.
OTHER_WORDS = {"mlx_random_truncated_normal": "[trunc_normal]"}


def refusal(name, message, want):
    """What is wrong with the beginning of a message. It names the operation that MLX names, or the
    function where MLX names one that it is made of; a broadcast that fails is one everywhere."""
    found = re.match(r"\[(?:linalg::)?(\w+)\] ", message)
    if not found:
        return f"the message begins with no operation: {message}"
    own = re.sub("^mlx_(random|fast|fft|linalg)?_?", "", name).startswith(found[1])
    words = found[0].strip()
    if own or words in (want, "[broadcast_shapes]", OTHER_WORDS.get(name)) or not want:
        return None
    return f"the message begins with {words}, MLX's with {want}"


# MLX copies rows of one element that it could have viewed.
VIEWS = ("mlx_view",)


def scattered(weir, name, results, want):
    """Which result does not lie as a dense array, where MLX's does; a recorded one is not known to."""
    for i, (handle, (array, _)) in enumerate(zip(results, want)):
        if array.dense and array.bits.size and name not in VIEWS and not weir.is_dense(handle):
            return f"result {i} is no dense array, MLX's is"
    return None


def compare(weir, name, args, want):
    refused = isinstance(want, Refused)
    try:
        results = weir.call(name, *args)
    except WeirError as error:
        return refusal(name, str(error), want) if refused else f"refused: {error}"
    try:
        got = [(weir.read(r), weir.text(r)) for r in results]
    except WeirError as error:
        return None if refused else f"refused: {error}"
    lies = None if refused or weir.gpu else scattered(weir, name, results, want)
    for handle in results:
        weir.lib.mlx_array_free(handle)
    if refused:
        return "taken, MLX refuses"
    if len(got) != len(want):
        return f"{len(got)} results, expected {len(want)}"
    free = undecided(weir, name, args)
    found = [compare_one(name, *g, w, free) for g, w in zip(got, want)]
    return next((f for f in found if f), lies)


def run(weir, cases):
    """Compares all cases, prints a line a family, what failed, and the sum; the exit status."""
    counts, failures = {}, []
    for family, name, args, want in cases:
        call = f"{name}({', '.join(map(show, args))})"
        if os.environ.get("WEIR_PARITY_TRACE"):
            print(call, flush=True)
        found = compare(weir, name, args, want)
        count = counts.setdefault(family, [0, 0])
        count[found is not None] += 1
        if found is not None:
            failures.append(f"{call}: {found}")
    for family, (good, bad) in counts.items():
        print(f"{family}: {good} passed, {bad} failed")
    limit = int(os.environ.get("WEIR_PARITY_SHOW", "40"))
    print(*failures[:limit], sep="\n")
    print(f"{sum(good for good, _ in counts.values())} passed, {len(failures)} failed")
    return 1 if failures else 0
