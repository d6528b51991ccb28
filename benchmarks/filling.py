"""Data folders filled with comments: some real ones through the whole intake, then their clones.

The first comments are validated, scored by the shipped model, decided and stored as any website's
are. Scoring a million texts would take longer than everything that is to be measured on them, so
the rest are clones of what was stored then, under ids, authors, pages, dates and fingerprints of
their own, written by the store's own `submit`: every key, index and event is what a submission
leaves.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import bodies
import msgspec
import redis

from service.bootstrap import with_secret
from service.errors import Unavailable
from service.ids import Secrets, new_id
from service.pipeline import fields, validate
from service.pipeline.score import Scorer
from service.records import Comment, Policy, Private, Site, Status, Submission, Verdict
from service.services import Services
from service.settings import Settings
from service.store import embedded
from service.store.places import score_of

SITE = "growth"
SEEDS = 2_000
"""Real submissions at most."""
BODY = 350
"""Characters of a body, on average."""
SHARES: dict[Status, float] = {"pending": 0.8, "approved": 0.13, "spam": 0.07}
AN_AUTHOR, A_PAGE = 5, 50
"""Comments of one author and on one page, on average; the square of an even chance makes some of
them busy and most of them quiet."""
SPAN_MS = 30 * 86_400_000
"""How long ago the first was written."""
AT_ONCE = 512
KEPT = 4_000
"""Pending comments remembered for being asked for."""


class Place(NamedTuple):
    """A pending comment and where it stands."""

    score: int
    at: int
    id: str


@dataclass
class Filled:
    """A site with its comments, and what it took to write them."""

    comments: int
    number: int
    """The site's."""
    empty_bytes: int
    """The server's memory before the first comment."""
    used_bytes: int
    body_mean: float
    """Characters."""
    submitted: int = 0
    """How many of them went through the intake; the rest are clones, which the next are about."""
    seconds: float = 0.0
    client_s: float = 0.0
    server_s: float = 0.0
    again: int = 0
    """Writes sent once more because the store was late."""
    places: list[Place] = field(default_factory=list)


class Seed(NamedTuple):
    """A real comment as it was stored."""

    comment: Comment
    private: Private
    status: Status


class Home:
    """A data folder with an embedded server, started as `winnow serve` starts it."""

    def __init__(self, folder: Path, scorer: Scorer) -> None:
        self.settings = with_secret(Settings(data_dir=folder, rate_limits=False))
        self.scorer = scorer
        self._server: embedded.EmbeddedServer | None = None

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self.settings.data_dir

    def start(self) -> float:
        """Starts the server; seconds until it has loaded its data."""
        began = time.monotonic()
        self._server = embedded.start(self.settings)
        self._server.wait_ready()
        return time.monotonic() - began

    def stop(self, *, kill: bool = False) -> None:
        """Ends the server, with `kill` as a crash would."""
        if self._server is None:
            return
        if kill:
            os.kill(self._server.pid, signal.SIGKILL)
        self._server.stop()
        self._server = None

    @contextlib.asynccontextmanager
    async def services(self) -> AsyncIterator[Services]:
        """The parts of one process, connected to the server."""
        if self._server is None:
            raise RuntimeError("the server is not running")
        parts = Services(
            self.settings, self._server.url, Secrets(self.settings.secret_bytes), self.scorer
        )
        await parts.store.open()
        try:
            yield parts
        finally:
            await parts.store.close()

    @contextlib.contextmanager
    def operator(self) -> Iterator[Any]:
        """A client that may ask the server everything."""
        if self._server is None:
            raise RuntimeError("the server is not running")
        client = redis.Redis.from_url(self._server.admin_url, socket_timeout=120)
        try:
            yield client
        finally:
            client.close()


def server_s(info: dict[str, Any]) -> float:
    """CPU seconds of a server, by its own `INFO cpu`."""
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


async def info(parts: Services, section: str) -> dict[str, Any]:
    """What the server says of itself."""
    return dict((await parts.store.wire.everywhere("INFO", section))[0])


async def fill(home: Home, data: Path | None, comments: int) -> Filled:
    """Makes the site and writes so many comments into it."""
    async with home.services() as parts:
        site = await parts.store.sites.create(Site(id=SITE, number=0), Policy())
        texts = near(bodies.texts(data, 3 * SEEDS), min(SEEDS, comments // 2))
        empty = (await info(parts, "memory"))["used_memory"]
        filled = Filled(comments, site.number, empty, empty, 0.0)
        if texts:
            filled.body_mean = round(sum(map(len, texts)) / len(texts), 1)
            await _write(parts, texts, filled)
            filled.used_bytes = await _settled(parts)
        return filled


def near(texts: list[str], count: int) -> list[str]:
    """`count` of the texts, in their order, with a mean length of some 350 characters."""
    found: list[str] = []
    total = 0
    for text in filter(_taken, texts):
        if len(found) == count:
            break
        # Where the mean is too high so far, a shorter one; else a longer one.
        if not found or (len(text) <= BODY) == (total > BODY * len(found)):
            found.append(text)
            total += len(text)
    return found


def _taken(text: str) -> bool:
    """Whether the service takes a text; a few of the real ones hold control characters."""
    try:
        fields.body(text, 10_000)
    except fields.Wrong:
        return False
    return True


async def _write(parts: Services, texts: list[str], filled: Filled) -> None:
    chance = _Chance(filled.comments, parts.now() - SPAN_MS)
    seeds = await _submitted(parts, texts, chance)
    filled.submitted = len(seeds)
    every = max(1, filled.comments // KEPT)
    _remember([(s.comment, s.status) for s in seeds[::every]], filled)
    work = _clones(parts, seeds, filled, chance)
    keys: dict[str, bytes | None] = {}
    began, cpu_s = time.monotonic(), time.process_time()
    before = server_s(await info(parts, "cpu"))

    async def one(clone: tuple[Seed, str]) -> None:
        seed, email = clone
        author = seed.comment.author
        await _put(parts, seed, email, filled, keys.get(author))
        if author not in keys:
            keys[author] = await parts.store.author_keys.read(SITE, author)

    await at_once(work, one, AT_ONCE)
    filled.seconds = time.monotonic() - began
    filled.client_s = time.process_time() - cpu_s
    filled.server_s = server_s(await info(parts, "cpu")) - before


class _Chance:
    """Who writes where, and when: the same shape for every size."""

    def __init__(self, comments: int, first_at: int) -> None:
        self.dice = random.Random(5)
        self._authors, self._pages = comments // AN_AUTHOR + 1, comments // A_PAGE + 1
        self._first_at, self._step = first_at, SPAN_MS / comments

    def person(self) -> int:
        """An author's number."""
        return int(self._authors * self.dice.random() ** 2)

    def page(self) -> str:
        """A page's address."""
        number = int(self._pages * self.dice.random() ** 2)
        return f"https://news.example/articles/{number}"

    def at(self, number: int) -> int:
        """When the comment of this number was written, ms."""
        return self._first_at + int(number * self._step)


def _address(person: int) -> str:
    return f"reader{person}@example.org"


async def _submitted(parts: Services, texts: list[str], chance: _Chance) -> list[Seed]:
    """What the intake makes of the texts."""
    seeds: list[Seed] = []

    async def one(item: tuple[int, str]) -> None:
        number, text = item
        person, now = chance.person(), chance.at(number)
        whose = {"name": f"Reader {person}", "email": _address(person), "page": chance.page()}
        row = bodies.submission(number, text, SITE) | whose
        draft = validate.check(
            msgspec.convert(row, Submission), body_max=10_000, publishable=False, now=now
        )
        accepted = await parts.intake.submit(draft, SITE, idempotency=None, now=now)
        stored = await parts.store.comments.read(SITE, accepted.id)
        if stored is None:
            raise RuntimeError("a comment was accepted and is not there")
        private = await parts.store.comments.private(stored.comment)
        seeds.append(Seed(stored.comment, private, stored.status))

    await at_once(enumerate(texts), one, 64)
    return seeds


def _clones(
    parts: Services, seeds: list[Seed], filled: Filled, chance: _Chance
) -> Iterator[tuple[Seed, str]]:
    """The comments that are still missing, each with its author's address."""
    dice = chance.dice
    waiting = [seed for seed in seeds if seed.status == "pending"]
    spam = [seed for seed in seeds if seed.status == "spam"] or waiting
    statuses, weights = list(SHARES), list(SHARES.values())
    every = max(1, filled.comments // KEPT)
    for number in range(len(seeds), filled.comments):
        status = dice.choices(statuses, weights)[0]
        seed = dice.choice(spam if status == "spam" else waiting)
        person, at = chance.person(), chance.at(number)
        comment = msgspec.structs.replace(
            seed.comment,
            id=new_id(at, filled.number),
            author=parts.secrets.author_id(SITE, _address(person)),
            name=f"Reader {person}",
            page=chance.page(),
            created_at=at,
            submitted_at=at,
            fingerprint=f"{dice.getrandbits(64):016x}",
            verdict=_verdict(seed.comment.verdict, status),
        )
        if number % every == 0:
            _remember([(comment, status)], filled)
        yield Seed(comment, seed.private, status), _address(person)


def _verdict(verdict: Verdict, status: Status) -> Verdict:
    """An approved comment has nothing against it."""
    if status != "approved":
        return verdict
    return msgspec.structs.replace(verdict, outcome="approve", reasons=())


def _remember(comments: list[tuple[Comment, Status]], filled: Filled) -> None:
    filled.places += [
        Place(score_of(comment, status), comment.submitted_at, comment.id)
        for comment, status in comments
        if status == "pending"
    ]


async def _put(parts: Services, seed: Seed, email: str, filled: Filled, key: bytes | None) -> None:
    """Stores a clone; late answers are no reason to give up, its id is the same again."""
    version = (await parts.rules.get(SITE)).version
    while True:
        try:
            await parts.store.comments.submit(
                seed.comment,
                seed.status,
                email=email,
                private=seed.private,
                page_title=seed.comment.page_title,
                config_version=version,
                text_window_s=86_400,
                idempotency=None,
                answer=b"",
                now=seed.comment.submitted_at,
                key=key,
            )
        except Unavailable:
            filled.again += 1
            await asyncio.sleep(0.5)
        else:
            return


async def _settled(parts: Services) -> int:
    """The server's memory once no rewrite of its file is under way any more."""
    while (await info(parts, "persistence"))["aof_rewrite_in_progress"]:  # noqa: ASYNC110
        await asyncio.sleep(0.5)
    return int((await info(parts, "memory"))["used_memory"])


async def at_once(
    items: Iterable[Any], one: Callable[[Any], Coroutine[Any, Any, None]], most: int
) -> None:
    """Does one thing to every item, so many at once."""
    left = iter(items)

    async def worker() -> None:
        for item in left:
            await one(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(most):
            group.create_task(worker())
