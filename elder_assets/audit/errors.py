"""Every error Elder raises on purpose.

    ElderError
    ├── ConfigurationError      a setting, option or file of ours has a value that is not allowed
    ├── CatalogueError          a magic, rule or extractor does not load; the whole load fails
    ├── SourceError             a repository cannot be read
    │   ├── RepositoryNotFound      there is nothing (readable) at that place
    │   ├── SourceRefused           it is there, but reading it would be unsafe
    │   ├── UnknownRevision         the ref or commit does not exist in it
    │   ├── HostResting             its git host did not answer before, and is left alone for a while
    │   └── CheckoutFailed          git failed while cloning, fetching or reading
    ├── ProviderError           a git host refused a call or answered something unusable; `reason` is one word
    │   └── ProviderUnavailable     it may answer later; `retry_after_seconds` says when, where the host said so
    ├── StoreError              the results store or the facts cache cannot be read or written
    │   ├── UnknownRecord           it holds no such team, request, token, ...
    │   └── Conflict                what is there already does not allow it
    ├── AccessRefused           whoever asks may not do this
    │   ├── SignInNeeded            nobody knows who asks
    │   └── TooManyRequests         whoever asks must wait; says how long
    ├── FrameRefused            a frame breaks its schema; names the columns and rows
    ├── UploadFailed            a result could not be handed to a control plane; says why
    ├── DeliveryFailed          a notice could not be delivered, and would not be by trying again
    │   └── DeliveryDelayed         the receiver is busy, slow or away; says when to try again if it told
    └── WebhookRejected         a webhook is not what it claims to be; carries the HTTP status to answer

`Transient` is a mix-in: the same call may succeed later, so a caller may retry.
A rule that fails inside the engine becomes an ERROR outcome (`RuleFailed` is its record), never a crash.
"""

from __future__ import annotations

from collections.abc import Iterable

PLATFORM_SETUP = "`make platform` in Elder's folder installs it, or pip install -r requirements/platform.txt there"
"""What to do about a package of the platform that is missing. No index has Elder: never advise `pip install elder`."""


class ElderError(Exception):
    """Base of every error whose text is meant for a person."""


class Transient(Exception):
    """Mixed into an error when the same call may succeed later."""


class ConfigurationError(ElderError):
    """A setting has a value that is not allowed; says which, what came and what is allowed."""

    def __init__(self, key: str, got: object, allowed: str | Iterable[str]) -> None:
        self.key = key
        self.got = got
        self.allowed = allowed if isinstance(allowed, str) else ", ".join(allowed)
        super().__init__(f"{key}: got {got!r}; allowed: {self.allowed}")


class CatalogueError(ElderError):
    """A magic, rule or extractor is broken or collides; nothing is loaded without it."""


class SourceError(ElderError):
    """A repository cannot be read."""


class RepositoryNotFound(SourceError):
    """There is no repository at that place, or it cannot be reached."""


class SourceRefused(SourceError):
    """The place or address is one that Elder does not read, for safety."""


class UnknownRevision(SourceError):
    """The ref or commit does not exist in the repository."""


class CheckoutFailed(SourceError, Transient):
    """git failed while it was cloning, fetching or reading."""


class HostResting(SourceError, Transient):
    """A git host is left alone for a while; `retry_after_seconds` is None where nobody knows how long."""

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)


class ProviderError(ElderError):
    """A git host refused a call or answered something unusable; `reason` is one word for code that decides."""

    def __init__(self, message: str, reason: str = "unusable") -> None:
        self.reason = reason
        super().__init__(message)


class ProviderUnavailable(ProviderError, Transient):
    """A git host did not serve the call now; `retry_after_seconds` is None where the host named no time."""

    def __init__(self, message: str, reason: str = "unavailable", retry_after_seconds: float | None = None) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message, reason)


class StoreError(ElderError):
    """The results store or the facts cache cannot be read or written."""


class UnknownRecord(StoreError):
    """The results store holds no such team, request, token or other record."""


class Conflict(StoreError):
    """What the results store holds already does not allow the change."""


class AccessRefused(ElderError):
    """Whoever asks may not do this; says what would be needed."""


class SignInNeeded(AccessRefused):
    """Nobody knows who asks: no token, or one that is unknown, expired or revoked."""


class TooManyRequests(AccessRefused, Transient):
    """Whoever asks must wait for `retry_after_seconds`."""

    def __init__(self, retry_after_seconds: float) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(f"too many requests; try again in {retry_after_seconds:.0f} s")


class FrameRefused(ElderError):
    """A frame breaks its schema; the message names each column with the first rows that are wrong."""


class UploadFailed(ElderError):
    """A result could not be handed to a control plane; says why, and what to do."""


class DeliveryFailed(ElderError):
    """A notice could not be delivered; trying again as it is would not help."""


class DeliveryDelayed(DeliveryFailed, Transient):
    """The receiver is busy, slow or away: the same notice may be delivered later."""

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)


class WebhookRejected(ElderError):
    """A webhook is not what it claims to be; `status` is the HTTP status to answer, `reason` plain text."""

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        self.reason = reason
        super().__init__(reason)


class RuleFailed(ElderError):
    """A rule raised; recorded by the engine as an ERROR outcome."""

    def __init__(self, code: str, repository: str, reason: str) -> None:
        self.code = code
        self.repository = repository
        super().__init__(f"{code} failed on {repository}: {reason}")
