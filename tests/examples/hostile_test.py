"""The server of examples/serve and clients that mean no good: half requests, slow readers and writers, huge
bodies, bad UTF-8 and deep JSON, two thousand connections, bytes drawn at random. They get the right status or are
cut off, nothing of them is left, and others are answered meanwhile; a thread for each connection, and one for all.
WEIR_FUZZ_SECONDS is how long bytes are drawn, 10 unless set; WEIR_FUZZ_SEED draws others.
Usage: hostile_test.py PROGRAM [OPTION], of the server's: --loop, or --computing=1, for one of both modes"""

import http.client
import json
import os
import random
import resource
import socket
import sys
import tempfile
import threading
import time

from serving import Server, becomes, check, failures, make_folder

PROGRAM = sys.argv[1]
SECONDS = float(os.environ.get("WEIR_FUZZ_SECONDS", "10"))
SEED = int(os.environ.get("WEIR_FUZZ_SEED", "1"))
MODES = sys.argv[2:] or ["--computing=1", "--loop"]
PATIENCE = 5  # seconds; who had to wait for another one to be cut off would wait for ten
QUESTION = json.dumps({"query": "rain", "top": 3}).encode()


class Bystander:
    """Somebody who asks an honest question, over and over, while the block lasts."""

    def __init__(self, server, name):
        self.server, self.name = server, name
        self.times, self.wrong = [], []
        self.over = threading.Event()

    def run(self):
        while not self.over.is_set():
            begin = time.monotonic()
            try:
                status, answer = self.server.post("/search", QUESTION)
                if status != 200 or len(answer["hits"]) != 3:
                    self.wrong.append((status, answer))
            except OSError as error:
                self.wrong.append(error)
            self.times.append(time.monotonic() - begin)
            time.sleep(0.005)

    def __enter__(self):
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        return self

    def __exit__(self, *unused):
        self.over.set()
        self.thread.join()
        times = sorted(self.times)
        print(f"{self.name}: a bystander's {len(times)} answers, median {1e3 * times[len(times) // 2]:.1f} ms, "
              f"the longest {1e3 * times[-1]:.0f} ms")
        check(f"{self.name}: others are answered", times and not self.wrong, self.wrong[:2])
        check(f"{self.name}: nobody waits for them", times[-1] < PATIENCE, times[-1])


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def status_of(connection):
    """The status of the answer that comes, or 0 when the connection ends without."""
    got = b""
    try:
        while b"\r\n" not in got:
            more = connection.recv(65536)
            if not more:
                return 0
            got += more
    except ConnectionError:
        return 0
    return int(got.split()[1])


def head(path, size, more=""):
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n{more}\r\n".encode()


def check_half_requests(server):
    """Cut off after a while, whatever is missing."""
    halves = [b"", b"P", b"POST /search HT", b"POST /search HTTP/1.1\r\nHost: x\r\n", head("/search", 1000),
              head("/search", 1000) + b'{"query": "', head("/v1/embeddings", 10**6) + b" " * 1000]
    with Bystander(server, "half requests"):
        waiting = []
        for i in range(210):
            waiting.append(connect(server))
            waiting[-1].sendall(halves[i % len(halves)])
        statuses = {status_of(connection) for connection in waiting}
        check("half requests are cut off", statuses <= {0, 400, 408}, statuses)
        for connection in waiting:
            connection.close()


def check_gone(server):
    """Who goes away in the middle of a question."""
    with Bystander(server, "clients that go away"):
        for i in range(300):
            connection = connect(server)
            connection.sendall(head("/search", len(QUESTION)) + QUESTION[: i % (len(QUESTION) + 1)])
            connection.close()


def check_slow_readers(server):
    """Answers of megabytes that nobody takes."""
    body = json.dumps({"model": "trigrams", "input": ["rain"] * 64}).encode()
    with Bystander(server, "slow readers"):
        readers = []
        for _ in range(16):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", server.port))
            connection.sendall(head("/v1/embeddings", len(body)) + body)
            readers.append(connection)
        time.sleep(2)
        for connection in readers:
            connection.settimeout(30)
            check("a slow reader's answer begins well", status_of(connection) == 200)
            connection.close()


def check_slow_writers(server):
    with Bystander(server, "slow writers"):
        writers = [connect(server) for _ in range(20)]
        message = head("/search", len(QUESTION)) + QUESTION
        for at in range(0, len(message), 8):
            for connection in writers:
                connection.sendall(message[at : at + 8])
            time.sleep(0.05)
        for connection in writers:
            check("a slow writer is answered", status_of(connection) == 200)
            connection.close()


def check_huge(server):
    """A hundred megabytes, announced and in chunks, and what is announced but cannot be meant."""
    before = server.metric("serve_resident_bytes")
    block = b" " * (1 << 20)
    with Bystander(server, "huge bodies"):
        for _ in range(4):
            connection = connect(server)
            connection.sendall(head("/search", 100 << 20))
            for _ in range(100):
                connection.sendall(block)
            check("100 MB", status_of(connection) == 413)
            connection.close()
        connection = connect(server)
        connection.sendall(b"POST /search HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(100):
            connection.sendall(b"100000\r\n" + block + b"\r\n")
        connection.sendall(b"0\r\n\r\n")
        check("100 MB in chunks", status_of(connection) == 413)
        connection.close()
        for size in (1 << 40, 2**63 - 1):
            connection = connect(server)
            connection.sendall(head("/search", size))
            check(f"{size} bytes announced", status_of(connection) == 413)
            connection.close()
    grown = server.metric("serve_resident_bytes") - before
    check("huge bodies leave nothing", grown < 64 << 20, grown)


def check_bodies(server):
    """What no JSON library may be asked to bear: deep, and not of letters."""
    before = server.metric("serve_resident_bytes")
    million = 1_000_000
    bodies = [b'{"query": ' + b"[" * million, b'{"query": ' + b"[" * million + b"]" * million + b"}",
              b'{"query":' * (million // 4), b'{"a":' * (million // 2) + b"1" + b"}" * (million // 2),
              b'{"query": "' + b"\xff" * million + b'"}', b'{"query": "' + b"\xe2\x82" * (million // 2) + b'"}',
              b'{"query": "' + b"\\ud800" * (million // 6) + b'"}', b'{"query": "\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80"}']
    with Bystander(server, "deep JSON and bad UTF-8"):
        for _ in range(5):
            for body in bodies:
                for path in ("/search", "/v1/embeddings"):
                    status, answer = server.post(path, body)
                    check(f"{body[:20]} to {path}", status == 400 and "message" in answer["error"], (status, answer))
    grown = server.metric("serve_resident_bytes") - before
    check("deep JSON leaves nothing", grown < 64 << 20, grown)


def check_heads(server):
    """Headers that are too long, too many, or none."""
    for name, message in (
        ("a long path", b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n"),
        ("a long header", b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 100000 + b"\r\n\r\n"),
        ("many headers", b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: a\r\n" * 20000 + b"\r\n"),
        ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500) + b"\r\n\r\n"),
        ("a length that is none", b"POST /search HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n"),
        ("a negative length", b"POST /search HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"),
        ("no such version", b"GET / HTTP/9.9\r\nHost: x\r\n\r\n"),
    ):
        connection = connect(server)
        try:
            connection.sendall(message)
        except ConnectionError:
            pass
        status = status_of(connection)
        check(name, status in (0, 400, 413, 414, 431, 505), status)
        connection.close()


def check_many(server):
    """Two thousand connections, each of which asks once and stays."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(2000, (limit[1] if limit[1] > 0 else 4096) - 200)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, limit[1]), limit[1]))
    with Bystander(server, f"{count} connections"):
        connections = [connect(server) for _ in range(count)]
        for connection in connections:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        statuses = {status_of(connection) for connection in connections}
        check("each of many connections is answered", statuses == {200}, statuses)
        check("all at once", server.metric("serve_connections") >= count)
        for connection in connections:
            connection.close()


PIECES = [b'{"query":', b'"', b"}", b"{", b"[", b"]", b",", b":", b"null", b"true", b"1e999", b"-0", b"\\u0000",
          b"\\ud800", b"\xff", b"\xe2\x82", b'"input":', b'"model":"trigrams"', b'"top":', b"3", b" ", b"\0",
          "\N{COMBINING ACUTE ACCENT}".encode() * 50, b"[MASK]", b"x" * 300, b'"encoding_format":"base64"']
GOOD = [QUESTION, json.dumps({"model": "trigrams", "input": ["rain", "sun"]}).encode(),
        json.dumps({"query": "\N{SNOWMAN} ship \u4e2d\u6587", "top": 20}).encode()]


def draw_body(chance):
    if chance.random() < 0.3:
        return b"".join(chance.choice(PIECES) for _ in range(chance.randrange(40)))
    body = bytearray(chance.choice(GOOD))
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(body) + 1)
        kind = chance.randrange(4)
        if kind == 0:
            body[at:at] = chance.choice(PIECES)
        elif kind == 1:
            body[at : at + chance.randrange(8)] = b""
        elif kind == 2:
            body[at : at + 1] = bytes([chance.randrange(256)])
        else:
            body[at:at] = body[:at]
    return bytes(body[:100000])


def fuzz(server, seed, end, seen):
    chance = random.Random(seed)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    while time.monotonic() < end:
        body = draw_body(chance)
        path = chance.choice(("/search", "/v1/embeddings"))
        connection.request("POST", path, body)
        response = connection.getresponse()
        answer = response.read()
        seen[response.status] = seen.get(response.status, 0) + 1
        try:
            json.loads(answer)
            right = response.status in (200, 400, 404, 413)
        except ValueError:
            right = False
        check("an answer to drawn bytes", right, (path, body, response.status, answer))
    connection.close()


def check_fuzz(server):
    counts = [{} for _ in range(4)]
    end = time.monotonic() + SECONDS
    with Bystander(server, "bytes drawn at random"):
        threads = [threading.Thread(target=fuzz, args=(server, SEED * 1000 + i, end, seen))
                   for i, seen in enumerate(counts)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    total = {status: sum(seen.get(status, 0) for seen in counts) for seen in counts for status in seen}
    print(f"bytes drawn at random, seed {SEED}: {dict(sorted(total.items()))}")
    check("both kinds come", total.get(200, 0) > 0 and total.get(400, 0) > 0, total)


def held(server):
    """What the server holds; the workers of Weir's, which are begun at need and stay, apart."""
    now = server.metrics("serve_", (
        "streams", "threads", "weir_threads", "connections", "requests_in_flight", "array_bytes"))
    now["threads"] -= now.pop("weir_threads")
    return now


def held_alone(server):
    """The same at a moment when there is nothing but the question."""
    seen = []

    def is_alone():
        seen.append(held(server))
        return seen[-1]["requests_in_flight"] == seen[-1]["connections"] == 1

    check("nothing but the question", becomes(is_alone))
    return seen[-1]


def check_nothing_left(server, before):
    check("nothing is left", becomes(lambda: held(server) == before), (before, held(server)))


with tempfile.TemporaryDirectory() as room:
    folder = make_folder(room)
    # Trigrams: what is tried here is the server, which is busier when it does not wait for the model.
    for mode in MODES:
        print(mode)
        with Server(PROGRAM, "--model=" + room, mode, str(folder)) as server:
            server.await_index()
            with Bystander(server, "nobody else"):
                time.sleep(1)
            first = held_alone(server)
            for attack in (check_heads, check_bodies, check_gone, check_slow_writers, check_slow_readers, check_huge,
                           check_many, check_half_requests, check_fuzz):
                attack(server)
            check_nothing_left(server, first)
            check("drained", server.end() == 0)
sys.exit(bool(failures))
