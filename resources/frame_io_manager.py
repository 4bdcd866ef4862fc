"""How assets hand frames and references to each other: one file an asset and partition, schemas checked on write."""

import pickle
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dagster as dg

from elder_assets.audit.frames import SCHEMAS, validate
from resources.dagster_resources import ElderResource


class FrameIOManager(dg.ConfigurableIOManager):
    """Keeps an output (a mapping of schema names to frames, or a plain reference) under the home's `frames` folder.

    The files are Elder's own and are read by Elder alone; the results store, not they, is what is kept for good.
    """

    elder: dg.ResourceDependency[ElderResource]

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Write an output.

        Raises:
            FrameRefused: a frame breaks its schema.
        """
        for name, content in obj.items():
            if name in SCHEMAS:
                validate(SCHEMAS[name], content)
        path = self._path(context.asset_key, context.partition_key)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_bytes(pickle.dumps(obj))
        unfinished.replace(path)

    def load_input(self, context: dg.InputContext) -> Any:
        """Read what an upstream asset wrote for the same partition.

        Raises:
            Failure: it was never materialised for this repository.
        """
        path = self._path(context.asset_key, context.partition_key)
        if not path.is_file():
            msg = f"{context.asset_key.to_user_string()} was never materialised for {context.partition_key}"
            raise dg.Failure(msg, allow_retries=False)
        return pickle.loads(path.read_bytes())  # noqa: S301 - a file of our own, in our own folder

    def _path(self, asset: dg.AssetKey, partition: str) -> Path:
        return self.elder.settings().frames / "__".join(asset.path) / f"{quote(partition, safe='')}.pickle"
