"""The web process: the HTTP faces of the service, on the supervisor's socket."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import resource
import socket
from collections.abc import Iterator

import uvicorn

from service import vitals
from service.api.connections import bounded
from service.api.edge import edge
from service.api.intake import ahead_of
from service.app import litestar_app
from service.children import ChildContext, announce_ready, on_end
from service.services import Services
from service.settings import Settings


class Unsignalled(uvicorn.Server):
    """uvicorn that leaves signals to this process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield


class _Server(Unsignalled):
    """uvicorn that says when it is ready, too."""

    def __init__(self, config: uvicorn.Config, context: ChildContext) -> None:
        super().__init__(config)
        self._context = context

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            announce_ready(self._context)


async def serve(services: Services, context: ChildContext) -> None:
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

    on_end(context, stop, functools.partial(stop, wait_s=services.settings.drain_wait_s))
    if context.listen_fd is None:
        raise RuntimeError("a web process needs a listening socket")
    vitals.settled()
    await server.serve(sockets=[socket.socket(fileno=context.listen_fd)])


def _descriptors(settings: Settings) -> int:
    """How many connections this process may hold: each takes a descriptor, as the rest does."""
    wanted, rest = settings.connections_max, 256
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted + rest if hard == resource.RLIM_INFINITY else min(wanted + rest, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return min(wanted, max(16, most - rest))
