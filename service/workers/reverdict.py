"""Reverdict: websites that were told a verdict on a comment are told when it changes.

Reads each site's events, so whatever changes a comment counts: a decision, its undo, an edit, a
model that is back. Some seconds later, when whoever undoes a slip has done so, what the website
was told last is compared with how the comment stands, and a difference is sent until the website
takes it. At least once: who is killed in between sends the same again.
"""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from service import log, metrics
from service.errors import Unavailable
from service.outgoing import Failed
from service.pipeline.answer import Answer, of_standing
from service.services import Services
from service.store.callbacks import Callback
from service.workers.each import each

SETTLED_MS: Final = 5_000
"""How long after a change it is looked at."""
RETRIES_S: Final = (30, 120, 600, 1_800, 7_200, 18_000, 36_000, 86_400)
"""Seconds until the next attempt after each failed one; then there is none."""
LEASE_MS: Final = 60_000
"""How long one worker has to tell; an exchange takes 10 seconds at most."""
SLICE: Final = 50
"""Websites of one site told at once."""
EVENTS: Final = 500


async def reverdict(services: Services) -> None:
    """One sweep over all sites that are watched."""

    async def one(site: str) -> None:
        if await _note_changes(services, site):
            await _tell_due(services, site)

    await each(await services.store.sites.all(), one)


async def _note_changes(services: Services, site: str) -> bool:
    """Puts changed comments among those due; False where no website waits for any."""
    store = services.store
    cursor = await store.callbacks.cursor(site)
    if cursor is None:
        return False
    while found := await store.events.after(site, cursor, EVENTS):
        # A comment's first version is what its website was answered with.
        due = {event.comment: event.at + SETTLED_MS for event in found if event.version > 1}
        cursor = found[-1].cursor
        await store.callbacks.note(site, due.items(), cursor)
    return True


async def _tell_due(services: Services, site: str) -> None:
    now = services.now()
    until = now + LEASE_MS
    names = await services.store.callbacks.take(site, now=now, until=until, limit=SLICE)
    done = await asyncio.gather(
        *(_tell(services, site, name, until) for name in names), return_exceptions=True
    )
    for error in done:
        if isinstance(error, Unavailable):
            metrics.UNAVAILABLE.inc()  # the lease ends, and it is due again
        elif isinstance(error, BaseException):
            raise error


async def _tell(services: Services, site: str, comment_id: str, leased: int) -> None:
    """Tells one website what changed, if anything did."""
    callbacks, again_at = services.store.callbacks, None
    stored = await services.store.comments.read(site, comment_id)
    callback = await callbacks.read(stored.comment) if stored is not None else None
    if callback is not None and stored is not None and stored.status != "erased":
        answer = of_standing(stored)
        if _differs(callback, answer):
            callback, again_at = await _attempt(services, site, callback, answer)
            await callbacks.keep(stored.comment, callback)
    await callbacks.settle(site, comment_id, leased=leased, again_at=again_at)


def _differs(callback: Callback, answer: Answer) -> bool:
    """Whether a website would do something else now: one that waits, waits for any decision."""
    return callback.spam != answer.spam or (callback.waits and not answer.waits)


async def _attempt(
    services: Services, site: str, callback: Callback, answer: Answer
) -> tuple[Callback, int | None]:
    """Sends it once; the callback as it is afterwards, and when to try again if need be."""
    why = await _send(services, callback.url, callback.if_spam if answer.spam else callback.if_not)
    if not why:
        metrics.REVERDICTS.labels("told").inc()
        told = msgspec.structs.replace(callback, spam=answer.spam, waits=answer.waits, tries=0)
        return told, None
    if callback.tries >= len(RETRIES_S):
        metrics.REVERDICTS.labels("given_up").inc()
        log.get("reverdict").warning("given_up", site=site, why=why)
        return msgspec.structs.replace(callback, tries=0), None
    metrics.REVERDICTS.labels("failed").inc()
    failed = msgspec.structs.replace(callback, tries=callback.tries + 1)
    return failed, services.now() + RETRIES_S[callback.tries] * 1000


async def _send(services: Services, url: str, body: bytes) -> str:
    """Why the website did not take it; empty where it did."""
    try:
        answered = await services.outgoing.post(url, body, {"Content-Type": "application/json"})
    except Failed as failed:
        return failed.reason
    return "" if 200 <= answered.status < 300 else f"it answered {answered.status}"
