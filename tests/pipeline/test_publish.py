"""Requirements of publish: only what is approved, in order, with nothing in it to hide."""

from __future__ import annotations

import msgspec

from service.pipeline.publish import Published, Publisher, published
from service.store import Store
from tests.store.builders import NOW, build, decided, make_site, put

PAGE = "https://news.example/a"


async def test_a_thread_holds_the_approved_comments_of_its_page_oldest_first(store: Store) -> None:
    site, version = await make_site(store)
    wanted = [build(site, at=NOW + i, body=f"{i}") for i in (3, 1, 2)]
    for comment in wanted:
        await put(store, comment, version, "approved")
    for status in ("pending", "rejected", "spam"):
        await put(store, build(site), version, status)  # type: ignore[arg-type]
    await put(store, build(site, page=PAGE + "/b"), version, "approved")
    await put(store, build(site, test=True), version, "approved")
    thread = await Publisher(store).thread(site.id, PAGE, after=None, limit=50)
    assert [item.body for item in thread.items] == ["1", "2", "3"]
    assert thread.next is None


async def test_a_thread_is_read_page_by_page_without_gap_or_repeat(store: Store) -> None:
    site, version = await make_site(store)
    for i in range(7):
        # Two at each moment: a cursor must tell them apart.
        await put(store, build(site, at=NOW + i // 2, body=f"{i}"), version, "approved")
    publisher, seen, after = Publisher(store), [], None
    while True:
        thread = await publisher.thread(site.id, PAGE, after=after, limit=2)
        seen += [item.id for item in thread.items]
        if (after := thread.next) is None:
            break
    assert len(seen) == len(set(seen)) == 7


async def test_a_page_of_exactly_the_limit_has_no_next(store: Store) -> None:
    site, version = await make_site(store)
    for i in range(2):
        await put(store, build(site, at=NOW + i), version, "approved")
    assert (await Publisher(store).thread(site.id, PAGE, after=None, limit=2)).next is None


async def test_a_refused_comment_leaves_the_thread_and_its_revision_rises(store: Store) -> None:
    site, version = await make_site(store)
    comment = build(site)
    await put(store, comment, version, "approved")
    before = (await store.pages.read(site.id, PAGE)).revision
    await decided(store, comment, "spam")
    thread = await Publisher(store).thread(site.id, PAGE, after=None, limit=9)
    assert thread.items == []
    assert (await store.pages.read(site.id, PAGE)).revision == before + 1


async def test_what_is_published_has_these_fields_and_no_others(store: Store) -> None:
    site, _ = await make_site(store)
    shown = published(build(site, url="https://reader.example", parent="P"))
    assert set(msgspec.structs.asdict(shown)) == set(Published.__struct_fields__)
    assert set(Published.__struct_fields__) == {
        "id", "name", "url", "body", "created_at", "edited_at", "parent",
    }  # fmt: skip
