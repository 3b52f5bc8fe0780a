"""Compares Weir with MLX in calls drawn at random, with the rules where MLX cannot be asked, and
with itself in graphs: fused or not, step by step, on many streams, on one thread, compiled.

fuzz.py LIBRARY [PART [FIRST [COUNT]]]    PART: calls, hostile, sums, programs, graphs
                                         or faults

All is drawn from WEIR_FUZZ_SEED (1 unless set) and a number, which each failure shows, so that
`fuzz.py LIBRARY calls 17 1` repeats one call. WEIR_FUZZ_TIMES=N does N times as much.
"""

import json
import os
import pathlib
import selectors
import subprocess
import sys
import time

import shrink

WORK = pathlib.Path(__file__).resolve().with_name("work.py")
STALL_S = 20  # without a line for so long, a child hangs
COUNTS = {"calls": 8000, "hostile": 2500, "sums": 500, "programs": 1500, "graphs": 600, "faults": 60}


class Child:
    """Runs numbers [first, end) of a part; skips what MLX dies of, and says what Weir dies of."""

    def __init__(self, library, part, first, count, environment=()):
        seed = os.environ.get("WEIR_FUZZ_SEED", "1")
        self.command = [sys.executable, str(WORK), library, part, seed]
        self.first, self.end = first, first + count
        self.environment = dict(os.environ, **dict(environment))
        self.texts, self.deaths, self.skipped = {}, [], 0

    def lines(self, process):
        """Its lines, until it ends or stalls."""
        with selectors.DefaultSelector() as waiting:
            waiting.register(process.stdout, selectors.EVENT_READ)
            rest, quiet = b"", time.monotonic()
            while time.monotonic() - quiet < STALL_S:
                if not waiting.select(1):
                    continue
                data = os.read(process.stdout.fileno(), 1 << 16)
                if not data:
                    return
                quiet = time.monotonic()
                *whole, rest = (rest + data).split(b"\n")
                yield from (line.decode() for line in whole)

    def once(self):
        """One process; the number to go on with."""
        command = self.command + [str(self.first), str(self.end - self.first)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env=self.environment)
        number, side = self.first, "start"
        for line in self.lines(process):
            number, side, *text = line.split(" ", 2)
            number = int(number)
            if side == "=":
                self.texts[number] = text[0]
        process.kill()
        status = process.wait()
        if side == "=" and number + 1 == self.end:
            return self.end
        if side == "MLX":
            self.skipped += 1
        else:
            self.deaths.append(f"{number}: ended or hung after {side!r}, status {status}")
        return number + 1

    def run(self):
        while self.first < self.end and len(self.deaths) < 10:
            self.first = self.once()
        return self


def report(part, good, failures, skipped=0):
    died = f", MLX died of {skipped}" if skipped else ""
    print(f"{part}: {good} passed, {len(failures)} failed{died}")
    for failure in failures[:40]:
        print(f"  {part} {failure}")
    return bool(failures)


def judged(library, part, first, count):
    """A part whose children know what is right."""
    child = Child(library, part, first, count).run()
    failures = child.deaths + [f"{n}: {t}" for n, t in child.texts.items() if t != "ok"]
    good = sum(text == "ok" for text in child.texts.values())
    return report(part, good, failures, child.skipped)


class Runner:
    """A child that runs graphs in a way, one after the other; another one where it ends or hangs."""

    def __init__(self, library, name, part, environment):
        self.command = [sys.executable, str(WORK), library, part]
        self.name, self.environment, self.process = name, dict(os.environ, **environment), None

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env=self.environment)

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.communicate()
        self.process = None

    def ask(self, text):
        """The results of a graph, or how the child ended."""
        if not self.process:
            self.start()
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()
        with selectors.DefaultSelector() as waiting:
            waiting.register(self.process.stdout, selectors.EVENT_READ)
            line = self.process.stdout.readline() if waiting.select(STALL_S) else b""
        if line.startswith(b"= "):
            return line[2:].decode().strip()
        self.process.kill()
        status = self.process.wait()
        self.stop()
        return f"ended or hung, status {status}"


WAYS = {"fused": ("fused", {}), "not fused": ("fused", {"WEIR_FUSE": "0"}),
        "step by step": ("stepwise", {}), "many streams": ("streams", {}),
        "one thread": ("alone", {"WEIR_NUM_THREADS": "1"}), "compiled": ("compiled", {})}


class Runners:
    """All ways; `fault` is a function that gives wrong results on one of them."""

    def __init__(self, library, fault=None):
        self.all = [Runner(library, name, part, environment) for name, (part, environment) in WAYS.items()]
        if fault:
            self.all[1].environment["WEIR_FUZZ_FAULT"] = fault

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for runner in self.all:
            runner.stop()

    def difference(self, nodes):
        """What the ways say of a graph where they do not say the same; None where they do."""
        text = json.dumps(nodes)
        found = {r.name: r.ask(text) for r in self.all}
        one = len(set(found.values())) == 1 and not next(iter(found.values())).startswith("ended")
        return None if one else "; ".join(f"{w}: {t}" for w, t in found.items())

    def judge(self, number, nodes):
        """None, or the smallest graph that differs, in words."""
        if not self.difference(nodes):
            return None
        nodes = shrink.shrunk(nodes, self.difference)
        return "\n    ".join([f"{number}: {self.difference(nodes)}", *shrink.lines(nodes)]), nodes


def graphs(library, part, first, count):
    """The same on all ways."""
    child = Child(library, part, first, count).run()
    with Runners(library) as runners:
        found = [runners.judge(n, json.loads(t)) for n, t in child.texts.items()]
    failures = child.deaths + [f[0] for f in found if f]
    return report(part, found.count(None), failures)


def faults(library, part, first, count):
    """The same with an error put in: what is found is an array and the function that is wrong."""
    texts, failures, good = Child(library, "graphs", first, count).run().texts, [], 0
    for fault in ("add", "transpose"):
        called = [(n, json.loads(t)) for n, t in texts.items() if f'"call": "{fault}"' in t]
        with Runners(library, fault) as runners:
            found = [f for f in (runners.judge(n, nodes) for n, nodes in called[:3]) if f]
        small = [f for f in found if len(f[1]) == 2 and f[1][1]["call"] == fault]
        good += len(small)
        failures += [f"not the smallest: {text}" for text, nodes in found if (text, nodes) not in small]
        failures += [] if found else [f"an error in {fault} is not found"]
    return report(part, good, failures)


PARTS = {"calls": judged, "hostile": judged, "sums": judged, "programs": judged, "graphs": graphs, "faults": faults}


def main(library, part=None, first="0", count=None):
    times = int(os.environ.get("WEIR_FUZZ_TIMES", "1"))
    failed = False
    for name in [part] if part else PARTS:
        failed |= PARTS[name](library, name, int(first), int(count or COUNTS[name] * times))
    return failed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
