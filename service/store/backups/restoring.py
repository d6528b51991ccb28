"""Restores a backup into an empty data folder.

Nothing is overwritten. From the first byte on `restoring.json` stands in the folder, and no server
starts in it (`embedded`); it goes when all is in place. Until then everything lies in `.restore/`,
so an interrupted restore is simply begun again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
import redis
from msgspec import Struct

from service.settings import Settings
from service.store import embedded, epochs, erasure_file, folder
from service.store.backups import copying, sheet, trial
from service.store.backups.sheet import DAMAGED, BackupError, Sheet
from service.store.checking import Checked
from service.store.keys import SiteKeys, bucket, session, sessions_of, sign_in

STAGE: Final = ".restore"
MARK: Final = embedded.RESTORING
USAGE: Final = 2
PLACES: Final = ("redis", "epoch", "secret", erasure_file.NAME, "models")
"""What a restore puts into a data folder."""
DROPPED: Final = (
    bucket("", "").partition("{")[0],
    session(""),
    sessions_of(""),
    sign_in(""),
)
"""What keys begin with that do not outlive a restore: rate limits and sessions."""
SLICE: Final = 500
REWRITE_S: Final = 600.0

Say = Callable[[str], None]
Replay = Callable[[str, Path], int]
"""Erases again whom a folder's file of erasures names, on the store of a URL; how many."""


class Mark(Struct, frozen=True):
    """What stands in a data folder while a backup is restored into it."""

    source: str


class Restored(Struct, frozen=True):
    """What a restore led to."""

    sheet: Sheet
    epoch: str
    erased: int
    """Authors erased again."""
    found: tuple[Checked, ...]
    """What the checker found in the restored data."""


def examined(source: Path) -> Sheet:
    """The sheet of a backup all of whose files are as they were written.

    Raises:
        BackupError: something is damaged or missing; it names what.
    """
    made = sheet.read(source)
    if wrong := list(sheet.damage(source, made)):
        more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise BackupError(f"{source} is damaged: {'; '.join(wrong[:3])}{more}", DAMAGED)
    return made


def restore(
    source: Path, settings: Settings, *, erasures: Path | None, replay: Replay, say: Say
) -> Restored:
    """Restores a backup into `settings.data_dir`.

    Args:
        source: the backup's folder.
        settings: their data folder is empty, or holds an interrupted restore, and nothing else but
            a file of erasures.
        erasures: the newest file of erasures, where it does not lie in the data folder.
        replay: erases again whom that file names.
        say: told what is being done.

    Raises:
        BackupError: the backup is damaged, or the folder is in use; nothing was changed there.
        OSError, EmbeddedServerError.
    """
    home = settings.data_dir.absolute()
    with _alone(home):
        _refuse_what_is_there(home, source)
        say("comparing every file with its SHA-256")
        made = examined(source)
        folder.write(home / MARK, msgspec.json.encode(Mark(str(source.absolute()))))
        sheet.sync_folder(home)
        _clear(home)
        stage = home / STAGE
        stage.mkdir(mode=0o700)
        say(f"copying {made.size:,} bytes")
        _copy(source, stage, made)
        _gather_erasures(stage, [home / erasure_file.NAME, *([erasures] if erasures else [])])
        say("starting a server on the copy")
        result = _prepare(stage, settings, made, replay, say)
        _publish(stage, home)
    return result


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Holds what `embedded.start` would: no server starts here meanwhile."""
    sheet.make_private(home)
    home.chmod(0o700)
    lock = folder.try_lock(home / "owner.lock")
    if lock is None:
        raise BackupError(f"another process uses {home}", 75)
    try:
        yield
    finally:
        os.close(lock)


def _refuse_what_is_there(home: Path, source: Path) -> None:
    """Only an empty folder, or one in which a restore was interrupted."""
    if (home / MARK).exists():
        return
    if source.absolute().is_relative_to(home):
        raise BackupError(
            f"the backup lies inside of {home}; restore it into another folder", USAGE
        )
    harmless = {"owner.lock", erasure_file.NAME, f"{erasure_file.NAME}.lock", "lost+found"}
    there = sorted(path.name for path in home.iterdir() if path.name not in harmless)
    if there:
        raise BackupError(
            f"{home} is not empty ({', '.join(there[:3])}{', …' if len(there) > 3 else ''}); a "
            "backup is restored into an empty folder only, and nothing is overwritten: name "
            "another with --data-dir, or move this one away",
            USAGE,
        )


def _clear(home: Path) -> None:
    """Removes what an interrupted restore had put there: the marker says that it is nobody else's.

    The file of erasures stays: it may be the only one that knows the newest ones.
    """
    if (home / STAGE).exists():
        trial.clear_away(home / STAGE)
    for name in PLACES:
        path = home / name
        if path.is_dir():
            shutil.rmtree(path)
        elif name != erasure_file.NAME:
            path.unlink(missing_ok=True)


def _copy(source: Path, stage: Path, made: Sheet) -> None:
    for file in made.files:
        target = stage / file.path
        sheet.make_private(target.parent)
        with (source / file.path).open("rb") as opened:
            if copying.write_copy(opened, target) != file.sha256:
                raise BackupError(f"{source / file.path} changed while it was copied", DAMAGED)


def _gather_erasures(stage: Path, files: Iterable[Path]) -> None:
    """Adds to the backup's file of erasures what the newer ones know."""
    lines: dict[str, erasure_file.Line] = {line.token: line for line in erasure_file.read(stage)}
    for path in files:
        if path.exists():
            lines |= {line.token: line for line in erasure_file.read_file(path)}
    ordered = sorted(lines.values(), key=lambda line: line.at)
    if ordered:
        content = b"".join(msgspec.json.encode(line) + b"\n" for line in ordered)
        folder.write(stage / erasure_file.NAME, content)


def _prepare(stage: Path, settings: Settings, made: Sheet, replay: Replay, say: Say) -> Restored:
    """Makes the copy fit to go on with, and checks it."""
    epoch = epochs.restored(made.epoch)
    with (
        trial.running(stage, settings) as server,
        redis.Redis.from_url(server.admin_url) as client,
    ):
        _drop(client)
        erased = 0
        if erasure_file.read(stage):
            say("erasing again who was erased since")
            erased = replay(server.url, stage)
        say("checking the data")
        found = trial.checked(server.url)
        _compare(made, found, erased)
        client.set(epochs.KEY, epoch)
    folder.write(stage / "epoch", f"{epoch}\n".encode())
    return Restored(made, epoch, erased, tuple(found))


def _drop(client: redis.Redis) -> None:
    """Drops sessions, rate limits and claims: they belong to a moment that is over."""
    for prefix in DROPPED:
        names = list(client.scan_iter(match=f"{prefix}*", count=SLICE))
        for i in range(0, len(names), SLICE):
            client.unlink(*names[i : i + SLICE])
    pattern = SiteKeys("*").leases()
    for name in list(client.scan_iter(match=pattern, count=SLICE)):
        site = name.decode().partition("{")[2].partition("}")[0]
        client.unlink(SiteKeys(site).leases(), SiteKeys(site).holders())


def _compare(made: Sheet, found: list[Checked], erased: int) -> None:
    """The restored data hold as many comments as the sheet says."""
    counts = trial.counts(found)
    for site, by_status in made.counts.items() if made.tried and not erased else ():
        if counts.get(site) != by_status:
            raise BackupError(
                f"{site} has {counts.get(site)} comments, the backup's sheet says {by_status}",
                DAMAGED,
            )


def _publish(stage: Path, home: Path) -> None:
    """Moves everything into its place; with the marker goes the last obstacle."""
    for name in PLACES:
        if (stage / name).exists():
            (stage / name).replace(home / name)
    sheet.sync_folder(home)
    shutil.rmtree(stage)
    (home / MARK).unlink()
    sheet.sync_folder(home)
