"""Checks what hangs on a site beside its comments: claims, likeness, labels, webhooks, policies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from service.store.checking.looking import SLICE, Looking


async def judge(looking: Looking) -> None:
    """Judges all of it."""
    await _claims(looking)
    await _likeness(looking)
    await _labels(looking)
    await _webhooks(looking)
    await _policies(looking)


async def _claims(looking: Looking) -> None:
    """Only pending comments are claimed, and every claim has a holder."""
    keys = looking.keys
    async for members in _members(looking, keys.leases()):
        held = (await looking.bulk([("HMGET", keys.holders(), *members)]))[0]
        states = await looking.bulk([("HGET", keys.comment(name), "s") for name in members])
        for name, holder, status in zip(members, held, states, strict=True):
            if holder is None or status != b"pending":
                await _claim(looking, name)
    async for rows in _fields(looking, keys.holders()):
        leased = (await looking.bulk([("ZMSCORE", keys.leases(), *rows)]))[0]
        for held_by, expiry in zip(rows, leased, strict=True):
            if expiry is None:
                await _claim(looking, held_by.decode())


async def _claim(looking: Looking, comment_id: str) -> None:
    keys = looking.keys
    expiry, holder, status = await looking.snapshot(
        [
            ("ZSCORE", keys.leases(), comment_id),
            ("HGET", keys.holders(), comment_id),
            ("HGET", keys.comment(comment_id), "s"),
        ]
    )
    if (expiry is None) != (holder is None):
        lacks = "no holder" if holder is None else "a holder, but no claim"
        looking.findings.add([f"{comment_id}: its claim has {lacks}"])
    if expiry is not None and status != b"pending":
        looking.findings.add([f"{comment_id}: it is claimed, but not pending"])


async def _likeness(looking: Looking) -> None:
    """What comments are compared by is of pending ones, as they are."""
    keys = looking.keys
    async for rows in _fields(looking, keys.likeness()):
        asked = [("HMGET", keys.comment(name.decode()), "s", "v") for name in rows]
        told = await looking.bulk(asked)
        for (name, kept), state in zip(rows.items(), told, strict=True):
            if state != [b"pending", _version(kept)]:
                await _like(looking, name.decode())


async def _like(looking: Looking, comment_id: str) -> None:
    keys = looking.keys
    kept, state = await looking.snapshot(
        [("HGET", keys.likeness(), comment_id), ("HMGET", keys.comment(comment_id), "s", "v")]
    )
    if kept is not None and state != [b"pending", _version(kept)]:
        said = f"{comment_id}: likeness of version {_version(kept).decode(errors='replace')}"
        looking.findings.add([said])


def _version(kept: bytes) -> bytes:
    return kept.partition(b" ")[0]


async def _labels(looking: Looking) -> None:
    """Every label has its place in the order, and the other way round."""
    keys = looking.keys
    async for members in _members(looking, keys.labels_order()):
        kept = (await looking.bulk([("HMGET", keys.labels(), *members)]))[0]
        for name, label in zip(members, kept, strict=True):
            if label is None:
                await _label(looking, name)
    async for rows in _fields(looking, keys.labels()):
        placed = (await looking.bulk([("ZMSCORE", keys.labels_order(), *rows)]))[0]
        for named, at in zip(rows, placed, strict=True):
            if at is None:
                await _label(looking, named.decode())


async def _label(looking: Looking, name: str) -> None:
    keys = looking.keys
    at, kept = await looking.snapshot(
        [("ZSCORE", keys.labels_order(), name), ("HEXISTS", keys.labels(), name)]
    )
    if (at is None) != (not kept):
        lacks = "no place in the order" if kept else "a place in the order, and is not there"
        looking.findings.add([f"label {name}: it has {lacks}"])


async def _webhooks(looking: Looking) -> None:
    """Every delivery is in one state, and a waiting one is either due or somebody's."""
    keys = looking.keys
    for member in (await looking.bulk([("SMEMBERS", keys.webhooks())]))[0]:
        name = member.decode()
        sets = [
            keys.waiting_deliveries(name),
            keys.due_deliveries(name),
            keys.leased_deliveries(name),
            keys.delivered(name),
            keys.dead_letters(name),
        ]
        *ranges, all_, there = await looking.snapshot(
            [
                *(("ZRANGE", key, 0, -1) for key in sets),
                ("HKEYS", keys.deliveries(name)),
                ("EXISTS", keys.webhook(name)),
            ]
        )
        waiting, due, leased, delivered, dead = (set(each) for each in ranges)
        found = []
        if waiting != due | leased or due & leased:
            found.append(f"{len(waiting)} wait, {len(due)} are due, {len(leased)} leased")
        if waiting & delivered or waiting & dead or delivered & dead:
            found.append("a delivery is in two states")
        if set(all_) != waiting | delivered | dead:
            found.append("deliveries without a state, or states of nothing")
        if all_ and not there:
            found.append("deliveries of no endpoint")
        looking.findings.add(f"webhook {name}: {problem}" for problem in found)


async def judge_endpoints(looking: Looking, names: list[str]) -> None:
    """An endpoint is listed: one that is not can be neither seen nor removed."""
    prefix = looking.keys.webhook("")
    ids = [name.removeprefix(prefix) for name in names]
    listed = looking.keys.webhooks()
    told = await looking.bulk([("SISMEMBER", listed, name) for name in ids])
    for name, is_listed in zip(ids, told, strict=True):
        if not is_listed:
            there = [("EXISTS", looking.keys.webhook(name)), ("SISMEMBER", listed, name)]
            if [int(each) for each in await looking.snapshot(there)] == [1, 0]:
                looking.findings.add([f"webhook {name}: it is not listed"])


async def judge_erasures(looking: Looking, names: list[str]) -> None:
    """An erasure that runs is found by who goes on with it, and no other one is."""
    prefix, erasing = looking.keys.erasure(""), looking.keys.erasing()
    authors = [name.removeprefix(prefix) for name in names]
    for author, name in zip(authors, names, strict=True):
        status, runs = await looking.snapshot(
            [("HGET", name, "status"), ("SISMEMBER", erasing, author)]
        )
        if status is not None and (status == b"running") != bool(runs):
            said = "runs, but nobody goes on with it" if not runs else "is done, and goes on"
            looking.findings.add([f"author {author}: their erasure {said}"])


async def _policies(looking: Looking) -> None:
    """The policy in force is the newest one that is kept."""
    keys = looking.keys
    (policy, version), kept = await looking.snapshot(
        [("HMGET", keys.config(), "policy", "policy_version"), ("HGETALL", keys.policies())]
    )
    if version is None and not kept:
        return
    if version is None or kept.get(version) != policy:
        looking.findings.add(["policy: the one in force is not the one that was kept"])
    elif int(version) != max(map(int, kept)):
        looking.findings.add([f"policy: version {int(version)} is in force, but not the newest"])


async def _members(looking: Looking, key: str) -> AsyncIterator[list[str]]:
    """Slices of a sorted set; one that moves meanwhile may be missed."""
    start = 0
    while rows := (await looking.bulk([("ZRANGE", key, start, start + SLICE - 1)]))[0]:
        yield [row.decode() for row in rows]
        start += SLICE
        await looking.rest()


async def _fields(looking: Looking, key: str) -> AsyncIterator[dict[bytes, bytes]]:
    """Slices of a hash."""
    cursor: Any = 0
    while True:
        cursor, rows = (await looking.bulk([("HSCAN", key, cursor, "COUNT", SLICE)]))[0]
        found = rows if isinstance(rows, dict) else dict(zip(rows[::2], rows[1::2], strict=True))
        if found:
            yield found
        if not int(cursor):
            return
        await looking.rest()
