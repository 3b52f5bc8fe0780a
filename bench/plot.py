#!/usr/bin/env python3
"""Draws what bench_growth prints as an SVG: one panel for each series, both axes logarithmic.

    build/release/bench/bench_growth | bench/plot.py build/bench/growth.svg

Says for each series whether it grows linearly or better: the slope of its last decade, where 1 is
linear, and up to 1.1 counts as that. On the way there a series is steeper once, as it leaves the
caches."""

import math
import os
import sys
from html import escape

WIDTH, HEIGHT, LEFT, TOP = 420, 280, 64, 36
GAP_X, GAP_Y = 60, 70


def read(lines):
    """{series: [(size, seconds)]}, in the order of the lines."""
    series = {}
    for line in lines:
        name, size, took = line.rstrip("\n").split("\t")
        series.setdefault(name, []).append((int(size), float(took)))
    return series


def slope(points):
    """Of the last decade, or of the last two points where they are further apart."""
    size, took = points[-1]
    earlier = [point for point in points[:-1] if point[0] * 10 <= size] or points[:1]
    before, then = earlier[-1]
    return math.log(took / then) / math.log(size / before)


def decades(values):
    return math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))


def seconds_text(power):
    names = {-9: "1 ns", -6: "1 us", -3: "1 ms", 0: "1 s"}
    for base in (-9, -6, -3, 0):
        if base <= power < base + 3:
            return names[base].replace("1", str(10 ** (power - base)))
    return f"1e{power} s"


class Panel:
    def __init__(self, x, y, name, points):
        self.x, self.y, self.name, self.points = x, y, name, points
        self.sizes = decades([size for size, _ in points])
        self.times = decades([took for _, took in points])

    def place(self, size, took):
        (x0, x1), (y0, y1) = self.sizes, self.times
        across = (math.log10(size) - x0) / max(x1 - x0, 1)
        up = (math.log10(took) - y0) / max(y1 - y0, 1)
        return self.x + across * WIDTH, self.y + HEIGHT - up * HEIGHT

    def grid(self):
        for power in range(self.sizes[0], self.sizes[1] + 1):
            x, _ = self.place(10.0**power, 10.0 ** self.times[0])
            yield f'<path class="grid" d="M{x:.1f} {self.y}V{self.y + HEIGHT}"/>'
            yield (f'<text x="{x:.1f}" y="{self.y + HEIGHT + 18}" text-anchor="middle">10'
                   f'<tspan dy="-5" font-size="9">{power}</tspan></text>')
        for power in range(self.times[0], self.times[1] + 1):
            _, y = self.place(10.0 ** self.sizes[0], 10.0**power)
            yield f'<path class="grid" d="M{self.x} {y:.1f}H{self.x + WIDTH}"/>'
            yield (f'<text x="{self.x - 6}" y="{y + 4:.1f}" text-anchor="end">'
                   f"{seconds_text(power)}</text>")

    def line_of_linear_growth(self):
        """Through the cheapest unit: what is above it grows faster than linearly."""
        unit = min(took / size for size, took in self.points)
        ends = []
        for size in (self.points[0][0], self.points[-1][0]):
            took = max(unit * size, 10.0 ** self.times[0])
            ends.append(self.place(took / unit, took))
        (ax, ay), (bx, by) = ends
        return f'<path class="linear" d="M{ax:.1f} {ay:.1f}L{bx:.1f} {by:.1f}"/>'

    def draw(self):
        yield f'<text class="title" x="{self.x}" y="{self.y - 12}">{escape(self.name)}</text>'
        yield from self.grid()
        yield f'<rect class="frame" x="{self.x}" y="{self.y}" width="{WIDTH}" height="{HEIGHT}"/>'
        yield self.line_of_linear_growth()
        spots = [self.place(*point) for point in self.points]
        way = "L".join(f"{x:.1f} {y:.1f}" for x, y in spots)
        yield f'<path class="cost" d="M{way}"/>'
        for x, y in spots:
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>'


STYLE = """text{font:12px sans-serif;fill:#333}.title{font-weight:bold;font-size:14px}
.grid{stroke:#ddd}.frame{fill:none;stroke:#888}.cost{fill:none;stroke:#0b63b0;stroke-width:2}
circle{fill:#0b63b0}.linear{fill:none;stroke:#c0392b;stroke-dasharray:5 4}"""


def draw(series):
    columns = 2
    rows = (len(series) + 1) // columns
    width = LEFT + columns * WIDTH + GAP_X + 30
    height = TOP + rows * HEIGHT + (rows - 1) * GAP_Y + 60
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">'
           f"<style>{STYLE}</style>")
    yield f'<rect width="{width}" height="{height}" fill="white"/>'
    for i, (name, points) in enumerate(series.items()):
        x = LEFT + i % columns * (WIDTH + GAP_X)
        y = TOP + i // columns * (HEIGHT + GAP_Y)
        yield from Panel(x, y, name, points).draw()
    y = height - 14
    yield f'<path class="cost" d="M{LEFT} {y - 4}h30"/><text x="{LEFT + 38}" y="{y}">measured</text>'
    yield (f'<path class="linear" d="M{LEFT + 120} {y - 4}h30"/>'
           f'<text x="{LEFT + 158}" y="{y}">linear growth from the cheapest unit</text>')
    yield "</svg>"


def main():
    series = read(sys.stdin)
    for name, points in series.items():
        steep = slope(points)
        word = "linear or better" if steep <= 1.1 else "more than linear"
        cheapest = min(took / size for size, took in points)
        print(f"{name}: {word}, slope {steep:.2f}; a unit from {cheapest * 1e9:.3g} ns "
              f"to {points[-1][1] / points[-1][0] * 1e9:.3g} ns at the end")
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        out.write("\n".join(draw(series)) + "\n")
    print(f"drawn: {os.path.relpath(sys.argv[1])}")


if __name__ == "__main__":
    main()
