#!/usr/bin/env python3
"""All-reduce of 64 MiB of float32 over loopback, 2 and 4 processes: Weir's ring and MLX's, in turns. With
the interpreter of MLX's wheel.

  bench/ring.py LIBWEIR"""

import ctypes as c
import json
import os
import socket
import subprocess
import sys
import tempfile
import time

MIB, TIMES, TURNS = 64, 9, 3
N = MIB * (1 << 20) // 4


class Handle(c.Structure):
    _fields_ = [("ctx", c.c_void_p)]


def measure(run, meet):
    """Seconds of each run, before which all processes have met."""
    times = []
    for _ in range(TIMES):
        meet()
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return sorted(times)


def of_mlx(_):
    import mlx.core as mx
    mx.set_default_device(mx.cpu)
    rank = mx.distributed.init(strict=True, backend="ring").rank()
    x, one = mx.ones((N,)), mx.array(1.0)
    mx.eval(x, one)
    return rank, measure(lambda: mx.eval(mx.distributed.all_sum(x)), lambda: mx.eval(mx.distributed.all_sum(one)))


def of_weir(library):
    lib = c.CDLL(library)
    for name in ("mlx_array_new", "mlx_default_cpu_stream_new", "mlx_distributed_group_new", "mlx_array_new_float"):
        getattr(lib, name).restype = Handle
    lib.mlx_array_new_float.argtypes = [c.c_float]
    stream, group, x = lib.mlx_default_cpu_stream_new(), lib.mlx_distributed_group_new(), lib.mlx_array_new()
    one, float32 = lib.mlx_array_new_float(1.0), 10
    shape = (c.c_int * 1)(N)
    assert lib.mlx_distributed_init(c.byref(group), True, b"ring") == 0
    assert lib.mlx_ones(c.byref(x), shape, c.c_size_t(1), float32, stream) == 0 and lib.mlx_array_eval(x) == 0

    def run(a):
        y = lib.mlx_array_new()
        assert lib.mlx_distributed_all_sum(c.byref(y), a, group, stream) == 0 and lib.mlx_array_eval(y) == 0
        lib.mlx_array_free(y)

    return lib.mlx_distributed_group_rank(group), measure(lambda: run(x), lambda: run(one))


def hosts(n):
    sockets = [socket.socket() for _ in range(n)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    found = [[f"127.0.0.1:{s.getsockname()[1]}"] for s in sockets]
    for s in sockets:
        s.close()
    return found


def in_processes(side, n, library):
    """The median of the first rank, in seconds."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(hosts(n), file)
        file.flush()
        started = [subprocess.Popen([sys.executable, __file__, library, side], stdout=subprocess.PIPE, text=True,
                                    env=dict(os.environ, MLX_RANK=str(i), MLX_HOSTFILE=file.name))
                   for i in range(n)]
        return float([p.communicate(timeout=300)[0] for p in started][0])


def main(library):
    for n in (2, 4):
        medians = {"weir": [], "mlx": []}
        for _ in range(TURNS):
            for side, of in medians.items():
                of.append(in_processes(side, n, library))
        weir, mlx = (sorted(of)[TURNS // 2] for of in medians.values())
        print(f"{n} processes: Weir {weir * 1e3:.1f} ms, {MIB / weir:.0f} MiB/s; "
              f"MLX {mlx * 1e3:.1f} ms, {MIB / mlx:.0f} MiB/s; x{mlx / weir:.2f}", flush=True)


if len(sys.argv) == 3:
    rank, times = {"weir": of_weir, "mlx": of_mlx}[sys.argv[2]](sys.argv[1])
    print(times[len(times) // 2])
else:
    main(sys.argv[1])
