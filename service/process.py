"""One process, as `winnow serve` starts it: `python -m service.process web|worker`."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import os
import resource
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import uvicorn
import uvloop

from service import log, metrics, tracing, vitals
from service.api.connections import bounded
from service.api.edge import edge
from service.api.intake import ahead_of
from service.api.worker_door import worker_door
from service.app import litestar_app
from service.beats import Board, beat
from service.children import ChildContext, announce_ready, read_child_context
from service.ids import Secrets
from service.pipeline.models import start_with
from service.pipeline.score import Scorer, load_scorer
from service.services import Services
from service.setting_sources import load
from service.settings import EXIT_CODE, Settings
from service.workers import rounds


def main() -> None:
    """Run the role the supervisor gave this process, until it is told to stop."""
    settings = load(os.environ)
    context = read_child_context(os.environ)
    log.configure(settings.log_level, settings.log_format, on_drop=metrics.LOG_LINES_DROPPED.inc)
    if settings.traces_url:
        tracing.start(settings.traces_url, settings.traces_share, context.role)
    if context.role == "web":
        scorer = _scorer(settings)
    else:
        scorer = Scorer(None)
        scorer.later = functools.partial(_scorer, settings)
    services = Services(settings, context.redis_url, Secrets(settings.secret_bytes), scorer)
    services.board = _board(context)
    run = _serve(services, context) if context.role == "web" else _work(services, context)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(vitals.beating(_beating(services.board, context.slot, run)))
    tracing.stop()


def _scorer(settings: Settings) -> Scorer:
    scorer = load_scorer(
        str(settings.model) if settings.model else "",
        semantic=settings.semantic,
        cache=settings.data_dir / "cache",
    )
    if settings.model is None:
        start_with(scorer, settings.data_dir / "models")
    return scorer


def _board(context: ChildContext) -> Board | None:
    return None if context.beats_fd is None else Board(context.beats_fd)


async def _beating(board: Board | None, slot: int, work: Coroutine[Any, Any, None]) -> None:
    """Does `work`, and shows the supervisor meanwhile that the event loop turns."""
    beating = asyncio.create_task(beat(board, slot)) if board is not None else None
    try:
        await work
    finally:
        if beating is not None:
            beating.cancel()


class _Unsignalled(uvicorn.Server):
    """uvicorn that leaves signals to this process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Server(_Unsignalled):
    """uvicorn that says when it is ready, too."""

    def __init__(self, config: uvicorn.Config, context: ChildContext) -> None:
        super().__init__(config)
        self._context = context

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            announce_ready(self._context)


async def _serve(services: Services, context: ChildContext) -> None:
    """A web process: answers on the supervisor's socket."""
    app = litestar_app(services)
    config = uvicorn.Config(
        edge(ahead_of(app), services.settings),
        http=bounded(_descriptors(services.settings), services.settings.proxy_networks),
        lifespan="on",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=max(1, round(services.settings.drain_s)),
    )
    server = _Server(config, context)

    def leave() -> None:
        # Event streams would otherwise hold the drain until its deadline.
        if feeds := getattr(app.state, "feeds", None):
            feeds.close()
        server.should_exit = True

    def stop(*, wait_s: float = 0.0) -> None:
        services.draining = True
        asyncio.get_running_loop().call_later(wait_s, leave)

    _on_end(context, stop, functools.partial(stop, wait_s=services.settings.drain_wait_s))
    if context.listen_fd is None:
        raise RuntimeError("a web process needs a listening socket")
    _spare_the_collector()
    await server.serve(sockets=[socket.socket(fileno=context.listen_fd)])


def _spare_the_collector() -> None:
    """What a process has when it begins to serve, it keeps: half a million objects that the garbage
    collector need not go through again and again, while requests wait. It looks less often, too:
    a comment leaves hardly any circles behind. 6 % less CPU a comment."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


def _descriptors(settings: Settings) -> int:
    """How many connections this process may hold: each takes a descriptor, as the rest does."""
    wanted, rest = settings.connections_max, 256
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted + rest if hard == resource.RLIM_INFINITY else min(wanted + rest, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return min(wanted, max(16, most - rest))


async def _work(services: Services, context: ChildContext) -> None:
    """The worker process: makes its rounds."""
    stopping = asyncio.Event()
    _on_end(context, stopping.set, stopping.set)
    await services.store.open()
    door = _door(services)
    announce_ready(context)
    await rounds.work(services, stopping)
    if door is not None:
        door.cancel()
    await services.store.close()


def _door(services: Services) -> asyncio.Task[None] | None:
    """Where a worker that runs alone tells its metrics."""
    settings = services.settings
    if not settings.worker_port:
        return None
    try:
        listening = socket.create_server((settings.host, settings.worker_port))
    except OSError as error:
        log.get("worker").error("worker_port", port=settings.worker_port, problem=str(error))
        raise SystemExit(EXIT_CODE) from None
    config = uvicorn.Config(
        worker_door(services), lifespan="off", access_log=False, log_config=None, ws="none"
    )
    return asyncio.create_task(_Unsignalled(config).serve(sockets=[listening]))


def _on_end(context: ChildContext, orphan: Callable[[], None], asked: Callable[[], None]) -> None:
    """Calls `asked` at SIGTERM or SIGINT, and `orphan` when the supervisor has died."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked)

    def orphaned() -> None:
        loop.remove_reader(context.alive_fd)
        orphan()

    loop.add_reader(context.alive_fd, orphaned)


if __name__ == "__main__":
    main()
