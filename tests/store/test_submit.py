"""Requirements of writing a new comment."""

from __future__ import annotations

import asyncio

import pytest
import redis

from service.errors import IdempotencyMismatch, NotFound, Unavailable
from service.records import Ban, Private, RejectionRule, Site
from service.store import Store
from service.store.comments import ConfigChanged, SiteGone
from service.store.keys import SiteKeys
from service.store.places import queues_of
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
)
from tests.store.invariants import violations


async def test_a_stored_comment_reads_back_as_it_was_written(store: Store) -> None:
    site, version = await make_site(store)
    comment = build(site, metadata={"section": "politics"}, reasons=("author.new",))
    assert await put(store, comment, version) is None
    stored = await read(store, site.id, comment.id)
    assert (stored.comment, stored.status, stored.version) == (comment, "pending", 1)
    assert (stored.decision, stored.lease) == (None, None)
    assert await violations(store, site.id) == []


async def test_what_is_private_is_kept_encrypted_and_opens_again(store: Store) -> None:
    site, version = await make_site(store)
    comment = build(site)
    private = Private(ip="203.0.113.77", user_agent="Canary/1", referrer="https://x.example")
    await put(store, comment, version, private=private, email="canary@mail.example")
    assert await store.comments.private(comment) == private
    (_, email), *_ = await store.comments.authors(site.id, [comment.author])
    assert email == "canary@mail.example"
    keys = SiteKeys(site.id)
    rows = [
        await store.wire.client.hgetall(k) for k in (keys.comment(comment.id), keys.author(AUTHOR))
    ]
    raw = b"".join(value for row in rows for value in row.values())
    assert b"203.0.113.77" not in raw
    assert b"canary@" not in raw


async def test_the_same_key_and_body_are_answered_with_the_first_answer(store: Store) -> None:
    site, version = await make_site(store)
    first, second = build(site), build(site)
    key = idempotency("order-1")
    assert await put(store, first, version, idempotency=key, answer=b"first") is None
    assert await put(store, second, version, idempotency=key, answer=b"second") == b"first"
    assert await store.comments.read(site.id, second.id) is None
    assert await violations(store, site.id) == []


async def test_the_same_key_with_another_body_is_refused(store: Store) -> None:
    site, version = await make_site(store)
    await put(store, build(site), version, idempotency=idempotency("k", b"1"), answer=b"a")
    other = build(site)
    with pytest.raises(IdempotencyMismatch):
        await put(store, other, version, idempotency=idempotency("k", b"2"), answer=b"b")
    assert await store.comments.read(site.id, other.id) is None


async def test_a_verdict_made_under_an_old_configuration_is_not_written(store: Store) -> None:
    site, version = await make_site(store)
    ban = Ban(id="spam.example", kind="domain", value="spam.example")
    await store.sites.ban(site.id, ban)
    comment = build(site)
    with pytest.raises(ConfigChanged):
        await put(store, comment, version)
    assert await store.comments.read(site.id, comment.id) is None
    configuration = await store.sites.configuration(site.id)
    assert configuration is not None
    assert await put(store, comment, configuration.version) is None


async def test_a_site_made_anew_under_an_old_name_takes_no_verdict_of_the_old_one(
    store: Store,
) -> None:
    old, version = await make_site(store)
    await store.sites.delete(old.id)
    await make_site(store, old.id)
    with pytest.raises(ConfigChanged):
        await put(store, build(old), version)


async def test_nothing_is_written_for_a_site_that_is_gone(store: Store) -> None:
    site, version = await make_site(store)
    await store.sites.delete(site.id)
    with pytest.raises(SiteGone):
        await put(store, build(site), version)
    left = [k async for k in store.wire.client.scan_iter(match=SiteKeys(site.id).prefix() + "*")]
    assert left == []


async def test_the_same_comment_sent_again_is_stored_once(store: Store) -> None:
    """A retry after a lost reply carries the id that is already there."""
    site, version = await make_site(store)
    comment = build(site)
    for _ in range(3):
        assert await put(store, comment, version) is None
    assert await violations(store, site.id) == []
    (author, _), *_ = await store.comments.authors(site.id, [comment.author])
    assert author.pending == 1


async def test_a_retry_after_the_rules_changed_is_stored_and_not_decided_again(
    store: Store,
) -> None:
    """Else a lost reply and a policy change together would store a comment twice."""
    site, version = await make_site(store)
    comment = build(site)
    await put(store, comment, version)
    await store.sites.ban(site.id, Ban(id="x.example", kind="domain", value="x.example"))
    assert await put(store, comment, version) is None


async def test_a_test_comment_leaves_author_page_and_text_alone(store: Store) -> None:
    site, version = await make_site(store)
    comment = build(site, test=True)
    await put(store, comment, version, "approved")
    around = await _around(store, site, comment.page)
    assert (around.author.approved, around.page_first_at, around.same_text) == (0, None, 0)
    assert await store.queues.count(site.id, "approved", _everything()) == 1
    assert await violations(store, site.id) == []


async def test_the_surroundings_name_what_was_stored_before(store: Store) -> None:
    site, version = await make_site(store)
    parent = build(site, at=NOW - 5000)
    await put(store, parent, version)
    for action in ("approve", "reject", "spam"):
        comment = build(site, at=NOW - 1000)
        await put(store, comment, version)
        await decided(store, comment, action)
    around = await _around(store, site, parent.page, parent=parent.id)
    author = around.author
    assert (author.pending, author.approved, author.rejected, author.spam) == (1, 1, 1, 1)
    assert (author.recent_approved, author.recent_refused, author.first_at) == (1, 2, NOW - 5000)
    assert (around.page_first_at, around.same_text) == (NOW - 5000, 4)
    assert around.parent == ("pending", parent.page)
    assert around.config_version == version


async def test_only_decisions_on_comments_of_the_window_are_recent(store: Store) -> None:
    site, version = await make_site(store)
    old = build(site, at=NOW - 40 * 86_400_000)
    await put(store, old, version, "spam")
    around = await _around(store, site, old.page)
    assert (around.author.spam, around.author.recent_refused) == (1, 0)


async def test_the_surroundings_of_an_unknown_site_say_so(store: Store) -> None:
    around = await _around(store, Site(id="nowhere", number=7), "https://news.example/a")
    assert around.config_version == 0
    assert around.parent is None


async def test_the_surroundings_carry_the_answer_of_a_used_key(store: Store) -> None:
    site, version = await make_site(store)
    await put(store, build(site), version, idempotency=idempotency("k", b"1"), answer=b"seen")
    around = await _around(store, site, "/", idempotency=idempotency("k", b"1"))
    assert around.replay == b"seen"
    with pytest.raises(IdempotencyMismatch):
        await _around(store, site, "/", idempotency=idempotency("k", b"2"))


async def test_fifty_parallel_retries_of_a_key_store_one_comment(store: Store) -> None:
    site, version = await make_site(store)
    key = idempotency("race")
    comments = [build(site) for _ in range(50)]
    answers = await all_of(
        *(put(store, c, version, idempotency=key, answer=c.id.encode()) for c in comments)
    )
    stored = [c for c, a in zip(comments, answers, strict=True) if a is None]
    assert len(stored) == 1
    assert {a for a in answers if a is not None} == {stored[0].id.encode()}
    assert await violations(store, site.id) == []


async def test_a_full_store_refuses_a_comment_and_writes_nothing_of_it(
    store: Store, operator: redis.Redis
) -> None:
    site, version = await make_site(store)
    known = build(site)
    await put(store, known, version)
    before = await store.wire.client.dbsize()
    operator.config_set("maxmemory", 1)
    with pytest.raises(Unavailable):
        await put(store, build(site), version)
    assert await store.wire.client.dbsize() == before
    assert await violations(store, site.id) == []
    operator.config_set("maxmemory", 0)
    assert await put(store, build(site), version) is None


async def test_a_full_store_still_takes_decisions_claims_and_bans(
    store: Store, operator: redis.Redis
) -> None:
    site, version = await make_site(store)
    comment = build(site)
    await put(store, comment, version)
    operator.config_set("maxmemory", 1)
    leases = await store.queues.claim(site.id, count=1, ttl_ms=60_000, holder="ann")
    assert [lease.id for lease in leases] == [comment.id]
    await decided(store, comment, "reject")
    await store.sites.ban(site.id, Ban(id="x.example", kind="domain", value="x.example"))
    assert (await read(store, site.id, comment.id)).status == "rejected"
    assert await violations(store, site.id) == []


async def test_deleting_a_site_leaves_only_its_number_behind(store: Store) -> None:
    site, version = await make_site(store)
    other, other_version = await make_site(store, "blog-2")
    await put(store, build(site), version)
    await put(store, build(other), other_version)
    await store.sites.delete(site.id)
    left = [k async for k in store.wire.client.scan_iter(match=SiteKeys(site.id).prefix() + "*")]
    assert left == []
    assert await store.sites.all() == ["blog-2"]
    assert await violations(store, "blog-2") == []
    again, _ = await make_site(store)
    assert again.number > other.number


async def test_a_comment_stands_in_at_most_four_queues_for_its_reasons(store: Store) -> None:
    site, _ = await make_site(store)
    comment = build(site, reasons=tuple(f"r.{i}" for i in range(9)))
    names = queues_of(SiteKeys(site.id), comment, "pending")
    assert [n.rpartition(":r:")[2] for n in names if ":r:" in n] == [f"r.{i}" for i in range(4)]


async def test_two_sites_of_one_name_are_refused_and_numbers_are_unique(store: Store) -> None:
    from service.errors import Conflict
    from service.records import Policy

    sites = await asyncio.gather(*(make_site(store, f"s{i}") for i in range(20)))
    assert len({site.number for site, _ in sites}) == 20
    with pytest.raises(Conflict):
        await store.sites.create(Site(id="s3", number=0), Policy())
    assert await store.sites.by_number(sites[3][0].number) == "s3"


async def test_changing_a_site_that_is_gone_says_so(store: Store) -> None:
    with pytest.raises(NotFound):
        await store.sites.change(Site(id="nowhere", number=1))
    with pytest.raises(NotFound):
        await store.sites.ban("nowhere", Ban(id="b", kind="domain", value="b.example"))


async def _around(store: Store, site: Site, page: str, **more):  # type: ignore[no-untyped-def]
    plain = {"parent": None, "idempotency": None, "rejection": RejectionRule(), "now": NOW}
    return await store.comments.surroundings(
        site.id, author=AUTHOR, page=page, fingerprint="f1", **(plain | more)
    )


def _everything():  # type: ignore[no-untyped-def]
    from service.store.queues import Filter

    return Filter()
