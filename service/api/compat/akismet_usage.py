"""Akismet's account calls: how much was asked, by month and website, from the site's own counts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from service.api.compat.akismet_request import Asked
from service.store.usage import Counts, Usage, month_of

SITES_MAX: Final = 500
"""Rows of `key-sites`, unless fewer are asked for."""
ORDERS: Final = ("total", "spam", "ham", "missed_spam", "false_positives")
_FORMULA: Final = tuple("=+-@\t\r\0＝＋－＠")
_BLANK: Final = " \ufeff"
CSV_HEAD: Final = "Site,Total API Calls,Spam,Ham,Missed Spam,False Positives,Is Revoked"
STATS_MONTHS: Final = {"60-days": 3, "6-months": 7}
"""Months that a stretch of time touches; anything else is all that is kept."""
KEPT_MONTHS: Final = 13

_MONTH: Final = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
_NUMBER: Final = re.compile(r"[0-9]{1,6}")

Row = tuple[str, Counts]


async def usage_limit(usage: Usage, site: str, asked: Asked, now: int) -> bytes:
    """What was asked this month; there is no limit to it."""
    counts = await usage.of_month(site, month_of(now))
    told: dict[str, Any] = {
        "limit": "none",
        "usage": sum(each.asked for each in counts.values()),
        "percentage": "0.00",
        "throttled": False,
    }
    if asked.flag("extended"):
        told |= {"notice_level": "NOTICE_NONE", "upgrade": False}
    return msgspec.json.encode(told)


async def key_sites(usage: Usage, site: str, asked: Asked, now: int) -> tuple[str, bool]:
    """The hosts that asked in a month, the busiest first; whether that is CSV."""
    named = asked.text("month")
    month = named if _MONTH.fullmatch(named) else month_of(now)
    rows = _ordered(await usage.of_month(site, month), asked.text("filter"), asked.text("order"))
    limit, offset = _number(asked, "limit", SITES_MAX), _number(asked, "offset", 0)
    shown = rows[offset : offset + limit]
    if asked.text("format") == "csv":
        head = (
            f"Active sites for {asked.key} during {month} "
            f"(limit:{limit}, offset: {offset}, total: {len(rows)})"
        )
        return "\n".join([head, CSV_HEAD, *map(_csv, shown)]), True
    told = {month: [_named(*row) for row in shown], "limit": limit, "offset": offset}
    return msgspec.json.encode(told | {"total": len(rows)}).decode(), False


def _ordered(counts: dict[str, Counts], needle: str, order: str) -> list[Row]:
    by = order if order in ORDERS[1:] else "asked"
    found = [(host, each) for host, each in counts.items() if needle.lower() in host]
    return sorted(found, key=lambda row: (-getattr(row[1], by), row[0]))


def _number(asked: Asked, name: str, default: int) -> int:
    text = asked.text(name)
    return int(text) if _NUMBER.fullmatch(text) else default


def _named(host: str, counts: Counts) -> dict[str, str | bool]:
    """A row as Akismet writes it, its numbers as text."""
    return {
        "site": host,
        "api_calls": str(counts.asked),
        "spam": str(counts.spam),
        "ham": str(counts.ham),
        "missed_spam": str(counts.missed_spam),
        "false_positives": str(counts.false_positives),
        "is_revoked": False,
    }


def cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula (OWASP, CSV injection): those get a quote."""
    return f"'{text}" if text.lstrip(_BLANK)[:1] in _FORMULA else text


def _csv(row: Row) -> str:
    host, counts = row
    return ",".join((cell(host), *map(str, msgspec.structs.astuple(counts)), "false"))


async def stats(usage: Usage, site: str, asked: Asked, now: int) -> bytes:
    """What came of the calls, for the plugin's page: in all, and month by month."""
    months = _months(now, STATS_MONTHS.get(asked.text("from"), KEPT_MONTHS))
    counts = [await usage.of_month(site, month) for month in months]
    sums = [_total(each.values()) for each in counts]
    breakdown = {
        month: _sums(each) | {"da": f"{month}-01"} for month, each in zip(months, sums, strict=True)
    }
    return msgspec.json.encode(_sums(_total(sums)) | {"time_saved": 0, "breakdown": breakdown})


def _total(counts: Iterable[Counts]) -> Counts:
    total = Counts()
    for each in counts:
        for name in Counts.__struct_fields__:
            total.add(name, getattr(each, name))
    return total


def _sums(counts: Counts) -> dict[str, Any]:
    wrong = counts.missed_spam + counts.false_positives
    right = max(0.0, 1 - wrong / counts.asked) if counts.asked else 1.0
    return {
        "spam": counts.spam,
        "ham": counts.ham,
        "missed_spam": counts.missed_spam,
        "false_positives": counts.false_positives,
        "accuracy": f"{100 * right:.2f}",
    }


def _months(now: int, number: int) -> list[str]:
    """This month and those before it, the oldest first."""
    day = datetime.fromtimestamp(now / 1000, UTC)
    found = []
    for _ in range(number):
        found.append(day.strftime("%Y-%m"))
        day = day.replace(day=1) - timedelta(days=1)
    return found[::-1]
