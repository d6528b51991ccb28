"""An appeal is the author's word: an export takes it along, and an import brings it back."""

from __future__ import annotations

import msgspec

from service.pipeline.appeals import appeal, standing
from service.pipeline.rules import RuleBook
from service.pipeline.score import Scorer
from service.records import Draft, Policy, Site
from service.services import Services
from service.store.queues import Filter
from service.transfer import Import, export
from tests.store.builders import decided


async def test_an_appeal_survives_a_move_to_another_site(services: Services) -> None:
    store = services.store
    for number, name in enumerate(("old", "new")):
        await store.sites.create(Site(id=name, number=number), Policy())
    draft = Draft(page="https://a.example/", name="A", email="a@example.org", body="Well then.")
    made = await services.intake.submit(draft, "old", idempotency=None, now=services.now())
    stored = await store.comments.read("old", made.id)
    assert stored is not None
    await decided(store, stored.comment, "reject")
    refused = await store.comments.read("old", made.id)
    assert refused is not None
    await appeal(store, refused, "Please look again.", now=services.now())

    lines = [line async for line in export(store, "old")]
    assert msgspec.json.decode(lines[0])["appeal"] == "Please look again."
    book = RuleBook(store, Scorer.fold)
    importing = Import(store, book, services.secrets, "new", clock=services.now)
    tally, bad = await importing.take(list(enumerate(lines, 1)))
    assert (tally.imported, bad) == (1, [])
    (place,) = await store.queues.page("new", "pending", sort="oldest", limit=9)
    found = await store.comments.read("new", place.id)
    assert found is not None
    assert found.comment.appeal == "Please look again."
    assert found.comment.verdict.reasons[0].code == "appeal"
    assert standing(found) == "waiting"
    await importing.take(list(enumerate(lines, 1)))
    assert await store.queues.count("new", "pending", Filter()) == 1
