"""The connection to the store: concurrent calls of one event-loop turn share one round trip.

redis-py costs some 60 µs a call whatever the command, and `appendfsync always` one disk flush a
round trip; a `Wire` collects what all waiting requests want and sends it as one pipeline, so both
are paid once for all of them. Which server a call goes to, and who must confirm a write, is the
topology's to know.
"""

from __future__ import annotations

import asyncio
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from service import tracing
from service.errors import Unavailable
from service.redis_url import parse
from service.store import epochs
from service.store.cluster import Cluster
from service.store.confirming import Confirmation
from service.store.lanes import BATCH, DEADLINE_S, IN_FLIGHT, MAX_WAITING, Call
from service.store.scripts import Scripts
from service.store.topology import OneMaster, Topology, connect


def topology(
    url: str, scripts: Scripts, *, replicas: int | None = None, weaker: bool = False
) -> Topology:
    """The topology behind a URL; opens no connection yet.

    Args:
        url: as `redis_url` describes.
        scripts: what is sent to every server.
        replicas: how many must have a write before its caller hears of it; by default 1 where
            there are some (Sentinel, Cluster), else 0.
        weaker: no disk is asked, only memory.

    Raises:
        ValueError: it is no such URL.
    """
    at = parse(url)
    wanted = (0 if at.kind == "single" else 1) if replicas is None else replicas
    # A server on this machine flushes before it answers: it is ours, or as good as ours.
    confirmation = Confirmation(wanted, disk=not (weaker or url.startswith("unix:")))
    if at.kind == "cluster":
        return Cluster(at, scripts, confirmation)
    return OneMaster(
        lambda deadline_s: connect(url, deadline_s=deadline_s),
        scripts,
        confirmation,
        replicated=at.kind == "sentinel",
    )


NOT_OURS = "The store does not hold this installation's data; its operator must restore them first."
"""What callers are told then; /readyz and the log say more."""


class Wire:
    """Sends commands and scripts in shared pipelines.

    Where a connection breaks before the answers came, calls that are safe to send twice (reads, and
    scripts that know their own retry) are sent once more; the others' callers get `Unavailable`, as
    do those who waited longer than `DEADLINE_S`.
    """

    def __init__(self, servers: Redis | Topology, scripts: Scripts) -> None:
        self.scripts = scripts
        if isinstance(servers, Redis):
            client = servers
            servers = OneMaster(lambda _: client, scripts, Confirmation(0, disk=False))
        self.topology = servers
        self.refusing = ""
        """Why nothing may be asked of this store (`identity`); '' while it holds our data."""

    @property
    def client(self) -> Any:
        """redis-py's client, for what needs no batches."""
        return self.topology.client

    @property
    def confirms(self) -> bool:
        """Whether an answer waits until more than one server has what it tells of."""
        return self.topology.confirmation.needed

    async def open(self) -> None:
        """Finds the servers, sends them the scripts and learns how they confirm a write.

        Raises:
            Unavailable, redis.RedisError, OSError: nothing answers; what was to be done is done
                when needed.
        """
        await self.topology.open()

    def execute(
        self, *command: Any, again: bool = True, acknowledges: bool = False, near: str = ""
    ) -> asyncio.Future[Any]:
        """The future answer to one command; it joins the next batch.

        Args:
            command: its words.
            again: False where sending it twice would do something twice.
            acknowledges: True for a read whose answer tells somebody that an earlier write is safe;
                it is confirmed like a write.
            near: for a command without a key, one that says which server is asked.

        Raises (from the future):
            Unavailable: the store cannot be reached, is loading, has no memory left, or nothing
                confirmed the write.
            redis.ResponseError: the command itself is wrong.
        """
        loop = asyncio.get_running_loop()
        call = Call(command, loop.create_future(), loop.time(), again=again)
        call.near, call.acknowledges = near, acknowledges
        if self.refusing and command != ("GET", epochs.KEY):
            call.future.set_exception(Unavailable(NOT_OURS))
        else:
            self.topology.put(call)
        return call.future

    def script(
        self, name: str, keys: list[str], args: list[Any], *, again: bool = True
    ) -> asyncio.Future[Any]:
        """The future answer to one Lua script; `again` as in `execute`."""
        sha = self.scripts.sha(name)
        future = self.execute("EVALSHA", sha, len(keys), *keys, *args, again=again)
        return tracing.follow(future, name)

    async def everywhere(self, *command: Any) -> list[Any]:
        """What every master answers to a command without a key, asked like a read.

        Raises:
            Unavailable, redis.RedisError: one of them does not answer.
        """
        return await self.topology.everywhere(*command)

    async def reader(self, key: str, deadline_s: float) -> Redis:
        """A client of its own for the server of a key, for reads that block; the caller closes it.

        Raises:
            Unavailable: nobody is known to serve it.
        """
        return await self.topology.reader(key, deadline_s)

    async def close(self) -> None:
        """Waits for what is under way, then closes the connections."""
        await self.topology.close()


__all__ = [
    "BATCH",
    "DEADLINE_S",
    "IN_FLIGHT",
    "MAX_WAITING",
    "RedisError",
    "Wire",
    "connect",
    "topology",
]
