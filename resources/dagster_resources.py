"""What Dagster hands to assets, sensors and checks: Elder's settings and its results store."""

import dagster as dg

from resources.settings import Settings, load_settings
from resources.store import Store, open_store


class ElderResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Settings of this process, read when they are needed, never at import."""

    def settings(self) -> Settings:
        """The settings."""
        return load_settings()

    def store(self) -> Store:
        """The results store; close it after use."""
        return open_store(self.settings().store_url)
