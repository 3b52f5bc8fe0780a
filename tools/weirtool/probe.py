"""Run as a program of its own, with a library: opens it, lets it look for all that it may use, and
writes what it says of itself as JSON on stdout. So the process that asks outlives whatever a driver
does. The lines of WEIR_INFO=1, which say what was found, go to stderr as always.

Usage: probe.py LIBRARY"""

import ctypes
import json
import sys

CPU, GPU, FLOAT32, COMPLEX64 = 0, 1, 10, 13


class Handle(ctypes.Structure):
    _fields_ = [("ctx", ctypes.c_void_p)]


class RuntimeStats(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "live_streams", "live_encoders", "pooled", "worker_threads", "other_threads", "wired_bytes",
        "wired_shortfall_bytes")]


def opened(path):
    weir = ctypes.CDLL(path)
    for name in ("weir_version", "weir_last_error", "mlx_string_data"):
        getattr(weir, name).restype = ctypes.c_char_p
    for name in ("mlx_device_new", "mlx_device_new_type", "mlx_device_info_new", "mlx_vector_string_new",
                 "mlx_stream_new_device", "mlx_array_new", "mlx_string_new"):
        getattr(weir, name).restype = Handle
    weir.mlx_vector_string_size.restype = ctypes.c_size_t
    weir.mlx_distributed_is_available.restype = ctypes.c_bool
    weir.mlx_set_error_handler.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    return weir


HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_void_p)


@HANDLER
def silent(message, data):
    """Errors are part of what is told: the default handler would write them too."""


def text_of(weir, write):
    text = weir.mlx_string_new()
    failed = write(ctypes.byref(text))
    return None if failed else weir.mlx_string_data(text).decode()


def error(weir):
    said = weir.weir_last_error()
    return said.decode(errors="replace") if said else "no reason is given"


def facts(weir, device):
    """All that the library knows of the device."""
    info, keys = weir.mlx_device_info_new(), weir.mlx_vector_string_new()
    weir.mlx_device_info_get(ctypes.byref(info), device)
    weir.mlx_device_info_get_keys(ctypes.byref(keys), info)
    told = {}
    for i in range(weir.mlx_vector_string_size(keys)):
        key, text, size = ctypes.c_char_p(), ctypes.c_char_p(), ctypes.c_size_t()
        weir.mlx_vector_string_get(ctypes.byref(key), keys, ctypes.c_size_t(i))
        if weir.mlx_device_info_get_string(ctypes.byref(text), info, key) == 0:
            told[key.value.decode()] = text.value.decode(errors="replace")
        elif weir.mlx_device_info_get_size(ctypes.byref(size), info, key) == 0:
            told[key.value.decode()] = size.value
    return told


def use(weir, device, dtype):
    """A product and a Fourier transform, which open the libraries for them, and a factorisation that is
    only recorded, which does for a GPU. The error of the first that fails, or None."""
    stream = weir.mlx_stream_new_device(device)
    shape = (ctypes.c_int * 2)(4, 4)
    a, product, transform, large = (weir.mlx_array_new() for _ in range(4))
    made = [weir.mlx_ones(ctypes.byref(a), shape, ctypes.c_size_t(2), dtype, stream),
            weir.mlx_matmul(ctypes.byref(product), a, a, stream),
            weir.mlx_fft_fft(ctypes.byref(transform), a, 4, 1, 0, stream)]
    if dtype == FLOAT32:
        made += [weir.mlx_ones(ctypes.byref(large), (ctypes.c_int * 2)(1024, 1024), ctypes.c_size_t(2), dtype, stream),
                 weir.mlx_linalg_cholesky(ctypes.byref(large), large, False, stream)]
    said = None
    for array in (product, transform):
        if (any(made) or weir.mlx_array_eval(array)) and not said:
            said = error(weir)
    for array in (a, product, transform, large):
        weir.mlx_array_free(array)
    weir.mlx_stream_free(stream)
    return said


def devices(weir):
    told = []
    for kind, name in ((CPU, "cpu"), (GPU, "gpu")):
        count = ctypes.c_int()
        weir.mlx_device_count(ctypes.byref(count), kind)
        for index in range(count.value):
            device = weir.mlx_device_new_type(kind, index)
            told.append({"device": f"{name}:{index}", "facts": facts(weir, device),
                         "error": use(weir, device, COMPLEX64 if kind == CPU else FLOAT32)})
            weir.mlx_device_free(device)
    return told


def default_device(weir):
    device = weir.mlx_device_new()
    if weir.mlx_get_default_device(ctypes.byref(device)):
        return error(weir)
    kind, index = ctypes.c_int(), ctypes.c_int()
    weir.mlx_device_get_type(ctypes.byref(kind), device)
    weir.mlx_device_get_index(ctypes.byref(index), device)
    return f"{'gpu' if kind.value == GPU else 'cpu'}:{index.value}"


def limits(weir):
    """Setting gives the value before, so each is set to that again."""
    value, unused = ctypes.c_size_t(), ctypes.c_size_t()
    told = {}
    weir.mlx_get_memory_limit(ctypes.byref(value))
    told["memory"] = value.value
    for name in ("cache", "wired"):
        setter = getattr(weir, f"mlx_set_{name}_limit")
        if setter(ctypes.byref(value), ctypes.c_size_t(0)) == 0:
            setter(ctypes.byref(unused), value)
            told[name] = value.value
    return told


def main():
    weir = opened(sys.argv[1])
    weir.mlx_set_error_handler(ctypes.cast(silent, ctypes.c_void_p), None, None)
    for backend in (b"mpi", b"nccl"):  # for the lines that they write
        weir.mlx_distributed_is_available(backend)
    told = {"version": weir.weir_version().decode(), "mlx": text_of(weir, weir.mlx_version),
            "default": default_device(weir), "limits": limits(weir), "devices": devices(weir),
            "checked": bool(weir.weir_get_thread_policy())}
    stats = RuntimeStats()
    weir.weir_runtime_stats(ctypes.byref(stats))
    told["stats"] = {name: getattr(stats, name) for name, _ in RuntimeStats._fields_}
    print(json.dumps(told))
    return 0


sys.exit(main())
