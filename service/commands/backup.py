"""`winnow backup`: a copy of everything an installation must keep, taken while it works."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service.commands.failures import SETTINGS, USAGE, CommandError
from service.commands.options import CONNECTING, as_json, chosen, settings_options
from service.commands.output import iso, print_fields, print_items
from service.commands.reach import ending_at_sigterm

if TYPE_CHECKING:
    from service.settings import Settings
    from service.store.backups.taking import Taken

COLUMNS = {
    "name": "BACKUP",
    "taken_at": "TAKEN",
    "size": "BYTES",
    "comments": "COMMENTS",
    "generation": "GENERATION",
    "secret": "SECRET",
    "state": "STATE",
}


@click.command()
@click.argument("dest", metavar="DEST", type=click.Path(file_okay=False, path_type=Path))
@click.option("--list", "listing", is_flag=True, help="List the backups in DEST; take none.")
@click.option(
    "--keep",
    type=click.IntRange(1),
    metavar="N",
    help="Afterwards remove all but the newest N backups of these data from DEST.",
)
@click.option("--quick", is_flag=True, help="Do not try the copy on a server of its own.")
@click.option("--as-is", is_flag=True, help="Do not let the server write its file anew first.")
@click.option(
    "--without-secret",
    is_flag=True,
    help="Leave the installation's secret out; without it, kept elsewhere, a backup is useless.",
)
@settings_options(*CONNECTING)
@as_json
@click.pass_context
def backup(
    ctx: click.Context,
    /,
    *,
    dest: Path,
    listing: bool,
    keep: int | None,
    quick: bool,
    as_is: bool,
    without_secret: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Take a backup into a new folder below DEST, while the service works.

    Holds all that was acknowledged before: comments, keys, the secret, own models. A server of its
    own then loads the copy and every invariant is checked, which takes as much memory as the store
    uses (--quick does without). Exits 1 if the data themselves do not agree. `winnow restore` puts
    a backup back; docs/ops/backup.md.
    """
    if listing:
        print_items(listed(dest), COLUMNS, as_json=as_json)
        return
    settings = prepared(options)
    from service.store.backups.taking import Wanted, take

    wanted = Wanted(secret=not without_secret, tried=not quick, rewritten=not as_is, keep=keep)
    with ending_at_sigterm():
        taken = take(settings, dest, wanted, lambda said: click.echo(said, err=True))
    print_fields(shown(taken), as_json=as_json)
    for note in taken.notes:
        click.echo(f"Note: {note}.", err=True)
    if taken.sheet.violations:
        click.echo("The data do not agree with themselves: see `winnow verify`.", err=True)
        ctx.exit(1)


def prepared(options: dict[str, Any]) -> Settings:
    """The settings of an installation whose store is the embedded server.

    Raises:
        CommandError: its store is a server of its own, or there is no installation.
    """
    from service import log

    settings = chosen(options)
    log.configure("error", settings.log_format)
    if settings.redis_url:
        raise CommandError(
            "WINNOW_REDIS_URL: this store is a server of its own; back it up with that server's "
            "tools (its RDB or append-only files) and keep WINNOW_SECRET and the data folder with "
            "them: docs/ops/backup.md",
            USAGE,
        )
    if not (settings.data_dir / "epoch").exists():
        raise CommandError(
            f"WINNOW_DATA_DIR: {settings.data_dir} holds no data of Winnow; name another folder "
            "with --data-dir",
            SETTINGS,
        )
    return settings


def listed(dest: Path) -> list[dict[str, Any]]:
    """A row for each backup, oldest first."""
    from service.store import epochs
    from service.store.backups import sheet

    rows: list[dict[str, Any]] = []
    for path, found in sheet.found_in(dest):
        row: dict[str, Any] = {"name": path.name} | dict.fromkeys(list(COLUMNS)[1:], None)
        if isinstance(found, sheet.BackupError):
            rows.append(row | {"state": f"damaged: {found}"})
            continue
        told = {
            "taken_at": iso(found.taken_at),
            "size": found.size,
            "comments": found.comments,
            "generation": epochs.generation(found.epoch),
            "secret": found.with_secret,
            "state": "tried" if found.tried else "not tried",
        }
        rows.append(row | told)
    return rows


def shown(taken: Taken) -> dict[str, Any]:
    """What the command prints of a backup."""
    made = taken.sheet
    return {
        "path": str(taken.path),
        "taken_at": iso(made.taken_at),
        "size": made.size,
        "files": len(made.files),
        "comments": made.comments,
        "secret": made.with_secret,
        "tried": made.tried,
        "violations": made.violations,
        "removed": [path.name for path in taken.removed],
    }
