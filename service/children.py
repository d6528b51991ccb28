"""The children of `winnow serve`: what each is told, and how its place is kept filled.

How a child lives (`service.process` is such a child):

1. It reads `read_child_context(os.environ)` and its settings from the other WINNOW_ variables.
2. It loads what it needs, then waits in `await_store` until the store serves: children start while
   the store does, and touch nothing of it before.
3. It beats on the board of `beats_fd`, once a second, and before it says that it is ready.
4. A web process serves on the socket `listen_fd`. Once it can, it calls `announce_ready`.
5. SIGTERM, or the end of file on `alive_fd` (the supervisor died), means: close the listening
   socket at once, finish what is under way within `drain_s`, exit 0.
6. Exit code 78 means "my configuration is wrong": the supervisor then stops everything.
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
from service.beats import Board, Watch
from service.settings import EXIT_CODE as EX_CONFIG
from service.settings import SettingsError

ChildRole = Literal["web", "worker"]
CHILD_VARIABLE = "WINNOW_CHILD"
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
STEADY_S = 10.0
"""Who ran this long before it ended starts again with the shortest pause."""
TRIES_BEFORE_READY = 3
"""How often one child may end before it was ever ready; after that the start is given up."""
READY_WITHIN_S = 120.0
"""How long the successor of a running child may take to start."""
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


def slot_of(role: ChildRole, index: int) -> int:
    """The worker's number on the board of beats comes first, then those of the web processes."""
    return 0 if role == "worker" else index + 1


class ChildContext(msgspec.Struct, frozen=True):
    """What the supervisor tells a child: JSON in the variable WINNOW_CHILD."""

    role: ChildRole
    index: int
    """0 for the worker and the first web process."""
    store_fd: int
    """Read end of a pipe for one line, the store's URL; see `await_store`."""
    alive_fd: int
    """Read end of a pipe nobody writes to: end of file means that the supervisor died."""
    ready_fd: int
    """Write end of a pipe for one line; see `announce_ready`."""
    listen_fd: int | None = None
    """The bound and listening TCP socket; None for the worker."""
    beats_fd: int | None = None
    """The shared memory for signs of life: a `beats.Board`."""

    @property
    def slot(self) -> int:
        """Whose number on the board is this child's."""
        return slot_of(self.role, self.index)


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


def await_store(context: ChildContext) -> str:
    """The store's URL, once it serves and everything in it is made; to be called once.

    Raises:
        SystemExit: the supervisor died first.
    """
    with os.fdopen(context.store_fd) as told:
        url = told.readline().strip()
    if not url:
        raise SystemExit(0)
    return url


class StoreNews:
    """What children wait for in `await_store`, as the supervisor tells it."""

    def __init__(self) -> None:
        self._line = b""
        self._waiting: list[int] = []

    def pipe(self) -> int:
        """The read end of a pipe for one child; to be passed on, and closed."""
        reading, writing = os.pipe()
        self._waiting.append(writing)
        self._send()
        return reading

    def tell(self, url: str) -> None:
        """Lets everybody go on, those to come too."""
        self._line = f"{url}\n".encode()
        self._send()

    def close(self) -> None:
        """Those who still wait end."""
        while self._waiting:
            os.close(self._waiting.pop())

    def _send(self) -> None:
        while self._line and self._waiting:
            writing = self._waiting.pop()
            with suppress(BrokenPipeError):  # it ended before
                os.write(writing, self._line)
            os.close(writing)


def announce_ready(context: ChildContext) -> None:
    """Tell the supervisor that this child does its work; to be called once."""
    with suppress(BrokenPipeError):  # the supervisor died: `alive_fd` says so, too
        os.write(context.ready_fd, b"ready\n")
    os.close(context.ready_fd)


def on_end(context: ChildContext, orphan: Callable[[], None], asked: Callable[[], None]) -> None:
    """Calls `asked` at SIGTERM or SIGINT, and `orphan` when the supervisor has died."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked)

    def orphaned() -> None:
        loop.remove_reader(context.alive_fd)
        orphan()

    loop.add_reader(context.alive_fd, orphaned)


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


class _Run:
    """One process that fills, or will fill, a place."""

    def __init__(self, process: asyncio.subprocess.Process, ready: asyncio.Task[bool]) -> None:
        self.process = process
        self.ready = ready
        """Ends with True once it said so; with False if it ended before."""

    @property
    def serving(self) -> bool:
        """Whether it said that it does its work, and still runs."""
        started = self.ready.done() and not self.ready.cancelled() and self.ready.result()
        return started and self.process.returncode is None

    def kill(self) -> None:
        """End it at once, and whatever it started itself."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    async def end(self, patience_s: float, hurry: asyncio.Event) -> bool:
        """Ask it to drain; kill it when patience ends or `hurry` is set. True if it went."""
        if self.process.returncode is not None:
            return True
        with suppress(ProcessLookupError):
            self.process.terminate()
        waits = {asyncio.create_task(self.process.wait()), asyncio.create_task(hurry.wait())}
        await asyncio.wait(waits, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
        went = self.process.returncode is not None
        self.kill()
        await self.process.wait()
        for task in waits:
            task.cancel()
        return went


class Child:
    """One place among the processes; whoever fills it is replaced when it ends."""

    def __init__(self, role: ChildRole, index: int, board: Board) -> None:
        self.role: ChildRole = role
        self.index = index
        self.ready = asyncio.Event()
        """Set once the place was filled for the first time, and for good."""
        self.silent = 0
        """For how many seconds its process has not beaten."""
        self._board = board
        self._watch = Watch()
        self._run: _Run | None = None
        self._next: _Run | None = None
        self._new: _Run | None = None

    async def keep(self, launch: Launch) -> None:
        """Fill the place for ever.

        Raises:
            StartRefusedError: the child refuses its configuration, or never becomes ready.
        """
        pauses, tries = Pauses(), 0
        while True:
            began = time.monotonic()
            self._run, self._next = self._next or await self._start(launch), None
            code = await self._run.process.wait()
            self._run.ready.cancel()
            if self._next is not None:  # it went because its successor is there
                continue
            tries += 1
            self._give_up_if_hopeless(code, tries)
            pause = pauses.after(time.monotonic() - began)
            _log.warning("child ended", child=self.role, index=self.index, code=code, pause_s=pause)
            self._board.count("web_restarts" if self.role == "web" else "worker_restarts")
            await asyncio.sleep(pause)

    def _give_up_if_hopeless(self, code: int, tries: int) -> None:
        if self.ready.is_set() and code != EX_CONFIG:
            return
        if code == EX_CONFIG:
            raise StartRefusedError(f"the {self.role} process refused its configuration", code)
        if tries >= TRIES_BEFORE_READY:
            sentence = f"the {self.role} process ended {tries} times before it was ready"
            raise StartRefusedError(f"{sentence} (last exit code {code})", 70)

    async def renew(self, launch: Launch, patience_s: float, hurry: asyncio.Event) -> bool:
        """Put a new process in the place, and end the old one once the new one serves.

        Returns:
            Whether it was done; otherwise the old process stays.
        """
        # Known as `_new` until it is settled, so that a stop in between ends it, too.
        self._new = new = await self._start(launch)
        await asyncio.wait({new.ready}, timeout=READY_WITHIN_S)
        if not new.serving or self._run is None:
            new.kill()
            await new.process.wait()
            self._new = None
            return False
        old, self._next, self._new = self._run, new, None
        await old.end(patience_s, hurry)
        return True

    async def _start(self, launch: Launch) -> _Run:
        reading, writing = os.pipe()
        self._watch.begin(self._board.beats(slot_of(self.role, self.index)))
        ready = asyncio.create_task(self._await_ready(reading))
        try:
            return _Run(await launch(self.role, self.index, writing), ready)
        except BaseException:
            ready.cancel()
            raise
        finally:
            os.close(writing)

    async def _await_ready(self, reading: int) -> bool:
        reader = asyncio.StreamReader()
        pipe = os.fdopen(reading, "rb", buffering=0)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            said = bool(await reader.readline())
            if said:
                self.ready.set()
            return said
        finally:
            transport.close()

    def look(self, hang_s: float) -> None:
        """Kill the process if it did not beat for `hang_s` looks (0: never); not while it starts.

        A process that never beat is not judged.
        """
        run = self._run
        if run is None or not run.serving:
            self.silent = 0
            return
        self.silent = self._watch.stood_still(self._board.beats(slot_of(self.role, self.index)))
        if 0 < hang_s <= self.silent:
            pid = run.process.pid
            _log.error("child hangs", child=self.role, index=self.index, pid=pid, silent_s=hang_s)
            self._board.count("hung")
            run.kill()

    async def end(self, patience_s: float, hurry: asyncio.Event) -> bool:
        """End whoever fills the place; see `_Run.end`."""
        runs = [run for run in (self._run, self._next, self._new) if run is not None]
        return all(await asyncio.gather(*(run.end(patience_s, hurry) for run in runs)))
