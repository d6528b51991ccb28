"""Fleets: the master of Sentinel's three servers, or masters of a Cluster's six, are killed under
load."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from typing import Any

from tests.faults.engine import remote_service
from tests.faults.load import Load, Shape
from tests.faults.plan import fingerprint, strikes
from tests.faults.report import Result
from tests.faults.run import Run, put_away
from tests.store import fleets

SHAPE = Shape(websites=3, moderators=3, hooks=False, reader=True)


async def sentinel(run: Run, result: Result, times: int) -> None:
    """The master dies; a replica takes over; what was acknowledged is there."""
    await _failovers(run, result, times, "sentinel")


async def cluster(run: Run, result: Result, times: int) -> None:
    """One of three masters dies after the other."""
    await _failovers(run, result, times, "cluster")


async def _failovers(run: Run, result: Result, times: int, kind: str) -> None:
    plan = strikes(run.seed, run.fault, times, (("kill", 2), ("stop", 1)), (20, 100))
    result.plan = fingerprint(plan)
    with contextlib.ExitStack() as held:
        # Its start blocks for seconds; nothing else runs yet.
        fleet = await asyncio.to_thread(
            lambda: held.enter_context(fleets.running(kind, run.home() / "fleet"))
        )
        service = remote_service(run, fleet.url)
        try:
            await service.start()
            load = await Load.begin(service, run.seed, run.fault, SHAPE)
            for strike in plan:
                await load.board.more(strike.after)
                await _fail_over(fleet, kind, strike.what, strike.share, load, result)
                result.times += 1
                result.note(strike.what)
            result.findings.add(await load.end())
        finally:
            await put_away(service)


async def _fail_over(
    fleet: Any, kind: str, what: str, share: float, load: Load, result: Result
) -> None:
    masters = await asyncio.to_thread(
        lambda: [fleet.master()] if kind == "sentinel" else fleet.masters()
    )
    node = masters[int(share * len(masters))]
    began = time.monotonic()
    node.signal(signal.SIGKILL if what == "kill" else signal.SIGSTOP)
    try:
        await asyncio.sleep(1.0)  # what was under way may still be answered
        if kind == "sentinel":
            await load.board.more(20)
        else:  # its replica takes over, and has no other copy: 503 until this one is back
            await asyncio.sleep(4 + 4 * share)
    finally:
        if what == "kill":
            await asyncio.to_thread(node.start)
        else:
            node.signal(signal.SIGCONT)
    await load.board.more(20)
    result.most("slowest failover, s", time.monotonic() - began)
    # It must follow again first: two lost together are not promised.
    whole = (lambda: fleet.replicated(2)) if kind == "sentinel" else (lambda: fleet.whole(3, 1))
    await asyncio.to_thread(fleets.until, whole, "a whole fleet", 120)
