"""Rescore: comments that were held because a check could not look are decided again.

That is once a model is there, the second stage is back, or a text that took too long may take its
time: a worker keeps nobody waiting. A round does no more than `ROUND` comments and goes on where
the last one ended. A comment that a human has touched, or looks at now, is left to humans.
"""

from __future__ import annotations

from typing import Final

from service import log
from service.errors import Conflict
from service.pipeline.checks import RESCORED
from service.pipeline.score import Scorer
from service.records import StoredComment
from service.services import Services
from service.store.queues import Filter, Position
from service.workers.each import each

CODE: Final = "check.unavailable"
SLICE: Final = 200
"""Comments of one site read at once."""
ROUND: Final = 2_000
"""Comments looked at in one round, all sites together."""
PATIENCE_S: Final = 5.0
"""How long scoring one text may take here, where nobody waits for the answer."""
REMEMBERED: Final = 10_000
"""Comments remembered as tried in vain; with more, some are tried once more."""
FORGETS: Final = 120
"""Rounds after which what was tried in vain is tried once more: about an hour."""
_HUMAN: Final = ("approve", "reject", "spam", "undo")


class Rescorer:
    """The rounds of one worker: where the last one ended, and what was tried in vain."""

    def __init__(self) -> None:
        self._after: dict[tuple[str, str], Position] = {}
        self._vain: dict[tuple[str, int], str] = {}
        """Comment and version → the model and second stage that could not help it."""
        self._rounds = 0
        self._left = 0

    async def sweep(self, services: Services) -> None:
        """One round over all sites; does nothing while there is no model."""
        if services.scorer.model is None and services.scorer.later is None:
            return
        services.scorer.patience_s = PATIENCE_S
        self._left, self._rounds = ROUND, self._rounds + 1
        if self._rounds % FORGETS == 0:
            self._vain.clear()

        async def rescore(site: str) -> None:
            done = sum([await self._reason(services, site, code) for code in RESCORED])
            if done:
                log.get("rescore").info("rescored", site=site, comments=done)

        await each(await services.store.sites.all(), rescore)

    async def _reason(self, services: Services, site: str, code: str) -> int:
        """Goes through a site's comments that wait for one reason; how many were decided."""
        done = 0
        while self._left > 0:
            size = min(SLICE, self._left)
            places = await services.store.queues.page(
                site,
                "pending",
                sort="oldest",
                limit=size,
                narrowed=Filter(reason=code),
                after=self._after.get((site, code)),
            )
            done += await self._decide_again(services, site, places)
            self._left -= len(places)
            if len(places) < size:
                self._after.pop((site, code), None)  # the next round begins with the oldest
                break
            self._after[site, code] = places[-1]
        return done

    async def _decide_again(self, services: Services, site: str, places: list[Position]) -> int:
        done = 0
        if not places or not await services.scorer.ready():
            return done
        for stored in await services.store.comments.read_many(site, [p.id for p in places]):
            if stored is None or stored.status != "pending" or stored.lease is not None:
                continue
            seen, by = (stored.comment.id, stored.version), _checks_of(services.scorer)
            if self._vain.get(seen) == by or await _touched(services, stored):
                continue
            try:
                if await services.intake.rescore(stored, now=services.now()) is None:
                    self._remember(seen, by)
                else:
                    done += 1
            except Conflict:
                continue  # somebody decided meanwhile: theirs stands
        return done

    def _remember(self, seen: tuple[str, int], by: str) -> None:
        if len(self._vain) >= REMEMBERED:
            self._vain.pop(next(iter(self._vain)))
        self._vain[seen] = by


def _checks_of(scorer: Scorer) -> str:
    return f"{scorer.version}+{scorer.second.version if scorer.second else ''}"


async def _touched(services: Services, stored: StoredComment) -> bool:
    """Whether a human has ever decided on this comment, or put it back."""
    if stored.version == 1:
        return False
    steps = await services.store.decisions.history(stored.comment.site, stored.comment.id)
    return any(step.action in _HUMAN for step in steps)
