#!/usr/bin/env python3
"""Writes tests/fuzz/corpus anew from what the guided fuzzer has found: programs one after the other in
few files, and of these, greedily, those that come to most of the code, up to a size.

corpus.py FUZZER FOLDER...    after guided_run, which builds the fuzzer and fills build/fuzz/corpus
"""

import hashlib
import pathlib
import random
import subprocess
import sys
import tempfile

CORPUS = pathlib.Path(__file__).resolve().with_name("corpus")
PROGRAM = 480     # bytes of a file
WHOLE = 48 << 10  # of all of them


def joined(folders):
    """The programs of all folders in files of some size."""
    programs = sorted(p.read_bytes() for f in folders for p in pathlib.Path(f).iterdir())
    random.Random(1).shuffle(programs)
    text = b""
    for program in programs:
        if len(text) + len(program) > PROGRAM:
            yield text
            text = b""
        text += program[:PROGRAM]
    yield text


def covered(fuzzer, folder):
    """By file the branches that it comes to, as libFuzzer notes them while it merges."""
    with tempfile.TemporaryDirectory() as none, tempfile.TemporaryDirectory() as own:
        notes = pathlib.Path(own, "notes")
        subprocess.run([fuzzer, "-merge=1", "-use_counters=0", "-detect_leaks=0",
                        f"-merge_control_file={notes}", none, folder],
                       check=True, capture_output=True)
        lines = notes.read_text().splitlines()
    count = int(lines[0])
    names, found = lines[2:2 + count], {}
    for line in lines[2 + count:]:
        kind, index, *branches = line.split()
        if kind == "FT":
            found[names[int(index)]] = set(branches)
    return found


def chosen(found):
    seen, size = set(), 0
    while found:
        name = max(found, key=lambda n: len(found[n] - seen) / pathlib.Path(n).stat().st_size)
        new = found.pop(name) - seen
        size += pathlib.Path(name).stat().st_size
        if not new or size > WHOLE:
            return
        seen |= new
        yield name


def main(fuzzer, *folders):
    with tempfile.TemporaryDirectory() as folder:
        for text in joined([*folders, CORPUS] if CORPUS.exists() else folders):
            pathlib.Path(folder, hashlib.sha1(text).hexdigest()[:16]).write_bytes(text)
        names = list(chosen(covered(fuzzer, folder)))
        CORPUS.mkdir(exist_ok=True)
        for old in CORPUS.iterdir():
            old.unlink()
        for name in names:
            CORPUS.joinpath(pathlib.Path(name).name).write_bytes(pathlib.Path(name).read_bytes())
    sizes = [p.stat().st_size for p in CORPUS.iterdir()]
    print(f"{len(sizes)} files, {sum(sizes)} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
