"""Takes a backup of the embedded server's data while everything goes on."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import redis
from msgspec import Struct

from service import __version__
from service.settings import Settings
from service.store import embedded, epochs, folder, launching
from service.store.backups import copying, sheet, trial
from service.store.backups.age import LAST, Last
from service.store.backups.sheet import UNFINISHED, BackupError, Kept, Sheet

LOCK: Final = ".winnow-backup.lock"
REWRITE_S: Final = 600.0
"""How long the server may take to write its file anew."""
SPARE: Final = 64 << 20
"""Bytes that must stay free beside a backup."""
CANNOT_WRITE: Final = 74
BUSY: Final = 75

Say = Callable[[str], None]


class Wanted(Struct, frozen=True, kw_only=True):
    """How a backup is to be taken."""

    secret: bool = True
    """Whether the installation's secret is part of it."""
    tried: bool = True
    """Whether a server loads the copy and the checker reads it."""
    rewritten: bool = True
    """Whether the server first writes its file anew: the copy is smaller, and holds no byte of
    what was erased."""
    keep: int | None = None
    """How many backups of these data stay, this one included; None for all."""


class Taken(Struct, frozen=True):
    """A backup that was taken."""

    path: Path
    sheet: Sheet
    removed: tuple[Path, ...]
    notes: tuple[str, ...]
    """What its owner should know."""


def take(settings: Settings, dest: Path, wanted: Wanted, say: Say) -> Taken:
    """Takes a backup into a folder of its own below `dest`.

    Raises:
        BackupError: it cannot be taken; nothing whole was left in `dest`.
        EmbeddedServerError: the data's server cannot be started.
        OSError, redis.RedisError.
    """
    sheet.make_private(dest)
    with _alone(dest), _operator(settings) as (client, url):
        for left in dest.glob(f"{UNFINISHED}*"):
            trial.clear_away(left)
        epoch = _epoch(client, settings.data_dir)
        taken_at = time.time_ns() // 1_000_000
        name = _name(taken_at, epoch)
        path = dest / f"{UNFINISHED}{name}"
        try:
            notes = _prepare(client, wanted, say)
            before = _comments(url)
            made = _write(path, settings, wanted, client, say)
            made = msgspec.structs.replace(made, epoch=epoch, counts=before)
            notes += _notes(settings, made)
            if wanted.tried:
                say("trying the copy: a server loads it, and the checker reads it")
                made = _try(path, settings, made, before, _comments(url))
            sheet.write(path, made)
            sheet.sync_tree(path)
        except BaseException:
            if path.exists():
                trial.clear_away(path)
            raise
        path = path.rename(dest / name)
        sheet.sync_folder(dest)
        _remember(settings.data_dir, path, made)
        removed = _prune(dest, epoch, wanted.keep)
    return Taken(path, made, tuple(removed), tuple(notes))


def _remember(data_dir: Path, path: Path, made: Sheet) -> None:
    told = Last(made.taken_at, str(path.absolute()), made.size, made.tried)
    folder.write(data_dir / LAST, msgspec.json.encode(told))


@contextmanager
def _alone(dest: Path) -> Iterator[None]:
    lock = folder.try_lock(dest / LOCK)
    if lock is None:
        raise BackupError(f"another backup is being written to {dest}", BUSY)
    try:
        yield
    finally:
        os.close(lock)


@contextmanager
def _operator(settings: Settings) -> Iterator[tuple[redis.Redis, str]]:
    """A client that may do everything, and the service's URL; where nothing runs, it is started."""
    admin = embedded.running_admin_url(settings.data_dir)
    url = embedded.running_url(settings.data_dir)
    if admin and url:
        with redis.Redis.from_url(admin, decode_responses=True) as client:
            yield client, url
        return
    server = embedded.start(settings)
    try:
        server.wait_ready()
        with redis.Redis.from_url(server.admin_url, decode_responses=True) as client:
            yield client, server.url
    finally:
        server.stop()


def _epoch(client: redis.Redis, data_dir: Path) -> str:
    """The epoch of data that are the folder's own: others must not push good backups out."""
    known, found = (data_dir / "epoch").read_text().strip(), client.get(epochs.KEY)
    if found != known:
        what = "empty" if found is None else "another installation's"
        raise BackupError(
            f"the store is {what}: it does not hold the data of {data_dir}; nothing was backed up",
            sheet.DAMAGED,
        )
    return known


def _prepare(client: redis.Redis, wanted: Wanted, say: Say) -> list[str]:
    """Lets the server write its file anew; that it cannot is told, and stops no backup."""
    if not wanted.rewritten:
        return []
    say("the server writes its file anew")
    until = time.monotonic() + REWRITE_S
    try:
        _begin_rewrite(client, until)
        while _rewriting(client):
            if time.monotonic() > until:
                return [f"the server did not write its file anew within {REWRITE_S:g} s"]
            time.sleep(0.1)
    except redis.ResponseError as error:
        return [f"the server does not write its file anew: {error}"]
    if client.info("persistence").get("aof_last_bgrewrite_status") != "ok":
        return ["the server could not write its file anew; see its log"]
    return []


def _begin_rewrite(client: redis.Redis, until: float) -> None:
    """Begins one of our own: what runs already may hold what was erased since it began."""
    while True:
        try:
            client.bgrewriteaof()
        except redis.ResponseError as error:
            if "already in progress" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return


def _rewriting(client: redis.Redis) -> bool:
    state = client.info("persistence")
    return bool(state["aof_rewrite_in_progress"] or state["aof_rewrite_scheduled"])


def _write(path: Path, settings: Settings, wanted: Wanted, client: redis.Redis, say: Say) -> Sheet:
    """Writes everything but the sheet."""
    binary = launching.find_binary(settings.redis_server)
    home = settings.data_dir.absolute()
    with copying.held(home / "redis") as held:
        taken_at = time.time_ns() // 1_000_000
        say(f"copying {held.size:,} bytes")
        free = shutil.disk_usage(path.parent).free
        if free < held.size + SPARE:
            raise BackupError(
                f"{path.parent} has {free:,} bytes free; the backup needs {held.size + SPARE:,}",
                CANNOT_WRITE,
            )
        path.mkdir(mode=0o700)
        files = held.copy(path, binary)
    names = ["epoch", "erasures.jsonl", *(["secret"] if wanted.secret else [])]
    for name in names:
        if (home / name).exists():
            files.append(copying.write_small((home / name).read_bytes(), path / name, Path()))
    files += _models(home, path)
    server = client.info("server")
    return Sheet(
        taken_at=taken_at,
        winnow=__version__,
        server=str(server.get("valkey_version") or server["redis_version"]),
        epoch="",
        files=tuple(files),
        with_secret=any(file.path == "secret" for file in files),
    )


def _models(home: Path, path: Path) -> list[Kept]:
    """The installation's own models."""
    kept = []
    for source in sorted((home / "models").rglob("*")):
        if not source.is_file() or source.is_symlink() or source.name == "lock":
            continue
        below = source.relative_to(home)
        sheet.make_private((path / below).parent)
        with source.open("rb") as file:
            sha256 = copying.write_copy(file, path / below)
        kept.append(Kept(below.as_posix(), (path / below).stat().st_size, sha256))
    return kept


def _notes(settings: Settings, made: Sheet) -> list[str]:
    if made.with_secret:
        return []
    where = "WINNOW_SECRET" if settings.secret else f"the file {settings.data_dir / 'secret'}"
    return [
        f"the backup does not hold the installation's secret, without which it is useless: keep "
        f"{where} elsewhere"
    ]


def _try(
    path: Path,
    settings: Settings,
    made: Sheet,
    before: dict[str, dict[str, int]],
    after: dict[str, dict[str, int]],
) -> Sheet:
    """What the checker finds in the copy; it must hold what the store held before and after."""
    found = trial.tried(path, settings)
    counts = trial.counts(found)
    for site in before.keys() & after.keys():
        least = min(sum(before[site].values()), sum(after[site].values()))
        if (there := sum(counts.get(site, {}).values())) < least:
            raise BackupError(
                f"the copy holds {there:,} comments of {site}, the store at least {least:,}; take "
                "it again if an author was erased meanwhile",
                sheet.DAMAGED,
            )
    violations = sum(one.violations for one in found)
    return msgspec.structs.replace(made, counts=counts, tried=True, violations=violations)


def _comments(url: str) -> dict[str, dict[str, int]]:
    """Comments by site and status, as the store counts them now."""
    from service.ids import Secrets
    from service.store import Store

    async def work() -> dict[str, dict[str, int]]:
        store = Store(url, Secrets(b"nothing is opened to count them"))
        try:
            sites = await store.sites.all()
            waiting = [await store.queues.waiting(site) for site in sites]
        finally:
            await store.close()
        return {
            site: {str(queue.status): queue.count for queue in queues}
            for site, queues in zip(sites, waiting, strict=True)
        }

    return asyncio.run(work())


def _name(at: int, epoch: str) -> str:
    moment = datetime.fromtimestamp(at / 1000, UTC)
    return f"{sheet.PREFIX}{moment:%Y%m%dT%H%M%S}{at % 1000:03}Z-{epochs.origin(epoch)[:8]}"


def _prune(dest: Path, epoch: str, keep: int | None) -> list[Path]:
    """Removes the oldest whole backups of these data beyond `keep`; of others, none."""
    if keep is None:
        return []
    own = [
        path
        for path, found in sheet.found_in(dest)
        if isinstance(found, Sheet) and epochs.origin(found.epoch) == epochs.origin(epoch)
    ]
    old = own[:-keep]
    for path in old:
        # Under a name that is no backup's: one that is only half there must not look whole.
        shutil.rmtree(path.rename(dest / f"{UNFINISHED}{path.name}"))
    return old


__all__ = ["Taken", "Wanted", "take"]
