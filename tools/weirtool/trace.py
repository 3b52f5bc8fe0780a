"""Runs a program and shows what it did when: writes a trace (weir/trace.h), which ui.perfetto.dev
opens, and beside it a page for any browser, which needs nothing else: a track for each stream and
thread, with operation, shapes and time of each command, and the curve of each device's memory.

  weir trace -- ./server --port 8080
  weir trace --from trace.json        makes the page of a trace that is there"""

import json
import os
import pathlib
import signal
import subprocess
import sys

from weirtool import events
from weirtool.failure import Failure

SUMMARY = "run a program, and show what it did when"
TEMPLATE = pathlib.Path(__file__).with_name("timeline.html")


def add_arguments(parser):
    parser.add_argument("--output", default="trace.json", metavar="FILE", help="the trace (trace.json)")
    parser.add_argument("--page", metavar="FILE", help="the page (the trace's name, with .html)")
    parser.add_argument("--from", dest="source", metavar="FILE", help="a trace that is there; no program is run")
    parser.add_argument("--most", type=int, default=300000, metavar="N",
                        help="how many spans the page has; the first ones (300000)")
    parser.add_argument("program", nargs="*", metavar="PROGRAM", help="and its arguments, after --")


def record(program, file):
    """The program's exit status, as shells have it. What is typed to interrupt is the program's."""
    file.unlink(missing_ok=True)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        child = subprocess.Popen(program, env={**os.environ, "WEIR_TRACE": str(file)},  # noqa: S603
                                 preexec_fn=lambda: signal.signal(signal.SIGINT, before))
        status = child.wait()
    except OSError as error:
        raise Failure(f"{program[0]} cannot be run: {error.strerror}") from None
    finally:
        signal.signal(signal.SIGINT, before)
    if not file.exists():
        raise Failure(f"{program[0]} has written no trace: it made no stream of Weir's"
                      + (f" (exit status {status})" if status else ""))
    return status if status >= 0 else 128 - status


def write_page(data, title, page):
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=True).replace("<", "\\u003c")
    template = TEMPLATE.read_text(encoding="utf-8")
    head, tail = template.split("/*DATA*/null", 1)
    head = head.replace("<title>Timeline", "<title>" + title.replace("&", "&amp;").replace("<", "&lt;"))
    page.write_text(head + text + tail, encoding="utf-8")


def duration(n):
    for unit, ns in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if n >= ns:
            return f"{n / ns:.3g} {unit}"
    return f"{n} ns"


def tell(data, file, page):
    rows, commands = events.busiest(data)
    print(f"weir: {commands} commands in {duration(data['length'])}", file=sys.stderr)
    for name, times, total in rows:
        print(f"weir:   {duration(total):>8}  {times:6} x  {name}", file=sys.stderr)
    if data["lost"]:
        print(f"weir: {data['lost']} records did not fit", file=sys.stderr)
    if data["left_out"]:
        print(f"weir: the page is without the last {data['left_out']} spans", file=sys.stderr)
    others = sorted(str(p) for p in file.parent.glob(file.name + ".*") if p.suffix[1:].isdigit())
    if others:
        print(f"weir: of programs that it started: {' '.join(others)}", file=sys.stderr)
    print(f"weir: {file}, {page}", file=sys.stderr)


def run(options):
    if bool(options.source) == bool(options.program):
        raise Failure("either a program, after --, or a trace, by --from")
    file = pathlib.Path(options.source or options.output)
    if options.source and not file.is_file():
        raise Failure(f"{file}: no such file")
    page = pathlib.Path(options.page) if options.page else file.with_suffix(".html")
    if page.absolute() == file.absolute():
        raise Failure(f"{file} cannot be both the trace and the page")
    status = 0 if options.source else record(options.program, file.absolute())
    data = events.model(file, options.most)
    write_page(data, f"{data['program'] or file.name}: timeline", page)
    tell(data, file, page)
    return status
