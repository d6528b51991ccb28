"""The first start of an installation: its secret, and the keys that are printed once."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from service import log
from service.errors import Conflict
from service.ids import Secrets, random_id
from service.records import ApiKey, Moderator, Policy, Site
from service.settings import Settings, SettingsError
from service.store import Store
from service.store.durability import LEVELS, examine
from service.store.embedded import RESTORING

DEMO = "demo"
WEAKER = "WINNOW_ACCEPT_WEAKER_DURABILITY"


class FirstKeys(Struct, frozen=True):
    """What the first start prints, once."""

    admin_key: str
    """Empty when the settings name one."""
    publishable_key: str
    secret_key: str
    sign_in: str
    """A one-time link."""


def with_secret(settings: Settings) -> Settings:
    """Settings whose `secret` is set: given, or kept in the data folder, made at the first start.

    Raises:
        SettingsError: the secret's file cannot be read or written.
    """
    if settings.secret:
        return settings
    return msgspec.structs.replace(settings, secret=_kept(settings.data_dir / "secret"))


def _kept(path: Path) -> str:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_another(path)
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return path.read_text().strip()
        with os.fdopen(fd, "w") as file:
            made = secrets.token_hex(32)
            file.write(made + "\n")
            file.flush()
            os.fsync(file.fileno())
        return made
    except OSError as error:
        raise SettingsError(
            f"WINNOW_DATA_DIR: the secret in {path} cannot be used: {error}"
        ) from None


def _refuse_another(path: Path) -> None:
    """Data that are there were sealed under a secret: a new one would open nothing of it."""
    there = [name for name in ("epoch", RESTORING) if (path.parent / name).exists()]
    if there and not path.exists():
        raise SettingsError(
            f"WINNOW_SECRET: {path.parent} holds data, but {path} is missing; put the secret back, "
            "or set the one the data were made with"
        )


def demo_key(own: Secrets) -> str:
    """The demo site's publishable key: derived, so that every process can show the demo page."""
    return "pk_demo_" + own.subkey("demo key").hex()[:24]


async def first_start(settings: Settings, redis_url: str, now: int) -> FirstKeys | None:
    """Makes the first keys of a new data set; None when it has some already.

    The mark is set last: a start that is killed in between makes (and prints) keys again.
    """
    own = Secrets(settings.secret_bytes)
    store = Store(
        redis_url,
        own,
        replicas=settings.redis_replicas,
        weaker=settings.accept_weaker_durability,
    )
    try:
        await store.open()
        if await store.health.bootstrapped():
            return None
        keys = FirstKeys(
            admin_key=await _admin_key(settings, store, now),
            publishable_key=demo_key(own) if settings.demo else "",
            secret_key=await _demo_site(settings, store, own, now) if settings.demo else "",
            sign_in=await _owner_link(settings, store, now),
        )
        await store.health.mark_bootstrapped()
        return keys
    finally:
        await store.close()


async def _admin_key(settings: Settings, store: Store, now: int) -> str:
    if settings.admin_key:
        return ""
    record = ApiKey(id=random_id(9), kind="admin", label="first start", created_at=now)
    return await store.api_keys.add(record)


async def _owner_link(settings: Settings, store: Store, now: int) -> str:
    owner = Moderator(id=random_id(9), name="Owner", email="", role="admin", created_at=now)
    await store.api_keys.add_moderator(owner)
    token = await store.api_keys.new_sign_in(owner.id)
    return f"{settings.public_url}/console/sign-in?token={token}"


async def _demo_site(settings: Settings, store: Store, own: Secrets, now: int) -> str:
    local = {f"http://{host}:{settings.port}" for host in ("127.0.0.1", "localhost")}
    site = Site(
        id=DEMO,
        number=0,
        name="Demo",
        origins=tuple(sorted({settings.public_url, *local})),
        created_at=now,
    )
    with suppress(Conflict):  # left behind by a first start that was killed
        await store.sites.create(site, Policy())
    publishable = ApiKey(
        id=random_id(9), kind="publishable", site=DEMO, label="demo page", created_at=now
    )
    await store.api_keys.add(publishable, key=demo_key(own))
    secret = ApiKey(id=random_id(9), kind="secret", site=DEMO, label="first start", created_at=now)
    return await store.api_keys.add(secret)


async def check_store(settings: Settings, redis_url: str) -> None:
    """Refuses a store of other machines that promises less than "acknowledged means on disk".

    Raises:
        SettingsError: it does, and nobody said that less will do; or it is too old.
        Unavailable, redis.RedisError: it cannot be asked.
    """
    if not settings.redis_url:
        return
    store = Store(
        redis_url,
        Secrets(settings.secret_bytes),
        replicas=settings.redis_replicas,
        weaker=settings.accept_weaker_durability,
    )
    try:
        found = await examine(store.wire)
    finally:
        await store.close()
    if found.problem and (found.fatal or not settings.accept_weaker_durability):
        more = "" if found.fatal else f" ({LEVELS[found.level]}); mend it, or set {WEAKER} to on"
        raise SettingsError(f"WINNOW_REDIS_URL: {found.problem}{more}")
    if found.problem:
        log.get("store").warning("weaker_durability", level=found.level, problem=found.problem)
    for advice in found.advice:
        log.get("store").warning("store_advice", advice=advice)
