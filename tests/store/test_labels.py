"""Requirements of `store/labels`: what people said of texts is kept, once, sealed, within a cap."""

from __future__ import annotations

from service.records import Label
from service.store import Store, labels
from service.store.keys import SiteKeys


def said(text: str, at: int, source: str = "akismet", **labels: float) -> Label:
    return Label(text=text, labels=labels or {"spam": 1.0}, source=source, at=at)


async def kept(store: Store, site: str = "blog") -> list[Label]:
    return [label async for label in store.labels.all(site)]


async def test_labels_come_back_oldest_first_and_per_site(store: Store) -> None:
    later, first = said("Buy pills", 20), said("Thank you", 10, spam=0.0)
    for label in (later, first):
        await store.labels.add("blog", label)
    await store.labels.add("shop", said("Elsewhere", 5))
    assert await kept(store) == [first, later]
    assert await store.labels.count("blog") == 2


async def test_a_second_word_on_a_text_replaces_the_first_of_the_same_source(store: Store) -> None:
    await store.labels.add("blog", said("Hello", 1, spam=1.0))
    await store.labels.add("blog", said("Hello", 2, spam=0.0))
    await store.labels.add("blog", said("Hello", 3, "perspective", toxicity=0.9))
    assert [(label.source, label.labels) for label in await kept(store)] == [
        ("akismet", {"spam": 0.0}),
        ("perspective", {"toxicity": 0.9}),
    ]


async def test_the_oldest_go_beyond_the_cap(store: Store, monkeypatch) -> None:
    monkeypatch.setattr(labels, "KEPT", 3)
    for at in range(5):
        assert await store.labels.add("blog", said(f"Text {at}", at)) == min(at + 1, 3)
    assert [label.text for label in await kept(store)] == ["Text 2", "Text 3", "Text 4"]
    assert await store.wire.client.hlen(SiteKeys("blog").labels()) == 3


async def test_no_text_can_be_read_from_the_store(store: Store) -> None:
    await store.labels.add("blog", said("A secret text", 1))
    rows = await store.wire.client.hgetall(SiteKeys("blog").labels())
    assert rows
    assert not any(b"secret" in name + value for name, value in rows.items())
