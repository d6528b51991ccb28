"""Reaching an installation's data: through the running service's store, or by starting it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import msgspec
from msgspec import Struct

from service.commands.failures import SETTINGS, CommandError
from service.commands.options import chosen

if TYPE_CHECKING:
    from service.ids import Secrets
    from service.settings import Settings
    from service.store import Store

_Answer = TypeVar("_Answer")


class Reached(Struct, frozen=True):
    """An installation, open for one command."""

    settings: Settings
    store: Store
    secrets: Secrets

    def url(self) -> str:
        """The public URL: what the running service said, else what the settings say."""
        running = read_notice(self.settings.data_dir)
        return running.url if running and not self.settings.base_url else self.settings.public_url


class Notice(Struct, frozen=True):
    """What a running `winnow serve` leaves in its data folder for the other commands."""

    pid: int
    url: str


def notice_path(data_dir: Path) -> Path:
    """Where the notice stands."""
    return data_dir / "serve.json"


def read_notice(data_dir: Path) -> Notice | None:
    """What the running `winnow serve` says of itself; None where none runs."""
    try:
        notice = msgspec.json.decode(notice_path(data_dir).read_bytes(), type=Notice)
        os.kill(notice.pid, 0)
    except (OSError, msgspec.MsgspecError):
        return None
    return notice


def on_store(options: dict[str, Any], work: Callable[[Reached], Awaitable[_Answer]]) -> _Answer:
    """Does some work on the store of the installation that the options name.

    Uses the embedded server of the data folder where it runs (so the service may be running), or
    `redis_url`; otherwise starts the server for the time of the work.

    Raises:
        CommandError: there is no such installation.
        SettingsError, EmbeddedServerError, WinnowError, redis.RedisError.
    """
    from service import log
    from service.bootstrap import with_secret

    settings = chosen(options)
    log.configure("error", settings.log_format)
    _refuse_no_installation(settings)
    with ending_at_sigterm(), _store_url(settings) as url:
        return asyncio.run(_opened(with_secret(settings), url, work))


async def _opened(
    settings: Settings, url: str, work: Callable[[Reached], Awaitable[_Answer]]
) -> _Answer:
    from service.ids import Secrets
    from service.store import Store

    secrets = Secrets(settings.secret_bytes)
    store = Store(
        url,
        secrets,
        replicas=settings.redis_replicas,
        weaker=settings.accept_weaker_durability,
    )
    try:
        await store.open()
        return await work(Reached(settings, store, secrets))
    finally:
        await store.close()


def _refuse_no_installation(settings: Settings) -> None:
    """A command in the wrong folder must not make a new, empty installation there."""
    if settings.redis_url:
        if not settings.secret and not (settings.data_dir / "secret").exists():
            raise CommandError(
                "WINNOW_SECRET: needed with WINNOW_REDIS_URL where the data folder holds none",
                SETTINGS,
            )
    elif not (settings.data_dir / "epoch").exists():
        raise CommandError(
            f"WINNOW_DATA_DIR: {settings.data_dir} holds no data of Winnow; name another folder "
            "with --data-dir, or run `winnow serve` once to make it",
            SETTINGS,
        )


@contextmanager
def _store_url(settings: Settings) -> Iterator[str]:
    from service.store import embedded

    url = settings.redis_url or embedded.running_url(settings.data_dir)
    if url:
        yield url
        return
    # In a thread: a signal that comes during the start must not lose the server it made.
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(embedded.start, settings)
        try:
            server = starting.result()
            server.wait_ready()
            yield server.url
        finally:
            starting.result().stop()


@contextmanager
def ending_at_sigterm() -> Iterator[None]:
    """SIGTERM unwinds like Ctrl-C, so that no server is left behind."""

    def end(number: int, _frame: object) -> NoReturn:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def now_ms() -> int:
    """The one place where a command reads the time."""
    import time

    return time.time_ns() // 1_000_000


async def known_site(reached: Reached, site: str) -> Any:
    """The configuration of a site.

    Raises:
        NotFound: there is no such site.
    """
    from service.errors import NotFound

    found = await reached.store.sites.configuration(site)
    if found is None:
        names = ", ".join(await reached.store.sites.all()) or "none"
        raise NotFound(f"There is no site {site!r}; there are: {names}.")
    return found
