"""One process, as `winnow serve` starts it: `python -m service.process web|worker`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from typing import cast

import uvicorn
import uvloop

from service import log
from service.api.edge import App, edge
from service.app import litestar_app
from service.children import ChildContext, announce_ready, read_child_context
from service.ids import Secrets
from service.pipeline.score import load_scorer
from service.services import Services
from service.setting_sources import load
from service.workers import rounds


def main() -> None:
    """Run the role the supervisor gave this process, until it is told to stop."""
    settings = load(os.environ)
    context = read_child_context(os.environ)
    log.configure(settings.log_level, settings.log_format)
    scorer = load_scorer(
        str(settings.model) if settings.model else "",
        semantic=settings.semantic,
        graph_cache=settings.data_dir / "cache",
    )
    services = Services(settings, context.redis_url, Secrets(settings.secret_bytes), scorer)
    run = _serve(services, context) if context.role == "web" else _work(services, context)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run)


class _Server(uvicorn.Server):
    """uvicorn that says when it is ready and leaves signals to this process."""

    def __init__(self, config: uvicorn.Config, context: ChildContext) -> None:
        super().__init__(config)
        self._context = context

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            announce_ready(self._context)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(services: Services, context: ChildContext) -> None:
    """A web process: answers on the supervisor's socket."""
    app = litestar_app(services)
    config = uvicorn.Config(
        edge(cast(App, app)),
        http="httptools",
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

    def stop() -> None:
        # Event streams would otherwise hold the drain until its deadline.
        services.draining = True
        if feeds := getattr(app.state, "feeds", None):
            feeds.close()
        server.should_exit = True

    _on_end(context, stop)
    if context.listen_fd is None:
        raise RuntimeError("a web process needs a listening socket")
    await server.serve(sockets=[socket.socket(fileno=context.listen_fd)])


async def _work(services: Services, context: ChildContext) -> None:
    """The worker process: makes its rounds."""
    stopping = asyncio.Event()
    _on_end(context, stopping.set)
    await services.store.open()
    announce_ready(context)
    await rounds.work(services, stopping)
    await services.store.close()


def _on_end(context: ChildContext, stop: Callable[[], None]) -> None:
    """Calls `stop` at SIGTERM or SIGINT, and when the supervisor has died."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)

    def orphaned() -> None:
        loop.remove_reader(context.alive_fd)
        stop()

    loop.add_reader(context.alive_fd, orphaned)


if __name__ == "__main__":
    main()
