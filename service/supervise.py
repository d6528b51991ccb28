"""`winnow serve`: one supervisor, its embedded server, N web processes and one worker.

The supervisor binds the listening socket and hands it down, so a web process may die without a
connection being refused. Whatever ends is started again, after a pause that grows from 0.1 to 5 s.

"""

import asyncio
import errno
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Literal

import msgspec

from service import log
from service.children import (
    CHILD_VARIABLE,
    KILL_AFTER_DRAIN_S,
    SHORTEST_PAUSE_S,
    Child,
    ChildContext,
    ChildRole,
    Pauses,
    StartRefusedError,
    announce_ready,
    read_child_context,
)
from service.setting_sources import RESERVED_PREFIX, to_environ
from service.settings import Settings, SettingsError
from service.store import embedded, folder
from service.store.launching import EmbeddedServerError

__all__ = ["ChildContext", "StartRefusedError", "announce_ready", "read_child_context", "run"]

Role = Literal["all", "web", "worker"]
CHILD_MODULE = "service.process"
BACKLOG = 2048
"""Connections the kernel holds for us, for instance while a web process is replaced."""
_log = log.get("supervise")


def run(
    settings: Settings,
    *,
    role: Role = "all",
    bootstrap: Callable[[str, Settings], None] | None = None,
    on_ready: Callable[[str, bool], None] | None = None,
    command: Sequence[str] = (),
) -> int:
    """Run until SIGTERM, SIGINT or SIGHUP; returns the exit code. Call it in the main thread.

    Args:
        settings: port 0 takes any free port; children and `on_ready` get the real one.
        role: "web" and "worker" run only that part and need `redis_url`.
        bootstrap: called with the Redis URL once it answers and the settings with the real port,
            before any child runs; in a thread.
        on_ready: called once, with the public URL and whether the data folder was new.
        command: what to run as a child, without the role; `python -m service.process` if empty.

    Exit codes: 0 stopped, 1 a child had to be killed, 65 data refused, 69 cannot listen or no
    server, 70 children keep ending, 75 already running, 78 wrong settings, 130 interrupted early.
    """
    try:
        with ExitStack() as held:
            supervisor = _prepare(settings, role, held)
            supervisor.bootstrap, supervisor.on_ready = bootstrap, on_ready
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
    listener = held.enter_context(_listen(settings, settings.drain_s if crashed else 0.0))
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


class _Embedded:
    """The embedded server, kept running."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._starting: asyncio.Future[embedded.EmbeddedServer] | None = None
        self._server: embedded.EmbeddedServer | None = None

    async def open(self) -> embedded.EmbeddedServer:
        """Start or adopt the server and wait until it serves; raises EmbeddedServerError."""
        # Shielded: what a thread started must be known to `close`, even if nobody waits any more.
        self._starting = asyncio.ensure_future(asyncio.to_thread(embedded.start, self._settings))
        self._server = await asyncio.shield(self._starting)
        try:
            await asyncio.to_thread(self._server.wait_ready)
        except EmbeddedServerError:
            await self.close()
            raise
        return self._server

    async def keep(self, server: embedded.EmbeddedServer) -> None:
        """Replace the server whenever it ends, for ever."""
        pauses = Pauses()
        while True:
            began = time.monotonic()
            await _gone(server)
            pause = pauses.after(time.monotonic() - began)
            _log.error("embedded server ended", pid=server.pid, pause_s=pause)
            await self.close()
            server = await self._reopen(pauses, pause)
            _log.info("embedded server runs again", pid=server.pid)

    async def _reopen(self, pauses: Pauses, pause: float) -> embedded.EmbeddedServer:
        while True:
            await asyncio.sleep(pause)
            try:
                return await self.open()
            except EmbeddedServerError as error:
                pause = pauses.after(0)
                _log.error("embedded server does not start", problem=str(error), pause_s=pause)

    async def close(self) -> None:
        """Stop the server, however far its start has come."""
        if self._starting is not None:
            with suppress(EmbeddedServerError):
                self._server = await self._starting
            self._starting = None
        if self._server is not None:
            await asyncio.to_thread(self._server.stop)
            self._server = None


async def _gone(server: embedded.EmbeddedServer) -> None:
    """Return when the server has ended: an idle connection tells at once, adopted or not."""
    while server.alive():
        try:
            reader, writer = await asyncio.open_unix_connection(server.socket)
            await reader.read()
            writer.close()
        except OSError:
            await asyncio.sleep(SHORTEST_PAUSE_S)


class _Supervisor:
    """Everything one `run` has: made in `_prepare`, lives in `run`."""

    bootstrap: Callable[[str, Settings], None] | None = None
    on_ready: Callable[[str, bool], None] | None = None
    command: tuple[str, ...] = ()

    def __init__(self, settings: Settings, role: Role, listener: socket.socket | None) -> None:
        self._settings = settings
        self._listener = listener
        self._embedded = None if settings.redis_url else _Embedded(settings)
        self._redis_url = settings.redis_url
        web = range(0 if role == "worker" else settings.web_processes)
        self._children = [Child("web", index) for index in web]
        self._children += [] if role == "web" else [Child("worker", 0)]
        self._alive = (-1, -1)
        self._stop, self._hurry = asyncio.Event(), asyncio.Event()

    async def run(self) -> int:
        """Start everything, wait for a signal, end everything; the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._signalled)
        self._alive = os.pipe()
        life, stop = asyncio.create_task(self._live()), asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({life, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (life, stop):
                task.cancel()
            await asyncio.wait({life, stop})
            clean = await self._end()
        if not life.cancelled() and (problem := life.exception()) is not None:
            raise _first(problem)
        return 0 if clean else 1

    def _signalled(self) -> None:
        hurry = self._stop.is_set()
        _log.info("stopping at once" if hurry else "stopping", drain_s=self._settings.drain_s)
        (self._hurry if hurry else self._stop).set()

    async def _live(self) -> None:
        server = await self._embedded.open() if self._embedded is not None else None
        self._redis_url = server.url if server is not None else self._redis_url
        if self.bootstrap is not None:
            await asyncio.to_thread(self.bootstrap, self._redis_url, self._settings)
        async with asyncio.TaskGroup() as group:
            if self._embedded is not None and server is not None:
                group.create_task(self._embedded.keep(server))
            for child in self._children:
                group.create_task(child.keep(self._launch))
            await asyncio.gather(*(child.ready.wait() for child in self._children))
            _log.info("ready", url=self._settings.public_url, children=len(self._children))
            if self.on_ready is not None:
                self.on_ready(self._settings.public_url, server is not None and server.fresh)

    async def _end(self) -> bool:
        if self._listener is not None:
            self._listener.close()  # so that new connections are refused once the children close it
        patience = self._settings.drain_s + KILL_AFTER_DRAIN_S
        ends = [child.end(patience, self._hurry) for child in self._children]
        went = await asyncio.gather(*ends)
        for descriptor in self._alive:
            os.close(descriptor)
        if self._embedded is not None:
            await self._embedded.close()
        return all(went)

    async def _launch(self, role: ChildRole, index: int, ready: int) -> asyncio.subprocess.Process:
        """In a session of its own: Ctrl-C in the terminal is the supervisor's to pass on."""
        listen = self._listener.fileno() if self._listener and role == "web" else None
        context = ChildContext(role, index, self._redis_url, self._alive[0], ready, listen)
        return await asyncio.create_subprocess_exec(
            *self.command,
            role,
            stdin=asyncio.subprocess.DEVNULL,
            env=_child_environ(self._settings, context),
            pass_fds=[fd for fd in (listen, self._alive[0], ready) if fd is not None],
            start_new_session=True,
        )


def _child_environ(settings: Settings, context: ChildContext) -> dict[str, str]:
    kept = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith("WINNOW_") or name.startswith(RESERVED_PREFIX)
    }
    return {**kept, **to_environ(settings), CHILD_VARIABLE: msgspec.json.encode(context).decode()}


def _first(problem: BaseException) -> BaseException:
    """The first cause inside the groups that asyncio wraps around it."""
    while isinstance(problem, BaseExceptionGroup):
        problem = problem.exceptions[0]
    return problem
