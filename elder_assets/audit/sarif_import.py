"""SARIF 2.1.0 of any tool as findings of ours: `read_sarif`.

What belongs here: reading, bounding and naming. Whether one of our rules says the same is decided in `equivalents.py`;
what becomes of findings over time is the store's. Pure: bytes in, records out.

Everything in the file is hostile: sizes are bounded, texts are cut to printable ones, addresses that leave the
repository are refused (`sarif_places.py`). A result that cannot be read is named in `skipped`; a file that cannot be is
an error.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from elder_assets.audit.errors import ConfigurationError, SourceError
from elder_assets.audit.identity import fingerprint, fingerprints, normalise
from elder_assets.audit.model import Finding, Found, Severity, Skipped, Tier
from elder_assets.audit.patterns import regex
from elder_assets.audit.sarif_places import Address, Bases, Refused, bases_of

VERSION = "2.1.0"
BYTES_MAX = 50 * 1024 * 1024
"""Chosen by us: five times what GitHub takes when packed (10 MB of gzip)."""
RESULTS_MAX = 25_000
"""Results in one file; what GitHub takes in one run."""
RUNS_MAX = 100
"""Runs in one file; chosen by us, five times what GitHub takes."""
EXTENSIONS_MAX = 100
"""Extensions of a tool whose rules are looked at; what GitHub takes."""
NAME_CHARS_MAX = 2000
"""Of a rule's name that is looked at; one name may be used by every result."""
TOOL_CHARS_MAX = 40
RULE_CHARS_MAX = 120
MESSAGE_CHARS_MAX = 1000
PARTS_MAX = 10
"""Parts behind a rule's id, as in 'CA1000/2', that are taken off to find it."""
PLACEHOLDERS_MAX = 50
ARGUMENT_CHARS_MAX = 300
"""Bound a message whose placeholders would repeat a long argument."""
PREFIX = "EXT"


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A tool that ran, as its file names it."""

    name: str
    version: str = ""
    results: int = 0
    """Results of it in the file, those left out included."""


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What one SARIF file says. results = findings + skipped + left out."""

    name: str
    findings: tuple[Finding, ...]
    """In order of place (`Finding.sort_key`)."""
    skipped: tuple[Skipped, ...] = ()
    """Results that should be findings and cannot be, and why."""
    left_out: Mapping[str, int] = {}
    """Results that are no findings by the tool's own word ('suppressed', 'absent', 'kind pass'), counted."""
    tools: tuple[Tool, ...] = ()
    weaknesses: Mapping[str, tuple[int, ...]] = {}
    """By rule of ours (`EXT:...`): numbers in the Common Weakness Enumeration that the tool gives it."""
    failures: tuple[str, ...] = ()
    """Why results may be lacking (the tool did not finish, or keeps them elsewhere): then absence proves no fix."""

    @property
    def results(self) -> int:
        """Results in the file."""
        return len(self.findings) + len(self.skipped) + sum(self.left_out.values())


# --- the part of SARIF that is read: unknown members are passed over, known ones have to have their type -------------


class _Base(msgspec.Struct, frozen=True, rename="camel"):
    pass


class _Text(_Base, frozen=True):
    text: str | None = None
    markdown: str | None = None
    id: str | None = None
    arguments: list[Any] | None = None

    @property
    def best(self) -> str:
        return self.text or self.markdown or ""


class _Configuration(_Base, frozen=True):
    level: str | None = None
    rank: float | None = None


class _Component(_Base, frozen=True):
    name: str | None = None
    index: int | None = None
    guid: str | None = None


class _Reference(_Base, frozen=True):
    id: str | None = None
    index: int | None = None
    tool_component: _Component | None = None


class _Relationship(_Base, frozen=True):
    target: _Reference | None = None


class _Rule(_Base, frozen=True):
    id: str = ""
    name: str | None = None
    short_description: _Text | None = None
    full_description: _Text | None = None
    help: _Text | None = None
    help_uri: str | None = None
    message_strings: dict[str, _Text] | None = None
    default_configuration: _Configuration | None = None
    relationships: list[_Relationship] | None = None
    properties: dict[str, Any] | None = None


class _ToolComponent(_Base, frozen=True):
    name: str = ""
    version: str | None = None
    semantic_version: str | None = None
    guid: str | None = None
    rules: list[_Rule] | None = None
    global_message_strings: dict[str, _Text] | None = None


class _Tool(_Base, frozen=True):
    driver: _ToolComponent
    extensions: list[_ToolComponent] | None = None

    @property
    def components(self) -> list[_ToolComponent]:
        return [self.driver, *(self.extensions or [])[:EXTENSIONS_MAX]]


class _Artifact(_Base, frozen=True):
    location: Address | None = None


class _Invocation(_Base, frozen=True):
    execution_successful: bool | None = None
    exit_code_description: str | None = None
    working_directory: Address | None = None


class _Provenance(_Base, frozen=True):
    mapped_to: Address | None = None


class _Run(_Base, frozen=True):
    tool: _Tool
    results: list[msgspec.Raw] | None = None
    artifacts: list[_Artifact] | None = None
    original_uri_base_ids: dict[str, Address] | None = None
    invocations: list[_Invocation] | None = None
    version_control_provenance: list[_Provenance] | None = None
    external_property_file_references: dict[str, Any] | None = None


class _Log(_Base, frozen=True):
    version: Any = None
    runs: list[_Run] | None = None


class _Head(_Base, frozen=True):
    version: Any = None
    runs: list[msgspec.Raw] | None = None


_Kind = TypeVar("_Kind", _Head, _Log)


class _Snippet(_Base, frozen=True):
    text: str | None = None


class _Region(_Base, frozen=True):
    start_line: int | None = None
    snippet: _Snippet | None = None


class _Place(_Base, frozen=True):
    artifact_location: Address | None = None
    region: _Region | None = None
    context_region: _Region | None = None


class _Symbol(_Base, frozen=True):
    fully_qualified_name: str | None = None
    name: str | None = None


class _Location(_Base, frozen=True):
    physical_location: _Place | None = None
    logical_locations: list[_Symbol] | None = None


class _Suppression(_Base, frozen=True):
    status: str | None = None


class _Fix(_Base, frozen=True):
    description: _Text | None = None


class _Result(_Base, frozen=True):
    rule_id: str | None = None
    rule_index: int | None = None
    rule: _Reference | None = None
    kind: str | None = None
    level: str | None = None
    rank: float | None = None
    message: _Text | None = None
    locations: list[_Location] | None = None
    fingerprints: dict[str, Any] | None = None
    partial_fingerprints: dict[str, Any] | None = None
    baseline_state: str | None = None
    suppressions: list[_Suppression] | None = None
    taxa: list[_Reference] | None = None
    fixes: list[_Fix] | None = None
    properties: dict[str, Any] | None = None


# --- the file ---------------------------------------------------------------------------------------------------------


def read_sarif(content: bytes, name: str, *, roots: Sequence[str] = ()) -> Imported:
    """Read a SARIF file; a finding of rule `EXT:<tool>:<rule>` and tier advise for each result that stands.

    Args:
        content: the file; UTF-8, a byte order mark is allowed.
        name: what messages call it.
        roots: absolute folders that the repository lies in, where they are known; others are read off the file.

    Raises:
        SourceError: it is not JSON, or not SARIF.
        ConfigurationError: it is SARIF of another version, or larger than what is read.
    """
    log = _log(content, name)
    found = _Found()
    for run in log.runs or []:
        _read_run(run, roots, found)
    identified = sorted(_identified(found), key=lambda finding: finding.sort_key)
    return Imported(
        name=name,
        findings=tuple(identified),
        skipped=tuple(found.skipped),
        left_out=dict(sorted(found.left_out.items())),
        tools=tuple(found.tools),
        weaknesses={rule: tuple(sorted(numbers)) for rule, numbers in sorted(found.weaknesses.items()) if numbers},
        failures=tuple(found.failures),
    )


def _log(content: bytes, name: str) -> _Log:
    if len(content) > BYTES_MAX:
        raise ConfigurationError(f"size of {name}", f"{len(content):,} bytes", f"up to {BYTES_MAX:,}")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SourceError(f"{name} is UTF-16; allowed: SARIF {VERSION} in UTF-8")
    content = content.removeprefix(b"\xef\xbb\xbf")
    head = _decoded(content, _Head, name)
    if head.runs is None:
        raise SourceError(f"{name} is JSON, but not SARIF: it has no `runs`; allowed: SARIF {VERSION}")
    if head.version != VERSION:
        raise ConfigurationError(f"version of {name}", str(head.version)[:40], VERSION)
    if len(head.runs) > RUNS_MAX:
        raise ConfigurationError(f"runs in {name}", len(head.runs), f"up to {RUNS_MAX}")
    log = _decoded(content, _Log, name)
    results = sum(len(run.results or []) for run in log.runs or [])
    if results > RESULTS_MAX:
        raise ConfigurationError(f"results in {name}", f"{results:,}", f"up to {RESULTS_MAX:,}; split the file")
    return log


def _decoded(content: bytes, kind: type[_Kind], name: str) -> _Kind:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.ValidationError as error:
        raise SourceError(f"{name} is not SARIF {VERSION}: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"{name} is not JSON in UTF-8: {error}; allowed: SARIF {VERSION}") from error
    except RecursionError as error:
        raise SourceError(f"{name} is nested too deeply; allowed: SARIF {VERSION}") from error


class _Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that lacks its identity, and what the identity is made of."""

    finding: Finding
    tokens: str


class _Found:
    """What was gathered so far."""

    def __init__(self) -> None:
        self.candidates: list[_Candidate] = []
        self.skipped: list[Skipped] = []
        self.left_out: Counter[str] = Counter()
        self.tools: list[Tool] = []
        self.weaknesses: defaultdict[str, set[int]] = defaultdict(set)
        self.failures: list[str] = []


class _Context(msgspec.Struct, frozen=True, kw_only=True):
    """What the results of a run refer to."""

    tool: str
    components: list[_ToolComponent]
    rules: list[dict[str, _Rule]]
    """By component: rules by id."""
    artifacts: list[_Artifact]
    bases: Bases


def _read_run(run: _Run, roots: Sequence[str], found: _Found) -> None:
    context = _context(run, roots)
    version = run.tool.driver.semantic_version or run.tool.driver.version or ""
    found.tools.append(Tool(name=context.tool, version=one_line(version, 40), results=len(run.results or [])))
    found.failures += _failures(run, context.tool)
    for raw in run.results or []:
        try:
            result = msgspec.json.decode(raw, type=_Result)
            if reason := _not_counted(result):
                found.left_out[reason] += 1
                continue
            _add(result, context, found)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            found.skipped.append(Skipped("", f"a result is not SARIF: {one_line(str(error), 200)}"))


def _context(run: _Run, roots: Sequence[str]) -> _Context:
    mapped = [item.mapped_to.uri_base_id for item in run.version_control_provenance or [] if item.mapped_to]
    folders = [item.working_directory.uri or "" for item in run.invocations or [] if item.working_directory]
    return _Context(
        tool=_tool_name(run.tool.driver.name),
        components=run.tool.components,
        rules=[{rule.id: rule for rule in component.rules or []} for component in run.tool.components],
        artifacts=run.artifacts or [],
        bases=bases_of(run.original_uri_base_ids or {}, filter(None, mapped), [*roots, *folders]),
    )


def _failures(run: _Run, tool: str) -> Iterator[str]:
    for invocation in run.invocations or []:
        if invocation.execution_successful is False:
            why = one_line(invocation.exit_code_description or "", 200)
            yield f"{tool} did not finish" + (f": {why}" if why else "")
    if run.results is None and (run.external_property_file_references or {}).get("results"):
        yield f"{tool} keeps its results in another file"


_KINDS = frozenset({"pass", "open", "informational", "notApplicable", "review"})


def _not_counted(result: _Result) -> str:
    """Why a result is no finding by the tool's own word; '' when it is one."""
    if any(item.status in {None, "accepted"} for item in result.suppressions or []):
        return "suppressed"
    if result.baseline_state == "absent":
        return "absent"
    if result.kind not in {None, "fail"}:
        return f"kind {result.kind}" if result.kind in _KINDS else "kind unknown"
    return ""


# --- one result -------------------------------------------------------------------------------------------------------


def _add(result: _Result, context: _Context, found: _Found) -> None:
    component, rule = _rule_of(result, context)
    code = _code(context.tool, result, rule)
    place = next((item for item in result.locations or [] if item.physical_location), None)
    physical = place.physical_location if place else None
    address = _address(physical, context)
    try:
        path = context.bases.path(address) if address else ""
    except Refused as refused:
        shown = one_line((address.uri if address else "") or "", 200)
        found.skipped.append(Skipped(shown, f"{code}: {refused}"))
        return
    numbers = _weaknesses(result, rule)
    found.weaknesses[code] |= numbers
    finding = Finding(
        rule=code,
        severity=_severity(result, rule),
        tier=Tier.ADVISE,
        path=path,
        line=max(0, (physical.region.start_line or 0) if physical and physical.region else 0),
        symbol=_symbol(result),
        message=_message(result, rule, component),
        remedy=_remedy(result, rule),
        fingerprint="",
        unit="",
    )
    tokens = _tokens(result, finding, physical, is_secret=bool(numbers & SECRET_WEAKNESSES))
    found.candidates.append(_Candidate(finding=finding, tokens=tokens))


def _rule_of(result: _Result, context: _Context) -> tuple[_ToolComponent, _Rule]:
    """The component and rule that a result refers to: by reference, by index, by id; a nameless rule when by none."""
    reference = result.rule or _Reference()
    where = reference.tool_component.index if reference.tool_component else None
    number = where + 1 if where is not None and 0 <= where < len(context.components) - 1 else 0
    component = context.components[number]
    index = reference.index if reference.index is not None else result.rule_index
    name = (reference.id or result.rule_id or "")[:NAME_CHARS_MAX]
    rules = component.rules or []
    if index is not None and 0 <= index < len(rules) and _is_part(rules[index].id, name):
        return component, rules[index]
    for known, by_id in zip(context.components, context.rules, strict=True):
        if rule := _by_id(by_id, name):
            return known, rule
    return component, _Rule(id=name)


def _is_part(rule: str, name: str) -> bool:
    return not name or name == rule or name.startswith(rule + "/")


def _by_id(rules: Mapping[str, _Rule], name: str) -> _Rule | None:
    """The rule of this id, or of the id before its last parts: 'CA1000/2' is a part of 'CA1000'."""
    for _ in range(PARTS_MAX):
        if name in rules:
            return rules[name]
        name = name.rpartition("/")[0]
        if not name:
            break
    return None


def _code(tool: str, result: _Result, rule: _Rule) -> str:
    name = (result.rule.id if result.rule else None) or result.rule_id or rule.id or rule.name or "unnamed"
    return f"{PREFIX}:{tool}:{_word(name, RULE_CHARS_MAX)}"


def _tool_name(name: str) -> str:
    return _word(name.replace(":", " "), TOOL_CHARS_MAX)


def _word(text: str, chars_max: int) -> str:
    """A name without blanks and what cannot be printed; a longer one is cut and ends in a digest."""
    printable = "".join(char if char.isprintable() else " " for char in text[:NAME_CHARS_MAX])
    word = "-".join(printable.split()) or "unnamed"
    if len(word) <= chars_max:
        return word
    return word[: chars_max - 9] + "-" + hashlib.sha256(word.encode(errors="backslashreplace")).hexdigest()[:8]


def _address(physical: _Place | None, context: _Context) -> Address | None:
    address = physical.artifact_location if physical else None
    if address is None or address.uri is not None or address.index is None:
        return address
    if 0 <= address.index < len(context.artifacts):
        return context.artifacts[address.index].location
    return address


def _symbol(result: _Result) -> str:
    for location in result.locations or []:
        for symbol in location.logical_locations or []:
            return one_line(symbol.fully_qualified_name or symbol.name or "", 200)
    return ""


# --- what it says -----------------------------------------------------------------------------------------------------

_PLACEHOLDER = regex(r"\{\{|\}\}|\{(\d{1,3})\}")
_LINK = regex(r"(?<!\\)\[((?:[^\[\]\\]|\\.){1,400})\]\((?:\d{1,6}|[^()\s]{1,2000})\)")


def _message(result: _Result, rule: _Rule, component: _ToolComponent) -> str:
    """The message as one line of text: literal, or from the rule's messages; what the rule says when there is none."""
    message = result.message or _Text()
    text = message.best
    if not text and message.id:
        for known in (rule.message_strings or {}, component.global_message_strings or {}):
            if message.id in known:
                text = known[message.id].best
                break
    if message.arguments:
        text = _filled(text, [str(item)[:ARGUMENT_CHARS_MAX] for item in message.arguments[:PLACEHOLDERS_MAX]])
    described = [part.best for part in (rule.short_description, rule.full_description) if part]
    for candidate in (_LINK.sub(r"\1", text[: 4 * MESSAGE_CHARS_MAX]), *described, rule.name or "", rule.id):
        if shown := one_line(candidate, MESSAGE_CHARS_MAX):
            return shown
    return "the tool gives no message"


def _filled(text: str, arguments: Sequence[str]) -> str:
    def value(found: Any) -> str:
        if found[1] is None:
            return str(found[0][0])
        return arguments[int(found[1])] if int(found[1]) < len(arguments) else str(found[0])

    return _PLACEHOLDER.sub(value, text[: 4 * MESSAGE_CHARS_MAX], count=PLACEHOLDERS_MAX)


def _remedy(result: _Result, rule: _Rule) -> str:
    for fix in result.fixes or []:
        if fix.description and (text := one_line(fix.description.best, MESSAGE_CHARS_MAX)):
            return text
    if rule.help and (text := one_line(rule.help.best, MESSAGE_CHARS_MAX)):
        return text
    address = one_line(rule.help_uri or "", 500)
    return f"See {address}" if address.startswith("https://") else ""


def one_line(text: str, chars_max: int) -> str:
    """A text on one line, cut to printable characters and to a length."""
    words = "".join(char if char.isprintable() else " " for char in text[: 4 * chars_max]).split()
    line = " ".join(words)
    return line if len(line) <= chars_max else line[: chars_max - 3] + "..."


# --- how bad it is ----------------------------------------------------------------------------------------------------

_LEVELS = {"error": Severity.HIGH, "warning": Severity.MEDIUM, "note": Severity.LOW, "none": Severity.INFO}
_CVSS = ((9.0, Severity.CRITICAL), (7.0, Severity.HIGH), (4.0, Severity.MEDIUM), (0.1, Severity.LOW))
"""Lower ends of the bands of CVSS 3.1, section 5."""


def _severity(result: _Result, rule: _Rule) -> Severity:
    """From security-severity; else the result's level, the rule's, its rank; a warning when nothing is said."""
    for properties in (result.properties, rule.properties):
        score = _number((properties or {}).get("security-severity"))
        if score is not None and 0 <= score <= 10:
            return _band(score)
    default = rule.default_configuration or _Configuration()
    for level in (result.level, default.level):
        if level in _LEVELS:
            return _LEVELS[level]
    for rank in (result.rank, default.rank):
        if rank is not None and 0 <= rank <= 100:  # -1 says that there is none
            return _band(rank / 10)
    return Severity.MEDIUM


def _number(value: object) -> float | None:
    if (
        isinstance(value, str | int | float)
        and not isinstance(value, bool)
        and (not isinstance(value, str) or len(value) < 20)
    ):
        try:
            return float(value)
        except (ValueError, OverflowError):
            return None
    return None


def _band(score: float) -> Severity:
    return next((severity for lowest, severity in _CVSS if score >= lowest), Severity.INFO)


_CWE = regex(r"\bcwe[-_:/ ]{0,2}0*(\d{1,5})\b", 2)


def _weaknesses(result: _Result, rule: _Rule) -> set[int]:
    """Numbers in the Common Weakness Enumeration that a result or its rule names, in any of the usual places."""
    texts: list[str] = []
    for properties in (result.properties or {}, rule.properties or {}):
        for key in ("tags", "cwe", "CWE", "cwe_ids"):
            value = properties.get(key)
            texts += [
                item[:200] for item in (value[:50] if isinstance(value, list) else [value]) if isinstance(item, str)
            ]
    targets = [item.target for item in (rule.relationships or [])[:50]] + (result.taxa or [])[:50]
    for target in targets:
        if target and target.tool_component and (target.tool_component.name or "").upper() == "CWE":
            texts.append(f"cwe-{(target.id or '').upper().removeprefix('CWE-')[:20]}")
    return {int(number) for text in texts for number in _CWE.findall(text)}


# --- identity (decision D5) -------------------------------------------------------------------------------------------

SECRET_WEAKNESSES = frozenset({798, 259, 321, 522})
"""CWE: hard-coded credentials, password, key; weakly protected credentials. Their snippets may be the secret."""
_NOT_IDENTITY = frozenset(
    {"commitsha", "email", "author", "date", "commitmessage", "primarylocationstartcolumnfingerprint"}
)
"""Names under which gitleaks keeps who and when, and CodeQL a column: none of them tells two places apart for long."""
_EMPTY_VALUES = frozenset({"", "requires login", "unavailable"})
_NUMBERS = regex(r"\d+")


def _tokens(result: _Result, finding: Finding, physical: _Place | None, *, is_secret: bool) -> str:
    """What tells a result from others of its rule: the tool's own fingerprints, else what it says and the code."""
    for marks in (result.fingerprints, result.partial_fingerprints):
        own = sorted(
            f"{key}={value}"
            for key, value in (marks or {}).items()
            if key.lower().partition("/")[0] not in _NOT_IDENTITY and str(value).strip().lower() not in _EMPTY_VALUES
        )
        if own:
            return "\0".join(["own", *own])
    regions = [region for region in (physical.region, physical.context_region) if region] if physical else []
    snippet = next((region.snippet.text for region in regions if region.snippet and region.snippet.text), "")
    code = "" if is_secret else normalise((snippet or "")[:MESSAGE_CHARS_MAX])
    name = finding.path.rpartition("/")[2]
    return "\0".join(["said", _NUMBERS.sub("0", finding.message), name, code])


def _identified(found: _Found) -> Iterable[Finding]:
    by_rule: defaultdict[str, list[_Candidate]] = defaultdict(list)
    for candidate in found.candidates:
        by_rule[candidate.finding.rule].append(candidate)
    for rule, candidates in by_rule.items():
        as_found = [
            Found(message=item.finding.message, path=item.finding.path, line=item.finding.line, tokens=item.tokens)
            for item in candidates
        ]
        for candidate, own in zip(candidates, fingerprints(rule, as_found), strict=True):
            kin = fingerprint(rule, "", candidate.tokens, 0)
            yield msgspec.structs.replace(candidate.finding, fingerprint=own, kin=kin, unit=own)
