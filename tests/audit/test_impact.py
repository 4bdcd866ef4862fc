"""What a change of the tree asks of the rules, worked out by hand on the built-in catalogue."""

from __future__ import annotations

from elder_assets.audit.impact import changes_between, impact
from elder_assets.audit.model import FileClass, SourceFile, TreeEntry
from elder_assets.audit.registry import catalogue

RULES = catalogue().rules


def entry(path: str, oid: str, mode: int = 0o100644) -> TreeEntry:
    return TreeEntry(path=path, mode=mode, oid=oid * 40, size=10)


def test_paths_are_added_edited_and_deleted():
    before = [entry("a", "1"), entry("b", "2"), entry("c", "3"), entry("d", "4")]
    after = [entry("a", "1"), entry("b", "5"), entry("d", "4", 0o100755), entry("e", "3")]
    found = changes_between(before, after)
    assert (found.added, found.edited, found.deleted) == (("e",), ("b", "d"), ("c",))
    assert found.paths == ("b", "c", "d", "e")


def test_the_same_tree_asks_only_rules_that_read_the_history():
    tree = [entry("a.py", "1")]
    found = impact(tree, tree, [], RULES)
    assert (found.changed, found.to_read) == (0, 0)
    assert found.reason.startswith("the tree is the same: only ")
    history = {rule.magic for rule in RULES if {"H", "S"} & set(rule.evidence)}
    assert {magic for magic, rules in found.magics.items() if rules} == history
    assert history < set(found.magics)


def test_an_edited_file_is_read_once_and_a_renamed_one_not_at_all():
    before = [entry("a.py", "1"), entry("b.py", "2")]
    after = [entry("a.py", "3"), entry("c.py", "2")]
    files = [_file(path, oid) for path, oid in (("a.py", "3"), ("c.py", "2"))]
    found = impact(before, after, files, RULES)
    assert (found.changed, found.to_read) == (3, 1)
    assert found.reason.startswith("3 paths changed, 1 file to read")


def test_a_text_that_no_code_rule_reads_leaves_code_rules_alone():
    before, after = [entry("notes.txt", "1")], [entry("notes.txt", "2")]
    text = impact(before, after, [_file("notes.txt", "2", "text", FileClass.DOCS)], RULES)
    code = impact(before, after, [_file("notes.txt", "2")], RULES)
    assert text.magics["integrity"] < code.magics["integrity"]


def _file(path: str, oid: str, variant: str = "python", kind: FileClass = FileClass.PRODUCTION) -> SourceFile:
    return SourceFile(path=path, oid=oid * 40, size=10, file_class=kind, variant=variant)
