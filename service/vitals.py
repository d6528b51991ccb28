"""Vitals of the processes: whether their event loops turn in time, what memory and files they hold.

With several processes Prometheus' own collector of such figures is silent, so the one that is asked
reads them of all from /proc; where there is none (macOS), there are no figures.
"""

from __future__ import annotations

import asyncio
import gc
import os
import re
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from service import metrics

BEAT_S: Final = 0.5
"""Seconds between two looks at how late the event loop is."""
ROLES: Final = ("web", "worker")
_PID: Final = re.compile(r"_([0-9]+)\.db")
_PROC: Final = Path("/proc")


def settled() -> None:
    """Turns garbage collection on, for what comes from now on.

    What a process has when it begins to serve, it keeps: hundreds of thousands of objects that need
    not be gone through again and again while requests wait, nor while they are made (a sixth of a
    start). It looks less often, too: a comment leaves hardly any circles behind. 6 % less CPU a
    comment.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
    gc.enable()


async def beating(work: Coroutine[Any, Any, None]) -> None:
    """Does `work`, and measures meanwhile how late the event loop is."""
    beat = asyncio.create_task(_measure_lag())
    try:
        await work
    finally:
        beat.cancel()


async def _measure_lag() -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + BEAT_S
        await asyncio.sleep(BEAT_S)
        metrics.LOOP_LAG.observe(max(0.0, loop.time() - due))
        metrics.IN_FLIGHT.set(REQUESTS.now)


class UnderWay:
    """How much a process has under way; told to Prometheus with each beat, not with each change."""

    def __init__(self) -> None:
        self.now = 0


REQUESTS: Final = UnderWay()


def forget_dead(metrics_folder: str) -> None:
    """Drops what processes that ended had under way, which would count for ever."""
    for path in Path(metrics_folder).glob("gauge_live*_*.db"):
        match = _PID.search(path.name)
        if match and _PROC.exists() and not (_PROC / match[1]).exists():
            path.unlink(missing_ok=True)


class Vitals(Struct, frozen=True, kw_only=True):
    """What is known of one running process."""

    role: str
    resident: int
    """Bytes in memory, shared ones included."""
    fds: int
    fds_max: int
    started_s: float
    """When it was started, in seconds since the epoch."""


def read(role: str, pid: int, proc: Path = _PROC) -> Vitals | None:
    """The vitals of a process; None where it is gone or not ours to look at."""
    folder = proc / str(pid)
    try:
        # The second field is the program's name, in parentheses, and may hold spaces (proc(5)).
        after_name = (folder / "stat").read_text().rpartition(")")[2].split()
        limits = (folder / "limits").read_text()
        boot = re.search(r"^btime (\d+)", (proc / "stat").read_text(), re.MULTILINE)
        most = re.search(r"^Max open files +(\d+)", limits, re.MULTILINE)
        return Vitals(
            role=role,
            resident=int(after_name[21]) * os.sysconf("SC_PAGE_SIZE"),
            fds=sum(1 for _ in (folder / "fd").iterdir()),
            fds_max=int(most[1]) if most else 0,
            started_s=(int(boot[1]) if boot else 0)
            + int(after_name[19]) / os.sysconf("SC_CLK_TCK"),
        )
    except (OSError, ValueError, IndexError):
        return None


def read_all(metrics_folder: str, more: Iterable[tuple[str, int]] = ()) -> list[Vitals]:
    """The vitals of all of this machine's processes that write metrics, and of `more`."""
    found = {(role, pid) for role, pid in more if pid > 1}
    for pid in _writers(metrics_folder) if metrics_folder else [os.getpid()]:
        role = _role(pid)
        if role:
            found.add((role, pid))
    return [one for role, pid in sorted(found) if (one := read(role, pid)) is not None]


def _writers(folder: str) -> set[int]:
    """The processes whose counts lie in the folder; some of them may have ended."""
    try:
        names = [path.name for path in Path(folder).iterdir()]
    except OSError:
        return set()
    return {int(match[1]) for name in names if (match := _PID.search(name))}


def _role(pid: int) -> str:
    """What one of our processes is for, by its command line; '' for any other."""
    try:
        words = (_PROC / str(pid) / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    except OSError:
        return ""
    last = words[-1].decode(errors="replace")
    return last if last in ROLES else ""
