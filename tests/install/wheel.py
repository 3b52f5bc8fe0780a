"""A product of complex matrices, by OpenBLAS, by ctypes, with the wheel of Weir. Run by the script `wheel` beside it."""

import ctypes
import pathlib

import libweir

COMPLEX64 = 13


class Handle(ctypes.Structure):
    """Of arrays and of streams."""
    _fields_ = [("ctx", ctypes.c_void_p)]


weir = libweir.load()
weir.weir_version.restype = ctypes.c_char_p
for make in (weir.mlx_array_new, weir.mlx_default_cpu_stream_new):
    make.restype = Handle
weir.mlx_array_data_float32.restype = ctypes.POINTER(ctypes.c_float)

stream, ones, product = weir.mlx_default_cpu_stream_new(), Handle(), Handle()
shape = (ctypes.c_int * 2)(3, 3)
assert weir.mlx_ones(ctypes.byref(ones), shape, ctypes.c_size_t(2), COMPLEX64, stream) == 0
assert weir.mlx_matmul(ctypes.byref(product), ones, ones, stream) == 0
assert weir.mlx_real(ctypes.byref(product), product, stream) == 0
assert weir.mlx_array_eval(product) == 0
assert weir.mlx_array_data_float32(product)[:9] == [3.0] * 9
assert pathlib.Path(libweir.include(), "mlx/c/mlx.h").exists()
assert pathlib.Path(libweir.include(), "weir/weir.h").exists()
for handle in (product, ones):
    weir.mlx_array_free(handle)
weir.mlx_stream_free(stream)
print("weir", weir.weir_version().decode(), "from", libweir.path())
