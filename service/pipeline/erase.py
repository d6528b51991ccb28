"""Erase: a person asks to be forgotten, and a site forgets what it has kept long enough.

An erasure takes the author's key first: from then on nothing that was sealed for them can be
opened, wherever a copy lies. Then each of their comments becomes a tombstone, and at last the
author goes. It covers whatever was stored when it ends; what they write later is a new author's,
under a new key. Whoever is killed in between leaves it to the worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from service import log, metrics
from service.errors import invalid
from service.ids import Secrets, random_id
from service.pipeline import fields
from service.pipeline.submit import erased_answer
from service.pipeline.tombstone import DAY_MS, due, texts_of, tombstone
from service.records import Entry, Retention, Status
from service.store import Store, codec, erasure_file
from service.store.erasure_file import Line
from service.store.erasures import Erasable, Erasure, Tombstone
from service.store.labels import named

ACTOR: Final = "winnow"
"""Who takes out what was kept long enough."""
SOURCES: Final = ("akismet", "perspective")
"""Through which doors a text may have been labelled."""
STUCK: Final = 20
"""Slices in a row without one comment erased, before an erasure is left to the next round."""


class Eraser:
    """Erases authors, and takes out texts."""

    def __init__(self, store: Store, secrets: Secrets, data_dir: Path) -> None:
        """Ready to work.

        Args:
            store: where authors and comments are.
            secrets: the installation's.
            data_dir: the folder the file of erasures stands in.
        """
        self._store = store
        self._secrets = secrets
        self._data_dir = data_dir

    def author_of(self, site: str, email: str) -> str:
        """The author behind an address.

        Raises:
            Invalid: it is none.
        """
        try:
            return self._secrets.author_id(site, fields.email(email))
        except fields.Wrong as wrong:
            raise invalid("/email", wrong.code, wrong.detail) from None

    async def begin(self, site: str, author: str, *, by: str, now: int) -> Erasure:
        """Takes an author's key, address and name away; their comments are still to be erased.

        Raises:
            NotFound: there is no such site.
            Unavailable: it may be asked for again.
        """
        token = random_id()
        await self._note(Line(site, author, token, now))
        erasure = await self._store.erasures.begin(site, author, by, token)
        metrics.ERASURES.labels("begun").inc()
        return erasure

    async def go_on(self, site: str, author: str, *, slices: int | None = None) -> Erasure | None:
        """Erases what is left, so many slices of comments at most; how the erasure stands then.

        Raises:
            Unavailable: the next call goes on.
        """
        erasures, idle = self._store.erasures, 0
        while slices is None or slices > 0:
            slices = None if slices is None else slices - 1
            ids = await erasures.next(site, author)
            done = await self._erased(site, ids)
            if not ids and await erasures.end(site, author):
                break
            idle = 0 if done or not ids else idle + 1
            if idle >= STUCK:
                log.get("erase").error("erasure_stuck", site=site, comments=len(ids))
                return await erasures.read(site, author)
        erasure = await erasures.read(site, author)
        if erasure is not None and erasure.status == "done":
            # The line may be missing where another machine was asked, or its disk was full.
            line = Line(site, author, erasure.token, erasure.asked_at)
            await self._note(line)
            metrics.ERASURES.labels("done").inc()
            log.get("erase").info("erased", site=site, comments=erasure.comments)
        return erasure

    async def _erased(self, site: str, ids: Sequence[str]) -> int:
        """Erases some comments; how many. One that changed meanwhile has its turn again."""
        if not ids:
            return 0
        now = await self._store.retained.now()
        found = await self._store.erasures.comments(site, ids)
        outcomes = await asyncio.gather(
            *(self._put(each, "erased", now) for each in found if each.status != "erased")
        )
        metrics.COMMENTS_ERASED.labels("person").inc(sum(outcomes))
        return sum(outcomes)

    async def take_out(self, site: str, ids: Sequence[str], rule: Retention, now: int) -> int:
        """Takes out of some comments what was kept long enough; of how many.

        Raises:
            Unavailable: the same comments may be given again.
        """
        found = await self._store.erasures.comments(site, ids)
        judged = [(each, _due(each, rule, now)) for each in found]
        texts = [each for each, what in judged if what == "text"]
        private = [each.comment.id for each, what in judged if what == "private"]
        outcomes = await asyncio.gather(*(self._put(each, each.status, now) for each in texts))
        gone = await self._store.retained.drop_private(site, private)
        metrics.COMMENTS_ERASED.labels("retention").inc(sum(outcomes))
        if rule.refused_days is not None:
            before = now - rule.refused_days * DAY_MS
            for author in {each.comment.author for each in texts if not each.comment.test}:
                await self._store.retained.drop_address(site, author, before)
        return sum(outcomes) + gone

    async def _put(self, found: Erasable, status: Status, now: int) -> bool:
        """Puts a tombstone in a comment's place; False where the comment changed meanwhile."""
        comment = tombstone(found.comment, erased=status == "erased")
        entry = Entry(
            version=found.version + 1,
            at=now,
            actor=ACTOR,
            action="erase",
            before=found.status,
            after=status,
        )
        replaced = tuple(codec.decode_comment(e.replaced) for e in found.history if e.replaced)
        texts = texts_of(found.comment, replaced)
        return await self._store.erasures.erase(
            found,
            Tombstone(
                comment=comment,
                status=status,
                entry=entry,
                answer=erased_answer(comment),
                labels=tuple(named(source, text) for text in texts for source in SOURCES),
            ),
        )

    async def _note(self, line: Line) -> None:
        """Puts a line into the file of erasures; that it cannot is told, and stops no erasure."""
        if not self._data_dir.is_dir():
            return  # a process that works on a Redis elsewhere
        try:
            await asyncio.to_thread(erasure_file.add, self._data_dir, line)
        except OSError as error:
            metrics.ERASURES_UNNOTED.inc()
            log.get("erase").error("erasure_not_noted", site=line.site, problem=str(error))


def _due(found: Erasable, rule: Retention, now: int) -> str:
    return due(
        found.comment,
        found.status,
        decided_at=found.decided_at,
        private=found.private,
        rule=rule,
        now=now,
    )


async def replay_erasures(store: Store, secrets: Secrets, data_dir: Path) -> int:
    """Erases again whom a restored backup brought back: for `winnow restore`, before it serves.

    Reads the file of erasures of `data_dir` (put it back beside the restored data, or leave it
    there: it must be the newest there is, not the backup's own). Each author in it whom the
    restored data do not know as erased that very time is erased in full. An author the data do know
    as erased is left alone: what they hold of them was written afterwards. No clock is asked. Run
    it again if it was interrupted. The append-only file is rewritten by the worker afterwards, or
    at once by `store.rewrites.rewrite(pause_s=0)`.

    Args:
        store: the restored data, open.
        secrets: the installation's.
        data_dir: the folder that holds `erasures.jsonl`.

    Returns:
        How many authors were erased.

    Raises:
        OSError: the file cannot be read.
        Unavailable: the store is away; start again.
    """
    lines = await asyncio.to_thread(erasure_file.read, data_dir)
    newest = {(line.site, line.author): line for line in lines}
    eraser, erased = Eraser(store, secrets, data_dir), 0
    for (site, author), line in newest.items():
        known = await store.erasures.read(site, author)
        if not await store.sites.exists(site) or (
            known is not None and known.token == line.token and known.status == "done"
        ):
            continue
        await store.erasures.begin(site, author, "restore", line.token)
        await eraser.go_on(site, author)
        erased += 1
    return erased
