"""A git host outside the cluster: repositories over HTTPS, as git's own server program gives them."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

BACKEND = "http-backend"
WHO = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")


class GitHost:
    """Serves the bare repositories of a folder, to read only."""

    def __init__(self, folder: Path, context: ssl.SSLContext) -> None:
        folder.mkdir()
        self._folder = folder
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.folder = folder
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.place: tuple[str, int] = ("127.0.0.1", self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()

    def add(self, name: str, files: dict[str, str]) -> str:
        """A repository of one commit; the commit."""
        work = self._folder / "work"
        shutil.rmtree(work, ignore_errors=True)
        for path, text in files.items():
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).write_text(text)
        git = ["git", "-C", str(work), *WHO]
        for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "feat: add prices"]):
            subprocess.run([*git, *command], check=True)
        target = self._folder / f"{name}.git"
        subprocess.run(["git", "clone", "-q", "--bare", str(work), str(target)], check=True)
        said = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
        return said.stdout.strip()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        assert isinstance(self.request, ssl.SSLSocket)
        self.request.settimeout(60)
        self.request.do_handshake()
        super().setup()

    def _respond(self) -> None:
        split = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.server.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": split.path,
            "QUERY_STRING": split.query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(length),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(
            ["git", BACKEND], input=self.rfile.read(length), env=environment, capture_output=True, check=False
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _respond  # noqa: N815 - names that http.server looks up

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    folder: Path

    def handle_error(self, *arguments: Any) -> None:
        """A client that goes away is no news."""
