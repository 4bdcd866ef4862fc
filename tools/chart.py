"""Writes what is derived from helm/values.yaml: the schema, and the table of values in helm/README.md.

The file's own comments are the source. `make docs` runs this; a test compares.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parent.parent / "helm"
BEGIN, END = "<!-- values: written by tools/chart.py -->\n", "<!-- end of values -->\n"
KEY = re.compile(r"^( *)([A-Za-z][\w.-]*):(.*)$")
TYPES = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}


def documented(text: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Dotted path of each documented value to its sentence and what its Schema line says, in order."""
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    path: list[str] = []
    comment: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("#"):
            comment.append(stripped.removeprefix("#").strip())
            continue
        if (match := KEY.match(line)) and comment:
            path = [*path[: len(match[1]) // 2], match[2]]
            said = " ".join(part for part in comment if not part.startswith("Schema: "))
            rules = [json.loads(part.removeprefix("Schema: ")) for part in comment if part.startswith("Schema: ")]
            found[".".join(path)] = (said, {name: rule for given in rules for name, rule in given.items()})
        elif match:
            path = [*path[: len(match[1]) // 2], match[2]]
        comment = []
    return found


def schema(text: str) -> dict[str, Any]:
    """JSON Schema of the values: unknown keys are refused, except below values that are documented as a whole."""
    known = documented(text)
    top = _object(yaml.safe_load(text), "", known)
    top["properties"]["global"] = {"type": "object"}  # helm hands it to every chart
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values of Elder's chart", **top}


def _object(values: dict[str, Any], prefix: str, known: dict[str, tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    properties = {}
    for name, value in values.items():
        path = f"{prefix}{name}"
        if path in known:
            said, rules = known[path]
            properties[name] = {"description": said, "type": TYPES[type(value)], **rules}
        else:
            properties[name] = _object(value, f"{path}.", known)
    return {"type": "object", "additionalProperties": False, "properties": properties}


def table(text: str) -> str:
    """The values as a Markdown table."""
    values = yaml.safe_load(text)
    rows = ["| value | what it sets | default |", "|---|---|---|"]
    for path, (said, _rules) in documented(text).items():
        value: Any = values
        for name in path.split("."):
            value = value[name]
        shown = json.dumps(value, separators=(", ", ": ")).replace("|", "\\|")
        rows.append(f"| `{path}` | {said.replace('|', chr(92) + '|')} | `{shown}` |")
    return "\n".join(rows) + "\n"


def readme(current: str, text: str) -> str:
    """README.md with its table written anew."""
    before, _, rest = current.partition(BEGIN)
    return before + BEGIN + "\n" + table(text) + "\n" + END + rest.partition(END)[2]


def main() -> None:
    """Write both files."""
    text = (CHART / "values.yaml").read_text()
    (CHART / "values.schema.json").write_text(json.dumps(schema(text), indent=2) + "\n")
    page = CHART / "README.md"
    page.write_text(readme(page.read_text(), text))


if __name__ == "__main__":
    main()
