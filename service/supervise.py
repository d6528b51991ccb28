"""`winnow serve`: one supervisor, its embedded server, N web processes and one worker.

The supervisor binds the listening socket and hands it down, so a web process may die without a
connection being refused. Children are started first, and load while the store does. Whatever ends
is started again, after a pause that grows from 0.1 to 5 s; a child that exists but does nothing
more is killed first. SIGUSR2 replaces the children one by one, by the code and settings of that
moment, without a request being lost.
"""

import asyncio
import errno
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from service import log, notify
from service.beats import BEAT_S, Board
from service.children import (
    CHILD_VARIABLE,
    KILL_AFTER_DRAIN_S,
    Child,
    ChildContext,
    ChildRole,
    StartRefusedError,
    StoreNews,
    announce_ready,
    read_child_context,
)
from service.setting_sources import RESERVED_PREFIX, to_environ
from service.settings import Settings, SettingsError
from service.store import folder
from service.store.launching import EmbeddedServerError
from service.store_process import StoreProcess

__all__ = ["ChildContext", "StartRefusedError", "announce_ready", "read_child_context", "run"]

Role = Literal["all", "web", "worker"]
CHILD_MODULE = "service.process"
BACKLOG = 2048
"""Connections the kernel holds for us, for instance while a web process is replaced."""
PATIENCE_S = 60.0
"""What systemd is asked to wait further while a start takes long."""
GRACE_S = 10
"""For so many seconds beyond `hang_s` a child may be silent before systemd may think us stuck."""
FIXED = (
    *("host", "port", "data_dir", "web_processes", "secret", "admin_key"),
    *("redis_url", "redis_server", "redis_maxmemory"),
)
"""Settings that a reload leaves as they are."""
STARTING_S = 30.0
"""How long a web process may take, on a busy machine, until it notices that its supervisor was
killed: one that was just starting holds the listening socket until then (found by tests/faults)."""
_log = log.get("supervise")


def run(
    settings: Settings,
    *,
    role: Role = "all",
    before: Callable[[], None] | None = None,
    bootstrap: Callable[[str, Settings], None] | None = None,
    on_ready: Callable[[str, bool], None] | None = None,
    reload: Callable[[], Settings] | None = None,
    command: Sequence[str] = (),
) -> int:
    """Run until SIGTERM, SIGINT or SIGHUP; returns the exit code. Call it in the main thread.

    Args:
        settings: port 0 takes any free port; children and `on_ready` get the real one.
        role: "web" and "worker" run only that part and need `redis_url`.
        before: called once the data folder is ours, before anything is started.
        bootstrap: called with the Redis URL once it answers and the settings with the real port,
            before any child touches it; in a thread.
        on_ready: called once, with the public URL and whether the data folder was new.
        reload: called at SIGUSR2 for the settings of new children; without it they stay.
        command: what to run as a child, without the role; `python -m service.process` if empty.

    Exit codes: 0 stopped, 1 a child had to be killed, 65 data refused, 69 cannot listen or no
    server, 70 children keep ending, 75 already running, 78 wrong settings, 130 interrupted early.
    """
    try:
        with ExitStack() as held:
            supervisor = _prepare(settings, role, held)
            if before is not None:
                before()
            supervisor.bootstrap, supervisor.on_ready = bootstrap, on_ready
            supervisor.reload = reload
            supervisor.command = tuple(command) or (sys.executable, "-m", CHILD_MODULE)
            return asyncio.run(supervisor.run())
    except (StartRefusedError, SettingsError, EmbeddedServerError) as error:
        print(f"winnow: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def _prepare(settings: Settings, role: Role, held: ExitStack) -> "_Supervisor":
    """Take the lock and the socket; `held` gives them back."""
    if role != "all" and not settings.redis_url:
        raise SettingsError(f"WINNOW_REDIS_URL: needed to run only the {role} part")
    crashed = role == "all" and held.enter_context(_serve_lock(settings.data_dir.absolute()))
    if role == "worker":
        return _Supervisor(settings, role, None)
    # After a crash the old web processes close the socket as soon as they notice.
    patience_s = max(settings.drain_s, STARTING_S) if crashed else 0.0
    listener = held.enter_context(_listen(settings, patience_s))
    settings = msgspec.structs.replace(settings, port=listener.getsockname()[1])
    return _Supervisor(settings, role, listener)


@contextmanager
def _serve_lock(home: Path) -> Iterator[bool]:
    """Be the only `winnow serve` of a data folder; yields whether the last one was killed."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = folder.try_lock(home / "serve.lock")
    except OSError as error:
        raise StartRefusedError(f"the data folder {home} cannot be used: {error}", 69) from None
    if lock is None:
        pid = (home / "serve.lock").read_text().strip() or "unknown"
        raise StartRefusedError(f"`winnow serve` already runs on {home} (process {pid})", 75)
    crashed = os.fstat(lock).st_size > 0
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    try:
        yield crashed
    finally:
        os.ftruncate(lock, 0)
        os.close(lock)


def _listen(settings: Settings, patience_s: float) -> socket.socket:
    until = time.monotonic() + patience_s
    where = f"{settings.host} port {settings.port}"
    while True:
        try:
            return _bind(settings.host, settings.port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > until:
                raise StartRefusedError(f"cannot listen on {where}: {error}", 69) from None
        time.sleep(0.05)


def _bind(host: str, port: int) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = found[0]
    both = host == "::" and socket.has_dualstack_ipv6()
    return socket.create_server(address[:2], family=family, backlog=BACKLOG, dualstack_ipv6=both)


class _Supervisor:
    """Everything one `run` has: made in `_prepare`, lives in `run`."""

    bootstrap: Callable[[str, Settings], None] | None = None
    on_ready: Callable[[str, bool], None] | None = None
    reload: Callable[[], Settings] | None = None
    command: tuple[str, ...] = ()

    def __init__(self, settings: Settings, role: Role, listener: socket.socket | None) -> None:
        self._settings = settings
        self._listener = listener
        web = range(0 if role == "worker" else settings.web_processes)
        self._board = Board.create(1 + len(web))
        self._store = None if settings.redis_url else StoreProcess(settings, self._board)
        self._news = StoreNews()
        self._children = [Child("web", index, self._board) for index in web]
        self._children += [] if role == "web" else [Child("worker", 0, self._board)]
        self._alive = (-1, -1)
        self._stop, self._hurry, self._renew = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def run(self) -> int:
        """Start everything, wait for a signal, end everything; the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._signalled)
        loop.add_signal_handler(signal.SIGUSR2, self._renew.set)
        self._alive = os.pipe()
        watch = asyncio.create_task(self._watch())
        life, stop = asyncio.create_task(self._live()), asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({life, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            notify.tell(os.environ, "STOPPING=1")
            for task in (life, stop):
                task.cancel()
            await asyncio.wait({life, stop})
            clean = await self._end()
            watch.cancel()
        if not life.cancelled() and (problem := life.exception()) is not None:
            raise _first(problem)
        return 0 if clean else 1

    def _signalled(self) -> None:
        hurry = self._stop.is_set()
        _log.info("stopping at once" if hurry else "stopping", drain_s=self._settings.drain_s)
        (self._hurry if hurry else self._stop).set()

    async def _live(self) -> None:
        async with asyncio.TaskGroup() as group:
            for child in self._children:
                group.create_task(child.keep(self._launch))
            server = await self._store.open() if self._store is not None else None
            url = server.url if server is not None else self._settings.redis_url
            if self.bootstrap is not None:
                await asyncio.to_thread(self.bootstrap, url, self._settings)
            self._news.tell(url)
            if self._store is not None and server is not None:
                group.create_task(self._store.keep(server))
                group.create_task(self._store.watch())
            await asyncio.gather(*(child.ready.wait() for child in self._children))
            _log.info("ready", url=self._settings.public_url, children=len(self._children))
            notify.tell(os.environ, "READY=1", f"MAINPID={os.getpid()}")
            if self.on_ready is not None:
                self.on_ready(self._settings.public_url, server is not None and server.fresh)
            group.create_task(self._reloads())

    async def _watch(self) -> None:
        """Once a second: kill children that hang, and tell systemd that all is well; for ever.

        While the store loads its data, systemd is asked for patience instead.
        """
        every_s, told_at = notify.watchdog_s(os.environ), 0.0
        while True:
            for child in self._children:
                child.look(self._settings.hang_s)
            now, ready = time.monotonic(), all(child.ready.is_set() for child in self._children)
            if not ready and now - told_at >= PATIENCE_S / 2:
                notify.tell(os.environ, f"EXTEND_TIMEOUT_USEC={int(PATIENCE_S * 1e6)}")
                told_at = now
            # Who hangs is killed by us; if that did not help, it is systemd's turn.
            stuck = max((child.silent for child in self._children), default=0)
            helped = self._settings.hang_s == 0 or stuck < self._settings.hang_s + GRACE_S
            if ready and every_s and helped and now - told_at >= min(every_s, 10.0) - BEAT_S:
                notify.tell(os.environ, "WATCHDOG=1")
                told_at = now
            await asyncio.sleep(BEAT_S)

    async def _reloads(self) -> None:
        """At each SIGUSR2 put new processes in the places of the old, one by one; for ever."""
        while True:
            await self._renew.wait()
            self._renew.clear()
            notify.tell(os.environ, notify.reloading())
            self._settings = self._reread()
            done = [
                await child.renew(self._launch, self._patience_s, self._hurry)
                for child in self._children
            ]
            notify.tell(os.environ, "READY=1")
            _log.info("reloaded", children=sum(done), kept=len(done) - sum(done))

    def _reread(self) -> Settings:
        """The settings as they are now, but for those that cannot change while we run."""
        now = self._settings
        if self.reload is None:
            return now
        try:
            new = self.reload()
        except SettingsError as error:
            _log.error("settings refused; the old ones stay", problem=str(error))
            return now
        return msgspec.structs.replace(new, **{name: getattr(now, name) for name in FIXED})

    @property
    def _patience_s(self) -> float:
        return self._settings.drain_wait_s + self._settings.drain_s + KILL_AFTER_DRAIN_S

    async def _end(self) -> bool:
        if self._listener is not None:
            self._listener.close()  # so that new connections are refused once the children close it
        ends = [child.end(self._patience_s, self._hurry) for child in self._children]
        went = await asyncio.gather(*ends)
        self._news.close()
        for descriptor in self._alive:
            os.close(descriptor)
        if self._store is not None:
            await self._store.close(for_good=True)
        return all(went)

    async def _launch(self, role: ChildRole, index: int, ready: int) -> asyncio.subprocess.Process:
        """In a session of its own: Ctrl-C in the terminal is the supervisor's to pass on."""
        listen = self._listener.fileno() if self._listener and role == "web" else None
        beats, store = self._board.descriptor, self._news.pipe()
        context = ChildContext(role, index, store, self._alive[0], ready, listen, beats)
        passed = (listen, store, self._alive[0], ready, beats)
        try:
            return await asyncio.create_subprocess_exec(
                *self.command,
                role,
                stdin=asyncio.subprocess.DEVNULL,
                env=_child_environ(self._settings, context),
                pass_fds=[fd for fd in passed if fd is not None],
                start_new_session=True,
            )
        finally:
            os.close(store)


def _child_environ(settings: Settings, context: ChildContext) -> dict[str, str]:
    kept = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("WINNOW_", *notify.VARIABLES)) or name.startswith(RESERVED_PREFIX)
    }
    return {**kept, **to_environ(settings), CHILD_VARIABLE: msgspec.json.encode(context).decode()}


def _first(problem: BaseException) -> BaseException:
    """The first cause inside the groups that asyncio wraps around it."""
    while isinstance(problem, BaseExceptionGroup):
        problem = problem.exceptions[0]
    return problem
