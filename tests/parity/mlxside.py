"""MLX's side of the tables: its types, strided views of its arrays, and what the other side is
given for them."""

import re

import mlx.core as mx
import numpy as np

import plain

DTYPES = [mx.bool_, mx.uint8, mx.uint16, mx.uint32, mx.uint64, mx.int8, mx.int16, mx.int32,
          mx.int64, mx.float16, mx.float32, mx.float64, mx.bfloat16, mx.complex64]
NAMES = dict(zip(DTYPES, plain.DTYPES))


class View:
    """A slice of an array, then a permutation of the axes."""

    def __init__(self, base, start, stop, step, axes):
        self.base, self.start, self.stop, self.step, self.axes = base, start, stop, step, axes

    @property
    def shape(self):
        return self.mlx().shape

    def mlx(self):
        where = zip(self.start, self.stop, self.step)
        return self.base[tuple(slice(*w) for w in where)].transpose(self.axes)


class Wide:
    """An array broadcast to a shape."""

    def __init__(self, base, shape):
        self.base, self.shape = base, shape

    def mlx(self):
        return mx.broadcast_to(self.base, self.shape)


def to_plain(value):
    if isinstance(value, mx.array):
        bits = np.array(value.view(mx.uint16) if value.dtype == mx.bfloat16 else value)
        return plain.Array(NAMES[value.dtype], bits)
    if isinstance(value, View):
        where = (list(value.start), list(value.stop), list(value.step), list(value.axes))
        return plain.View(to_plain(value.base), *where)
    if isinstance(value, Wide):
        return plain.Call("mlx_broadcast_to", [to_plain(value.base), list(value.shape)])
    if isinstance(value, plain.Call):
        return plain.Call(value.name, to_plain(value.args))
    if isinstance(value, mx.Dtype):
        return plain.Dtype(NAMES[value])
    if isinstance(value, (list, tuple)):
        return [to_plain(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value


def result(array):
    made = to_plain(array)
    made.dense = memoryview(array.view(mx.uint16) if array.dtype == mx.bfloat16 else array).c_contiguous
    return made


def result_of(call):
    """What MLX gives: arrays, each with its text; or that it refuses."""
    try:
        arrays = call()
        arrays = arrays if isinstance(arrays, list) else [arrays]
        mx.eval(arrays)
    except (ValueError, RuntimeError, TypeError, IndexError) as error:
        return plain.Refused("".join(re.findall(r"^\[[\w:]+\]", str(error))))
    # MLX's Python prints True and False, its C++ (and so mlx-c) true and false.
    texts = (str(a).replace("True", "true").replace("False", "false") for a in arrays)
    return [[result(a), text] for a, text in zip(arrays, texts)]


def cases(families):
    """(family, function, arguments, expected) of all that the families have. Where a family moves
    what Weir is given, MLX's results say nothing of how Weir's are to lie."""
    for family in families:
        moves = getattr(family, "moves", False)
        for _, name, args, call in family():
            want = result_of(call)
            if moves and not isinstance(want, plain.Refused):
                for array, _ in want:
                    array.dense = False
            yield family.__name__, name, to_plain(args), want
