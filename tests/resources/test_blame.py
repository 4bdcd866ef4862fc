"""Who brought a line: the commit that wrote it, and the change that brought it to the branch."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_same_result import Shop, basket

from elder_assets.audit.finding_states import Introduced
from resources.git.blame import introduced


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "shop")


def test_a_line_of_a_branch_came_with_the_merge_that_landed_it(shop: Shop):
    shop.commit("feat: open", {"basket.py": basket(1)})
    shop.git("checkout", "-q", "-b", "topic")
    wrote = shop.commit("feat: pay", {"pay.py": "def pay():\n    return 1\n"})
    wrote_at = shop.time
    shop.commit("feat: pay more", {"more.py": "x = 1\n"})
    shop.git("checkout", "-q", "main")
    straight = shop.commit("feat: sell", {"sell.py": "y = 1\n"})
    shop.git("merge", "-q", "--no-ff", "-m", "Merge topic", "topic")
    merge = shop.git("rev-parse", "HEAD")
    head = shop.commit("docs: say", {"README.md": "# Shop\n"})
    found = introduced(shop.folder / ".git", head, [(1, "pay.py", 2), (2, "sell.py", 1), (3, "README.md", 1)])
    assert found[1] == Introduced(commit=wrote, change=merge, at=wrote_at)
    assert (found[2].commit, found[2].change) == (straight, straight)
    assert (found[3].commit, found[3].change) == (head, head)


@pytest.mark.parametrize("place", [("none.py", 1), ("basket.py", 999), ("-p", 1), (":(top)basket.py", 1)])
def test_a_place_that_git_cannot_blame_is_left_out(shop: Shop, place: tuple[str, int]):
    head = shop.commit("feat: open", {"basket.py": basket(1)})
    assert introduced(shop.folder / ".git", head, [(1, *place)]) == {}
