"""`winnow serve` and `winnow worker`: settings, secret and keys first, then the supervisor."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from service.commands.options import chosen, settings_options
from service.commands.reach import Notice, notice_path, now_ms
from service.settings import SettingsError

if TYPE_CHECKING:
    from service.bootstrap import FirstKeys
    from service.settings import Settings
    from service.supervise import Role

METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Where prometheus_client lets several processes add up their metrics."""
MEMORY = Path("/dev/shm")  # noqa: S108
"""Linux keeps files there in memory."""


@click.command()
@settings_options()
@click.option(
    "--web-only",
    is_flag=True,
    help="Only web processes: no worker, no embedded server. Needs WINNOW_REDIS_URL.",
)
@click.pass_context
def serve(ctx: click.Context, /, *, web_only: bool, **options: Any) -> None:
    """Run the service: store, web processes and a worker.

    Every option is a setting; each may also stand in the environment or in a TOML file
    (docs/settings.md). The first start prints the keys of a new installation, once. Ctrl-C or
    SIGTERM finishes what is under way and stops everything.
    """
    ctx.exit(_run(options, "web" if web_only else "all"))


@click.command()
@settings_options(
    "data_dir",
    "redis_url",
    "redis_replicas",
    "accept_weaker_durability",
    "secret",
    "model",
    "log_level",
    "log_format",
    "drain_s",
    "outgoing_networks",
    "host",
    "worker_port",
    "traces_url",
    "traces_share",
)
@click.pass_context
def worker(ctx: click.Context, /, **options: Any) -> None:
    """Run only a worker: the rounds beside the requests. Needs WINNOW_REDIS_URL.

    `winnow serve` runs a worker already; this is for a machine of its own.
    """
    ctx.exit(_run(options, "worker"))


def _run(options: dict[str, Any], role: Role) -> int:
    from service import log, supervise, tracing
    from service.bootstrap import with_secret

    settings = chosen(options)
    log.configure(settings.log_level, settings.log_format)
    if role != "all":
        _refuse_to_stand_alone(settings, role)
    if settings.traces_url and not tracing.installed():
        raise SettingsError(f"WINNOW_TRACES_URL: needs the packages of {tracing.EXTRA}")
    settings = with_secret(settings)

    def again() -> Settings:
        return with_secret(chosen(options))

    with _metrics_folder(settings, role) as clear_metrics, _withdrawn_at_end(settings, role) as up:

        def prepare(redis_url: str, bound: Settings) -> None:
            _check_store(redis_url, bound)
            if settings.redis_url:
                asyncio.run(_claim(redis_url, bound))
            if role != "worker":
                _make_first_keys(redis_url, bound)

        def on_ready(url: str, _fresh: bool) -> None:
            up(url)
            _say_ready(url, role)

        return supervise.run(
            settings,
            role=role,
            before=clear_metrics,
            bootstrap=prepare,
            on_ready=on_ready,
            reload=again,
        )


async def _claim(redis_url: str, settings: Settings) -> None:
    """Refuses a store that lost our data, or holds another installation's."""
    from service.ids import Secrets
    from service.store import Store, identity

    store = Store(redis_url, Secrets(settings.secret_bytes))
    try:
        await store.wire.open()
        await identity.claim(store.wire, identity.marker(settings))
    finally:
        await store.close()


def _refuse_to_stand_alone(settings: Settings, role: Role) -> None:
    """A part of a service on several machines shares its store, and its secret."""
    if not settings.redis_url:
        raise SettingsError(f"WINNOW_REDIS_URL: needed to run only the {role} part")
    if not settings.secret and not (settings.data_dir / "secret").exists():
        raise SettingsError(
            f"WINNOW_SECRET: needed to run only the {role} part; all machines share one secret"
        )


@contextmanager
def _metrics_folder(settings: Settings, role: Role) -> Iterator[Callable[[], None]]:
    """The folder where the processes' metrics add up; yields what empties it.

    That of a whole service is in its data folder and emptied only once the folder's lock is held.
    """
    if role == "all":
        folder = settings.data_dir.absolute() / "metrics"
        try:
            yield lambda: _use_metrics(folder)
        finally:
            if os.environ.get(METRICS_VARIABLE) == str(_in_memory(folder)) != str(folder):
                shutil.rmtree(_in_memory(folder), ignore_errors=True)
        return
    memory = MEMORY if os.access(MEMORY, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="winnow-metrics-", dir=memory))
    try:
        yield lambda: _use_metrics(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _use_metrics(folder: Path) -> None:
    """Empties the folder and lets all processes use it: in memory, if the machine has room there.

    Metrics are mapped files, and on a full disk a write to one ends its process with SIGBUS
    (found by tests/faults); in the data folder stands a link to them.
    """
    place = _in_memory(folder)
    folder.unlink() if folder.is_symlink() else shutil.rmtree(folder, ignore_errors=True)
    if place != folder:
        shutil.rmtree(place, ignore_errors=True)
        try:
            place.mkdir(mode=0o700)
            folder.symlink_to(place)
        except OSError:  # somebody else's by that name
            place = folder
    if place == folder:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ[METRICS_VARIABLE] = str(place)


def _in_memory(folder: Path) -> Path:
    """Where a folder's files may stand without a disk; the folder itself where nowhere."""
    if not os.access(MEMORY, os.W_OK):
        return folder
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return MEMORY / f"winnow-metrics-{os.getuid()}-{name}"


@contextmanager
def _withdrawn_at_end(settings: Settings, role: Role) -> Iterator[Callable[[str], None]]:
    """Yields what tells other commands where this service listens; takes it back at the end."""
    path, told = notice_path(settings.data_dir), False

    def tell(url: str) -> None:
        nonlocal told
        if role == "all":
            path.write_bytes(msgspec.json.encode(Notice(os.getpid(), url)))
            told = True

    try:
        yield tell
    finally:
        if told:
            with suppress(OSError):
                path.unlink()


def _check_store(redis_url: str, settings: Settings) -> None:
    """Refuses a store that promises less than it must."""
    from service.bootstrap import check_store

    asyncio.run(check_store(settings, redis_url))


def _make_first_keys(redis_url: str, settings: Settings) -> None:
    """Makes and prints the keys of a new installation; nothing where it has some."""
    from service.bootstrap import first_start

    keys = asyncio.run(first_start(settings, redis_url, now_ms()))
    if keys is not None:
        click.echo(first_words(keys, settings.public_url))


def first_words(keys: FirstKeys, url: str) -> str:
    """What the first start prints: everything needed to go on, shown this once."""
    rows = [("Winnow", url)]
    if keys.publishable_key:
        rows.append(("Demo page", f"{url}/demo"))
    rows.append(("Console", f"{keys.sign_in}   (works once, for 24 hours)"))
    if keys.admin_key:
        rows.append(("Admin key", keys.admin_key))
    if keys.publishable_key:
        rows += [
            ("Demo site, publishable key", keys.publishable_key),
            ("Demo site, secret key", keys.secret_key),
        ]
    width = max(len(name) for name, _ in rows)
    lines = [f"  {name:<{width}}  {value}" for name, value in rows]
    note = "These keys are shown this once; `winnow key add` makes others."
    return "\n".join(["", *lines, "", f"  {note}", *_try_it(keys, url), ""])


def _try_it(keys: FirstKeys, url: str) -> list[str]:
    if not keys.secret_key:
        return ["  A site is made by `winnow site add`."]
    body = (
        '{"page": "https://blog.example/a", "name": "A reader", '
        '"email": "reader@example.org", "body": "I agree."}'
    )
    return [
        "  Try it:",
        "",
        f"  curl {url}/v1/comments -H 'Authorization: Bearer {keys.secret_key}' \\",
        f"       -H 'Content-Type: application/json' -d '{body}'",
    ]


def _say_ready(url: str, role: Role) -> None:
    if role == "worker":
        click.echo("Winnow's worker runs. Ctrl-C stops it.")
    else:
        click.echo(f"Winnow listens on {url}. Ctrl-C stops it.")
