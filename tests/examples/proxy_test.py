"""Two servers of examples/serve behind nginx, and an index split over two: what docs/serving.md says of growing.
No request fails while one server is replaced by another, a client that goes away is seen through the proxy, and
the best of two halves are the best of the whole. Usage: proxy_test.py PROGRAM MODEL_FOLDER, without a model by
trigrams; skipped where there is no nginx."""

import json
import pathlib
import socket
import sys
import tempfile
import time

from serving import NGINX, Clients, Proxy, Server, becomes, check, failures, free_port, make_folder

PROGRAM = sys.argv[1]
MODEL = sys.argv[2] if (pathlib.Path(sys.argv[2]) / "model.safetensors").exists() else None


def start(port, model, *paths):
    server = Server(PROGRAM, "--model=" + model, *map(str, paths), port=port)
    server.__enter__()
    server.await_index()
    return server


class Users(Clients):
    """Eight, who take a connection that breaks for an answer too."""

    def __init__(self, proxy):
        super().__init__(8)
        self.proxy = proxy

    def ask(self, _):
        try:
            return self.proxy.post("/search", {"query": "rain in the plain", "top": 3})
        except (OSError, ValueError) as error:
            return 0, repr(error)


def asked(server):
    """How many questions a server has answered."""
    counts = server.ask("GET", "/metrics")[2].decode()
    return int(next((line.split()[1] for line in counts.splitlines()
                     if line.startswith('serve_requests_total{route="search",code="200"}')), 0))


def check_replacing(proxy, servers, model, folder):
    """Each server in turn ends, and another begins at its port."""
    with Users(proxy) as clients:
        time.sleep(0.5)
        check("both are asked", all(asked(server) > 0 for server in servers))
        for at, server in enumerate(servers):
            check("drained", server.end() == 0)
            server.__exit__()
            servers[at] = start(server.port, model, folder)
            check("the new one is asked", becomes(lambda: asked(servers[at]) > 0))
    check("no request failed", not clients.wrong, clients.wrong[:3])
    print(f"{len(clients.times)} requests while both servers were replaced, {len(clients.wrong)} failed")


def check_gone(proxy, servers):
    """A client that goes away from the proxy is gone for the server too."""
    name = json.loads(proxy.ask("GET", "/v1/models")[2])["data"][0]["id"]
    body = json.dumps({"input": ["the quick brown fox"] * 2000, "model": name}).encode()
    gone = lambda: sum('{route="embeddings",code="499"} 1\n' in server.ask("GET", "/metrics")[2].decode()
                       for server in servers)
    with socket.create_connection(("127.0.0.1", proxy.port)) as client:
        client.sendall(b"POST /v1/embeddings HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        check("under way", becomes(lambda: any(server.metric("serve_texts_waiting") for server in servers)))
    check("gone", becomes(lambda: gone() == 1))


def check_halves(room, model):
    """The hits of two servers with a half each, merged, are those of one with all."""
    halves = [pathlib.Path(room) / "half0", pathlib.Path(room) / "half1"]
    words = "rain sun ship harbour cat mat plain bar light rock sea road".split()
    for number, half in enumerate(halves):
        half.mkdir()
        for i in range(20):
            (half / f"{i}").write_text(" ".join(words[(i * 5 + k * (2 + number)) % 12] for k in range(6)) + f" {i}\n")
    servers = [start(0, model, half) for half in halves] + [start(0, model, *halves)]
    for query in ("rain", "ships in the harbour", "a cat at sea"):
        answers = [server.post("/search", {"query": query, "top": 5})[1]["hits"] for server in servers]
        merged = sorted(answers[0] + answers[1], key=lambda hit: -hit["score"])[:5]
        check("the best of both halves", [round(hit["score"], 5) for hit in merged]
              == [round(hit["score"], 5) for hit in answers[2]], (merged, answers[2]))
    for server in servers:
        check("ends", server.end() == 0)
        server.__exit__()


if NGINX is None:
    print("skipped: there is no nginx")
    sys.exit(77)
with tempfile.TemporaryDirectory() as room:
    folder = make_folder(room)
    model = MODEL or room
    servers = [start(free_port(), model, folder) for _ in range(2)]
    with Proxy([server.port for server in servers]) as proxy:
        check_replacing(proxy, servers, model, folder)
        if MODEL:
            check_gone(proxy, servers)
    for server in servers:
        check("ends", server.end() == 0)
        server.__exit__()
    check_halves(room, model)
sys.exit(bool(failures))
