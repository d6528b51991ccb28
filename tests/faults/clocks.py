"""Clocks that jump: the server's and every Python process's, together, by hours and days."""

from __future__ import annotations

import asyncio

from tests.faults import shim
from tests.faults.load import Load, Shape
from tests.faults.plan import fingerprint, strikes
from tests.faults.report import Result
from tests.faults.run import Run

HOUR_MS = 3_600_000
JUMPS = (("+1 h", 3), ("-1 h", 3), ("+1 d", 2), ("-1 d", 2), ("slew", 2), ("true", 1))
SHIFTS = {"+1 h": HOUR_MS, "-1 h": -HOUR_MS, "+1 d": 24 * HOUR_MS, "-1 d": -24 * HOUR_MS, "true": 0}


async def clocks(run: Run, result: Result, times: int) -> None:
    """The wall clock of the whole service jumps under load; nothing correct depends on it."""
    result.skipped = shim.why_not()
    if result.skipped:
        return
    plan = strikes(run.seed, run.fault, times, JUMPS, (50, 200))
    result.plan = fingerprint(plan)
    clock = shim.Shim(run.home())
    async with run.service(**clock.environ) as service:
        # Receivers judge a delivery's age by a true clock: not theirs to take part here.
        load = await Load.begin(service, run.seed, run.fault, Shape(hooks=False, moderators=4))
        for strike in plan:
            await load.board.more(strike.after)
            if strike.what == "slew":
                for ms in range(0, 2000, 100):
                    clock.shift(ms)
                    await asyncio.sleep(0.02)
            else:
                clock.shift(SHIFTS[strike.what])
            if strike.aside:
                service.kill("web", strike.share)
            await load.board.more(20)
            result.note(strike.what)
            result.times += 1
        clock.shift(0)
        await load.board.more(20)
        result.findings.add(await load.end())
    clock.close()
