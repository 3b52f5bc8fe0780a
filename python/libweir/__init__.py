"""Weir's library, for ctypes and cffi: arrays on compute streams, behind MLX's C API.

    import libweir
    weir = libweir.load()            # a ctypes.CDLL
    weir.weir_version.restype = ctypes.c_char_p

The headers are in libweir.include(), and OpenBLAS comes with the package scipy-openblas32.
"""

import ctypes
import pathlib

_FOLDER = pathlib.Path(__file__).resolve().parent


def path():
    """The library's file, as ctypes.CDLL and cffi's dlopen take it."""
    return str(_FOLDER / "libweir.so")


def include():
    """The folder of the headers, mlx/c/ and weir/."""
    return str(_FOLDER / "include")


def load():
    """The library, opened."""
    return ctypes.CDLL(path())
