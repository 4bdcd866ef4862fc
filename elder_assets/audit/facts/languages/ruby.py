"""Ruby: .rb, .rake, .ru, .gemspec, Rakefile and its like; tests as RSpec and minitest collect them."""

from __future__ import annotations

import tree_sitter_ruby

from elder_assets.audit.facts.grammars import Language, path_matches

_FILE_NAMES = (
    "Appraisals Berksfile Brewfile Capfile Dangerfile Fastfile Gemfile Guardfile Podfile Rakefile Steepfile Thorfile "
    "Vagrantfile"
)

LANGUAGE = Language(
    name="ruby",
    title="Ruby",
    extensions=dict.fromkeys((".rb", ".rake", ".ru", ".gemspec"), "ruby"),
    file_names=dict.fromkeys(_FILE_NAMES.split(), "ruby"),
    grammars={"ruby": tree_sitter_ruby.language},
    structure="""
        [(class) (module)] @class
        (superclass (_) @base)
        [(method) (singleton_method)] @function
        (assignment right: (lambda) @function)
        (lambda) @lambda
        (call block: [(block) (do_block)] @lambda)
        [(if) (unless) (while) (until) (for) (rescue)] @nesting
        [(if_modifier) (unless_modifier) (while_modifier) (until_modifier) (rescue_modifier) (conditional)] @inline
        (elsif) @branch
        (elsif) @flat
        (if alternative: (else) @flat)
        (elsif alternative: (else) @flat)
        (unless alternative: (else) @flat)
        [(case) (case_match)] @block
        [(when) (in_clause)] @branch
        (binary operator: ["&&" "||" "and" "or"]) @boolean
    """,
    comments="(comment) @comment",
    imports="(call !receiver arguments: (argument_list . (string) @called .))",
    import_calls=("require", "require_relative", "load"),
    is_test_path=path_matches(
        r"(?:^|/)(?:[^/]*_(?:test|spec)|(?:spec|test|rails)_helper)\.rb$"
        r"|^(?:[^/]+/)*spec/(?:support|factories|fixtures|dummy|mocks|shared)/|^spec/"
        r"|^test_[^/]*\.rb$|(?:^|/)tests?/(?:.*/)?test_[^/]*\.rb$"
        r"|(?:^|/)features/(?:step_definitions|support)/"
    ),
)
