"""When two results are the same: dtype and shape exactly, elements within the dtype's tolerance."""

import mlx.core as mx
import numpy as np

# Relative and absolute; a dtype that is not here is compared exactly.
TOLERANCE = {mx.float16: (4e-3, 1e-3), mx.bfloat16: (2e-2, 1e-2), mx.float32: (2e-5, 2e-6),
             mx.float64: (1e-6, 1e-7), mx.complex64: (1e-4, 1e-5)}


def widen(dtype, bits):
    if dtype == mx.bfloat16:
        return (bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    if dtype == mx.float16:
        return bits.astype(np.float64)
    return bits


def difference(got, want):
    """What differs, or None. Each is (dtype, shape, elements)."""
    if got[0] != want[0]:
        return f"dtype {got[0]}, expected {want[0]}"
    if got[1] != want[1]:
        return f"shape {got[1]}, expected {want[1]}"
    a, b = widen(got[0], got[2]), widen(want[0], want[2])
    rtol, atol = TOLERANCE.get(got[0], (0, 0))
    with np.errstate(all="ignore"):
        same = np.isclose(a, b, rtol, atol, equal_nan=True) if rtol else a == b
    if np.all(same):
        return None
    i = tuple(np.argwhere(~same)[0])
    return f"element {tuple(map(int, i))}: {a[i]}, expected {b[i]}"
