"""Runs inside a pod: starts the container's process, joins the pod's network to the cluster's, and says how it ended.

    python -I -S shim.py FOLDER
    python -I -S shim.py try COMMAND...

FOLDER holds `spec.json` and is shared with the kubelet. Only the standard library is here. The kubelet asks through the
socket `shim` (one JSON request a connection); the pod asks for connections through the socket `net`. An open connection
is handed over as a file descriptor, so bytes are pumped here and nowhere else.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

SIOCSIFADDR, SIOCSIFNETMASK, SIOCSIFFLAGS = 0x8916, 0x891C, 0x8914
UP_RUNNING_LOOPBACK = 0x1 | 0x40 | 0x8
LOOK_SECONDS = 0.5
OUTPUT_MAX = 64_000


def add_address(name: str, address: str, mask: str) -> None:
    """Give the loopback interface a whole network: everything in it is then this pod's own."""

    def request(content: bytes) -> bytes:
        return struct.pack("16s16s", name.encode(), content).ljust(40, b"\0")

    def place(text: str) -> bytes:
        return struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(text))

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFADDR, request(place(address)))
        fcntl.ioctl(control, SIOCSIFNETMASK, request(place(mask)))
        fcntl.ioctl(control, SIOCSIFFLAGS, request(struct.pack("H", UP_RUNNING_LOOPBACK)))


def pump(source: socket.socket, target: socket.socket) -> None:
    """Move bytes one way until one side ends."""
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def join(one: socket.socket, other: socket.socket) -> None:
    """Move bytes both ways, each as soon as it is there, and close both."""
    for end in (one, other):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    back = threading.Thread(target=pump, args=(other, one), daemon=True)
    back.start()
    pump(one, other)
    back.join()
    one.close()
    other.close()


class Shim:
    """One pod."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._spec = json.loads((folder / "spec.json").read_text())
        self._is_oom, self._peak = False, 0

    def run(self) -> int:
        """Run the container to its end; its exit code."""
        for number, (address, mask) in enumerate(self._spec["addresses"]):
            add_address(f"lo:{number}", address, mask)
        for address, port in self._spec["listen"]:
            listening = socket.create_server((address, port))
            threading.Thread(target=self._accept, args=(listening, self._out), daemon=True).start()
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(self._spec["argv"]),
                env=self._spec["env"],
                cwd=self._spec["cwd"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        asked = socket.socket(socket.AF_UNIX)
        asked.bind(str(self._folder / "shim"))
        asked.listen(64)
        threading.Thread(target=self._accept, args=(asked, self._asked), daemon=True).start()
        (self._folder / "started").touch()
        threading.Thread(target=self._watch_memory, daemon=True).start()
        code = self._process.wait()
        self._kill_all()
        return 128 - code if code < 0 else code

    def end(self, code: int) -> None:
        """Tell the kubelet how the container ended."""
        result = {"code": 137 if self._is_oom else code, "is_oom": self._is_oom, "peak_bytes": self._peak}
        (self._folder / "result.new").write_text(json.dumps(result))
        (self._folder / "result.new").rename(self._folder / "result")

    def _command(self, argv: list[str]) -> list[str]:
        return [*self._spec["privileges"], *argv]

    def _kill_all(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)  # everything in this process namespace but its first process and ourselves

    # --- network ---

    def _accept(self, listening: socket.socket, serve: object) -> None:
        while True:
            connection, _ = listening.accept()
            threading.Thread(target=serve, args=(connection,), daemon=True).start()  # type: ignore[arg-type]

    def _out(self, connection: socket.socket) -> None:
        """A process of the pod wants to talk to an address of the cluster."""
        with socket.socket(socket.AF_UNIX) as broker, connection, suppress(OSError):
            broker.connect(str(self._folder / "net"))
            broker.sendall(json.dumps(connection.getsockname()).encode() + b"\n")
            _answer, descriptors, _, _ = socket.recv_fds(broker, 16, 1)
            if descriptors:
                opened = socket.socket(fileno=descriptors[0])
                opened.setblocking(True)  # the flag is part of what was handed over
                join(connection, opened)

    # --- what the kubelet asks ---

    def _asked(self, connection: socket.socket) -> None:
        with connection, suppress(OSError, ValueError):
            request = json.loads(connection.makefile("rb").readline())
            if "connect" in request:
                with socket.create_connection(("127.0.0.1", request["connect"]), timeout=5) as opened:
                    opened.settimeout(None)
                    socket.send_fds(connection, [b"+"], [opened.fileno()])
            elif "signal" in request:
                self._signal(request["signal"])
                connection.sendall(b"{}")
            elif "exec" in request:
                connection.sendall(json.dumps(self._exec(request["exec"], request["timeout"])).encode())

    def _signal(self, number: int) -> None:
        if number == signal.SIGKILL:
            self._kill_all()
        else:
            self._process.send_signal(number)

    def _exec(self, argv: list[str], timeout: float) -> dict[str, object]:
        try:
            done = subprocess.run(
                self._command(argv),
                env=self._spec["env"],
                cwd=self._spec["cwd"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {"code": 124, "output": f"no answer within {timeout} s"}
        return {"code": done.returncode, "output": done.stdout[-OUTPUT_MAX:].decode(errors="replace")}

    # --- memory ---

    def _watch_memory(self) -> None:
        limit = self._spec["memory_limit_bytes"]
        while True:
            used = self._used()
            self._peak = max(self._peak, used)
            if limit and used > limit:
                self._is_oom = True
                self._kill_all()
            time.sleep(LOOK_SECONDS)

    def _used(self) -> int:
        """Bytes that only memory can hold, of all processes of the pod but this one and the namespace's first."""
        total = 0
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) not in {1, os.getpid()}:
                with suppress(OSError):
                    for line in (entry / "status").read_text().splitlines():
                        if line.startswith(("RssAnon:", "RssShmem:")):
                            total += int(line.split()[1]) * 1024
        return total


def main() -> None:
    if sys.argv[1] == "try":  # whether a pod could be had here: an address, a port below 1024, another user
        add_address("lo:0", "10.0.0.1", "255.0.0.0")
        socket.create_server(("10.0.0.1", 80)).close()
        sys.exit(subprocess.run(sys.argv[2:], check=False).returncode)
    shim = Shim(Path(sys.argv[1]))
    code = shim.run()
    shim.end(code)


if __name__ == "__main__":
    main()
