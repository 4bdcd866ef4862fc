"""Words for what Elder tells of itself: which signal, how much, and what to do (resources/alerting/self_watch.py)."""

from __future__ import annotations

from babel.support import NullTranslations

SIGNALS = (
    "slow_api",
    "error_spike",
    "growing_memory",
    "filling_disk",
    "inbox_lag",
    "alert_lag",
    "delivery",
    "git_host",
    "failed_sign_ins",
    "failed_sign_ins_of_one",
)
"""What an event of kind `elder_unwell` may be about; a name follows after a blank where there are many of one."""


def signal_name(t: NullTranslations, what: str) -> str:
    """A signal for people; what is not known is shown as it is."""
    signal, _, name = what.partition(" ")
    names = {
        "slow_api": t.gettext("the API is slow"),
        "error_spike": t.gettext("many audits fail"),
        "growing_memory": t.gettext("memory grows"),
        "filling_disk": t.gettext("the disk fills up"),
        "inbox_lag": t.gettext("deliveries wait"),
        "alert_lag": t.gettext("alerts wait"),
        "delivery": t.gettext("a channel takes no messages"),
        "git_host": t.gettext("a git host does not answer"),
        "failed_sign_ins": t.gettext("many credentials are refused"),
        "failed_sign_ins_of_one": t.gettext("one address tries many credentials"),
    }
    shown = str(names.get(signal, signal))
    return f"{shown} ({name})" if name else shown


def signal_advice(t: NullTranslations, what: str) -> str:
    """What a person can do about a signal."""
    known = {
        "slow_api": t.gettext("Look at /metrics for the slow path; give the database or the process more room."),
        "error_spike": t.gettext(
            "Read the reasons of the failed audits; one git host or one rule is often behind all."
        ),
        "growing_memory": t.gettext("Restart the process when it suits, and report what it did before."),
        "filling_disk": t.gettext(
            "Elder drops old facts by itself; move ELDER_HOME or remove repositories if not enough."
        ),
        "inbox_lag": t.gettext("See that the daemon runs, and allow more concurrent runs if they are all busy."),
        "alert_lag": t.gettext("See that the daemon runs, and that the channels answer."),
        "delivery": t.gettext("Repair the channel's address or its secret, then send a test: elder alert test."),
        "git_host": t.gettext("Audits of this host wait; they go on by themselves when it answers again."),
        "failed_sign_ins": t.gettext(
            "See who it is: a guesser is kept out, a machine with a revoked token needs a new one."
        ),
        "failed_sign_ins_of_one": t.gettext(
            "See who it is: a guesser is kept out, a machine with a revoked token needs a new one."
        ),
    }
    return str(known.get(what.partition(" ")[0], t.gettext("Look at the log of Elder.")))
