"""kill -9 under load: web, worker, store, supervisor, everything; and races of moderators."""

from __future__ import annotations

import asyncio
import contextlib
import time

from tests.faults.load import Load, Shape
from tests.faults.plan import Strike, fingerprint, strikes
from tests.faults.report import Result
from tests.faults.run import Run
from tests.faults.target import Service, until

MIX = (("web", 8), ("store", 5), ("worker", 4), ("supervisor", 1), ("all", 1))
"""What dies how often; the last two cost a whole start each."""
ROUND = 24
"""Strikes on one site, then everything is reconciled."""


async def kills(
    run: Run, result: Result, times: int, mix: tuple[tuple[str, int], ...] = MIX
) -> None:
    """Kills what the seed says, when it says; every round has a site of its own."""
    plan = strikes(run.seed, run.fault, times, mix, (5, 80))
    result.plan = fingerprint(plan)
    async with run.service() as service:
        for start in range(0, times, ROUND):
            name = f"{run.fault}.{start // ROUND}"
            load = await Load.begin(service, run.seed, name, Shape())
            try:
                for strike in plan[start : start + ROUND]:
                    await _strike(service, load, strike, result)
            finally:
                found = await load.end()
                result.findings.add(found)


async def _strike(service: Service, load: Load, strike: Strike, result: Result) -> None:
    """One kill; returns when comments are acknowledged again."""
    await load.board.more(strike.after)
    if strike.aside and service.rewrite_aof():
        result.note("AOF rewrites under way")
    before = service.server_pid()
    hit = service.kill(strike.what, strike.share)
    began = time.monotonic()
    result.times += 1
    result.note(f"kill {strike.what}", 1 if hit else 0)
    if strike.what in ("supervisor", "all"):
        await service.gone()
        await _start_again(service, result)
        if strike.what == "supervisor" and service.server_pid() == before:
            result.note("orphans adopted")
    await load.board.more(1)
    result.most(f"slowest return after {strike.what}, s", time.monotonic() - began)
    if strike.what == "worker":
        await until(lambda: service.pids("worker"), 60, "a new worker")


async def _start_again(service: Service, result: Result) -> None:
    """One start must be enough; a second one lets the run go on."""
    try:
        await service.start()
    except RuntimeError as error:
        result.complain(f"a start after a kill failed: {str(error)[-300:]}")
        await service.start()


async def worker_kills(run: Run, result: Result, times: int) -> None:
    """Only the worker, while webhooks are delivered."""
    await kills(run, result, times, (("worker", 1),))


async def start_kills(run: Run, result: Result, times: int) -> None:
    """Everything is killed while it is still starting; the start after that must succeed."""
    plan = strikes(run.seed, run.fault, times, (("early", 1),), (50, 200))
    result.plan = fingerprint(plan)
    async with run.service() as service:
        load = await Load.begin(service, run.seed, run.fault, Shape(hooks=False))
        for strike in plan:
            await load.board.more(strike.after)
            service.kill("all", 0)
            await service.gone()
            service.launch()
            await asyncio.sleep(3 * strike.share)
            service.kill("all", 0)
            await service.gone()
            await service.start()
            await load.board.more(1)
            result.times += 1
        result.findings.add(await load.end())


async def races(run: Run, result: Result, times: int) -> None:
    """Eight moderators decide on the same comments at the same version: one of them wins each.

    Every second race loses a web process on the way; who lost an answer asks again with the same
    key, as everybody does.
    """
    plan = strikes(run.seed, run.fault, times, (("quiet", 1), ("web", 1)), (1, 1))
    result.plan = fingerprint(plan)
    shape = Shape(websites=0, moderators=8, hooks=False, reader=False)
    async with run.service() as service:
        for strike in plan:
            name = f"{run.fault}.{strike.number}"
            load = await Load.begin(service, run.seed, name, shape, start=False)
            won = await _race(service, load, strike)
            if len(won) != 1 or won != {len(load.board.known())}:
                result.complain(f"race {strike.number}: won in all {won}")
            result.times += 1
            result.findings.add(await load.end())
    result.note("racing decision calls", result.findings.decisions)


async def _race(service: Service, load: Load, strike: Strike) -> set[int]:
    """One race over some hundred comments; how many decisions were won in all."""
    website = load.website("w0")
    while load.board.submitted < 400:
        await website.step()
    ids = load.board.known()
    won: set[int] = set()
    for version in (1, 2, 3):
        tasks = [
            asyncio.create_task(moderator.race(f"race{version}", ids, version))
            for moderator in load.moderators
        ]
        if strike.what == "web":
            await asyncio.sleep(0.5 * strike.share)
            service.kill("web", strike.share)
        won.add(sum(await asyncio.gather(*tasks)))
    return won


async def stops(run: Run, result: Result, times: int) -> None:
    """Orderly stops under load: exit code 0, and what was answered is there afterwards."""
    plan = strikes(run.seed, run.fault, times, (("SIGTERM", 1),), (50, 300))
    result.plan = fingerprint(plan)
    async with run.service() as service:
        load = await Load.begin(service, run.seed, run.fault, Shape(hooks=False))
        for strike in plan:
            await load.board.more(strike.after)
            with contextlib.suppress(TimeoutError):
                code = await service.stop()
                if code != 0:
                    result.complain(f"a stop under load ended with {code}")
            await service.start()
            await load.board.more(1)
            result.times += 1
        result.findings.add(await load.end())
