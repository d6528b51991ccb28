"""What the Redis client costs: its CPU time per script call, by way of calling, in one run.

    python benchmarks/wire.py [--data DIR] [--calls 4000] [--rounds 5] [--callers 1 16 64]

Every way makes the calls of `submit.lua` that Winnow makes, each with another id and a real text,
to an embedded store with `appendfsync always`. Counted is the CPU time of the calling process alone
(the server is another one), so disks and other load hardly show. The ways:

- `singly`: redis-py's `evalsha`, awaited by each caller by itself; what a user would write.
- `redis_py`: redis-py's own pipeline, one for the calls of all callers.
- `winnow`: `service.store.connect.Wire`, which each caller awaits by itself.
- `bare`: one multiplexed connection without deadlines, reconnecting or back-pressure
  (`rivals/pipelined.py`); what is possible at best.

`times_less` is the CPU time of `singly` over that way's, medians of the rounds. Prints JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import bodies
import uvloop
from contestants import RIVALS, store_alone
from redis.asyncio import Redis

sys.path.insert(0, str(RIVALS))

import ceiling
from pipelined import Pipelined

from service.ids import Sequence
from service.store import codec
from service.store.connect import Wire, topology
from service.store.scripts import Scripts

SCRIPT = "submit"
Words = list[Any]
"""What follows EVALSHA and the digest: the count of keys, keys and arguments."""
Call = Callable[[Words], Awaitable[Any]]


class Calls:
    """An endless supply of submissions that differ in id and text."""

    def __init__(self, texts: list[str]) -> None:
        self._blobs = [
            codec.encode(bodies.submission(k, text, ceiling.SITE)) for k, text in enumerate(texts)
        ]
        self._ids = Sequence()
        self._made = 0

    async def open(self, connection: Pipelined) -> None:
        """Takes the arguments of `submit.lua` from the service's own code."""
        now = time.time_ns() // 1_000_000
        self._template = await ceiling.template(connection, self._ids.next(now, 1), now)

    def take(self, count: int) -> list[Words]:
        """The next `count` calls, made before the clock runs."""
        now = time.time_ns() // 1_000_000
        made = []
        for _ in range(count):
            self._made += 1
            blob = self._blobs[self._made % len(self._blobs)]
            made.append(self._template.filled(self._ids.next(now, 1), blob))
        return made


class Ways:
    """The ways to call, each over connections of its own."""

    def __init__(self, url: str) -> None:
        self._scripts = Scripts()
        self._sha = self._scripts.sha(SCRIPT)
        self._client = Redis.from_url(url, protocol=2)
        self._wire = Wire(topology(url, self._scripts), self._scripts)
        self._url = url

    async def open(self) -> None:
        """Connects."""
        await self._wire.open()
        at = urlsplit(self._url)
        self.connection = await Pipelined.open(unquote(at.path))
        await self.connection.call("AUTH", at.username, at.password)

    async def close(self) -> None:
        """Ends all connections."""
        await self._wire.close()
        await self._client.aclose()
        self.connection.close()

    async def singly(self, work: list[Words], callers: int) -> list[Any]:
        """redis-py, one call at a time and caller."""
        return await _shared(work, callers, lambda words: self._client.evalsha(self._sha, *words))

    async def redis_py(self, work: list[Words], callers: int) -> list[Any]:
        """redis-py's pipeline, filled as often as all callers have a call to make."""
        said: list[Any] = []
        for first in range(0, len(work), callers):
            pipeline = self._client.pipeline(transaction=False)
            for words in work[first : first + callers]:
                pipeline.evalsha(self._sha, *words)
            said += await pipeline.execute()
        return said

    async def winnow(self, work: list[Words], callers: int) -> list[Any]:
        """Winnow's wire, which makes the batches itself."""

        def call(words: Words) -> Awaitable[Any]:
            count = words[0]
            return self._wire.script(SCRIPT, words[1 : count + 1], words[count + 1 :])

        return await _shared(work, callers, call)

    async def bare(self, work: list[Words], callers: int) -> list[Any]:
        """The multiplexed connection of the ceiling."""
        call = self.connection.call
        return await _shared(work, callers, lambda words: call("EVALSHA", self._sha, *words))


WAYS = ("singly", "redis_py", "winnow", "bare")


async def _shared(work: list[Words], callers: int, call: Call) -> list[Any]:
    """All calls made by `callers` tasks, each of which waits for its answer."""
    rest, said = iter(work), []

    async def caller() -> None:
        for words in rest:
            said.append(await call(words))

    await asyncio.gather(*(caller() for _ in range(callers)))
    return said


async def measure(
    url: str, texts: list[str], *, count: int, rounds: int, callers: list[int]
) -> dict[str, Any]:
    """Microseconds of CPU time per call, by number of callers and way."""
    ways, calls = Ways(url), Calls(texts)
    await ways.open()
    await calls.open(ways.connection)
    report: dict[str, Any] = {}
    for many in callers:
        # A caller by itself waits for the disk at each call, so it makes fewer of them.
        each = max(100, count * many // max(callers)) // many * many
        found: dict[str, list[float]] = {way: [] for way in WAYS}
        for number in range(-1, rounds):  # the round before the first warms up
            for way in WAYS:
                work = calls.take(each)
                began = time.process_time()
                said = await getattr(ways, way)(work, many)
                took = time.process_time() - began
                if len(said) != each or any(answer != [b"stored"] for answer in said):
                    raise RuntimeError(f"{way}: not every call was carried out")
                if number >= 0:
                    found[way].append(took / each * 1e6)
        report[str(many)] = summary(found)
    await ways.close()
    return report


def summary(found: dict[str, list[float]]) -> dict[str, Any]:
    """Medians, and how many times less than `singly` each way takes."""
    medians = {way: statistics.median(rounds) for way, rounds in found.items()}
    return {
        way: {
            "client_us": round(medians[way], 1),
            "rounds": [round(one, 1) for one in rounds],
            "times_less": round(medians["singly"] / medians[way], 2),
        }
        for way, rounds in found.items()
    }


def main() -> None:
    """Runs the measurement and prints it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="a folder of NAME.jsonl.gz")
    parser.add_argument("--calls", type=int, default=4000, help="of a round of most callers")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--callers", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--json", action="store_true", help="one line instead of indented")
    args = parser.parse_args()
    texts = bodies.texts(args.data, 2000)
    with store_alone() as store, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(
            measure(
                store.admin_url,
                texts,
                count=args.calls,
                rounds=args.rounds,
                callers=sorted(args.callers),
            )
        )
    report = {"texts": bodies.kind(args.data), "callers": found}
    print(json.dumps(report, indent=None if args.json else 1))


if __name__ == "__main__":
    main()
