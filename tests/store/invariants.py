"""The checker: reads a site's whole keyspace and says what does not agree with what."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

from service.records import QUEUES, STATUSES, Comment
from service.store import Store, codec
from service.store.keys import SiteKeys
from service.store.places import queues_of, score_of


async def violations(store: Store, site: str) -> list[str]:
    """What is wrong with a site's data; empty when nothing is."""
    keys, client = SiteKeys(site), store.wire.client
    names = sorted([k.decode() async for k in client.scan_iter(match=keys.prefix() + "*")])
    prefix = keys.comment("")
    comments: dict[str, tuple[Comment, str, int, dict[bytes, bytes]]] = {}
    for name in names:
        if name.startswith(prefix):
            row = await client.hgetall(name)
            comment = codec.decode_comment(row[b"b"])
            comments[name.removeprefix(prefix)] = comment, row[b"s"].decode(), int(row[b"v"]), row
    found = [f"{i}: stored under another id" for i, (c, *_) in comments.items() if c.id != i]
    found += await _queues(store, keys, names, comments)
    found += await _authors(store, keys, names, comments)
    found += await _steps(store, keys, comments)
    found += await _audit(store, keys)
    found += await _leases(store, keys, comments)
    found += await _likeness(store, keys, comments)
    found += await _webhooks(store, keys)
    return found


async def _queues(store: Store, keys: SiteKeys, names: list[str], comments: Any) -> list[str]:
    """Every comment stands in exactly the queues its content says, with the score it says."""
    client, wanted = store.wire.client, {}
    for comment, status, _, row in comments.values():
        for name in queues_of(keys, comment, status):
            wanted[name, comment.id] = score_of(comment, status)
        if status == "pending" and int(row[b"q"]) != score_of(comment, "pending"):
            return [f"{comment.id}: its place {row[b'q']!r} is not what its verdict says"]
    is_queue = tuple(f"{keys.queue(status)}" for status in QUEUES)
    there = {}
    for name in names:
        if name in is_queue or name.startswith(tuple(q + ":" for q in is_queue)):
            for member, score in await client.zrange(name, 0, -1, withscores=True):
                there[name, member.decode()] = int(score)
    missing = [f"{i} is missing in {name}" for name, i in wanted.keys() - there.keys()]
    extra = [f"{i} is still in {name}" for name, i in there.keys() - wanted.keys()]
    wrong = [
        f"{i} stands at {there[name, i]} in {name}, not at {wanted[name, i]}"
        for name, i in wanted.keys() & there.keys()
        if there[name, i] != wanted[name, i]
    ]
    return missing + extra + wrong


async def _authors(store: Store, keys: SiteKeys, names: list[str], comments: Any) -> list[str]:
    """An author's counters equal the number of their comments per status."""
    counted = Counter(
        (comment.author, status)
        for comment, status, _, _ in comments.values()
        if not comment.test and status in QUEUES
    )
    prefix, found = keys.author(""), []
    authors = {author for author, _ in counted}
    authors |= {name.removeprefix(prefix) for name in names if name.startswith(prefix)}
    for author in authors:
        row = await store.wire.client.hgetall(keys.author(author))
        for status in QUEUES:
            said = int(row.get(status.encode(), 0))
            card = await store.wire.client.zcard(keys.by_author(status, author))
            if not said == card == counted[author, status]:
                found.append(
                    f"author {author}: {said} {status} counted, {card} indexed, "
                    f"{counted[author, status]} there"
                )
    return found


async def _steps(store: Store, keys: SiteKeys, comments: Any) -> list[str]:
    """Every version has one history entry, one event and, after the first, one audit entry."""
    client, found = store.wire.client, []
    events = Counter(
        (row[b"id"].decode(), int(row[b"v"])) for _, row in await client.xrange(keys.events())
    )
    audited = Counter(
        (row[b"id"].decode(), int(row[b"v"])) for _, row in await client.xrange(keys.audit())
    )
    for comment, status, version, _ in comments.values():
        if status not in STATUSES:
            found.append(f"{comment.id}: status {status}")
        history = await store.decisions.history(comment.site, comment.id)
        if [entry.version for entry in history] != list(range(2, version + 1)):
            found.append(f"{comment.id}: history {[e.version for e in history]} of {version}")
        if history and history[-1].after != status:
            found.append(f"{comment.id}: is {status}, history ends at {history[-1].after}")
        if events[comment.id, 1] != 2:
            found.append(f"{comment.id}: {events[comment.id, 1]} events for its submission")
        for v in range(2, version + 1):
            if (events[comment.id, v], audited[comment.id, v]) != (1, 1):
                found.append(f"{comment.id}: version {v} without exactly one event and audit")
    known = {(i, v) for i, (_, _, last, _) in comments.items() for v in range(1, last + 1)}
    found += [f"event of nothing: {i} {v}" for i, v in events.keys() - known]
    return found + [f"audit of nothing: {i} {v}" for i, v in audited.keys() - known]


async def _audit(store: Store, keys: SiteKeys) -> list[str]:
    """Each audit entry's hash holds the one before; the head is the newest."""
    head = ""
    for at, row in await store.wire.client.xrange(keys.audit()):
        linked = head.encode() + row[b"id"] + row[b"v"] + row[b"e"]
        head = hashlib.sha1(linked, usedforsecurity=False).hexdigest()
        if row[b"h"].decode() != head:
            return [f"the audit chain breaks at {at!r}"]
    stored = (await store.wire.client.get(keys.audit_head()) or b"").decode()
    return [] if stored == head else ["the audit head is not the newest entry"]


async def _leases(store: Store, keys: SiteKeys, comments: Any) -> list[str]:
    """Only pending comments are claimed, and every claim has a holder."""
    client = store.wire.client
    leased = {member.decode() for member in await client.zrange(keys.leases(), 0, -1)}
    held = {name.decode() for name in await client.hkeys(keys.holders())}
    found = [f"claim and holder disagree on {i}" for i in leased ^ held]
    return found + [
        f"{i} is claimed but not pending"
        for i in leased
        if i not in comments or comments[i][1] != "pending"
    ]


async def _likeness(store: Store, keys: SiteKeys, comments: Any) -> list[str]:
    """What comments are compared by is of pending ones, as they are."""
    rows = await store.wire.client.hgetall(keys.likeness())
    named = {name.decode(): int(row.split(b" ")[0]) for name, row in rows.items()}
    return [
        f"{i}: likeness of version {version}"
        for i, version in named.items()
        if i not in comments or comments[i][1:3] != ("pending", version)
    ]


async def _webhooks(store: Store, keys: SiteKeys) -> list[str]:
    """Every delivery is in one state, and a waiting one is either due or somebody's."""
    client, found = store.wire.client, []
    for name in [member.decode() for member in await client.smembers(keys.webhooks())]:
        waiting, due, leased, delivered, dead = [
            set(await client.zrange(key(name), 0, -1))
            for key in (
                keys.waiting_deliveries,
                keys.due_deliveries,
                keys.leased_deliveries,
                keys.delivered,
                keys.dead_letters,
            )
        ]
        if waiting != due | leased or due & leased:
            found.append(f"webhook {name}: {waiting} wait, {due} are due, {leased} leased")
        if waiting & delivered or waiting & dead or delivered & dead:
            found.append(f"webhook {name}: a delivery is in two states")
        if set(await client.hkeys(keys.deliveries(name))) != waiting | delivered | dead:
            found.append(f"webhook {name}: deliveries without a state, or states of nothing")
    return found
