"""Checks the registries across sites against the sites themselves."""

from __future__ import annotations

import msgspec

from service.store import codec
from service.store.checking.looking import bulk
from service.store.connect import Wire
from service.store.keys import (
    SITE_COUNTER,
    SITE_NUMBERS,
    SITES,
    SITES_DELETING,
    WEBHOOK_SITES,
    SiteKeys,
)


async def numbers(wire: Wire) -> dict[str, int]:
    """Every listed site and its number, but for those being deleted."""
    listed, deleting = await bulk(wire, [("HGETALL", SITES), ("SMEMBERS", SITES_DELETING)])
    gone = {name.decode() for name in deleting}
    found = {name.decode(): int(number) for name, number in listed.items()}
    return {name: number for name, number in found.items() if name not in gone}


async def look(wire: Wire, seen: set[str]) -> set[str]:
    """What does not agree now; `seen`: sites that have keys.

    Sites are made and deleted in several steps, so only what stays wrong is wrong.
    """
    listed = await numbers(wire)
    by_number, counter, deleting, hooked = await bulk(
        wire,
        [
            ("HGETALL", SITE_NUMBERS),
            ("GET", SITE_COUNTER),
            ("SMEMBERS", SITES_DELETING),
            ("SMEMBERS", WEBHOOK_SITES),
        ],
    )
    by_number = {int(number): name.decode() for number, name in by_number.items()}
    gone = {name.decode() for name in deleting}
    found = set[str]()
    for name in sorted((seen | set(listed)) - gone):
        keys = SiteKeys(name)
        row, hooks = await bulk(wire, [("HGET", keys.config(), "site"), ("SCARD", keys.webhooks())])
        found |= {f"site {name}: {each}" for each in _site(name, listed, by_number, row)}
        if hooks and name.encode() not in hooked:
            found.add(f"site {name}: it has webhooks, but is not listed among those that have")
    if by_number and max(by_number) > int(counter or 0):
        found.add(f"sites: number {max(by_number)} was given, the counter is at {counter!r}")
    return found


def _site(
    name: str, listed: dict[str, int], by_number: dict[int, str], row: bytes | None
) -> list[str]:
    if row is None:
        if name in listed:
            return ["it is listed, but has no configuration"]
        return ["keys of a site that is not there"]
    try:
        number = codec.decode_site(row).number
    except msgspec.MsgspecError as error:
        return [f"its record cannot be read: {error}"]
    if name not in listed:
        return ["it is not listed"]
    if listed[name] != number or by_number.get(number) != name:
        return [f"its number is {number}, listed are {listed[name]} and {by_number.get(number)}"]
    return []
