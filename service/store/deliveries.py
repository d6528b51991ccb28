"""Deliveries of events to webhooks: one per endpoint and event it wants, until it is dealt with.

The outbox is the site's event stream; each endpoint reads it behind a cursor of its own. One script
moves events into the endpoint's queue and the cursor past them, so nothing is lost in between, and
gives out leases: a delivery whose worker died is due again, under the same id.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from msgspec import Struct

from service.store import codec
from service.store.connect import Wire
from service.store.keys import DAY_S, SiteKeys
from service.store.queues import Position

LEASE_MS: Final = 20_000
"""How long a worker has a delivery: twice what one attempt may take."""
AT_ONCE: Final = 2
"""Attempts under way to one endpoint, over all workers."""
WAITING_MAX: Final = 10_000
"""Undelivered ones of an endpoint; further events stay in the outbox until there is room."""
MOVED: Final = 200
"""Events moved in one call at most: bounds the time a script holds the server."""
DELIVERED_KEPT: Final = 1_000
DEAD_KEPT_MS: Final = 30 * DAY_S * 1000

State = Literal["waiting", "delivered", "dead"]
STATES: Final[tuple[State, ...]] = ("waiting", "delivered", "dead")


class Delivery(Struct, array_like=True, kw_only=True):
    """One event on its way to one endpoint; the scripts write it in this order."""

    event: str
    comment: str
    version: int
    status: str
    before: str
    at: int
    """When the event happened, ms."""
    attempts: int = 0
    """Begun ones; a worker that died in between has begun one."""
    last_at: int = 0
    last_status: int = 0
    """The receiver's HTTP status, 0 = it gave none."""
    took_ms: int = 0
    error: str = ""
    trace: str = ""
    """The `traceparent` of what caused the event, where that was traced."""


_decode = msgspec.msgpack.Decoder(Delivery).decode


class Leased(Struct, frozen=True):
    """A delivery this worker is to attempt."""

    id: str
    delivery: Delivery


class Logged(Struct, frozen=True):
    """A delivery as the log shows it."""

    id: str
    state: State
    delivery: Delivery
    next_at: int | None
    position: Position


class Deliveries:
    """Moves, leases, settles and lists deliveries."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def due(self, site: str, endpoint: str, *, lease_ms: int = LEASE_MS) -> list[Leased]:
        """What to attempt now; new events are queued first."""
        keys = SiteKeys(site)
        rows = await self._wire.script(
            "due_deliveries",
            [
                keys.webhook(endpoint),
                keys.events(),
                keys.deliveries(endpoint),
                keys.waiting_deliveries(endpoint),
                keys.due_deliveries(endpoint),
                keys.leased_deliveries(endpoint),
            ],
            [endpoint, MOVED, WAITING_MAX, AT_ONCE, lease_ms],
            again=False,
        )
        pairs = zip(rows[::2], rows[1::2], strict=True)
        return [Leased(name.decode(), _decode(packed)) for name, packed in pairs]

    async def settle(
        self,
        site: str,
        endpoint: str,
        leased: Leased,
        *,
        state: Literal["delivered", "retry", "dead"],
        status: int,
        took_ms: int,
        error: str,
        wait_ms: int,
        disable: str,
    ) -> bool:
        """Writes what an attempt led to; False where it is no longer this attempt's to write."""
        return bool(
            await self._wire.script(
                "settle_delivery",
                _keys(site, endpoint),
                [
                    leased.id,
                    leased.delivery.attempts,
                    state,
                    status,
                    took_ms,
                    error,
                    wait_ms,
                    disable,
                    DELIVERED_KEPT,
                ],
            )
        )

    async def again(
        self, site: str, endpoint: str, delivery_id: str, new: Delivery | None = None
    ) -> int:
        """Makes a kept delivery, or a `new` one, due at once: 1, or why not.

        Returns:
            1 it is due, 0 there is none, -1 an attempt is under way.
        """
        return int(
            await self._wire.script(
                "redeliver",
                _keys(site, endpoint),
                [delivery_id, b"" if new is None else codec.encode(new)],
            )
        )

    async def page(
        self, site: str, endpoint: str, states: tuple[State, ...], *, limit: int,
        after: Position | None,
    ) -> list[Logged]:  # fmt: skip
        """The next deliveries in these states behind `after`, newest first."""
        found: list[tuple[Position, State]] = []
        start = ["", ""] if after is None else [after.score, after.id]
        for state in states:
            key = _listing(SiteKeys(site), endpoint, state)
            rows = await self._wire.script("page", [key], ["newest", limit, *start])
            found += [
                (Position(int(rows[i + 1]), rows[i].decode()), state)
                for i in range(0, len(rows), 2)
            ]
        found.sort(key=lambda row: (row[0].score, row[0].id), reverse=True)
        return await self._logged(site, endpoint, found[:limit])

    async def read(self, site: str, endpoint: str, delivery_id: str) -> Logged | None:
        """One delivery, or None."""
        keys = SiteKeys(site)
        for state in STATES:
            at = await self._wire.execute("ZSCORE", _listing(keys, endpoint, state), delivery_id)
            if at is not None:
                found = [(Position(int(at), delivery_id), state)]
                return next(iter(await self._logged(site, endpoint, found)), None)
        return None

    async def _logged(
        self, site: str, endpoint: str, found: list[tuple[Position, State]]
    ) -> list[Logged]:
        if not found:
            return []
        keys, ids = SiteKeys(site), [position.id for position, _ in found]
        packed = await self._wire.execute("HMGET", keys.deliveries(endpoint), *ids)
        times = await self._wire.execute("ZMSCORE", keys.due_deliveries(endpoint), *ids)
        return [
            Logged(
                id=position.id,
                state=state,
                delivery=_decode(row),
                next_at=None if next_at is None else int(next_at),
                position=position,
            )
            for (position, state), row, next_at in zip(found, packed, times, strict=True)
            if row is not None
        ]

    async def count(self, site: str, endpoint: str, state: State) -> int:
        """How many there are in a state."""
        return int(await self._wire.execute("ZCARD", _listing(SiteKeys(site), endpoint, state)))

    async def oldest(self, site: str, endpoint: str) -> int | None:
        """When the oldest event in the queue happened that is not delivered, ms."""
        key = SiteKeys(site).waiting_deliveries(endpoint)
        rows = await self._wire.execute("ZRANGE", key, 0, 0, "WITHSCORES")
        return int(rows[1]) if rows else None

    async def forget(self, site: str, endpoint: str, now: int) -> int:
        """Drops dead letters older than 30 days; how many."""
        keys, dropped = SiteKeys(site), 0
        while gone := int(
            await self._wire.script(
                "forget_deliveries",
                [keys.deliveries(endpoint), keys.dead_letters(endpoint)],
                [now - DEAD_KEPT_MS, MOVED],
            )
        ):
            dropped += gone
        return dropped


def _keys(site: str, endpoint: str) -> list[str]:
    """What an outcome touches."""
    keys = SiteKeys(site)
    return [
        keys.webhook(endpoint),
        keys.deliveries(endpoint),
        keys.waiting_deliveries(endpoint),
        keys.due_deliveries(endpoint),
        keys.leased_deliveries(endpoint),
        keys.delivered(endpoint),
        keys.dead_letters(endpoint),
    ]


def _listing(keys: SiteKeys, endpoint: str, state: State) -> str:
    match state:
        case "waiting":
            return keys.waiting_deliveries(endpoint)
        case "delivered":
            return keys.delivered(endpoint)
        case "dead":
            return keys.dead_letters(endpoint)
