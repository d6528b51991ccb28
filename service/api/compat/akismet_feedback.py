"""Akismet's `submit-spam` and `submit-ham`: people correct an answer, and that teaches.

What they say is kept as a label. Of a comment that is in the site's queues it is a decision, too,
unless a moderator of Winnow has decided: theirs stands.
"""

from __future__ import annotations

from typing import Final

import msgspec

from service.api.compat.akismet_check import Admitted, count, identity
from service.api.compat.akismet_request import Asked
from service.errors import Conflict, NotFound
from service.ids import from_uuid, random_id
from service.pipeline.enqueue import author_key
from service.pipeline.fields import is_blank
from service.pipeline.review import Decision
from service.records import STATUS_OF_ACTION, Action, Draft, Label, StoredComment
from service.services import Services

SOURCE: Final = "akismet"
"""The label's source, and who decides."""


async def learn(parts: Services, caller: Admitted, asked: Asked, *, spam: bool) -> None:
    """Keeps what somebody said of a comment; nothing where it was a test.

    Raises:
        Unavailable: it is not kept; it may be sent again.
    """
    if asked.test:
        return
    site, draft = caller.site, asked.draft(parts.now())
    if not is_blank(draft.body):
        await parts.store.labels.add(
            site,
            Label(
                text=draft.body,
                labels={"spam": float(spam)},
                source=SOURCE,
                actor=caller.actor,
                at=parts.now(),
                language=draft.locale,
            ),
            author=parts.secrets.author_id(site, author_key(draft)),
        )
    stored = await _find(parts, site, asked, draft)
    if stored is not None:
        await _decide(parts, stored, "spam" if spam else "approve")
    await count(parts, caller, asked, "missed_spam" if spam else "false_positives")


async def _find(parts: Services, site: str, asked: Asked, draft: Draft) -> StoredComment | None:
    """The comment in the site's queues: by the id it was given, else by what it says."""
    named = from_uuid(asked.text("guid", "akismet_guid"))
    stored = await parts.store.comments.read(site, named) if named else None
    if stored is None:
        earlier = await parts.intake.earlier(site, identity(draft))
        stored = await parts.store.comments.read(site, earlier.id) if earlier else None
    # A compat key reaches only what came in by it.
    ours = stored is not None and stored.comment.metadata.get("system") == SOURCE
    return stored if ours else None


async def _decide(parts: Services, stored: StoredComment, action: Action) -> None:
    comment = stored.comment
    if stored.decision is not None and (
        stored.decision.actor != SOURCE or stored.status == STATUS_OF_ACTION[action]
    ):
        return
    decision = Decision(id=comment.id, action=action, version=stored.version)
    try:
        await parts.review.decide(
            comment.site, decision, actor=SOURCE, operation=random_id(), now=parts.now()
        )
    except (Conflict, NotFound):
        return  # somebody was faster, or it is erased: theirs stands
    told = await parts.store.callbacks.read(comment)
    if told is not None:
        told = msgspec.structs.replace(told, spam=action == "spam", waits=False, tries=0)
        await parts.store.callbacks.keep(comment, told)
