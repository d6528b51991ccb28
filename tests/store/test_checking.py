"""The checker names every kind of violation, and none on a store that is in order or in motion."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from service.ids import new_id, short_hash
from service.records import Comment, Label, Site
from service.store import Store, codec, keys
from service.store.checking import INSTALLATION, check, violations
from service.store.embedded import EmbeddedServer
from service.store.events import EVENTS
from service.store.keys import SiteKeys
from service.store.likeness import Likeness
from service.store.notes import Note
from service.store.webhooks import Endpoint
from tests.store.builders import (
    AUTHOR,
    NOW,
    all_of,
    build,
    decided,
    idempotency,
    make_site,
    put,
    read,
    step,
)

K = SiteKeys("blog")
PAGE_HASH = short_hash("https://news.example/a")


class Blog:
    """A site with something of everything, and the operator's client to break it with."""

    def __init__(self, store: Store, client: Redis, site: Site, version: int) -> None:
        self.store, self.site, self.version = store, site, version
        self.client = client
        self.waiting: Comment
        self.approved: Comment
        self.edited: Comment

    async def fill(self) -> None:
        """Comments in three states, and all that hangs on a site."""
        self.waiting = build(self.site, reasons=("links.many", "author.new"), priority=2)
        self.approved, self.edited = build(self.site, at=NOW + 1), build(self.site, at=NOW + 2)
        await put(
            self.store, self.waiting, self.version, idempotency=idempotency("k"),
            answer=codec.encode([self.waiting.id, "blog"]),
        )  # fmt: skip
        for comment in (self.approved, self.edited, build(self.site, at=NOW + 3, test=True)):
            await put(self.store, comment, self.version)
        await decided(self.store, self.approved, "approve")
        stored = await read(self.store, "blog", self.edited.id)
        changed = build(self.site, id=self.edited.id, at=NOW + 2, reasons=("spam",))
        await self.store.decisions.apply(step(stored, "edit", replacement=changed))
        await decided(self.store, self.edited, "spam")
        likes = {self.waiting.id: Likeness(1, 7, "a", "n")}
        await self.store.likeness.keep("blog", likes)
        await self.store.queues.claim("blog", count=1, ttl_ms=600_000, holder="ann")
        note = Note(id="n1", at=NOW, actor="personal:ann", text="Look")
        await self.store.notes.add(self.waiting, note)
        label = Label(text="Buy", labels={"spam": 1.0}, source="akismet", at=NOW)
        await self.store.labels.add("blog", label)
        endpoint = Endpoint(
            id="one", url="https://h.example", events=tuple(EVENTS), secret="whsec_x"
        )
        await self.store.webhooks.add("blog", endpoint)
        for at in (NOW + 4, NOW + 5):
            await put(self.store, build(self.site, at=at), self.version)
        leased = await self.store.deliveries.due("blog", "one")
        await self.store.deliveries.settle(
            "blog", "one", leased[0], state="delivered", status=200, took_ms=1, error="",
            wait_ms=0, disable="",
        )  # fmt: skip


@pytest.fixture
async def blog(store: Store, server: EmbeddedServer) -> AsyncIterator[Blog]:
    client = Redis.from_url(server.admin_url)
    made = Blog(store, client, *await make_site(store))
    await made.fill()
    assert await violations(store, "blog") == []
    yield made
    await client.aclose()


Plant = Callable[[Blog], Awaitable[Any]]


def removed_history(blog: Blog) -> Awaitable[Any]:
    return blog.client.lpop(K.history(blog.edited.id))


async def moved(blog: Blog) -> None:
    """A comment whose status changed without anything else."""
    await blog.client.hset(K.comment(blog.approved.id), "s", "spam")


async def reordered(blog: Blog) -> None:
    """A history that tells of a leap."""
    key = K.history(blog.edited.id)
    entry = codec.decode_entry(await blog.client.lindex(key, 1))
    entry.before = "approved"
    await blog.client.lset(key, 1, codec.encode(entry))


async def renamed(blog: Blog) -> None:
    """A comment under another's id."""
    await blog.client.rename(K.comment(blog.waiting.id), K.comment(new_id(NOW, blog.site.number)))


async def foreign(blog: Blog) -> None:
    """A comment whose id names another site."""
    await put(blog.store, build(blog.site, id=new_id(NOW, 77)), blog.version)


async def rewritten(blog: Blog, key: str, change: Callable[[int, Any], Any]) -> None:
    """A stream as if it had been written so; entries that `change` makes None are left out."""
    rows = await blog.client.xrange(key)
    await blog.client.delete(key)
    for index, (at, row) in enumerate(rows):
        if (changed := change(index, row)) is not None:
            await blog.client.xadd(key, changed, id=at)


def without(blog: Blog, key: str, left_out: int) -> Awaitable[Any]:
    return rewritten(blog, key, lambda index, row: None if index == left_out else row)


def forged(blog: Blog) -> Awaitable[Any]:
    return rewritten(blog, K.audit(), lambda i, row: row | ({b"e": b"forged"} if i == 1 else {}))


async def two_states(blog: Blog) -> None:
    """A delivery that is delivered and still waits."""
    done = (await blog.client.zrange(K.delivered("one"), 0, -1))[0]
    for key in (K.waiting_deliveries("one"), K.due_deliveries("one")):
        await blog.client.zadd(key, {done: NOW})


async def deleted_by_hand(blog: Blog) -> None:
    rows = await blog.client.xrange(K.events())
    await blog.client.xdel(K.events(), rows[3][0])


def event(blog: Blog, **fields: Any) -> Awaitable[Any]:
    return blog.client.xadd(K.events(), fields | {"at": NOW})


RULES: dict[str, tuple[Plant, str]] = {
    "a comment out of its queue": (
        lambda b: b.client.zrem(K.queue("pending"), b.waiting.id), "missing in w:{blog}:q:pending"),
    "a comment out of its page": (
        lambda b: b.client.zrem(K.by_page("approved", PAGE_HASH), b.approved.id), "missing in"),
    "a comment out of its reason": (
        lambda b: b.client.zrem(K.by_reason("pending", "links.many"), b.waiting.id), "missing in"),
    "a comment in another queue, too": (
        lambda b: b.client.zadd(K.queue("spam"), {b.approved.id: NOW}), "still in"),
    "a comment in a reason it lacks": (
        lambda b: b.client.zadd(K.by_reason("approved", "x"), {b.approved.id: NOW}), "still in"),
    "a queue of what is not there": (
        lambda b: b.client.zadd(K.queue("spam"), {"nobody": 1}), "but is not there"),
    "a wrong score": (
        lambda b: b.client.zadd(K.queue("approved"), {b.approved.id: 5}), "stands at 5 in"),
    "a wrong place": (
        lambda b: b.client.hset(K.comment(b.waiting.id), "q", 5), "its place b'5'"),
    "a status nobody decided": (moved, "is spam, its history ends at approved"),
    "an unknown status": (
        lambda b: b.client.hset(K.comment(b.approved.id), "s", "lost"), "status 'lost'"),
    "a history too short": (removed_history, "history [3] of version 3"),
    "a history with a leap": (reordered, "version 3 began at approved"),
    "a history of nothing": (
        lambda b: b.client.rename(K.history(b.edited.id), K.history("x")), "history of no comment"),
    "an unreadable history": (
        lambda b: b.client.lset(K.history(b.edited.id), 0, b"\xc1"), "its history cannot be read"),
    "an unreadable comment": (
        lambda b: b.client.hset(K.comment(b.waiting.id), "b", b"\xc1"), "it cannot be read"),
    "a comment without a version": (
        lambda b: b.client.hdel(K.comment(b.waiting.id), "v"), "it has no v"),
    "a comment under another id": (renamed, "stored under another id"),
    "an id of another site": (foreign, "names site 77, not"),
    "an author counted wrongly": (
        lambda b: b.client.hincrby(K.author(AUTHOR), "approved", 1), "2 approved counted, 1 index"),
    "an author who is gone": (
        lambda b: b.client.delete(K.author(AUTHOR)), f"author {AUTHOR}: 0 pending counted"),
    "a test comment its author does not have": (
        lambda b: b.client.delete(K.tests_by(AUTHOR)), f"missing in {K.tests_by(AUTHOR)}"),
    "a test comment of another author": (
        lambda b: b.client.zadd(K.tests_by("x"), {b.approved.id: 1}), "still in w:{blog}:ta:x"),
    "an erasure nobody goes on with": (
        lambda b: b.client.hset(K.erasure("x"), "status", "running"), "nobody goes on with it"),
    "a page that is gone": (
        lambda b: b.client.delete(K.page(PAGE_HASH)), "has no record"),
    "a page of another URL": (
        lambda b: b.client.hset(K.page("other"), "url", "https://x.example"), "page other: "),
    "a missing event": (
        lambda b: without(b, K.events(), 8), "has no entry in events"),
    "a submission without its event": (
        lambda b: without(b, K.events(), 0), "version 1 has no entry in events"),
    "an event twice": (
        lambda b: event(b, t="comment.approved", id=b.approved.id, v=2, s="approved"), "twice"),
    "an event of nothing": (
        lambda b: event(b, t="comment.spam", id="nobody", v=4, s="spam"), "never was"),
    "an event of another status": (
        lambda b: event(b, t="comment.spam", id=b.approved.id, v=2, s="spam"), "never was"),
    "an event deleted by hand": (
        deleted_by_hand, "events: entries were deleted by hand"),
    "an unreadable event": (lambda b: event(b, t="comment.spam"), "it cannot be read"),
    "a missing audit entry": (
        lambda b: without(b, K.audit(), 1), "has no entry in audit"),
    "a broken chain": (forged, "the chain of hashes breaks"),
    "an old audit head": (
        lambda b: b.client.set(K.audit_head(), "0" * 40), "the head is not the newest"),
    "an audit of nothing": (
        lambda b: b.client.xadd(K.audit(), {"id": "x", "v": 2, "e": "", "h": ""}), "never was"),
    "a claim without a holder": (
        lambda b: b.client.hdel(K.holders(), b.waiting.id), "its claim has no holder"),
    "a holder without a claim": (
        lambda b: b.client.hset(K.holders(), b.approved.id, "ann"), "a holder, but no claim"),
    "a claim on what is decided": (
        lambda b: all_of(b.client.zadd(K.leases(), {b.approved.id: NOW}),
                         b.client.hset(K.holders(), b.approved.id, "ann")), "but not pending"),
    "a likeness of an older version": (
        lambda b: b.client.hset(K.likeness(), b.edited.id, "1 7 a n"), "likeness of version 1"),
    "a label without a place": (
        lambda b: b.client.hset(K.labels(), "x", "y"), "no place in the order"),
    "a place without a label": (
        lambda b: b.client.zadd(K.labels_order(), {"x": 1}), "label x: it has a place"),
    "a delivery nobody has": (
        lambda b: b.client.delete(K.due_deliveries("one")), "wait, 0 are due"),
    "a delivery in two states": (two_states, "a delivery is in two states"),
    "a delivery that is gone": (
        lambda b: b.client.delete(K.deliveries("one")), "states of nothing"),
    "deliveries of no endpoint": (
        lambda b: b.client.delete(K.webhook("one")), "deliveries of no endpoint"),
    "an endpoint nobody sees": (
        lambda b: b.client.srem(K.webhooks(), "one"), "webhook one: it is not listed"),
    "an answer about nothing": (
        lambda b: b.client.set(K.idempotency("x"),
                               b"b" * 16 + codec.encode([new_id(NOW, b.site.number), "blog"])),
        "but not there"),
    "notes of nothing": (
        lambda b: b.client.hset(K.notes("x"), "n", "y"), "notes of no comment"),
    "a policy that was not kept": (
        lambda b: b.client.hset(K.config(), "policy", "{}"), "not the one that was kept"),
    "a policy that is not the newest": (
        lambda b: b.client.hset(K.policies(), 9, "{}"), "version 1 is in force"),
    "a key nobody writes": (
        lambda b: b.client.set(K.prefix() + "zz", 1), "no part of Winnow writes such a key"),
    "a key of another type": (
        lambda b: b.client.set(K.by_reason("spam", "x"), 1), "a string, not a zset"),
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
async def test_what_does_not_agree_is_named(blog: Blog, rule: str) -> None:
    plant, named = RULES[rule]
    await plant(blog)
    found = await violations(blog.store, "blog")
    assert any(named in each for each in found), found


ACROSS: dict[str, tuple[Plant, str]] = {
    "a site that is not listed": (
        lambda b: b.client.hdel(keys.SITES, "blog"), "site blog: it is not listed"),
    "a listed site that is gone": (
        lambda b: b.client.hset(keys.SITES, "ghost", 9), "site ghost: it is listed, but"),
    "keys of a site that is gone": (
        lambda b: b.client.set(SiteKeys("gone").audit_head(), "x"), "keys of a site that is not"),
    "a number of another site": (
        lambda b: b.client.hset(keys.SITE_NUMBERS, b.site.number, "news"), "its number is 1"),
    "a counter that fell back": (
        lambda b: b.client.set(keys.SITE_COUNTER, 0), "the counter is at"),
    "webhooks nobody sends": (
        lambda b: b.client.delete(keys.WEBHOOK_SITES), "not listed among those that have"),
}  # fmt: skip


@pytest.mark.parametrize("rule", ACROSS)
async def test_what_does_not_agree_across_sites_is_named(blog: Blog, rule: str) -> None:
    plant, named = ACROSS[rule]
    assert [one.violations for one in await check(blog.store)] == [0, 0]
    await plant(blog)
    across = next(one for one in await check(blog.store) if one.site == INSTALLATION)
    assert any(named in each for each in across.named), across.named


async def test_all_sites_are_checked_in_one_walk_and_counted(blog: Blog) -> None:
    site, version = await make_site(blog.store, "news[1]"[:4])
    await put(blog.store, build(site, page="https://n.example"), version)
    await blog.client.zadd(SiteKeys("news").queue("spam"), {"nobody": 1})
    looked: list[int] = []
    found = {one.site: one for one in await check(blog.store, seen=looked.append)}
    assert found["blog"].violations == 0
    assert found["blog"].counts == {"pending": 4, "approved": 1, "rejected": 0, "spam": 1}
    assert found["news"].named == ("nobody: stands in w:{news}:q:spam, but is not there",)
    assert looked == sorted(looked)
    assert looked[-1] > 40


async def test_what_was_trimmed_is_not_missed_but_what_was_lost_since_is(blog: Blog) -> None:
    await blog.client.xtrim(K.events(), maxlen=3, approximate=False)
    rows = await blog.client.xrange(K.audit())
    await blog.client.set(K.audit_base(), rows[1][1][b"h"])
    await blog.client.xdel(K.audit(), rows[0][0], rows[1][0])
    assert await violations(blog.store, "blog") == []
    # Written behind what was trimmed, by everybody's clock.
    later = 4_000_000_000_000
    fresh = build(blog.site, at=later)
    await put(blog.store, fresh, blog.version)
    assert await violations(blog.store, "blog") == []
    rows = await blog.client.xrange(K.events())
    await blog.client.xdel(K.events(), rows[-1][0])
    found = await violations(blog.store, "blog")
    assert f"{fresh.id}: version 1 has no entry in events" in found


async def test_a_service_that_works_meanwhile_has_no_violations(blog: Blog) -> None:
    """Comments come, are decided, edited and claimed while the checker reads."""
    stop = asyncio.Event()
    made: list[Comment] = []

    async def churn(lane: int) -> None:
        at = NOW + 10_000 * (lane + 1)
        while not stop.is_set():
            at += 1
            comment = build(blog.site, at=at, author=f"{lane}" * 22, reasons=("links.many",))
            await put(blog.store, comment, blog.version)
            await decided(blog.store, comment, ("approve", "spam", "reject")[at % 3])
            stored = await read(blog.store, "blog", comment.id)
            edit = build(blog.site, id=comment.id, at=at, author=comment.author)
            await blog.store.decisions.apply(step(stored, "edit", replacement=edit))
            await blog.store.queues.claim("blog", count=1, ttl_ms=1, holder="ann")
            made.append(comment)

    lanes = [asyncio.create_task(churn(lane)) for lane in range(4)]
    try:
        for _ in range(6):
            assert await violations(blog.store, "blog") == []
    finally:
        stop.set()
        await asyncio.gather(*lanes)
    assert len(made) > 50
    assert await violations(blog.store, "blog") == []


async def test_many_violations_are_counted_and_the_first_thousand_named(blog: Blog) -> None:
    await blog.client.zadd(K.queue("spam"), {f"nobody-{i}": 1 for i in range(1_100)})
    found = (await check(blog.store, ["blog"]))[0]
    assert found.violations == 1_100
    assert len(found.named) == 1_001
    assert found.named[-1] == "and 100 more"
