"""What the servers promise about an acknowledged write, found out and judged before the start.

"Acknowledged means on disk" (level 2) holds where the server flushes before it answers, or where
every batch of writes waits for the flush (WAITAOF); with Sentinel and Cluster at least one replica
must have each write, too, or a failover loses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct
from redis.exceptions import ResponseError

from service.errors import Unavailable
from service.store.confirming import Confirmation
from service.store.connect import Wire
from service.store.links import Links

LEVELS: Final[tuple[str, ...]] = (
    "acknowledged comments may be lost when the server stops",
    "acknowledged comments may be lost when the server crashes",
    "an acknowledged comment is on disk",
)
"""What each durability level (0, 1, 2) means."""
OLDEST: Final = (7, 0)
WAITAOF_SINCE: Final = (7, 2)
_ASKED: Final = (
    "appendonly",
    "appendfsync",
    "maxmemory-policy",
    "min-replicas-to-write",
    "min-replicas-max-lag",
)


class Server(Struct, frozen=True):
    """How one master is set; '' where it does not tell."""

    version: tuple[int, ...]
    used_memory: int
    max_memory: int
    aof_ok: bool
    appendonly: str
    appendfsync: str
    eviction: str
    min_replicas: str
    max_lag: str

    @property
    def shown_version(self) -> str:
        """The version with dots."""
        return ".".join(map(str, self.version))


class Examination(Struct, frozen=True):
    """What was found before the start."""

    level: int
    problem: str
    """Why the level is not 2, or why Winnow cannot run at all; '' where all is well."""
    fatal: bool
    """Whether it cannot run even where less is accepted."""
    advice: tuple[str, ...] = ()
    """What would be better, though nothing acknowledged is lost without it."""


async def servers(wire: Wire) -> list[Server]:
    """How each master is set.

    Raises:
        Unavailable, redis.RedisError: one of them does not answer.
    """
    infos = await wire.everywhere("INFO")
    try:
        configs = await wire.everywhere("CONFIG GET", *_ASKED)
    except ResponseError:
        configs = [{} for _ in infos]  # hosted servers refuse it
    return [_server(info, config) for info, config in zip(infos, configs, strict=True)]


def _server(info: dict[str, Any], config: dict[Any, Any]) -> Server:
    told = {_text(key): _text(value) for key, value in config.items()}
    version = str(info.get("valkey_version") or info.get("redis_version", "0"))
    aof = {"0": "no", "1": "yes"}.get(str(info.get("aof_enabled", "")), "")
    return Server(
        version=tuple(int(part) for part in version.split(".")[:3] if part.isdigit()),
        used_memory=int(info.get("used_memory", 0)),
        max_memory=int(info.get("maxmemory", 0)),
        aof_ok=info.get("aof_last_write_status", "ok") == "ok",
        appendonly=told.get("appendonly", aof),
        appendfsync=told.get("appendfsync", ""),
        eviction=told.get("maxmemory-policy", str(info.get("maxmemory_policy", ""))),
        min_replicas=told.get("min-replicas-to-write", ""),
        max_lag=told.get("min-replicas-max-lag", ""),
    )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def level(found: Sequence[Server], confirmation: Confirmation, *, replicated: bool) -> int:
    """The durability level of the weakest master."""
    return min(_judged(server, confirmation, replicated=replicated)[0] for server in found)


def _judged(server: Server, confirmation: Confirmation, *, replicated: bool) -> tuple[int, str]:
    """A master's level, and what keeps it from being higher."""
    if server.eviction not in ("noeviction", ""):
        return 0, f"its maxmemory-policy is {server.eviction}, not noeviction: it may drop comments"
    if server.appendonly == "no":
        return 0, "appendonly is off: it keeps nothing when it stops"
    waits = confirmation.disk and server.version >= WAITAOF_SINCE
    if server.appendfsync != "always" and not waits:
        if not server.appendfsync:
            return 0, "it does not tell appendonly and appendfsync, and knows no WAITAOF"
        return 1, f"appendfsync is {server.appendfsync}, and answers wait for no flush (WAITAOF)"
    if server.appendfsync == "no":
        return 1, "appendfsync is no: it never flushes by itself"
    if replicated and not confirmation.replicas:
        return 1, "no replica must have a write before it is acknowledged (WINNOW_REDIS_REPLICAS)"
    return 2, ""


async def examine(wire: Wire) -> Examination:
    """Whether what is acknowledged is on disk, with the reason where it is not.

    Raises:
        Unavailable, redis.RedisError: it cannot be found out now.
    """
    await wire.open()
    found = await servers(wire)
    old = [server for server in found if server.version < OLDEST]
    if old:
        problem = f"it is version {old[0].shown_version}; Redis 7.0 or Valkey 7.2 is needed"
        return Examination(0, problem, fatal=True)
    topology = wire.topology
    if topology.is_cluster:
        await _whole(wire)
    judged = [_judged(s, topology.confirmation, replicated=topology.replicated) for s in found]
    worst, problem = min(judged, key=lambda row: row[0])
    if worst == 2 and not await _replicas_flush(wire):
        worst, problem = 1, "its replicas keep no append-only file, or do not flush it"
    advice = _advice(found) if topology.replicated else ()
    return Examination(worst, problem, fatal=False, advice=advice)


async def _whole(wire: Wire) -> None:
    for state in await wire.everywhere("CLUSTER INFO"):
        if state.get("cluster_state") != "ok":
            raise Unavailable("The cluster is not whole: some slots have no master.")


async def _replicas_flush(wire: Wire) -> bool:
    """Whether replicas that receive a write put it on their disks, too; True where none does
    receive it: nothing is acknowledged then, until they are back."""
    asked = wire.topology.confirmation
    if not (asked.replicas and asked.disk):
        return True
    for client, tag in await wire.topology.masters():
        links = Links(client)
        answers = await links.ask(asked.commands(tag))
        await links.disconnect()
        received = not isinstance(answers[1], Exception) and int(answers[1]) >= asked.replicas
        if received and not asked.met(answers):
            return False
    return True


def _advice(found: Sequence[Server]) -> tuple[str, ...]:
    """What keeps a master that was cut off from storing what nobody will confirm."""
    if all(server.min_replicas not in ("", "0") and int(server.max_lag) <= 10 for server in found):
        return ()
    return (
        "set min-replicas-to-write 1 and min-replicas-max-lag 2, so that a master that was cut off "
        "refuses comments instead of storing what nobody confirms",
    )
