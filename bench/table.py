"""What the tables of bench/run share: running a side, reading what it prints, cells, and the file.

A measured quantity is (unit, [values]); units are those of harness.h, and bytes per second. What is
gathered is {quantity: {side: (unit, [values])}}. Nothing here knows a row or a peer.
"""

import statistics
import subprocess
import sys

WIDTHS = (44, 26)
# Units of programs that print for readers, in those of harness.h.
UNITS = {"us": ("s", 1e-6), "TFLOP/s": ("flop/s", 1e12), "TB/s": ("byte/s", 1e12)}


def note(text):
    print(f"bench: {text}", file=sys.stderr)


def output_of(command, timeout):
    """(exit code, stdout, None), or (exit code or None, stdout, why it failed)."""
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                              timeout=timeout)
    except subprocess.TimeoutExpired:
        return None, "", f"more than {timeout} s"
    except OSError as error:
        return None, "", str(error)
    if done.returncode == 0:
        return 0, done.stdout, None
    lines = done.stderr.strip().splitlines()
    return done.returncode, done.stdout, lines[-1] if lines else f"exit code {done.returncode}"


def parse(lines, columns):
    """{column: {quantity: (unit, value)}} for the columns of values; a dash is no value."""
    found = {column: {} for column in columns if column not in ("name", "unit")}
    for line in lines:
        fields = dict(zip(columns, line.split("\t"), strict=True))
        unit, factor = UNITS.get(fields["unit"], (fields["unit"], 1))
        for column, quantities in found.items():
            if fields[column] != "-":
                quantities[fields["name"]] = (unit, float(fields[column]) * factor)
    return found


def gather(gathered, side, found):
    for name, (unit, value) in found.items():
        gathered.setdefault(name, {}).setdefault(side, (unit, []))[1].append(value)


def without(gathered, failed):
    return {name: {side: cell for side, cell in cells.items() if side not in failed}
            for name, cells in gathered.items()}


def shown(unit, value):
    if unit == "s":
        for factor, name in ((1, "s"), (1e3, "ms"), (1e6, "us")):
            if value * factor >= 1:
                return f"{value * factor:.3g} {name}"
        return f"{value * 1e9:.3g} ns"
    if unit == "flop/s":
        return f"{value / 1e12:.1f} TFLOP/s" if value >= 1e13 else f"{value / 1e9:.1f} GFLOP/s"
    if unit == "byte/s":
        return f"{value / 1e12:.2f} TB/s"
    if unit == "1/s":
        return f"{value / 1e3:.0f} k/s"
    return f"{value:.3g}"


def cell_text(unit, values, weir):
    """Median, spread, and how many times faster Weir is: above 1, Weir is ahead."""
    middle = statistics.median(values)
    text = shown(unit, middle)
    if unit in ("threads", "bytes"):
        return text
    spread = (max(values) - min(values)) / 2 / middle * 100 if middle else 0
    text += f" ±{spread:.0f}%"
    if weir:
        ours = statistics.median(weir[1])
        ratio = middle / ours if unit == "s" else ours / middle
        text += f" x{ratio:.2f}" if ratio < 100 else f" x{ratio:.0f}"
    return text


class Page:
    """Prints, and keeps what was printed."""

    def __init__(self):
        self.lines = []

    def line(self, text):
        self.lines.append(text)
        print(text, flush=True)


def print_line(page, first, cells):
    page.line(f"{first:<{WIDTHS[0]}}" + "".join(f"{cell:>{WIDTHS[1]}}" for cell in cells))


def print_cells(page, title, sides, cells, weir):
    """One quantity of all sides; `weir` is what the others are compared with, or None."""
    print_line(page, title, [
        cell_text(*cells[side], weir if side != "Weir" else None) if side in cells else "-"
        for side in sides])


def put_part(text, which, part, writer="bench/run"):
    """The text of a page with `part` between the marks of `which`, and all else as it was; without
    such marks, under a heading of its own at the end."""
    mark, end = f"<!-- {which}: {writer} writes this -->\n", "<!-- end -->\n"
    head, found, rest = text.partition(mark)
    if not found:
        return f"{text.rstrip()}\n\n## {which}, as `{writer}` prints it\n\n{mark}{part}{end}"
    _, closed, tail = rest.partition(end)
    if not closed:
        raise ValueError(f"nothing ends the part of {which}")
    return head + mark + part + end + tail
