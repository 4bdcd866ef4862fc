"""How git signs in at the host of a registered repository: the project's own reference, read when git is started.

Only what the platform calls looks here: `elder audit <URL>` knows no project and signs in nowhere.
"""

from __future__ import annotations

from pathlib import Path

from elder_assets.audit.errors import RepositoryNotFound
from resources.git.address import is_address
from resources.git.remote import credential_environment
from resources.settings import Settings


def sign_in(settings: Settings, key: str, address: str) -> dict[str, str]:
    """What a git call carries in its environment to sign in at the host of an address; {} without a credential.

    Args:
        settings: where the results store and the secrets are.
        key: of the registered repository.
        address: where it lies; a path needs no sign-in.

    Raises:
        ConfigurationError: the credential's reference cannot be read.
    """
    from resources.store import open_store

    if not is_address(address) or not _has_store(settings):
        return {}
    with open_store(settings.store_url) as store:
        try:
            number = store.repository(key).id
        except RepositoryNotFound:
            return {}
        target = store.audit_targets([number])[number]
    if not target.credential:
        return {}
    return credential_environment(address, target.provider, settings.secrets.of(target.credential))


def _has_store(settings: Settings) -> bool:
    """Whether there is a results store to ask; looking must not make one."""
    from sqlalchemy import make_url

    url = make_url(settings.store_url)
    return url.get_backend_name() != "sqlite" or Path(url.database or "").is_file()
