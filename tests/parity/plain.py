"""Values as both sides see them, without MLX: arrays, views, types by their names; and the file in
which calls are recorded with what MLX gave."""

import base64
import hashlib
import json
import lzma

import numpy as np

# Names in the order of mlx_dtype's values, each with the type of its bits in NumPy.
DTYPES = {"bool": np.bool_, "uint8": np.uint8, "uint16": np.uint16, "uint32": np.uint32,
          "uint64": np.uint64, "int8": np.int8, "int16": np.int16, "int32": np.int32,
          "int64": np.int64, "float16": np.float16, "float32": np.float32, "float64": np.float64,
          "bfloat16": np.uint16, "complex64": np.complex64}


class Dtype(str):
    """A type as an argument."""


class Refused(str):
    """That MLX refuses a call: what its message begins with, as "[reshape]", or nothing."""


class Array:
    dense = False  # of a result: MLX's elements lie one behind the other

    def __init__(self, dtype, bits):
        self.dtype, self.bits, self.shape = dtype, bits, tuple(bits.shape)


class View:
    """A strided view of an array: a slice, then a permutation of the axes."""

    def __init__(self, base, start, stop, step, axes):
        self.base, self.start, self.stop, self.step, self.axes = base, start, stop, step, axes
        where = tuple(slice(*w) for w in zip(start, stop, step))
        self.dtype, self.shape = base.dtype, base.bits[where].transpose(axes).shape


class Call:
    """A function and its arguments; as an argument, the function's one result."""

    def __init__(self, name, args):
        self.name, self.args = name, args


def show(value):
    if isinstance(value, Call):
        return f"{value.name}({', '.join(map(show, value.args))})"
    if isinstance(value, list):
        return "[" + ", ".join(map(show, value)) + "]"
    if isinstance(value, (Array, View)):
        return f"{value.dtype}{list(value.shape)}"
    return repr(value)


def packed(value):
    if isinstance(value, Array):
        data = base64.b64encode(np.ascontiguousarray(value.bits).tobytes()).decode()
        return {"array": [value.dtype, list(value.shape), data]}
    if isinstance(value, View):
        return {"view": [packed(value.base), value.start, value.stop, value.step, value.axes]}
    if isinstance(value, Call):
        return {"call": [value.name, packed(value.args)]}
    if isinstance(value, Dtype):
        return {"dtype": str(value)}
    if isinstance(value, Refused):
        return {"refused": str(value)}
    if isinstance(value, (list, tuple)):
        return [packed(v) for v in value]
    return value


def unpacked(value):
    if isinstance(value, list):
        return [unpacked(v) for v in value]
    if not isinstance(value, dict):
        return value
    if "dtype" in value:
        return Dtype(value["dtype"])
    if "refused" in value:
        return Refused(value["refused"])
    if "call" in value:
        return Call(value["call"][0], unpacked(value["call"][1]))
    if "view" in value:
        base, *rest = value["view"]
        return View(unpacked(base), *rest)
    dtype, shape, data = value["array"]
    bits = np.frombuffer(base64.b64decode(data), DTYPES[dtype])
    return Array(dtype, bits.reshape(shape))


def line(value):
    """As text in one line."""
    return (json.dumps(packed(value), separators=(",", ":")) + "\n").encode()


def write(path, cases):
    """Cases: (family, function, arguments, expected)."""
    with lzma.open(path, "wb", preset=9) as f:
        for case in cases:
            f.write(line(case))


def read(path):
    with lzma.open(path, "rb") as f:
        for text in f:
            *call, expected = unpacked(json.loads(text))
            # In older records a refusal is null.
            yield (*call, Refused() if expected is None else expected)


def digest(path):
    """Of the calls alone, without what they give."""
    calls = hashlib.sha1()
    with lzma.open(path, "rb") as f:
        for text in f:
            calls.update(line(json.loads(text)[:3]))
    return calls.hexdigest()
