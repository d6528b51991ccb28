"""Rescore: comments that were held because no model could be asked are decided again."""

from __future__ import annotations

from typing import Final

from service import log
from service.errors import Conflict
from service.services import Services
from service.store.queues import Filter

CODE: Final = "check.unavailable"
SLICE: Final = 200
"""Comments of one site looked at in one round."""


async def rescore(services: Services) -> None:
    """One sweep over all sites; does nothing while there is no model."""
    if services.scorer.model is None:
        return
    for site in await services.store.sites.all():
        places = await services.store.queues.page(
            site, "pending", sort="oldest", limit=SLICE, narrowed=Filter(reason=CODE)
        )
        done = 0
        for stored in await services.store.comments.read_many(site, [p.id for p in places]):
            if stored is None or stored.status != "pending":
                continue
            try:
                await services.intake.rescore(stored, now=services.now())
                done += 1
            except Conflict:
                continue  # somebody decided meanwhile: theirs stands
        if done:
            log.get("rescore").info("rescored", site=site, comments=done)
