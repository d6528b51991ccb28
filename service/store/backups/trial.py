"""Tries a copy of the data: a server of its own loads it, and the checker reads all of it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from service.ids import Secrets
from service.settings import Settings
from service.store import Store, embedded
from service.store.backups.copying import for_trial
from service.store.backups.sheet import DAMAGED, BackupError
from service.store.checking import Checked, check
from service.store.embedded import EmbeddedServer
from service.store.launching import DataRefusedError, EmbeddedServerError

NAME = ".trial"
"""The folder, below the one that is tried."""


@contextmanager
def running(home: Path, settings: Settings) -> Iterator[EmbeddedServer]:
    """A server on a data folder that nobody else uses; ended at the end.

    Raises:
        BackupError: it does not load the data.
    """
    try:
        server = embedded.start(Settings(data_dir=home, redis_server=settings.redis_server))
    except EmbeddedServerError as error:
        raise _refused(error) from error
    try:
        server.wait_ready()
        yield server
    except EmbeddedServerError as error:
        raise _refused(error) from error
    finally:
        server.stop()


def tried(folder: Path, settings: Settings) -> list[Checked]:
    """What the checker finds in a backup, which stays as it is.

    Raises:
        BackupError: no server loads it.
    """
    home = folder / NAME
    home.mkdir(mode=0o700)
    try:
        for_trial(folder, home)
        shutil.copyfile(folder / "epoch", home / "epoch")
        with running(home, settings) as server:
            return checked(server.url)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def checked(url: str) -> list[Checked]:
    """What the checker finds in the data of a running server."""

    async def work() -> list[Checked]:
        store = Store(url, Secrets(b"nothing is opened by the checker"))
        try:
            return await check(store)
        finally:
            await store.close()

    return asyncio.run(work())


def counts(found: list[Checked]) -> dict[str, dict[str, int]]:
    """Comments by site and status."""
    return {one.site: one.counts for one in found if one.site}


def clear_away(folder: Path) -> None:
    """Removes what an interrupted backup or restore left, its server first."""
    for home in (folder / NAME, folder):
        if (home / "server.json").exists():
            with suppress(EmbeddedServerError):
                embedded.start(Settings(data_dir=home)).stop()
    shutil.rmtree(folder)


def _refused(error: EmbeddedServerError) -> BackupError:
    code = DAMAGED if isinstance(error, DataRefusedError) else error.exit_code
    return BackupError(f"the copy of the data cannot be used: {error}", code)
