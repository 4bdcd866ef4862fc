"""The side of an edge site: asks a control plane by what to judge, and sends what was found. Standard library only.

Redirects are not followed (a token would go with them), answers are bounded, and plain http is for this machine and
for hosts that the operator allowed. Proxies and certificate authorities are those of the environment.
"""

from __future__ import annotations

import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException, HTTPMessage
from typing import IO, Any, TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from elder_assets.audit.engine import collect, judge_collected
from elder_assets.audit.errors import ConfigurationError, SourceError, UploadFailed
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.finding_states import Introduced
from elder_assets.audit.judgement import Judged
from elder_assets.audit.policy import POLICY_FILE
from elder_assets.audit.ruler import Ruler, load_ruler
from elder_assets.audit.suppression import Applied
from elder_assets.version import elder_version
from resources.audits import (
    Opened,
    Progress,
    Terms,
    central_policy_under,
    judge_opened,
    kept,
    open_source,
    ruler_for,
    show,
    terms_under,
    today,
)
from resources.file_map import files_of
from resources.git.blame import introduced
from resources.git.commands import run
from resources.git.releases import releases_before
from resources.secrets import Secret
from resources.settings import Settings
from resources.uploads import SENT_BYTES_MAX, UPLOAD_SCHEMA, Kind, Receipt, Upload, UploadTerms, packed

ANSWER_BYTES_MAX = 4 * 1024 * 1024
ANSWER_SECONDS = 300.0
"""Until the platform must have answered: it stores 30,000 findings in 10 to 20 s (docs/upload.md)."""
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
PROBLEM_CHARACTERS_MAX = 1_000
T = TypeVar("T")


class _Project(msgspec.Struct):
    id: int
    key: str


class _Projects(msgspec.Struct):
    projects: list[_Project]


class _Problem(msgspec.Struct):
    detail: str = ""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Leaves a redirect as the answer that it is."""

    def redirect_request(  # noqa: PLR0917 - as urllib calls it
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """Follow none."""


class ControlPlane:
    """A control plane that takes audits."""

    def __init__(self, address: str, token: Secret | None, allowed_hosts: tuple[str, ...] = ()) -> None:
        """Raises ConfigurationError for an address of another form, or plain http to somewhere else."""
        self._address = _checked(address, allowed_hosts)
        self._host = urlsplit(self._address).netloc
        self._token = token
        tls = urllib.request.HTTPSHandler(context=ssl.create_default_context())
        self._opener = urllib.request.build_opener(_NoRedirect, tls)

    @property
    def host(self) -> str:
        """Host and port, for messages."""
        return self._host

    def terms(self, key: str, commit: str) -> UploadTerms:
        """By what a commit of a registered repository is judged.

        Raises:
            UploadFailed: it cannot be asked, or does not know the repository.
        """
        found = self._ask("GET", f"/api/v1/projects?limit=200&q={quote(key, safe='')}", _Projects)
        number = next((project.id for project in found.projects if project.key == key), None)
        if number is None:
            raise UploadFailed(
                f"{self._host} has no project {key} that this token may see; register it there (`elder repo add` on "
                f"the server, or POST /api/v1/projects), or name its key with --key"
            )
        return self._ask("GET", f"/api/v1/projects/{number}/upload-terms?commit={commit}", UploadTerms)

    def send(self, terms: UploadTerms, upload: Upload) -> Receipt:
        """Hand over an audit.

        Raises:
            UploadFailed: it was not taken; says why.
        """
        body = packed(upload)
        if len(body) > SENT_BYTES_MAX:
            raise UploadFailed(f"the result has {len(body):,} bytes, packed; {SENT_BYTES_MAX:,} are the most")
        path = f"/api/v1/projects/{terms.project_id}/uploads"
        return self._ask("POST", path, Receipt, body, {"Content-Encoding": "gzip"})

    def name_origins(self, terms: UploadTerms, found: Mapping[int, Introduced]) -> None:
        """Say which commits brought new findings.

        Raises:
            UploadFailed: it was not taken.
        """
        rows = [{"finding_id": number, **msgspec.structs.asdict(by)} for number, by in found.items()]
        path = f"/api/v1/projects/{terms.project_id}/uploads/origins"
        self._ask("POST", path, dict[str, Any], msgspec.json.encode({"origins": rows}))

    def _ask(
        self, method: str, path: str, kind: type[T], body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> T:
        given = {"Accept": "application/json", "User-Agent": f"Elder/{elder_version()}", **(headers or {})}
        if body is not None:
            given["Content-Type"] = "application/json"
        if self._token is not None:
            given["Authorization"] = f"Bearer {self._token.reveal()}"
        request = urllib.request.Request(self._address + path, data=body, headers=given, method=method)  # noqa: S310
        status, content = self._answer(request)
        if not 200 <= status < 300:
            raise UploadFailed(self._refusal(status, content))
        try:
            return msgspec.json.decode(content, type=kind)
        except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UploadFailed(f"{self._host} does not answer as this Elder's control plane: {error}") from None

    def _answer(self, request: urllib.request.Request) -> tuple[int, bytes]:
        try:
            with self._opener.open(request, timeout=ANSWER_SECONDS) as answer:
                return answer.status, _bounded(answer, self._host)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _bounded(error, self._host)
        except (urllib.error.URLError, OSError, HTTPException, ValueError) as error:
            raise UploadFailed(f"{self._host} cannot be reached: {_why(error)}") from None

    def _refusal(self, status: int, content: bytes) -> str:
        detail = _detail(content)
        if status == 401:
            known = "refuses the token in ELDER_TOKEN" if self._token else "asks who you are: set ELDER_TOKEN"
            return f"{self._host} {known} (a token of role maintainer: `elder token create NAME --role maintainer`)"
        if 300 <= status < 400:
            return f"{self._host} sends elsewhere (HTTP {status}); give the control plane's own address"
        if not detail:
            return f"{self._host} is no control plane of Elder, or an older one: HTTP {status}"
        return f"{self._host} refused: {detail}"


def _checked(address: str, allowed_hosts: tuple[str, ...]) -> str:
    key, allowed = "--upload", "https://host, without user, password, query or fragment"
    try:
        parts = urlsplit(address)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise ConfigurationError(key, "an address that cannot be read", allowed) from None
    if parts.scheme not in {"https", "http"} or not host or not address.isprintable() or " " in address:
        raise ConfigurationError(key, "an address of another form", allowed)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigurationError(key, f"an address of {host} with more than host and path", allowed)
    if parts.scheme == "http" and host not in LOCAL_HOSTS and not {host, f"{host}:{port}"} & set(allowed_hosts):
        raise ConfigurationError(key, f"http to {host}", "https, or a host that ELDER_ALLOWED_HOSTS names")
    return address.rstrip("/")


def _bounded(answer: Any, host: str) -> bytes:
    content: bytes = answer.read(ANSWER_BYTES_MAX + 1)
    if len(content) > ANSWER_BYTES_MAX:
        raise UploadFailed(f"{host} answered more than {ANSWER_BYTES_MAX:,} bytes")
    return content


def _detail(content: bytes) -> str:
    """What a problem document says; '' where it is none."""
    try:
        said = msgspec.json.decode(content, type=_Problem).detail
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError):
        return ""
    return "".join(char if char.isprintable() else " " for char in said)[:PROBLEM_CHARACTERS_MAX]


def _why(error: Exception) -> str:
    """The reason in words, without the address that was asked."""
    reason = getattr(error, "reason", error)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"its certificate is not right: {reason.verify_message}"
    if isinstance(reason, socket.gaierror):
        return "the name cannot be looked up"
    if isinstance(reason, TimeoutError):
        return f"no answer within {ANSWER_SECONDS:.0f} s"
    return getattr(reason, "strerror", None) or type(reason).__name__


# --- judging as the platform does --------------------------------------------------------------------------------


class Made(msgspec.Struct, frozen=True):
    """An audit by the terms of a control plane: as it is shown here, and as it is sent."""

    applied: Applied
    upload: Upload


def audit_for(opened: Opened, terms: UploadTerms, settings: Settings, *, ref: str, progress: Progress) -> Made:
    """Audit an open repository by the terms of a control plane.

    Raises:
        UploadFailed: this Elder cannot judge as that one does; names both versions.
        SourceError: the repository cannot be read.
    """
    judging = _judging(opened, terms)
    facts = collect(opened.source, opened.facts, terms.baseline, progress=progress)
    judged = kept(opened, judging.ruler, terms.baseline) or judge_collected(facts, opened.facts, judging.ruler)
    judged = msgspec.structs.replace(
        judged, snapshot=msgspec.structs.replace(judged.snapshot, repository=terms.repository)
    )
    applied = show(judged, judging.ruler, judging.granted, today())
    upload = Upload(
        schema_version=UPLOAD_SCHEMA,
        elder=elder_version(),
        repository=terms.repository,
        kind=kind_of(opened, terms.default_branch, ref),
        ruler=judging.ruler.digest,
        policy_file=opened.source.file_at(POLICY_FILE),
        judged=judged,
        earlier=_earlier(opened, terms, judging, settings),
        paths=_paths(facts),
        files=files_of(facts),
        releases=releases_before(opened.source.git_dir, opened.source.commit),
    )
    return Made(applied, upload)


def _judging(opened: Opened, terms: UploadTerms) -> Terms:
    versions = f"this Elder ({elder_version()}) cannot judge as the server does (Elder {terms.elder[:40]})"
    if terms.schema_version != UPLOAD_SCHEMA:
        raise UploadFailed(f"{versions}: it takes uploads of version {terms.schema_version}, not {UPLOAD_SCHEMA}")
    own = ruler_for(opened.facts)
    try:
        ruler = load_ruler(terms.ruler.document(), "the server's ruler", own)
        _check_extractors(ruler, own)
        central = central_policy_under(terms.policy, ruler)
    except ConfigurationError as error:
        raise UploadFailed(f"{versions}; give both the same version: {error}") from error
    return terms_under(ruler, opened.source.file_at(POLICY_FILE), central, terms.approved)


def _check_extractors(ruler: Ruler, own: Ruler) -> None:
    if ruler.extractors != own.extractors:
        differ = sorted(set(ruler.extractors.items()) ^ set(own.extractors.items()))
        raise ConfigurationError("the server's ruler: extractors", differ[:5], "those of this Elder")


def _earlier(opened: Opened, terms: UploadTerms, judging: Terms, settings: Settings) -> Judged | None:
    """What the commit of the last audit has under the ruler of now, where another one judged it and it is here."""
    if terms.latest_commit is None or terms.latest_ruler == judging.ruler.digest:
        return None
    try:
        with open_source(opened.target, settings, terms.latest_commit, key=opened.key, is_fetched=True) as before:
            return judge_opened(before, judging.ruler)
    except SourceError:
        return None


def _paths(facts: RepositoryFacts) -> tuple[str, ...]:
    return tuple(file.path for file in facts.files)


def kind_of(opened: Opened, default_branch: str, ref: str) -> Kind:
    """Why a commit is audited: `default` when it is what HEAD names and on the default branch, else `adhoc`.

    Where the platform does not know the default branch, HEAD is taken for it.
    """
    if ref != "HEAD":
        return "adhoc"
    if not default_branch:
        return "default"
    git_dir, commit = opened.source.git_dir, opened.source.commit
    patterns = [f"refs/heads/{default_branch}", f"refs/remotes/*/{default_branch}"]
    return "default" if run(git_dir, "for-each-ref", f"--contains={commit}", *patterns).strip() else "adhoc"


def trace(opened: Opened, receipt: Receipt) -> dict[int, Introduced]:
    """The commits that brought the new findings of an upload, as far as git can blame their places."""
    return introduced(opened.source.git_dir, opened.source.commit, receipt.unnamed)
