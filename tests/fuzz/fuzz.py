"""Compares Weir with MLX in calls drawn at random, with the rules where MLX cannot be asked, and
with itself in graphs: fused, not fused, step by step.

fuzz.py LIBRARY [PART [FIRST [COUNT]]]    PART: calls, hostile, sums or graphs

All is drawn from WEIR_FUZZ_SEED (1 unless set) and a number, which each failure shows, so that
`fuzz.py LIBRARY calls 17 1` repeats one call. WEIR_FUZZ_TIMES=N does N times as much.
"""

import os
import pathlib
import selectors
import subprocess
import sys
import time

WORK = pathlib.Path(__file__).resolve().with_name("work.py")
STALL_S = 20  # without a line for so long, a child hangs
COUNTS = {"calls": 8000, "hostile": 2500, "sums": 500, "graphs": 600}


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


def graphs(library, part, first, count):
    """The same on three ways."""
    ways = {"fused": ("graphs", ()), "not fused": ("graphs", [("WEIR_FUSE", "0")]),
            "step by step": ("stepwise", ())}
    children = {w: Child(library, p, first, count, e).run() for w, (p, e) in ways.items()}
    failures = [f"{w}: {d}" for w, c in children.items() for d in c.deaths]
    texts = {w: c.texts for w, c in children.items()}
    numbers = range(first, first + count)
    unlike = [n for n in numbers if len({t.get(n) for t in texts.values()}) > 1]
    failures += [f"{n}: " + "; ".join(f"{w}: {t.get(n)}" for w, t in texts.items()) for n in unlike]
    return report(part, count - len(unlike), failures)


PARTS = {"calls": judged, "hostile": judged, "sums": judged, "graphs": graphs}


def main(library, part=None, first="0", count=None):
    times = int(os.environ.get("WEIR_FUZZ_TIMES", "1"))
    failed = False
    for name in [part] if part else PARTS:
        failed |= PARTS[name](library, name, int(first), int(count or COUNTS[name] * times))
    return failed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
