"""The server of examples/serve from the outside: answers, messages, status codes, signals.
Usage: serve_test.py PROGRAM"""

import base64
import http.client
import json
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

from serving import Server, becomes, check, failures, make_folder

PROGRAM = sys.argv[1]


def decode(text):
    raw = base64.b64decode(text)
    return struct.unpack(f"<{len(raw) // 4}f", raw)


def near(a, b, bound=1e-5):
    return len(a) == len(b) and all(abs(x - y) <= bound for x, y in zip(a, b))


def check_embeddings(server, model):
    name = {"model": model}
    path = "/v1/embeddings"
    status, answer = server.post(path, {"input": "a stream", **name})
    row = answer["data"][0]["embedding"]
    check("one text", status == 200 and answer["object"] == "list" and len(answer["data"]) == 1)
    check("its form", answer["data"][0]["object"] == "embedding" and answer["data"][0]["index"] == 0)
    check("its model", answer["model"] == model)
    check("its usage", answer["usage"]["prompt_tokens"] == answer["usage"]["total_tokens"] > 0)
    check("its length is 1", abs(sum(x * x for x in row) - 1) < 1e-4)
    status, answer = server.post(path, {"input": ["other", "a stream", "b" * 5000], **name})
    check("three texts", status == 200 and [d["index"] for d in answer["data"]] == [0, 1, 2])
    check("the same beside others", near(answer["data"][1]["embedding"], row))
    status, answer = server.post(path, {"input": "a stream", "encoding_format": "base64", **name})
    check("base64", status == 200 and near(decode(answer["data"][0]["embedding"]), row))
    status, answer = server.post(path, {"input": "a stream", "model": "sentence-transformers/" + model})
    check("the model's long name", status == 200)
    status, answer = server.post(path, {"input": ["a"] * 2048, **name})
    check("2048 texts", status == 200 and len(answer["data"]) == 2048)
    for wrong, want, parameter in (
        ({"input": "x"}, 400, "model"),
        ({"input": "x", "model": 3}, 400, "model"),
        ({"input": "x", "model": "gpt"}, 404, "model"),
        ({**name}, 400, "input"),
        ({"input": "", **name}, 400, "input"),
        ({"input": [], **name}, 400, "input"),
        ({"input": ["x", ""], **name}, 400, "input"),
        ({"input": ["x", 3], **name}, 400, "input"),
        ({"input": [1, 2], **name}, 400, "input"),
        ({"input": {"a": 1}, **name}, 400, "input"),
        ({"input": ["a"] * 2049, **name}, 400, "input"),
        ({"input": "x", "encoding_format": "int8", **name}, 400, "encoding_format"),
        ({"input": "x", "dimensions": 7, **name}, 400, "dimensions"),
    ):
        status, answer = server.post(path, wrong)
        error = answer.get("error", {})
        check(f"{str(wrong)[:60]}", status == want and error.get("param") == parameter, (status, answer))


def check_bodies(server):
    for name, body in (
        ("no JSON", b"{"),
        ("nothing", b""),
        ("a list", b"[]"),
        ("a number", b"3"),
        ("no UTF-8", b'{"query": "\xff\xfe"}'),
        ("half a letter", b'{"query": "\xe2\x82"}'),
        ("half a surrogate", b'{"query": "\\ud800"}'),
        ("deep", b'{"query": ' + b"[" * 1_000_000),
        ("deep objects", b'{"a":' * 500_000),
        ("a huge number", b'{"query": "a", "top": 1e999}'),
        ("bytes behind", b'{"query": "a"} x'),
    ):
        for path in ("/search", "/v1/embeddings"):
            status, answer = server.post(path, body)
            check(f"{name} to {path}", status == 400 and "message" in answer["error"], status)
    for top in (0, 21, -1, "3", 1.5, None, [], 10**30):
        status, _ = server.post("/search", {"query": "rain", "top": top})
        check(f"top {top}", status == 400, status)
    status, _ = server.post("/search", {"query": "a\0b \N{PILE OF POO} " + "\u0301" * 2000})
    check("zeros and marks", status == 200)
    status, _ = server.post("/search", b" " * (4 << 20) + b'{"query": "a"}')
    check("more than 4 MB", status == 413, status)
    status, _ = server.post("/search", b'{"query": "' + b"a" * 4_000_000 + b'"}')
    check("nearly 4 MB", status == 200, status)


def check_routes(server):
    status, headers, body = server.ask("GET", "/")
    check("the page", status == 200 and b"<title>" in body and headers["Content-Type"].startswith("text/html"))
    status, headers, body = server.ask("HEAD", "/")
    check("HEAD", status == 200 and body == b"" and int(headers["Content-Length"]) > 1000)
    for method, path, allow in (("GET", "/search", "POST"), ("PUT", "/search", "POST"), ("POST", "/", "GET"),
                                ("DELETE", "/metrics", "GET"), ("GET", "/v1/embeddings", "POST")):
        status, headers, _ = server.ask(method, path)
        check(f"{method} {path}", status == 405 and headers["Allow"] == allow, status)
    for path in ("/nowhere", "/search/", "//", "/%00", "/../etc/passwd", "/" + "a" * 4000):
        status, _, _ = server.ask("GET", path)
        check(f"GET {path[:30]}", status == 404, status)
    status, _, body = server.ask("GET", "/v1/models")
    model = json.loads(body)["data"][0]["id"]
    status, headers, body = server.ask("GET", "/metrics")
    check("the counts", status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4"))
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", body.decode(), re.MULTILINE))
    for line in body.decode().splitlines():
        match = re.fullmatch(r'(\w+)(\{\w+="[^"]*"(,\w+="[^"]*")*\})? [-+.e\d]+', line)
        known = match and (match[1] in kinds or re.sub("_(bucket|sum|count)$", "", match[1]) in kinds)
        check(f"the line {line}", line.startswith("# ") or known)
    return model


def check_search(server, folder):
    status, answer = server.post("/search", {"query": "rainfall in plains", "top": 1})
    hit = answer["hits"][0]
    check("the fourth line", (hit["file"], hit["line"]) == (f"{folder}/one", 4), hit)
    check("its text", hit["text"] == "Rain falls mainly\nin the plain.\n")
    status, answer = server.post("/search", {"query": "ship", "top": 20})
    scores = [hit["score"] for hit in answer["hits"]]
    check("all there are", len(scores) == 3 and scores == sorted(scores, reverse=True), scores)
    check("letters that were none", any("\N{REPLACEMENT CHARACTER}" in h["text"] for h in answer["hits"]))
    check("a folder below", answer["hits"][0]["file"] == f"{folder}/below/two")


def check_many(server):
    """Each of many at once gets its own answer."""
    wanted = {n: server.post("/search", {"query": f"rain {n}"}) for n in range(8)}
    wrong = []

    def client(number):
        for i in range(10):
            n = (number + i) % 8
            status, answer = server.post("/search", {"query": f"rain {n}"})
            hits = wanted[n][1]["hits"]
            if status != 200 or not near([h["score"] for h in answer["hits"]], [h["score"] for h in hits], 2e-5):
                wrong.append((status, answer))

    threads = [threading.Thread(target=client, args=(i,)) for i in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check("many at once", not wrong, wrong[:1])
    check("all are over", none_in_flight(server))


def check_reload(server, folder):
    (folder / "three").write_text("A lonely lighthouse on the rock.\n")
    server.process.send_signal(signal.SIGHUP)
    server.await_index(2)
    _, answer = server.post("/search", {"query": "lighthouse", "top": 1})
    check("a file that was added", answer["hits"][0]["file"] == f"{folder}/three", answer)


def none_in_flight(server):
    return becomes(lambda: server.others_in_flight() == 0)


def texts_wait(server):
    """A request with many texts is under way: what waits can be of no other."""
    return becomes(lambda: server.metric("serve_texts_waiting") > 0)


def check_given_up(server, model):
    """What has no time, or nobody who waits, is given up: most of its texts are never embedded."""
    texts = lambda: server.metric("serve_batch_texts_total")
    body = {"input": ["the quick brown fox jumps over the lazy dog"] * 2000, "model": model}
    before = texts()
    status, answer = server.post("/v1/embeddings", body, {"X-Timeout-Ms": "100"})
    check("no time", status == 504 and answer["error"]["code"] == "deadline", (status, answer))
    check("no time, none in flight", none_in_flight(server))
    text = json.dumps(body).encode()
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"POST /v1/embeddings HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(text))
        client.sendall(text)
        check("under way", texts_wait(server))
    check("nobody waits", none_in_flight(server))
    check("given up", texts() - before < 3000, texts() - before)
    counts = server.ask("GET", "/metrics")[2].decode()
    for code in (499, 504):
        check(f"{code} is counted", f'{{route="embeddings",code="{code}"}} 1\n' in counts, counts)
    check("nothing waits", server.metric("serve_texts_waiting") == 0)
    check("goes on", server.post("/search", {"query": "rain"})[0] == 200)


def least_budget(server, path, body, most):
    """The fewest bytes of arrays that the request does not need more than."""
    least = 0  # too few
    while most - least > 1:
        middle = (least + most) // 2
        status, answer = server.post(path, body, {"X-Memory-Bytes": str(middle)})
        if status == 200:
            most = middle
        elif check("over its budget", status == 413 and answer["error"]["code"] == "budget", (status, answer)):
            least = middle
        else:
            break
    return most


def check_budget(server, model):
    """R4: what a request's texts need is the same to the byte, whoever else asks: with a byte less it gets 413."""
    short, long = "a stream", "the quick brown fox jumps over the lazy dog " * 12
    bodies = [("/v1/embeddings", {"input": short, "model": model}, 1),
              ("/v1/embeddings", {"input": [short] * 20 + [long] + [short] * 20, "model": model}, 32),
              ("/search", {"query": long}, 1)]
    found = []
    for path, body, together in bodies:
        bound = (32 << 10) * together * 600
        bytes_needed = least_budget(server, path, body, bound)
        check("less than is thought to be safe", 0 < bytes_needed < bound, bytes_needed)
        found.append((path, body, bytes_needed))
    print(f"{model}: bytes that three requests need: {[needed for _, _, needed in found]}")
    check("more texts need more", found[0][2] < found[1][2], found)
    over, wrong = threading.Event(), []

    def others():
        while not over.is_set():
            status, answer = server.post("/search", {"query": "rain"})
            if status != 200 or not answer["hits"]:
                wrong.append((status, answer))

    threads = [threading.Thread(target=others) for _ in range(6)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        for path, body, needed in found:
            for budget, want in ((needed, 200), (needed - 1, 413)):
                status, answer = server.post(path, body, {"X-Memory-Bytes": str(budget)})
                check(f"{budget} bytes", status == want, (status, str(answer)[:200]))
    over.set()
    for thread in threads:
        thread.join()
    check("others notice nothing", not wrong, wrong[:1])
    _, answer = server.post("/search", {"query": "rain"}, {"X-Memory-Bytes": "1"})
    check("its words", "budget" in answer["error"]["message"], answer)
    check("nothing of it waits", server.metric("serve_texts_waiting") == 0)


def check_drain(server, model):
    """What is under way when the signal comes is answered, though half of it is not there yet; then nobody is let in."""
    body = json.dumps({"input": ["the quick brown fox"] * 400, "model": model}).encode()
    check("none before", none_in_flight(server))
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
        client.sendall(b"POST /v1/embeddings HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body))
        client.sendall(body[:len(body) // 2])
        check("it has begun", becomes(lambda: server.others_in_flight() == 1))
        server.process.send_signal(signal.SIGTERM)
        client.sendall(body[len(body) // 2:])
        answer = http.client.HTTPResponse(client)
        answer.begin()
        rows = json.loads(answer.read())["data"] if answer.status == 200 else []
    code = server.process.wait(timeout=30)
    check("drained", len(rows) == 400 and code == 0, (answer.status, code))
    try:
        socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
        check("closed", False)
    except OSError:
        pass


def check_server(folder, *arguments):
    with Server(PROGRAM, *arguments, str(folder)) as server:
        server.await_index()
        check("healthy", server.ask("GET", "/healthz")[0] == 200)
        model = check_routes(server)
        check_search(server, folder)
        check_embeddings(server, model)
        check_bodies(server)
        check_many(server)
        if model != "trigrams":
            check_reload(server, folder)
        check_budget(server, model)
        if model != "trigrams":
            check_given_up(server, model)
        check_drain(server, model)
    return model


def check_usage(folder):
    for arguments, want in (("--help", 0), ("--nonsense", 2), ("--port=65536", 2), ("--port=12x", 2),
                            ("--computing=0", 2), ("--drain=-1", 2), ("--clients=0", 2), ("--patience=0", 2), ("--budget=0", 2),
                            ("--address=nowhere", 1)):
        done = subprocess.run([PROGRAM, arguments, str(folder)], capture_output=True, text=True, timeout=60)
        check(arguments, done.returncode == want, done.stderr)


def check_demo(folder, *arguments):
    done = subprocess.run([PROGRAM, "--demo", "--requests=200", "--clients=8", *arguments, str(folder)],
                          capture_output=True, text=True, timeout=120)
    check("the demonstration", done.returncode == 0, done.stdout + done.stderr)
    rows = {name: re.search(rf"^ *{name} +(\d+) +(\d+)$", done.stdout, re.MULTILINE)
            for name in ("answers as from one thread", "different", "failed", "given up: late, as they had 2 ms",
                         "given up: the client had gone")}
    if check("its rows", all(rows.values()), done.stdout):
        counts = [[int(row[i]) for row in rows.values()] for i in (1, 2)]
        for same, different, failed, late, gone in counts:
            check("its answers", same + late + gone == 100 and different == failed == 0 and gone == 5, counts)
    check("its streams", re.search(r"^live streams +(\d+) +\d+ +\1$", done.stdout, re.MULTILINE), done.stdout)


with tempfile.TemporaryDirectory() as room:
    text = make_folder(room)
    check("an index of nothing", subprocess.run([PROGRAM, "--demo", room + "/none"], capture_output=True,
                                                timeout=60).returncode == 1)
    check_usage(text)
    model_there = check_server(text)
    if model_there != "trigrams":
        (text / "three").unlink()
        check("without a model", check_server(text, "--model=" + room) == "trigrams")
        (text / "three").unlink(missing_ok=True)
    check_server(text, "--loop")
    check_demo(text)
    check_demo(text, "--loop")
    if model_there != "trigrams":
        check_demo(text, "--model=" + room)
sys.exit(bool(failures))
