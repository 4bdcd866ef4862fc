"""SAG002: links by the rules of the code host."""

from __future__ import annotations

import pytest

from elder_assets.audit.testing import MemorySource, run_rule

TREE = {
    "docs/guide.md": "# Guide\n",
    "docs/Déjà vu.md": "# x\n",
    "CONTRIBUTING.md": '# How to help\n\n<a name="tests"></a>\n\n## Same\n\n## Same\n\nRelease notes\n---\n',
    "img/logo.png": "x",
}


def targets(text: str, path: str = "README.md", **source) -> list[str]:
    _, findings = run_rule("SAG002", MemorySource({**TREE, path: text}, **source))
    return [finding.message.partition("'")[2].partition("'")[0] for finding in findings]


@pytest.mark.parametrize(
    "target",
    [
        "docs/guide.md", "docs/", "docs", "./docs/guide.md#L10", "/docs/guide.md", "docs/D%C3%A9j%C3%A0%20vu.md",
        "img/logo.png?raw=true", "CONTRIBUTING.md#how-to-help", "CONTRIBUTING.md#tests", "CONTRIBUTING.md#same-1",
        "CONTRIBUTING.md#release-notes", "../../issues", "../../wiki/Home", "https://example.org/x", "mailto:a@b.c",
        "//host/x", "#", "#top", "dist/app.js", "theme/any/file.md", "linked/any.md", "#here",
    ],
)  # fmt: skip
def test_a_link_that_leads_somewhere_passes(target: str):
    source = {"links": {"linked": "docs"}, "submodules": {"theme": "1" * 40}}
    assert targets(f"# Here\n\n[a]({target})\n", **source) == []


@pytest.mark.parametrize(
    "target", ["docs/guid.md", "Docs/guide.md", "img/logo.svg", "CONTRIBUTING.md#same-2", "#nowhere", "guide.md"]
)
def test_a_link_that_leads_nowhere_is_found(target: str):
    assert targets(f"# Here\n\n[a]({target})\n") == [target]


def test_reference_links_images_and_html_are_links_and_code_is_none():
    text = '# T\n\n[a][r] ![b](b.png)\n<a href="c.md">c</a>\n\n`[d](d.md)`\n\n```\n[e](e.md)\n```\n\n[r]: a.md\n[unused]: u.md\n'
    assert sorted(targets(text)) == ["a.md", "b.png", "c.md"]


def test_the_line_is_the_link_s_own():
    _, findings = run_rule("SAG002", MemorySource({"README.md": "# T\n\none\ntwo [a](a.md)\n\n- x\n- [b](b.md)\n"}))
    assert [finding.line for finding in findings] == [4, 7]


def test_the_documents_of_a_site_are_left_to_its_generator():
    site = {"mkdocs.yml": "site_name: x\n", "docs/README.md": "[a](nowhere.md)\n", "README.md": "[b](nowhere.md)\n"}
    _, findings = run_rule("SAG002", MemorySource(site))
    assert [finding.path for finding in findings] == ["README.md"]


def test_a_change_log_is_history():
    assert targets("[a](gone.md)\n", path="CHANGELOG.md") == []


def test_an_address_without_scheme_is_named_as_such():
    text = "[a](ann@shop.example) [b](www.shop.example)\n"
    _, findings = run_rule("SAG002", MemorySource({"README.md": text}))
    assert sorted(finding.message for finding in findings) == [
        "link to 'ann@shop.example': it is taken for a path, because mailto: is missing",
        "link to 'www.shop.example': it is taken for a path, because https:// is missing",
    ]


RST = """
Basket
======

See `the guide <docs/guide.md>`_, `a lost one
<docs/gone.md>`__ and `web <https://example.org>`_, `mail <ann@example.org>`_, `alias <other_>`_.
Inline ``code `x <nowhere>`_`` is none, nor is :doc:`role <nowhere>` or `site <page.html>`_.

.. _named: docs/gone2.md
.. _alias: named_
.. image:: img/logo.png
.. |badge| image:: img/gone.png
   :target: nowhere
.. include:: gone.rst
.. .. image:: img/comment.png
.. a comment with `x <nowhere>`_

.. code-block:: rst

   .. image:: img/in-code.png

.. note::

   A `note <docs/gone3.md>`_ is text.

An example::

    .. image:: img/literal.png
    `x <nowhere>`_

After it `end <docs/gone4.md>`_.
"""


def test_links_of_restructured_text():
    assert targets(RST, "README.rst") == [
        "docs/gone.md", "docs/gone2.md", "img/gone.png", "gone.rst", "docs/gone3.md", "docs/gone4.md",
    ]  # fmt: skip


ADOC = """= Basket
:imagesdir: img

image::logo.png[Logo]
image::gone.png[Logo]
See link:docs/guide.md[the guide], link:docs/gone.md[a lost one], link:https://example.org[web], `link:code[x]`,
xref:gone.adoc#part[part], xref:part[part], <<gone2.adoc#part,part>>, link:{base}/x[computed], link:page.html[site].
\\include::escaped.adoc[]
include::gone3.adoc[]
include::gone4.adoc[opts=optional]
// link:comment[x]

----
include::listing.adoc[]
link:listing[x]
----

ifdef::env-site[]
include::site.adoc[]
endif::[]
image:gone5.png[inline]
"""


def test_links_of_asciidoc():
    assert targets(ADOC, "README.adoc") == [
        "img/gone.png", "docs/gone.md", "gone.adoc#part", "gone2.adoc#part", "gone3.adoc", "img/gone5.png",
    ]  # fmt: skip


def test_an_image_folder_that_depends_on_a_condition_is_not_known():
    text = "= Basket\nifndef::imagesdir[]\n:imagesdir: img\nendif::[]\nimage::logo.png[Logo]\n"
    assert targets(text, "README.adoc") == []


def test_hostile_markup_takes_no_time():
    for piece in ("a`", "`", "`a <", "\\:", ".. _a:", "`a`"):
        lines = ".. _" + piece * 400 + "\n" + (piece * 400 + "\n") * 50
        assert targets(lines, "README.rst") == []
    assert targets(("link:" * 200 + "++" * 200 + "`" * 99 + "\n") * 50, "README.adoc") == []
