"""`make security`: one command that looks for what an attacker would; a summary at the end.

Exit status: 0 every part ran and found nothing, 1 a part found something, 2 nothing was found but a part could not run.
A part that could not run is never shown as passed: no answer of a vulnerability database is not "no vulnerabilities".
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

ROOT = Path(__file__).parent.parent
TOOLS = ROOT / "build" / "security-tools"
CHART_TOOLS = ROOT / "build" / "chart-tools"
PART_SECONDS_MAX = 1_200
SECRET_RULES = ("STR010", "GIT006")
"""What is in the tree, and what is only left in history."""
FUZZ = (
    "tests/dash_app/test_api.py", "tests/dash_app/test_access.py", "tests/dash_app/test_uploads.py",
    "tests/dash_app/test_failed_sign_ins.py", "tests/resources/providers/test_webhooks.py",
)  # fmt: skip
HOSTILE = (
    "tests/resources/test_bad_input.py", "tests/audit/test_exports.py", "tests/dash_app/test_html_report.py",
    "tests/resources/notifiers/test_messages.py", "tests/resources/test_outbound.py",
)  # fmt: skip
CHART = ("tests/chart/test_requirements.py", "tests/chart/test_image.py")
SUMMARY = re.compile(r"(\d+) (passed|failed|skipped|errors?)")
State = Literal["passed", "found", "not run"]


class Part(NamedTuple):
    """What became of one part."""

    name: str
    state: State
    said: str
    seconds: float = 0.0


# --- dependencies ----------------------------------------------------------------------------------------------


def dependencies() -> Part:
    """Ask a vulnerability database about every pinned package."""
    name = "dependencies"
    if not (TOOLS / "pip_audit").is_dir() and (failure := _install_pip_audit()):
        return Part(name, "not run", f"pip-audit cannot be installed: {failure}")
    command = [sys.executable, "-m", "pip_audit", "--requirement", "requirements/dev.txt", "--disable-pip", "--no-deps"]
    done = _run([*command, "--format", "json", "--progress-spinner", "off"], {"PYTHONPATH": str(TOOLS)})
    try:
        document = json.loads(done.stdout)
    except ValueError:
        return Part(name, "not run", f"the vulnerability database does not answer: {_last_line(done)}")
    return judge_dependencies(document)


def judge_dependencies(document: Mapping[str, Any]) -> Part:
    """What pip-audit's answer says; a package that it could not look up is a package that nobody looked at."""
    rows = document["dependencies"]
    known = [
        f"{row['name']} {row['version']}: {vulnerable['id']}" for row in rows for vulnerable in row.get("vulns", ())
    ]
    skipped = [row["name"] for row in rows if "skip_reason" in row]
    if known:
        return Part("dependencies", "found", "; ".join(known))
    if skipped or not rows:
        said = f"the vulnerability database knows nothing of {len(skipped)} of {len(rows)} packages: is it reached?"
        return Part("dependencies", "not run", said)
    return Part("dependencies", "passed", f"{len(rows)} packages, no known vulnerability")


def _install_pip_audit() -> str:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    done = _run([*command, "--require-hashes", "-r", "requirements/security.txt", "--target", str(TOOLS)])
    return "" if done.returncode == 0 else _last_line(done)


# --- our own secrets -------------------------------------------------------------------------------------------


def secrets() -> Part:
    """Look for secrets in our own tree and history, with our own rules."""
    done = _run([sys.executable, "-m", "elder_assets", "audit", str(ROOT), "--format", "json", "--all"])
    try:
        return judge_secrets(json.loads(done.stdout))
    except ValueError:
        return Part("secrets", "not run", f"the audit failed: {_last_line(done)}")


def judge_secrets(document: Mapping[str, Any]) -> Part:
    """What an audit says of secrets; a rule that could not look (a shallow clone has no history) has not looked."""
    outcomes = {code: said for magic in document["magics"].values() for code, said in magic["outcomes"].items()}
    found = [one for one in document["findings"] if one["rule"] in SECRET_RULES]
    if found:
        places = "; ".join(f"{one['path']}:{one['line']} {one['rule']}" for one in found)
        return Part("secrets", "found", places)
    blind = [code for code in SECRET_RULES if outcomes.get(code, {}).get("status") != "pass"]
    if blind:
        why = "; ".join(f"{code}: {outcomes.get(code, {}).get('reason') or 'it was not asked'}" for code in blind)
        return Part("secrets", "not run", why)
    units = " and ".join(f"{outcomes[code]['units']} by {code}" for code in SECRET_RULES)
    return Part("secrets", "passed", f"files looked at: {units}")


# --- tests -----------------------------------------------------------------------------------------------------


def _tested(name: str, files: Sequence[str]) -> Part:
    command = [sys.executable, "-m", "pytest", "-n", "2", "-p", "no:cacheprovider", *files]
    return judge_tests(name, _run(command).stdout)


def judge_tests(name: str, output: str) -> Part:
    """What pytest's last line says; a skipped test has looked at nothing."""
    lines = [line for line in output.splitlines() if line.strip()]
    counts = {what.rstrip("s"): int(number) for number, what in SUMMARY.findall(lines[-1])} if lines else {}
    failed = counts.get("failed", 0) + counts.get("error", 0)
    passed, skipped = counts.get("passed", 0), counts.get("skipped", 0)
    if failed:
        names = [
            line.split(" - ")[0].removeprefix("FAILED ") for line in lines if line.startswith(("FAILED ", "ERROR "))
        ]
        return Part(name, "found", f"{failed} tests failed: {'; '.join(names)[:600]}")
    if skipped or not passed:
        return Part(name, "not run", f"{passed} tests passed, {skipped} were skipped")
    return Part(name, "passed", f"{passed} tests")


def api() -> Part:
    """Generated and hostile requests: nothing makes the API fail, nobody sees another team's rows."""
    return _tested("api", FUZZ)


def repositories() -> Part:
    """Hostile repositories, names and texts: nothing of theirs runs, nothing of theirs steers a page or a message."""
    return _tested("repositories", HOSTILE)


def chart() -> Part:
    """The chart's requirements: restricted pods, no secret in a manifest, least rights; and the image's."""
    return _tested("chart", CHART)


def dockerfile() -> Part:
    """The Dockerfile under hadolint."""
    tool = CHART_TOOLS / "hadolint"
    if not tool.exists():
        return Part("dockerfile", "not run", "hadolint is not there: make chart-tools")
    done = _run([str(tool), "--no-color", "Dockerfile"])
    said = "; ".join(done.stdout.split("\n")[:10]).strip("; ")
    return Part("dockerfile", "found", said) if done.returncode else Part("dockerfile", "passed", "nothing to say")


PARTS: dict[str, Callable[[], Part]] = {
    "dependencies": dependencies,
    "secrets": secrets,
    "api": api,
    "repositories": repositories,
    "chart": chart,
    "dockerfile": dockerfile,
}


def main(names: Sequence[str]) -> int:
    """Run the named parts, or all; print the summary."""
    if unknown := [name for name in names if name not in PARTS]:
        print(f"no part {', '.join(unknown)}; there are: {', '.join(PARTS)}", file=sys.stderr)
        return 2
    done = []
    for name in names or PARTS:
        print(f"{name} ...", file=sys.stderr, flush=True)
        started = time.monotonic()
        try:
            part = PARTS[name]()
        except subprocess.TimeoutExpired:
            part = Part(name, "not run", f"it took longer than {PART_SECONDS_MAX} s")
        done.append(part._replace(seconds=time.monotonic() - started))
    print(summary(done))
    return exit_status(done)


def summary(parts: Sequence[Part]) -> str:
    """One line a part, worst last to be seen."""
    rows = [f"{part.state.upper():8} {part.name:13} {part.seconds:6.1f} s  {part.said}" for part in parts]
    states = [part.state for part in parts]
    counted = ", ".join(f"{states.count(state)} {state}" for state in ("passed", "found", "not run") if state in states)
    return "\n".join([*rows, f"security: {counted}"])


def exit_status(parts: Sequence[Part]) -> int:
    """As the module says."""
    states = {part.state for part in parts}
    return 1 if "found" in states else 2 if "not run" in states else 0


def _run(command: Sequence[str], more: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **(more or {})}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=PART_SECONDS_MAX
    )


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    return (lines[-1] if lines else f"exit status {done.returncode}")[:300]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
