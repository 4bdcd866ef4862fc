"""Write what is derived: `docs/rules.md` from the registry, the calibration table of README.md. `make docs`."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from elder_assets.audit.registry import Catalogue, Rule, catalogue  # noqa: E402
from elder_assets.audit.ruler import PROVISIONAL_BELOW, calibration, effective_tier  # noqa: E402

BEGIN, END = "<!-- calibration: written by make docs -->", "<!-- calibration: end -->"


def rules_page(rules: Catalogue) -> str:
    """Every rule with its documentation, by magic, as Markdown."""
    lines = [
        "# Rules",
        "",
        "Written by `make docs` from the rules' docstrings; `elder explain RULE` prints the same with its cases.",
        "The tier is the highest that a rule may reach; the effective one stands in the README's table.",
    ]
    for magic in rules.magics:
        lines += ["", f"## {magic.title}: {magic.question[0].lower()}{magic.question[1:]}"]
        if not rules.of(magic.name):
            lines += ["", "No rules yet."]
        for rule in rules.of(magic.name):
            lines += ["", *_rule_section(rule)]
    return "\n".join(lines) + "\n"


def _rule_section(rule: Rule) -> list[str]:
    documentation = rule.documentation
    limits = ", ".join(f"`{name}` {value}" for name, value in rule.limits.items()) or "none"
    section = [
        f"### {rule.code} {rule.name}",
        "",
        documentation["Summary"],
        "",
        (
            f"{rule.severity} · {rule.tier} · evidence {rule.evidence} · unit: {rule.unit} · fix: {rule.fix} · "
            f"thresholds: {limits}"
        ),
    ]
    for heading in ("Why", "Remedy", "Limits", "Source"):
        if text := documentation.get(heading):
            section += ["", f"**{heading}.** {text[0].upper()}{text[1:]}"]
    return section


def calibration_table(rules: Catalogue) -> str:
    """Every rule with its verdicts and effective tier, as a Markdown table."""
    measured = calibration()
    lines = ["| rule | finds | may reach | verdicts (n) | true | effective tier |", "|---|---|---|---:|---:|---|"]
    for rule in rules.rules:
        row = measured.get(rule.code)
        tier = effective_tier(rule.tier, row)
        is_provisional = tier == "gate" and row is not None and row.n < PROVISIONAL_BELOW
        shown = f"{tier}, provisional" if is_provisional else str(tier)
        share = f"{row.precision:.0%}" if row is not None and row.precision is not None else "not sampled"
        lines.append(f"| {rule.code} | {rule.name} | {rule.tier} | {row.n if row else 0} | {share} | {shown} |")
    return "\n".join(lines)


def readme(current: str, rules: Catalogue) -> str:
    """README.md with its table written anew."""
    before, _, rest = current.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{calibration_table(rules)}\n\n{END}{after}"


def main() -> None:
    """Write every derived page."""
    rules = catalogue()
    (ROOT / "docs" / "rules.md").write_text(rules_page(rules), encoding="utf-8")
    page = ROOT / "README.md"
    page.write_text(readme(page.read_text(encoding="utf-8"), rules), encoding="utf-8")


if __name__ == "__main__":
    main()
