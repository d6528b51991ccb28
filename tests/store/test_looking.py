"""Requirements of looks: a claim on one comment, told to the others."""

from __future__ import annotations

import time

from service.store import Store
from tests.store.builders import build, make_site, put


async def test_one_looks_at_a_comment_until_they_leave_it(store: Store) -> None:
    site, version = await make_site(store)
    comment = build(site)
    await put(store, comment, version)
    look, now = store.queues.look, time.time_ns() // 1_000_000
    assert await look(site.id, comment.id, holder="ann", ttl_ms=60_000) > now
    assert await look(site.id, comment.id, holder="bob", ttl_ms=60_000) == -2
    assert await look(site.id, comment.id, holder="ann", ttl_ms=60_000) > now
    assert await store.queues.looking(site.id, now) == {comment.id: "ann"}
    await store.queues.release(site.id, comment.id, holder="ann")
    assert await store.queues.looking(site.id, now) == {}
    assert await look(site.id, comment.id, holder="bob", ttl_ms=60_000) > now


async def test_only_what_waits_is_looked_at_and_only_for_a_while(store: Store) -> None:
    site, version = await make_site(store)
    comment = build(site)
    await put(store, comment, version, "approved")
    assert await store.queues.look(site.id, comment.id, holder="ann", ttl_ms=60_000) == -1
    waiting = build(site)
    await put(store, waiting, version)
    await store.queues.look(site.id, waiting.id, holder="ann", ttl_ms=1)
    later = time.time_ns() // 1_000_000 + 10
    assert await store.queues.looking(site.id, later) == {}
