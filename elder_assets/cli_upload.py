"""`elder audit --upload`: judge as a control plane would, and send it what was found.

As in `cli.py`, whatever is not click is imported inside the function that needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from elder_assets.audit.suppression import Applied
    from resources.audits import Opened
    from resources.settings import Settings
    from resources.upload_site import ControlPlane, Made
    from resources.uploads import UploadTerms


class Sending:
    """An upload under way; a server that does not play along is remembered, so that the report is still written."""

    def __init__(self, address: str, settings: Settings) -> None:
        from resources.upload_site import ControlPlane

        self._settings = settings
        self._plane: ControlPlane = ControlPlane(address, settings.token, settings.allowed_hosts)
        self._terms: UploadTerms | None = None
        self._made: Made | None = None
        self.failure = ""
        """Why nothing could be sent; '' while nothing failed."""

    def audit(self, opened: Opened, ref: str, progress: Callable[[str, int, int], None]) -> Applied | None:
        """The verdict by the server's terms; None when the server cannot be asked for them."""
        from elder_assets.audit.errors import UploadFailed
        from resources.upload_site import audit_for

        try:
            self._terms = self._plane.terms(opened.key, opened.source.commit)
            self._made = audit_for(opened, self._terms, self._settings, ref=ref, progress=progress)
        except UploadFailed as error:
            self.failure = str(error)
            return None
        return self._made.applied

    def send(self, opened: Opened) -> str:
        """Hand over what was found; one line about what became of it, or '' with the failure kept."""
        from elder_assets.audit.errors import UploadFailed
        from resources.upload_site import trace

        if self._terms is None or self._made is None:
            return ""
        try:
            receipt = self._plane.send(self._terms, self._made.upload)
            if receipt.unnamed and (found := trace(opened, receipt)):
                self._plane.name_origins(self._terms, found)
        except UploadFailed as error:
            self.failure = str(error)
            return ""
        score = "no score" if receipt.score is None else f"score {receipt.score}"
        stood = "" if receipt.is_new else "; it was there already"
        beside = "" if receipt.kind == "default" else "; kept beside the default branch (adhoc)"
        return f"uploaded to {self._plane.host}: {receipt.status}, {score}{beside}{stood}"


def check_options(*, staged: bool, baseline: str | None, magics: tuple[str, ...], has_ruler: bool) -> None:
    """Refuse options that would make another audit than the server's own.

    Raises:
        click.UsageError: they would.
    """
    given = {"--staged": staged, "--baseline": baseline is not None, "--magic": bool(magics), "--ruler": has_ruler}
    wrong = [name for name, is_given in given.items() if is_given]
    if wrong:
        raise click.UsageError(f"--upload judges as the server does; it does not go with {', '.join(wrong)}")
