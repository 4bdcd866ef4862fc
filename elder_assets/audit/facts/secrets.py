"""Secrets: provider-specific patterns with structure, never a generic entropy scan. Used by STR010 and GIT006.

A candidate is kept as place and kind; its text is stored nowhere. Each detector has a literal that must stand in
the file (a byte search, fast), then a pattern, then what the provider's own format lets us verify: a checksum, a
decoded length, a second half nearby. What looks made up (sequences, repeats, words such as EXAMPLE) is no
candidate.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import itertools
import math
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator

import ahocorasick_rs
import msgspec

from elder_assets.audit.facts.extraction import extractor
from elder_assets.audit.facts.grammars import Blob
from elder_assets.audit.identity import normalise
from elder_assets.audit.patterns import regex


class SecretCandidate(msgspec.Struct, frozen=True, array_like=True):
    """A span that has the structure of a provider's secret."""

    line: int
    kind: str
    start: int
    """Byte offset in the blob."""
    end: int
    tokens: str = ""
    """Kind and what stands before the span on its line, every other long word blanked; for identity."""
    digest: str = ""
    """Tells whether two places hold the same secret. Every kind has more than 100 random bits, so nobody can guess
    the secret from its digest; a kind that is shorter must not be added."""


class Secrets(msgspec.Struct, frozen=True, array_like=True):
    """All secret candidates of one blob, in order of position."""

    candidates: tuple[SecretCandidate, ...] = ()


PRIVATE_KEY = "private key"
"""Kind of keys that many test suites hold on purpose; rules ask for it."""
SERVICE_ACCOUNT = "Google service account key"
LIMITED_KINDS = frozenset({"Google API key", "Google OAuth client secret"})
"""Often public by design: restricted to a site or an app, or part of an installed program."""

_ON_PURPOSE = regex(
    r"(?:^|[/_.-])(?:tests?|testing|specs?|fixtures?|examples?|samples?|demos?|dummy|fakes?|mocks?|snake-?oil|insecure|localhost"
    r"|self-?signed|dev|development|local|playground|vagrant|docs?|bench|e2e|testdata|sandbox|stubs?|selftests?|unit|integration)(?:[/_.-]|$)"
    r"|test",
    re.IGNORECASE,
)


def is_on_purpose(path: str) -> bool:
    """Whether a path says that the keys in it guard nothing: test, example, local and development keys."""
    return _ON_PURPOSE.search(path) is not None


_DEMONSTRATION = regex(
    r"examples?|samples?|demos?|quick-?starts?|tutorials?|workshop|playground|goat|juice|leaky|vulnerable|insecure|dvwa",
    re.IGNORECASE,
)


def is_demonstration(repository: str) -> bool:
    """Whether a repository's name says that it only shows how something is done, or done wrong."""
    return _DEMONSTRATION.search(repository.rpartition("/")[2]) is not None


def with_article(kind: str) -> str:
    """'an AWS secret access key', 'a private key'."""
    return ("an " if kind[0] in "aAEIO" else "a ") + kind


Verify = Callable[[bytes, re.Match[bytes]], "tuple[int, int] | None"]
"""Gets the file and a match; gives the span of the secret, or None when it is none."""


class _Detector(msgspec.Struct, frozen=True):
    kind: str
    literals: tuple[bytes, ...]
    """One of them stands in every match, in this case of letters."""
    pattern: re.Pattern[bytes]
    verify: Verify


# --- made-up values --------------------------------------------------------------------------------------

_WORDS = regex(
    rb"example|sample|x{4}|fake|dummy|redacted|placeholder|changeme|your[-_]?|secret|token|abcdef|123456|foobar|insert"
    rb"|(.)\1{4}|\*{3}|test(?:ing|key|_)|deadbeef|qwerty|0{4}|1{4}",
    re.IGNORECASE,
)


def _is_made_up(body: bytes) -> bool:
    """Whether a person typed the value: words, runs, sequences, equal halves, too few different characters."""
    if _WORDS.search(body) or _longest_sequence(body) >= 5:
        return True
    half = len(body) // 2
    if body[:half] == body[half : 2 * half]:
        return True
    return _entropy(body) < 0.72 * math.log2(min(len(body), _alphabet(body)))


def _longest_sequence(body: bytes) -> int:
    longest = run = 1
    for left, right in itertools.pairwise(body):  # a body is short: at most a few hundred bytes
        run = run + 1 if right - left == 1 else 1
        longest = max(longest, run)
    return longest


def _entropy(body: bytes) -> float:
    """Shannon entropy in bits per byte."""
    size = len(body)
    return -sum(count / size * math.log2(count / size) for count in Counter(body).values())


def _alphabet(body: bytes) -> int:
    if re.fullmatch(rb"[0-9a-fA-F]+", body):
        return 16
    return 32 if body.upper() == body or body.lower() == body else 62


def _random(_data: bytes, match: re.Match[bytes]) -> tuple[int, int] | None:
    """Group 1 (the part that the provider draws at random) does not look made up."""
    return None if _is_made_up(match.group(1)) else match.span()


# --- what single providers define ------------------------------------------------------------------------

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def base62_checksum(body: bytes) -> bytes:
    """The six characters that GitHub and npm append to a token's random part: its CRC-32 in base 62.

    Source: Behind GitHub's new authentication token formats (2021); npm followed the same year.
    """
    value = zlib.crc32(body)
    digits = ""
    for _ in range(6):
        value, digit = divmod(value, 62)
        digits = _BASE62[digit] + digits
    return digits.encode()


def _with_checksum(_data: bytes, match: re.Match[bytes]) -> tuple[int, int] | None:
    body = match.group(1)
    return match.span() if base62_checksum(body[:-6]) == body[-6:] and not _is_made_up(body) else None


_AWS_SECRET = regex(rb"(?<![A-Za-z0-9/+=_-])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=_-])")
_AWS_REACH = 400


def _aws_secret(data: bytes, match: re.Match[bytes]) -> tuple[int, int] | None:
    """An access key id is no secret; the 40 characters near it are."""
    if _is_made_up(match.group()[4:]):
        return None
    start = max(0, match.start() - _AWS_REACH)
    for near in _AWS_SECRET.finditer(data, start, match.end() + _AWS_REACH):
        body = near.group()
        is_mixed = re.search(rb"[a-z]", body) and re.search(rb"[A-Z]", body) and re.search(rb"\d", body)
        if is_mixed and not re.fullmatch(rb"[0-9a-fA-F]+", body) and b"//" not in body and not _is_made_up(body):
            return near.span()
    return None


_HEX32 = regex(rb"(?<![0-9a-fA-F])[0-9a-f]{32}(?![0-9a-fA-F])")


def _twilio_secret(data: bytes, match: re.Match[bytes]) -> tuple[int, int] | None:
    """The account id is no secret; a token that the text near it calls so is."""
    if _is_made_up(match.group()[2:]):
        return None
    near = data[max(0, match.start() - 200) : match.end() + 200]
    if not re.search(rb"auth_?token|AUTH_?TOKEN|authToken|twilio|TWILIO|Twilio", near):
        return None
    for found in _HEX32.finditer(data, max(0, match.start() - 200), match.end() + 200):
        if not match.start() <= found.start() <= match.end() and not _is_made_up(found.group()):
            return found.span()
    return None


def _decodes_to(size: int) -> Verify:
    def verify(_data: bytes, match: re.Match[bytes]) -> tuple[int, int] | None:
        decoded = _decode_base64(match.group(1))
        return (
            match.span(1) if decoded is not None and len(decoded) == size and not _is_made_up(match.group(1)) else None
        )

    return verify


_AZURITE = b"Eby8vdM02xNOcqFlqUwJ"
"""Beginning of the key that every installation of Microsoft's storage emulator has."""


def _azure_storage(data: bytes, match: re.Match[bytes]) -> tuple[int, int] | None:
    return None if match.group(1).startswith(_AZURITE) else _decodes_to(64)(data, match)


def _mentions(word: bytes) -> Verify:
    """For patterns that are too plain by themselves: the file names the provider."""

    def verify(data: bytes, match: re.Match[bytes]) -> tuple[int, int] | None:
        return _random(data, match) if word in data.lower() else None

    return verify


def _pypi(_data: bytes, match: re.Match[bytes]) -> tuple[int, int] | None:
    """A macaroon: base64 of version, location `pypi.org`, identifier, caveats and a signature of 32 bytes."""
    decoded = _decode_base64(match.group(1).replace(b"-", b"+").replace(b"_", b"/"))
    return match.span() if decoded and b"pypi.org" in decoded and not _is_made_up(match.group(1)[20:]) else None


def _decode_base64(text: bytes) -> bytes | None:
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


_KEY_END = regex(rb"-----END (?:RSA |EC |DSA |OPENSSH )?PRIVATE KEY-----")
_KEY_BYTES_MAX = 20_000
_KEY_WRAPPING = regex(rb"\\r|\\n|[\"']\s*\+\s*[\"']|[\s\"'\\,;]")


def _private_key(data: bytes, match: re.Match[bytes]) -> tuple[int, int] | None:
    """A block whose body decodes to a key of full length; one that is encrypted or cut short is none."""
    end = _KEY_END.search(data, match.end(), match.end() + _KEY_BYTES_MAX)
    if end is None:
        return None
    raw = data[match.end() : end.start()]
    if b"ENCRYPTED" in raw or b"-----BEGIN" in raw:
        return None
    decoded = _decode_base64(_KEY_WRAPPING.sub(b"", raw))
    if decoded is None or len(set(decoded)) < 40:
        return None
    is_whole = _is_openssh(decoded) if match.group(1) == b"OPENSSH " else _is_der(decoded)
    return (match.start(), end.end()) if is_whole else None


def _is_openssh(decoded: bytes) -> bool:
    """`openssh-key-v1`, not encrypted: its cipher is 'none'."""
    return decoded.startswith(b"openssh-key-v1\0\0\0\0\x04none") and len(decoded) > 150


def _is_der(decoded: bytes) -> bool:
    """An ASN.1 sequence whose length is that of the bytes there are."""
    if len(decoded) < 40 or decoded[0] != 0x30:
        return False
    first = decoded[1]
    if first < 0x80:
        return len(decoded) == first + 2
    width = first & 0x7F
    return 1 <= width <= 4 and int.from_bytes(decoded[2 : 2 + width], "big") == len(decoded) - 2 - width


# --- the detectors ---------------------------------------------------------------------------------------


def _token(kind: str, pattern: bytes, *literals: bytes, verify: Verify = _random) -> _Detector:
    """A detector of a word of its own: no letter, digit, '_' or '-' before or behind it."""
    bounded = rb"(?<![A-Za-z0-9_-])" + pattern + rb"(?![A-Za-z0-9_-])"
    return _Detector(kind, literals, regex(bounded), verify)


DETECTORS: tuple[_Detector, ...] = (
    _Detector(
        PRIVATE_KEY,
        (b"PRIVATE KEY-----",),
        regex(rb"-----BEGIN (RSA |EC |DSA |OPENSSH |)PRIVATE KEY-----"),
        _private_key,
    ),
    _token("AWS secret access key", rb"A(?:KIA|SIA)[A-Z2-7]{16}", b"AKIA", b"ASIA", verify=_aws_secret),
    _token(
        "GitHub token",
        rb"gh[pousr]_([A-Za-z0-9]{36})",
        b"ghp_",
        b"gho_",
        b"ghu_",
        b"ghs_",
        b"ghr_",
        verify=_with_checksum,
    ),
    _token("GitHub fine-grained token", rb"github_pat_([A-Za-z0-9]{22}_[A-Za-z0-9]{59})", b"github_pat_"),
    _token("npm token", rb"npm_([A-Za-z0-9]{36})", b"npm_", verify=_with_checksum),
    _token("PyPI token", rb"pypi-(AgE[A-Za-z0-9_-]{70,400})", b"pypi-AgE", verify=_pypi),
    _token(
        "GitLab token",
        rb"gl(?:pat|dt|rt|ptt|soat|cbt|imt|ft)-([A-Za-z0-9_-]{20,})",
        b"glpat-",
        b"gldt-",
        b"glrt-",
        b"glptt-",
        b"glsoat-",
    ),
    _token("Slack bot token", rb"xoxb-\d{10,13}-(?:\d{10,13}-)?([A-Za-z0-9]{24})", b"xoxb-"),
    _token("Slack user token", rb"xox[pe]-(?:\d{10,13}-){2,3}([a-f0-9]{32})", b"xoxp-", b"xoxe-"),
    _token("Slack app token", rb"xapp-1-A[A-Z0-9]{8,12}-\d{10,13}-([a-f0-9]{64})", b"xapp-"),
    _token(
        "Slack webhook",
        rb"hooks\.slack\.com/services/T[A-Z0-9]{8,11}/B[A-Z0-9]{8,11}/([A-Za-z0-9]{24})",
        b"hooks.slack.com/services/T",
    ),
    _token("Stripe live key", rb"[sr]k_live_([A-Za-z0-9]{24,120})", b"k_live_"),
    _token("Google API key", rb"AIza([A-Za-z0-9_-]{35})", b"AIza"),
    _token("Google OAuth client secret", rb"GOCSPX-([A-Za-z0-9_-]{28})", b"GOCSPX-"),
    _Detector("Azure storage key", (b"AccountKey=",), regex(rb"AccountKey=([A-Za-z0-9+/]{86}==)"), _azure_storage),
    _token("SendGrid key", rb"SG\.([A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43})", b"SG."),
    _token("Twilio auth token", rb"AC[0-9a-f]{32}", b"AC", verify=_twilio_secret),
    _token("Mailgun key", rb"key-([0-9a-f]{32})", b"key-", verify=_mentions(b"mailgun")),
    _token("Mailchimp key", rb"([0-9a-f]{32})-us\d{1,2}", b"-us", verify=_mentions(b"mailchimp")),
    _token("Shopify token", rb"shp(?:at|ca|pa|ss)_([a-fA-F0-9]{32})", b"shpat_", b"shpca_", b"shppa_", b"shpss_"),
    _token("DigitalOcean token", rb"do[opr]_v1_([a-f0-9]{64})", b"_v1_"),
    _token("Hugging Face token", rb"hf_([A-Za-z]{34})", b"hf_"),
    _token(
        "OpenAI key", rb"sk-(?:proj-|svcacct-|admin-)?([A-Za-z0-9_-]{20,80}T3BlbkFJ[A-Za-z0-9_-]{20,80})", b"T3BlbkFJ"
    ),
    _token("Anthropic key", rb"sk-ant-(?:api|admin)\d\d-([A-Za-z0-9_-]{93}AA)", b"sk-ant-"),
    _token("Groq key", rb"gsk_([A-Za-z0-9]{52})", b"gsk_"),
    _token("Replicate token", rb"r8_([A-Za-z0-9]{37})", b"r8_"),
    _token("Telegram bot token", rb"\d{8,10}:(AA[A-Za-z0-9_-]{33})", b":AA"),
    _token(
        "Discord webhook", rb"discord(?:app)?\.com/api/webhooks/\d{17,20}/([A-Za-z0-9_-]{60,72})", b"/api/webhooks/"
    ),
    _token("Square token", rb"sq0(?:atp|csp)-([A-Za-z0-9_-]{22,43})", b"sq0atp-", b"sq0csp-"),
    _token("Databricks token", rb"dapi([0-9a-f]{32})", b"dapi"),
    _token(
        "Doppler token",
        rb"dp\.(?:pt|st|ct|sa)\.(?:[a-z0-9_-]{2,35}\.)?([A-Za-z0-9]{40,44})",
        b"dp.pt.",
        b"dp.st.",
        b"dp.ct.",
        b"dp.sa.",
    ),
    _token("Linear key", rb"lin_api_([A-Za-z0-9]{40})", b"lin_api_"),
    _token("Notion token", rb"ntn_(\d{11}[A-Za-z0-9]{35})", b"ntn_"),
    _token("New Relic key", rb"NRAK-([A-Z0-9]{27})", b"NRAK-"),
    _token("Grafana token", rb"glsa_([A-Za-z0-9]{32})_[0-9a-fA-F]{8}", b"glsa_"),
    _token("Vault token", rb"hv[sb]\.([A-Za-z0-9_-]{90,300})", b"hvs.", b"hvb."),
    _token("Terraform Cloud token", rb"([A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_-]{60,70})", b".atlasv1."),
    _token("Pulumi token", rb"pul-([0-9a-f]{40})", b"pul-"),
    _token("PlanetScale token", rb"pscale_(?:tkn|pw|oauth)_([A-Za-z0-9_-]{32,64})", b"pscale_"),
    _token("Postman key", rb"PMAK-([0-9a-f]{24}-[0-9a-f]{34})", b"PMAK-"),
    _token("RubyGems key", rb"rubygems_([0-9a-f]{48})", b"rubygems_"),
    _token("Docker Hub token", rb"dckr_pat_([A-Za-z0-9_-]{27})", b"dckr_pat_"),
    _token("Sentry token", rb"sntryu_([0-9a-f]{64})", b"sntryu_"),
    _token("Supabase token", rb"sbp_([0-9a-f]{40})", b"sbp_"),
    _token("Dynatrace token", rb"dt0[cs]01\.[A-Z0-9]{24}\.([A-Z0-9]{64})", b"dt0c01.", b"dt0s01."),
    _token("Brevo key", rb"xkeysib-([0-9a-f]{64}-[A-Za-z0-9]{16})", b"xkeysib-"),
    _token("age secret key", rb"AGE-SECRET-KEY-1([QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58})", b"AGE-SECRET-KEY-1"),
    _token("Atlassian token", rb"ATATT3xFfGF0([A-Za-z0-9_-]{160,200}=[0-9A-F]{8})", b"ATATT3xFfGF0"),
)

_LITERALS = tuple(sorted({literal for detector in DETECTORS for literal in detector.literals}))


def find_secrets(data: bytes) -> tuple[SecretCandidate, ...]:
    """Spans of a file that have the structure of a provider's secret, in order of position."""
    literals = _present(data)
    return _candidates(data, literals) if literals else ()


def _candidates(data: bytes, literals: set[bytes]) -> tuple[SecretCandidate, ...]:
    found: dict[tuple[int, int], str] = {}
    for detector in DETECTORS:
        if not literals.isdisjoint(detector.literals):
            for kind, start, end in _matches(detector, data):
                found.setdefault((start, end), kind)
    return tuple(_candidate(data, found[span], *span) for span in sorted(found))


def _candidate(data: bytes, kind: str, start: int, end: int) -> SecretCandidate:
    line = data.count(b"\n", 0, start) + 1
    digest = hashlib.sha256(data[start:end]).hexdigest()[:16]
    return SecretCandidate(line, kind, start, end, _tokens(data, kind, start), digest)


def _matches(detector: _Detector, data: bytes) -> Iterator[tuple[str, int, int]]:
    for literal in detector.literals:
        for match in _around(detector.pattern, literal, data):
            span = detector.verify(data, match)
            if span is not None:
                kind = detector.kind
                if kind == PRIVATE_KEY and b'"service_account"' in data[max(0, span[0] - 400) : span[0]]:
                    kind = SERVICE_ACCOUNT
                yield kind, *span


_REACH = 100
"""Bytes from the start of a match to its literal, at most."""
_LENGTH_MAX = 700
_HITS_MAX = 5_000
"""Of one literal in one file; more is data."""


def _around(pattern: re.Pattern[bytes], literal: bytes, data: bytes) -> Iterator[re.Match[bytes]]:
    """Matches around each place of the literal: a byte search is far faster than the pattern over the whole file."""
    done = 0
    place = data.find(literal)
    for _ in range(_HITS_MAX):
        if place < 0:
            return
        match = pattern.match(data, place) or pattern.search(data, max(done, place - _REACH), place + _LENGTH_MAX)
        if match is not None:
            yield match
            done = match.end()
        place = data.find(literal, max(done, place + 1))


_LONG_WORD = regex(rb"[A-Za-z0-9+/_=.~-]{16,}")


def _tokens(data: bytes, kind: str, start: int) -> str:
    line_start = max(data.rfind(b"\n", 0, start) + 1, start - 120)
    return f"{kind} {normalise(_LONG_WORD.sub(b'*', data[line_start:start]).decode(errors='replace'))}"


_NOT_LINE_END = regex(rb"[^\r\n]")


def redact(data: bytes) -> bytes:
    """The same bytes with every byte of a secret candidate but line ends replaced by '*'; for facts that hold text."""
    found = find_secrets(data)
    if not found:
        return data
    redacted = bytearray(data)
    for candidate in found:
        redacted[candidate.start : candidate.end] = _NOT_LINE_END.sub(b"*", data[candidate.start : candidate.end])
    return bytes(redacted)


@extractor(version=2, max_bytes=8_000_000)
def secrets(blob: Blob) -> Secrets:
    """Find secret candidates in any text file."""
    return Secrets(find_secrets(blob.data))


# --- most blobs hold none: one pass for all literals ------------------------------------------------------

_WORD = bytes(b for b in range(128) if chr(b).isalnum() or chr(b) in "_-.:/")
_WORD_BYTES_MIN = 20
"""Every token stands in a word of at least this length: an AWS key id, the shortest, has 20 characters."""
_WITHOUT_WORD = frozenset({b"PRIVATE KEY-----", b"AccountKey="})
"""Literals with a blank or '=', which end words."""


@functools.cache
def _automaton() -> ahocorasick_rs.BytesAhoCorasick:
    return ahocorasick_rs.BytesAhoCorasick(_LITERALS)


def _present(data: bytes) -> set[bytes]:
    """The literals in a file that may belong to a token: those in long enough words."""
    found: set[bytes] = set()
    for index, start, end in _automaton().find_matches_as_indexes(data, overlapping=True):
        literal = _LITERALS[index]
        if literal not in found and (literal in _WITHOUT_WORD or _stands_in_token(data, start, end)):
            found.add(literal)
    return found


def _stands_in_token(data: bytes, start: int, end: int) -> bool:
    before = data[max(0, start - _WORD_BYTES_MIN) : start]
    after = data[end : end + _WORD_BYTES_MIN]
    length = len(before) - len(before.rstrip(_WORD)) + end - start + len(after) - len(after.lstrip(_WORD))
    return length >= _WORD_BYTES_MIN
