"""Registering a repository: checked and kept at once; access, first look, webhook and first audit follow.

`register` is quick and needs no network. `settle` may take a minute; it is safe to run again after a crash, since every
step writes what it found and the first audit is put into the inbox once.
"""

from __future__ import annotations

import contextlib
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import msgspec

from elder_assets.audit.errors import (
    ConfigurationError,
    Conflict,
    DeliveryDelayed,
    DeliveryFailed,
    ElderError,
    SourceRefused,
)
from elder_assets.audit.facts.ci import system_of
from elder_assets.audit.facts.grammars import languages
from elder_assets.audit.policy import PROFILES
from resources.deliveries.webhooks import webhook_secret
from resources.git.address import PROTOCOLS, check_address, is_address, key_of_address
from resources.git.commands import run
from resources.git.mirror import mirror_folder, update_mirror
from resources.git.providers import open_provider, provider_for
from resources.git.providers.calls import open_host
from resources.git.providers.provider import RemoteRepository
from resources.git.remote import RemoteHead, credential_environment, remote_head
from resources.git.repository import open_repository
from resources.outbound import Boundary
from resources.secrets import Secret
from resources.settings import Settings
from resources.store import Store
from resources.store.inbox import NORMAL, UPLOADS_ONLY
from resources.store.projects import Project, ProjectTerms, Tier

LANGUAGES_SHOWN = 12
TREE_ENTRIES_MAX = 500_000
TIER_FILES: tuple[tuple[int, Tier], ...] = ((200, "micro"), (2_000, "small"), (10_000, "medium"), (50_000, "large"))
"""Most files of a tier; what has more is xlarge. Chosen by us, from what audits of such trees cost."""
ENTERPRISE_TAGS = frozenset({"pci", "hipaa", "sox", "iso27001", "soc2", "gdpr"})
"""Compliance tags that ask for the strictest built-in profile. Chosen by us."""
STARTUP_COMMITS_MAX = 200
"""Below this a repository is young: rules about its past have little to read. Chosen by us."""


def register(
    store: Store, settings: Settings, address: str, terms: ProjectTerms, *, team: str | None = None, by: str
) -> Project:
    """Check an address and keep it as a pending project.

    Raises:
        SourceRefused: the address is unsafe or holds credentials, which are not repeated.
        ConfigurationError: the credential is no reference, or the provider is unknown.
        Conflict: it is registered already.
        UnknownRecord: there is no such team.
    """
    if not is_address(address):
        raise SourceRefused("this is no address; allowed: https:// and ssh://, or user@host:path")
    check_address(address)
    check_credential(settings, terms.credential)
    provider = open_provider(terms.provider).name if terms.provider else provider_of(address, settings)
    terms = msgspec.structs.replace(terms, provider=provider)
    return store.add_project(key_of_address(address), normalised(address), terms, team=team, by=by)


def add_known(
    store: Store, settings: Settings, key: str, address: str, *, by: str = "", uploads_only: bool = False
) -> None:
    """Register what the operator of this machine names, a path too, without asking anybody; again changes nothing.

    Raises:
        Conflict: the key stands for another folder, whose results would be mixed with this one's.
    """
    known = next((repository.url for repository in store.repositories() if repository.key == key), address)
    if known != address and not (is_address(known) and is_address(address)):
        raise Conflict(f"{key} is registered already, for {known}; `elder repo add {address} --key` names another")
    name, provider = key.rpartition("/")[2], provider_of(address, settings) if is_address(address) else ""
    try:
        terms = ProjectTerms(name=name, provider=provider, settings={UPLOADS_ONLY: True} if uploads_only else {})
        store.add_project(key, address, terms, status="active", by=by)
    except Conflict:
        store.add_repository(key, address)


def normalised(address: str) -> str:
    """The address in one form: host in lower case, no trailing slash, no query."""
    if "://" not in address:
        return address
    parts = urlsplit(address)
    host = parts.netloc.lower() if parts.scheme == "https" else parts.netloc
    return f"{parts.scheme}://{host}{parts.path.rstrip('/')}"


def check_credential(settings: Settings, reference: str) -> None:
    """See that a reference of a secret can be read; '' is none.

    Raises:
        ConfigurationError: it is no reference, or names nothing.
    """
    if reference:
        settings.secrets.of(reference)


def provider_of(address: str, settings: Settings) -> str:
    """Who serves an address; '' where nobody is known to."""
    try:
        return provider_for(address, dict(settings.git_hosts))
    except ConfigurationError:
        return ""


# --- what follows --------------------------------------------------------------------------------------------


def settle(store: Store, settings: Settings, number: int, *, protocols: Sequence[str] = PROTOCOLS) -> Project:
    """Finish the registration of a pending project: access, first look, webhook, first audit; each step is told live.

    A repository that cannot be read becomes `refused`, with the reason.
    """
    project = store.project(number)
    if project.status != "pending":
        return project
    if project.settings.get(UPLOADS_ONLY) is True:
        store.settle_project(number, status="active", reason="")
        _tell(store, number, "registered", "its audits come by upload")
        return store.project(number)
    try:
        secret = settings.secrets.of(project.credential) if project.credential else None
        found = _looked_at(store, settings, project, secret, tuple(protocols))
        hook = _install_webhook(store, settings, project, secret)
    except ElderError as error:
        store.settle_project(number, status="refused", reason=str(error)[:500])
        _tell(store, number, "refused", str(error)[:500])
        return store.project(number)
    store.settle_project(number, status="active", reason="", webhook_id=hook, **found)
    ask_first_audit(store, number)
    _tell(store, number, "registered", "the first audit is queued")
    return store.project(number)


def ask_first_audit(store: Store, number: int) -> int:
    """Put the first audit of a project into the inbox, once; its row."""
    put = store.put_inbox(
        source="registration",
        provider="registration",
        delivery_id=f"project {number}",
        action="audit",
        document={"audit_type": "full"},
        repository_id=number,
        priority=NORMAL,
    )
    return put.row


def _tell(store: Store, number: int, stage: str, detail: str) -> None:
    store.put_live_event(number, "audit_update", {"stage": stage, "detail": detail})


def _looked_at(
    store: Store, settings: Settings, project: Project, secret: Secret | None, protocols: tuple[str, ...]
) -> dict[str, Any]:
    """What the access check and the first look found: columns of the project."""
    _tell(store, project.id, "access", "asking the host whether the repository can be read")
    if not is_address(project.url):
        with open_repository(project.url, settings, key=project.key) as opened:
            look = first_look(opened.git_dir, project, None)
        return {"first_look": _with_cost(store, look)}
    if "file" not in protocols:
        check_host(settings, project.url)
    credential = credential_environment(project.url, project.provider, secret)
    head = remote_head(project.url, credential, protocols=protocols)
    if not head.commit:
        raise SourceRefused("the repository has no commits yet")
    _tell(store, project.id, "first_look", "reading the repository")
    told = _metadata(settings, project, secret)
    git_dir = update_mirror(project.url, project.key, settings.mirrors, protocols=protocols, credential=credential)
    look = _with_cost(store, first_look(git_dir, project, told))
    return {"first_look": look, **_place(head, told)}


def _place(head: RemoteHead, told: RemoteRepository | None) -> dict[str, str]:
    branch = head.default_branch or (told.default_branch if told else "")
    return {"default_branch": branch, "web_url": told.web_url if told else ""}


def check_host(settings: Settings, address: str) -> None:
    """See that an address leads to a public host, or to one that the operator named.

    Raises:
        SourceRefused: it leads into the network that Elder runs in, or nowhere.
    """
    host = key_of_address(address).partition("/")[0]
    named = frozenset({*settings.allowed_hosts, *(name for name, _ in settings.git_hosts)})
    try:
        Boundary(allowed_hosts=named).addresses(host, 443)
    except DeliveryDelayed as error:
        raise SourceRefused(f"{error}; activate the project to try again") from error
    except DeliveryFailed as error:
        raise SourceRefused(f"{error} (ELDER_GIT_HOSTS, ELDER_ALLOWED_HOSTS)") from error


def _metadata(settings: Settings, project: Project, secret: Secret | None) -> RemoteRepository | None:
    """What the host says of the repository; None where it is not asked or does not answer, which stops nothing."""
    if not project.provider or secret is None:
        return None
    provider = open_provider(project.provider)
    with contextlib.suppress(ElderError):
        api = provider.api_base(project.key.partition("/")[0])
        host = open_host(api, secret, allowed_hosts=settings.allowed_hosts)
        with host.client:
            return provider.metadata(host, project.key)
    return None


def _install_webhook(store: Store, settings: Settings, project: Project, secret: Secret | None) -> str:
    """The id of the webhook at the host; '' where none can be made, which is told and stops nothing."""
    if not project.provider or secret is None or not settings.public_url:
        return ""
    provider = open_provider(project.provider)
    address = f"{settings.public_url.rstrip('/')}/webhooks/{project.provider}/{project.id}"
    signing = webhook_secret(settings, project.id, project.webhook_secret_version)
    try:
        api = provider.api_base(project.key.partition("/")[0])
        host = open_host(api, secret, allowed_hosts=settings.allowed_hosts)
        with host.client:
            return provider.create_webhook(host, project.key, url=address, secret=signing)
    except ElderError as error:
        _tell(store, project.id, "webhook", f"no webhook was made: {error}"[:500])
        return ""


# --- the first look ------------------------------------------------------------------------------------------


def first_look(git_dir: Any, project: ProjectTerms, told: RemoteRepository | None) -> dict[str, Any]:
    """What a repository is, from its tree and its history: no content is read, so that it takes seconds.

    Returns:
        files, bytes, commits, languages [[name, share 0-1]], ci [names], and `recommended`: profile and tier, each
        with its reason.
    """
    sizes: Counter[str] = Counter()
    known = {ending: language.name for language in languages() for ending in language.extensions}
    files = total = 0
    ci: set[str] = set()
    listing = run(git_dir, "ls-tree", "-r", "-l", "-z", "HEAD").split(b"\0")
    for raw in listing[:TREE_ENTRIES_MAX]:
        meta, _, name = raw.decode("utf-8", errors="replace").partition("\t")
        size = meta.split()[-1] if meta else ""
        if not size.isdigit():
            continue
        files, total = files + 1, total + int(size)
        if language := known.get(PurePosixPath(name).suffix.lower()):
            sizes[language] += int(size)
        if system := system_of(name):
            ci.add(system)
    commits = int(run(git_dir, "rev-list", "--count", "HEAD") or 0)
    code = sum(sizes.values())
    return {
        "files": files,
        "bytes": total,
        "commits": commits,
        "languages": [[name, round(size / code, 3)] for name, size in sizes.most_common(LANGUAGES_SHOWN)]
        if code
        else [],
        "ci": sorted(ci),
        "recommended": recommended(files, commits, project, told),
    }


def recommended(
    files: int, commits: int, project: ProjectTerms, told: RemoteRepository | None
) -> dict[str, Mapping[str, str]]:
    """Which profile and tier fit, and why."""
    tags = sorted(ENTERPRISE_TAGS & {tag.lower() for tag in project.compliance_tags})
    if tags:
        profile, why = "enterprise", f"its compliance tags name {', '.join(tags)}"
    elif told is not None and told.visibility == "public":
        profile, why = "open source", "the host says that it is public"
    elif commits < STARTUP_COMMITS_MAX:
        profile, why = "startup", f"it is young: {commits} commits, fewer than {STARTUP_COMMITS_MAX}"
    else:
        profile, why = "default", f"it has a history ({commits} commits), and nothing asks for another profile"
    tier = next((name for most, name in TIER_FILES if files <= most), "xlarge")
    return {
        "profile": {"value": PROFILES[profile].name, "reason": why},
        "tier": {"value": tier, "reason": f"{files} files"},
    }


def _with_cost(store: Store, look: dict[str, Any]) -> dict[str, Any]:
    """The look with what an audit is likely to cost, from audits of repositories of a similar size."""
    seconds, measured = store.expected_seconds(look["files"])
    said = f"median of {measured} audits of similar size" if measured else "no audit was measured yet"
    return {**look, "expected_audit_seconds": seconds, "expected_because": said}


def forget_files(settings: Settings, project: Project) -> None:
    """Remove what this machine keeps of a deleted project: its mirror and its facts."""
    folder = mirror_folder(project.key, settings.mirrors)
    shutil.rmtree(folder, ignore_errors=True)
    folder.with_suffix(".lock").unlink(missing_ok=True)
    for ending in (".db", ".db-wal", ".db-shm"):
        (settings.facts / f"{project.key}{ending}").unlink(missing_ok=True)
