"""How assets hand frames and references to each other: one JSON file an asset and partition."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dagster as dg
import pandas as pd

from elder_assets.audit.frames import SCHEMAS, frame, validate
from resources.dagster_resources import ElderResource


class FrameIOManager(dg.ConfigurableIOManager):
    """Keeps an output under the home's `frames` folder: a mapping of names to plain values or frames.

    A frame stands under the name of its schema and is validated when it is written and when it is read. The results
    store, not these files, is what is kept for good.
    """

    elder: dg.ResourceDependency[ElderResource]

    def handle_output(self, context: dg.OutputContext, obj: dict[str, Any]) -> None:
        """Write an output.

        Raises:
            FrameRefused: a frame breaks its schema.
        """
        path = self._path(context)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps({name: _plain(name, value) for name, value in obj.items()}))
        unfinished.replace(path)

    def load_input(self, context: dg.InputContext) -> dict[str, Any]:
        """Read what an upstream asset wrote for the same partition.

        Raises:
            Failure: it was never materialised for this repository.
            FrameRefused: a frame breaks its schema.
        """
        path = self._path(context)
        if not path.is_file():
            msg = f"{context.asset_key.to_user_string()} was never materialised for {context.partition_key}"
            raise dg.Failure(msg, allow_retries=False)
        return {name: _value(name, stored) for name, stored in json.loads(path.read_text()).items()}

    def _path(self, context: dg.OutputContext | dg.InputContext) -> Path:
        partition = context.partition_key if context.has_partition_key else "all"
        return self.elder.settings().frames / "__".join(context.asset_key.path) / f"{quote(partition, safe='')}.json"


def _plain(name: str, value: Any) -> Any:
    if not isinstance(value, pd.DataFrame):
        return value
    rows = validate(SCHEMAS[name], value).astype(object)
    return rows.where(rows.notna(), None).to_dict("records")


def _value(name: str, stored: Any) -> Any:
    return validate(SCHEMAS[name], frame(SCHEMAS[name], stored)) if name in SCHEMAS else stored
