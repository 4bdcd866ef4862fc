"""What the Markdown reader says of small documents, worked out by hand."""

from __future__ import annotations

from elder_assets.audit.facts.grammars import Blob
from elder_assets.audit.facts.markdown import Prose, anchor_key, prose


def read(text: str, variant: str = "markdown") -> Prose:
    return prose(Blob(text.encode(), variant))


def test_badges_images_headings_and_code_are_no_prose():
    text = "# Title\n\n[![b](b.svg)](x) one **two**\n\n    code\n\n```\nmore\n```\n\n- `three`\n"
    found = read(text)
    assert found.prose_chars == len("one two") + len("three")
    assert found.code_blocks == 2
    assert found.code_spans == ("three",)


def test_headings_of_every_kind_have_lines_and_anchors():
    text = 'One\n===\n\n## Two & `three`\n\n<h3 align="center">Four</h3>\n\n## One\n\n## Five {#other}\n'
    found = read(text)
    assert [(h.line, h.level, h.text) for h in found.headings] == [
        (1, 1, "One"), (4, 2, "Two & three"), (6, 3, "Four"), (8, 2, "One"), (10, 2, "Five {#other}"),
    ]  # fmt: skip
    for anchor in ("one", "two--three", "four", "one-1", "five", "other"):
        assert anchor_key(anchor) in found.anchors


def test_links_have_their_lines():
    text = "a\n[x](x.md)\n`[code](c.md)`\n\n| t |\n|---|\n| ![i](i.png) |\n\n<p>\n<img src='h.png'>\n</p>\n\n[r]\n\n[r]: r.md\n"
    links = read(text).links
    assert [(link.line, link.target, link.is_image) for link in links] == [
        (2, "x.md", False), (7, "i.png", True), (10, "h.png", True), (13, "r.md", False),
    ]  # fmt: skip


def test_front_matter_is_no_heading():
    assert read("---\ntitle: x\n---\n\n# A\n").headings[0].line == 5


def test_restructured_text_counts_prose_without_titles_and_directives():
    found = read("Shop\n====\n\n.. image:: x.png\n\nTen chars.\n\nUsage\n-----\n\n::\n\n    shop\n", "rst")
    assert found.prose_chars == len("Ten chars.") + len("shop")
    assert [h.text for h in found.headings] == ["Shop", "Usage"]
    assert found.code_blocks == 1
    assert not found.has_anchors


def test_a_character_that_stands_for_a_word_counts_as_three():
    assert read("商店\n").prose_chars == 6


def test_a_utf_16_readme_is_read():
    assert prose(Blob("# A\n\nabc\n".encode("utf-16"), "markdown")).prose_chars == 3
