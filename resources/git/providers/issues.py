"""A finding as an issue (a work item) at a git host: what is written there, inert in the host's own markup.

Titles and texts hold words of a repository: a path may be called `@everyone` or `</details>`. Nothing of them may
address people, refer to other issues, run a host's commands or draw markup. Pure; providers choose the markup.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import msgspec

from resources.git.providers.payloads import inert

TITLE_CHARACTERS_MAX = 200
TEXT_CHARACTERS_MAX = 4_000
JOINER = "\u2060"
"""Word joiner: shows nothing, breaks no line, and what it stands in is no longer a name or a number to a host."""

_LIVE = re.compile(r"([@#!~%&$^{](?=\S)|:(?=//|\w+:)|\bGH(?=-)|\bwww(?=\.))", re.IGNORECASE)
"""Where a reference of some host begins: @name, #1, !2, ~label, %milestone, $1, &1, GH-1, https://, www., :emoji:."""
_MARKUP = re.compile(r"([\\`*_\[\]])")
_CODE = re.compile(r"`([^`]{1,300})`")
_FENCE = re.compile(r"`+")


class Issue(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be written; every text may be hostile, but for link, place_link and marker."""

    rule: str
    message: str
    severity: str
    commit: str
    place: str = ""
    """path:line; '' where it is about the repository, or is not to be shown."""
    place_link: str = ""
    """Where the host shows the place at the commit."""
    why: str = ""
    remedy: str = ""
    link: str = ""
    """The finding in Elder; '' while nobody said where Elder is reached."""
    marker: str
    """By chance, one an issue: by this text it is found again."""
    kind: str = ""
    """Type of work item, at hosts that have types; '' for the usual one."""

    @property
    def title(self) -> str:
        """One line for lists."""
        return unlinked(inert(f"{self.rule}: {self.message.replace('`', '')}", TITLE_CHARACTERS_MAX))


class OpenedIssue(msgspec.Struct, frozen=True, kw_only=True):
    """An issue that is there."""

    number: str
    """As people name it: 12."""
    url: str
    """Where people see it."""


def unlinked(text: str) -> str:
    """A text in which no host finds a reference; it looks the same."""
    return _LIVE.sub(rf"\1{JOINER}", text)


def in_markdown(text: str) -> str:
    """A text of one line as Markdown of any host; what stands between backticks stays code."""
    pieces = _CODE.split(inert(text, TEXT_CHARACTERS_MAX))
    return "".join(_code(piece) if index % 2 else _prose(piece) for index, piece in enumerate(pieces))


def _prose(text: str) -> str:
    """Entities before joiners, or the joiner would stand inside of an entity."""
    marked = unlinked(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKUP.sub(r"\\\1", marked)


def _code(text: str) -> str:
    fence = "`" * (1 + max((len(run) for run in _FENCE.findall(text)), default=0))
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def in_html(text: str) -> str:
    """A text of one line as HTML."""
    pieces = _CODE.split(inert(text, TEXT_CHARACTERS_MAX))
    shown = [html.escape(piece if index % 2 else unlinked(piece)) for index, piece in enumerate(pieces)]
    return "".join(f"<code>{piece}</code>" if index % 2 else piece for index, piece in enumerate(shown))


def markdown_body(issue: Issue) -> str:
    """The text of an issue as Markdown. No line begins with words of the repository: '/close' would be a command."""
    return "\n\n".join(
        [
            *(f"**{name}:** {text}" for name, text in _facts(issue, in_markdown, _code, "[{text}]({link})")),
            f"<sub>Opened from Elder, {issue.marker}</sub>",
        ]
    )


def html_body(issue: Issue) -> str:
    """The text of an issue as HTML."""
    facts = _facts(issue, in_html, lambda text: f"<code>{html.escape(text)}</code>", '<a href="{link}">{text}</a>')
    lines = [f"<p><b>{name}:</b> {text}</p>" for name, text in facts]
    return "".join([*lines, f"<p><small>Opened from Elder, {issue.marker}</small></p>"])


def _facts(issue: Issue, prose: Callable[[str], str], code: Callable[[str], str], anchor: str) -> list[tuple[str, str]]:
    """(name, text in markup) of what an issue says, without what is not known."""
    shown = code(inert(issue.place, TEXT_CHARACTERS_MAX)) if issue.place else ""
    place = anchor.format(text=shown, link=_href(issue.place_link)) if shown and issue.place_link else shown
    at = f"{place or 'the repository'} at commit {code(inert(issue.commit[:12]))}"
    link = anchor.format(text="the finding in Elder", link=_href(issue.link)) if issue.link else ""
    named = {
        "Finding": prose(issue.message),
        "Rule": f"{code(inert(issue.rule))}, severity {prose(issue.severity)}",
        "Place": at,
        "Why it matters": prose(issue.why),
        "What to do": prose(issue.remedy),
        "More": link,
    }
    return [(name, text) for name, text in named.items() if text]


def _href(address: str) -> str:
    """An address of ours or of the host's, quoted already, that cannot leave its place in the markup."""
    return address.replace("(", "%28").replace(")", "%29").replace('"', "%22").replace("<", "%3C").replace(" ", "%20")
