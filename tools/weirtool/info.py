"""Says what Weir finds on this machine: its own version and file, the devices and what each has, the
libraries that it looks for at run time, where they are or why they are not used, the limits that
hold, and what the environment sets."""

import json
import os
import pathlib
import re
import subprocess
import sys

from weirtool import library
from weirtool.failure import Failure

SUMMARY = "what Weir finds on this machine"
PROBE = pathlib.Path(__file__).with_name("probe.py")
# Of the environment that Weir reads, beside what begins with WEIR_ and MLX_.
OTHERS = ("CUDA_HOME", "CUDA_PATH", "CUDA_VISIBLE_DEVICES", "NVTX_INJECTION64_PATH", "XDG_CACHE_HOME")


def add_arguments(parser):
    library.add_argument(parser)
    parser.add_argument("--json", action="store_true", help="the same, for programs")
    parser.add_argument("--timeout", type=float, default=120, metavar="SECONDS",
                        help="how long devices and libraries may take to answer (120)")


def ask(path, timeout):
    """What probe.py tells, and the lines of WEIR_INFO=1."""
    try:
        done = subprocess.run([sys.executable, str(PROBE), path], capture_output=True, text=True,
                              errors="replace", timeout=timeout, check=False,
                              env={**os.environ, "WEIR_INFO": "1"})
    except subprocess.TimeoutExpired as late:
        said = (late.stderr or b"").decode(errors="replace")
        raise Failure(f"no answer within {timeout:g} s; what was said until then:\n{said}") from None
    if done.returncode:
        raise Failure(f"{path} cannot be asked:\n{done.stderr.strip()}")
    return json.loads(done.stdout), done.stderr.splitlines()


def found(lines):
    """(what, how) of each thing that was looked for, in order, and all other lines."""
    things, others = {}, []
    for line in lines:
        match = re.match(r"weir: ([\w.+-]+(?: [\w.+-]+)?): (.*)", line)
        if match:
            things[match.group(1)] = match.group(2)
        elif line:
            others.append(line.removeprefix("weir: "))
    return things, others


def environment():
    return {name: value for name, value in sorted(os.environ.items())
            if name.startswith(("WEIR_", "MLX_")) or name in OTHERS}


def collect(options):
    told, lines = ask(library.find(options.library), options.timeout)
    things, notes = found(lines)
    return {"version": told["version"], "mlx": told["mlx"], "file": things.pop("library", None),
            "processors": things.pop("processors", None), "default_device": told["default"],
            "devices": told["devices"], "libraries": things, "limits": told["limits"],
            "thread_policy": "checked" if told["checked"] else "free", "stats": told["stats"],
            "environment": environment(), "notes": notes}


def size(n):
    if n >= 2**62:
        return "none"
    for unit, bits in (("TB", 40), ("GB", 30), ("MB", 20), ("KB", 10)):
        if n >= 1 << bits:
            return f"{n / (1 << bits):.1f} {unit}"
    return f"{n} bytes"


def fact(key, value):
    if isinstance(value, int) and re.search("memory|size", key):
        value = size(value)
    return f"{key.replace('_', ' ')}: {value}"


def section(title, rows):
    """Rows are texts, or pairs of them."""
    print(f"{title}:")
    width = max((len(row[0]) for row in rows if isinstance(row, tuple)), default=0)
    for row in rows:
        print("  " + (row if isinstance(row, str) else f"{row[0]:{width}}  {row[1]}"))


def show(told):
    print(f"Weir {told['version']}, with the functions of MLX {told['mlx']}")
    section("Library", [("file", told["file"]), ("processors", told["processors"]),
                        ("threads", f"{told['thread_policy']} policy")])
    rows = []
    for one in told["devices"]:
        mark = ", the default" if one["device"] == told["default_device"] else ""
        rows.append(f"{one['device']}{mark}")
        rows += [f"  {fact(*pair)}" for pair in sorted(one["facts"].items())]
        rows += [f"  does not work: {one['error']}"] if one["error"] else []
    section("Devices", rows)
    section("Libraries, as they were looked for", list(told["libraries"].items()))
    section("Limits of memory", [(name, size(n)) for name, n in told["limits"].items()])
    section("Environment", list(told["environment"].items()) or ["nothing that concerns Weir"])
    if told["notes"]:
        section("Said meanwhile", told["notes"])


def run(options):
    told = collect(options)
    if options.json:
        print(json.dumps(told, indent=2))
    else:
        show(told)
    return 0
