"""Facts caches between runs without a disk of their own: kept, brought back, bounded, and never needed for a result."""

from __future__ import annotations

import io
import logging
import re
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO
from urllib.parse import parse_qs, urlsplit

import pytest
from test_same_result import Shop, basket, plain

from elder_assets.audit.errors import ConfigurationError, StoreError
from elder_assets.audit.judgement import Judged
from resources.alerting import remediation
from resources.audits import judge_opened, open_source, ruler_for
from resources.facts import depot
from resources.facts.cache import SqliteFactStore
from resources.facts.depot import FactsDepot
from resources.settings import Settings, load_settings

pytestmark = pytest.mark.platform
KEY = "local/shop"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = Shop(tmp_path / "shop")
    made.commit("feat: open", {"shop/basket.py": basket(1), "README.md": "# Shop\n"})
    return made


class Pods:
    """Runs whose home and temporary folder are new each time, as those of pods are."""

    def __init__(self, folder: Path, depot: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.depot, self._patch, self.count = folder, depot, monkeypatch, 0

    def settings(self) -> Settings:
        self.count += 1
        place = self.folder / f"pod-{self.count}"
        (place / "tmp").mkdir(parents=True)
        self._patch.setattr(tempfile, "tempdir", str(place / "tmp"))
        given = {"ELDER_HOME": str(place / "home"), "ELDER_FACTS_DEPOT": self.depot}
        return load_settings({name: value for name, value in given.items() if value})

    def audit(self, shop: Shop) -> tuple[Judged, int, int]:
        """What a run finds, and how many blobs it knew and measured."""
        with open_source(str(shop.folder), self.settings()) as opened:
            found = judge_opened(opened, ruler_for(opened.facts))
            return found, opened.facts.blobs_known, opened.facts.blobs_measured


@pytest.fixture
def pods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pods:
    return Pods(tmp_path / "pods", (tmp_path / "depot").as_uri(), monkeypatch)


def kept(pods: Pods) -> list[Path]:
    return sorted(path for path in Path(urlsplit(pods.depot).path).rglob("*") if path.is_file())


def test_the_next_pod_measures_only_what_is_new(pods: Pods, shop: Shop):
    first, _known, measured = pods.audit(shop)
    assert measured == 2
    assert [path.name for path in kept(pods)] == ["shop.db.zst"]
    again, _known, measured = pods.audit(shop)
    assert (plain(again), measured) == (plain(first), 0)
    shop.commit("feat: pay", {"shop/pay.py": basket(2)})
    _found, known, measured = pods.audit(shop)
    assert (known > 0, measured) == (True, 1)
    assert pods.audit(shop)[2] == 0


def test_a_run_that_learns_nothing_writes_nothing(pods: Pods, shop: Shop):
    pods.audit(shop)
    (file,) = kept(pods)
    before = file.stat().st_mtime_ns
    pods.audit(shop)
    assert file.stat().st_mtime_ns == before


def damage(file: Path) -> None:
    file.write_bytes(b"no compressed file")


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def other_schema(file: Path) -> None:
    from pyarrow import fs

    plain_file = file.parent / "other.db"
    with sqlite3.connect(plain_file) as connection:
        connection.execute("CREATE TABLE fact (nonsense TEXT)")
        connection.execute("PRAGMA user_version = 99")
    with fs.LocalFileSystem().open_output_stream(str(file), compression="zstd") as out:
        out.write(plain_file.read_bytes())
    plain_file.unlink()


@pytest.mark.parametrize("harm", [Path.unlink, damage, cut, other_schema], ids=lambda harm: harm.__name__)
def test_a_cache_that_is_lost_or_damaged_is_measured_again_with_the_same_result(pods: Pods, shop: Shop, harm):
    first, _known, _measured = pods.audit(shop)
    harm(kept(pods)[0])
    again, _known, measured = pods.audit(shop)
    assert (plain(again), measured) == (plain(first), 2)
    assert pods.audit(shop)[2] == 0


@pytest.mark.parametrize(
    "address",
    ["file:///proc/elder", "s3://bucket/p?region=here&scheme=http&endpoint_override=127.0.0.1:1&connect_timeout=1"],
    ids=["a-folder-that-cannot-be", "a-host-that-does-not-answer"],
)
def test_a_depot_that_cannot_be_reached_costs_time_only(
    tmp_path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, address: str
):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up-too")
    pods = Pods(tmp_path / "pods", address, monkeypatch)
    with caplog.at_level(logging.WARNING):
        found, _known, measured = pods.audit(shop)
    assert measured == 2
    assert f"the facts of {KEY} are not kept: the facts depot " in caplog.text
    assert "made-up" not in caplog.text
    assert plain(found) == plain(Pods(tmp_path / "without", "", monkeypatch).audit(shop)[0])


def test_sizes_are_bounded_both_ways(
    pods: Pods, shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    pods.audit(shop)
    monkeypatch.setattr(depot, "BYTES_MAX", 1000)
    with pytest.raises(StoreError, match="more than 1000 bytes"):
        FactsDepot(pods.depot).pull(KEY, pods.folder / "here.db")
    assert not list(pods.folder.glob("*here.db*"))
    assert pods.audit(shop)[2] == 2
    assert "are kept" in caplog.text
    assert kept(pods) == []


def test_what_other_versions_kept_is_let_go_once(pods: Pods, shop: Shop, monkeypatch: pytest.MonkeyPatch):
    pods.audit(shop)
    settings = pods.settings()
    file = settings.facts / f"{KEY}.db"
    assert FactsDepot(pods.depot).pull(KEY, file)
    store = SqliteFactStore(file)
    (key,) = store.sample(1)
    store.put({key: {"functions.0": b"old"}})
    store.close()
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA application_id = 7")
    FactsDepot(pods.depot).push(KEY, file)
    fresh = pods.settings().facts / f"{KEY}.db"
    FactsDepot(pods.depot).pull(KEY, fresh)
    store = SqliteFactStore(fresh)
    assert "functions.0" not in store.get([key])[key]
    assert len(store.get([key])[key]) > 1
    store.close()
    monkeypatch.setattr(SqliteFactStore, "prune", lambda *_: pytest.fail("this version did it already"))
    FactsDepot(pods.depot).push(KEY, fresh)


def test_evicting_a_cache_takes_the_kept_one_too(pods: Pods, shop: Shop):
    pods.audit(shop)
    remediation._evict(pods.settings(), KEY)
    assert kept(pods) == []
    remediation._evict(pods.settings(), KEY)


@pytest.mark.parametrize(
    "address",
    ["/var/depot", "https://depot.example.org", "s3://key:secret@bucket/p", "s3://key@bucket", "gs://a:b@bucket"],
)
def test_addresses_of_another_kind_and_credentials_are_refused_unrepeated(address: str):
    with pytest.raises(ConfigurationError) as caught:
        load_settings({"ELDER_HOME": "/h", "ELDER_FACTS_DEPOT": address})
    assert "secret" not in str(caught.value)


# --- an object store --------------------------------------------------------------------------------------


class Bucket(ThreadingHTTPServer):
    """As much of an object store's protocol as a client asks for: put, in parts too, get, head, delete."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Call)
        self.objects: dict[str, bytes] = {}
        self.parts: dict[tuple[str, str], dict[int, bytes]] = {}


def _unchunked(stream: IO[bytes]) -> bytes:
    found = b""
    while size := int(stream.readline().split(b";")[0] or b"0", 16):
        found += stream.read(size)
        stream.readline()
    while stream.readline().strip():
        pass  # checksums come last
    return found


class _Call(BaseHTTPRequestHandler):
    server: Bucket
    protocol_version = "HTTP/1.1"

    def _asked(self) -> tuple[str, dict[str, str]]:
        parts = urlsplit(self.path)
        return parts.path, {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}

    def _say(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", headers.get("size", str(len(body))))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _body(self) -> bytes:
        length = self.headers["Content-Length"]
        body = self.rfile.read(int(length)) if length else _unchunked(self.rfile)
        is_signed_in_parts = "aws-chunked" in (self.headers["Content-Encoding"] or "")
        return _unchunked(io.BytesIO(body)) if is_signed_in_parts else body

    def do_PUT(self) -> None:
        path, query = self._asked()
        body = self._body()
        if "uploadId" in query:
            self.server.parts[path, query["uploadId"]][int(query["partNumber"])] = body
        else:
            self.server.objects[path] = body
        self._say(200, ETag='"1"')

    def do_POST(self) -> None:
        path, query = self._asked()
        self._body()
        if "uploads" in query:
            self.server.parts[path, "u"] = {}
            xml = "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
        else:
            parts = self.server.parts.pop((path, query["uploadId"]))
            self.server.objects[path] = b"".join(parts[number] for number in sorted(parts))
            xml = "<CompleteMultipartUploadResult><ETag>1</ETag></CompleteMultipartUploadResult>"
        self._say(200, xml.encode())

    def do_GET(self) -> None:
        path, _query = self._asked()
        content = self.server.objects.get(path)
        if content is None:
            self._say(404, b"<Error><Code>NoSuchKey</Code></Error>")
        elif match := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or ""):
            start, end = int(match[1]), min(int(match[2]), len(content) - 1)
            span = f"bytes {start}-{end}/{len(content)}"
            self._say(206, content[start : end + 1], Content_Range=span, ETag='"1"')
        else:
            self._say(200, content, ETag='"1"')

    def do_HEAD(self) -> None:
        content = self.server.objects.get(self._asked()[0])
        self._say(404) if content is None else self._say(200, size=str(len(content)), ETag='"1"')

    def do_DELETE(self) -> None:
        self.server.objects.pop(self._asked()[0], None)
        self._say(204)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class names it
        pass


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up-too")
    server = Bucket()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_object_store_keeps_caches_too(tmp_path: Path, shop: Shop, bucket: Bucket, monkeypatch: pytest.MonkeyPatch):
    address = f"s3://bucket/elder?region=here&scheme=http&endpoint_override=127.0.0.1:{bucket.server_port}"
    pods = Pods(tmp_path / "pods", address, monkeypatch)
    first, _known, measured = pods.audit(shop)
    assert measured == 2
    assert list(bucket.objects) == ["/bucket/elder/local/shop.db.zst"]
    again, _known, measured = pods.audit(shop)
    assert (plain(again), measured) == (plain(first), 0)
    FactsDepot(address).forget(KEY)
    assert "/bucket/elder/local/shop.db.zst" not in bucket.objects
    assert not FactsDepot(address).pull(KEY, tmp_path / "none.db")
