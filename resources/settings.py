"""Every setting of Elder, read from the environment once and passed on as arguments.

The only module that looks at the environment. docs/settings.md lists the same settings; a test compares the two.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from elder_assets.audit.errors import ConfigurationError
from resources.secrets import Secret, Secrets

KEY_CHARACTERS_MIN = 32
"""Shortest server key; 64 hexadecimal digits are 256 bits."""
NO_SECRETS = Secrets({})
DEPOT_SCHEMES = frozenset({"file", "s3", "gs", "abfs", "abfss"})
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::\d{1,5})?")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Where Elder keeps its state, and how the platform runs."""

    home: Path
    """ELDER_HOME: folder of all state on this machine; default: the user's data folder."""
    database_url: str = ""
    """ELDER_DATABASE_URL: the results store; default: a SQLite file in the home."""
    max_concurrent_runs: int = 1
    """ELDER_MAX_CONCURRENT_RUNS: audits that run at the same time; default: the number of processors."""
    web_port: int = 3000
    """ELDER_DAGSTER_PORT: port of the Dagster UI on the loopback interface."""
    dagster_url: str = ""
    """ELDER_DAGSTER_URL: where people reach the Dagster UI; links to runs lead there."""
    host: str = "127.0.0.1"
    """ELDER_HOST: address that the control plane listens on; any but loopback needs a token (`elder token create`)."""
    port: int = 8321
    """ELDER_PORT: port of the control plane."""
    kubernetes_namespace: str = ""
    """ELDER_KUBERNETES_NAMESPACE: when set, every run is a Kubernetes job in this namespace."""
    kubernetes_image: str = ""
    """ELDER_KUBERNETES_IMAGE: image of those jobs; needed with the namespace."""
    tier: str = ""
    """ELDER_TIER: tier of this run's pod; set by the run launcher, never by people."""
    step_pods: bool = False
    """ELDER_STEP_PODS: 1 when steps of large runs are pods of their own; needs a home that they share."""
    team_runs_max: int = 0
    """ELDER_TEAM_RUNS_MAX: runs of one team at the same time; 0 is no limit."""
    host_runs_max: int = 0
    """ELDER_HOST_RUNS_MAX: runs that read one git host at the same time; 0 is no limit."""
    forecast_runs_max: int = 0
    """ELDER_FORECAST_RUNS_MAX: what the forecast of load may raise the runs at once to; 0: it is not asked."""
    facts_depot: str = ""
    """ELDER_FACTS_DEPOT: address where facts caches stay between runs whose own disk does not; default: in the home."""
    keep_days: int = 30
    """ELDER_KEEP_DAYS: age of runs of Dagster, copies of findings and live events that are let go of; 0 keeps all."""
    backup_minutes_max: int = 0
    """ELDER_BACKUP_MINUTES_MAX: age of the last good backup, in minutes, that is too old; 0: none is waited for."""
    public_url: str = ""
    """ELDER_PUBLIC_URL: where people and git hosts reach the control plane; links in statuses and comments."""
    secret_key: Secret | None = None
    """ELDER_SECRET_KEY: what secrets of webhooks are derived from; default: a file in the home, made once."""
    webhook_secrets: tuple[tuple[str, str], ...] = ()
    """ELDER_WEBHOOK_SECRETS: (provider, reference of a secret); two of one provider are a rotation."""
    git_hosts: tuple[tuple[str, str], ...] = ()
    """ELDER_GIT_HOSTS: (host, provider) of git hosts that are self-hosted."""
    allowed_hosts: tuple[str, ...] = ()
    """ELDER_ALLOWED_HOSTS: git hosts whose API may be plain http or inside the network."""
    canary_share: int = 0
    """ELDER_CANARY_SHARE: percent of repositories that the ruler under trial judges; 0 is the undo."""
    canary_ruler: Path | None = None
    """ELDER_CANARY_RULER: file of the ruler under trial; needed with the share."""
    given: tuple[str, ...] = ()
    """Names of the settings that the environment has."""
    secrets: Secrets = NO_SECRETS
    """Where references of secrets are looked up: the same environment."""
    alert_secrets: tuple[tuple[str, str], ...] = ()
    """ELDER_ALERT_SECRETS: (bearer, basic or signed, reference) of who may send alerts; two of one are a rotation."""
    alert_hosts: frozenset[str] = frozenset()
    """ELDER_ALERT_HOSTS: hosts inside the network, `host` or `host:port`, that alerts may be sent to."""

    log: Literal["text", "json"] = "text"
    """ELDER_LOG: text, or json for one object a line with the ids of run, repository and delivery."""
    traces: str = ""
    """ELDER_TRACES: address of an OTLP/HTTP collector that traces go to; '' is off."""
    trace_share: int = 100
    """ELDER_TRACE_SHARE: percent of the traces that are kept, whole ones."""
    token: Secret | None = None
    """ELDER_TOKEN: token of a control plane that audits are uploaded to (`elder audit --upload`)."""

    @property
    def store_url(self) -> str:
        """SQLAlchemy address of the results store."""
        return self.database_url or f"sqlite:///{self.home / 'elder.db'}"

    @property
    def dagster_address(self) -> str:
        """Where links to runs lead: what is set, else this machine while the pages are for it alone, else ''."""
        is_local = self.host in {"127.0.0.1", "::1", "localhost"} and not self.public_url
        return self.dagster_url or (f"http://localhost:{self.web_port}" if is_local else "")

    @property
    def mirrors(self) -> Path:
        """Folder of the bare clones."""
        return self.home / "mirrors"

    @property
    def facts(self) -> Path:
        """Folder of the facts caches, one file a repository; with a depot, copies that no other machine sees."""
        return Path(tempfile.gettempdir()) / "elder-facts" if self.facts_depot else self.home / "facts"

    @property
    def frames(self) -> Path:
        """Folder of the frames that assets hand to each other."""
        return self.home / "frames"

    @property
    def dagster_home(self) -> Path:
        """Folder of the Dagster instance."""
        return self.home / "dagster"


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the environment (of the process, unless another is given).

    Raises:
        ConfigurationError: a setting has a value that is not allowed.
    """
    environment = os.environ if environment is None else environment
    home = environment.get("ELDER_HOME")
    namespace, image = (environment.get(f"ELDER_KUBERNETES_{part}", "") for part in ("NAMESPACE", "IMAGE"))
    if namespace and not image:
        raise ConfigurationError("ELDER_KUBERNETES_IMAGE", image, "an image, because ELDER_KUBERNETES_NAMESPACE is set")
    share, ruler = _canary(environment)
    runs, runs_forecast = _runs(environment)
    return Settings(
        home=Path(home).expanduser().absolute() if home else _data_folder(environment),
        database_url=_database_url(environment),
        max_concurrent_runs=runs,
        forecast_runs_max=runs_forecast,
        web_port=_number(environment, "ELDER_DAGSTER_PORT", 3000, 1, 65_535),
        host=environment.get("ELDER_HOST") or "127.0.0.1",
        port=_number(environment, "ELDER_PORT", 8321, 1, 65_535),
        kubernetes_namespace=namespace,
        kubernetes_image=image,
        tier=environment.get("ELDER_TIER", ""),
        step_pods=_number(environment, "ELDER_STEP_PODS", 0, 0, 1) == 1,
        team_runs_max=_number(environment, "ELDER_TEAM_RUNS_MAX", 0, 0, 10_000),
        host_runs_max=_number(environment, "ELDER_HOST_RUNS_MAX", 0, 0, 10_000),
        facts_depot=_depot(environment, "ELDER_FACTS_DEPOT"),
        keep_days=_keep_days(environment),
        backup_minutes_max=_number(environment, "ELDER_BACKUP_MINUTES_MAX", 0, 0, 1_000_000),
        dagster_url=_web_address(environment, "ELDER_DAGSTER_URL"),
        public_url=_web_address(environment, "ELDER_PUBLIC_URL"),
        secret_key=_key(environment, "ELDER_SECRET_KEY"),
        webhook_secrets=_pairs(environment, "ELDER_WEBHOOK_SECRETS", "provider=reference"),
        git_hosts=_pairs(environment, "ELDER_GIT_HOSTS", "host=provider"),
        allowed_hosts=tuple(_listed(environment, "ELDER_ALLOWED_HOSTS")),
        canary_share=share,
        canary_ruler=ruler,
        given=tuple(sorted(name for name in environment if name.startswith("ELDER_"))),
        secrets=Secrets(dict(environment)),  # the process's own cannot be handed to other processes
        alert_secrets=_alert_secrets(environment),
        alert_hosts=_hosts(environment, "ELDER_ALERT_HOSTS"),
        token=_token(environment, "ELDER_TOKEN"),
        log=_log(environment, "ELDER_LOG"),
        traces=_web_address(environment, "ELDER_TRACES"),
        trace_share=_number(environment, "ELDER_TRACE_SHARE", 100, 0, 100),
    )


def _data_folder(environment: Mapping[str, str]) -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "elder"
    return Path(environment.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "elder"


def _alert_secrets(environment: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    found = _pairs(environment, "ELDER_ALERT_SECRETS", "scheme=reference")
    for scheme, _ in found:
        if scheme not in {"bearer", "basic", "signed"}:
            raise ConfigurationError("ELDER_ALERT_SECRETS", "another scheme", "bearer, basic or signed, =reference")
    return found


def _hosts(environment: Mapping[str, str], name: str) -> frozenset[str]:
    hosts = frozenset(part.strip().lower() for part in environment.get(name, "").split(",") if part.strip())
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise ConfigurationError(name, host, "host or host:port, separated by commas")
    return hosts


def _number(environment: Mapping[str, str], name: str, default: int, lowest: int, highest: int) -> int:
    given = environment.get(name, "")
    if not given:
        return default
    if not given.isdecimal() or not lowest <= int(given) <= highest:
        raise ConfigurationError(name, given, f"a whole number from {lowest} to {highest}")
    return int(given)


def _runs(environment: Mapping[str, str]) -> tuple[int, int]:
    static = _number(environment, "ELDER_MAX_CONCURRENT_RUNS", os.cpu_count() or 1, 1, 10_000)
    highest = _number(environment, "ELDER_FORECAST_RUNS_MAX", 0, 0, 10_000)
    if highest and highest < static:
        allowed = f"0, or from {static} (ELDER_MAX_CONCURRENT_RUNS) to 10000"
        raise ConfigurationError("ELDER_FORECAST_RUNS_MAX", str(highest), allowed)
    return static, highest


def _keep_days(environment: Mapping[str, str]) -> int:
    days = _number(environment, "ELDER_KEEP_DAYS", 30, 0, 36_500)
    if 0 < days < 7:
        raise ConfigurationError("ELDER_KEEP_DAYS", str(days), "0, or a whole number from 7 to 36500")
    return days


def _canary(environment: Mapping[str, str]) -> tuple[int, Path | None]:
    share = _number(environment, "ELDER_CANARY_SHARE", 0, 0, 100)
    file = environment.get("ELDER_CANARY_RULER", "")
    if share and not file:
        raise ConfigurationError("ELDER_CANARY_RULER", file, "a ruler file, because ELDER_CANARY_SHARE is not 0")
    return share, Path(file) if file else None


def _listed(environment: Mapping[str, str], name: str) -> list[str]:
    return [item.strip() for item in environment.get(name, "").split(",") if item.strip()]


def _pairs(environment: Mapping[str, str], name: str, form: str) -> tuple[tuple[str, str], ...]:
    found = []
    for item in _listed(environment, name):
        left, equals, right = item.partition("=")
        if not (left.strip() and equals and right.strip()):  # the text may be a secret, so it is not repeated
            raise ConfigurationError(name, "an item of another form", f"{form}, several with commas")
        found.append((left.strip().lower(), right.strip()))
    return tuple(found)


def _key(environment: Mapping[str, str], name: str) -> Secret | None:
    given = environment.get(name, "").strip()
    if given and len(given) < KEY_CHARACTERS_MIN:
        raise ConfigurationError(name, "a short text", f"at least {KEY_CHARACTERS_MIN} characters, by chance")
    return Secret(given) if given else None


def _log(environment: Mapping[str, str], name: str) -> Literal["text", "json"]:
    match environment.get(name, "") or "text":
        case "text":
            return "text"
        case "json":
            return "json"
        case other:
            raise ConfigurationError(name, other, "text or json")


def _token(environment: Mapping[str, str], name: str) -> Secret | None:
    given = environment.get(name, "").strip()
    if not given.isascii() or not given.isprintable() or " " in given:  # it goes into a header
        raise ConfigurationError(name, "another text", "a token, as `elder token create` prints it")
    return Secret(given) if given else None


def _depot(environment: Mapping[str, str], name: str) -> str:
    given = environment.get(name, "").strip()
    allowed = "file:///folder, s3://bucket/prefix, gs://bucket/prefix or abfss://..., without credentials"
    if not given:
        return ""
    parts = urlsplit(given)
    if parts.scheme not in DEPOT_SCHEMES or parts.password or not given.isprintable():
        raise ConfigurationError(name, "another address", allowed)
    if parts.username and parts.scheme not in {"abfs", "abfss"}:  # there it names the container
        raise ConfigurationError(name, "an address with credentials", allowed)
    return given


def _database_url(environment: Mapping[str, str]) -> str:
    """What SQLAlchemy would answer with a traceback, or would misread; the message holds no part of the address."""
    name, given = "ELDER_DATABASE_URL", environment.get("ELDER_DATABASE_URL", "").strip()
    if not given:
        return ""
    scheme, separator, rest = given.partition("://")
    if not separator or scheme.partition("+")[0] not in {"postgresql", "sqlite"}:
        raise ConfigurationError(name, scheme if separator else "another text", "postgresql://user@host/database")
    credentials, _, server = rest.partition("/")[0].rpartition("@")
    port = server.rpartition("]")[2].partition(":")[2]
    if "@" in credentials or (port and not port.isdecimal()):
        allowed = "postgresql://user@host:5432/database; a password is given by PGPASSWORD, or has %40 for @"
        raise ConfigurationError(name, "an address that cannot be read", allowed)
    return given


def _web_address(environment: Mapping[str, str], name: str) -> str:
    given = environment.get(name, "").strip().rstrip("/")
    if given and (not given.startswith(("https://", "http://")) or "@" in given or not given.isprintable()):
        raise ConfigurationError(name, "another text", "an http(s) address without credentials")
    return given
