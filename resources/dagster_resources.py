"""What Dagster hands to assets, sensors and checks: Elder's settings and its results store."""

import dagster as dg

from resources.observability.logs import set_up
from resources.runs.locks import hold
from resources.settings import Settings, load_settings
from resources.store import Store, open_store


class ElderResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Settings of this process, read when they are needed, never at import."""

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Mark this process as the worker of its run, so that a run whose process died is noticed; set up its log."""
        set_up(self.settings())
        if context.run is not None:
            hold(self.settings(), context.run.run_id)

    def settings(self) -> Settings:
        """The settings."""
        return load_settings()

    def store(self) -> Store:
        """The results store; close it after use."""
        return open_store(self.settings().store_url)
