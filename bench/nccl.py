#!/usr/bin/env python3
"""All-reduce of float32 between GPUs, a process for each: Weir's, and NCCL's own by its C functions on a
stream of the driver's, in turns in the same processes. Both are timed by the host until the result is there.

  WEIR_NCCL=.../libnccl.so.2 bench/nccl.py LIBWEIR [PROCESSES [MIB...]]"""

import ctypes as c
import os
import socket
import subprocess
import sys
import time

SIZES, TIMES, TURNS = (1024, 64, 1), 10, 3
FLOAT32, NCCL_FLOAT32, NCCL_SUM = 10, 7, 0


class Handle(c.Structure):
    _fields_ = [("ctx", c.c_void_p)]


class UniqueId(c.Structure):
    _fields_ = [("bytes", c.c_char * 128)]


def measure(run, meet):
    """Seconds of each run, before which all processes have met."""
    times = []
    for i in range(TIMES + 2):
        meet()
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return sorted(times[2:])


class Weir:
    def __init__(self, library, rank):
        self.lib = lib = c.CDLL(library)
        for name in ("mlx_array_new", "mlx_stream_new_device", "mlx_distributed_group_new", "mlx_array_new_float",
                     "mlx_device_new_type"):
            getattr(lib, name).restype = Handle
        lib.mlx_array_new_float.argtypes = [c.c_float]
        lib.mlx_stream_new_device.argtypes = [Handle]
        self.stream = lib.mlx_stream_new_device(lib.mlx_device_new_type(1, rank))
        self.group, self.one = lib.mlx_distributed_group_new(), lib.mlx_array_new_float(1.0)
        assert lib.mlx_distributed_init(c.byref(self.group), True, b"nccl") == 0

    def times(self, count):
        lib, x = self.lib, self.lib.mlx_array_new()
        shape = (c.c_int * 1)(count)
        assert lib.mlx_ones(c.byref(x), shape, c.c_size_t(1), FLOAT32, self.stream) == 0
        assert lib.mlx_array_eval(x) == 0

        def run(a):
            y = lib.mlx_array_new()
            assert lib.mlx_distributed_all_sum(c.byref(y), a, self.group, self.stream) == 0
            assert lib.mlx_array_eval(y) == 0
            lib.mlx_array_free(y)

        times = measure(lambda: run(x), lambda: run(self.one))
        lib.mlx_array_free(x)
        return times


class Nccl:
    def __init__(self, rank, size, id_file):
        self.cu, self.nccl = c.CDLL("libcuda.so.1"), c.CDLL(os.environ.get("WEIR_NCCL", "libnccl.so.2"))
        device, context = c.c_int(), c.c_void_p()
        assert self.cu.cuInit(0) == 0 and self.cu.cuDeviceGet(c.byref(device), rank) == 0
        assert self.cu.cuDevicePrimaryCtxRetain(c.byref(context), device) == 0
        assert self.cu.cuCtxSetCurrent(context) == 0
        self.stream, self.comm, unique = c.c_void_p(), c.c_void_p(), UniqueId()
        assert self.cu.cuStreamCreate(c.byref(self.stream), 1) == 0
        if rank == 0:
            assert self.nccl.ncclGetUniqueId(c.byref(unique)) == 0
            with open(id_file + ".part", "wb") as file:
                file.write(bytes(unique))
            os.rename(id_file + ".part", id_file)
        while not os.path.exists(id_file):
            time.sleep(0.01)
        with open(id_file, "rb") as file:
            c.memmove(c.byref(unique), file.read(), 128)
        self.nccl.ncclCommInitRank.argtypes = [c.c_void_p, c.c_int, UniqueId, c.c_int]
        assert self.nccl.ncclCommInitRank(c.byref(self.comm), size, unique, rank) == 0
        self.nccl.ncclAllReduce.argtypes = [c.c_void_p, c.c_void_p, c.c_size_t, c.c_int, c.c_int, c.c_void_p, c.c_void_p]
        self.cu.cuMemAlloc_v2.argtypes = [c.c_void_p, c.c_size_t]
        self.cu.cuMemFree_v2.argtypes = [c.c_void_p]
        self.small = self.memory(4)

    def memory(self, n):
        at = c.c_void_p()
        assert self.cu.cuMemAlloc_v2(c.byref(at), n) == 0
        return at

    def run(self, x, y, count):
        assert self.nccl.ncclAllReduce(x, y, count, NCCL_FLOAT32, NCCL_SUM, self.comm, self.stream) == 0
        assert self.cu.cuStreamSynchronize(self.stream) == 0

    def times(self, count):
        x, y = self.memory(4 * count), self.memory(4 * count)
        times = measure(lambda: self.run(x, y, count), lambda: self.run(self.small, self.small, 1))
        assert self.cu.cuMemFree_v2(x) == 0 and self.cu.cuMemFree_v2(y) == 0
        return times


def one_process(library, id_file, sizes):
    rank, size = int(os.environ["MLX_RANK"]), int(os.environ["MLX_WORLD_SIZE"])
    weir, nccl = Weir(library, rank), Nccl(rank, size, id_file)
    for mib in sizes:
        count, medians = mib << 18, {weir: [], nccl: []}
        for _ in range(TURNS):
            for side, of in medians.items():
                of.append(side.times(count)[TIMES // 2])
        a, b = (sorted(of)[TURNS // 2] for of in medians.values())
        if rank == 0:
            print(f"all-reduce of {mib} MiB, {size} GPUs: Weir {a * 1e3:.3f} ms, {mib / 1024 / a:.1f} GiB/s; "
                  f"NCCL {b * 1e3:.3f} ms, {mib / 1024 / b:.1f} GiB/s; x{b / a:.3f}", flush=True)


def main(library, size="2", *sizes):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    id_file = f"/tmp/weir-bench-nccl-{os.getpid()}"
    started = [subprocess.Popen([sys.executable, __file__, library, "one", id_file, *sizes],
                                env=dict(os.environ, MLX_RANK=str(i), MLX_WORLD_SIZE=size, NCCL_PORT=str(port),
                                         NCCL_HOST_IP="127.0.0.1"))
               for i in range(int(size))]
    wrong = [p.wait(timeout=300) for p in started]
    if os.path.exists(id_file):
        os.unlink(id_file)
    return any(wrong)


if sys.argv[2:3] == ["one"]:
    one_process(sys.argv[1], sys.argv[3], [int(s) for s in sys.argv[4:]] or SIZES)
else:
    sys.exit(main(*sys.argv[1:]))
