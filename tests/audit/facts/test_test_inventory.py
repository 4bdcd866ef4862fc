"""A good, an empty, a tautological and a skipped test in each language, judged by TDD002 and TDD003."""

from __future__ import annotations

import pytest

from elder_assets.audit.testing import MemorySource, run_rule

CASES = {
    "go": (
        "shop/basket_test.go",
        ('package s\nimport "testing"\nfunc TestA(t *testing.T) {}\nfunc TestB(t *testing.T) {\n\tassert.True(t, true)\n}\n'
        'func TestC(t *testing.T) {\n\tif f() != 1 {\n\t\tt.Error("no")\n\t}\n}\nfunc TestMain(m *testing.M) {}\n'),
        3, 3, 5,
    ),
    "java": (
        "src/test/java/BasketTest.java",
        ("class BasketTest {\n @Test void a() {}\n @Test void b() { assertTrue(true); }\n"
        " @Test void c() { assertEquals(3, total()); }\n @Test @Disabled void d() {}\n}\n"),
        4, 2, 3,
    ),
    "csharp": (
        "Shop.Tests/Basket.cs",
        ("class Basket {\n [Fact] public void A() {}\n [Fact] public void B() { Assert.True(true); }\n"
        ' [Fact] public void C() { Assert.Equal(3, Total()); }\n [Fact(Skip="x")] public void D() {}\n}\n'),
        4, 2, 3,
    ),
    "rust": (
        "tests/basket.rs",
        "#[test]\nfn a() {}\n#[test]\nfn b() { assert!(true); }\n#[test]\nfn c() { assert_eq!(3, total()); }\n",
        3, 2, 4,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("path", "source", "tests", "empty", "constant"), CASES.values(), ids=list(CASES))
def test_an_empty_and_a_constant_test_are_found(path: str, source: str, tests: int, empty: int, constant: int):
    for rule, line in (("TDD003", empty), ("TDD002", constant)):
        outcome, findings = run_rule(rule, MemorySource({path: source}))
        assert outcome.units == tests, rule
        assert [finding.line for finding in findings] == [line], rule
