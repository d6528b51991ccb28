"""Moving comments in and out, each with everything that belongs to it.

What `export` writes as JSON lines `Import` reads back, and it reads the body of `POST /v1/comments`
too; what a line may say is in `service.incoming`. Other systems' files come through
`service.importing`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from service.errors import Unavailable
from service.ids import Secrets
from service.importing.distinct import Distinct
from service.importing.reading import Batch, note_other_date, read
from service.importing.source import Record
from service.importing.tally import BadLine, Tally
from service.incoming import Incoming, imported_id
from service.pipeline.decide import decide, matching_bans
from service.pipeline.enqueue import author_key, enqueue, private_part, status_of
from service.pipeline.reasons import appealed
from service.pipeline.rules import RuleBook, Rules
from service.pipeline.score import Scorer
from service.records import (
    QUEUES,
    STATUS_OF_OUTCOME,
    Comment,
    Entry,
    Facts,
    Outcome,
    Scored,
    Status,
    StoredComment,
    Verdict,
)
from service.store import Store
from service.store.comments import ConfigChanged, SiteGone
from service.store.decisions import Step
from service.store.queues import Position

CHUNK: Final = 200
ATTEMPTS: Final = 5
"""How often a line is written again because its site's rules kept changing."""


class Line(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One comment as it travels; times are ms since the epoch."""

    id: str = ""
    page: str
    name: str
    email: str
    body: str
    status: str = "pending"
    created_at: int | None = None
    edited_at: int | None = None
    page_title: str = ""
    parent: str | None = None
    url: str = ""
    ip: str = ""
    user_agent: str = ""
    referrer: str = ""
    locale: str = ""
    metadata: dict[str, object] = {}
    decision: str = ""
    """The last human decision: approve, reject, spam; empty = none."""
    decided_by: str = ""
    decided_at: int | None = None
    reason: str = ""
    note: str = ""
    appeal: str = ""
    """Why its author wants it looked at again."""
    model: str = ""
    """What scored it; empty = nothing."""
    checks: dict[str, str] = {}
    """Which checks did not look at it, and why (`pipeline/checks`)."""


_encode = msgspec.json.Encoder().encode


# ---------------------------------------------------------------------------- export


async def export(store: Store, site: str) -> AsyncIterator[bytes]:
    """Every comment of a site as a line of JSON."""
    async for line in lines(store, site):
        yield _encode(line) + b"\n"


async def lines(store: Store, site: str) -> AsyncIterator[Line]:
    """Every comment of a site, status by status, oldest first.

    Test comments stay behind: they are no part of the site, and their addresses were never kept.
    A comment that changes its status meanwhile may be written twice or not at all.
    """
    for status in QUEUES:
        after: Position | None = None
        while True:
            places = await store.queues.page(site, status, sort="oldest", limit=CHUNK, after=after)
            for line in await _lines(store, site, [place.id for place in places]):
                yield line
            if len(places) < CHUNK:
                break
            after = places[-1]


async def _lines(store: Store, site: str, ids: list[str]) -> list[Line]:
    read = await store.comments.read_many(site, ids)
    # Of a comment whose text was taken out there is nothing to bring anywhere.
    found = [each for each in read if each and each.comment.body and not each.comment.test]
    authors = await store.comments.authors(site, [stored.comment.author for stored in found])
    return await asyncio.gather(
        *(_line(store, stored, email) for stored, (_, email) in zip(found, authors, strict=True))
    )


async def _line(store: Store, stored: StoredComment, email: str) -> Line:
    comment, decision = stored.comment, stored.decision
    private = await store.comments.private(comment)
    return Line(
        id=comment.id,
        page=comment.page,
        name=comment.name,
        email=email,
        body=comment.body,
        status=stored.status,
        created_at=comment.created_at,
        edited_at=comment.edited_at,
        page_title=comment.page_title,
        parent=comment.parent,
        url=comment.url,
        ip=private.ip,
        user_agent=private.user_agent,
        referrer=private.referrer,
        locale=comment.locale,
        metadata=comment.metadata,
        decision=decision.action if decision else "",
        decided_by=decision.actor if decision else "",
        decided_at=decision.at if decision else None,
        reason=decision.reason if decision else "",
        note=decision.note if decision else "",
        appeal=comment.appeal,
        model=comment.verdict.model,
        checks=comment.verdict.checks if comment.verdict.model else {},
    )


# ------------------------------------------------------------------------------ import


class Import:
    """Brings lines into one site; any of them may be brought again."""

    def __init__(
        self,
        store: Store,
        book: RuleBook,
        secrets: Secrets,
        site: str,
        *,
        status: Status = "pending",
        origin: str = "",
        scorer: Scorer | None = None,
        dry_run: bool = False,
        clock: Callable[[], int],
    ) -> None:
        """Ready to take lines.

        Args:
            store: where the site is.
            book: the rules of its sites.
            secrets: the installation's.
            site: the site's id.
            status: what a line that names no status becomes; with a scorer, its verdict's.
            origin: what stands before pages that are named by path alone.
            scorer: makes scores and reasons; without one the comments count as not looked at.
            dry_run: only read and check.
            clock: ms since the epoch.
        """
        self._store = store
        self._book = book
        self._secrets = secrets
        self._site = site
        self._status: Status = status
        self._origin = origin.rstrip("/")
        self._scorer = scorer
        self._dry_run = dry_run
        self._clock = clock
        self.pages = Distinct()
        self.authors = Distinct()
        self._taken: set[str] = set()
        """Ids of the comments being written."""
        self.admit: Callable[[], Awaitable[None]] | None = None
        """Raises Unavailable while there is no room for more (`store.pressure`)."""

    async def take(self, records: Sequence[Record]) -> tuple[Tally, list[BadLine]]:
        """Brings some numbered records in; when it returns, they are on disk.

        It may be called again meanwhile.

        Raises:
            NotFound: the site is gone.
            Unavailable: the store cannot be written; the same lines may be taken again.
        """
        if self.admit is not None and not self._dry_run:
            await self.admit()
        number = (await self._book.get(self._site)).site.number
        status = "scored" if self._scorer else self._status
        batch = read(
            records,
            number,
            self._clock(),
            status=status,
            origin=self._origin,
            taken=self._taken,
        )
        ids = list(batch.good)
        self._taken.update(ids)
        try:
            held = await self._store.comments.read_many(self._site, ids)
            there = dict(zip(ids, held, strict=True))
            self._count(batch, there)
            if not self._dry_run:
                await asyncio.gather(*(self._bring(i, batch.good[i], there[i]) for i in ids))
        finally:
            self._taken.difference_update(ids)
        return batch.tally, batch.bad

    def _count(self, batch: Batch, there: Mapping[str, StoredComment | None]) -> None:
        tally = batch.tally
        for comment_id, incoming in batch.good.items():
            if stored := there[comment_id]:
                tally.known += 1
                note_other_date(tally, incoming, stored.comment)
            else:
                tally.imported += 1
            self.pages.add(incoming.draft.page)
            self.authors.add(author_key(incoming.draft))

    async def _bring(
        self, comment_id: str, incoming: Incoming, stored: StoredComment | None
    ) -> None:
        if stored is None:
            await self._decide(await self._write(comment_id, incoming), incoming)
        elif _lacks_decision(stored, incoming):
            await self._decide(stored, incoming)

    async def _write(self, comment_id: str, incoming: Incoming) -> StoredComment:
        draft = incoming.draft
        at = self._clock() if draft.created_at is None else draft.created_at
        for _ in range(ATTEMPTS):
            rules = await self._book.get(self._site)
            author = self._secrets.author_id(self._site, author_key(draft))
            scored, verdict, key = await self._verdict(incoming, rules, author, at)
            comment = _comment(
                incoming,
                enqueue(
                    draft,
                    scored,
                    verdict,
                    comment_id=comment_id,
                    site=self._site,
                    author=author,
                    now=at,
                ),
                rules.site.number,
            )
            status = incoming.status or status_of(verdict)
            try:
                await self._store.comments.submit(
                    comment,
                    status,
                    email=draft.email,
                    private=private_part(draft),
                    page_title=draft.page_title,
                    config_version=rules.version,
                    text_window_s=0,  # an old text is no repetition of today's
                    idempotency=None,
                    answer=b"",
                    now=at,
                    key=key,
                )
            except (ConfigChanged, SiteGone):
                await self._book.refresh(self._site)
            else:
                return StoredComment(comment=comment, status=status, version=1)
        raise Unavailable("The site's rules keep changing; try again.")

    async def _verdict(
        self, incoming: Incoming, rules: Rules, author: str, at: int
    ) -> tuple[Scored, Verdict, bytes | None]:
        """What the checks find, what follows from it, and the author's key."""
        if self._scorer is None:
            key = await self._store.author_keys.read(self._site, author)
            verdict = _unseen(incoming, incoming.status or self._status, rules)
            return Scored(None), verdict, key
        draft = incoming.draft
        scored = await self._scorer.score(draft)
        around = await self._store.comments.surroundings(
            self._site,
            author=author,
            page=draft.page,
            fingerprint=scored.fingerprint,
            parent=None,
            rejection=rules.policy.rejection_rate,
            idempotency=None,
            now=at,
        )
        bans = matching_bans(
            rules.bans,
            author_id=author,
            email_domain=draft.email.rpartition("@")[2],
            ip=draft.ip,
            now=at,
        )
        facts = Facts(
            draft=draft,
            scored=scored,
            author=around.author,
            bans=bans,
            page_first_at=around.page_first_at,
            now=at,
        )
        return scored, decide(facts, rules.policy, rules.lists), around.key

    async def _decide(self, stored: StoredComment, incoming: Incoming) -> None:
        """Adds the decision that came with a line; once, by its operation id."""
        if incoming.decision is None:
            return
        entry = Entry(
            version=2,
            at=incoming.decided_at or stored.comment.submitted_at,
            actor=incoming.decided_by or "import",
            action=incoming.decision,
            before="pending",
            after=stored.status,
            reason=incoming.reason,
            note=incoming.note,
        )
        await self._store.decisions.apply(
            Step(
                stored=stored,
                version=1,
                entry=entry,
                event=f"comment.{stored.status}",
                operation=f"import {stored.comment.id}",
                request=f"{entry.action} {entry.at}",
                decision=entry,
                imported=True,
            )
        )


def _lacks_decision(stored: StoredComment, incoming: Incoming) -> bool:
    """Whether an earlier import was killed between a comment and its decision."""
    return (
        incoming.decision is not None
        and stored.version == 1
        and stored.comment.imported
        and stored.status == (incoming.status or stored.status)
    )


def _unseen(incoming: Incoming, status: Status, rules: Rules) -> Verdict:
    """What stands in the place of a verdict where no check has looked, or those of elsewhere."""
    outcomes: dict[Status, Outcome] = {s: o for o, s in STATUS_OF_OUTCOME.items()}
    return Verdict(
        outcome=outcomes[status],
        reasons=(),
        policy_version=rules.policy.version,
        model=incoming.model,
        checks=incoming.checks if incoming.model else {"model": "skipped", "signals": "skipped"},
    )


def _comment(incoming: Incoming, comment: Comment, site_number: int) -> Comment:
    """The new record with what only an imported comment has."""
    return msgspec.structs.replace(
        comment,
        imported=True,
        edited_at=incoming.edited_at,
        appeal=incoming.appeal,
        verdict=_with_appeal(comment.verdict, incoming),
        parent=imported_id(incoming.parent, site_number) if incoming.parent else None,
    )


def _with_appeal(verdict: Verdict, incoming: Incoming) -> Verdict:
    """A comment that waits because of its appeal says so here, too."""
    waits = incoming.appeal and incoming.status == "pending"
    return appealed(verdict) if waits else verdict
