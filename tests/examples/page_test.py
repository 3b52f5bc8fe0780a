"""The page of examples/serve in a headless Chromium: a question in the address is answered, and the live
picture comes. Writes page.png and page_narrow.png, for somebody to look at.
Usage: page_test.py PROGRAM FOLDER, where the pictures go; exits 77 where there is no Chromium."""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from serving import Server, check, failures, make_folder

NAMES = ("chromium", "chromium-browser", "google-chrome")
TILES = ("Requests per second", "Latency, median", "Latency, 99th percentile", "Texts waiting",
         "Texts in a batch", "Streams", "Connections", "OS threads", "Memory")


def browse(chromium, profile, address, *arguments):
    """Virtual time: the page's timers pass as fast as its requests are answered."""
    done = subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
         f"--user-data-dir={profile}", "--virtual-time-budget=8000", *arguments, address],
        capture_output=True, text=True, timeout=120)
    return done.stdout


def check_page(page):
    said = re.search(r'role="status">([^<]*)', page)
    check("the question is answered", said and re.fullmatch(r"3 paragraphs in [.0-9]+ ms", said[1]), said and said[1])
    places = re.findall(r"<code>([^<]*)</code>", page)
    check("with file and line", places and places[0].endswith("/one:4"), places)
    check("the text is text", "&lt;b&gt;bold&lt;/b&gt;" in page and "<b>bold" not in page)
    values = dict(re.findall(r"<h3>([^<]*)</h3><output>([^<]*)", page))
    check("the live picture", tuple(values) == TILES, values)
    check("its numbers", int(values.get("OS threads", "0")) > 2 and values.get("Texts waiting") == "0", values)
    check("its lines", page.count("<polyline points=") == len(TILES))


def check_form(page):
    """What somebody who does not see the page needs."""
    check("a language", '<html lang="en">' in page)
    for name in ("input", "ol", "section"):
        check(f"{name} has a name", re.search(rf"<{name}[^>]* aria-label(ledby)?=", page))
    check("news are read out", 'role="status"' in page)
    check("nothing from elsewhere", not re.search(r'(src|href)="https?:', page))


chromium = next(filter(None, map(shutil.which, NAMES)), None)
if not chromium:
    print("skipped: there is no Chromium")
    sys.exit(77)
program, pictures = sys.argv[1], pathlib.Path(sys.argv[2])
with tempfile.TemporaryDirectory() as room:
    text = make_folder(room)
    (text / "three").write_text("Not a <b>bold</b> claim & no more.\n")
    (text / "below" / "two").unlink()
    with Server(program, str(text)) as server:
        server.await_index()
        address = f"http://127.0.0.1:{server.port}/?q=rain+in+plains"
        dom = browse(chromium, room + "/profile", address, "--dump-dom")
        check_page(dom)
        check_form(dom)
        for name, size in (("page", "1000,1300"), ("page_narrow", "400,1300")):
            browse(chromium, room + "/profile", address, f"--window-size={size}", f"--screenshot={pictures}/{name}.png")
            check(f"the picture {name}", (pictures / f"{name}.png").stat().st_size > 10000)
        check("drained", server.end() == 0)
sys.exit(bool(failures))
