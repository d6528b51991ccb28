"""The children of `winnow serve`: what each is told, and how its place is kept filled.

How a child lives (`service.process` is such a child):

1. It reads `read_child_context(os.environ)` and its settings from the other WINNOW_ variables.
2. A web process serves on the socket `listen_fd`. Once it can, it calls `announce_ready`.
3. SIGTERM, or the end of file on `alive_fd` (the supervisor died), means: close the listening
   socket at once, finish what is under way within `drain_s`, exit 0.
4. Exit code 78 means "my configuration is wrong": the supervisor then stops everything.
"""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Literal

import msgspec

from service import log
from service.settings import EXIT_CODE as EX_CONFIG
from service.settings import SettingsError

ChildRole = Literal["web", "worker"]
CHILD_VARIABLE = "WINNOW_CHILD"
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
STEADY_S = 10.0
"""Who ran this long before it ended starts again with the shortest pause."""
TRIES_BEFORE_READY = 3
"""How often one child may end before it was ever ready; after that the start is given up."""
KILL_AFTER_DRAIN_S = 2.0
"""What a child gets beyond `drain_s` before it is killed."""

_log = log.get("supervise")

Launch = Callable[[ChildRole, int, int], Awaitable[asyncio.subprocess.Process]]
"""Starts a process for a role and an index, with the write end of its ready pipe."""


class StartRefusedError(Exception):
    """`winnow serve` cannot run; `str(error)` is one sentence, `exit_code` the process's."""

    def __init__(self, sentence: str, exit_code: int) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


class ChildContext(msgspec.Struct, frozen=True):
    """What the supervisor tells a child: JSON in the variable WINNOW_CHILD."""

    role: ChildRole
    index: int
    """0 for the worker and the first web process."""
    redis_url: str
    alive_fd: int
    """Read end of a pipe nobody writes to: end of file means that the supervisor died."""
    ready_fd: int
    """Write end of a pipe for one line; see `announce_ready`."""
    listen_fd: int | None = None
    """The bound and listening TCP socket; None for the worker."""


def read_child_context(environ: Mapping[str, str]) -> ChildContext:
    """What the supervisor told this process.

    Raises:
        SettingsError: the process was not started by the supervisor.
    """
    try:
        return msgspec.json.decode(environ.get(CHILD_VARIABLE, ""), type=ChildContext)
    except msgspec.MsgspecError:
        raise SettingsError(
            f"{CHILD_VARIABLE}: this program is started by `winnow serve`"
        ) from None


def announce_ready(context: ChildContext) -> None:
    """Tell the supervisor that this child does its work; to be called once."""
    with suppress(BrokenPipeError):  # the supervisor died: `alive_fd` says so, too
        os.write(context.ready_fd, b"ready\n")
    os.close(context.ready_fd)


class Pauses:
    """How long to wait before each restart."""

    def __init__(self) -> None:
        self._next = SHORTEST_PAUSE_S

    def after(self, ran_s: float) -> float:
        """Seconds to wait before the next start, after one that lasted `ran_s`."""
        if ran_s >= STEADY_S:
            self._next = SHORTEST_PAUSE_S
        pause, self._next = self._next, min(self._next * 2, LONGEST_PAUSE_S)
        return pause


class Child:
    """One place among the processes; whoever fills it is replaced when it ends."""

    def __init__(self, role: ChildRole, index: int) -> None:
        self.role: ChildRole = role
        self.index = index
        self.ready = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None

    async def keep(self, launch: Launch) -> None:
        """Fill the place for ever.

        Raises:
            StartRefusedError: the child refuses its configuration, or never becomes ready.
        """
        pauses, tries = Pauses(), 0
        while True:
            began = time.monotonic()
            code = await self._live_once(launch)
            tries += 1
            self._give_up_if_hopeless(code, tries)
            pause = pauses.after(time.monotonic() - began)
            _log.warning("child ended", child=self.role, index=self.index, code=code, pause_s=pause)
            await asyncio.sleep(pause)

    def _give_up_if_hopeless(self, code: int, tries: int) -> None:
        if code == EX_CONFIG:
            raise StartRefusedError(f"the {self.role} process refused its configuration", code)
        if not self.ready.is_set() and tries >= TRIES_BEFORE_READY:
            sentence = f"the {self.role} process ended {tries} times before it was ready"
            raise StartRefusedError(f"{sentence} (last exit code {code})", 70)

    async def _live_once(self, launch: Launch) -> int:
        reading, writing = os.pipe()
        listener = asyncio.create_task(self._await_ready(reading))
        try:
            try:
                self._process = await launch(self.role, self.index, writing)
            finally:
                os.close(writing)
            return await self._process.wait()
        finally:
            listener.cancel()

    async def _await_ready(self, reading: int) -> None:
        reader = asyncio.StreamReader()
        pipe = os.fdopen(reading, "rb", buffering=0)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            if await reader.readline():
                self.ready.set()
        finally:
            transport.close()

    async def end(self, patience_s: float, hurry: asyncio.Event) -> bool:
        """Ask the child to drain; kill it when patience ends or `hurry` is set. True if it went."""
        process = self._process
        if process is None or process.returncode is not None:
            return True
        with suppress(ProcessLookupError):
            process.terminate()
        waits = {asyncio.create_task(process.wait()), asyncio.create_task(hurry.wait())}
        await asyncio.wait(waits, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
        went = process.returncode is not None
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # and whatever it started itself
        await process.wait()
        for task in waits:
            task.cancel()
        return went
