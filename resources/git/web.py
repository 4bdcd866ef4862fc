"""Where a git host shows things to people: commits, places in files, and the form of a new issue. No calls.

One table of addresses, a row a provider. What comes from a repository (paths, texts) is quoted; an address that is no
http(s) address, or a provider that nobody knows, gives '' and the page shows plain text.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from resources.git.address import is_address, key_of_address

FORM_CHARACTERS_MAX = 6_000
"""Length of an address of a form: hosts and browsers cut or refuse longer ones. Chosen by us."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A repository at its host."""

    provider: str
    root: str
    """Where people see it, without a trailing slash; '' where nobody knows."""


class _Addresses(msgspec.Struct, frozen=True, kw_only=True):
    commit: str
    file: str
    line: str
    form: str = ""
    title: str = ""
    body: str = ""


_ADDRESSES: Mapping[str, _Addresses] = {
    "github": _Addresses(
        commit="{root}/commit/{commit}",
        file="{root}/blob/{commit}/{path}",
        line="#L{line}",
        form="{root}/issues/new",
        title="title",
        body="body",
    ),
    "gitlab": _Addresses(
        commit="{root}/-/commit/{commit}",
        file="{root}/-/blob/{commit}/{path}",
        line="#L{line}",
        form="{root}/-/issues/new",
        title="issue[title]",
        body="issue[description]",
    ),
    "bitbucket_cloud": _Addresses(
        commit="{root}/commits/{commit}",
        file="{root}/src/{commit}/{path}",
        line="#lines-{line}",
        form="{root}/issues/new",
        title="title",
        body="content",
    ),
    "bitbucket_server": _Addresses(
        commit="{root}/commits/{commit}", file="{root}/browse/{path}?at={commit}", line="#{line}"
    ),
    "azure_devops": _Addresses(
        commit="{root}/commit/{commit}",
        file="{root}?path=/{path}&version=GC{commit}",
        line="&line={line}&lineEnd={line}&lineStartColumn=1&lineEndColumn=200",
        form="{project}/_workitems/create/Task",
        title="[System.Title]",
        body="[System.Description]",
    ),
}
"""Forms: docs.github.com/en/issues (URL query), docs.gitlab.com/user/project/issues/create_issues,
learn.microsoft.com/azure/devops/boards/work-items/work-item-url-hyperlink. Bitbucket's form takes the same by habit."""


def place_of(provider: str, url: str, web_url: str = "") -> Place:
    """Where people see a repository: what its host said, else what its address says."""
    if _is_web(web_url):
        return Place(provider=provider, root=web_url.rstrip("/").removesuffix(".git"))
    if not is_address(url) or provider not in _ADDRESSES:
        return Place(provider=provider, root="")
    key = key_of_address(url)
    if provider == "bitbucket_server":
        host, _, path = key.partition("/scm/")
        owner, _, name = path.partition("/")
        return Place(provider=provider, root=f"https://{host}/projects/{owner}/repos/{name}" if name else "")
    return Place(provider=provider, root=f"https://{key}")


def _is_web(address: str) -> bool:
    if not address.isprintable():
        return False
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in {"https", "http"} and bool(parts.hostname) and "@" not in parts.netloc


def commit_address(place: Place, commit: str) -> str:
    """Where a commit is shown; '' where nobody knows."""
    known = _ADDRESSES.get(place.provider)
    return known.commit.format(root=place.root, commit=quote(commit)) if known and place.root and commit else ""


def file_address(place: Place, commit: str, path: str, line: int = 0) -> str:
    """Where a line of a file at a commit is shown; '' where nobody knows."""
    known = _ADDRESSES.get(place.provider)
    if known is None or not (place.root and commit and path):
        return ""
    shown = known.file.format(root=place.root, commit=quote(commit), path=quote(path))
    return shown + (known.line.format(line=line) if line > 0 else "")


def form_address(place: Place, title: str, body: str) -> str:
    """The form of a new issue, filled in; '' at a host that has none. A body that is too long is left out."""
    known = _ADDRESSES.get(place.provider)
    if known is None or not known.form or not place.root:
        return ""
    project, _, name = place.root.partition("/_git/")
    parts = urlsplit(project)
    is_short = place.provider == "azure_devops" and parts.path.count("/") < (
        2 if parts.netloc == "dev.azure.com" else 1
    )
    form = known.form.format(root=place.root, project=f"{project}/{name}" if is_short else project)
    whole = f"{form}?{urlencode({known.title: title, known.body: body}, quote_via=quote)}"
    return whole if len(whole) <= FORM_CHARACTERS_MAX else f"{form}?{urlencode({known.title: title}, quote_via=quote)}"
