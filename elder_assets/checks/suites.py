"""great-expectations suites, derived from the frame schemas. No Dagster here.

great-expectations is imported inside the functions alone: its import costs four CPU seconds and 200 MiB.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from elder_assets.audit.frames import Column, FrameSchema

if TYPE_CHECKING:
    import pandas as pd


def expectations(schema: FrameSchema, *, rows_min: int = 0) -> list[Any]:
    """The expectations that a schema stands for; an empty frame keeps all but the number of rows."""
    gxe: Any = importlib.import_module("great_expectations.expectations")

    found: list[Any] = [gxe.ExpectTableColumnsToMatchOrderedList(column_list=schema.names)]
    if rows_min:
        found.append(gxe.ExpectTableRowCountToBeBetween(min_value=rows_min))
    found.append(gxe.ExpectCompoundColumnsToBeUnique(column_list=list(schema.key)))
    for column in schema.columns:
        found += _of_column(column)
    return found


def _of_column(column: Column) -> list[Any]:
    gxe: Any = importlib.import_module("great_expectations.expectations")

    found: list[Any] = []
    if not column.nullable:
        found.append(gxe.ExpectColumnValuesToNotBeNull(column=column.name))
    if column.allowed:
        found.append(gxe.ExpectColumnValuesToBeInSet(column=column.name, value_set=[str(v) for v in column.allowed]))
    if column.lowest is not None or column.highest is not None:
        bounds = {"min_value": column.lowest, "max_value": column.highest}
        found.append(gxe.ExpectColumnValuesToBeBetween(column=column.name, **bounds))
    if column.pattern:
        found.append(
            gxe.ExpectColumnValuesToMatchRegex(column=column.name, regex=f"^(?:{_unflagged(column.pattern)})$")
        )
    return found


def _unflagged(pattern: str) -> str:
    """A pattern without its leading `(?s)`, which may stand only at the very start."""
    return pattern.replace("(?s).", r"[\s\S]")


def validate(schema: FrameSchema, content: pd.DataFrame, *, rows_min: int = 0) -> list[str]:
    """What a frame breaks, in words; [] when it keeps every expectation."""
    gx: Any = importlib.import_module("great_expectations")

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_pandas("results")
    batches = source.add_dataframe_asset(schema.name).add_batch_definition_whole_dataframe("all")
    suite = gx.ExpectationSuite(name=schema.name, expectations=expectations(schema, rows_min=rows_min))
    result = batches.get_batch({"dataframe": content}).validate(suite)
    return [_words(item) for item in result.results if not item.success]


def _words(item: Any) -> str:
    config = item.expectation_config
    place = config.kwargs.get("column") or config.kwargs.get("column_list") or "table"
    unexpected = item.result.get("unexpected_count")
    count = f": {unexpected} rows" if unexpected else ""
    return f"{config.type} {place}{count}"
