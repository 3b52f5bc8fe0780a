"""What whoever runs the server of examples/serve asks of it, beside clients that ask all the time: what it is
at, a trace, another model. No request fails meanwhile, each answer is one model's and not a mixture, and
nothing of an old model is left. Usage: admin_test.py PROGRAM MODEL_FOLDER, which is skipped without a model."""

import json
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time

from serving import Clients, Server, becomes, check, failures, make_folder

PROGRAM, MODEL = sys.argv[1], pathlib.Path(sys.argv[2])
TEXT = "rain in the plain"


def make_other(folder):
    """A model with other values: 0.5 is added to the last layer's first biases."""
    folder.mkdir()
    shutil.copy(MODEL / "vocab.txt", folder)
    raw = bytearray((MODEL / "model.safetensors").read_bytes())
    size = struct.unpack_from("<Q", raw)[0]
    at = 8 + size + json.loads(raw[8 : 8 + size])["encoder.layer.5.output.LayerNorm.bias"]["data_offsets"][0]
    values = struct.unpack_from("<64f", raw, at)
    struct.pack_into("<64f", raw, at, *(value + 0.5 for value in values))
    (folder / "model.safetensors").write_bytes(raw)


def make_bad(room):
    """Folders that are no model, and a word of why each is not."""
    bads = {}
    for name, why in (("empty", "no model"), ("cut", "model.safetensors"), ("none", "rows are none"),
                      ("words", "vocabulary")):
        folder = bads[name] = (room / f"bad-{name}", why)
        folder[0].mkdir()
        if name != "empty":
            (folder[0] / "vocab.txt").write_bytes((MODEL / "vocab.txt").read_bytes())
    raw = bytearray((MODEL / "model.safetensors").read_bytes())
    (bads["cut"][0] / "model.safetensors").write_bytes(raw[: len(raw) // 2])
    (bads["words"][0] / "model.safetensors").write_bytes(raw)
    (bads["words"][0] / "vocab.txt").write_text("[UNK]\n[CLS]\n[SEP]\nrain\n")
    size = struct.unpack_from("<Q", raw)[0]
    at = 8 + size + json.loads(raw[8 : 8 + size])["encoder.layer.5.output.LayerNorm.bias"]["data_offsets"][0]
    struct.pack_into("<f", raw, at, float("nan"))
    (bads["none"][0] / "model.safetensors").write_bytes(raw)
    return bads.values()


def point(link, folder):
    """The link becomes one to the folder, at once."""
    new = link.with_name("new")
    new.symlink_to(folder)
    new.rename(link)


class Users(Clients):
    """Four, of whom every other one keeps the rows that it gets."""

    def __init__(self, server):
        super().__init__(4)
        self.server, self.rows = server, []

    def ask(self, number):
        if number % 2 == 0:
            return self.server.post("/search", {"query": TEXT, "top": 1})
        status, answer = self.server.post("/v1/embeddings", {"input": TEXT, "model": "all-MiniLM-L6-v2"})
        if status == 200:
            self.rows.append(answer["data"][0]["embedding"])
        return status, answer

    def __exit__(self, *unused):
        super().__exit__(*unused)
        check("none failed", not self.wrong and self.times, self.wrong[:2])

    def say(self, what):
        times = sorted(self.times)
        print(f"{what}: {len(times)} answers, median {1e3 * times[len(times) // 2]:.1f} ms, "
              f"99th percentile {1e3 * times[len(times) * 99 // 100]:.1f} ms, the longest {1e3 * times[-1]:.0f} ms")


def row(server):
    return server.post("/v1/embeddings", {"input": TEXT, "model": "all-MiniLM-L6-v2"})[1]["data"][0]["embedding"]


def near(a, b):
    return all(abs(x - y) < 1e-5 for x, y in zip(a, b))


def reload(server):
    """Orders one, and waits for what comes of it."""
    status, text = server.ask_admin("POST", "/admin/reload")
    check("ordered", status == 202 and json.loads(text) == {"state": "loading"}, (status, text))
    end = time.monotonic() + 120
    while time.monotonic() < end:
        state = json.loads(server.ask_admin("GET", "/admin/reload")[1])
        if state["state"] == "serving":
            return state
        time.sleep(0.01)
    raise SystemExit("the reload does not end")


def held(server):
    return [server.metric("serve_" + name) for name in ("array_bytes", "streams")]


def falls_to(seen, before):
    """What was seen before may have had a row in it that its thread had not let go of yet."""
    return becomes(lambda: all(now <= most for now, most in zip(seen(), before)))


def check_reload(server, link, other):
    one = row(server)
    before = held(server)
    with Users(server) as clients:
        time.sleep(2)
    clients.say("clients by themselves")
    with Users(server) as clients:
        point(link, other)
        state = reload(server)
        check("it went well", state["reloads"] == 1 and state["failures"] == 0 and state["error"] is None, state)
        two = row(server)
        point(link, MODEL)
        reload(server)
        check("and back", near(row(server), one))
    clients.say("clients beside two reloads")
    check("it is another model", not near(one, two))
    kinds = [near(got, one) - near(got, two) for got in clients.rows]
    check("each row is one model's", all(kinds) and -1 in kinds and 1 in kinds, kinds)
    check("nothing of it is left", falls_to(lambda: held(server), before), (before, held(server)))


def check_failed_reloads(server, link, bads):
    before, one = held(server), row(server)
    good = json.loads(server.ask_admin("GET", "/admin/reload")[1])
    with Users(server) as clients:
        for number, (folder, why) in enumerate(bads, 1):
            point(link, folder)
            state = reload(server)
            check(f"{folder.name} fails", state["failures"] == number and state["reloads"] == good["reloads"], state)
            check(f"{folder.name}: why", why in (state["error"] or ""), state)
            check(f"{folder.name}: the old one serves", near(row(server), one))
    check("all by the old one", all(near(got, one) for got in clients.rows))
    point(link, MODEL)
    check("healed", reload(server)["error"] is None)
    check("nothing of them is left", falls_to(lambda: held(server), before), (before, held(server)))


def check_debug(server):
    with Users(server):
        for _ in range(20):
            status, text = server.ask_admin("GET", "/debug/streams")
            check("what it is at", status == 200 and text.startswith("weir"), (status, text[:200]))
        begin = time.monotonic()
        status, text = server.ask_admin("GET", "/debug/trace?seconds=0.5")
        check("a trace", status == 200 and time.monotonic() - begin >= 0.5, status)
        names = {event.get("name", "") for event in json.loads(text)}
        check("with the model's commands", any("matmul" in name or "addmm" in name for name in names), names)
        answers = []
        both = [threading.Thread(target=lambda: answers.append(server.ask_admin("GET", "/debug/trace?seconds=1")[0]))
                for _ in range(2)]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
        check("one at a time", sorted(answers) == [200, 409], answers)
    for seconds in ("0", "-1", "61", "x", "", "nan"):
        status, _ = server.ask_admin("GET", f"/debug/trace?seconds={seconds}")
        check(f"{seconds} seconds", status == 400, status)
    for method, path, want in (("GET", "/", 404), ("POST", "/debug/streams", 405), ("GET", "/admin/reload", 200)):
        check(f"{method} {path}", server.ask_admin(method, path)[0] == want)
    status, _ = server.ask_admin("POST", "/admin/reload", {"Origin": "http://elsewhere.example"})
    check("not from a page", status == 403, status)
    for method, path in (("GET", "/debug/streams"), ("GET", "/debug/trace"), ("POST", "/admin/reload")):
        check(f"{path} is not for clients", server.ask(method, path)[0] == 404)


def check_end(server):
    """A trace that is being made ends with the server, and is whole."""
    answers = []
    ask = lambda: answers.append(server.ask_admin("GET", "/debug/trace?seconds=60"))
    thread = threading.Thread(target=ask)
    thread.start()
    while server.ask_admin("GET", "/debug/trace?seconds=0.001")[0] != 409:
        if answers:  # this one was in its way
            thread.join()
            answers.clear()
            thread = threading.Thread(target=ask)
            thread.start()
    begin = time.monotonic()
    check("ends", server.end() == 0 and time.monotonic() - begin < 20)
    thread.join()
    check("a whole trace", answers[0][0] == 200 and isinstance(json.loads(answers[0][1]), list))


if not (MODEL / "model.safetensors").exists():
    print("skipped: there is no model")
    sys.exit(77)
with tempfile.TemporaryDirectory() as room:
    room = pathlib.Path(room)
    folder = make_folder(room)
    make_other(room / "other")
    bads = list(make_bad(room))
    link = room / "model"
    taken = subprocess.run([PROGRAM, "--port=0", "--admin=70000"], capture_output=True, timeout=60)
    check("no such port", taken.returncode == 2)
    for mode in ([], ["--loop"]):
        link.unlink(missing_ok=True)
        link.symlink_to(MODEL)
        with Server(PROGRAM, "--admin=0", f"--model={link}", *mode, str(folder)) as server:
            server.await_index()
            check_reload(server, link, room / "other")
            check_failed_reloads(server, link, bads)
            check_debug(server)
            check_end(server)
sys.exit(bool(failures))
