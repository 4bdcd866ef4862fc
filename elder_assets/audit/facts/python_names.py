"""Names that a Python module binds at its top level, and entry points that a setup.py writes as literals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from elder_assets.audit.facts.extraction import extractor
from elder_assets.audit.facts.grammars import Blob, line_of
from elder_assets.audit.model import CODE_CLASSES, FileClass

if TYPE_CHECKING:
    from tree_sitter import Node


class ModuleNames(msgspec.Struct, frozen=True, array_like=True):
    """What importers of one module can find in it."""

    names: tuple[str, ...] = ()
    is_open: bool = False
    """Names may come from elsewhere: a star import, `__getattr__`, globals(), exec, or a file that does not parse."""


class LiteralEntryPoint(msgspec.Struct, frozen=True, array_like=True):
    """One string 'name = module:attribute' in the `entry_points` of a setup.py."""

    line: int
    text: str


class SetupScript(msgspec.Struct, frozen=True, array_like=True):
    """What one setup.py declares by literals."""

    entry_points: tuple[LiteralEntryPoint, ...] = ()
    has_package_dir: bool = False
    has_extensions: bool = False


_INNER = frozenset({"function_definition", "class_definition", "lambda"})
_DYNAMIC = (
    b"globals()",
    b"__getattr__",
    b"exec(",
    b"sys.modules",
    b"locals()",
    b"vars()",
    b"LazyModule",
    b"lazy_import",
)


@extractor(version=1, variants=("python",), file_classes=(*CODE_CLASSES, FileClass.CONFIG))
def module_names(blob: Blob) -> ModuleNames:
    """List the names that a module binds at its top level, in any branch."""
    root = blob.tree.root_node
    is_open = root.has_error or any(mark in blob.data for mark in _DYNAMIC)
    names: set[str] = set()
    stack = list(root.named_children)
    while stack:
        node = stack.pop()
        if node.type in _INNER:
            name = node.child_by_field_name("name")
            if name is not None:
                names.add(blob.source(name))
        elif node.type in {"import_statement", "import_from_statement"}:
            is_open = is_open or any(child.type == "wildcard_import" for child in node.named_children)
            names.update(_imported(blob, node))
        elif node.type in _BINDING_FIELDS:
            names.update(_bound(blob, node.child_by_field_name(_BINDING_FIELDS[node.type])))
            stack.extend(node.named_children)
        elif node.type == "as_pattern_target":
            names.update(_bound(blob, node))
        else:
            stack.extend(node.named_children)
    if b"global " in blob.data:
        names.update(
            blob.source(node) for node in blob.captures("(global_statement (identifier) @name)").get("name", [])
        )
    return ModuleNames(tuple(sorted(names)), is_open)


_BINDING_FIELDS = {
    "assignment": "left",
    "augmented_assignment": "left",
    "named_expression": "name",
    "for_statement": "left",
    "type_alias_statement": "left",
}


def _imported(blob: Blob, node: Node) -> list[str]:
    found = []
    for child in node.children_by_field_name("name"):
        if child.type == "aliased_import":
            alias = child.child_by_field_name("alias")
            found.append(blob.source(alias) if alias is not None else "")
        else:
            found.append(blob.source(child).partition(".")[0])
    return found


def _bound(blob: Blob, target: Node | None) -> list[str]:
    """Identifiers that a target binds; `a.b = x` and `a[b] = x` bind none."""
    if target is None:
        return []
    if target.type == "identifier":
        return [blob.source(target)]
    if target.type in {"attribute", "subscript"}:
        return []
    return [name for child in target.named_children for name in _bound(blob, child)]


_EXTENSION_MARKS = (b"ext_modules", b"Extension(", b"cythonize", b"rust_extensions")


@extractor(version=1, wants=lambda file: file.name == "setup.py", max_bytes=200_000)
def setup_script(blob: Blob) -> SetupScript:
    """Read the literal entry points of a setup.py."""
    query = """
        (keyword_argument name: (identifier) @key value: [(dictionary) (string)] @value)
        (assignment left: (identifier) @key right: [(dictionary) (string)] @value)
    """
    captures = blob.captures(query)
    found: list[LiteralEntryPoint] = []
    for value in captures.get("value", []):
        key = (
            value.parent.child_by_field_name("name") or value.parent.child_by_field_name("left")
            if value.parent
            else None
        )
        if key is None or blob.source(key) != "entry_points":
            continue
        for text in blob.captures("(string_content) @text", value).get("text", []):
            for offset, line in enumerate(blob.source(text).split("\n")):
                if "=" in line and ":" in line:
                    found.append(LiteralEntryPoint(line_of(text) + offset, line.strip()))
    return SetupScript(
        tuple(sorted(found, key=lambda item: item.line)),
        has_package_dir=b"package_dir" in blob.data,
        has_extensions=any(
            mark in blob.data for mark in (b"ext_modules", b"Extension(", b"cythonize", b"rust_extensions")
        ),
    )
