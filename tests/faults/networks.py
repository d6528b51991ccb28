"""Faults between the service and its store: slow, stopped, lost, half-open, cut at every byte."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time

import httpx

from tests.faults.engine import Engine, behind_proxy
from tests.faults.load import Load, Shape
from tests.faults.plan import Strike, fingerprint, source, strikes
from tests.faults.proxy import Proxy
from tests.faults.report import Result
from tests.faults.run import Run
from tests.faults.target import Service

KINDS = (
    ("slow 0.2", 3), ("slow 2", 1), ("slow 10", 1), ("stop", 3), ("mute", 3), ("reset", 3),
    ("hole", 2), ("refuse", 2), ("kill", 2),
)  # fmt: skip
LIVEZ_S = 5.0
"""How long /livez may take whatever the store does. The requirement is that the event loop turns;
on a machine that does other things as well, a tighter limit would measure those."""
ROUND = 15


async def networks(run: Run, result: Result, times: int) -> None:
    """One fault after the other in front of a store that is reached over TCP."""
    plan = strikes(run.seed, run.fault, times, KINDS, (20, 200))
    result.plan = fingerprint(plan)
    async with behind_proxy(run) as (service, proxy, store):
        for start in range(0, times, ROUND):
            name = f"{run.fault}.{start // ROUND}"
            load = await Load.begin(service, run.seed, name, Shape())
            for strike in plan[start : start + ROUND]:
                await load.board.more(strike.after)
                await _strike(service, proxy, store, strike, result)
                await load.board.more(1)
            found = await load.end()
            result.most("slowest answer, s", load.asked.slowest_s)
            result.findings.add(found)


async def _strike(
    service: Service, proxy: Proxy, store: Engine, strike: Strike, result: Result
) -> None:
    kind, _, seconds = strike.what.partition(" ")
    lasts_s = 0.5 + 3 * strike.share
    if kind == "stop":
        store.signal(signal.SIGSTOP)
    elif kind == "kill":
        store.signal(signal.SIGKILL)
    elif kind == "slow":
        proxy.set("slow", delay_s=float(seconds))
        lasts_s = max(lasts_s, min(float(seconds) * 1.5, 6))
    else:
        proxy.set(kind)  # type: ignore[arg-type]
    try:
        await _stay_alive(service, lasts_s, strike, result)
    finally:
        if kind == "stop":
            store.signal(signal.SIGCONT)
        elif kind == "kill":
            await store.start()
        proxy.set("pass")
    result.times += 1
    result.note(strike.what)


async def _stay_alive(service: Service, lasts_s: float, strike: Strike, result: Result) -> None:
    """Lets a fault last; meanwhile the processes must go on answering."""
    until = time.monotonic() + lasts_s
    async with httpx.AsyncClient(timeout=LIVEZ_S) as http:
        while (left := until - time.monotonic()) > 0:
            began = time.monotonic()
            try:
                answer = await http.get(service.url + "/livez")
                if answer.status_code != 200:
                    result.complain(f"/livez said {answer.status_code} during {strike.what}")
            except httpx.HTTPError as error:
                result.complain(f"/livez during {strike.what}: {type(error).__name__}")
            result.most("slowest /livez, s", time.monotonic() - began)
            await asyncio.sleep(min(left, 0.2))


async def cuts(run: Run, result: Result, times: int) -> None:
    """One comment at a time; the connection is cut at byte after byte of its request and reply.

    The first strikes go through all bytes of one script's reply, the others through those of its
    request in an order that the seed says. Each comment must be there once.
    """
    choose = source(run.seed, run.fault, "cuts")
    async with behind_proxy(run) as (service, proxy, _):
        shape = Shape(websites=0, moderators=0, hooks=False, reader=False)
        load = await Load.begin(service, run.seed, run.fault, shape)
        website = load.website("w0")
        await website.one()
        where = [("cut-reply", at) for at in range(24)]
        where += [("cut-request", at) for at in choose.sample(range(3000), 3000)]
        result.plan = fingerprint(where[:times])
        for number in range(times):
            mode, at = where[number % len(where)]
            proxy.cut_needle = b"EVALSHA"
            proxy.set(mode, cut_at=at)  # type: ignore[arg-type]
            await website.one()
            proxy.set("pass")
            result.times += 1
        result.note("connections cut", proxy.cuts)
        result.findings.add(await load.end())


async def twins(run: Run, result: Result, times: int) -> None:
    """The same request 50 times at once under one key, while the store resets connections."""
    async with behind_proxy(run) as (service, proxy, _):
        shape = Shape(websites=0, moderators=0, hooks=False, reader=False)
        load = await Load.begin(service, run.seed, run.fault, shape)
        website = load.website("w0")
        choose = source(run.seed, run.fault, "twins")
        for _ in range(times):
            cut = choose.random() < 0.5
            proxy.set("cut-reply" if cut else "pass", cut_at=choose.randrange(20))
            ids = await website.same(50)
            if len(ids) != 1:
                result.findings.doubled += 1
                result.complain(f"one key, several answers: {sorted(ids)}")
            result.times += 1
            result.note("requests", 50)
        proxy.set("pass")
        await _other_body(load, result)
        result.findings.add(await load.end())


async def _other_body(load: Load, result: Result) -> None:
    """A key that was used for another body is refused."""
    with contextlib.suppress(httpx.HTTPError):
        answer = await load.asker.ask(
            "POST", "/v1/comments", load.board.secret,
            json={"page": "https://news.example/x", "name": "N", "email": "n@example.org",
                  "body": "another body"},
            headers={"Idempotency-Key": f"{load.board.name}.w0.0"},
        )  # fmt: skip
        if answer.status_code != 422:
            result.complain(f"a used key with another body: {answer.status_code}")
