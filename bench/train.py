"""Steps per second of examples/train, compiled and not, beside MLX and PyTorch, in turns; each run is
printed as it ends. On the CPU the losses have to be MLX's, on a GPU those on the CPU.

Usage: train.py PROGRAM [--optimizer=adam|sgd] [--batch=N] [--steps=N] [--turns=N] [--device=cpu|gpu]

Each side is a process that prints a loss for each step; the time is that between its first line, by
when it has compiled, and its last. Other programs that run meanwhile slow all sides.
"""

import argparse
import importlib.util
import os
import pathlib
import statistics
import subprocess
import sys
import time

BENCH = pathlib.Path(__file__).resolve().parent
TEXT = BENCH.parent / "LICENSE"
TOO_FAR = 1e-4
FULL_FLOAT32 = ["env", "MLX_ENABLE_TF32=0"]  # on a GPU, as PyTorch's are


def run(command, steps):
    """(steps per second, losses)"""
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True) as process:
        losses, start = [], None
        for line in process.stdout:
            start = start or time.perf_counter()
            losses.append(float(line))
        took = time.perf_counter() - start if start else 0
    if process.returncode or len(losses) != steps:
        sys.exit(f"bench: {' '.join(map(str, command))}: failed")
    return (steps - 1) / took, losses


def sides(o):
    """Name: command."""
    ours = [*FULL_FLOAT32, o.program, "--losses", f"--steps={o.steps}", f"--optimizer={o.optimizer}",
            f"--batch={o.batch}", f"--text={TEXT}"]
    yield "Weir", [*ours, f"--device={o.device}"]
    yield "Weir, uncompiled", [*ours, f"--device={o.device}", "--uncompiled"]
    if o.device == "gpu":
        yield "Weir, on the CPU", [*ours, "--device=cpu"]
    blas = os.environ.get("WEIR_BENCH_MLX_BLAS")
    before = {"MLX": ["env", f"LD_PRELOAD={blas}"] if blas else []}
    for name, package in (("MLX", "mlx"), ("PyTorch", "torch")):
        if name == "MLX" and o.device == "gpu":
            continue  # its wheel for the CPU is the one that is compared with
        if importlib.util.find_spec(package):
            yield name, [*before.get(name, []), sys.executable, "-B", BENCH / f"train_{package}.py",
                         TEXT, o.steps, o.optimizer, o.batch, *(["cuda"] if o.device == "gpu" else [])]
        else:
            print(f"bench: {name}: not found", file=sys.stderr)


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--optimizer", choices=("adam", "sgd"), default="adam")
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    for name, usual in (("batch", 16), ("steps", 50), ("turns", 5)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    return parser.parse_args()


def check_losses(losses, device):
    """Those of Weir are the same as the side's that says what is right."""
    right = {"cpu": "MLX", "gpu": "Weir, on the CPU"}[device]
    if right not in losses:
        return
    apart = max(abs(a - b) for a, b in zip(losses["Weir"], losses[right]))
    print(f"losses of Weir and of {right}: at most {apart:.2g} apart in {len(losses['Weir'])} steps")
    if not apart <= TOO_FAR:
        sys.exit("bench: that is too far")


def main():
    o = options()
    speeds, losses = {}, {}
    commands = dict(sides(o))
    for turn in range(o.turns):
        for name, command in commands.items():
            speed, losses[name] = run(command, o.steps)
            speeds.setdefault(name, []).append(speed)
            print(f"turn {turn + 1} of {o.turns}: {name:20}{speed:9.1f} steps per second", flush=True)
    ours = statistics.median(speeds["Weir"])
    print(f"{o.optimizer}, {o.batch} pieces of 64 characters, {o.device}: steps per second, "
          f"median of {o.turns} turns of {o.steps} steps")
    for name, each in speeds.items():
        middle = statistics.median(each)
        print(f"{name:20}{middle:9.1f}  {min(each):9.1f} to {max(each):.1f}   Weir x{ours / middle:.2f}")
    check_losses(losses, o.device)


main()
