"""Code around a place: bounded, without secrets, never fetched."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from resources.excerpts import excerpt
from resources.settings import Settings, load_settings

BODY = "".join(f"line {number}\n" for number in range(1, 21))
KEY = "https://hooks.slack.com/" + "services/T0A1B2C3D/" + "B0A1B2C3D/aB3dE5gH7jK9mN1pQ2rS4tU6"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "shop"
    made.mkdir()
    (made / "basket.py").write_text(BODY)
    (made / "keys.py").write_text(f'x = 1\nkey = "{KEY}"\n')
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "feat: begin"]):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *command], cwd=made, check=True)
    return made


def settings(folder: Path) -> Settings:
    return load_settings({"ELDER_HOME": str(folder / "home")})


def test_four_lines_stand_around_the_one_that_is_meant(folder: Path):
    shown = excerpt(settings(folder), ("local/shop", str(folder), "HEAD", "basket.py", 10))
    assert [number for number, _ in shown.lines] == [6, 7, 8, 9, 10, 11, 12, 13, 14]
    assert shown.lines[4] == (10, "line 10")


@pytest.mark.parametrize(
    ("path", "line", "rule", "why"),
    [
        ("keys.py", 2, "STR010", "secret"),
        ("basket.py", 0, "", "more than a line"),
        ("gone.py", 1, "", "not there"),
        ("../../etc/passwd", 1, "", "not there"),
    ],
    ids=["secret", "whole file", "no file", "outside"],
)
def test_what_cannot_be_shown_says_why(folder: Path, path: str, line: int, rule: str, why: str):
    shown = excerpt(settings(folder), ("local/shop", str(folder), "HEAD", path, line), rule)
    assert shown.lines == ()
    assert why in shown.reason


def test_what_looks_like_a_secret_is_masked_for_every_rule(folder: Path):
    shown = excerpt(settings(folder), ("local/shop", str(folder), "HEAD", "keys.py", 1))
    assert KEY not in str(shown.lines)


def test_a_mirror_that_is_not_here_is_not_fetched(folder: Path):
    shown = excerpt(settings(folder), ("example.org/a/b", "https://example.org/a/b", "a" * 40, "x.py", 1))
    assert "not on this machine" in shown.reason
