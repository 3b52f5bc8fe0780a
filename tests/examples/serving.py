"""The server of examples/serve as a test has it: on a free port, until a block ends."""

import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

failures = []


def check(name, held, what=""):
    if not held:
        failures.append(name)
        print("FAILED:", name, what)
    return held


def becomes(holds, seconds=20):
    """Whether `holds()` is true at some moment of the next seconds: for what a server says of itself. It counts a
    request as in flight until after its answer's last byte, so whoever has an answer may still see it there."""
    end = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < end:
        time.sleep(0.005)
    return held


class Server:
    """The program on a free port, until the block ends."""

    questions = 0  # of /metrics, that have been asked

    def __init__(self, program, *arguments, port=0):
        self.command = [str(program), f"--port={port}", *arguments]

    def __enter__(self):
        self.process = subprocess.Popen(
            self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        match = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/\n", line)
        if not match:
            raise SystemExit(f"the server did not start: {line} {self.process.stderr.read()}")
        self.port = int(match[1])
        if any(argument.startswith("--admin=") for argument in self.command):
            line = self.process.stdout.readline()
            self.admin = int(re.fullmatch(r"http://127\.0\.0\.1:(\d+)/debug/streams\n", line)[1])
        return self

    def __exit__(self, *unused):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def end(self, number=signal.SIGTERM, seconds=30):
        self.process.send_signal(number)
        return self.process.wait(timeout=seconds)

    def ask(self, method, path, body=None, headers={}, port=None):
        """Status, headers and body of an answer; of another port than the clients', if one is given."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=60)
        self.questions += (method, path, port) == ("GET", "/metrics", None)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def post(self, path, value, headers={}):
        body = value if isinstance(value, (bytes, str)) else json.dumps(value)
        status, _, answer = self.ask("POST", path, body, headers)
        return status, json.loads(answer)

    def await_index(self, built=1):
        end = time.monotonic() + 120
        while time.monotonic() < end:
            if self.metric("serve_indexes_built_total") >= built and not self.metric("serve_indexing"):
                return
            time.sleep(0.02)
        raise SystemExit("no index")

    def ask_admin(self, method, path, headers={}):
        """Status and text of an answer at the port for who runs the server."""
        status, _, body = self.ask(method, path, None, headers, self.admin)
        return status, body.decode()

    def metrics(self, prefix, names):
        """Several of one answer, without the prefix that their names have there."""
        text = self.ask("GET", "/metrics")[2].decode()
        return {name: float(re.search(rf"^{re.escape(prefix + name)} (\S+)$", text, re.MULTILINE)[1])
                for name in names}

    def others_in_flight(self):
        """Requests in flight that are not questions for the counts, where one thread asks those: this question is
        in flight, and former ones that are not yet counted as answered."""
        now = self.metrics("serve_requests_", ["in_flight", 'total{route="metrics",code="200"}'])
        return now["in_flight"] - (self.questions - now['total{route="metrics",code="200"}'])

    def metric(self, name):
        return self.metrics("", [name])[name]


NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
# As docs/serving.md has it, but for where things lie and the port.
PROXY = """daemon off;
{user}
error_log stderr;
pid {room}/pid;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {room}/body;
  proxy_temp_path {room}/proxy;
  fastcgi_temp_path {room}/fastcgi;
  uwsgi_temp_path {room}/uwsgi;
  scgi_temp_path {room}/scgi;
  upstream serve {{ least_conn; {servers} }}
  client_max_body_size 4m;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://serve;
      proxy_http_version 1.1;
      proxy_next_upstream error timeout http_503 non_idempotent;
    }}
  }}
}}
"""


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Proxy(Server):
    """nginx in front of servers at some ports, until the block ends; asked as a server is."""

    def __init__(self, ports):
        self.ports = ports

    def __enter__(self):
        self.room = tempfile.TemporaryDirectory()
        self.port = free_port()
        servers = " ".join(f"server 127.0.0.1:{port} max_fails=0;" for port in self.ports)
        config = pathlib.Path(self.room.name) / "nginx.conf"
        config.write_text(PROXY.format(user="" if os.getuid() else "user root;", room=self.room.name, servers=servers, port=self.port))
        self.process = subprocess.Popen([NGINX, "-p", self.room.name, "-c", str(config)], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        end = time.monotonic() + 30
        while self.process.poll() is None and time.monotonic() < end:
            try:
                self.ask("GET", "/healthz")
                return self
            except ConnectionRefusedError:
                time.sleep(0.01)
        raise SystemExit(f"nginx did not start: {self.process.communicate()}")

    def __exit__(self, *unused):
        self.process.terminate()  # its workers too
        self.process.communicate()
        self.room.cleanup()


def make_folder(room):
    folder = pathlib.Path(room) / "text"
    (folder / "below").mkdir(parents=True)
    (folder / "one").write_text("The cat sat on the mat.\n\n\nRain falls mainly\nin the plain.\n")
    (folder / "below" / "two").write_bytes(b"-----\n\nShips sail over the harbour bar.\xff\xfe\n")
    (folder / ".hidden").write_text("Not read twice: a link to rain.\n")
    (folder / "link").symlink_to("one")
    (folder / "image").write_bytes(b"one\0two\n")
    return folder


class Clients:
    """So many who ask without a pause, each by `ask(number)`, while the block lasts: a status and an answer."""

    def __init__(self, count):
        self.count, self.over, self.wrong, self.times = count, threading.Event(), [], []

    def run(self, number):
        while not self.over.is_set():
            begin = time.monotonic()
            status, answer = self.ask(number)
            self.times.append(time.monotonic() - begin)
            if status != 200:
                self.wrong.append((status, answer))

    def __enter__(self):
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(self.count)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *unused):
        self.over.set()
        for thread in self.threads:
            thread.join()
