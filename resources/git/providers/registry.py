"""Which providers there are, and which one serves an address."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from elder_assets.audit.errors import ConfigurationError
from resources.git.address import key_of_address
from resources.git.providers.provider import GitProvider

_CLASSES = {
    "github": "GitHub",
    "gitlab": "GitLab",
    "bitbucket_cloud": "BitbucketCloud",
    "bitbucket_server": "BitbucketServer",
    "azure_devops": "AzureDevOps",
}
"""Module of this package and its class; the one line that a new provider adds here."""


def provider_names() -> tuple[str, ...]:
    """Return the names of all providers."""
    return tuple(_CLASSES)


def open_provider(name: str) -> GitProvider:
    """Return the provider of that name.

    Raises:
        ConfigurationError: there is none.
    """
    if name not in _CLASSES:
        raise ConfigurationError("provider", name, _CLASSES)
    provider: GitProvider = getattr(import_module(f"resources.git.providers.{name}"), _CLASSES[name])()
    return provider


def provider_for(address: str, hosts: Mapping[str, str]) -> str:
    """Return the name of the provider that serves an address.

    Args:
        address: https, ssh or `user@host:path`.
        hosts: host name -> provider name, from the operator, for what is self-hosted; goes first.

    Raises:
        ConfigurationError: nobody serves that host, or the mapping names an unknown provider.
        SourceRefused: the address names no repository.
    """
    host = key_of_address(address).partition("/")[0]
    mapped = {name.lower(): provider for name, provider in hosts.items()}
    if host in mapped:
        return open_provider(mapped[host]).name
    for name in _CLASSES:
        if any(
            host == known or (known.startswith(".") and host.endswith(known)) for known in open_provider(name).hosts
        ):
            return name
    raise ConfigurationError("provider", host, ("a host that the settings map to one of", *_CLASSES))
