"""Rate limits, counted where every process sees them."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from service.store.connect import Wire
from service.store.keys import bucket

ADDRESSED: Final = frozenset(
    {"reader", "readers", "anonymous", "anonymous_network", "wrong_key", "sign_in_from"}
)
"""Limits whose buckets are named after a network address."""
AHEAD_US: Final = 60_000_000
"""How far behind the server's clock may jump before a bucket counts as merely empty."""


class Rate(Struct, frozen=True):
    """At most `burst` at once, refilled evenly over `window_s`."""

    burst: int
    window_s: int

    @property
    def step_us(self) -> int:
        """Microseconds until one more is allowed."""
        return self.window_s * 1_000_000 // self.burst


class Bucket(Struct, frozen=True):
    """One limit of one caller, network, author, page or site."""

    kind: str
    """The limit's name."""
    name: str
    """Whose it is."""
    rate: Rate
    site: str = ""
    """The site it is counted for; empty = the installation."""

    @property
    def key(self) -> str:
        """Where it is kept."""
        return bucket(self.kind, self.name, self.site)


class Taken(Struct, frozen=True):
    """What one request found in one bucket."""

    allowed: bool
    """Whether this bucket would have given a token."""
    left: int
    retry_ms: int
    """Until one more is allowed; 0 where it is now."""
    reset_ms: int


class Limits:
    """Takes tokens."""

    def __init__(self, wire: Wire, naming: bytes) -> None:
        """Ready to take.

        Args:
            wire: where the buckets are.
            naming: 32 bytes; what network addresses are hashed with.
        """
        self._wire = wire
        self._naming = naming

    async def take(self, buckets: Sequence[Bucket]) -> list[Taken]:
        """One token of every bucket, or of none where one of them is empty.

        Args:
            buckets: of one site, or of the installation.

        Raises:
            Unavailable: the store cannot be reached.
        """
        keys = [self._stored(each) for each in buckets]
        rates = [part for b in buckets for part in (b.rate.burst, b.rate.step_us)]
        answer = await self._wire.script("take_token", [*keys], [AHEAD_US, *rates], again=False)
        refused, rows = answer[0], answer[1:]
        return [
            Taken(refused == 0 or rows[i + 1] == 0, *rows[i : i + 3])
            for i in range(0, len(rows), 3)
        ]

    def _stored(self, each: Bucket) -> str:
        """Where a bucket is kept; a network address is never written in the open."""
        if each.kind not in ADDRESSED:
            return each.key
        digest = hmac.digest(self._naming, each.name.encode(), "sha256")[:12]
        return bucket(each.kind, base64.urlsafe_b64encode(digest).decode(), each.site)
