"""`winnow erase`: a person asked to be forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from service.commands.options import CONNECTING, as_json, settings_options
from service.commands.output import iso, print_fields
from service.commands.reach import Reached, known_site, now_ms, on_store

if TYPE_CHECKING:
    from service.store.erasures import Erasure


@click.command("erase", short_help="Erase a person: their comments and all that is known of them.")
@click.argument("site_id", metavar="SITE")
@click.argument("email", metavar="EMAIL")
@click.option("--author", is_flag=True, help="EMAIL is an author's id, as queues show it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@settings_options(*CONNECTING)
@as_json
def erase(
    *, site_id: str, email: str, author: bool, yes: bool, as_json: bool, **options: Any
) -> None:
    """Erase every comment that EMAIL wrote on SITE, and whatever else is kept of that person.

    Threads keep their shape. This cannot be undone; a run that is interrupted is finished by the
    running service, or by the next run. The service rewrites its files within an hour, so that the
    texts are gone from the disk, too. Bans stay: they hold a keyed hash.
    """
    if not yes:
        click.confirm(f"Erase {email} on {site_id}, for good?", abort=True, err=True)
    found = on_store(options, lambda reached: _erased(reached, site_id, email, by_id=author))
    fields = {
        "id": f"er_{found.author}",
        "site": site_id,
        "status": found.status,
        "comments": found.comments,
        "asked_at": iso(found.asked_at),
        "finished_at": None if found.finished_at is None else iso(found.finished_at),
    }
    print_fields(fields, as_json=as_json)


async def _erased(reached: Reached, site: str, email: str, *, by_id: bool) -> Erasure:
    from service.pipeline.erase import Eraser

    await known_site(reached, site)
    eraser = Eraser(reached.store, reached.secrets, reached.settings.data_dir)
    author = email if by_id else eraser.author_of(site, email)
    begun = await eraser.begin(site, author, by="command line", now=now_ms())
    return await eraser.go_on(site, author) or begun
