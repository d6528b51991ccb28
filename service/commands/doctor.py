"""`winnow doctor`: checks the installation, and says what is wrong and what to do about it.

`CHECKS` is the whole examination, in order; each check looks at one thing and never raises for
what it finds. Only a failure makes the exit code 1; a warning names what will hurt later.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.error import HTTPError, URLError

import click
from msgspec import Struct

from service import __version__
from service.commands.options import as_json, chosen, settings_options
from service.commands.output import print_json, print_table
from service.commands.reach import Notice, now_ms, read_notice
from service.settings import Settings, SettingsError

if TYPE_CHECKING:
    from service.store import Store

OLDEST_PYTHON: Final = (3, 11)
LITTLE_DISK: Final = 1 << 30
"""Bytes free below which a warning is due: the append-only file doubles while it is rewritten."""
NO_DISK: Final = 64 << 20
CLOCK_OFF_MS: Final = 2_000
ASKING_S: Final = 3.0
DISTRIBUTION: Final = "winnow"

State = Literal["ok", "warning", "failed"]


class Finding(Struct, frozen=True):
    """What one check found; `advice` says what to do where not all is well."""

    check: str
    state: State
    detail: str
    advice: str = ""


@click.command()
@settings_options()
@as_json
def doctor(*, as_json: bool, **options: Any) -> None:
    """Check this installation and explain what is wrong.

    Changes nothing. Exits 1 when something does not work, 0 otherwise, warnings included.
    """
    from service import log

    log.configure("error")
    findings = list(examine(options))
    failed = any(finding.state == "failed" for finding in findings)
    if as_json:
        print_json({"ok": not failed, "version": __version__, "checks": findings})
    else:
        _print(findings)
    raise SystemExit(int(failed))


def _print(findings: list[Finding]) -> None:
    marks = {"ok": "ok", "warning": "WARNING", "failed": "FAILED"}
    print_table(
        ["CHECK", "STATE", "FOUND"], [(f.check, marks[f.state], f.detail) for f in findings]
    )
    for finding in findings:
        if finding.advice:
            click.echo(f"\n{finding.check}: {finding.advice}")


def examine(options: dict[str, Any]) -> Iterator[Finding]:
    """Every finding; what depends on valid settings is left out where they are not."""
    yield python_version()
    yield packages()
    try:
        settings = chosen(options)
    except SettingsError as error:
        yield Finding("settings", "failed", str(error), "Correct or remove it: docs/settings.md.")
        return
    yield Finding("settings", "ok", "valid")
    for check in CHECKS:
        yield check(settings)
    yield from _service_and_store(settings)


def python_version() -> Finding:
    """The interpreter is new enough."""
    shown = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] >= OLDEST_PYTHON:
        return Finding("python", "ok", shown)
    return Finding("python", "failed", shown, "Install Python 3.11 or newer.")


def packages() -> Finding:
    """Every package Winnow needs is installed, in the version it was tested with."""
    pins, needed = pinned_versions(), declared_names()
    if not (pins or needed):
        return Finding("packages", "warning", "Winnow is not installed as a package")
    found = {name: _version(name) for name in {*pins, *needed}}
    missing = sorted(name for name in needed if found[name] is None)
    other = sorted(n for n, allowed in pins.items() if found[n] not in (None, *allowed))
    if missing:
        advice = "Run `make serve` in the source tree, or install requirements/run.txt."
        return Finding("packages", "failed", f"missing: {', '.join(missing)}", advice)
    if other:
        shown = ", ".join(
            f"{name} {found[name]} instead of {' or '.join(pins[name])}" for name in other
        )
        advice = "It may work; tested are the versions of requirements/run.txt."
        return Finding("packages", "warning", shown, advice)
    kept = "as pinned" if pins else "no pins to compare with"
    return Finding("packages", "ok", f"{len(found)} installed, {kept}")


def pinned_versions() -> dict[str, list[str]]:
    """Name → versions of requirements/run.txt (several where they depend on the Python); empty
    outside of a source tree."""
    path = Path(__file__).parents[2] / "requirements" / "run.txt"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        return {}
    pins: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE):
        pins.setdefault(name, []).append(version)
    return pins


def declared_names() -> set[str]:
    """The packages the distribution says it cannot do without on any platform."""
    try:
        declared = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return set()
    named = (re.match(r"[A-Za-z0-9._-]+", line) for line in declared if ";" not in line)
    return {found[0].lower() for found in named if found}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def data_folder(settings: Settings) -> Finding:
    """The data folder can be written, or made."""
    home = settings.data_dir.absolute()
    nearest = next(path for path in (home, *home.parents) if path.exists())
    try:
        tempfile.TemporaryFile(dir=nearest).close()  # a file without a name: nothing is left
    except OSError as error:
        advice = "Give it to the user Winnow runs as, or name another with WINNOW_DATA_DIR."
        return Finding("data folder", "failed", f"{nearest} cannot be written: {error}", advice)
    if nearest != home:
        return Finding("data folder", "ok", f"{home} does not exist yet; it can be made")
    if home.stat().st_mode & 0o077:
        advice = f"It holds the installation's secret: chmod 700 {home}"
        return Finding("data folder", "warning", f"others can read {home}", advice)
    return Finding("data folder", "ok", str(home))


def disk(settings: Settings) -> Finding:
    """There is room for the append-only file and its rewriting."""
    home = settings.data_dir.absolute()
    nearest = next(path for path in (home, *home.parents) if path.exists())
    free = shutil.disk_usage(nearest).free
    shown = f"{free / (1 << 30):.1f} GiB free"
    if free >= LITTLE_DISK:
        return Finding("disk", "ok", shown)
    state: State = "warning" if free >= NO_DISK else "failed"
    return Finding("disk", state, shown, "Free some space: a full disk refuses new comments.")


def overcommit(settings: Settings) -> Finding:
    """Linux lets the store fork while its memory is large."""
    try:
        value = Path("/proc/sys/vm/overcommit_memory").read_text().strip()
    except OSError:
        return Finding("memory overcommit", "ok", "not Linux")
    if value == "1" or settings.redis_url:
        return Finding("memory overcommit", "ok", f"vm.overcommit_memory = {value}")
    advice = (
        "With little free memory the store may fail to rewrite its append-only file: "
        "sysctl vm.overcommit_memory=1"
    )
    return Finding("memory overcommit", "warning", f"vm.overcommit_memory = {value}", advice)


def server_binary(settings: Settings) -> Finding:
    """There is a server to embed, new enough and without a known hole."""
    from service.store import versions
    from service.store.launching import EmbeddedServerError, binary_build, find_binary

    if settings.redis_url:
        return Finding("embedded server", "ok", "not used: WINNOW_REDIS_URL is set")
    try:
        binary = find_binary(settings.redis_server)
        build = binary_build(binary)
        problem = versions.judge(binary, build).problem
    except EmbeddedServerError as error:
        advice = "Install Redis 7.0 or Valkey 7.2 (or newer) and name it in WINNOW_REDIS_SERVER."
        return Finding("embedded server", "failed", str(error), advice)
    if problem:
        return Finding("embedded server", "warning", problem, "Install the system's updates.")
    return Finding("embedded server", "ok", f"{binary.name} {'.'.join(map(str, build.version))}")


def model(settings: Settings) -> Finding:
    """The classifier loads and reproduces its self-test."""
    import classifier

    folder = settings.model or classifier.default_artifact()
    try:
        loaded = classifier.load(folder)
    except classifier.ArtifactError as error:
        advice = "Every comment is held for a human until it loads; set WINNOW_MODEL or retrain."
        return Finding("model", "failed", str(error), advice)
    return Finding("model", "ok", f"{loaded.version}, passes its self-test")


def second_stage(settings: Settings) -> Finding:
    """The second stage loads, where it is on."""
    if not settings.semantic:
        return Finding("second stage", "ok", "off")
    from classifier import ArtifactError, semantic

    try:
        version = semantic.load(None, None).version
    except ArtifactError as error:
        return Finding(
            "second stage", "warning", str(error), "Run `make semantic`, or switch it off."
        )
    return Finding("second stage", "ok", version)


CHECKS: Final[tuple[Callable[[Settings], Finding], ...]] = (
    data_folder,
    disk,
    overcommit,
    server_binary,
    model,
    second_stage,
)
"""What can be checked whether or not anything runs."""


def _service_and_store(settings: Settings) -> Iterator[Finding]:
    from service.store import embedded

    notice = read_notice(settings.data_dir)
    yield _service(settings, notice)
    url = settings.redis_url or embedded.running_url(settings.data_dir)
    if url:
        yield from asyncio.run(_store(settings, url))
    else:
        yield Finding("store", "ok", "not running: `winnow serve` starts it")


def _service(settings: Settings, notice: Notice | None) -> Finding:
    """The running service is ready; or else its port is free."""
    if notice is None:
        return _port(settings)
    # Asked where it listens on this machine, whatever the world calls it.
    try:
        said = _ask(f"{notice.url}/readyz")
    except (URLError, OSError, ValueError) as error:
        advice = "See its log; if it does not recover, restart it."
        return Finding("service", "failed", f"{notice.url} does not answer: {error}", advice)
    bad = [f"{check['name']}: {check['detail']}" for check in said["checks"] if not check["ok"]]
    if not said["ready"]:
        return Finding("service", "failed", "; ".join(bad), "See its log.")
    if bad:
        return Finding("service", "warning", "; ".join(bad), "It works, but not as it should.")
    return Finding("service", "ok", f"ready at {notice.url}")


def _ask(url: str) -> dict[str, Any]:
    import json
    from urllib.request import urlopen

    try:
        with urlopen(url, timeout=ASKING_S) as answer:  # noqa: S310 (our own service)
            return dict(json.load(answer))
    except HTTPError as refusal:  # 503 carries the checks, too
        with refusal:
            return dict(json.load(refusal))


def _port(settings: Settings) -> Finding:
    import socket

    where = f"{settings.host} port {settings.port}"
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
        family, _, _, _, address = found[0]
        with socket.create_server(address[:2], family=family):
            pass
    except OSError as error:
        advice = "End what listens there, or choose another with WINNOW_PORT."
        return Finding("service", "failed", f"not running, and {where}: {error}", advice)
    return Finding("service", "ok", f"not running; {where} is free")


async def _store(settings: Settings, url: str) -> list[Finding]:
    from service.errors import Unavailable
    from service.ids import Secrets
    from service.store import Store
    from service.store.connect import RedisError

    store = Store(
        url,
        Secrets(b"nothing is opened by the doctor"),
        replicas=settings.redis_replicas,
        weaker=settings.accept_weaker_durability,
    )
    try:
        await store.wire.open()  # not the store itself, which would note this secret as the data's
        return [finding for look in STORE_CHECKS for finding in [await look(store, settings)]]
    except (RedisError, Unavailable, OSError) as error:
        advice = "Start it, or correct WINNOW_REDIS_URL."
        return [Finding("store", "failed", f"cannot be used: {error}", advice)]
    finally:
        await store.close()


async def durability(store: Store, settings: Settings) -> Finding:
    """An acknowledged comment is on disk, and on a replica where there are some."""
    from service.store.durability import LEVELS, examine

    state, found = await store.health.state(), await examine(store.wire)
    detail = f"version {state.version}: {LEVELS[found.level]}"
    if not state.aof_ok:
        advice = "The disk may be full; nothing new is accepted until it can write again."
        return Finding("store", "failed", "its last write to disk failed", advice)
    if found.fatal:
        return Finding("store", "failed", found.problem, "Install a newer one.")
    if found.problem:
        detail = f"version {state.version}: {found.problem}; {LEVELS[found.level]}"
        advice = (
            "Set `appendonly yes`, `appendfsync always` and `maxmemory-policy noeviction` in its "
            "configuration, on replicas too: docs/ops/many-machines.md"
        )
        return Finding("store", "warning", detail, advice)
    if found.advice:
        return Finding("store", "warning", detail, f"Better: {'; '.join(found.advice)}.")
    return Finding("store", "ok", detail)


async def epoch(store: Store, settings: Settings) -> Finding:
    """The data are this folder's own."""
    from service.store import epochs
    from service.store.identity import differs, marker

    kept = marker(settings)
    if not kept.exists():
        made = await store.health.bootstrapped()
        return Finding("data", "ok", "an installation" if made else "no keys were made yet")
    found = (await store.wire.execute("GET", epochs.KEY) or b"").decode()
    if problem := differs(kept.read_text().strip(), found):
        advice = "Stop the service and restore a backup of the whole data folder."
        return Finding("data", "failed", problem, advice)
    return Finding("data", "ok", "the store's data belong to this folder")


async def clock(store: Store, settings: Settings) -> Finding:
    """Our clock and the store's agree: claims and limits run on the store's."""
    seconds, micros = await store.wire.execute("TIME")
    off = now_ms() - (int(seconds) * 1000 + int(micros) // 1000)
    if abs(off) > CLOCK_OFF_MS:
        advice = "Let both machines follow the same time servers (NTP)."
        return Finding("clock", "warning", f"{off / 1000:+.1f} s from the store's", advice)
    return Finding("clock", "ok", "agrees with the store's")


STORE_CHECKS: Final = (durability, epoch, clock)
"""What can be asked of a store that runs."""
