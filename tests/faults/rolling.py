"""Rolling restarts: two versions at once on one store, taking turns under load."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx

from service.settings import EXIT_CODE
from tests.faults.engine import engine, remote_service
from tests.faults.load import Load, Shape
from tests.faults.plan import fingerprint, strikes
from tests.faults.report import Result
from tests.faults.run import Run, put_away
from tests.faults.target import ROOT, Service, until

OLD_VARIABLE = "WINNOW_FAULTS_OLD"
"""A folder with an older version's `service` and `classifier`, or the commit to take it from."""
SHAPE = Shape(websites=3, moderators=3, hooks=True, reader=True)
NOTICE_S = 3.0
"""What a load balancer needs to notice that one service is not ready any more."""


def old_version(into: Path) -> str:
    """Puts an older version there; why that is not possible, or ''."""
    chosen = os.environ.get(OLD_VARIABLE, "")
    if chosen and Path(chosen).is_dir():
        for name in ("service", "classifier"):
            shutil.copytree(Path(chosen) / name, into / name)
        return ""
    top = subprocess.run(
        ["git", "log", "-n", "1", "--skip", "1", "--format=%h", "--", "service"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    commit = chosen or top.stdout.strip()
    if top.returncode or not commit:
        return f"no history here: name an older version in {OLD_VARIABLE}"
    packed = subprocess.run(
        ["git", "archive", commit, "service", "classifier"],
        cwd=ROOT, capture_output=True, check=False,
    )  # fmt: skip
    if packed.returncode:
        return f"git cannot give {commit}: {packed.stderr.decode()[:100]}"
    subprocess.run(["tar", "-x", "-C", into], input=packed.stdout, check=True)
    return ""


class Balancer:
    """A load balancer: one URL, two services, of which only ready ones get new connections.

    It asks /readyz as balancers do, sends no request twice by itself, and tells the clients of a
    connection that could not be made; these make another, as every client does.
    """

    def __init__(self, services: list[Service]) -> None:
        self.services = services
        self.ready = [service.url for service in services]
        self.out: set[str] = set()
        self._turn = 0
        self._task = asyncio.create_task(self._look())

    async def _look(self) -> None:
        async with httpx.AsyncClient(timeout=3) as http:
            while True:
                ready = []
                for service in self.services:
                    if service.url in self.out:
                        continue
                    with contextlib.suppress(httpx.HTTPError):
                        if (await http.get(service.url + "/readyz")).status_code == 200:
                            ready.append(service.url)
                self.ready = [url for url in ready or self.ready if url not in self.out]
                await asyncio.sleep(0.2)

    def url(self) -> str:
        """Where the next request goes."""
        self._turn += 1
        return self.ready[self._turn % len(self.ready)]

    def take_out(self, service: Service) -> None:
        """No new requests for this one."""
        self.out.add(service.url)
        self.ready = [url for url in self.ready if url != service.url]

    def put_in(self, service: Service) -> None:
        """As soon as it is ready again, it gets requests."""
        self.out.discard(service.url)

    async def close(self) -> None:
        """Stops looking."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task


async def rolling(run: Run, result: Result, times: int) -> None:
    """Old and new version serve one store and are restarted in turn; no request fails."""
    old = run.home()
    result.skipped = old_version(old)
    if result.skipped:
        return
    plan = strikes(run.seed, run.fault, times, (("upgrade", 1), ("downgrade", 1)), (50, 200))
    result.plan = fingerprint(plan)
    async with engine(run) as store:
        first = remote_service(run, f"unix://{store.socket}", WINNOW_DRAIN_S="10")
        shared: dict[str, Any] = {"WINNOW_SECRET": first.environ["WINNOW_SECRET"]}
        second = remote_service(run, f"unix://{store.socket}", WINNOW_DRAIN_S="10", **shared)
        for service in (first, second):
            service.root = old
            service.environ["PYTHONPATH"] = str(old)
        balancer = None
        try:
            await first.start()
            await second.start()
            balancer = Balancer([first, second])
            await _roll(run, result, plan, balancer, old)
        except RuntimeError as error:
            if f"ended with {EXIT_CODE}" not in str(error):
                raise
            line = str(error).strip().splitlines()[-1]
            result.skipped = f"the versions refuse to share a store ({line})"
        finally:
            if balancer is not None:
                await balancer.close()
            for service in (first, second):
                await put_away(service)


async def _roll(run: Run, result: Result, plan: list[Any], balancer: Balancer, old: Path) -> None:
    load = await Load.begin(balancer.services[0], run.seed, run.fault, SHAPE, start=False)
    load.asker.route = balancer.url
    load.start(SHAPE)
    for strike in plan:
        await load.board.more(strike.after)
        service = balancer.services[strike.number % 2]
        path = ROOT if strike.what == "upgrade" else old
        # As in docs/ops: the balancer is told first, then the service drains and ends.
        balancer.take_out(service)
        if load.reader is not None:
            load.reader.url = balancer.services[1 - strike.number % 2].url
        await asyncio.sleep(NOTICE_S)
        code = await service.stop()
        if code != 0:
            result.complain(f"a stop under load ended with {code}")
        service.environ["PYTHONPATH"] = str(path)
        await service.start()
        balancer.put_in(service)
        await until(lambda url=service.url: url in balancer.ready, 60, "readiness")
        await load.board.more(1)
        result.note(strike.what)
        result.times += 1
    result.findings.add(await load.end())
    result.note("requests", load.asked.requests)
    result.note("connections made again", load.asked.broken.pop("ConnectError", 0))
    if load.asked.broken or load.asked.refused:
        result.complain(f"no answer: {dict(load.asked.broken)}; 503 or 429: {load.asked.refused}")
