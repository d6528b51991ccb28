"""The connection to Redis: concurrent calls of one event-loop turn share one round trip.

redis-py costs some 60 µs a call whatever the command, and `appendfsync always` one disk flush a
round trip; a `Wire` collects what all waiting requests want and sends it as one pipeline, so both
are paid once for all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, NamedTuple

from hiredis import pack_command
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    BusyLoadingError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import TimeoutError as TooSlow

from service.errors import Unavailable
from service.store.scripts import Scripts

DEADLINE_S = 2.0
"""How long one round trip may take before the caller is told 503."""
BATCH = 256
"""Commands in one round trip at most: bounds the time one batch holds the server."""
IN_FLIGHT = 4
"""Round trips under way at once; further calls wait and so make the next batch larger."""
MAX_WAITING = 10_000
"""Calls that may wait for a round trip; further ones are refused at once, so that an overload ends
in 503 and not in memory."""

_UNREACHABLE = (Unreachable, TooSlow, BusyLoadingError, OSError)
_REFUSED = (OutOfMemoryError, ReadOnlyError)


def connect(url: str, *, deadline_s: float | None = DEADLINE_S) -> Redis:
    """A client for `redis://`, `rediss://` or `unix://`; opens no connection yet.

    Never retries by itself: a lost reply to a write must not become a second write.
    """
    client = Redis.from_url(
        url,
        protocol=2,
        socket_timeout=deadline_s,
        socket_connect_timeout=DEADLINE_S,
        retry=Retry(NoBackoff(), 0),
        max_connections=64,
    )
    pool = client.connection_pool
    pool.connection_class = type("Packing", (_Packing, pool.connection_class), {})
    return client


class _Packing:
    """Packs pipelines in C: in Python, as redis-py does it, that costs more than all the rest."""

    def pack_commands(self, commands: Iterable[tuple[Any, ...]]) -> list[bytes]:
        # redis-py calls some commands by two words (`CONFIG GET`); the server takes them apart.
        return [b"".join(pack_command((*name.split(), *rest)) for name, *rest in commands)]


class _Call(NamedTuple):
    """One command on its way."""

    command: tuple[Any, ...]
    future: asyncio.Future[Any]
    since: float
    """When it was asked for, on the loop's clock."""
    again: bool
    """Whether it may be sent twice."""


class Wire:
    """Sends commands and scripts in shared pipelines.

    Where a connection breaks before the answers came, calls that are safe to send twice (reads, and
    scripts that know their own retry) are sent once more; the others' callers get `Unavailable`, as
    do those who waited longer than `DEADLINE_S`.
    """

    def __init__(self, client: Redis, scripts: Scripts) -> None:
        self.client = client
        self.scripts = scripts
        self._waiting: list[_Call] = []
        self._flushes: set[asyncio.Task[None]] = set()
        self._scheduled = False

    def execute(self, *command: Any, again: bool = True) -> asyncio.Future[Any]:
        """The future answer to one command; it joins the next batch.

        Args:
            command: its words.
            again: False where sending it twice would do something twice.

        Raises (from the future):
            Unavailable: Redis cannot be reached, is loading, or has no memory left.
            redis.ResponseError: the command itself is wrong.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        if len(self._waiting) >= MAX_WAITING:
            future.set_exception(Unavailable("Too much is waiting for the store; try again."))
            return future
        self._waiting.append(_Call(command, future, loop.time(), again))
        self._schedule(loop)
        return future

    def script(
        self, name: str, keys: list[str], args: list[Any], *, again: bool = True
    ) -> asyncio.Future[Any]:
        """The future answer to one Lua script; `again` as in `execute`."""
        sha = self.scripts.sha(name)
        return self.execute("EVALSHA", sha, len(keys), *keys, *args, again=again)

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._waiting and not self._scheduled and len(self._flushes) < IN_FLIGHT:
            self._scheduled = True
            loop.call_soon(self._flush)

    def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        self._scheduled = False
        batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
        late = loop.time() - DEADLINE_S
        _fail([call for call in batch if call.since < late], TooSlow())
        batch = [call for call in batch if not call.future.done()]
        if batch:
            task = loop.create_task(self._send(batch))
            self._flushes.add(task)
            task.add_done_callback(self._sent)
        self._schedule(loop)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._flushes.discard(task)
        self._schedule(asyncio.get_running_loop())

    async def _send(self, batch: list[_Call]) -> None:
        started = asyncio.get_running_loop().time()
        try:
            answers = await self._round_trip([call.command for call in batch])
        except (Unreachable, OSError) as error:
            took_s = asyncio.get_running_loop().time() - started
            _fail([call for call in batch if not call.again or took_s >= DEADLINE_S], error)
            batch = [call for call in batch if not call.future.done()]
            await self._send_again(batch)
            return
        except BaseException as error:
            _fail(batch, error)
            if not isinstance(error, Exception):
                raise
            return
        _settle(batch, answers)

    async def _send_again(self, batch: list[_Call]) -> None:
        try:
            _settle(batch, await self._round_trip([call.command for call in batch]))
        except BaseException as error:
            _fail(batch, error)
            if not isinstance(error, Exception):
                raise

    async def _round_trip(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        if not commands:
            return []
        answers = await self._pipeline(commands)
        missing = [i for i, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if missing:
            await self.scripts.load(self.client)
            again = await self._pipeline([commands[i] for i in missing])
            for i, answer in zip(missing, again, strict=True):
                answers[i] = answer
        return answers

    async def _pipeline(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        pipe = self.client.pipeline(transaction=False)
        for command in commands:
            pipe.execute_command(*command)
        answers: list[Any] = await pipe.execute(raise_on_error=False)
        return answers

    async def close(self) -> None:
        """Waits for what is under way, then closes the connections."""
        while self._flushes:
            await asyncio.gather(*self._flushes, return_exceptions=True)
        await self.client.aclose()


def _fail(batch: list[_Call], error: BaseException) -> None:
    """Tells the callers of a batch why there is no answer."""
    for call in batch:
        if not call.future.done():
            call.future.set_exception(_public(error))


def _settle(batch: list[_Call], answers: list[Any]) -> None:
    """Gives each caller of a batch its answer."""
    for call, answer in zip(batch, answers, strict=True):
        if call.future.done():
            continue
        if isinstance(answer, Exception):
            call.future.set_exception(_public(answer))
        else:
            call.future.set_result(answer)


def _public(error: BaseException) -> BaseException:
    """What a caller is told about a failure of the server."""
    if isinstance(error, _UNREACHABLE):
        return Unavailable("The store cannot be reached; nothing was lost, try again.")
    if isinstance(error, _REFUSED) or (
        isinstance(error, ResponseError) and str(error).startswith(("OOM", "MISCONF", "READONLY"))
    ):
        return Unavailable("The store is full or read-only; try again later.", retry_after_s=5)
    if isinstance(error, asyncio.CancelledError):
        return Unavailable("The service is stopping.")
    return error


__all__ = ["DEADLINE_S", "RedisError", "Wire", "connect"]
