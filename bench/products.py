"""What bench/products runs, once for one core and once for all: products.py LIBRARY one|all [ROW...]

ONNX Runtime has the right operand as a constant, which it packs as it loads; Weir finds by itself that
it is read again, and packs it at its second use. The others pack at each call, if at all. On one core
the time is the processor's, to which other programs add nothing; on all it is the clock's. Of each side
it is the least of many samples, in turns with the others."""

import ctypes
import os
import sys
import time

ONE = sys.argv[2] == "one"
if ONE:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
CORES = len(os.sched_getaffinity(0))
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = str(CORES)
sys.path.remove(os.path.dirname(os.path.abspath(__file__)))  # its table.py is another
ctypes.CDLL(sys.argv[1])  # before others, whose libraries take static thread-local room too

import numpy as np

from plain import Array
from weirlib import Weir

try:
    import torch
    torch.set_num_threads(CORES)
except ImportError:
    torch = None
try:
    import onnx
    import onnxruntime
except ImportError:
    onnxruntime = None

TURNS, TURN, SAMPLE = 5, 0.04, 0.001  # seconds of a turn, and of a sample at least, unless it is one call
# Before a turn on more cores than one: the threads of others go on spinning for up to 0.2 s when they have
# nothing to do, on the cores that the next side counts on.
REST = 0 if ONE else 0.3
now = time.process_time if ONE else time.perf_counter

# Matrices, rows, columns, what is summed over, and whether the right operand is a transpose.
SHAPES = (
    [(n, s, s, s, False) for n, s in ((500, 16), (100, 32), (50, 48), (30, 64))]
    + [(1, s, s, s, False) for s in (96, 100, 128, 200, 256, 384, 500, 512, 768, 1024, 1500, 2048, 4096)]
    + [(1, s, s, s, True) for s in (128, 512, 1024, 2048)]
    + [(1, m, 4096, 4096, t) for m in (1, 2, 4, 8, 16, 32, 48) for t in (False, True)]
    + [(1, m, 1536, 384, False) for m in (1, 9, 20, 160)] + [(1, m, 384, 1536, False) for m in (20, 160)]
    + [(1, 4096, 64, 512, False), (1, 16384, 128, 128, False), (1, 100000, 16, 16, False),
       (1, 64, 4096, 512, False), (1, 512, 64, 16384, False), (1, 32, 32, 65536, False),
       (1, 4096, 1, 4096, False), (1, 4096, 4, 4096, False)]
    + [(64, 128, 64, 128, False), (64, 128, 128, 64, True), (12, 256, 256, 32, True), (16, 512, 512, 64, False)]
)
TYPES = {"float32": 1e-5, "bfloat16": 2e-2, "float16": 3e-3}


def called(shape, dtype):
    n, m, cols, k, turned = shape
    times = f"{n} times " if n > 1 else ""
    return f"{times}{m} x {cols} x {k}{' turned' if turned else ''}{'' if dtype == 'float32' else ' ' + dtype}"


class Case:
    def __init__(self, shape, dtype):
        self.n, m, cols, k, self.turned = shape
        self.dtype, self.flops = dtype, 2.0 * self.n * m * cols * k
        batch = [self.n] if self.n > 1 else []
        draw = np.random.default_rng(1).standard_normal
        self.a = draw(batch + [m, k], dtype=np.float32)
        self.b = draw(batch + ([cols, k] if self.turned else [k, cols]), dtype=np.float32)

    def right(self, x):
        return x.swapaxes(-1, -2) if self.turned else x

    def weir(self, weir):
        bits = {"float32": lambda x: x, "float16": lambda x: x.astype(np.float16),
                "bfloat16": lambda x: ((x.view(np.uint32) + 0x7FFF + (x.view(np.uint32) >> 16 & 1)) >> 16).astype(np.uint16)}
        a, b = (weir.array(Array(self.dtype, bits[self.dtype](x))) for x in (self.a, self.b))
        if self.turned:
            b = weir.call("mlx_swapaxes", b, -1, -2)[0]
        # As pointers, which a handle is passed as: ctypes takes longer for structures. The others are called by
        # modules of C.
        pointer, function = ctypes.c_void_p, ctypes.CFUNCTYPE
        matmul = function(ctypes.c_int, pointer, pointer, pointer, pointer)(("mlx_matmul", weir.lib))
        evaluate = function(ctypes.c_int, pointer)(("mlx_array_eval", weir.lib))
        result = weir.lib.mlx_array_new()
        value, out = pointer.from_buffer(result), ctypes.byref(result)
        left, right, stream = pointer(a.ctx), pointer(b.ctx), pointer(weir.stream.ctx)

        def call(read=False):
            weir.check(matmul(out, left, right, stream) or evaluate(value))
            return weir.read(weir.call("mlx_astype", result, "float32")[0])[2] if read else None
        return call

    def numpy(self):
        if self.dtype != "float32":
            return None
        a, b = self.a, self.right(self.b)
        return lambda read=False: np.matmul(a, b)

    def torch(self):
        dtype = getattr(torch, self.dtype)
        a, b = torch.from_numpy(self.a).to(dtype), torch.from_numpy(self.b).to(dtype)
        if self.turned:
            b = b.transpose(-1, -2)

        def call(read=False):
            result = torch.matmul(a, b)
            return result.float().numpy() if read else result
        return call

    def onnx(self):
        if self.dtype != "float32":
            return None
        helper = onnx.helper
        number = onnx.TensorProto.FLOAT
        node = helper.make_node("MatMul", ["a", "b"], ["c"])
        b = onnx.numpy_helper.from_array(np.ascontiguousarray(self.right(self.b)), "b")
        graph = helper.make_graph([node], "product", [helper.make_tensor_value_info("a", number, self.a.shape)],
                                  [helper.make_tensor_value_info("c", number, None)], [b])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = CORES, 3
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
        # Bound, so that nothing is looked up by name or wrapped at each call.
        given = onnxruntime.OrtValue.ortvalue_from_numpy(self.a)
        bound = session.io_binding()
        bound.bind_ortvalue_input("a", given)
        bound.bind_output("c", "cpu")

        def call(read=False):
            session.run_with_iobinding(bound)
            return bound.copy_outputs_to_cpu()[0] if read else None
        return call

    def sides(self, weir):
        found = {"Weir": self.weir(weir), "NumPy": self.numpy(), "PyTorch": torch and self.torch(),
                 "ONNX Runtime": onnxruntime and self.onnx()}
        return {side: call for side, call in found.items() if call}


def sample(call, calls):
    start = now()
    for _ in range(calls):
        call()
    return (now() - start) / calls


def calls_of(call):
    """As many as a sample takes. Before that the first two, after which weights are packed."""
    call()
    call()
    return max(1, int(SAMPLE / max(sample(call, 1), 1e-7)))


def turn(call, calls):
    time.sleep(REST)
    call()
    least, end = float("inf"), time.perf_counter() + TURN
    while least == float("inf") or time.perf_counter() < end:
        least = min(least, sample(call, calls))
    return least


def measured(sides):
    calls = {side: calls_of(call) for side, call in sides.items()}
    times = dict.fromkeys(sides, float("inf"))
    for _ in range(TURNS):
        for side, call in sides.items():
            times[side] = min(times[side], turn(call, calls[side]))
    return times


def agree(sides, within):
    values = {side: call(read=True) for side, call in sides.items()}
    size = np.abs(values["Weir"]).max()
    for side, value in values.items():
        if not np.abs(value - values["Weir"]).max() <= within * size:
            sys.exit(f"{side} has other values")


def main(*chosen):
    weir, slower = Weir(sys.argv[1]), []
    others = ["NumPy"] + (["PyTorch"] if torch else []) + (["ONNX Runtime"] if onnxruntime else [])
    print(f"{CORES} of {os.cpu_count()} cores; NumPy {np.__version__}"
          + (f", PyTorch {torch.__version__}" if torch else "")
          + (f", ONNX Runtime {onnxruntime.__version__}" if onnxruntime else ""))
    print(f"{'product':<34}{'Weir':>14}" + "".join(f"{s:>14}" for s in others), flush=True)
    for dtype, within in TYPES.items():
        for shape in SHAPES:
            name = called(shape, dtype)
            if chosen and not name.startswith(chosen):
                continue
            case = Case(shape, dtype)
            sides = case.sides(weir)
            if len(sides) < 2:
                continue
            agree(sides, within)
            times = measured(sides)
            ratios = {side: times[side] / times["Weir"] for side in times}
            slower += [f"{name}, {side} x{x:.2f}" for side, x in ratios.items() if x < 1]
            cells = "".join(f"{f'x{ratios[s]:.2f}' if s in ratios else '-':>14}" for s in others)
            print(f"{name:<34}{case.flops / times['Weir'] / 1e9:>8.1f} GF/s {cells}", flush=True)
    print(f"below 1.0: {'; '.join(slower) or 'none'}\n", flush=True)


if __name__ == "__main__":
    main(*sys.argv[3:])
