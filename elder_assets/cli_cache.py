"""`elder cache`: what the facts caches hold, whether it is true, and what can go.

As in `cli.py`, whatever is not click is imported inside the command that needs it.
"""

from __future__ import annotations

import click


@click.group()
def cache() -> None:
    """Look after what was measured before. Deleting it changes no result, only the time of the next audit."""


@cache.command("stats")
def cache_stats() -> None:
    """Say what each repository's cache holds."""
    from resources.facts.upkeep import all_stats
    from resources.settings import load_settings

    settings = load_settings()
    rows = all_stats(settings)
    for key, stats in rows:
        kinds = ", ".join(f"{count} {kind}" for kind, count in stats.records.items())
        click.echo(f"{key}  {stats.size / 1e6:.1f} MB  {stats.blobs} blobs{', ' + kinds if kinds else ''}")
    click.echo(f"{len(rows)} caches, {sum(stats.size for _, stats in rows) / 1e6:.1f} MB, in {settings.facts}")


@cache.command("verify", short_help="Measure a random sample again and compare.")
@click.argument("targets", nargs=-1, metavar="[PATH_OR_URL]...")
@click.option("--sample", type=click.IntRange(1, 1_000_000), default=200, show_default=True, help="Blobs to compare.")
def cache_verify(targets: tuple[str, ...], sample: int) -> int:
    """Measure a random sample of blobs again and compare; default: of every registered repository.

    What differs is named, dropped and measured anew by the next audit. Exit status 1 when something differed.
    """
    from resources.facts.upkeep import verify
    from resources.settings import load_settings

    settings = load_settings()
    is_wrong = False
    for target, key in [(target, "") for target in targets] or _registered():
        found = verify(settings, target, sample, key=key)
        gone = f", {found.gone} no longer in the repository" if found.gone else ""
        damaged = f", {found.damaged} damaged rows (measured again when needed)" if found.damaged else ""
        click.echo(
            f"{found.repository}  {found.facts} facts of {found.blobs} blobs compared, "
            f"{len(found.wrong)} wrong{gone}{damaged}"
        )
        for name in found.wrong:
            click.echo(f"  wrong: {name}")
        is_wrong = is_wrong or bool(found.wrong)
    return 1 if is_wrong else 0


def _registered() -> list[tuple[str, str]]:
    from resources.settings import load_settings
    from resources.store import open_store

    with open_store(load_settings().store_url) as store:
        return [(repository.url, repository.key) for repository in store.repositories()]


@cache.command("prune", short_help="Drop what this version of Elder never asks for.")
def cache_prune() -> None:
    """Drop what this version of Elder never asks for: facts of other extractors, judgements by other code."""
    from resources.facts.upkeep import prune_all
    from resources.settings import load_settings

    rows = prune_all(load_settings())
    for key, saved in rows:
        click.echo(f"{key}  {max(saved, 0) / 1e6:.1f} MB freed")
    click.echo(f"{len(rows)} caches, {sum(max(saved, 0) for _, saved in rows) / 1e6:.1f} MB freed")
