"""The topology of a Cluster: lanes per master, each call by the slot of its first key.

The map of slots is redis-py's; it is asked for anew whenever a server does not answer, or names one
that is not in it. MOVED, ASK, TRYAGAIN and CLUSTERDOWN mean that nothing was carried out, so such a
call is sent again, three times at most.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    RedisClusterException,
    RedisError,
)

from service import metrics
from service.errors import Unavailable
from service.redis_url import RedisUrl
from service.store.confirming import Confirmation
from service.store.keys import PROBE
from service.store.lanes import DEADLINE_S, Call, Lane, fail
from service.store.routing import key_of, slot_of, writes
from service.store.scripts import Scripts
from service.store.topology import DISCOVERY_S, never_again, node_client, options

TRIES: Final = 3
"""How often a call is sent elsewhere before its caller is told 503."""
PAUSES_S: Final = (0.05, 0.2, 0.5)
"""How long before each, where the Cluster is not ready for it yet."""
WATCH_S: Final = 8.0
"""How long the map is watched where a master hangs: as long as a vote may take."""
WATCH_EVERY_S: Final = 0.25

Address = tuple[str, int]


class Cluster:
    """Lanes to every master, found by the Cluster's map of slots."""

    replicated = True
    is_cluster = True

    def __init__(self, at: RedisUrl, scripts: Scripts, confirmation: Confirmation) -> None:
        self.client = RedisCluster(
            startup_nodes=[ClusterNode(host, port) for host, port in at.hosts],
            ssl=at.tls,
            retry=never_again(),
            require_full_coverage=False,
            **options(at, DISCOVERY_S),
        )
        self._at = at
        self._scripts = scripts
        self.confirmation = confirmation
        self._lanes: dict[tuple[Address, bool], Lane] = {}
        self._clients: dict[Address, Redis] = {}
        self._owners: dict[int, Address] = {}
        self._refreshing: asyncio.Task[None] | None = None
        self._watching = False
        self._closing = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Reads the map and sends every master the scripts."""
        await self._refresh()
        if not self._owners:
            raise _unknown()
        clients = [self._client(address) for address in set(self._owners.values())]
        await asyncio.gather(*(self._scripts.load(client) for client in clients))

    def put(self, call: Call) -> None:
        """Sends a call on its way; while the map is unknown, once it is known."""
        owner = self._owners.get(slot_of(call.near or key_of(call.command) or PROBE))
        if owner is None:
            self._astray([(call, ClusterDownError("nobody is known to serve this slot"))])
        else:
            self._lane(owner, call).put(call)

    def _lane(self, address: Address, call: Call) -> Lane:
        confirmed = self.confirmation.needed and (
            call.acknowledges or writes(call.command, self._scripts)
        )
        lane = self._lanes.get((address, confirmed))
        if lane is None:
            lane = self._lanes[address, confirmed] = Lane(
                self._client(address),
                self._scripts,
                confirmation=self.confirmation if confirmed else None,
                astray=self._astray,
                tags=lambda: self._tag(address),
            )
        return lane

    def _tag(self, address: Address) -> str | None:
        """A hash tag whose slot this master has, another one each time; None where it has none."""
        if address not in self._owners.values():
            return None
        start = secrets.randbelow(1 << 30)
        tags = (str(start + i) for i in range(1 << 20))
        return next((tag for tag in tags if self._owners.get(slot_of(tag)) == address), None)

    def _client(self, address: Address) -> Redis:
        if address not in self._clients:
            self._clients[address] = node_client(self._at, *address, DEADLINE_S)
        return self._clients[address]

    def _astray(self, calls: list[tuple[Call, Exception]]) -> None:
        """Takes what a server did not carry out; without any, a server hangs or confirms nothing,
        and the map is watched until another takes its place."""
        for why in sorted({type(error).__name__ for _, error in calls}):
            metrics.STORE_REDIRECTS.labels(why).inc()
        task = asyncio.get_running_loop().create_task(self._sent_elsewhere(calls))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _sent_elsewhere(self, calls: list[tuple[Call, Exception]]) -> None:
        if not calls:
            await self._watch()
        for call, error in calls:
            call.tries += 1
            call.asking = isinstance(error, AskError) and not isinstance(error, MovedError)
            if call.tries > TRIES:
                fail([call], error)
        calls = [(call, error) for call, error in calls if not call.future.done()]
        for call, error in calls:
            if call.asking and isinstance(error, AskError):
                self._lane(error.node_addr, call).put(call)
        calls = [(call, error) for call, error in calls if not call.asking]
        waits = [call.tries for call, error in calls if not self._learned(error)]
        if waits:
            await asyncio.sleep(PAUSES_S[max(waits) - 1])
        if waits:
            await self._refresh()
        for call, error in calls:
            if self._owners:
                self.put(call)
            else:
                fail([call], error)

    def _learned(self, error: Exception) -> bool:
        """Whether a server told where the slot is now. It knows: a map may be older than that."""
        if not isinstance(error, MovedError) or not error.host:
            return False
        known = error.node_addr in self._owners.values()
        self._owners[error.slot_id] = error.node_addr
        return known

    async def _refresh(self) -> None:
        """Asks for the map of slots; whoever comes meanwhile waits for the same answer."""
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.get_running_loop().create_task(self._read_map())
        await asyncio.shield(self._refreshing)

    async def _watch(self) -> None:
        """Asks for the map until it has changed, `WATCH_S` at most: each call to a hung master
        waits out its deadline, and the next must not go there any more once it is replaced."""
        if self._watching:
            return
        self._watching, before = True, dict(self._owners)
        until = asyncio.get_running_loop().time() + WATCH_S
        try:
            while not self._closing and asyncio.get_running_loop().time() < until:
                await self._refresh()
                if self._owners != before:
                    break
                await asyncio.sleep(WATCH_EVERY_S)
        finally:
            self._watching = False

    async def _read_map(self) -> None:
        try:
            if self._owners:
                await self.client.nodes_manager.initialize()
            else:
                await self.client.initialize()
        except (RedisError, RedisClusterException, OSError):
            return  # the old map is better than none; the next failure asks again
        self._owners = {
            slot: (nodes[0].host, int(nodes[0].port))
            for slot, nodes in self.client.nodes_manager.slots_cache.items()
            if nodes
        }
        masters = set(self._owners.values())
        gone = [key for key in self._lanes if key[0] not in masters]
        idle = [self._lanes.pop(key) for key in gone if not self._lanes[key].busy]
        for lane in idle:
            await lane.close()
        used = {address for address, _ in self._lanes} | masters
        for address in [one for one in self._clients if one not in used]:
            await self._clients.pop(address).aclose()

    async def everywhere(self, *command: Any) -> list[Any]:
        """What each master answers to a command without a key."""
        if not self._owners:
            await self._refresh()
        loop, calls = asyncio.get_running_loop(), []
        for address in sorted(set(self._owners.values())):
            call = Call(command, loop.create_future(), loop.time(), again=True)
            self._lane(address, call).put(call)
            calls.append(call)
        if not calls:
            raise _unknown()
        return list(await asyncio.gather(*(call.future for call in calls)))

    async def masters(self) -> list[tuple[Redis, str]]:
        """Each master's client, and a hash tag of a slot it has."""
        if not self._owners:
            await self._refresh()
        found = ((self._client(at), self._tag(at)) for at in sorted(set(self._owners.values())))
        return [(client, tag) for client, tag in found if tag is not None]

    async def reader(self, key: str, deadline_s: float) -> Redis:
        """A client of its own for the master of a key."""
        await self._refresh()
        owner = self._owners.get(slot_of(key))
        if owner is None:
            raise _unknown()
        return node_client(self._at, *owner, deadline_s)

    async def close(self) -> None:
        """Waits for what is under way, then disconnects."""
        self._closing = True
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(lane.close() for lane in self._lanes.values()))
        await asyncio.gather(*(client.aclose() for client in self._clients.values()))
        for kind in ("nodes_cache", "startup_nodes"):
            await self.client.nodes_manager.aclose(kind)
        await self.client.aclose()


def _unknown() -> Unavailable:
    return Unavailable("No node of the store's cluster can be reached; try again.")
