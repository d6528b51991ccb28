"""Rescore: comments that were held because no model could be asked are decided again."""

from __future__ import annotations

from typing import Final

from service import log
from service.errors import Conflict
from service.services import Services
from service.store.queues import Filter, Position
from service.workers.each import each

CODE: Final = "check.unavailable"
SLICE: Final = 200
"""Comments of one site read at once."""


async def rescore(services: Services) -> None:
    """One sweep over all sites; does nothing while there is no model."""
    if services.scorer.model is None:
        return

    async def one(site: str) -> None:
        done, after = 0, None
        while places := await _slice(services, site, after):
            done += await _decide_again(services, site, places)
            after = places[-1]
        if done:
            log.get("rescore").info("rescored", site=site, comments=done)

    await each(await services.store.sites.all(), one)


async def _slice(services: Services, site: str, after: Position | None) -> list[Position]:
    """The next comments behind a place: one that stays held is passed by."""
    return await services.store.queues.page(
        site, "pending", sort="oldest", limit=SLICE, narrowed=Filter(reason=CODE), after=after
    )


async def _decide_again(services: Services, site: str, places: list[Position]) -> int:
    done = 0
    for stored in await services.store.comments.read_many(site, [p.id for p in places]):
        if stored is None or stored.status != "pending":
            continue
        try:
            done += await services.intake.rescore(stored, now=services.now()) is not None
        except Conflict:
            continue  # somebody decided meanwhile: theirs stands
    return done
