"""A lane to one server: the calls of one event-loop turn go to it in one pipeline.

Whoever waits is answered from one round trip; where writes must be confirmed, one WAIT serves all
of them. A lane knows one server and no other: what belongs elsewhere it hands back (`Astray`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import (
    AskError,
    BusyLoadingError,
    ClusterDownError,
    MovedError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import TimeoutError as TooSlow

from service import metrics
from service.errors import Unavailable
from service.store.breaker import PROBE_S, Breaker
from service.store.confirming import Confirmation
from service.store.links import Links
from service.store.routing import key_of, tag_of
from service.store.scripts import Scripts

DEADLINE_S: Final = 2.0
"""How long one round trip may take before the caller is told 503."""
BATCH: Final = 256
"""Commands in one round trip at most: bounds the time one batch holds the server."""
IN_FLIGHT: Final = 4
"""Round trips under way at once; further calls wait and so make the next batch larger."""
MAX_WAITING: Final = 10_000
"""Calls that may wait for a round trip; further ones are refused at once, so that an overload ends
in 503 and not in memory."""

ELSEWHERE: Final = (MovedError, AskError, TryAgainError, ClusterDownError)
"""A Cluster's answers that mean: not carried out here, or not now."""
_UNREACHABLE: Final = (Unreachable, TooSlow, BusyLoadingError, OSError)
_REFUSED: Final = (OutOfMemoryError, ReadOnlyError)


class Call:
    """One command on its way."""

    __slots__ = ("acknowledges", "again", "asking", "command", "future", "near", "since", "tries")

    def __init__(
        self, command: tuple[Any, ...], future: asyncio.Future[Any], since: float, *, again: bool
    ) -> None:
        self.command = command
        self.future = future
        self.since = since
        """When it was asked for, on the loop's clock."""
        self.again = again
        """Whether it may be sent twice."""
        self.acknowledges = False
        """Whether its answer must be confirmed although it only reads."""
        self.near = ""
        """A key whose server it goes to, where it has none of its own."""
        self.asking = False
        """Whether it goes to the server that is just taking its slot over."""
        self.tries = 0
        """How often it was sent elsewhere."""


Astray = Callable[[list[tuple[Call, Exception]]], None]
"""Takes calls that another server must carry out, each with what this one said."""
Tags = Callable[[], str | None]
"""A hash tag, another one each time, of a slot this server has; None where it has none."""


class Lane:
    """Calls waiting for one server, and the round trips under way to it."""

    def __init__(
        self,
        client: Redis,
        scripts: Scripts,
        *,
        confirmation: Confirmation | None = None,
        astray: Astray | None = None,
        tags: Tags = lambda: "0",
    ) -> None:
        self.client = client
        self.breaker = Breaker(self._probe)
        self._links = Links(client)
        self._scripts = scripts
        self._confirmation = confirmation
        self._astray = astray
        self._tags = tags
        self._tag: str | None = None
        self._waiting: list[Call] = []
        self._flushes: set[asyncio.Task[None]] = set()
        self._scheduled = False

    @property
    def busy(self) -> bool:
        """Whether calls wait or are under way."""
        return bool(self._waiting or self._flushes)

    def put(self, call: Call) -> None:
        """Lets a call join the next batch; its future fails at once where that is hopeless."""
        if self.breaker.open:
            call.future.set_exception(_too_slow())
        elif len(self._waiting) >= MAX_WAITING:
            call.future.set_exception(Unavailable("Too much is waiting for the store; try again."))
        else:
            self._waiting.append(call)
            self._schedule()

    def _schedule(self) -> None:
        if self._waiting and not self._scheduled and len(self._flushes) < IN_FLIGHT:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        self._scheduled = False
        batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
        late = loop.time() - DEADLINE_S
        fail([call for call in batch if call.since < late], TooSlow())
        batch = [call for call in batch if not call.future.done()]
        if batch:
            task = loop.create_task(self._send(batch))
            self._flushes.add(task)
            task.add_done_callback(self._sent)
        self._schedule()

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._flushes.discard(task)
        self._schedule()

    async def _send(self, batch: list[Call], *, last: bool = False) -> None:
        started = asyncio.get_running_loop().time()
        try:
            answers = await self._round_trip(batch)
        except (Unreachable, OSError) as error:
            took_s = asyncio.get_running_loop().time() - started
            fail([c for c in batch if last or not c.again or took_s >= DEADLINE_S], error)
            batch = [call for call in batch if not call.future.done()]
            if self._astray is not None:
                self._astray([(call, error) for call in batch])
            elif batch:
                await self._send(batch, last=True)
        except BaseException as error:
            fail(batch, error)
            if isinstance(error, TooSlow):
                await self._missed("hung")
            elif not isinstance(error, Exception):
                raise
        else:
            self._settle(batch, answers)

    def _settle(self, batch: list[Call], answers: list[Any]) -> None:
        elsewhere: list[tuple[Call, Exception]] = []
        for call, answer in zip(batch, answers, strict=True):
            if self._astray is not None and isinstance(answer, ELSEWHERE):
                elsewhere.append((call, answer))
            elif not call.future.done():
                settle(call, answer)
        if elsewhere and self._astray is not None:
            self._astray(elsewhere)

    async def _round_trip(self, batch: list[Call]) -> list[Any]:
        answers = await self._confirmed(batch)
        missing = [i for i, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if missing:
            await self._scripts.load(self.client)
            again = await self._confirmed([batch[i] for i in missing])
            for i, answer in zip(missing, again, strict=True):
                answers[i] = answer
        return answers

    async def _confirmed(self, batch: list[Call]) -> list[Any]:
        """The answers to a batch; those of writes that nobody confirmed are `Unavailable`."""
        commands = [word for call in batch for word in _sent_as(call)]
        ending = self._ending(batch[-1])
        said = await self._links.ask([*commands, *ending])
        answers = _without_asking(said[: len(commands)], batch)
        if not ending:
            self.breaker.answered()
            return answers
        done = [i for i, answer in enumerate(answers) if not isinstance(answer, Exception)]
        if done and not await self._met(said[len(commands) :], batch[done[-1]]):
            metrics.STORE_UNCONFIRMED.inc(len(done))
            for i in done:
                answers[i] = unconfirmed()
            await self._missed("unconfirmed")
        return answers

    def _ending(self, last: Call) -> list[tuple[Any, ...]]:
        """What confirms a batch; on a server that has no slot yet, beside one of its calls."""
        if self._confirmation is None or not self._confirmation.needed:
            return []
        self._tag = self._tag or self._tags()
        if self._tag is not None:
            return self._confirmation.commands(self._tag)
        asking = [("ASKING",)] if last.asking else []
        return [*asking, *self._confirmation.commands(tag_of(key_of(last.command) or ""))]

    async def _met(self, said: list[Any], done: Call) -> bool:
        """Whether a batch is confirmed; asked once more where the slot of our own key has moved."""
        if self._confirmation is None:
            return True
        answers = self._without_first(said)
        if not self._confirmation.touched(answers):
            self._tag = None
            answers = self._without_first(await self._links.ask(self._ending(done)))
        met = self._confirmation.touched(answers) and self._confirmation.met(answers)
        if met:
            self.breaker.answered()
        return met

    def _without_first(self, said: list[Any]) -> list[Any]:
        """The answers to the confirmation alone, without the one to ASKING."""
        return said[-self._confirmation.length :] if self._confirmation else said

    async def _missed(self, why: str) -> None:
        """After a round trip that took too long, or that nobody confirmed."""
        # Idle connections to a server that hangs would cost the next callers a deadline each.
        if why == "hung":
            await self._links.disconnect()
        if self.breaker.missed(why):
            waiting, self._waiting = self._waiting, []
            fail(waiting, TooSlow())
        if self._astray is not None:
            self._astray([])

    async def _probe(self) -> bool:
        """Whether the server does again what a batch asks of it."""
        if self._astray is not None:
            self._astray([])
        if self._confirmation is None or not self._confirmation.needed:
            await self._links.ask([("PING",)])
            return True
        self._tag = self._tags()
        if self._tag is None:
            return True  # nothing is this server's business any more
        answers = await self._links.ask(self._confirmation.commands(self._tag))
        return self._confirmation.touched(answers) and self._confirmation.met(answers)

    async def close(self) -> None:
        """Waits for what is under way."""
        while self._flushes:
            await asyncio.gather(*self._flushes, return_exceptions=True)
        await self.breaker.close()
        await self._links.disconnect()


def _sent_as(call: Call) -> list[tuple[Any, ...]]:
    return [("ASKING",), call.command] if call.asking else [call.command]


def _without_asking(answers: list[Any], batch: list[Call]) -> list[Any]:
    """The answers to the calls alone, where some had ASKING before them."""
    rest = iter(answers)
    kept = []
    for call in batch:
        if call.asking:
            next(rest)
        kept.append(next(rest))
    return kept


def fail(calls: Sequence[Call], error: BaseException) -> None:
    """Tells the callers why there is no answer."""
    for call in calls:
        if not call.future.done():
            call.future.set_exception(public(error))


def settle(call: Call, answer: Any) -> None:
    """Gives a caller its answer."""
    if isinstance(answer, Exception):
        call.future.set_exception(public(answer))
    else:
        call.future.set_result(answer)


def public(error: BaseException) -> BaseException:
    """What a caller is told about a failure of the server."""
    if isinstance(error, _UNREACHABLE):
        return Unavailable("The store cannot be reached; nothing was lost, try again.")
    if isinstance(error, ELSEWHERE):
        return Unavailable("The store's cluster is being rearranged; nothing was lost, try again.")
    if isinstance(error, _REFUSED) or (
        isinstance(error, ResponseError)
        and str(error).startswith(("OOM", "MISCONF", "READONLY", "NOREPLICAS"))
    ):
        return Unavailable("The store is full or read-only; try again later.", retry_after_s=5)
    if isinstance(error, asyncio.CancelledError):
        return Unavailable("The service is stopping.")
    return error


def unconfirmed() -> Unavailable:
    """What the caller of a write is told that only one server has."""
    return Unavailable(
        "It is stored, but nothing has confirmed yet that it outlives a failure; send it again "
        "with the same key."
    )


def _too_slow() -> Unavailable:
    return Unavailable(
        "The store does not answer in time; nothing was written, try again.",
        retry_after_s=max(1, round(PROBE_S)),
    )
