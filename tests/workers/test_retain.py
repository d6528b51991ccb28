"""What a site has kept long enough is taken out: texts, addresses of computers, audit entries."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from service.errors import Conflict
from service.pipeline.appeals import standing
from service.pipeline.review import Decision
from service.pipeline.tombstone import DAY_MS, due
from service.records import Draft, Policy, Retention, Site, Status, StoredComment
from service.services import Services
from service.store.keys import SiteKeys
from service.transfer import export
from service.workers.retain import retain, take_out
from tests.store.builders import build, decided, put
from tests.store.invariants import violations

BODY = "canary-body of somebody"


@pytest.fixture
async def parts(services: Services) -> Services:
    await services.store.sites.create(Site(id="blog", number=0), Policy())
    return services


async def kept(parts: Services, days: float, status: Status = "pending", **fields: Any) -> Any:
    """A comment that was written, and decided on, so many days ago by the server's clock."""
    configuration = await parts.store.sites.configuration("blog")
    assert configuration is not None
    at = await parts.store.retained.now() - int(days * DAY_MS)
    plain = {"at": at, "body": BODY, "name": "canary-name", "reasons": ("toxicity.insult",)}
    comment = build(configuration.site, **(plain | fields))
    await put(parts.store, comment, configuration.version)
    actions = {"approved": "approve", "rejected": "reject", "spam": "spam"}
    if status in actions:
        await decided(parts.store, comment, actions[status], at=at)
    return comment


async def read(parts: Services, comment: Any) -> StoredComment:
    stored = await parts.store.comments.read("blog", comment.id)
    assert stored is not None
    return stored


async def walked(parts: Services) -> None:
    """A whole walk over every site, however lately the last one was."""
    await parts.store.wire.client.delete(SiteKeys("blog").retention())
    await take_out(parts)


async def rule(parts: Services, **days: int | None) -> None:
    site, _ = await parts.store.sites.read("blog")
    site.retention = msgspec.structs.replace(site.retention, **days)
    await parts.store.sites.change(site)


async def test_refused_texts_go_after_thirty_days_and_their_counts_stay(parts: Services) -> None:
    old = [await kept(parts, 31, status) for status in ("rejected", "spam")]
    young = [await kept(parts, 29, status) for status in ("rejected", "spam")]
    waiting = await kept(parts, 31)
    approved = await kept(parts, 31, "approved")
    ((before, _),) = await parts.store.comments.authors("blog", [approved.author])
    await walked(parts)
    for comment, status in zip(old, ("rejected", "spam"), strict=True):
        stored = await read(parts, comment)
        assert (stored.status, stored.comment.body, stored.comment.name) == (status, "", "")
        assert [r.code for r in stored.comment.verdict.reasons] == ["toxicity.insult"]
    for comment in (*young, waiting, approved):
        assert (await read(parts, comment)).comment.body == BODY
    ((after, _),) = await parts.store.comments.authors("blog", [approved.author])
    assert after == before, "an author's record goes on counting"
    assert await violations(parts.store, "blog") == []


async def test_it_counts_from_the_decision_not_from_the_comment(parts: Services) -> None:
    comment = await kept(parts, 90)
    now = await parts.store.retained.now()
    await decided(parts.store, comment, "reject", at=now - DAY_MS)
    await walked(parts)
    assert (await read(parts, comment)).comment.body == BODY


async def test_whence_a_comment_came_is_forgotten_after_thirty_days_whatever_its_status(
    parts: Services,
) -> None:
    old = [await kept(parts, 31, status) for status in ("pending", "approved")]
    young = await kept(parts, 29)
    await walked(parts)
    for comment in old:
        assert (await parts.store.comments.private(comment)).ip == ""
    assert (await parts.store.comments.private(young)).ip == "203.0.113.9"
    assert await violations(parts.store, "blog") == []


async def test_each_site_says_how_long_and_null_is_for_ever(parts: Services) -> None:
    approved, spam = await kept(parts, 8, "approved"), await kept(parts, 8, "spam")
    await rule(parts, approved_days=7, refused_days=None, private_days=None)
    await walked(parts)
    assert (await read(parts, approved)).comment.body == ""
    thread = await parts.publisher.thread("blog", approved.page, after=None, limit=9)
    assert thread.items == [], "what has no text any more is published no more"
    assert (await read(parts, spam)).comment.body == BODY
    assert (await parts.store.comments.private(spam)).ip != ""
    assert await violations(parts.store, "blog") == []


async def test_an_address_goes_when_all_its_author_wrote_was_refused_long_ago(
    parts: Services,
) -> None:
    await kept(parts, 31, "spam", author="s" * 22)
    await kept(parts, 31, "spam", author="t" * 22)
    await kept(parts, 1, "spam", author="t" * 22)
    await walked(parts)
    found = await parts.store.comments.authors("blog", ["s" * 22, "t" * 22])
    assert [email for _, email in found] == ["", "reader@example.org"]
    assert found[0][0].spam == 1


async def test_a_comment_without_its_text_cannot_be_decided_edited_appealed_or_exported(
    parts: Services,
) -> None:
    comment = await kept(parts, 31, "spam")
    await walked(parts)
    stored = await read(parts, comment)
    decision = Decision(id=comment.id, action="approve", version=stored.version)
    with pytest.raises(Conflict):
        await parts.review.decide("blog", decision, actor="a", operation=None, now=1)
    with pytest.raises(Conflict):
        await parts.review.undo(
            "blog", comment.id, stored.version, actor="a", operation=None, now=1
        )
    with pytest.raises(Conflict):
        await parts.intake.edit(stored, "New", actor="a", now=1)
    assert standing(stored) is None
    assert [line async for line in export(parts.store, "blog")] == []


async def test_texts_that_were_taken_out_are_nowhere_in_history_events_or_audit(
    parts: Services,
) -> None:
    draft = Draft(
        page="https://news.example/a", name="canary-name", email="e@example.org", body=BODY
    )
    made = await parts.intake.submit(draft, "blog", idempotency=None, now=parts.now())
    stored = await parts.store.comments.read("blog", made.id)
    assert stored is not None
    await parts.intake.edit(stored, BODY + " again", actor="canary", now=parts.now())
    await decided(parts.store, stored.comment, "reject", at=1)
    now = await parts.store.retained.now() + 31 * DAY_MS
    assert await parts.eraser.take_out("blog", [made.id], Retention(), now) == 1
    entries = await parts.store.decisions.history("blog", made.id)
    assert [entry.action for entry in entries] == ["edit", "reject", "erase"]
    assert not any(entry.replaced or entry.note for entry in entries)
    assert await parts.eraser.take_out("blog", [made.id], Retention(), now) == 0, "once is enough"
    assert await violations(parts.store, "blog") == []


async def test_a_walk_goes_on_where_it_stopped_and_then_rests(
    parts: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    from service.workers import retain as module

    monkeypatch.setattr(module, "SLICE", 2)
    monkeypatch.setattr(module, "SLICES", 1)
    made = [await kept(parts, 40 + i, "spam") for i in range(5)]
    rounds = 0
    while any([(await read(parts, comment)).comment.body for comment in made]):
        await take_out(parts)
        rounds += 1
        assert rounds < 20
    assert rounds > 3, "in slices"
    while not (await parts.store.retained.walk("blog")).walked_at:
        await take_out(parts)
    late = await kept(parts, 50, "spam")
    monkeypatch.setattr(module, "SLICES", 20)  # enough for a whole walk, if it began one
    await take_out(parts)
    assert (await read(parts, late)).comment.body == BODY, "a walk an hour is enough"


async def test_old_audit_entries_go_and_the_chain_begins_behind_them(parts: Services) -> None:
    for i in range(5):
        await kept(parts, i, "spam")
    client, keys = parts.store.wire.client, SiteKeys("blog")
    rows = await client.xrange(keys.audit())
    cut = int(rows[2][0].split(b"-")[0]) + 1
    behind = [row for row in rows if int(row[0].split(b"-")[0]) >= cut]
    dropped = await parts.store.retained.trim_audit("blog", cut)
    assert dropped == len(rows) - len(behind) > 0
    left = await client.xrange(keys.audit())
    assert left == behind
    last = rows[dropped - 1][1][b"h"]
    assert await client.get(keys.audit_base()) == last
    assert not [found for found in await violations(parts.store, "blog") if "chain" in found]
    await retain(parts)
    assert await client.xlen(keys.audit()) == len(behind), "400 days are not over"


@pytest.mark.parametrize(
    ("status", "decided_days", "private", "expected"),
    [
        ("spam", 31, True, "text"),
        ("rejected", 31, False, "text"),
        ("spam", 29, True, "private"),
        ("approved", 31, True, "private"),
        ("approved", 31, False, "nothing"),
        ("pending", 99, False, "nothing"),
    ],
)
def test_what_is_due(status: Status, decided_days: int, private: bool, expected: str) -> None:
    now = 1_800_000_000_000
    comment = build(Site(id="blog", number=0), at=now - 100 * DAY_MS)
    at = now - decided_days * DAY_MS
    found = due(comment, status, decided_at=at, private=private, rule=Retention(), now=now)
    assert found == expected
