"""A run's pod follows from the size of its repository, and from how earlier runs ended."""

from __future__ import annotations

import json

import pytest

from resources.runs.tiers import BY_NAME, TIERS, Measured, chosen_tier, fitting_tier, needed_mib, raised, run_tags

WISHED_MIB = {"micro": 128, "small": 512, "medium": 1024, "large": 4096, "xlarge": 8192, "gpu": 8192}
SEEN = [  # (files, MB of the tree, commits, peak MB of an audit and its git processes); docs/kubernetes.md
    (3, 0.0, 6, 23),
    (73, 0.1, 783, 29),
    (480, 4.1, 4018, 58),
    (351, 2.4, 6851, 110),
    (1288, 9.4, 7979, 101),
    (4667, 19.3, 8140, 228),
    (2444, 24.2, 3621, 141),
    (5797, 40.9, 5864, 168),
    (4673, 58.8, 22624, 332),
    (5842, 77.8, 6734, 183),
]


@pytest.mark.parametrize(("files", "megabytes", "commits", "peak"), SEEN)
def test_what_is_reserved_covers_what_was_measured(files: int, megabytes: float, commits: int, peak: int):
    size = Measured(content_bytes=int(megabytes * 1e6), files=files, commits=commits)
    assert 160 + peak <= needed_mib(size) <= 160 + 1.3 * peak + 130
    assert BY_NAME[fitting_tier(size)[0]].memory_mib >= 1.3 * (160 + peak)


@pytest.mark.parametrize(
    ("size", "needed", "tier"),
    [
        # 160 + 25 = 185; 185 x 1.3 = 240.5 <= 384
        (Measured(content_bytes=0, files=1, commits=1), 185, "micro"),
        # 185 + 50 x 0.02 + 4000 x 0.013 + 4 = 242; x 1.3 = 314.6
        (Measured(content_bytes=4 * 2**20, files=50, commits=4000), 242, "micro"),
        # 185 + 3000 x 0.02 + 5000 x 0.013 + 20 = 330; x 1.3 = 429
        (Measured(content_bytes=20 * 2**20, files=3000, commits=5000), 330, "small"),
        # 185 + 200 + 130 + 100 = 615; x 1.3 = 799.5
        (Measured(content_bytes=100 * 2**20, files=10_000, commits=10_000), 615, "medium"),
        # 185 + 1000 + 650 + 500 = 2335; x 1.3 = 3035.5
        (Measured(content_bytes=500 * 2**20, files=50_000, commits=50_000), 2335, "large"),
        # 185 + 1400 + 13,000 + 2000 = 16,585: no tier holds it
        (Measured(content_bytes=2000 * 2**20, files=70_000, commits=1_000_000), 16_585, "xlarge"),
    ],
    ids=["empty", "micro", "small", "medium", "large", "huge"],
)
def test_the_smallest_tier_that_holds_it_is_taken(size: Measured, needed: int, tier: str):
    assert needed_mib(size) == needed
    assert fitting_tier(size)[0] == tier


def test_no_tier_has_less_memory_than_was_wished_for_and_micro_holds_a_run_worker():
    assert all(tier.memory_mib >= WISHED_MIB[tier.name] for tier in TIERS)
    assert {tier.name for tier in TIERS} == set(WISHED_MIB)
    assert BY_NAME["micro"].memory_mib >= 1.3 * needed_mib(Measured(content_bytes=0, files=0, commits=0))
    assert min(tier.cpu_millis for tier in TIERS) >= 250  # 2.5 CPU seconds of start in 10 s on a full node


@pytest.mark.parametrize(
    ("asked", "fits", "killed", "tier"),
    [
        ("", "", [], "small"),
        ("", "large", [], "large"),
        ("micro", "large", [], "micro"),
        ("micro", "", ["micro"], "small"),
        ("micro", "", ["micro", "small"], "medium"),
        ("large", "", ["micro"], "large"),
        ("xlarge", "", ["xlarge"], "xlarge"),
        ("gpu", "", ["gpu"], "gpu"),
        ("enormous", "medium", ["nonsense"], "medium"),
    ],
)
def test_a_tier_is_asked_for_measured_or_raised(asked: str, fits: str, killed: list[str], tier: str):
    assert chosen_tier(asked, fits, killed)[0] == tier


def test_raising_ends_at_the_largest():
    assert [raised(name) for name in ("micro", "small", "medium", "large", "xlarge", "gpu")] == [
        "small", "medium", "large", "xlarge", "xlarge", "gpu",
    ]  # fmt: skip


@pytest.mark.parametrize("name", list(BY_NAME))
def test_the_tags_of_a_tier_are_read_by_dagster_k8s(name: str):
    job = pytest.importorskip("dagster_k8s.job")
    tags = run_tags(name)
    config = job.get_user_defined_k8s_config(tags)
    resources = config.container_config["resources"]
    assert resources["requests"]["memory"] == resources["limits"]["memory"] == f"{BY_NAME[name].memory_mib}Mi"
    assert "cpu" not in resources["limits"]
    assert config.job_spec_config["active_deadline_seconds"] == int(tags["dagster/max_runtime"]) + 300
    assert resources["limits"].get("nvidia.com/gpu") == ("1" if name == "gpu" else None)
    assert json.loads(tags["dagster-k8s/config"])["container_config"]["env"] == [{"name": "ELDER_TIER", "value": name}]
