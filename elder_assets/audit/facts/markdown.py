"""Prose documents: what a README says and where its links lead. Markdown by CommonMark, others line by line.

Only documents that a person meets first are read: those at the root, the READMEs and contribution guides of
folders, and `.github/`. Links in code are none. Anchors are those that GitHub makes.
"""

from __future__ import annotations

import functools
import html
import itertools
import re
from collections import Counter
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import unquote

import msgspec

from elder_assets.audit.facts.extraction import extractor
from elder_assets.audit.facts.grammars import Blob
from elder_assets.audit.facts.markup_links import asciidoc_targets, rst_targets
from elder_assets.audit.model import FileClass, SourceFile
from elder_assets.audit.patterns import regex

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token


class Heading(msgspec.Struct, frozen=True, array_like=True):
    """A heading of a document."""

    line: int
    level: int
    text: str


class Link(msgspec.Struct, frozen=True, array_like=True):
    """A link or an image, and where it leads, percent-encoded."""

    line: int
    target: str
    is_image: bool
    text: str = ""
    """What the reader sees of a Markdown link."""


class Prose(msgspec.Struct, frozen=True, array_like=True):
    """What one document says. Links are known for Markdown, reStructuredText and AsciiDoc."""

    prose_chars: int = 0
    """Characters of text a person reads: without badges, images, code blocks and headings. One character of
    Chinese, Japanese or Korean counts as three: it says as much."""
    headings: tuple[Heading, ...] = ()
    code_blocks: int = 0
    code_spans: tuple[str, ...] = ()
    """Text of inline code, at most CODE_SPANS_MAX."""
    links: tuple[Link, ...] = ()
    anchors: tuple[str, ...] = ()
    """Where `#...` may lead, as `anchor_key` makes them."""
    has_anchors: bool = False
    """Whether they are known: for Markdown only."""


CODE_SPANS_MAX = 200
LINKS_MAX = 5000
HTML_CHARS_MAX = 60_000
"""The HTML parser is quadratic in the worst case; chosen by us, decision 0001."""
DOCUMENT_BYTES_MAX = 600_000
"""Longer documents are generated lists; the parser takes 0.2 s for 100 kB. Chosen by us, decision 0001."""

README = regex(r"README(?:[._-][\w.-]+)?$", re.IGNORECASE)
_PROSE_NAME = regex(r"(?:^|/)(?:README|CONTRIBUTING)(?:[._-][\w.-]+)?$", re.IGNORECASE)
_PROSE_ENDING = regex(
    r"(?:/|^)[^/.]+$|\.(?:md|markdown|mdown|mkdn?|rst|adoc|asciidoc|txt|org|rdoc|textile|html?|pod|creole|mediawiki)$",
    re.IGNORECASE,
)


def is_front_document(file: SourceFile) -> bool:
    """Whether a person meets this document first: at the root, in `.github/`, or a README or CONTRIBUTING."""
    if file.file_class in {FileClass.VENDORED, FileClass.BINARY} or not _PROSE_ENDING.search(file.path):
        return False
    has_links = file.variant in {"markdown", "rst", "asciidoc"} and not file.path.endswith(".mdx")
    return (has_links and file.folder in {"", ".github"}) or _PROSE_NAME.search(file.path) is not None


@extractor(version=3, wants=is_front_document, max_bytes=DOCUMENT_BYTES_MAX)
def prose(blob: Blob) -> Prose:
    """Read a document: length of its prose, headings, code, links and anchors."""
    text = _decode(blob.data)
    if blob.variant == "markdown":
        return _Reader(text).read()
    read = {"rst": rst_targets, "asciidoc": asciidoc_targets}.get(blob.variant)
    links = [Link(*target) for target in read(text)] if read is not None else []
    return msgspec.structs.replace(_read_plain(text), links=tuple(links[:LINKS_MAX]))


def _decode(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    return data.decode("utf-8-sig", errors="replace")


# --- Markdown --------------------------------------------------------------------------------------------


@functools.cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": True, "maxNesting": 40}).enable(["table", "strikethrough"])
    parser.validateLink = _any_link  # type: ignore[method-assign]
    return parser


def _any_link(url: str) -> bool:  # noqa: ARG001 - the parser's signature
    """Every link is a fact, also one that a renderer would refuse."""
    return True


def code_block_lines(text: str) -> frozenset[int]:
    """1-based lines of a Markdown text that stand in fenced or indented code."""
    lines: set[int] = set()
    for token in _parser().parse(text[:DOCUMENT_BYTES_MAX]):
        if token.type in {"fence", "code_block"} and token.map:
            lines.update(range(token.map[0] + 1, token.map[1] + 1))
    return frozenset(lines)


_FRONT_MATTER = regex(r"\A---\r?\n(?:[^\n]*\n){0,100}?---[ \t]*\r?\n")


class _Reader:
    def __init__(self, text: str) -> None:
        blanked = _FRONT_MATTER.sub(lambda match: "\n" * match.group().count("\n"), text)
        self._text = blanked
        self._lines = blanked.split("\n")
        self._block_end = 0
        self._chars = 0
        self._code_blocks = 0
        self._headings: list[Heading] = []
        self._links: list[Link] = []
        self._spans: list[str] = []
        self._anchors: set[str] = set()
        self._slugs: Counter[str] = Counter()

    def read(self) -> Prose:
        in_heading = 0
        line = 1
        for token in _parser().parse(self._text):
            if token.map:
                line, self._block_end = token.map[0] + 1, token.map[1]
            if token.type == "heading_open":
                in_heading = int(token.tag[1:])
            elif token.type in {"fence", "code_block"}:
                self._code_blocks += 1
            elif token.type == "html_block":
                self._read_html(token.content, line)
            elif token.type == "inline":
                text = self._read_inline(token.children or [], line)
                if in_heading:
                    self._take_heading(Heading(line, in_heading, text))
                    in_heading = 0
                else:
                    self._chars += reading_length(text)
        return Prose(
            prose_chars=self._chars,
            headings=tuple(self._headings),
            code_blocks=self._code_blocks,
            code_spans=tuple(self._spans[:CODE_SPANS_MAX]),
            links=tuple(self._links[:LINKS_MAX]),
            anchors=tuple(sorted(self._anchors)),
            has_anchors=True,
        )

    def _read_inline(self, tokens: list[Token], line: int) -> str:
        """Take the links of a paragraph; its text without images."""
        text: list[str] = []
        for index, token in enumerate(tokens):
            if token.type in {"text", "code_inline", "text_special"}:
                text.append(token.content)
                if token.type == "code_inline":
                    self._spans.append(token.content[:100])
            elif token.type in {"softbreak", "hardbreak"}:
                text.append(" ")
                line += 1
            elif token.type == "link_open":
                label = "".join(inner.content for inner in itertools.takewhile(_is_in_link, tokens[index + 1 :]))
                self._take_link(str(token.attrs.get("href", "")), line, is_image=False, text=label[:200])
            elif token.type == "image":
                self._take_link(str(token.attrs.get("src", "")), line, is_image=True)
            elif token.type == "html_inline":
                self._read_html(token.content, line, is_inline=True)
        return "".join(text).strip()

    def _read_html(self, content: str, line: int, *, is_inline: bool = False) -> None:
        reader = _HtmlReader()
        reader.feed(content[:HTML_CHARS_MAX])
        reader.close()
        for offset, target, is_image in reader.links:
            self._take_link(target, line + offset, is_image=is_image)
        self._anchors.update(anchor_key(anchor) for anchor in reader.anchors)
        for offset, level, text in reader.headings:
            self._take_heading(Heading(line + offset, level, text))
        if not is_inline:
            self._chars += reading_length(" ".join("".join(reader.text).split()))
            self._code_blocks += reader.code_blocks

    def _take_link(self, target: str, line: int, *, is_image: bool, text: str = "") -> None:
        self._links.append(Link(self._line_of(target, line), target.strip(), is_image, text))

    def _line_of(self, target: str, line: int) -> int:
        """The line where a link stands, looked up: code with line breaks before it moves the count."""
        for number in range(line, min(line + 30, self._block_end + 1)):
            written = self._lines[number - 1]
            if target and (target in written or unquote(target) in written):
                return number
        return line

    def _take_heading(self, heading: Heading) -> None:
        self._headings.append(heading)
        slug = _slug(heading.text)
        count = self._slugs[slug]
        self._slugs[slug] += 1
        suffix = f"-{count}" if count else ""
        self._anchors.add(anchor_key(slug + suffix))
        self._anchors.add(anchor_key(_SHORTCODE.sub("", heading.text) + suffix))
        if own := _OWN_ID.search(heading.text):  # kramdown, Docusaurus and pandoc name a heading's anchor so
            self._anchors.update((anchor_key(own.group(1)), anchor_key(heading.text[: own.start()])))


def _is_in_link(token: Token) -> bool:
    return token.type != "link_close"


class _HtmlReader(HTMLParser):
    """Links, anchors, headings and text of a piece of HTML in a Markdown document."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[tuple[int, str, bool]] = []
        self.anchors: list[str] = []
        self.headings: list[tuple[int, int, str]] = []
        self.text: list[str] = []
        self.code_blocks = 0
        self._heading: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        offset = self.getpos()[0] - 1
        values = {name: value for name, value in attrs if value}
        if tag == "a" and "href" in values:
            self.links.append((offset, values["href"], False))
        elif tag == "img" and "src" in values:
            self.links.append((offset, values["src"], True))
        elif tag == "pre":
            self.code_blocks += 1
        elif re.fullmatch(r"h[1-6]", tag):
            self._heading = []
        self.anchors.extend(values[name] for name in ("id", "name") if name in values)

    def handle_endtag(self, tag: str) -> None:
        if re.fullmatch(r"h[1-6]", tag) and self._heading is not None:
            self.headings.append((self.getpos()[0] - 1, int(tag[1]), "".join(self._heading).strip()))
            self._heading = None

    def handle_data(self, data: str) -> None:
        if self._heading is not None:
            self._heading.append(data)
        else:
            self.text.append(data)


_SHORTCODE = regex(r":[a-z0-9_+-]+:")
_OWN_ID = regex(r"\{\s*:?\s*#([\w.-]+)[^}]*\}\s*$")
_SLUG_DROPS = regex(r"[^\w\- ]")


def _slug(text: str) -> str:
    """GitHub's slug of a heading: lower case, punctuation dropped, spaces to hyphens."""
    return _SLUG_DROPS.sub("", text.strip().lower()).replace(" ", "-")


_KEY_DROPS = regex(r"[\W_]+")


def anchor_key(fragment: str) -> str:
    """A fragment without what renderers disagree on: case, punctuation, emoji, GitHub's `user-content-`."""
    plain = unquote(fragment).lower()
    for prefix in ("user-content-", "markdown-header-"):  # GitHub, Bitbucket
        plain = plain.removeprefix(prefix)
    return _KEY_DROPS.sub("", plain)


_DENSE = regex(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def reading_length(text: str) -> int:
    """Characters a person reads; one that stands for a word or syllable counts as three."""
    return len(text) + 2 * len(_DENSE.findall(text))


# --- other formats ---------------------------------------------------------------------------------------

_UNDERLINE = regex(r"([=\-~^\"'`#*+:.])\1{2,}\s*$")
_PREFIX_HEADING = regex(r"(={1,6}|\*{1,6}|h[1-6]\.|#{1,6})\s+(\S.*)$")
_DIRECTIVE = regex(r"\.\. |:[\w-]+:|ifdef::|ifndef::|endif::|include::|image:|!\[|<[^>]*>\s*$|\|[^|]*\|\s*$")
_LITERAL_START = regex(
    r"(?:.*::\s*$|\.\. (?:code|code-block|sourcecode|parsed-literal)::|`{3,}|#\+begin)", re.IGNORECASE
)
_WORD = regex(r"\w")
_URL = regex(r"https?://\S+")


def _read_plain(text: str) -> Prose:
    """Length, headings and code of reStructuredText, AsciiDoc, Org and plain text, roughly: enough for a README."""
    chars, code_blocks = 0, 0
    headings: list[Heading] = []
    lines = text.split("\n")
    for index, line in enumerate(lines):
        stripped = line.strip()
        following = lines[index + 1] if index + 1 < len(lines) else ""
        is_listing = stripped == "----" and index > 0 and lines[index - 1][:1] in {"", "["}  # AsciiDoc
        if _LITERAL_START.match(stripped) or is_listing:
            code_blocks += 1
        if not _WORD.search(stripped):
            continue
        if _UNDERLINE.fullmatch(following.strip()) and not line[0].isspace():
            headings.append(Heading(index + 1, 1, stripped))
        elif title := _PREFIX_HEADING.match(line):
            headings.append(Heading(index + 1, len(title.group(1)), title.group(2)))
        elif line[0].isspace() and stripped.startswith(("$ ", "% ", "> ")):
            code_blocks += 1
        elif not _DIRECTIVE.match(stripped):
            chars += reading_length(_URL.sub("", html.unescape(stripped)))
    return Prose(prose_chars=chars, headings=tuple(headings), code_blocks=code_blocks, code_spans=())
