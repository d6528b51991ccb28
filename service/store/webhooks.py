"""Webhook endpoints: where a site's events are sent, with secrets kept encrypted."""

from __future__ import annotations

import asyncio
import base64
from typing import Final

from msgspec import Struct

from service import log
from service.errors import Conflict, NotFound
from service.store import codec
from service.store.connect import Wire
from service.store.events import KEPT_MS
from service.store.keys import DAY_S, WEBHOOK_SITES, SiteKeys

ENDPOINTS_MAX: Final = 20
"""Endpoints of one site."""
HELD_MS: Final = 30 * DAY_S * 1000
"""How long the outbox keeps events for an endpoint that takes none, before it drops them unsent."""


class Endpoint(Struct, frozen=True, kw_only=True):
    """One endpoint as it is stored."""

    id: str
    url: str
    events: tuple[str, ...]
    secret: str
    old_secret: str = ""
    old_until: int = 0
    """Until when the old secret signs, too, ms."""
    created_at: int = 0
    paused: bool = False
    disabled: str = ""
    """Why nothing is sent any more, until its owner says otherwise."""
    disabled_at: int | None = None
    failing_since: int | None = None
    """The first failure behind the last success, ms."""
    missed_until: int | None = None
    """Events before this, ms, may have been dropped before they could be sent."""
    cursor: str = "0-0"

    @property
    def takes_events(self) -> bool:
        """Whether events are sent to it now."""
        return not self.paused and not self.disabled

    def secrets(self, now: int) -> list[str]:
        """What signs: the secret, and for a while the one it replaced."""
        old = self.old_secret if now < self.old_until else ""
        return [secret for secret in (self.secret, old) if secret]


class Webhooks:
    """Makes, reads, changes and removes endpoints."""

    def __init__(self, wire: Wire, sealed: codec.Sealed) -> None:
        self._wire = wire
        self._sealed = sealed

    async def add(self, site: str, endpoint: Endpoint) -> None:
        """Stores a new endpoint, which begins with the next event.

        Raises:
            Conflict: the site has as many as it may have.
            NotFound: there is no such site.
        """
        fields = {
            "url": endpoint.url,
            "events": " ".join(endpoint.events),
            "created_at": endpoint.created_at,
            "secret": self._seal(endpoint.id, endpoint.secret),
            **dict.fromkeys(("paused", "disabled", "failing_since"), ""),
        }
        done = await self._write(site, endpoint.id, fields, at_most=str(ENDPOINTS_MAX))
        if done == -1:
            raise Conflict(f"The site has {ENDPOINTS_MAX} webhooks, which is the most it can have.")
        if done == 0:
            raise NotFound(f"No site {site!r}.")
        await self._wire.execute("SADD", WEBHOOK_SITES, site)

    async def change(
        self,
        site: str,
        endpoint_id: str,
        *,
        url: str | None = None,
        events: tuple[str, ...] | None = None,
        paused: bool | None = None,
    ) -> None:
        """Changes what is not None; `paused=False` ends that it is disabled, too.

        Raises:
            NotFound: there is no such endpoint.
        """
        fields: dict[str, object] = {}
        if url is not None:
            fields["url"] = url
        if events is not None:
            fields["events"] = " ".join(events)
        if paused is not None:
            fields["paused"] = "1" if paused else ""
        if paused is False:
            fields |= {"disabled": "", "failing_since": ""}
        await self._change(site, endpoint_id, fields)

    async def rotate(self, site: str, endpoint_id: str, secret: str, *, old_until: int) -> None:
        """Gives an endpoint a new secret; the old one signs beside it until `old_until`, ms.

        Raises:
            NotFound: there is no such endpoint.
        """
        sealed = self._seal(endpoint_id, secret)
        await self._change(site, endpoint_id, {"secret": sealed, "old_until": old_until})

    async def _change(self, site: str, endpoint_id: str, fields: dict[str, object]) -> None:
        if await self._write(site, endpoint_id, fields) == 0:
            raise NotFound("This site has no such webhook.")

    async def _write(
        self, site: str, endpoint_id: str, fields: dict[str, object], *, at_most: str = ""
    ) -> int:
        keys = SiteKeys(site)
        flat = [part for name, value in fields.items() for part in (name, value)]
        return int(
            await self._wire.script(
                "webhook",
                [keys.config(), keys.webhooks(), keys.webhook(endpoint_id), keys.events()],
                [endpoint_id, at_most, codec.encode(flat)],
            )
        )

    async def remove(self, site: str, endpoint_id: str) -> bool:
        """Drops an endpoint with all its deliveries; False where there was none.

        In one command: a worker that comes late finds nothing, and makes nothing anew.
        """
        keys = SiteKeys(site)
        dropped = await self._wire.execute(
            "UNLINK",
            keys.webhook(endpoint_id),
            keys.deliveries(endpoint_id),
            keys.waiting_deliveries(endpoint_id),
            keys.due_deliveries(endpoint_id),
            keys.leased_deliveries(endpoint_id),
            keys.delivered(endpoint_id),
            keys.dead_letters(endpoint_id),
        )
        await self._wire.execute("SREM", keys.webhooks(), endpoint_id)
        return bool(dropped)

    async def read(self, site: str, endpoint_id: str) -> Endpoint | None:
        """One endpoint, or None."""
        fields = await self._wire.execute("HGETALL", SiteKeys(site).webhook(endpoint_id))
        return self._endpoint(endpoint_id, fields) if b"secret" in fields else None

    async def ids(self, site: str) -> list[str]:
        """The ids of a site's endpoints."""
        found = await self._wire.execute("SMEMBERS", SiteKeys(site).webhooks())
        return sorted(name.decode() for name in found)

    async def all(self, site: str) -> list[Endpoint]:
        """A site's endpoints, oldest first."""
        found = await asyncio.gather(*(self.read(site, name) for name in await self.ids(site)))
        return sorted((e for e in found if e is not None), key=lambda e: (e.created_at, e.id))

    def _seal(self, endpoint_id: str, secret: str) -> str:
        """The sealed secret as text: Lua's MessagePack knows no bytes."""
        sealed = self._sealed.seal(secret.encode(), f"webhook {endpoint_id}")
        return base64.b64encode(sealed).decode()

    def _open(self, endpoint_id: str, sealed: bytes) -> str:
        opened = self._sealed.open(base64.b64decode(sealed), f"webhook {endpoint_id}")
        return (opened or b"").decode()

    def _endpoint(self, endpoint_id: str, fields: dict[bytes, bytes]) -> Endpoint:
        def text(name: bytes) -> str:
            return fields.get(name, b"").decode()

        def whole(name: bytes) -> int | None:
            return int(fields[name]) if fields.get(name) else None

        return Endpoint(
            id=endpoint_id,
            url=text(b"url"),
            events=tuple(text(b"events").split()),
            secret=self._open(endpoint_id, fields[b"secret"]),
            old_secret=self._open(endpoint_id, fields.get(b"old_secret", b"")),
            old_until=whole(b"old_until") or 0,
            created_at=whole(b"created_at") or 0,
            paused=text(b"paused") == "1",
            disabled=text(b"disabled"),
            disabled_at=whole(b"disabled_at"),
            failing_since=whole(b"failing_since"),
            missed_until=whole(b"missed_until"),
            cursor=text(b"cursor"),
        )

    # ------------------------------------------------------------- the outbox behind them

    async def sites(self) -> list[str]:
        """The sites that have webhooks, sorted; some may have lost theirs."""
        return sorted(name.decode() for name in await self._wire.execute("SMEMBERS", WEBHOOK_SITES))

    async def register(self, site: str) -> None:
        """Brings the registry of such sites up to date for one of them."""
        if not await self.ids(site):
            await self._wire.execute("SREM", WEBHOOK_SITES, site)
        if await self.ids(site):  # also one that came just now
            await self._wire.execute("SADD", WEBHOOK_SITES, site)

    async def unsent_since(self, site: str, endpoint: Endpoint) -> int | None:
        """When the first event was written that is not in this endpoint's queue yet, ms."""
        rows = await self._wire.execute(
            "XRANGE", SiteKeys(site).events(), f"({endpoint.cursor}", "+", "COUNT", 1
        )
        return int(rows[0][0].partition(b"-")[0]) if rows else None

    async def kept_from(self, site: str, now: int) -> int:
        """From when on events must stay in the outbox, ms: a week, or longer for an endpoint.

        What an endpoint that is paused or disabled misses by that, or one that took nothing for 30
        days, is written down in its `missed_until`.
        """
        endpoints = await self.all(site)
        firsts = await asyncio.gather(*(self.unsent_since(site, each) for each in endpoints))
        unsent = [(e, at) for e, at in zip(endpoints, firsts, strict=True) if at is not None]
        floor = max(0, now - KEPT_MS)
        for endpoint, at in unsent:
            if endpoint.takes_events and at > now - HELD_MS:
                floor = min(floor, at)
        for endpoint, at in unsent:
            if at < floor:
                log.get("webhooks").warning("events_missed", site=site, webhook=endpoint.id)
                await self._write(site, endpoint.id, {"missed_until": floor})
        return floor
