#!/usr/bin/env python3
"""S3: the library has the probes that docs/seeing.md lists, with as many arguments. Skipped (77) where
sys/sdt.h is not there, as the library was built without then.

Usage: probes.py LIBRARY COMPILER"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def listed():
    """{probe: how many arguments}, as the table has it."""
    text = (ROOT / "docs/seeing.md").read_text(encoding="utf-8")
    table = text[text.index("| probe |"):]
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|$", table, re.MULTILINE)
    return {name: len(arguments.split(",")) for name, arguments in rows}


def built(library):
    """{probe: how many arguments}, as its notes have it; each place has the same number."""
    notes = subprocess.run(["readelf", "-n", library], capture_output=True, text=True, check=True).stdout
    found = re.findall(r"Provider: weir\s+Name: (\w+)\s+Location:.*\s+Arguments: (.*)", notes)
    counts = {}
    for name, arguments in found:
        n = len(re.findall(r"-?\d+@", arguments))
        if counts.setdefault(name, n) != n:
            sys.exit(f"FAILED: {name} has {n} arguments in one place and {counts[name]} in another")
    return counts


def main():
    library, compiler = sys.argv[1:]
    here = subprocess.run([compiler, "-E", "-"], input="#include <sys/sdt.h>\n", capture_output=True,
                          text=True, check=False)
    if here.returncode:
        print("skipped: there is no sys/sdt.h")
        return 77
    if built(library) != listed():
        sys.exit(f"FAILED: the library has {built(library)}, docs/seeing.md {listed()}")
    print(f"ok: {len(listed())} probes")
    return 0


sys.exit(main())
