"""The cases of operations along an axis and by index. Left out, because MLX differs and Weir keeps to
its contract (see values.py too):

- Running products that leave float32 on the way: Weir joins in float64.
- Running maxima and minima of complex numbers with a NaN part, which MLX passes over.
"""

import mlx.core as mx
import numpy as np

import right
from mlxside import DTYPES, View
from table import FLOATS, SHAPES, sample

SCANS = "cummax cummin cumprod cumsum logcumsumexp".split()
WAYS = [(False, True), (True, True), (False, False), (True, False)]
NAN, INF = float("nan"), float("inf")
SCAN_LINES = [[1, NAN, 3], [NAN, 2], [3, 2, NAN, 5, 1], [INF, 1, 2], [-INF, -INF, 1], [INF, INF, -1],
              [0.0, -0.0, 2], [-INF, 2, INF, 3]]


def scan(name, a, axis, way):
    reverse, inclusive = way
    return ("scans", "mlx_" + name, (a, axis, reverse, inclusive),
            lambda: right.scanned(getattr(mx, name))(a.mlx() if isinstance(a, View) else a, axis=axis,
                                                     reverse=reverse, inclusive=inclusive))


def scans():
    for name in SCANS:
        for dtype in DTYPES:
            for i, shape in enumerate(SHAPES + [(2, 17, 3)]):
                for axis in (0, -1, 1, 3, -4):
                    yield scan(name, sample(shape, dtype, 20), axis, WAYS[(i + axis) % 4])
            base = sample((5, 4, 6), dtype, 9)
            v = View(base, (4, 1, 0), (0, 4, 6), (-2, 1, 3), (2, 0, 1))
            for way in WAYS:
                yield scan(name, sample((13,), dtype, 21), 0, way)
                for axis in range(3):
                    yield scan(name, v, axis, way)
        for dtype in FLOATS + (mx.float64,):
            for line in SCAN_LINES:
                a = mx.array(line).astype(dtype, stream=mx.cpu)
                for way in WAYS:
                    yield scan(name, a, 0, way)
        for dtype in DTYPES[1:9]:
            info = mx.iinfo(dtype)
            a = mx.array(np.array([info.max, 3, info.min, info.max, info.max - 1, 2],
                                  str(dtype).removeprefix("mlx.core.")))
            for way in WAYS:
                yield scan(name, a, 0, way)


ARRAYS = (scans,)
