"""What every fault is given: the seed, a folder, and a running service to break."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from tests.faults.report import Result
from tests.faults.target import Service


class Run:
    """One run of one fault."""

    def __init__(self, seed: int, folder: Path, fault: str, *, keep: bool = False) -> None:
        self.seed, self.fault, self.keep = seed, fault, keep
        self.folder = folder / fault
        self._homes = 0

    def home(self) -> Path:
        """A new folder."""
        self._homes += 1
        path = self.folder / str(self._homes)
        path.mkdir(parents=True)
        return path

    @asynccontextmanager
    async def service(self, *arguments: str, **environ: str) -> AsyncIterator[Service]:
        """A running service that is ended afterwards, whatever became of it."""
        service = Service(self.home(), *arguments, **environ)
        try:
            await service.start()
            yield service
        finally:
            await put_away(service)

    def clear(self) -> None:
        """Removes what it left, unless it is to be looked at."""
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)


async def put_away(service: Service) -> None:
    """Ends a service, whatever state it is in."""
    if service.process is None:
        return
    with contextlib.suppress(TimeoutError):
        await service.stop(30)
    for pid in service.pids("all") if service.process.poll() is None else service.pids("store"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    service.process.wait(10)


class Fault(NamedTuple):
    """One row of the harness."""

    name: str
    what: str
    strike: Callable[[Run, Result, int], Awaitable[None]]
    """Strikes so many times and writes down what it found."""
    few: int
    """How often in `make faults`; 0 = not there."""
    many: int
    """How often in `make faults-long`."""
    row: str
    """The rows of the table in the design that it covers."""
