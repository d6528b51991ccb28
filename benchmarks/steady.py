"""Requests at a steady rate, open loop: they leave on a schedule, answered or not.

A request's time counts from when it was due, so that a stall is charged to every request that it
delays (no coordinated omission). Timers of an event loop have a grain of one millisecond, and what
they are late by is counted too.
"""

from __future__ import annotations

import asyncio
import collections
import time
from typing import Any

from client import Answer, Connection

Request = tuple[str, bytes, dict[str, str]]
"""Path, body and headers of a POST."""
SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}


class Pool:
    """Keep-alive connections; as many as requests are under way at once."""

    def __init__(self, host: str, port: int) -> None:
        self._at = host, port
        self._free: list[Connection] = []
        self.opened = 0

    async def ask(self, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        """One request over a free connection.

        Raises:
            OSError, asyncio.IncompleteReadError: the connection broke.
        """
        if self._free:
            connection = self._free.pop()
        else:
            connection = Connection(*self._at, key="")
            self.opened += 1
        answer = await connection.ask("POST", path, raw=body, headers=headers)
        self._free.append(connection)
        return answer

    def close(self) -> None:
        """Ends the connections that are idle."""
        for connection in self._free:
            connection.close()
        self._free.clear()


async def steady(pool: Pool, requests: list[Request], rate: float) -> dict[str, Any]:
    """Sends the requests at `rate` a second and measures from when each was due.

    Returns:
        times in milliseconds, answers by status, answers a second, and how late the requests left:
        where that is much, the load was the bottleneck.
    """
    took: list[float] = []
    late: list[float] = []
    answered: collections.Counter[int | str] = collections.Counter()
    under_way: set[asyncio.Task[None]] = set()

    async def one(due: float, request: Request) -> None:
        late.append((time.perf_counter() - due) * 1000)
        try:
            answered[(await pool.ask(*request)).status] += 1
        except (OSError, asyncio.IncompleteReadError) as error:
            answered[type(error).__name__] += 1
        took.append((time.perf_counter() - due) * 1000)

    began = time.perf_counter()
    for number, request in enumerate(requests):
        due = began + number / rate
        if (ahead := due - time.perf_counter()) > 0:
            await asyncio.sleep(ahead)
        task = asyncio.create_task(one(due, request))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    await asyncio.gather(*under_way)
    seconds = time.perf_counter() - began
    # A few real texts break the rules of a field: 422 is then the right answer.
    good = sum(n for code, n in answered.items() if code == 422 or str(code) < "4")
    return {
        "requests": len(requests),
        "answered": dict(answered),
        "errors": len(requests) - good,
        "per_second": round(good / seconds, 1),
        **quantiles(took),
        "max": round(max(took), 2),
        "sent_late_p99": quantiles(late)["p99"],
        "connections": pool.opened,
    }


def quantiles(times: list[float]) -> dict[str, float]:
    """The times below which those shares lie."""
    ordered = sorted(times)
    return {name: round(ordered[int(part * (len(times) - 1))], 2) for name, part in SHARES.items()}
