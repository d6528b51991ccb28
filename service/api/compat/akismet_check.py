"""Akismet's `comment-check`: a comment of another system is judged, and perhaps queued, too.

By default nothing is stored of it but counts, and what was learnt of keys and rules before answers
even while the store is away. On a site with `akismet_queue` the comment is submitted like any
other; asked again, it is found again, and the answer is how it stands.
"""

from __future__ import annotations

import asyncio
import hmac
import re
import uuid
from contextlib import suppress
from html import unescape
from typing import Final, Literal

import msgspec
from msgspec import Struct

from service import metrics
from service.api.compat.akismet_request import KEY, Asked
from service.api.compat.door import enter
from service.errors import Unauthenticated, Unavailable
from service.ids import as_uuid
from service.pipeline.answer import Answer, of_standing, of_verdict
from service.pipeline.decide import decide_text, matching_bans
from service.pipeline.enqueue import author_key
from service.pipeline.fields import is_blank
from service.pipeline.rules import Rules
from service.records import Draft
from service.services import Services
from service.store.callbacks import Callback
from service.store.idempotency import Idempotency
from service.store.keys import CALLBACK_S
from service.store.usage import What

SPAM_AUTHOR: Final = "viagra-test-123"
SPAM_EMAIL: Final = "akismet-guaranteed-spam@example.com"
"""Akismet documents these two for tests: always spam."""
TRUSTED_ROLE: Final = "administrator"
"""And this one: never spam."""
PATIENCE_S: Final = 0.4
"""How long the store may take to say who asks: some clients wait a second in all."""

_REL: Final = re.compile(r"\srel=\\?[\"'][^\"'<>]*[\"']")


class Checked(Struct, frozen=True):
    """The answer to a comment-check, and what it can be asked for by later."""

    answer: Answer
    guid: str


class Admitted(Struct, frozen=True):
    """Who may ask."""

    site: str
    actor: str
    away: bool = False
    """The store is away: they were let in as they were last seen."""


async def admit(parts: Services, key: str, *, remembered: bool = False) -> Admitted:
    """Whoever has this compat key.

    Args:
        parts: of this process.
        key: as it was sent.
        remembered: whether they may enter as they were last seen while the store is away.

    Raises:
        Unauthenticated: there is no such compat key.
        Throttled, Unavailable.
    """
    if not KEY.fullmatch(key):
        raise Unauthenticated("A key of Winnow's kind 'compat' is needed: 12 small letters, digits")
    try:
        async with asyncio.timeout(PATIENCE_S if remembered else None):
            credential, away = (await enter(parts, key)).credential, False
    except (Unavailable, TimeoutError):
        known = parts.gate.last_known(key, parts.now()) if remembered else None
        if known is None:
            raise Unavailable("The store cannot be reached; try again.") from None
        metrics.DEGRADED.labels("admission").inc()
        credential, away = known, True
    if credential.kind != "compat" or not credential.sites:
        raise Unauthenticated("This key is not of the kind 'compat'")
    return Admitted(next(iter(credential.sites)), credential.actor, away)


async def check(parts: Services, caller: Admitted, asked: Asked) -> Checked:
    """Judges a comment, and queues it where its site wants that.

    Raises:
        NotFound: the site is gone.
        Unavailable: it cannot be judged, or not be queued.
    """
    site, draft = caller.site, asked.draft(parts.now())
    rules = await _rules(parts, caller)
    if (answer := _arranged(asked)) is not None:
        checked = Checked(answer, _guid(parts, site, draft))
    elif rules.site.akismet_queue and _queueable(asked, draft):
        if caller.away:
            raise Unavailable("The store cannot be reached; nothing was queued, try again.")
        checked = await _queued(parts, site, asked, draft)
    else:
        checked = Checked(await _judged(parts, rules, draft), _guid(parts, site, draft))
    if not draft.test:
        await count(parts, caller, asked, "asked", "spam" if checked.answer.spam else "ham")
    return checked


def _queueable(asked: Asked, draft: Draft) -> bool:
    return not (asked.test or asked.private or is_blank(draft.body))


async def _rules(parts: Services, caller: Admitted) -> Rules:
    held = parts.rules.last_known(caller.site) if caller.away else None
    return held or await parts.rules.get(caller.site)


def _arranged(asked: Asked) -> Answer | None:
    """The answer Akismet promises to some fields, whatever else is said."""
    if asked.text("user_role") == TRUSTED_ROLE:
        return Answer(spam=False)
    if asked.test and asked.flag("test_discard"):
        return Answer(spam=True, sure=True)
    named = asked.text("comment_author") == SPAM_AUTHOR
    if named or asked.text("comment_author_email").lower() == SPAM_EMAIL:
        return Answer(spam=True)
    return None


async def _judged(parts: Services, rules: Rules, draft: Draft) -> Answer:
    """By the comment alone: nothing is known of its author's others.

    Raises:
        Unavailable: no model could read it, and nothing else speaks against it.
    """
    now, scored = parts.now(), await parts.scorer.score(draft)
    bans = matching_bans(
        rules.bans,
        author_id=parts.secrets.author_id(rules.site.id, author_key(draft)),
        email_domain=draft.email.rpartition("@")[2],
        ip=draft.ip,
        now=now,
    )
    verdict = decide_text(draft, scored, rules.policy, rules.lists, now=now, bans=bans)
    answer = of_verdict(verdict, scored.scores)
    if scored.scores is None and not answer.spam:
        raise Unavailable("No model is loaded.", retry_after_s=30)
    return answer


async def _queued(parts: Services, site: str, asked: Asked, draft: Draft) -> Checked:
    """By how the comment stands in the site's queues, where it now is."""
    accepted = await parts.intake.submit(draft, site, idempotency=identity(draft), now=parts.now())
    stored, guid = await parts.store.comments.read(site, accepted.id), as_uuid(accepted.id)
    if stored is None:  # it was here, and is kept no longer
        return Checked(of_verdict(accepted.verdict, accepted.scores), guid)
    answer = of_standing(stored)
    if asked.callback:
        # Decisions are looked at some seconds after they were made, so one that is made just now
        # finds what is kept here.
        await parts.store.callbacks.keep(stored.comment, callback(asked, guid, answer))
        await parts.store.callbacks.watch(site, f"{parts.now() - 60_000}-0")
    return Checked(answer, guid)


def identity(draft: Draft) -> Idempotency:
    """What makes two calls one comment: page, author and text, as WordPress may have stored it.

    It may have escaped the text meanwhile, or have told search engines not to follow its links.
    """
    text = _REL.sub("", unescape(draft.body)).replace("\\", "")
    said = "\n".join((draft.page, author_key(draft), " ".join(text.split())))
    return msgspec.structs.replace(Idempotency.of(f"akismet\n{said}", b""), kept_s=CALLBACK_S)


def _guid(parts: Services, site: str, draft: Draft) -> str:
    """The same for the same comment; nobody else can tell what it says."""
    said = f"{site}\n{identity(draft).key}".encode()
    return str(uuid.UUID(bytes=hmac.digest(parts.secrets.subkey("akismet"), said, "sha256")[:16]))


def callback(asked: Asked, guid: str, answer: Answer) -> Callback:
    """What WordPress, and whoever does as it does, wants to be sent when the answer changes."""

    def body(result: str) -> bytes:
        comments = [{"guid": guid, "result": result}]
        told = {"key": asked.key, "endpoint": "comment-check", "comments": comments}
        return msgspec.json.encode(told)

    return Callback(
        url=asked.callback,
        spam=answer.spam,
        waits=answer.waits,
        if_spam=body("true"),
        if_not=body("false"),
    )


async def count(
    parts: Services, caller: Admitted, asked: Asked, what: What, also: What | Literal[""] = ""
) -> None:
    """Counts a call for its blog; not where the store is away, which is counted instead."""
    with suppress(Unavailable):
        if not caller.away:
            await parts.store.usage.count(caller.site, asked.blog_host, what, also, now=parts.now())
            return
    metrics.DEGRADED.labels("counting").inc()
