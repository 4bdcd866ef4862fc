"""What the fault tests break with: a PostgreSQL of their own, a proxy that stops forwarding, a process that is killed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa

PORT_WAIT_SECONDS = 30


class Server:
    """A PostgreSQL on a loopback port, in a folder of its own; it can be killed and started again."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        self.folder, self._binaries = folder, binaries
        self.port = free_port()
        self._user = {"user": "postgres"} if os.geteuid() == 0 else {}
        folder.mkdir(parents=True)
        if self._user:
            shutil.chown(folder, "postgres")
        self._run("initdb", "-D", str(folder / "data"), "-U", "elder", "--auth=trust", "-N")

    @property
    def url(self) -> str:
        return f"postgresql://elder@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start and wait; a server that was killed leaves children that must end before the next can begin."""
        deadline = time.monotonic() + PORT_WAIT_SECONDS
        while time.monotonic() < deadline:
            self._process = self._started()
            while time.monotonic() < deadline and self._process.poll() is None:
                if self._answers():
                    return
                time.sleep(0.1)
        message = f"PostgreSQL did not start; see {self.folder / 'log'}"
        raise TimeoutError(message)

    def _started(self) -> subprocess.Popen[bytes]:
        options = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": self.folder}
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        command = [str(self._binaries / "postgres"), "-D", str(self.folder / "data"), *settings]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **self._user)

    def _answers(self) -> bool:
        engine = sa.create_engine(self.url)
        try:
            with engine.connect():
                return True
        except sa.exc.OperationalError:
            return False
        finally:
            engine.dispose()

    def kill(self) -> None:
        """SIGKILL to the postmaster; its children see it and end."""
        self._process.kill()
        self._process.wait(PORT_WAIT_SECONDS)

    def stop(self) -> None:
        """Let it end."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(PORT_WAIT_SECONDS)

    def _run(self, tool: str, *arguments: str) -> None:
        command = [str(self._binaries / tool), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/", **self._user)


class Proxy:
    """Forwards one port to another until it is cut: then bytes go nowhere, and nobody is told."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._is_cut, self._open = threading.Event(), True
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._is_cut.set()

    def mend(self) -> None:
        """Let new connections through; those that were cut are reset, as a host does when the network is back."""
        self._is_cut.clear()
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._open = False
        self._listening.close()
        self.mend()

    def _accept(self) -> None:
        while self._open:
            try:
                here, _ = self._listening.accept()
                there = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                continue
            self._sockets += [here, there]
            for pair in ((here, there), (there, here)):
                threading.Thread(target=self._forward, args=pair, daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if self._is_cut.is_set():
                    return
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
        return port
