"""The server of examples/serve by HTTP: one process by itself, and one and two behind nginx, each asked by 16
clients for a sentence at a time, over connections that stay."""

import contextlib
import http.client
import json
import pathlib
import sys
import tempfile
import threading
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "examples"))

from serving import NGINX, Proxy, Server, free_port, make_folder
from table import note, print_line

CLIENTS = 16
SENTENCES = ["The quick brown fox jumps over the lazy dog beside the river.", "Rain falls mainly in the plain.",
             "A server that embeds sentences for many callers at once, each of which has one at a time.",
             "What is asked together is computed together."]


def ask(port, number, begin, end, times):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    while (start := time.monotonic()) < end:
        number += 1
        body = json.dumps({"model": "all-MiniLM-L6-v2", "input": SENTENCES[number % len(SENTENCES)],
                           "encoding_format": "base64"})
        connection.request("POST", "/v1/embeddings", body)
        response = connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise SystemExit(f"{response.status}: {answer}")
        if start >= begin:
            times.append(time.monotonic() - start)
    connection.close()


def measure(port, seconds):
    """Sentences per second, median and 99th percentile in ms."""
    begin, times = time.monotonic() + 1, []
    clients = [threading.Thread(target=ask, args=(port, number, begin, begin + seconds, times))
               for number in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    times.sort()
    return len(times) / seconds, 1e3 * times[len(times) // 2], 1e3 * times[len(times) * 99 // 100]


def measure_proxy(page, program, model, seconds):
    page.line(f"by HTTP, {CLIENTS} clients that stay connected")
    print_line(page, "", ["sentences per second", "median", "99th percentile"])
    if NGINX is None:
        note("nginx: not there")
    with tempfile.TemporaryDirectory() as room, contextlib.ExitStack() as stack:
        folder = make_folder(room)
        servers = [stack.enter_context(Server(program, f"--model={model}", str(folder), port=free_port()))
                   for _ in range(2)]
        for server in servers:
            server.await_index()
        rows = [("one process", servers[0].port, None)]
        if NGINX:
            rows += [("nginx and one process", None, servers[:1]), ("nginx and two processes", None, servers)]
        for title, port, behind in rows:
            proxy = stack.enter_context(Proxy([server.port for server in behind])) if behind else None
            rate, median, last = measure(port or proxy.port, seconds)
            print_line(page, title, [f"{rate:.0f}", f"{median:.1f} ms", f"{last:.1f} ms"])
