"""Notices in words, in English and Japanese: what, how much, against which threshold, over which time, what to do.

Texts from repositories become one inert line: no control, formatting or direction characters, no address that a reader
would turn into a link. Escaping for a channel is the notifier's work.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from urllib.parse import quote
from zoneinfo import ZoneInfo

from babel.numbers import format_decimal, format_percent
from babel.support import NullTranslations

from elder_assets.audit.alert_events import Event, TopFinding
from elder_assets.audit.alerts import Digest, Notice
from resources.messages.catalogue import Language, magic_name, severity_name, status_name, translator
from resources.notifiers.notifier import Item, Line, Message, cut
from resources.notifiers.unwell_words import signal_advice, signal_name

TEXT_LENGTH = 300
"""Of one text from a repository; chosen by us: two lines on a screen."""
NAME_LENGTH = 200
MOST_DIGEST_ITEMS = 100
_ADDRESS = re.compile(r"(?i)(?:(?<=[a-z])(?=://)|(?<=www)(?=\.)|(?<=mailto)(?=:))")
_JOINER = "\u2060"


class _Words:
    """A language, and how it writes numbers, times and names."""

    def __init__(self, language: Language, time_zone: str) -> None:
        self.language = language
        self.t: NullTranslations = translator(language)
        self._zone = ZoneInfo(time_zone)

    def number(self, value: float | str | None) -> str:
        return format_decimal(float(value or 0), format="#,##0.##", locale=self.language)

    def score(self, value: float | str | None) -> str:
        return "-" if value is None else format_decimal(float(value), format="0.0", locale=self.language)

    def percent(self, value: float | str | None) -> str:
        return "-" if value is None else format_percent(float(value), format="0.##%", locale=self.language)

    def time(self, seconds: int) -> str:
        return datetime.fromtimestamp(seconds, self._zone).isoformat(timespec="seconds")

    def status(self, value: object) -> str:
        return status_name(self.language, str(value)) if value is not None else "-"


def render(notice: Notice, language: Language, *, base_url: str = "", time_zone: str = "UTC") -> Message:
    """A notice in a language.

    Args:
        notice: what people are told.
        language: 'en' or 'ja'.
        base_url: address of the control plane; without it the message has no link.
        time_zone: whose clock the times are on.
    """
    words, event = _Words(language, time_zone), notice.event
    t = words.t
    title = _title(words, notice)
    lines = [
        Line(t.gettext("Project"), plain(event.project, NAME_LENGTH)),
        Line(t.gettext("Severity"), severity_name(language, notice.severity)),
        *_what(words, event),
        *_measure(words, notice),
        *([Line(t.gettext("Reason"), plain(event.reason))] if event.reason else []),
        Line(t.gettext("When"), _when(words, event)),
    ]
    items = tuple(_item(finding) for finding in event.findings) if not notice.is_recovery else ()
    return Message(
        key=notice.key,
        kind=event.kind,
        severity=notice.severity,
        is_recovery=notice.is_recovery,
        language=language,
        at=event.at,
        title=title,
        lines=tuple(lines),
        items_label=_items_label(words, event),
        items=items,
        omitted=event.found - len(items) if items else 0,
        advice=None if notice.is_recovery else Line(t.gettext("What to do"), _advice(words, event)),
        link=_link(base_url, event.link),
        link_label=t.gettext("Open in Elder"),
        notices=(notice,),
    )


def render_digest(digest: Digest, language: Language, *, base_url: str = "", time_zone: str = "UTC") -> Message:
    """Many notices as one message: a line each, the worst first."""
    words = _Words(language, time_zone)
    t, count = words.t, len(digest.notices)
    projects = len({notice.event.project for notice in digest.notices})
    shown = digest.notices[:MOST_DIGEST_ITEMS]
    return Message(
        key=digest.key,
        kind="digest",
        severity=digest.severity,
        is_recovery=all(notice.is_recovery for notice in digest.notices),
        language=language,
        at=digest.until_at,
        title=t.ngettext("%(count)s alert from Elder", "%(count)s alerts from Elder", count)
        % {"count": words.number(count)},
        lines=(
            Line(
                t.gettext("Projects"),
                t.ngettext("%(count)s project", "%(count)s projects", projects) % {"count": words.number(projects)},
            ),
            Line(t.gettext("When"), _range(words, digest.from_at, digest.until_at)),
        ),
        items_label=t.gettext("Alerts"),
        items=tuple(_digest_item(words, notice) for notice in shown),
        omitted=count - len(shown),
        link=_link(base_url, "/"),
        link_label=t.gettext("Open in Elder"),
        notices=digest.notices,
    )


def render_test(channel: str, language: Language, at: int) -> Message:
    """A message that says nothing but that the channel works."""
    t = translator(language)
    return Message(
        key=f"test|{channel}|{at}",
        kind="test",
        severity="info",
        is_recovery=False,
        language=language,
        at=at,
        title=t.gettext("A test from Elder"),
        lines=(Line(t.gettext("Channel"), plain(channel, NAME_LENGTH)),),
    )


def plain(text: str, limit: int = TEXT_LENGTH) -> str:
    """One inert line: controls, line ends and direction marks become blanks or nothing, addresses are no links."""
    kept = "".join(" " if unicodedata.category(c) in {"Cc", "Zl", "Zp", "Zs"} else c for c in text[: limit * 4])
    kept = "".join(c for c in kept if unicodedata.category(c) not in {"Cf", "Cs", "Co", "Cn"})
    return cut(_ADDRESS.sub(_JOINER, re.sub(r" +", " ", kept).strip()), limit)


def _digest_item(words: _Words, notice: Notice) -> Item:
    severity = severity_name(words.language, notice.severity)
    measured = " ".join(line.text for line in (*_what(words, notice.event), *_measure(words, notice)))
    return Item(
        heading=f"[{severity}] {_title(words, notice)}", text=f"{measured} {words.time(notice.event.at)}".strip()
    )


def _title(words: _Words, notice: Notice) -> str:
    event, t = notice.event, words.t
    count = event.found
    alerts = {
        "status_changed": t.gettext("Status is now %(after)s: %(project)s"),
        "gate_failed": t.gettext("Gate failed: %(project)s"),
        "score_dropped": t.gettext("Score dropped: %(project)s"),
        "violation_rate": t.gettext("Too many findings: %(project)s"),
        "critical_finding": t.ngettext(
            "%(count)s new critical finding: %(project)s", "%(count)s new critical findings: %(project)s", count
        ),
        "cannot_audit": t.gettext("Cannot audit: %(project)s"),
        "prediction_warning": t.ngettext(
            "%(count)s new prediction warning: %(project)s", "%(count)s new prediction warnings: %(project)s", count
        ),
        "suppression_expiring": t.ngettext(
            "%(count)s suppression ends soon: %(project)s", "%(count)s suppressions end soon: %(project)s", count
        ),
        "elder_unwell": t.gettext("Elder is not well: %(what)s"),
        "outside_alert": t.gettext("Alert from outside: %(what)s"),
        "initiative_reached": t.gettext("Initiative reached: %(what)s"),
        "initiative_missed": t.gettext("Initiative overdue: %(what)s"),
    }
    recoveries = {
        "gate_failed": t.gettext("Gate passes again: %(project)s"),
        "score_dropped": t.gettext("Score no longer falling: %(project)s"),
        "violation_rate": t.gettext("Share of findings under the threshold again: %(project)s"),
        "critical_finding": t.gettext("No critical finding left: %(project)s"),
        "cannot_audit": t.gettext("Audited again: %(project)s"),
        "prediction_warning": t.gettext("No prediction warning left: %(project)s"),
        "elder_unwell": t.gettext("Elder is well again: %(what)s"),
        "outside_alert": t.gettext("Alert from outside has ended: %(what)s"),
        "initiative_missed": t.gettext("Initiative no longer overdue: %(what)s"),
    }
    text = (recoveries if notice.is_recovery else alerts).get(event.kind, alerts[event.kind])
    return text % {
        "project": plain(event.project, NAME_LENGTH),
        "count": words.number(count),
        "after": words.status(event.after),
        "what": plain(signal_name(t, event.what) if event.kind == "elder_unwell" else event.what, NAME_LENGTH),
    }


def _what(words: _Words, event: Event) -> list[Line]:
    """Which magic a rate is about; other kinds say it in their title."""
    if event.kind != "violation_rate":
        return []
    t = words.t
    magic = magic_name(words.language, event.what) if event.what else t.gettext("all magics")
    return [Line(t.gettext("Magic"), magic)]


def _measure(words: _Words, notice: Notice) -> list[Line]:
    event, t = notice.event, words.t
    match event.kind:
        case "status_changed":
            text = t.gettext("%(before)s before, %(after)s now")
        case "gate_failed" if not notice.is_recovery:
            text = t.ngettext("%(count)s finding fails the gate", "%(count)s findings fail the gate", event.found)
        case "score_dropped":
            text = t.gettext(
                "%(after)s now, %(before)s at best before: %(drop)s points lower (threshold: %(limit_points)s points)"
            )
        case "violation_rate":
            text = t.ngettext(
                "%(rate)s of the units have findings: %(affected)s of %(count)s unit, %(before_rate)s before "
                "(threshold: more than %(limit_rate)s)",
                "%(rate)s of the units have findings: %(affected)s of %(count)s units, %(before_rate)s before "
                "(threshold: more than %(limit_rate)s)",
                event.units,
            )
        case "critical_finding" | "prediction_warning":
            text = t.gettext("%(open)s open now, %(open_before)s before")
        case "suppression_expiring":
            days = int(float(event.after or 0))
            text = t.ngettext(
                "ends in %(days)s day (threshold in days: %(limit)s)",
                "ends in %(days)s days (threshold in days: %(limit)s)",
                days,
            )
        case "elder_unwell" if event.limit is not None:
            text = t.gettext("%(own)s now (threshold: %(own_limit)s)")
        case _:
            return []
    return [Line(t.gettext("How much"), text % _figures(words, notice))]


def _figures(words: _Words, notice: Notice) -> dict[str, str]:
    """Every figure that a measure may name."""
    event = notice.event
    is_number = isinstance(event.after, float | int)
    before, after = event.before, event.after
    drop = float(before or 0) - float(after or 0) if is_number else 0.0
    return {
        "before": words.score(before) if is_number else words.status(before),
        "after": words.score(after) if is_number else words.status(after),
        "drop": words.score(drop),
        "limit": words.number(notice.threshold),
        "limit_points": words.score(notice.threshold),
        "limit_rate": words.percent(notice.threshold),
        "rate": words.percent(after) if is_number else "",
        "before_rate": words.percent(before) if is_number else "",
        "affected": words.number(event.affected),
        "count": words.number(event.units or event.found),
        "open": words.number(after) if is_number else "",
        "open_before": words.number(before) if is_number else "",
        "days": words.number(after) if is_number else "",
        "own": _own(words, event.after, event.unit) if is_number else "",
        "own_limit": _own(words, event.limit, event.unit),
    }


def _own(words: _Words, value: float | str | None, unit: str) -> str:
    """A figure of Elder's own with its unit; the units are symbols that both languages share."""
    shown = {"seconds": "s"}.get(unit, unit)
    return words.percent(value) if unit == "share" else f"{words.number(value)} {shown}"


def _when(words: _Words, event: Event) -> str:
    return _range(words, event.from_at or event.at, event.at)


def _range(words: _Words, from_at: int, until_at: int) -> str:
    if from_at == until_at:
        return words.time(until_at)
    return words.t.gettext("%(start)s to %(end)s") % {"start": words.time(from_at), "end": words.time(until_at)}


def _items_label(words: _Words, event: Event) -> str:
    if event.kind == "suppression_expiring":
        return words.t.gettext("Suppressions")
    return words.t.gettext("Top findings")


def _item(finding: TopFinding) -> Item:
    heading = " ".join(part for part in (plain(finding.rule, NAME_LENGTH), plain(finding.place, NAME_LENGTH)) if part)
    return Item(heading=heading, text=plain(finding.message), remedy=plain(finding.remedy))


def _advice(words: _Words, event: Event) -> str:
    t = words.t
    if event.kind == "elder_unwell":
        return signal_advice(t, event.what)
    if event.kind == "outside_alert":
        return t.gettext("Elder passes this on as it came; whoever runs the sender knows more.")
    return {
        "status_changed": t.gettext(
            "Look at what changed since the last audit, and fix the findings that cost most first."
        ),
        "gate_failed": t.gettext("Fix the findings that fail the gate, or suppress them with a reason and an end."),
        "score_dropped": t.gettext("Compare the two audits: the page says how much is code, scope or ruler."),
        "violation_rate": t.gettext("Open the magic's findings and start with the rule that affects most units."),
        "critical_finding": t.gettext("Fix these first: while one is open, the whole project counts as failed."),
        "cannot_audit": t.gettext(
            "Remove the reason, then audit again; until then nothing new is known of this project."
        ),
        "prediction_warning": t.gettext("Plan tests and reviews for these places before something breaks there."),
        "suppression_expiring": t.gettext("Fix what is suppressed, or ask for a new end with a reason."),
        "initiative_reached": t.gettext("Tell the team, and set the next goal while it is fresh."),
        "initiative_missed": t.gettext("See what is left, then set another deadline with a reason, or withdraw it."),
    }[event.kind]


def _link(base_url: str, path: str) -> str:
    return f"{base_url.rstrip('/')}/{quote(path.lstrip('/'), safe='/?=&%~-._')}" if base_url and path else ""
