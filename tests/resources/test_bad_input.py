"""Bad input on real repositories: success, "partial, because" or "refused, because"; nothing of theirs is executed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Ann"), ("EMAIL", "ann@example.org"), ("DATE", "2026-01-05T10:00:00Z"))
}


def git(folder: Path, *arguments: str | bytes, **options) -> str:
    environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null", **IDENTITY}
    done = subprocess.run(
        ["git", "-C", folder, *arguments], env=environment, capture_output=True, check=True, **options
    )
    return done.stdout.decode(errors="replace").strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "basket"
    (made / "shop").mkdir(parents=True)
    (made / "shop" / "basket.py").write_text("def total(prices):\n    return sum(prices)\n")
    (made / "README.md").write_text("# Basket\n")
    git(made, "init", "-q", "-b", "main")
    commit(made, "feat: basket")
    return made


def commit(folder: Path, message: str) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", message)


def elder(tmp_path: Path, *arguments: str | Path, **options) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "ELDER_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "elder_assets", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, **options)


def audited(tmp_path: Path, *arguments: str | Path) -> dict:
    done = elder(tmp_path, "audit", "--format", "json", *arguments)
    assert done.returncode in {0, 1}, done.stderr
    return json.loads(done.stdout)


def test_a_home_that_cannot_be_made_is_named_in_one_line(tmp_path: Path, folder: Path):
    (tmp_path / "home").write_text("a file")
    done = elder(tmp_path, "audit", folder, cwd=tmp_path)
    assert done.returncode == 2
    assert str(tmp_path / "home") in done.stderr
    assert "see ELDER_HOME" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_tables_of_dagster_need_to_know_which_instance(tmp_path: Path):
    done = elder(tmp_path, "migrate", "up", "--with-dagster")
    assert done.returncode == 2
    assert done.stderr.startswith("elder: DAGSTER_HOME: got 'nothing'")


@pytest.mark.parametrize("command", [(), ("repo",), ("team", "initiative")], ids=["elder", "group", "group-in-group"])
def test_a_command_that_lacks_its_command_shows_them_one_a_line(tmp_path: Path, command: tuple[str, ...]):
    done = elder(tmp_path, *command)
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: elder")
    assert any((line.startswith("  ") and " add" in line) or "  audit " in line for line in done.stderr.splitlines())


def test_every_command_is_listed_with_its_whole_sentence(tmp_path: Path):
    for group in ((), ("repo",), ("team",), ("team", "initiative"), ("token",), ("webhook",), ("alert",), ("migrate",)):
        listed = elder(tmp_path, *group, "--help").stdout.partition("Commands:")[2]
        assert listed
        assert [line for line in listed.splitlines() if line.endswith("...")] == []


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("/no/such/folder", "no such folder"),
        ("ext::sh -c touch% canary", "addresses run programs"),
        ("--upload-pack=touch canary", "No such option"),
        ("https://ann:hunter2@example.org/shop/basket", "holds credentials"),
        ("http://example.org/shop/basket", "http:// is not allowed"),
        ("file:///etc", "file:// is not allowed"),
        ("https://", "without a host name"),
        ("https://127.0.0.1:9/shop/basket.git", "127.0.0.1"),
    ],
)
def test_a_refused_target_ends_in_one_line_that_says_why(tmp_path: Path, target: str, reason: str):
    done = elder(tmp_path, "audit", target, cwd=tmp_path)
    assert done.returncode == 2
    assert reason in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "hunter2" not in done.stderr
    assert not (tmp_path / "canary").exists()


def test_a_folder_without_a_repository_is_refused(tmp_path: Path):
    done = elder(tmp_path, "audit", tmp_path)
    assert (done.returncode, "not a git repository" in done.stderr) == (2, True)


def test_a_folder_inside_a_repository_audits_all_of_it_and_says_so(tmp_path: Path, folder: Path):
    report = audited(tmp_path, folder / "shop")
    assert report["coverage"]["eligible"] == 2
    assert "lies inside a repository" in report["notes"][0]


def test_a_repository_without_commits_is_refused(tmp_path: Path):
    empty = tmp_path / "empty"
    empty.mkdir()
    git(empty, "init", "-q")
    done = elder(tmp_path, "audit", empty)
    assert (done.returncode, "no commits yet" in done.stderr) == (2, True)


def test_commits_without_files_have_no_score(tmp_path: Path):
    bare = tmp_path / "void"
    bare.mkdir()
    git(bare, "init", "-q")
    commit(bare, "chore: nothing")
    report = audited(tmp_path, bare)
    assert (report["score"], report["status"], report["reason"]) == (None, "not applicable", "no code")


def test_an_unknown_ref_names_what_is_near(tmp_path: Path, folder: Path):
    done = elder(tmp_path, "audit", folder, "--ref", "mian")
    assert (done.returncode, "near: main" in done.stderr) == (2, True)
    assert elder(tmp_path, "audit", folder, "--ref=--all").returncode == 2


def test_a_detached_head_is_audited(tmp_path: Path, folder: Path):
    git(folder, "checkout", "-q", "--detach")
    assert audited(tmp_path, folder)["commit"] == git(folder, "rev-parse", "HEAD")


def test_a_shallow_clone_says_what_it_lacks(tmp_path: Path, folder: Path):
    commit(folder, "feat: more")
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{folder}", "shallow")
    report = audited(tmp_path, tmp_path / "shallow")
    assert "shallow" in report["magics"]["git"]["outcomes"]["GIT001"]["reason"]


def test_a_partial_clone_says_what_it_lacks(tmp_path: Path, folder: Path):
    git(folder, "config", "remote.origin.promisor", "true")
    git(folder, "config", "remote.origin.partialclonefilter", "blob:none")
    report = audited(tmp_path, folder)
    assert "partial" in report["magics"]["git"]["outcomes"]["GIT001"]["reason"]


def test_programs_named_by_the_repository_never_run(tmp_path: Path, folder: Path):
    canary = tmp_path / "canary"
    (folder / ".gitattributes").write_text("* filter=evil diff=evil\n")
    commit(folder, "chore: attributes")
    program = f"sh -c 'touch {canary}'"
    for key in ("core.fsmonitor", "core.sshCommand", "filter.evil.clean", "filter.evil.smudge", "diff.evil.textconv",
                "core.pager", "alias.log", "diff.external", "uploadpack.packObjectsHook", "core.gitProxy"):  # fmt: skip
        value = f"!{program}" if key.startswith("alias") else program
        git(folder, "config", key, value)
    for hook in ("post-checkout", "pre-commit", "post-index-change", "reference-transaction"):
        script = folder / ".git" / "hooks" / hook
        script.write_text(f"#!/bin/sh\ntouch {canary}\n")
        script.chmod(0o755)
    (folder / "shop" / "basket.py").write_text("x = 1\n")
    audited(tmp_path, folder)
    audited(tmp_path, folder, "--staged")
    assert not canary.exists()


def test_uncommitted_files_are_counted_and_staged_ones_can_be_audited(tmp_path: Path, folder: Path):
    (folder / "shop" / "basket.py").write_text("<<<<<<< a\nx = 1\n=======\nx = 2\n>>>>>>> b\n")
    assert audited(tmp_path, folder)["notes"] == ["1 uncommitted file not audited"]
    git(folder, "add", "-A")
    report = audited(tmp_path, folder, "--staged")
    assert (report["commit"], len(report["tree"])) == (None, 40)
    assert "INT001" in [finding["rule"] for finding in report["findings"]]


def test_odd_files_are_read_or_named_with_a_reason(tmp_path: Path, folder: Path):
    (folder / "shop" / "image.py").write_bytes(b"\x89PNG\0\0\0")
    (folder / "shop" / "torn.py").write_text("def total(:\n")
    (folder / "shop" / "away.py").symlink_to("/etc/passwd")
    (folder / "model.py").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 9\n")
    with (folder / "huge.py").open("wb") as huge:
        huge.write(b"x = 1\n" * 10_000_000)
    os.link(folder / "README.md", os.fsencode(folder) + b"/caf\xe9.md")
    git(folder, "update-index", "--add", "--cacheinfo", f"160000,{'a' * 40},sub")
    git(folder, "add", "-A", "--", ".", ":!sub")
    git(folder, "commit", "-q", "-F", "-", input=b"feat: caf\xe9\n")
    report = audited(tmp_path, folder)
    assert report["coverage"]["skipped"] == [{"path": "huge.py", "reason": "60.0 MB, over the limit of 8 MB"}]
    assert ("STR001", "shop/torn.py") in {(f["rule"], f["path"]) for f in report["findings"]}
    assert not [f for f in report["findings"] if f["path"] in {"shop/image.py", "shop/away.py", "model.py"}]


def test_a_corrupt_object_costs_one_file(tmp_path: Path, folder: Path):
    (folder / "shop" / "cart.py").write_text("<<<<<<< a\nx = 1\n=======\nx = 2\n>>>>>>> b\n")
    commit(folder, "feat: cart")
    oid = git(folder, "rev-parse", "HEAD:shop/basket.py")
    loose = folder / ".git" / "objects" / oid[:2] / oid[2:]
    loose.chmod(0o644)
    loose.write_bytes(b"garbage")
    report = audited(tmp_path, folder)
    assert [item["path"] for item in report["coverage"]["skipped"]] == ["shop/basket.py"]
    assert "INT001" in [finding["rule"] for finding in report["findings"]]


def test_a_linked_work_tree_and_a_bare_repository_give_the_same_findings(tmp_path: Path, folder: Path):
    git(folder, "worktree", "add", "-q", str(tmp_path / "linked"))
    git(tmp_path, "clone", "-q", "--bare", str(folder), "bare.git")
    (tmp_path / "bare.git" / "config").unlink()
    reports = [audited(tmp_path, place) for place in (folder, tmp_path / "linked", tmp_path / "bare.git")]
    assert len({json.dumps([r["commit"], r["score"], r["findings"]]) for r in reports}) == 1


def test_deleting_or_damaging_the_cache_changes_no_result(tmp_path: Path, folder: Path):
    def plain() -> dict:
        report = audited(tmp_path, folder)
        for magic in report["magics"].values():
            del magic["last_run"], magic["duration_ms"]
        return report

    first = plain()
    (cache,) = (tmp_path / "home" / "facts").rglob("*.db")
    assert plain() == first
    cache.write_bytes(b"no database at all")
    assert plain() == first
    cache.unlink()
    assert plain() == first


def test_two_audits_at_once_agree(tmp_path: Path, folder: Path):
    environment = {"PATH": os.environ["PATH"], "ELDER_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "elder_assets", "audit", str(folder), "--format", "json"]
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) for _ in range(3)]
    findings = [json.dumps(json.loads(process.communicate()[0])["findings"]) for process in running]
    assert len(set(findings)) == 1


def test_a_score_under_the_asked_one_fails(tmp_path: Path, folder: Path):
    done = elder(tmp_path, "audit", folder, "--quiet", "--fail-under", "100")
    assert done.returncode in {0, 1}
    assert done.stdout == ""
    assert elder(tmp_path, "audit", folder, "--magic", "gti").stderr.startswith("elder: magic: got 'gti'; allowed: ")
    assert "near: STR01" in elder(tmp_path, "explain", "STR31").stderr
