"""What functions measure, worked out by hand from the definitions in `facts/functions.py`.

In the sources a comment behind a line says what the line adds: `y2` two to the cyclomatic, `g3` three to the
cognitive complexity.
"""

from __future__ import annotations

import re
import textwrap

import pytest

from elder_assets.audit.facts.functions import Function, Functions, functions
from elder_assets.audit.facts.grammars import Blob

CONTROL_FLOW = {
    "python": """
        def price(a, b):
            if a:                       # y1 g1
                pass
            elif b:                     # y1 g1
                pass
            else:                       # g1
                for x in a:             # y1 g2
                    while x:            # y1 g3
                        continue
            match a:                    # g1
                case 1 | 2:             # y1
                    pass
                case [x] if x:          # y2
                    pass
                case _:
                    pass
            try:
                pass
            except ValueError:          # y1 g1
                return 1 if a else 2    # y1 g2
            else:
                pass
            finally:
                pass
            for x in a:                 # y1 g1
                pass
            else:                       # g1
                pass
            with a:
                return [x for x in a if x]  # y2
    """,
    "javascript": """
        function price(a, b) {
          if (a) {                      // y1 g1
          } else if (b) {               // y1 g1
          } else {                      // g1
            for (const x of a) {        // y1 g2
              while (x) { continue; }   // y1 g3
            }
          }
          switch (a) {                  // g1
            case 1: case 2: break;      // y2
            default:
          }
          try { } catch (e) {           // y1 g1
            return a ? 1 : 2;           // y1 g2
          } finally { }
          outer: for (let i in a) {     // y1 g1
            do { break outer; } while (b); // y1 g2 g1
          }
          for (;;) { }                  // y1 g1
          return a ?? b;
        }
    """,
    "typescript": """
        function price(a: number, b?: string): number {
          if (a) {                      // y1 g1
          } else if (b) {               // y1 g1
          } else {                      // g1
            for (const x of a) {        // y1 g2
              while (x) { continue; }   // y1 g3
            }
          }
          switch (a) {                  // g1
            case 1: return 1;           // y1
            default: return 2;
          }
          return a ? 1 : b ? 2 : 3;     // y2 g1 g2
        }
    """,
    "go": """
        package shop
        func price(a, b int) int {
            if a > 1 {                  // y1 g1
            } else if b > 1 {           // y1 g1
            } else {                    // g1
                for i := range a {      // y1 g2
                    for b > 1 { }       // y1 g3
                }
            }
            switch a {                  // g1
            case 1, 2:                  // y1
            case 3:                     // y1
            default:
            }
            switch x := a.(type) {      // g1
            case int:                   // y1
            }
            select {                    // g1
            case <-c:                   // y1
            default:
            }
        outer:
            for {                       // y1 g1
                break outer             // g1
            }
            return 1
        }
    """,
    "java": """
        class Shop {
          int price(int a, int b) {
            if (a > 1) {                // y1 g1
            } else if (b > 1) {         // y1 g1
            } else {                    // g1
              for (int x : a) {         // y1 g2
                while (b > x) { }       // y1 g3
              }
            }
            switch (a) {                // g1
              case 1: case 2: break;    // y2
              default: break;
            }
            int c = switch (a) {        // g1
              case 1, 2 -> 3;           // y1
              default -> 4;
            };
            try { } catch (E | F e) {   // y1 g1
              return a > 1 ? 1 : 2;     // y1 g2
            } finally { }
            outer: for (;;) {           // y1 g1
              do { continue outer; } while (a > b); // y1 g2 g1
            }
          }
        }
    """,
    "csharp": """
        class Shop {
          int Price(int a, int b) {
            if (a > 1) {                // y1 g1
            } else if (b > 1) {         // y1 g1
            } else {                    // g1
              foreach (var x in a) {    // y1 g2
                while (b > x) { }       // y1 g3
              }
            }
            switch (a) {                // g1
              case 1: case 2: break;    // y2
              case int x when x > 3: break; // y2
              default: break;
            }
            var c = a switch {          // g1
              1 => 3,                   // y1
              > 5 and < 7 => 2,         // y1
              _ => 4,
            };
            try { } catch (E e) when (a > 1) { // y2 g1
              return a > 1 ? 1 : 2;     // y1 g2
            }
            for (;;) {                  // y1 g1
              do { goto end; } while (a > b); // y1 g2 g1
            }
            end: return a ?? b;
          }
        }
    """,
    "ruby": """
        def price(a, b)
          if a                          # y1 g1
            1
          elsif b                       # y1 g1
            2
          else                          # g1
            for x in a do               # y1 g2
              while x do                # y1 g3
                next
              end
            end
          end
          unless a                      # y1 g1
            1
          else                          # g1
            2
          end
          case a                        # g1
          when 1, 2 then 1              # y1
          when 3 then 2                 # y1
          else 3
          end
          return 1 if a                 # y1 g1
          b.each do |x|
            puts x unless b             # y1 g2
          end
          begin
            1
          rescue KeyError               # y1 g1
            a ? 1 : 2                   # y1 g2
          ensure
            2
          end
        end
    """,
    "rust": """
        fn price(a: i32, b: i32) -> i32 {
            if a > 1 {                  // y1 g1
            } else if let Some(x) = b { // y1 g1
            } else {                    // g1
                for x in a {            // y1 g2
                    while b > x { }     // y1 g3
                }
            }
            let Some(y) = z else {      // y1 g1
                return 1;
            };
            'outer: loop {              // y1 g1
                match a {               // g2
                    1 | 2 => 1,         // y1
                    Some(x) if x > 1 => 2, // y1
                    _ => break 'outer,  // g1
                }
            }
            f(a)?
        }
    """,
}

BOOLEANS = [
    ("a and b", 1, 1),
    ("a and b and c", 2, 1),
    ("a and b or c", 2, 2),
    ("a or b and c or d", 3, 3),
    ("a and (b and c)", 2, 1),
    ("a and not (b and c)", 2, 2),
    ("a and f(b or c)", 2, 2),
    ("(a and b) == (c and d)", 2, 2),
]

IF_WITH = {
    "python": "def f():\n    if {}:\n        pass\n",
    "javascript": "function f() {{ if ({}) {{ }} }}",
    "typescript": "function f() {{ if ({}) {{ }} }}",
    "tsx": "function f() {{ if ({}) {{ }} }}",
    "go": "package a\nfunc f() {{ if {} {{ }} }}",
    "java": "class A {{ void f() {{ if ({}) {{ }} }} }}",
    "csharp": "class A {{ void f() {{ if ({}) {{ }} }} }}",
    "ruby": "def f\n  if {}\n    1\n  end\nend\n",
    "rust": "fn f() {{ if {} {{ }} }}",
}


def measure(variant: str, source: str) -> Functions:
    found = functions(Blob(textwrap.dedent(source).encode(), variant))
    assert not found.has_errors
    return found


def only(variant: str, source: str) -> Function:
    (function,) = measure(variant, source).functions
    return function


def noted(source: str, letter: str) -> int:
    comments = re.findall(r"(?:#|//)((?: [yg]\d)+)", source)
    return sum(int(number) for comment in comments for number in re.findall(rf"{letter}(\d)", comment))


@pytest.mark.parametrize("variant", CONTROL_FLOW)
def test_each_branch_adds_what_its_comment_says(variant: str):
    source = CONTROL_FLOW[variant]
    function = only(variant, source)
    assert function.cyclomatic == 1 + noted(source, "y")
    assert function.cognitive == noted(source, "g")


@pytest.mark.parametrize("variant", IF_WITH)
@pytest.mark.parametrize(("expression", "operators", "sequences"), BOOLEANS)
def test_a_sequence_of_like_operators_counts_once(variant: str, expression: str, operators: int, sequences: int):
    if variant not in {"python", "ruby"}:
        expression = expression.replace("and", "&&").replace("or", "||").replace("not ", "!")
    elif variant == "ruby":
        expression = expression.replace("f(b or c)", "f((b or c))")
    function = only(variant, IF_WITH[variant].format(expression))
    assert (function.cyclomatic, function.cognitive) == (2 + operators, 1 + sequences)


PARAMETERS = [
    ("python", "def f(a, b=1, c: int = 2): pass", 3),
    ("python", "def f(a, /, b, *, c, d=1): pass", 2),
    ("python", "def f(a, *rest, c=1, **more): pass", 2),
    ("python", "def f(a, *rest: int, c=1, **more: int): pass", 2),
    ("python", "class A:\n    def f(self, a): pass", 1),
    ("python", "class A:\n    def f(self: Self, *, a): pass", 0),
    ("python", "class A:\n    @classmethod\n    def f(cls, a, # why\n b): pass", 2),
    ("python", "def f(selfish, b): pass", 2),
    ("javascript", "function f({a, b}, [c, d], e = 1, ...rest) { }", 4),
    ("javascript", "const f = x => x", 1),
    ("javascript", "const f = (/* none */) => 1", 0),
    ("typescript", "class A { f(this: A, a: number, b?: string) { } }", 2),
    ("typescript", "class A { constructor(private a: number, readonly b = 1) { } }", 2),
    ("go", "package a\nfunc f(a, b int, c string, rest ...int) { }", 4),
    ("go", "package a\nfunc f(int, string) { }", 2),
    ("go", "package a\nfunc (a *A) f(b int) { }", 1),
    ("java", "class A { void f(final int a, String... rest) { } }", 2),
    ("java", "class A { void f(A this, int a) { } }", 1),
    ("csharp", "class A { void f(int a, ref int b, int c = 1, params object[] rest) { } }", 4),
    ("csharp", "static class A { static int f(this string a, int b) => 1; }", 1),
    ("ruby", "def f(a, b = 1, *rest, c, k:, o: 1, **more, &block); end", 4),
    ("ruby", "def f a, b; end", 2),
    ("rust", "impl A { fn f(&mut self, a: i32, #[cfg(x)] b: i32) { } }", 2),
    ("rust", "fn f(a: i32, (b, c): (i32, i32)) { }", 2),
]


@pytest.mark.parametrize(("variant", "source", "count"), PARAMETERS)
def test_positional_parameters(variant: str, source: str, count: int):
    assert only(variant, source).positional == count


SYMBOLS = [
    ("python", "class A:\n    class B:\n        def f(self):\n            def g(): pass", ["A.B.f", "A.B.f.g"]),
    ("python", "double = lambda x: 2 * x\nsort(key=lambda x: x)", ["double"]),
    ("javascript", "const f = () => 1, g = function () { }, h = async () => 1", ["f", "g", "h"]),
    ("javascript", "module.exports = { m() { }, 'n': () => 1, o: function () { } }", ["m", "n", "o"]),
    ("javascript", "A.prototype.m = function () { }; exports.x = () => 1", ["A.prototype.m", "exports.x"]),
    ("javascript", "class A { x = () => 1; get y() { } static z() { } #w() { } }", ["A.#w", "A.x", "A.y", "A.z"]),
    ("javascript", "app.get('/', (request, response) => { list.map(x => x) })", ["<anonymous>"]),
    ("javascript", "(function () { function f() { } $('a').on('click', () => 1) })()", ["<anonymous>", "f"]),
    ("javascript", "!function (root, factory) { factory() }(this, function () { function f() { } })", ["f"]),
    ("javascript", "define(['a'], function (a) { function f() { } })", ["f"]),
    ("javascript", "describe('a', () => { it('b', () => { }) })", ["<anonymous>"]),
    ("javascript", "export default function () { }", ["<anonymous>"]),
    ("typescript", "abstract class A { x = () => 1; m() { } abstract n(): void }", ["A.m", "A.x"]),
    ("typescript", "function f(a: string): void; function f(a: any) { }", ["f"]),
    ("tsx", "const View = () => <p onClick={() => 1}>{list.map(x => x)}</p>", ["View"]),
    (
        "go",
        (
            "package a\nfunc (b *Basket[T]) total() { }\nfunc (Basket) size() { }\nvar f = func() { }\n"
            "var c = &C{Run: func() { g(func() { }) }}"
        ),
        ["Basket.total", "Basket.size", "f", "Run"],
    ),
    (
        "java",
        (
            "class A { A() { } void m() { Runnable r = () -> { }; run(() -> { }); new B() { void n() { } }; } }\n"
            "interface I { void a(); default void b() { } }"
        ),
        ["A.A", "A.m", "A.m.n", "A.m.r", "I.b"],
    ),
    (
        "csharp",
        (
            "namespace N; class A { A() { } int P { get { return 1; } set { } } int Q => 1; int R { get; set; }\n"
            "void M() { int L() => 1; Func<int> f = () => 1; x.Y += (s, e) => { }; Run(() => 1); } abstract void Z(); }"
        ),
        ["A.A", "A.P.get", "A.P.set", "A.Q", "A.M", "A.M.L", "A.M.f", "A.M.x.Y"],
    ),
    (
        "ruby",
        (
            "module A\n  class B\n    def self.f; end\n    class << self\n      def g; end\n    end\n"
            "    h = ->(x) { x }\n    scope :y, -> { z }\n  end\nend"
        ),
        ["A.B.f", "A.B.g", "A.B.h"],
    ),
    (
        "rust",
        (
            "impl<T> Display for Basket<T> { fn total(&self) { let f = |x| x; g(|x| x); } }\n"
            "trait T { fn a(&self); fn b(&self) { } }\nmod m { fn c() { } }"
        ),
        ["Basket.total", "Basket.total.f", "T.b", "c"],
    ),
]


@pytest.mark.parametrize(("variant", "source", "symbols"), SYMBOLS)
def test_a_function_with_a_name_or_a_nameless_one_outside_of_all_is_measured(variant, source, symbols):
    assert sorted(function.symbol for function in measure(variant, source).functions) == sorted(symbols)


BASES = [
    ("python", "class A(B, c.D[int], metaclass=M): pass", {"A": ("B", "c.D")}),
    ("javascript", "class A extends b.C { }", {"A": ("b.C",)}),
    ("typescript", "class A<T> extends B<T> implements C, d.E<T> { }", {"A": ("B", "C", "d.E")}),
    ("typescript", "interface A extends B, C<T> { }", {"A": ("B", "C")}),
    ("go", "package a\ntype A struct { B }\ntype C interface { D() }\n", {"A": (), "C": ()}),
    ("java", "class A<T> extends B<T> implements C, d.E { class F { } }", {"A": ("B", "C", "d.E"), "A.F": ()}),
    ("java", "interface A extends B, C<D> { }", {"A": ("B", "C")}),
    ("csharp", "class A<T> : B<T>, C.D where T : new() { }", {"A": ("B", "C.D")}),
    ("csharp", "record A(int X) : B(X), C;", {"A": ("B", "C")}),
    ("csharp", "enum A : byte { X }", {"A": ()}),
    ("ruby", "class A < B::C\nend\nmodule D\nend", {"A": ("B::C",), "D": ()}),
    ("rust", "trait A: B + 'static + c::D<E> { }\nstruct F { }\nenum G { }", {"A": ("B", "c::D"), "F": (), "G": ()}),
]


@pytest.mark.parametrize(("variant", "source", "bases"), BASES)
def test_a_class_names_its_bases(variant: str, source: str, bases: dict[str, tuple[str, ...]]):
    assert {found.symbol: found.bases for found in measure(variant, source).classes} == bases


LENGTHS = [
    ("python", 'def f():\n    """Doc\n\n    string."""\n\n    # why\n    x = """a\n    b"""  # c\n    return x', 4),
    ("python", "def f():\n    x = 1\n    def g():\n        # why\n        return 2\n    return g", 3),
    ("javascript", "function f() {\n  /* a */ g(); /* b\n  c */ h();\n  /* d */ /* e */\n\n  // i\n}", 4),
    ("go", "package a\nfunc f() {\n\t// why\n\r\n\tg() // why\n}", 3),
    ("rust", "fn f() {\n    /// doc\n    g();\n    /* a\n    b */\n}", 3),
    ("ruby", "def f\n=begin\nwhy\n=end\n  1\nend", 3),
]


@pytest.mark.parametrize(("variant", "source", "lines"), LENGTHS)
def test_code_lines_hold_a_token_that_is_no_comment(variant: str, source: str, lines: int):
    assert measure(variant, source).functions[0].code_lines == lines


NESTING = [
    ("python", "def f():\n    for x in y:\n        if x:\n            return [a for a in b if a]", 2),
    ("python", "def f():\n    if a:\n        pass\n    elif b:\n        if c:\n            pass", 2),
    ("javascript", "function f() { if (a) { } else if (b) { } else if (c) { while (d) { } } }", 2),
    ("javascript", "function f() { if (a) { list.map(x => { if (x) { return y ? 1 : 2 } }) } }", 2),
    ("go", "package a\nfunc f() { switch a { case 1: if b { for { } } } }", 3),
    ("java", "class A { void f() { try { if (a) { } } catch (E e) { if (b) { } } } }", 2),
    ("csharp", "class A { int f() { if (a) { return b switch { 1 => c ? 1 : 2, _ => 3 }; } } }", 2),
    ("ruby", "def f\n  if a\n    b.each do |x|\n      return x if c\n    end\n  end\nend", 1),
    ("rust", "fn f() { loop { match a { 1 => if b { }, _ => { } } } }", 3),
]


@pytest.mark.parametrize(("variant", "source", "depth"), NESTING)
def test_nesting_counts_blocks_only(variant: str, source: str, depth: int):
    assert only(variant, source).nesting == depth


def test_a_nested_function_counts_for_itself_and_a_nameless_one_for_its_surroundings():
    found = measure(
        "javascript",
        """
        function f() {
          if (a) {                     // f: 1
            function g() {
              if (b) { }               // g: 1
            }
            list.forEach(x => {
              if (x) { }               // f: 1 + 2, inside the if and the callback
            })
          }
        }
        """,
    )
    assert {function.symbol: function.cognitive for function in found.functions} == {"f": 4, "f.g": 1}


def test_a_broken_file_is_measured_as_far_as_it_can_be_read():
    found = functions(Blob(b"def f(a):\n    if a:\n        return 1\n\ndef g(:\n", "python"))
    assert found.has_errors
    assert found.functions[0] == Function("f", 1, 3, 3, 1, 2, 1, 1)


@pytest.mark.parametrize("variant", IF_WITH)
@pytest.mark.parametrize(
    "text", ["", "\0", ")}]", "class : A { x(", "= lambda x: => |x| -> {", "((((((((", "if if else else"]
)
def test_text_that_is_no_program_is_measured_without_a_failure(variant: str, text: str):
    assert isinstance(functions(Blob(text.encode(), variant)), Functions)


def test_bases_without_a_class_belong_to_none():
    found = functions(Blob(b"partial : Base { } }", "csharp"))
    assert all(found.bases == () for found in found.classes)
