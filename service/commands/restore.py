"""`winnow restore`: a backup, back into an empty data folder."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service.commands.failures import SETTINGS, USAGE, CommandError
from service.commands.options import as_json, chosen, settings_options
from service.commands.output import iso, print_fields
from service.commands.reach import ending_at_sigterm

if TYPE_CHECKING:
    from service.settings import Settings


@click.command()
@click.argument("source", metavar="SOURCE", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--erasures",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The newest erasures.jsonl of the installation: whoever it names is erased again. One "
    "that lies in the data folder is used by itself.",
)
@click.option("--check-only", is_flag=True, help="Check the backup, and restore nothing.")
@settings_options("data_dir", "redis_server", "secret")
@as_json
@click.pass_context
def restore(
    ctx: click.Context,
    /,
    *,
    source: Path,
    erasures: Path | None,
    check_only: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Restore the backup SOURCE into the data folder, which must be empty.

    Every file is compared with its SHA-256, a server loads the copy, who was erased since is erased
    again, every invariant is checked; then it lies in the data folder, and `winnow serve` goes on
    from there. Sessions, claims and rate limits are dropped. An interrupted restore is run again.
    Exits 65 if the backup is damaged.
    """
    from service import log
    from service.store.backups import restoring

    settings = chosen(options)
    log.configure("error", settings.log_format)

    def say(what: str) -> None:
        click.echo(what, err=True)

    if check_only:
        print_fields(_checked(source, settings), as_json=as_json)
        return
    if settings.redis_url:
        raise CommandError(
            "WINNOW_REDIS_URL: a backup is restored into a data folder with an embedded server, "
            "not into this store; unset it",
            USAGE,
        )
    secret = _secret(source, settings)

    def replay(url: str, folder: Path) -> int:
        return asyncio.run(_erased_again(url, secret, folder))

    with ending_at_sigterm():
        done = restoring.restore(source, settings, erasures=erasures, replay=replay, say=say)
    violations = sum(one.violations for one in done.found)
    print_fields(
        {
            "data_dir": str(settings.data_dir),
            "taken_at": iso(done.sheet.taken_at),
            "comments": sum(sum(one.counts.values()) for one in done.found),
            "epoch": done.epoch,
            "erased_again": done.erased,
            "violations": violations,
        },
        as_json=as_json,
    )
    if not done.sheet.with_secret and not settings.secret:
        click.echo(f"Note: put the secret into {settings.data_dir / 'secret'} first.", err=True)
    if violations:
        click.echo("The data do not agree with themselves: see `winnow verify`.", err=True)
        ctx.exit(1)


def _checked(source: Path, settings: Settings) -> dict[str, Any]:
    """What is known of a backup after a server loaded it."""
    import tempfile

    from service.store.backups import restoring, trial
    from service.store.backups.copying import for_trial

    made = restoring.examined(source)
    with tempfile.TemporaryDirectory(prefix="winnow-check-") as name:
        home = Path(name)
        for_trial(source, home)
        (home / "epoch").write_bytes((source / "epoch").read_bytes())
        with trial.running(home, settings) as server:
            found = trial.checked(server.url)
    return {
        "backup": str(source),
        "taken_at": iso(made.taken_at),
        "comments": sum(sum(one.counts.values()) for one in found),
        "violations": sum(one.violations for one in found),
    }


def _secret(source: Path, settings: Settings) -> bytes:
    """The installation's secret: given, or the backup's own.

    Raises:
        CommandError: there is neither.
    """
    from service.setting_kinds import decoded

    if settings.secret:
        return settings.secret_bytes
    path = source / "secret"
    if not path.exists():
        raise CommandError(
            "WINNOW_SECRET: this backup was taken without the installation's secret; set it, as "
            "nothing in the backup can be opened without it",
            SETTINGS,
        )
    return decoded(path.read_text().strip())


async def _erased_again(url: str, secret: bytes, folder: Path) -> int:
    from service.ids import Secrets
    from service.pipeline.erase import replay_erasures
    from service.store import Store

    secrets = Secrets(secret)
    store = Store(url, secrets)
    try:
        await store.open()
        erased = await replay_erasures(store, secrets, folder)
        await store.rewrites.rewrite(pause_s=0)
        return erased
    finally:
        await store.close()
