"""Calls Weir's C functions by the prototypes in docs/api.tsv.

A result handle is an argument left out; an int list takes the place of a pointer and its length.
A wrong call raises WeirError.
"""

import csv
import ctypes as c
import pathlib

import numpy as np

from plain import DTYPES, Array, Call

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMES = list(DTYPES)
SCALARS = {"int": c.c_int, "float": c.c_float, "double": c.c_double, "bool": c.c_bool,
           "size_t": c.c_size_t, "uint64_t": c.c_uint64, "mlx_dtype": c.c_int, "mlx_fft_norm": c.c_int}
LISTS = {"int*": c.c_int, "int64_t*": c.c_int64}
HANDLER = c.CFUNCTYPE(None, c.c_char_p, c.c_void_p)


class WeirError(Exception):
    pass


class Handle(c.Structure):
    _fields_ = [("ctx", c.c_void_p)]


class OptionalFloat(c.Structure):
    _fields_ = [("value", c.c_float), ("has_value", c.c_bool)]


class OptionalInt(c.Structure):
    _fields_ = [("value", c.c_int), ("has_value", c.c_bool)]


class Weir:
    def __init__(self, path, gpu=False):
        self.lib = c.CDLL(path)
        self.message = ""
        self.handler = HANDLER(self.on_error)
        self.lib.mlx_set_error_handler(self.handler, None, None)
        with open(ROOT / "docs/api.tsv", encoding="utf-8") as f:
            self.table = {r["name"]: r for r in csv.DictReader(f, delimiter="\t")}
        for name in ("mlx_array_new", "mlx_array_new_data", "mlx_string_new", "mlx_stream_new",
                     "mlx_default_cpu_stream_new", "mlx_default_gpu_stream_new",
                     "mlx_vector_array_new_data", "mlx_vector_array_new", "mlx_device_new_type",
                     "mlx_stream_new_device"):
            getattr(self.lib, name).restype = Handle
        for name in ("mlx_array_size", "mlx_array_ndim", "mlx_vector_array_size"):
            getattr(self.lib, name).restype = c.c_size_t
        self.lib.mlx_string_data.restype = c.c_char_p
        self.check(self.lib.weir_set_matmul_precision(0))  # float32, also on a GPU
        self.gpu = gpu
        device = "gpu" if gpu else "cpu"
        self.stream = getattr(self.lib, f"mlx_default_{device}_stream_new")()
        self.check(not self.stream.ctx)

    def on_error(self, message, _):
        self.message = message.decode()

    def array(self, a):
        data = np.ascontiguousarray(a.bits)
        shape = (c.c_int * len(a.shape))(*a.shape)
        return self.lib.mlx_array_new_data(c.c_void_p(data.ctypes.data), shape,
                                           c.c_int(len(a.shape)), c.c_int(NAMES.index(a.dtype)))

    def argument(self, value):
        """A handle of its own for an array, a view or the result of a call."""
        if isinstance(value, Call):
            return self.call(value.name, *value.args)[0]
        return self.array(value) if isinstance(value, Array) else self.view(value)

    def view(self, v):
        cut = self.call("mlx_slice", v.base, v.start, v.stop, v.step)[0]
        view = self.call("mlx_transpose_axes", cut, v.axes)[0]
        self.lib.mlx_array_free(cut)
        return view

    def check(self, rc):
        if rc:
            raise WeirError(self.message)

    def convert(self, kind, value, made, vectors):
        if kind == "mlx_array":
            if value is None:
                return [self.lib.mlx_array_new()]
            if isinstance(value, Handle):
                return [value]
            made.append(self.argument(value))
            return [made[-1]]
        if kind == "mlx_vector_array":
            handles = [v if isinstance(v, Handle) else self.argument(v) for v in value]
            made.extend(h for h, v in zip(handles, value) if h is not v)
            items = (Handle * len(value))(*handles)
            vectors.append(self.lib.mlx_vector_array_new_data(items, c.c_size_t(len(value))))
            return [vectors[-1]]
        if kind in LISTS and value is None:
            return [None, c.c_size_t(0)]
        if kind in LISTS:
            return [(LISTS[kind] * len(value))(*value), c.c_size_t(len(value))]
        if kind == "char*":
            return [c.c_char_p(value.encode())]
        if kind == "mlx_optional_float":
            return [OptionalFloat(value or 0, value is not None)]
        if kind == "mlx_optional_int":
            return [OptionalInt(value or 0, value is not None)]
        if kind == "mlx_optional_dtype":
            return [OptionalInt(NAMES.index(value or NAMES[0]), value is not None)]
        if kind == "mlx_dtype":
            value = NAMES.index(value)
        return [SCALARS[kind](value)]

    def call(self, name, *values):
        """The result handles of one function."""
        values, args, results, after_list = list(values), [], [], False
        made, vectors, result_vector = [], [], None
        for parameter in self.table[name]["parameters"].split(", "):
            kind = parameter.replace("const ", "").rsplit(" ", 1)[0]
            if kind == "mlx_array*":
                results.append(self.lib.mlx_array_new())
                args.append(c.byref(results[-1]))
            elif kind == "mlx_vector_array*":
                result_vector = self.lib.mlx_vector_array_new()
                vectors.append(result_vector)
                args.append(c.byref(result_vector))
            elif kind == "mlx_stream":
                args.append(self.stream)
            elif not after_list:
                args += self.convert(kind, values.pop(0), made, vectors)
            after_list = kind in LISTS
        rc = getattr(self.lib, name)(*args)
        for handle in made:
            self.lib.mlx_array_free(handle)
        if result_vector and rc == 0:
            results = self.items(result_vector)
        for vector in vectors:
            self.lib.mlx_vector_array_free(vector)
        self.check(rc)
        return results

    def items(self, vector):
        """The arrays of a vector, as handles of their own."""
        count = self.lib.mlx_vector_array_size(vector)
        found = [self.lib.mlx_array_new() for _ in range(count)]
        for i, handle in enumerate(found):
            self.check(self.lib.mlx_vector_array_get(c.byref(handle), vector, c.c_size_t(i)))
        return found

    def read(self, handle):
        """(dtype, shape, elements in order) of a result."""
        dense = self.call("mlx_contiguous", handle, False)[0]
        self.check(self.lib.mlx_array_eval(dense))
        dtype = NAMES[self.lib.mlx_array_dtype(dense)]
        shape = tuple(self.shape(dense))
        count = self.lib.mlx_array_size(dense) * np.dtype(DTYPES[dtype]).itemsize
        self.lib.mlx_array_data_uint8.restype = c.c_void_p
        data = c.string_at(self.lib.mlx_array_data_uint8(dense), count) if count else b""
        self.lib.mlx_array_free(dense)
        return dtype, shape, np.frombuffer(data, DTYPES[dtype]).reshape(shape)

    def is_dense(self, handle):
        dense = c.c_bool()
        self.check(self.lib._mlx_array_is_row_contiguous(c.byref(dense), handle))
        return dense.value

    def shape(self, handle):
        return [self.lib.mlx_array_dim(handle, c.c_int(i))
                for i in range(self.lib.mlx_array_ndim(handle))]

    def new_stream(self):
        device = self.lib.mlx_device_new_type(c.c_int(int(self.gpu)), c.c_int(0))
        stream = self.lib.mlx_stream_new_device(device)
        self.lib.mlx_device_free(device)
        self.check(not stream.ctx)
        return stream

    def text(self, handle):
        text = self.lib.mlx_string_new()
        self.check(self.lib.mlx_array_tostring(c.byref(text), handle))
        value = self.lib.mlx_string_data(text).decode()
        self.lib.mlx_string_free(text)
        return value
