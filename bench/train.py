"""Steps per second of examples/train on the CPU, compiled and not, beside MLX and PyTorch, in turns.

Usage: train.py PROGRAM [adam|sgd [BATCH]]

Each side is a process that prints a loss for each step; the time is that between its first line, by
when it has compiled, and its last. Other programs that run meanwhile slow all sides.
"""

import importlib.util
import os
import pathlib
import statistics
import subprocess
import sys
import time

BENCH = pathlib.Path(__file__).resolve().parent
TEXT = "/usr/share/common-licenses/GPL-3"
TURNS, STEPS = 5, 50
TOO_FAR = 1e-4


def run(command):
    """(steps per second, losses)"""
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True) as process:
        losses, start = [], None
        for line in process.stdout:
            start = start or time.perf_counter()
            losses.append(float(line))
        took = time.perf_counter() - start if start else 0
    if process.returncode or len(losses) != STEPS:
        sys.exit(f"bench: {command[0]} ... {command[-1]}: failed")
    return (STEPS - 1) / took, losses


def sides(program, optimizer, batch):
    ours = [program, "--losses", f"--steps={STEPS}", f"--optimizer={optimizer}", f"--batch={batch}",
            "--device=cpu", f"--text={TEXT}"]
    yield "Weir", ours
    yield "Weir, uncompiled", [*ours, "--uncompiled"]
    blas = os.environ.get("WEIR_BENCH_MLX_BLAS")
    before = {"MLX": ["env", f"LD_PRELOAD={blas}"] if blas else []}
    for name, package in (("MLX", "mlx"), ("PyTorch", "torch")):
        if importlib.util.find_spec(package):
            yield name, [*before.get(name, []), sys.executable, "-B", BENCH / f"train_{package}.py",
                         TEXT, STEPS, optimizer, batch]
        else:
            print(f"bench: {name}: not found", file=sys.stderr)


def main():
    program, optimizer, batch = sys.argv[1], *(sys.argv[2:] + ["adam", "16"][len(sys.argv) - 2:])
    speeds, losses = {}, {}
    commands = dict(sides(program, optimizer, batch))
    for _ in range(TURNS):
        for name, command in commands.items():
            speed, losses[name] = run(command)
            speeds.setdefault(name, []).append(speed)
    ours = statistics.median(speeds["Weir"])
    print(f"{optimizer}, {batch} pieces of 64 characters: steps per second, median of {TURNS} turns")
    for name, each in speeds.items():
        middle = statistics.median(each)
        print(f"{name:20}{middle:9.1f}  {min(each):9.1f} to {max(each):.1f}   Weir x{ours / middle:.2f}")
    if "MLX" in losses:
        apart = max(abs(a - b) for a, b in zip(losses["Weir"], losses["MLX"]))
        print(f"losses of Weir and MLX: at most {apart:.2g} apart")
        if apart > TOO_FAR:
            sys.exit("bench: that is too far")


main()
