"""`winnow verify`: reads everything and says what does not agree with what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from service.commands.options import CONNECTING, as_json, settings_options
from service.commands.output import print_json, print_table, printable, progress
from service.commands.reach import Reached, on_store

if TYPE_CHECKING:
    from service.store.checking import Checked

SHOWN: Final = 100
"""Violations that are printed."""


@click.command()
@click.argument("sites", metavar="[SITE]...", nargs=-1)
@settings_options(*CONNECTING)
@as_json
def verify(sites: tuple[str, ...], *, as_json: bool, **options: Any) -> None:
    """Check that all stored data agree: every comment, queue, counter, event and audit entry.

    Without SITE all sites are checked, and the registries across them. The service may be running.
    Changes nothing. Exits 1 when something does not agree; the first 100 violations are named.
    """

    async def work(reached: Reached) -> list[Checked]:
        from service.store.checking import check

        for name in sites:
            await reached.store.sites.read(name)  # says so where there is none
        with progress() as bar:
            task = bar.add_task("looking at keys", total=None)
            return await check(
                reached.store, sites, seen=lambda keys: bar.update(task, completed=keys)
            )

    found = on_store(options, work)
    if as_json:
        print_json({"ok": not wrong(found), "violations": wrong(found), "sites": found})
    else:
        print_found(found)
    raise SystemExit(int(wrong(found) > 0))


def wrong(found: list[Checked]) -> int:
    """How many violations there are."""
    return sum(one.violations for one in found)


def print_found(found: list[Checked]) -> None:
    """A line for each site, then the first violations."""
    rows = [(one.site or "(registries)", sum(one.counts.values()), one.violations) for one in found]
    print_table(["SITE", "COMMENTS", "VIOLATIONS"], rows)
    named = [f"{one.site or 'registries'}: {each}" for one in found for each in one.named]
    for sentence in named[:SHOWN]:
        click.echo(printable(sentence))
    if (more := wrong(found) - SHOWN) > 0:
        click.echo(f"and {more:,} more")
