"""Asks a process what Weir is at there, and prints it: first what everything else waits for, then
streams, threads and requests. The process must have been started with WEIR_DUMP_SIGNAL in its
environment, a signal such as USR2: so a thread of the library's waits for that signal, also while
all others hang. Without it a debugger can do the same: gdb -p PID -batch -ex 'call (int)weir_dump(2)'."""

import ctypes
import os
import pathlib
import platform
import secrets
import signal
import socket
import struct

from weirtool.failure import Failure

SUMMARY = "what Weir is at in a process that runs, or hangs"
ASKS = 0x5E9AB7D0  # the upper half of the signal's value; src/stream/dump_signal.c


def add_arguments(parser):
    parser.add_argument("pid", type=int, metavar="PID", help="the process")
    parser.add_argument("--timeout", type=float, default=10, metavar="SECONDS",
                        help="how long it may take to answer (10)")


def read(pid, name):
    try:
        return pathlib.Path(f"/proc/{pid}/{name}").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        raise Failure(f"there is no process {pid}") from None
    except PermissionError:
        raise Failure(f"process {pid} is another user's") from None


def wanted_signal(pid):
    """The number that the variable names there, as the library reads it; None: it is not set."""
    prefix = b"WEIR_DUMP_SIGNAL="
    for entry in read(pid, "environ").split(b"\0"):
        if entry.startswith(prefix):
            text = entry[len(prefix):].decode(errors="replace")
            if text.isdigit():
                return int(text)
            return getattr(signal, "SIG" + text.removeprefix("SIG"), None)
    return None


def listener_of(pid):
    """The number of the library's thread there, None where it is not: then the signal might end the
    process."""
    try:
        tasks = list(pathlib.Path(f"/proc/{pid}/task").iterdir())
    except FileNotFoundError:
        raise Failure(f"there is no process {pid}") from None
    for task in tasks:
        try:
            if (task / "comm").read_text().strip() == "weir-dump":
                return int(task.name)
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
    return None


class Info(ctypes.Structure):
    """The system's siginfo_t, of a signal that was queued."""
    _fields_ = [("signo", ctypes.c_int), ("errno", ctypes.c_int), ("code", ctypes.c_int),
                ("padding", ctypes.c_int), ("pid", ctypes.c_int), ("uid", ctypes.c_uint),
                ("value", ctypes.c_uint64), ("rest", ctypes.c_char * 96)]


SI_QUEUE = -1
TO_A_THREAD = {"x86_64": 297, "aarch64": 240}  # rt_tgsigqueueinfo, which glibc has no function for


def send(pid, thread, number, value):
    """To that thread alone, where the system's call is known: no other one is interrupted."""
    libc = ctypes.CDLL(None, use_errno=True)
    call = TO_A_THREAD.get(platform.machine())
    if call and ctypes.sizeof(ctypes.c_void_p) == 8:
        info = Info(number, 0, SI_QUEUE, 0, os.getpid(), os.getuid(), value)
        failed = libc.syscall(call, pid, thread, number, ctypes.byref(info))
    else:
        failed = libc.sigqueue(pid, number, ctypes.c_void_p(value))
    if failed:
        raise Failure(f"process {pid} cannot be sent a signal: {os.strerror(ctypes.get_errno())}")


def receive(listener, pid):
    """What the first process writes that may: this user's, or the superuser's."""
    while True:
        connection, _ = listener.accept()
        with connection:
            peer, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET,
                                                                     socket.SO_PEERCRED, 12))
            if peer != pid and uid not in (0, os.geteuid()):
                continue
            connection.settimeout(listener.gettimeout())
            text = b""
            while piece := connection.recv(1 << 16):
                text += piece
            return text


def ask(pid, timeout):
    number, thread = wanted_signal(pid), listener_of(pid)
    if not number or not thread:
        raise Failure(f"process {pid} does not listen: start it with WEIR_DUMP_SIGNAL=USR2")
    token = secrets.randbits(32)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(f"\0weir-dump-{token:08x}")
        listener.listen(1)
        listener.settimeout(timeout)
        send(pid, thread, number, ASKS << 32 | token)
        try:
            return receive(listener, pid)
        except TimeoutError:
            raise Failure(f"process {pid} does not answer within {timeout:g} s; it may have written to "
                          "its own stderr") from None


def run(options):
    print(ask(options.pid, options.timeout).decode(errors="replace"), end="")
    return 0
