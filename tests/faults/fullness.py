"""Full: the store's memory, the disk, and a disk that cannot be flushed."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.faults import shim
from tests.faults.load import Load, Shape
from tests.faults.plan import fingerprint, strikes
from tests.faults.report import Result
from tests.faults.run import Run, put_away
from tests.faults.target import Service

DISK_BYTES = 700 << 20
"""The small disk: above the watermark at which intake stops, so that there is something to fill."""
ROOM_BYTES = 400 << 10
"""What the store may grow by before it is full."""


async def memory(run: Run, result: Result, times: int) -> None:
    """The store is full: comments get 503, moderators still decide; with more room all goes on."""
    plan = strikes(run.seed, run.fault, times, (("full", 1),), (50, 200))
    result.plan = fingerprint(plan)
    async with run.service() as service:
        load = await Load.begin(service, run.seed, run.fault, Shape(hooks=False))
        for strike in plan:
            await load.board.more(strike.after)
            used = await _used_memory(service)
            await _restart(service, used + ROOM_BYTES + int(ROOM_BYTES * strike.share))
            await _refusing(load)
            before = load.board.decisions
            began = time.monotonic()
            while load.board.decisions < before + 50:
                await load.board.changed()
                if time.monotonic() - began > 60:
                    result.complain("no decisions while the store is full")
                    break
            result.note("decisions while full", load.board.decisions - before)
            await _restart(service, 0)
            await load.board.more(1)
            result.times += 1
        result.findings.add(await load.end())


async def _restart(service: Service, maxmemory: int) -> None:
    await service.stop()
    service.environ["WINNOW_REDIS_MAXMEMORY"] = str(maxmemory)
    await service.start()


async def _used_memory(service: Service) -> int:
    async with httpx.AsyncClient(timeout=30) as http:
        headers = {"Authorization": f"Bearer {service.environ['WINNOW_ADMIN_KEY']}"}
        text = (await http.get(service.url + "/metrics", headers=headers)).text
    found = re.search(r"^winnow_store_memory_bytes (\S+)", text, re.MULTILINE)
    assert found is not None, "the metric of the store's memory"
    return int(float(found[1]))


async def _refusing(load: Load, timeout_s: float = 300.0) -> None:
    """Returns when comments are refused and none was taken for a second."""
    async with asyncio.timeout(timeout_s):
        while True:
            refused, submitted = load.asked.refused, load.board.submitted
            await asyncio.sleep(1)
            if load.asked.refused > refused and load.board.submitted == submitted:
                return


# ------------------------------------------------------------------------------------ disk


@asynccontextmanager
async def small_disk(run: Run, size: int = DISK_BYTES) -> AsyncIterator[Path]:
    """A disk of its own; root is needed to make one."""
    where = run.home() / "disk"
    where.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", where]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
    try:
        yield where
    finally:
        await asyncio.to_thread(subprocess.run, ["umount", "-l", where], check=False)


def no_disk() -> str:
    """Why there can be no small disk; empty where there can."""
    if os.geteuid() or not shutil.which("mount"):
        return "only root can mount a small disk"
    return ""


async def disk(run: Run, result: Result, times: int) -> None:
    """The disk fills up: comments get 503, nothing acknowledged is lost; with room all goes on."""
    result.skipped = no_disk()
    if result.skipped:
        return
    plan = strikes(run.seed, run.fault, times, (("fill", 1), ("creep", 1)), (50, 200))
    result.plan = fingerprint(plan)
    async with small_disk(run) as where:
        service = Service(run.home(), WINNOW_DATA_DIR=str(where / "data"))
        try:
            await service.start()
            load = await Load.begin(service, run.seed, run.fault, Shape(hooks=False))
            for strike in plan:
                await load.board.more(strike.after)
                left = 0 if strike.what == "fill" else int(strike.share * (2 << 20))
                _fill(where / "filler", left)
                await _refusing(load)
                await _answers(service, result)
                (where / "filler").unlink()
                back = await load.board.more(1)
                result.most("slowest return, s", back)
                result.times += 1
            result.findings.add(await load.end())
        finally:
            await put_away(service)


def _fill(path: Path, left: int) -> None:
    """Takes all of the disk but `left` bytes."""
    free = os.statvfs(path.parent)
    size = max(0, free.f_bavail * free.f_frsize - left)
    with path.open("wb") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, max(1, size))
        except OSError:  # somebody was faster: take what is left, piece by piece
            _fill_slowly(file.fileno())


def _fill_slowly(descriptor: int) -> None:
    try:
        while True:
            os.write(descriptor, bytes(4096))
    except OSError:
        return


async def _answers(service: Service, result: Result) -> None:
    """The processes go on: /livez is 200."""
    async with httpx.AsyncClient(timeout=20) as http:
        for _ in range(10):
            try:
                answer = await http.get(service.url + "/livez")
            except httpx.HTTPError as error:
                result.complain(f"/livez: {type(error).__name__}")
            else:
                if answer.status_code != 200:
                    result.complain(f"/livez said {answer.status_code}")
            await asyncio.sleep(0.1)


# ------------------------------------------------------------------------------- flushes


async def flushes(run: Run, result: Result, times: int) -> None:
    """Every flush to disk fails with EIO for a while: nothing is acknowledged, nothing is lost."""
    result.skipped = shim.why_not()
    if result.skipped:
        return
    plan = strikes(run.seed, run.fault, times, (("EIO", 1),), (30, 150))
    result.plan = fingerprint(plan)
    broken = shim.Shim(run.home())
    async with run.service(**broken.environ) as service:
        load = await Load.begin(service, run.seed, run.fault, Shape(hooks=False))
        for strike in plan:
            await load.board.more(strike.after)
            server = service.server_pid()
            broken.break_disk(True)
            await asyncio.sleep(1.0)  # what was flushed before may be answered now
            before = load.board.fresh
            await asyncio.sleep(0.5 + 2 * strike.share)
            if (after := load.board.fresh) != before:
                result.complain(f"{after - before} new comments while no flush succeeds")
            broken.break_disk(False)
            back = await load.board.more(1)
            result.most("slowest return, s", back)
            result.note("servers replaced", int(service.server_pid() != server))
            result.times += 1
        result.findings.add(await load.end())
    broken.close()
