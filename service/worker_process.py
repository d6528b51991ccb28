"""The worker process: the rounds beside the requests."""

from __future__ import annotations

import asyncio
import socket

from service import log, vitals
from service.children import ChildContext, announce_ready, on_end
from service.services import Services
from service.settings import EXIT_CODE
from service.workers import rounds


async def work(services: Services, context: ChildContext) -> None:
    """The worker process: makes its rounds."""
    stopping = asyncio.Event()
    on_end(context, stopping.set, stopping.set)
    await services.store.open()
    door = _door(services)
    vitals.settled()
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
    import uvicorn

    from service.api.worker_door import worker_door
    from service.web_process import Unsignalled

    config = uvicorn.Config(
        worker_door(services), lifespan="off", access_log=False, log_config=None, ws="none"
    )
    return asyncio.create_task(Unsignalled(config).serve(sockets=[listening]))
