"""Moments as people read them; all times are milliseconds since the epoch."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

_STEPS: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"))


def iso(ms: int) -> str:
    """RFC 3339 in UTC, for `<time datetime>`."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def ago(ms: int, now: int) -> str:
    """How long ago, in the largest unit; a date after a month."""
    seconds = max(0, now - ms) // 1000
    if seconds >= 31 * 86_400:
        return f"{datetime.fromtimestamp(ms / 1000, UTC):%-d %B %Y}"
    for size, noun in _STEPS:
        if seconds >= size:
            count = seconds // size
            return f"{count} {noun}{'' if count == 1 else 's'} ago"
    return "just now"
