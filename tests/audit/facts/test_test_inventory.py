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
    "rspec": (
        "spec/basket_spec.rb",
        ('RSpec.describe Basket do\n  it "a" do\n  end\n  it "b" do\n    expect(true).to be true\n  end\n'
        '  it("c") { expect(total).to eq 3 }\n  xit "d" do\n  end\n  it "later"\nend\n'),
        4, 2, 5,
    ),
    "minitest": (
        "test/basket_test.rb",
        ("class BasketTest < Minitest::Test\n  def test_a\n  end\n  def test_b\n    assert true\n  end\n"
        "  def test_c\n    assert_equal 3, total\n  end\n  def helper\n  end\nend\n"),
        3, 2, 5,
    ),
    "activesupport": (
        "test/models/basket_test.rb",
        ('class BasketTest < ActiveSupport::TestCase\n  test "a" do\n    # assert true\n  end\n'
        '  test "b" do\n    assert_equal x, x\n  end\n  test "c" do\n    assert total.positive?\n  end\nend\n'),
        3, 2, 6,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("path", "source", "tests", "empty", "constant"), CASES.values(), ids=list(CASES))
def test_an_empty_and_a_constant_test_are_found(path: str, source: str, tests: int, empty: int, constant: int):
    for rule, line in (("TDD003", empty), ("TDD002", constant)):
        outcome, findings = run_rule(rule, MemorySource({path: source}))
        assert outcome.units == tests, rule
        assert [finding.line for finding in findings] == [line], rule


def ruby(source: str, rule: str) -> list[int]:
    return [finding.line for finding in run_rule(rule, MemorySource({"test/basket_test.rb": source}))[1]]


def test_a_ruby_test_that_throws_its_result_away_is_found():
    assert ruby('describe "it" do\n  it "adds" do\n    total = basket.total\n  end\nend\n', "TDD001") == [3]


@pytest.mark.parametrize(
    "body",
    [
        "total = basket.total\n    compare total",
        "total = basket.total\n    total.must_equal 3",
        "allow(Basket).to receive(:total).with(3)\n    result = basket.run",
        "basket.total",
        "skip 'later'\n    total = basket.total",
    ],
)
def test_a_ruby_test_that_may_assert_is_none(body: str):
    helper = "def compare(total)\n  assert_equal 3, total\nend\n"
    assert ruby(f'{helper}describe "it" do\n  it "adds" do\n    {body}\n  end\nend\n', "TDD001") == []


def test_a_ruby_test_method_that_a_later_one_replaces_is_found():
    method = "  def test_total\n    assert_equal 3, total\n  end\n"
    assert ruby(f"class BasketTest < Minitest::Test\n{method}{method}end\n", "TDD006") == [2]
    other = method.replace("test_total", "test_sum")
    assert ruby(f"class BasketTest < Minitest::Test\n{method}{other}end\n", "TDD006") == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        (
            "src/test/java/BasketTest.java",
            "class BasketTest {\n @Test void a() {\n  int total = basket.total();\n }\n}\n",
        ),
        ("Shop.Tests/Basket.cs", "class Basket {\n [Fact] public void A() {\n  var total = basket.Total();\n }\n}\n"),
    ],
)
def test_a_java_and_a_csharp_test_that_throws_its_result_away_is_found(path: str, source: str):
    assert [finding.line for finding in run_rule("TDD001", MemorySource({path: source}))[1]] == [3]
    used = source.replace("basket.total();", "basket.total();\n  use(total);").replace(
        "basket.Total();", "basket.Total();\n  use(total);"
    )
    assert run_rule("TDD001", MemorySource({path: used}))[1] == []
