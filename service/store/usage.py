"""Usage: how often websites asked through Akismet's door and what came of it, by month and host."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, Literal

from msgspec import Struct

from service.store.connect import Wire
from service.store.keys import USAGE_S, SiteKeys

FIELDS_MAX: Final = 5_000
"""Counts of one site and month: five for each of a thousand hosts."""
OTHERS: Final = "others"
"""Where the hosts beyond are counted."""

What = Literal["asked", "spam", "ham", "missed_spam", "false_positives"]


class Counts(Struct):
    """What one host did in some time."""

    asked: int = 0
    spam: int = 0
    ham: int = 0
    missed_spam: int = 0
    """Said to be spam by a person after it was let through."""
    false_positives: int = 0
    """Said to be none by a person after it was taken for spam."""

    def add(self, what: str, number: int) -> None:
        """Counts `number` more of one kind; one that a later release counts is passed by."""
        if what in self.__struct_fields__:
            setattr(self, what, getattr(self, what) + number)


class Usage:
    """Counts, and reads the counts."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def count(
        self, site: str, host: str, what: What, also: What | Literal[""] = "", *, now: int
    ) -> None:
        """Counts one thing, or one that is two; once at most, even where the answer is lost."""
        await self._wire.script(
            "count_usage",
            [SiteKeys(site).usage(month_of(now))],
            [USAGE_S, FIELDS_MAX, host, OTHERS, what, also],
            again=False,
        )

    async def of_month(self, site: str, month: str) -> dict[str, Counts]:
        """Counts by host in one month, such as `2026-11`."""
        rows = await self._wire.execute("HGETALL", SiteKeys(site).usage(month))
        found: dict[str, Counts] = {}
        for field, number in rows.items():
            what, _, host = field.decode().partition(" ")
            found.setdefault(host, Counts()).add(what, int(number))
        return found


def month_of(now: int) -> str:
    """The month of a moment in ms, in UTC."""
    return datetime.fromtimestamp(now / 1000, UTC).strftime("%Y-%m")
