"""Requirements of searching a queue for words: honest about where it stopped, and bounded."""

from __future__ import annotations

import asyncio

import pytest

from service.pipeline.queues import SCAN, Ask, Text, list_queue
from service.pipeline.score import Scorer
from service.records import Site
from service.store import Store
from tests.store.builders import NOW, build, make_site, put


def asked(text: str, limit: int = 50, **more: object) -> Ask:
    words = Text.of(text, Scorer.fold)
    return Ask(status="pending", sort="oldest", limit=limit, text=words, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("bridge", True),
        ("BRIDGE", True),
        ("brid", True),
        ("the bridge is", True),
        ("bridge the", True),
        ("ridge", False),
        ("bridge tunnel", False),
        ("dana", True),
    ],
)
def test_all_words_must_be_there_in_any_order_and_may_go_on(text: str, found: bool) -> None:
    words = Text.of(text, Scorer.fold)
    assert words
    site = Site(id="blog", number=1)
    comment = build(site, body="Br1dge! The b\u200bridge is closed.", name="Dana")
    assert words.within(comment) is found


@pytest.mark.parametrize("text", ["", " ", "!?", "…"])
def test_without_a_word_there_is_nothing_to_look_for(text: str) -> None:
    assert Text.of(text, Scorer.fold) is None


async def test_a_search_says_where_it_stopped_and_ends_at_the_end(store: Store) -> None:
    """No answer looks at more than it may; together they look at everything once."""
    site, version = await make_site(store)
    count = SCAN + 700
    comments = [
        build(site, at=NOW + i, body="needle" if i in (5, SCAN + 500) else "hay")
        for i in range(count)
    ]
    for i in range(0, count, 200):
        await asyncio.gather(*(put(store, c, version) for c in comments[i : i + 200]))
    first = await list_queue(store, "blog", asked("needle"))
    assert [row.stored.comment.id for row in first.rows] == [comments[5].id]
    assert (first.total, first.next is not None) == (None, True)
    rest = await list_queue(store, "blog", asked("needle", after=first.next))
    assert [row.stored.comment.id for row in rest.rows] == [comments[SCAN + 500].id]
    assert rest.next is None
    nothing = await list_queue(store, "blog", asked("absent"))
    assert (nothing.rows, nothing.next is not None) == ([], True)
