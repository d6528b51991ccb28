"""Submit: carries a valid draft through score, decide and enqueue into the store.

Reads what is known around the comment in one round trip, decides purely, writes in one script. If
the site's rules changed in between, the script refuses and the comment is decided again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec
from msgspec import Struct

from service import metrics, tracing
from service.errors import Conflict, NotFound, Unavailable, invalid
from service.ids import Secrets, Sequence, random_id
from service.pipeline.checks import RESCORED
from service.pipeline.decide import decide, matching_bans
from service.pipeline.enqueue import author_key, enqueue, private_part, status_of
from service.pipeline.reasons import appealed
from service.pipeline.rules import RuleBook, Rules
from service.pipeline.score import Scorer
from service.records import Comment, Draft, Entry, Facts, Scored, Status, StoredComment, Verdict
from service.store import Store, codec
from service.store.comments import ConfigChanged, SiteGone, Surroundings
from service.store.decisions import Done, Step
from service.store.idempotency import Idempotency

ATTEMPTS = 5
"""How often a comment is decided again because its site's rules kept changing under it."""
WATCHED = ("spam", "toxicity")
"""The labels whose scores are watched for drift."""


class Accepted(Struct, array_like=True, kw_only=True):
    """What a submission is answered with; kept with its Idempotency-Key and answered again."""

    id: str
    site: str
    status: Status
    created_at: int
    verdict: Verdict
    scores: dict[str, float] | None
    page: str = ""
    replayed: bool = False


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Accepted).decode


class Intake:
    """The way in for new and edited comments."""

    def __init__(self, store: Store, scorer: Scorer, rules: RuleBook, secrets: Secrets) -> None:
        self._store = store
        self._scorer = scorer
        self._rules = rules
        self._secrets = secrets
        self._ids = Sequence()
        self.admit: Callable[[], None] = lambda: None
        """Raises Unavailable while there is no room for new comments (`store.pressure`)."""

    @tracing.staged("submit")
    async def submit(
        self, draft: Draft, site: str, *, idempotency: Idempotency | None, now: int
    ) -> Accepted:
        """Stores one comment; answers only when it is durable.

        Raises:
            Invalid: the parent is unknown, or on another page.
            IdempotencyMismatch, NotFound, Unavailable: nothing was stored.
        """
        self.admit()
        with tracing.stage("score"):
            scored = await self._scorer.score(draft)
        _observe(scored)
        author = self._secrets.author_id(site, author_key(draft))
        for _ in range(ATTEMPTS):
            rules = await self._rules.get(site)
            around = await self._look_around(
                draft, scored, rules, author=author, idempotency=idempotency, now=now
            )
            if around.replay is not None:
                return _replay(around.replay)
            if around.config_version != rules.version:
                await self._rules.refresh(site)
                continue
            _check_parent(draft, around)
            with tracing.stage("decide"):
                comment = self._decided(draft, scored, rules, around, author=author, now=now)
            try:
                with tracing.stage("enqueue"):
                    return await self._store_new(
                        comment, draft, rules, idempotency, now, key=around.key
                    )
            except ConfigChanged:
                await self._rules.refresh(site)
            except SiteGone:
                break
        raise await self._why_not(site)

    async def earlier(self, site: str, idempotency: Idempotency) -> Accepted | None:
        """What the same submission was answered before; None where it is new."""
        record = await self._store.comments.replay(site, idempotency)
        return None if record is None else _replay(record)

    async def edit(self, stored: StoredComment, body: str, *, actor: str, now: int) -> Done:
        """Replaces a comment's text: scored and decided again, as a new version.

        Raises:
            Conflict: the comment changed meanwhile, or is erased.
            Unavailable: nothing was stored.
        """
        replacement, status = await self._decide_again(stored, body, now)
        replacement.edited_at = now
        return await self._replace(stored, replacement, status, action="edit", actor=actor, now=now)

    async def rescore(self, stored: StoredComment, *, now: int) -> Done | None:
        """Decides a waiting comment again, now that the check it waits for can be asked.

        Returns:
            None when one of the checks could not look this time either: nothing was written.

        Raises:
            Conflict: the comment changed meanwhile.
            Unavailable: nothing was stored.
        """
        replacement, status = await self._decide_again(stored, stored.comment.body, now)
        if any(reason.code in RESCORED for reason in replacement.verdict.reasons):
            return None
        return await self._replace(
            stored, replacement, status, action="rescore", actor="winnow", now=now
        )

    async def _replace(
        self,
        stored: StoredComment,
        replacement: Comment,
        status: Status,
        *,
        action: Literal["edit", "rescore"],
        actor: str,
        now: int,
    ) -> Done:
        entry = Entry(
            version=stored.version + 1,
            at=now,
            actor=actor,
            action=action,
            before=stored.status,
            after=status,
            replaced=codec.encode_comment(stored.comment),
        )
        outcome = await self._store.decisions.apply(
            Step(
                stored=stored,
                version=stored.version,
                entry=entry,
                event="comment.edited" if action == "edit" else f"comment.{status}",
                operation=random_id(),
                request=replacement.body,
                replacement=replacement,
                keep_decision=True,
            )
        )
        if not isinstance(outcome, Done):
            raise Conflict("Somebody changed this comment first.", version=outcome.version)
        return outcome

    async def _decide_again(
        self, stored: StoredComment, body: str, now: int
    ) -> tuple[Comment, Status]:
        if stored.status == "erased" or not stored.comment.body:
            raise Conflict("An erased comment cannot be edited.")
        comment = stored.comment
        (_, email), *_ = await self._store.comments.authors(comment.site, [comment.author])
        private = await self._store.comments.private(comment)
        draft = Draft(
            page=comment.page,
            name=comment.name,
            email=email,
            body=body,
            url=comment.url,
            ip=private.ip,
            elapsed_ms=private.elapsed_ms,
            honeypot=private.honeypot,
            test=comment.test,
        )
        scored = await self._scorer.score(draft)
        rules = await self._rules.refresh(comment.site)
        around = await self._look_around(
            draft, scored, rules, author=comment.author, idempotency=None, now=now
        )
        # A page closes to new comments, not to those that were in time.
        around = msgspec.structs.replace(around, page_first_at=None)
        if scored.fingerprint == comment.fingerprint:
            around = msgspec.structs.replace(around, same_text=max(0, around.same_text - 1))
        decided = self._decided(draft, scored, rules, around, author=comment.author, now=now)
        replacement = msgspec.structs.replace(
            comment,
            body=body,
            verdict=decided.verdict,
            scores=decided.scores,
            fingerprint=decided.fingerprint,
        )
        status = status_of(decided.verdict)
        if comment.appeal and stored.status == "pending":
            # An appeal waits for a human, whatever the machine thinks by now.
            replacement.verdict = appealed(replacement.verdict)
            return replacement, "pending"
        refused = stored.decision is not None and stored.decision.after in ("rejected", "spam")
        # An edit never overturns a human's refusal: at best it is looked at again.
        return replacement, "pending" if refused and status == "approved" else status

    async def _look_around(
        self,
        draft: Draft,
        scored: Scored,
        rules: Rules,
        *,
        author: str,
        idempotency: Idempotency | None,
        now: int,
    ) -> Surroundings:
        with tracing.Span("store surroundings", kind="client"):
            return await self._store.comments.surroundings(
                rules.site.id,
                author=author,
                page=draft.page,
                fingerprint=scored.fingerprint,
                parent=draft.parent,
                rejection=rules.policy.rejection_rate,
                idempotency=idempotency,
                now=now,
            )

    def _decided(
        self,
        draft: Draft,
        scored: Scored,
        rules: Rules,
        around: Surroundings,
        *,
        author: str,
        now: int,
    ) -> Comment:
        facts = Facts(
            draft=draft,
            scored=scored,
            author=around.author,
            bans=matching_bans(
                rules.bans,
                author_id=author,
                email_domain=draft.email.rpartition("@")[2],
                ip=draft.ip,
                now=now,
            ),
            same_text=around.same_text,
            page_first_at=around.page_first_at,
            now=now,
        )
        verdict = self.pointed(decide(facts, rules.policy, rules.lists), draft.body)
        metrics.of(metrics.VERDICTS, verdict.outcome).inc()
        return enqueue(
            draft,
            scored,
            verdict,
            comment_id=self._ids.next(now, rules.site.number),
            site=rules.site.id,
            author=author,
            now=now,
        )

    def pointed(self, verdict: Verdict, body: str) -> Verdict:
        """The verdict with the words that mattered, for the reasons that come from scores."""
        if not any(reason.score is not None for reason in verdict.reasons):
            return verdict
        reasons = tuple(
            msgspec.structs.replace(reason, spans=self._scorer.spans(body, label_of(reason.code)))
            if reason.score is not None and not reason.spans
            else reason
            for reason in verdict.reasons
        )
        return msgspec.structs.replace(verdict, reasons=reasons)

    async def _store_new(
        self,
        comment: Comment,
        draft: Draft,
        rules: Rules,
        idempotency: Idempotency | None,
        now: int,
        *,
        key: bytes | None,
    ) -> Accepted:
        accepted = Accepted(
            id=comment.id,
            site=comment.site,
            status=status_of(comment.verdict),
            created_at=comment.created_at,
            verdict=comment.verdict,
            scores=comment.scores,
            page=comment.page,
        )
        earlier = await self._store.comments.submit(
            comment,
            accepted.status,
            email=draft.email,
            private=private_part(draft),
            page_title=draft.page_title if draft.names_page else "",
            config_version=rules.version,
            text_window_s=rules.policy.same_text.hours * 3600,
            idempotency=idempotency,
            answer=_encode(accepted) if idempotency else b"",
            now=now,
            key=key,
        )
        if earlier is not None:
            return _replay(earlier)
        metrics.of(metrics.SUBMITTED, accepted.status).inc()
        return accepted

    async def _why_not(self, site: str) -> NotFound | Unavailable:
        try:
            await self._rules.refresh(site)
        except NotFound as gone:
            return gone
        return Unavailable("The site's rules keep changing; nothing was stored, try again.")


def _observe(scored: Scored) -> None:
    """Counts what the model said, for telling whether it drifts."""
    for label in WATCHED if scored.scores else ():
        metrics.of(metrics.SCORES, label).observe((scored.scores or {}).get(label, 0.0))


def erased_answer(comment: Comment) -> bytes:
    """What stands in an idempotency record of a comment that is erased: a late retry is told of it,
    and stores nothing again."""
    return _encode(
        Accepted(
            id=comment.id,
            site=comment.site,
            status="erased",
            created_at=comment.created_at,
            verdict=comment.verdict,
            scores=None,
            page=comment.page,
        )
    )


def label_of(code: str) -> str:
    """The label a reason code is about: `toxicity.insult` → `insult`, `spam` → `spam`."""
    return code.rpartition(".")[2]


def _replay(record: bytes) -> Accepted:
    accepted = _decode(record)
    accepted.replayed = True
    return accepted


def _check_parent(draft: Draft, around: Surroundings) -> None:
    if draft.parent is None:
        return
    if around.parent is None or around.parent[0] == "erased":
        raise invalid("/parent", "unknown_parent", "there is no such comment on this site")
    if around.parent[1] != draft.page:
        raise invalid("/parent", "unknown_parent", "the parent comment is on another page")
