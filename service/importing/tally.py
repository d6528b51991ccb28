"""How an import stands: what a report says."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from service.records import FieldError


class BadLine(Struct, frozen=True):
    """A line or record that was left out, and why."""

    line: int
    errors: tuple[FieldError, ...]


class Tally(Struct, kw_only=True):
    """Counts of records; of those that were there already, too, unless they say otherwise."""

    lines: int = 0
    imported: int = 0
    known: int = 0
    """Comments that were there already."""
    bad: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    """Records that are no comments to import, by kind."""
    changed: dict[str, int] = field(default_factory=dict)
    """What had to be mended, and on how many comments."""
    oldest: int | None = None
    newest: int | None = None

    def add(self, other: Tally) -> None:
        """Counts another stretch of records, too."""
        for name in ("lines", "imported", "known", "bad"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("statuses", "skipped", "changed"):
            _add(getattr(self, name), getattr(other, name))
        for at in (other.oldest, other.newest):
            if at is not None:
                self.date(at)

    def date(self, at: int) -> None:
        """Counts a comment's date, ms."""
        self.oldest = at if self.oldest is None else min(self.oldest, at)
        self.newest = at if self.newest is None else max(self.newest, at)


def count(counts: dict[str, int], name: str) -> None:
    """Adds one to a count."""
    counts[name] = counts.get(name, 0) + 1


def _add(counts: dict[str, int], more: Mapping[str, int]) -> None:
    for name, number in more.items():
        counts[name] = counts.get(name, 0) + number
