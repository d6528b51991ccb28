"""Links: a lane's connections, each of which carries one batch at a time and is kept for the next.

redis-py opens them (name and password, TLS, whom the Sentinels call master) and counts them in its
pool. While a lane holds one, bytes are written and answers read here: the library's way from batch
to batch (checking out and in, a timer, a coroutine for each answer) costs a lone comment more than
everything else between it and the store, and a busy process an eighth of its client's time
(benchmarks/wire.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import perf_counter
from typing import Any, Final, cast

from hiredis import Reader, pack_command
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import InvalidResponse, ReadOnlyError
from redis.exceptions import TimeoutError as TooSlow

from service import metrics

Command = tuple[Any, ...]
_MORE: Final = object()
"""What the reader says while an answer is not whole."""
_WAITING: Final = ("WAIT", "WAITAOF")


class Links:
    """The connections that are held to one server."""

    def __init__(self, client: Redis) -> None:
        self._shaped = client.response_callbacks
        self._pool = cast(Any, client.connection_pool)
        self._behind_sentinels = hasattr(self._pool, "master_address")
        self._idle: list[Link] = []

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """The answers to commands sent at once, errors among them.

        Raises:
            redis.TimeoutError: not everything was answered in time; the connection is closed.
            redis.ConnectionError: it broke, or could not be made.
        """
        began = perf_counter()
        try:
            link = await self._free()
            try:
                answers = await link.ask(commands)
                self._check(link)
            except BaseException:
                await self._retire(link)
                raise
        except BaseException:
            metrics.STORE_FAILURES.inc()
            raise
        self._idle.append(link)
        metrics.STORE_SECONDS.observe(perf_counter() - began)
        metrics.STORE_COMMANDS.inc(len(commands))
        shaped = self._shaped
        return [
            shaped[name](answer) if name in shaped and not isinstance(answer, Exception) else answer
            for (name, *_), answer in zip(commands, answers, strict=True)
        ]

    async def _free(self) -> Link:
        while self._idle:
            link = self._idle.pop()
            if link.alive and self._leads(link):
                return link
            await self._retire(link)
        return Link(await self._pool.get_connection(), behind_sentinels=self._behind_sentinels)

    def _leads(self, link: Link) -> bool:
        """Whether its server is the master, as far as the pool has heard from the Sentinels."""
        return not self._behind_sentinels or link.address == self._pool.master_address

    def _check(self, link: Link) -> None:
        """Refuses what a server says that lost its place while it hung: it knows nothing since."""
        if not self._leads(link):
            raise Unreachable("another server became the master meanwhile")

    async def _retire(self, link: Link) -> None:
        """Gives a connection back, closed: the pool opens it anew for whoever needs one next."""
        link.close()
        await link.connection.disconnect(nowait=True)
        await self._pool.release(link.connection)

    async def disconnect(self) -> None:
        """Closes what carries nothing: to a server that hangs, it would cost a deadline each."""
        while self._idle:
            await self._retire(self._idle.pop())
        await self._pool.disconnect(inuse_connections=False)


class Link(asyncio.Protocol):
    """One connection; takes its transport over from redis-py's streams until it is closed."""

    def __init__(self, connection: Any, *, behind_sentinels: bool) -> None:
        self.connection = connection
        self.address = (connection.host, connection.port) if behind_sentinels else None
        self._deadline_s: float | None = connection.socket_timeout
        # Behind Sentinels, a master that refuses writes has been replaced by another.
        self._demoted = ReadOnlyError if behind_sentinels else ()
        self._reader = Reader(
            protocolError=InvalidResponse,
            replyError=connection._parser.parse_error,
            notEnoughData=_MORE,
        )
        self._transport = connection._writer.transport
        self._streams = self._transport.get_protocol()
        self._transport.set_protocol(self)
        self._answers: list[Any] = []
        self._wanted = 0
        self._waiter: asyncio.Future[list[Any]] | None = None

    @property
    def alive(self) -> bool:
        """Whether it can carry a batch."""
        return not self._transport.is_closing()

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """What the server says to each command, as it says it; see `Links.ask`."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[list[Any]] = loop.create_future()
        self._waiter, self._wanted = waiter, len(commands)
        timer = None
        if self._deadline_s is not None:
            # Waiting for replicas is no hanging: the server says itself how long that may take.
            waits_ms = sum(words[-1] for words in commands[-2:] if words[0] in _WAITING)
            timer = loop.call_later(self._deadline_s + waits_ms / 1000, self._late)
        try:
            self._write(b"".join(map(packed, commands)))
            answers = await waiter
        finally:
            self._waiter, self._answers = None, []
            if timer is not None:
                timer.cancel()
        for answer in answers:
            if isinstance(answer, Unreachable):  # it is loading, or lets nobody in
                raise answer
            if isinstance(answer, self._demoted):
                raise Unreachable("this server is the master no more")
        return answers

    def _write(self, data: bytes) -> None:
        try:
            self._transport.write(data)
        except RuntimeError as error:  # uvloop's word for a transport that was reset
            raise Unreachable(str(error)) from error

    def data_received(self, data: bytes) -> None:
        """Answers, or parts of some."""
        if self._waiter is None:
            self.close()  # said without having been asked: nobody could tell what it belongs to
            return
        self._reader.feed(data)
        try:
            while len(self._answers) < self._wanted:
                answer = self._reader.gets()
                if answer is _MORE:
                    return
                self._answers.append(answer)
        except InvalidResponse as error:
            self._fail(Unreachable(f"the store's answer cannot be read: {error}"))
            return
        if self._reader.has_data():
            self.close()  # more than was asked for, as above
        if not self._waiter.done():
            self._waiter.set_result(self._answers)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed, by whomever."""
        self._streams.connection_lost(exc)
        self._fail(Unreachable(f"the store closed the connection{f': {exc}' if exc else ''}"))

    def _late(self) -> None:
        self._fail(TooSlow(f"no answer within {self._deadline_s:g} s"))

    def _fail(self, error: Exception) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)

    def close(self) -> None:
        """Closes it at once."""
        self._transport.abort()


def packed(command: Command) -> bytes:
    """One command's bytes; redis-py calls some by two words (`CONFIG GET`), of which the server
    knows the first."""
    name = command[0]
    made: bytes = pack_command((*name.split(), *command[1:]) if " " in name else command)
    return made
