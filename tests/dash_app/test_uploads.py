"""What comes in as an upload is read in bounds and believed only as far as our own rules could have said it."""

from __future__ import annotations

import copy
import datetime as dt
import gzip
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fastapi.testclient import TestClient

from resources import uploads
from resources.audits import open_source
from resources.settings import Settings
from resources.store import Store
from resources.upload_site import audit_for
from resources.uploads import UPLOAD_BYTES_MAX, packed, terms_of_project

pytestmark = pytest.mark.platform
KEY = "local/basket"
ANN = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
Document = dict[str, Any]


@pytest.fixture
def address(store: Store) -> str:
    number = store.add_repository(KEY, "/nowhere").id
    return f"/api/v1/projects/{number}/uploads"


@pytest.fixture
def document(store: Store, settings: Settings, address: str, tmp_path: Path) -> Document:
    """A right upload, as it is packed."""
    folder = tmp_path / "basket"
    (folder / "shop").mkdir(parents=True)
    (folder / "shop" / "cart.py").write_text("<<<<<<< ours\nx = 1\n=======\nx = 2\n>>>>>>> theirs\n")
    for command in (["init", "-q"], ["add", "-A"], [*ANN, "commit", "-q", "-m", "feat: add a cart"]):
        subprocess.run(["git", "-C", folder, *command], check=True)
    terms = terms_of_project(store, settings, store.projects()[0], "")
    with open_source(str(folder), settings, key=KEY) as opened:
        made = audit_for(opened, terms, settings, ref="HEAD", progress=lambda *_: None)
    plain: Document = msgspec.json.decode(zlib.decompress(packed(made.upload), wbits=31))
    return plain


def judgement(document: Document, rule: str) -> list[Any]:
    (found,) = [one for one in document["judged"]["judgements"] if one[0] == rule]
    return found


def test_a_document_is_taken_with_and_without_gzip(client: TestClient, address: str, document: Document):
    body = msgspec.json.encode(document)
    first = client.post(address, content=gzip.compress(body), headers={"Content-Encoding": "gzip"})
    assert (first.status_code, first.json()["is_new"]) == (201, True)
    again = client.post(address, content=body)
    assert (again.status_code, again.json()["is_new"]) == (200, False)
    assert again.json()["audit_key"] == first.json()["audit_key"]
    audit = client.get(address.replace("uploads", "audit-results")).json()["results"][0]
    assert (audit["uploaded_by"], audit["run_id"]) == ("local admin", None)


def _rule(change: Callable[[list[Any]], object]) -> Callable[[Document], object]:
    return lambda document: change(judgement(document, "INT001"))


RELEASE = {"tag": "v1", "commit": "a" * 40, "released_at": "2026-03-02T12:00:00Z"}
ANSWERS, STATUS, UNITS, DURATION = 9, 6, 8, 10
WRONG: dict[str, tuple[Callable[[Document], object], str]] = {
    "no-fields": (lambda d: d.clear(), "schema_version"),
    "type": (lambda d: d.update(paths=3), "paths"),
    "kind": (lambda d: d.update(kind="change_request"), "kind"),
    "repository": (lambda d: d.update(repository="local/other"), "repository"),
    "commit": (lambda d: d["judged"]["snapshot"].update(commit="HEAD"), "commit"),
    "staged": (lambda d: d["judged"]["snapshot"].update(commit=None), "commit"),
    "as-of": (lambda d: d["judged"]["snapshot"].update(as_of=2**60), "as_of"),
    "coverage": (lambda d: d["judged"].update(coverage={"eligible": 1, "analysed": 2}), "coverage"),
    "magics": (lambda d: d["judged"].update(magics=["tdd"]), "magics"),
    "a-rule-left-out": (lambda d: d["judged"]["judgements"].pop(), "other rules"),
    "another-severity": (_rule(lambda j: j.__setitem__(3, "low")), "another rule of this code"),
    "other-limits": (_rule(lambda j: j.__setitem__(5, {"lines_max": 9})), "another rule of this code"),
    "findings-that-pass": (_rule(lambda j: j.__setitem__(STATUS, "pass")), "finding with answers"),
    "too-few-units": (_rule(lambda j: j.__setitem__(UNITS, 0)), "units"),
    "duration": (_rule(lambda j: j.__setitem__(DURATION, -1.0)), "milliseconds"),
    "fingerprint": (_rule(lambda j: j[ANSWERS][0].__setitem__(6, "x")), "fingerprint"),
    "one-twice": (_rule(lambda j: (j[ANSWERS].append(j[ANSWERS][0]), j.__setitem__(UNITS, 9))), "fingerprints"),
    "line": (_rule(lambda j: j[ANSWERS][0].__setitem__(2, -1)), "line"),
    "long-text": (_rule(lambda j: j[ANSWERS][0].__setitem__(0, "x" * 20_001)), "20,001 characters"),
    "file-twice": (lambda d: d["files"].append(d["files"][0]), "files"),
    "releases": (lambda d: d.update(releases=[RELEASE] * 201), "201 of them"),
    "tag": (lambda d: d.update(releases=[{**RELEASE, "tag": "v" * 201}]), "a tag of 201 characters"),
    "tag-commit": (lambda d: d.update(releases=[{**RELEASE, "commit": "HEAD"}]), "a full object id"),
    "tag-time": (lambda d: d.update(releases=[{**RELEASE, "released_at": "2026-03-02T12:00:00"}]), "a time in UTC"),
    "file-size": (lambda d: d["files"][0].update(size_bytes=-2), "files"),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_document_that_contradicts_itself_is_refused_and_nothing_is_kept(
    client: TestClient, store: Store, address: str, document: Document, wrong: tuple[Callable[[Document], object], str]
):
    break_it, words = wrong
    break_it(document)
    answer = client.post(address, content=msgspec.json.encode(document))
    assert answer.status_code == 400, answer.text
    assert words in answer.json()["detail"]
    assert store.audits_total(1) == 0
    assert store.latest(KEY) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema_version": 2}, "the site sends uploads of version 2 (Elder 0.0.9)"),
        (
            {"ruler": "0" * 64},
            "the site judged by ruler '000000000000' (Elder 0.0.9), the server judges local/basket by",
        ),
    ],
)
def test_another_version_is_a_conflict_that_names_both(
    client: TestClient, address: str, document: Document, change: Document, words: str
):
    answer = client.post(address, content=msgspec.json.encode({**document, "elder": "0.0.9", **change}))
    assert (answer.status_code, words in answer.json()["detail"]) == (409, True), answer.text
    assert f"Elder {uploads.elder_version()}" in answer.json()["detail"]


def test_an_archived_project_takes_no_audits(client: TestClient, store: Store, address: str, document: Document):
    store.change_project(1, {}, status="archived", by="ann")
    answer = client.post(address, content=msgspec.json.encode(document))
    assert (answer.status_code, answer.json()["detail"]) == (
        409,
        "the project is archived; only active projects take audits",
    )


@pytest.mark.parametrize(
    ("body", "encoding", "words"),
    [
        (b"no gzip", "gzip", "no gzip"),
        (gzip.compress(b"{}")[:-4], "gzip", "broken or second"),
        (gzip.compress(b"{}") + gzip.compress(b"{}"), "gzip", "broken or second"),
        (b"{}", "br", "gzip, or none"),
        (b"[" * 100_000, "", "upload"),
        (b"\xff", "", "upload"),
        (b"", "", "upload"),
    ],
    ids=["other-bytes", "cut", "two-members", "brotli", "deep", "no-text", "empty"],
)
def test_a_body_that_is_no_document_is_refused(
    client: TestClient, address: str, body: bytes, encoding: str, words: str
):
    headers = {"Content-Encoding": encoding} if encoding else {}
    answer = client.post(address, content=body, headers=headers)
    assert (answer.status_code, words in answer.json()["detail"]) == (400, True), answer.text


def test_a_document_that_grows_when_it_is_unpacked_is_refused(client: TestClient, address: str):
    bomb = gzip.compress(b" " * (UPLOAD_BYTES_MAX + 1))
    assert len(bomb) < 1_000_000
    answer = client.post(address, content=bomb, headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, "unpacked" in answer.json()["detail"]) == (400, True)


def test_only_uploads_may_be_larger_than_other_bodies(client: TestClient, address: str):
    body = b" " * 1_000_001
    assert client.post(address, content=body).status_code == 400
    assert client.post(f"{address}/origins", content=body).status_code == 413
    assert client.post(address, content=b" " * (uploads.SENT_BYTES_MAX + 1)).status_code == 413


def test_origins_are_taken_for_new_findings_of_the_project_alone(
    client: TestClient, store: Store, address: str, document: Document
):
    clean = copy.deepcopy(document)
    clean["judged"]["snapshot"]["commit"] = "c" * 40
    judgement(clean, "INT001")[STATUS], judgement(clean, "INT001")[ANSWERS] = "pass", []
    assert client.post(address, content=msgspec.json.encode(clean)).json()["unnamed"] == []
    ((finding, path, line),) = client.post(address, content=msgspec.json.encode(document)).json()["unnamed"]
    assert (path, line) == ("shop/cart.py", 1)
    by = {"commit": "a" * 40, "change": "b" * 40, "at": 1_770_000_000}
    said = {"origins": [{"finding_id": finding, **by}, {"finding_id": 999, **by}]}
    assert client.post(f"{address}/origins", json=said).json() == {"named": 1}
    assert [row["introduced_commit"] for row in store.finding_rows(KEY) if row["rule"] == "INT001"] == ["a" * 40]
    assert client.post(f"{address}/origins", json=said).json() == {"named": 0}  # named already
    many = {"origins": said["origins"] * 26}
    assert client.post(f"{address}/origins", json=many).status_code == 400


def test_releases_are_those_of_the_last_default_upload_and_a_site_that_sends_none_leaves_them(
    client: TestClient, store: Store, address: str, document: Document
):
    def tags() -> list[str]:
        return [one["tag"] for one in store.releases_since(1, dt.datetime(2020, 1, 1, tzinfo=dt.UTC))]

    def send(**changed: object) -> int:
        return client.post(address, content=msgspec.json.encode({**document, **changed})).status_code

    assert document.pop("releases") == []
    later = {**RELEASE, "tag": "v2\0", "released_at": "2026-03-03T12:00:00+00:00"}
    assert (send(releases=[RELEASE]), tags()) == (201, ["v1"])
    assert (send(releases=[RELEASE, later]), tags()) == (200, ["v2\\x00", "v1"])  # the same audit, and a new tag
    assert (send(), tags()) == (200, ["v2\\x00", "v1"])
    assert (send(kind="adhoc", releases=[]), tags()) == (201, ["v2\\x00", "v1"])
    assert (send(releases=[]), tags()) == (200, [])
