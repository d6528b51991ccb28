"""Rate limits, counted where every process sees them."""

from __future__ import annotations

from msgspec import Struct

from service.store.connect import Wire
from service.store.keys import bucket


class Rate(Struct, frozen=True):
    """At most `burst` at once, refilled evenly over `window_s`."""

    burst: int
    window_s: int

    @property
    def step_us(self) -> int:
        """Microseconds until one more is allowed."""
        return self.window_s * 1_000_000 // self.burst


class Taken(Struct, frozen=True):
    """What one request found."""

    allowed: bool
    left: int
    retry_ms: int
    reset_ms: int


class Limits:
    """Takes tokens."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def take(self, kind: str, name: str, rate: Rate) -> Taken:
        """One token of the bucket `kind:name`."""
        allowed, left, retry, reset = await self._wire.script(
            "take_token", [bucket(kind, name)], [rate.burst, rate.step_us], again=False
        )
        return Taken(bool(allowed), left, retry, reset)
