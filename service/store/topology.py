"""Clients for each kind of URL; the topology of one server, or of one master behind Sentinels."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final, Protocol

from redis.asyncio import Redis
from redis.asyncio.connection import Connection, SSLConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import (
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import ResponseError

from service.redis_url import RedisUrl, parse
from service.store.confirming import Confirmation
from service.store.lanes import DEADLINE_S, Call, Lane
from service.store.links import packed
from service.store.routing import writes
from service.store.scripts import Scripts

CONNECTIONS: Final = 64
DISCOVERY_S: Final = 0.4
"""How long one Sentinel, or one node asked for the map of a Cluster, may take: several fit into a
deadline."""


class Topology(Protocol):
    """Where calls go: one server, one master among several servers, or many masters."""

    client: Any
    """A client of redis-py, for what needs no batches."""
    confirmation: Confirmation
    """What holds the answers to writes back."""
    replicated: bool
    """Whether replicas take over when a master fails."""
    is_cluster: bool
    """Whether there are many masters."""

    async def open(self) -> None:
        """Finds the servers and sends them the scripts."""

    def put(self, call: Call) -> None:
        """Sends a call on its way."""

    async def everywhere(self, *command: Any) -> list[Any]:
        """What each master answers to a command without a key."""

    async def masters(self) -> list[tuple[Redis, str]]:
        """Each master's client, and a hash tag of a slot it has."""

    async def reader(self, key: str, deadline_s: float) -> Redis:
        """A client of its own for the master of a key, for reads that block."""

    async def close(self) -> None:
        """Waits for what is under way, then disconnects."""


class Packing:
    """Packs pipelines in C: in Python, as redis-py does it, that costs more than all the rest."""

    def pack_commands(self, commands: Iterable[tuple[Any, ...]]) -> list[bytes]:
        """The bytes of several commands."""
        return [b"".join(map(packed, commands))]

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """Sends bytes.

        Raises:
            redis.ConnectionError: also where uvloop closed the transport under it (a reset), which
                redis-py lets through as RuntimeError: callers were answered 500.
        """
        try:
            await super().send_packed_command(command, check_health)  # type: ignore[misc]
        except RuntimeError as error:
            raise Unreachable(str(error)) from error


def never_again() -> Retry:
    """No retries by the library: a lost reply to a write must not become a second write."""
    return Retry(NoBackoff(), 0)


def connect(url: str, *, deadline_s: float | None = DEADLINE_S) -> Redis:
    """A client for one server, or for the master that Sentinels name; opens no connection yet.

    Never retries by itself: a lost reply to a write must not become a second write.
    """
    if parse(url).kind == "sentinel":
        return _sentinel_client(parse(url), deadline_s)
    client = Redis.from_url(
        url,
        protocol=2,
        socket_timeout=deadline_s,
        socket_connect_timeout=DEADLINE_S,
        retry=never_again(),
        max_connections=CONNECTIONS,
    )
    pool = client.connection_pool
    pool.connection_class = type("Packing", (Packing, pool.connection_class), {})
    return client


def node_client(at: RedisUrl, host: str, port: int, deadline_s: float | None) -> Redis:
    """A client for one node of a Cluster."""
    kind = SSLConnection if at.tls else Connection
    client = Redis(
        host=host,
        port=port,
        ssl=at.tls,
        retry=never_again(),
        max_connections=CONNECTIONS,
        **options(at, deadline_s),
    )
    client.connection_pool.connection_class = type("Packing", (Packing, kind), {})
    return client


def options(at: RedisUrl, deadline_s: float | None) -> dict[str, Any]:
    """What every connection to a server is opened with."""
    tls = {name: text for name, text in at.options.items() if name.startswith("ssl_")}
    if "ssl_check_hostname" in tls:
        tls["ssl_check_hostname"] = tls["ssl_check_hostname"] == "true"  # type: ignore[assignment]
    return {
        "username": at.username or None,
        "password": at.password or None,
        "db": int(at.options.get("db", "0")),
        "protocol": 2,
        "socket_timeout": deadline_s,
        "socket_connect_timeout": DEADLINE_S if deadline_s is None else min(DEADLINE_S, deadline_s),
        **(tls if at.tls else {}),
    }


def _sentinel_client(at: RedisUrl, deadline_s: float | None) -> Redis:
    kind = SentinelManagedSSLConnection if at.tls else SentinelManagedConnection
    told = options(at, DISCOVERY_S) | {
        "username": at.options.get("sentinel_username"),
        "password": at.options.get("sentinel_password"),
        "ssl": at.tls,
        "db": 0,
        "retry": never_again(),
    }
    sentinel = Sentinel(list(at.hosts), sentinel_kwargs=told)  # type: ignore[no-untyped-call]
    client: Redis = sentinel.master_for(
        at.master,
        connection_pool_class=_MasterPool,
        connection_class=type("Packing", (Packing, kind), {}),
        retry=never_again(),
        max_connections=CONNECTIONS,
        **options(at, deadline_s),
    )
    return client


class _MasterPool(SentinelConnectionPool):
    """Connections to the master; ends those to the Sentinels with them."""

    async def disconnect(self, inuse_connections: bool = True) -> None:
        await super().disconnect(inuse_connections)
        if inuse_connections:  # at the end, not when the master has changed
            for one in self.sentinel_manager.sentinels:
                await one.aclose()


class OneMaster:
    """The topology of one server, or of one master that is found anew at every connect.

    Reads and writes go apart where writes are confirmed, so that no read waits for replicas.
    """

    is_cluster = False

    def __init__(
        self,
        make_client: Callable[[float | None], Redis],
        scripts: Scripts,
        confirmation: Confirmation,
        *,
        replicated: bool = False,
    ) -> None:
        self.replicated = replicated
        self.client = make_client(DEADLINE_S)
        self.confirmation = confirmation
        self._make_client = make_client
        self._scripts = scripts
        self._writes = Lane(self.client, scripts, confirmation=confirmation)
        self._reads = Lane(self.client, scripts)

    async def open(self) -> None:
        """Sends the scripts; of a single server, learns whether its disk must be asked."""
        await self._scripts.load(self.client)
        if self.confirmation.disk and not self.confirmation.replicas:
            told = {}
            with suppress(ResponseError):  # it may be forbidden: the disk is asked, then
                told = await self.client.config_get("appendfsync")
            if told.get("appendfsync") in ("always", "no"):
                self.confirmation.disk = False  # it flushes before it answers, or never by itself

    def put(self, call: Call) -> None:
        """Sends a call on its way."""
        apart = self.confirmation.needed and not call.acknowledges
        if apart and not writes(call.command, self._scripts):
            self._reads.put(call)
        else:
            self._writes.put(call)

    async def everywhere(self, *command: Any) -> list[Any]:
        """What the master answers."""
        loop = asyncio.get_running_loop()
        call = Call(command, loop.create_future(), loop.time(), again=True)
        self.put(call)
        return [await call.future]

    async def masters(self) -> list[tuple[Redis, str]]:
        """The master's client; every hash tag is its own."""
        return [(self.client, "0")]

    async def reader(self, key: str, deadline_s: float) -> Redis:
        """A client of its own."""
        return self._make_client(deadline_s)

    async def close(self) -> None:
        """Waits for what is under way, then disconnects."""
        await asyncio.gather(self._writes.close(), self._reads.close())
        await self.client.aclose()
