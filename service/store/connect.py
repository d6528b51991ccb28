"""The connection to Redis: concurrent calls of one event-loop turn share one round trip.

redis-py costs some 60 µs a call whatever the command, and `appendfsync always` one disk flush a
round trip; a `Wire` collects what all waiting requests want and sends it as one pipeline, so both
are paid once for all of them.
"""

from __future__ import annotations

import asyncio
from typing import Any

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

_UNREACHABLE = (Unreachable, TooSlow, BusyLoadingError, OSError)
_REFUSED = (OutOfMemoryError, ReadOnlyError)


def connect(url: str, *, deadline_s: float | None = DEADLINE_S) -> Redis:
    """A client for `redis://`, `rediss://` or `unix://`; opens no connection yet.

    Never retries by itself: a lost reply to a write must not become a second write.
    """
    return Redis.from_url(
        url,
        protocol=2,
        socket_timeout=deadline_s,
        socket_connect_timeout=DEADLINE_S,
        retry=Retry(NoBackoff(), 0),
        max_connections=64,
    )


class Wire:
    """Sends commands and scripts in shared pipelines.

    Every call is safe to send twice (reads, or scripts that know their own retry), so a batch whose
    connection broke is sent once more before its callers get `Unavailable`.
    """

    def __init__(self, client: Redis, scripts: Scripts) -> None:
        self.client = client
        self.scripts = scripts
        self._waiting: list[tuple[tuple[Any, ...], asyncio.Future[Any]]] = []
        self._flushes: set[asyncio.Task[None]] = set()
        self._scheduled = False

    def execute(self, *command: Any) -> asyncio.Future[Any]:
        """The future answer to one command; it joins the next batch.

        Raises (from the future):
            Unavailable: Redis cannot be reached, is loading, or has no memory left.
            redis.ResponseError: the command itself is wrong.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._waiting.append((command, future))
        if not self._scheduled and len(self._flushes) < IN_FLIGHT:
            self._scheduled = True
            loop.call_soon(self._flush)
        return future

    def script(self, name: str, keys: list[str], args: list[Any]) -> asyncio.Future[Any]:
        """The future answer to one Lua script."""
        return self.execute("EVALSHA", self.scripts.sha(name), len(keys), *keys, *args)

    def _flush(self) -> None:
        self._scheduled = False
        batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
        if batch:
            task = asyncio.get_running_loop().create_task(self._send(batch))
            self._flushes.add(task)
            task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._flushes.discard(task)
        if self._waiting and not self._scheduled:
            self._flush()

    async def _send(self, batch: list[tuple[tuple[Any, ...], asyncio.Future[Any]]]) -> None:
        commands = [command for command, _ in batch]
        try:
            answers = await self._round_trip(commands)
        except BaseException as error:
            failure = _public(error)
            for _, future in batch:
                if not future.done():
                    future.set_exception(failure)
            if not isinstance(error, Exception):
                raise
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if future.done():
                continue
            if isinstance(answer, Exception):
                future.set_exception(_public(answer))
            else:
                future.set_result(answer)

    async def _round_trip(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        try:
            answers = await self._pipeline(commands)
        except (Unreachable, OSError):
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
