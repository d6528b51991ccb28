"""Receivers that run here, a store, and a worker's deliverer whose waits are short."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import pytest
from standardwebhooks import Webhook

from service import webhooks
from service.ids import Secrets, random_id
from service.pipeline.score import Scorer
from service.records import Comment, Site
from service.services import Services
from service.settings import Settings
from service.store.deliveries import Logged
from service.store.webhooks import Endpoint
from service.workers.deliver import Deliverer
from tests.conftest import SECRET
from tests.store.builders import build, make_site, put

LOCAL = "127.0.0.0/8"
FAST = (0.05,) * 10
"""Ten waits, as in the real schedule, that a test can sit out."""


class Got(NamedTuple):
    """One request a receiver got."""

    headers: dict[str, str]
    body: bytes
    path: str
    at: float

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def verified(self, secret: str) -> Any:
        """What the official library gives, if the signature is right."""
        return Webhook(secret).verify(self.body, self.headers)


class Receiver:
    """A website's end of a webhook: answers as told, then 204."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.answers: list[Any] = []
        """What the next requests get: a status, (status, headers), `hang`, `reset` or `drip`."""
        self.always: Any = 204
        self._closing = threading.Event()
        outer = self

        class Door(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer._serve(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook?token=t0ps3cret"

    def _serve(self, door: BaseHTTPRequestHandler) -> None:
        body = door.rfile.read(int(door.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in door.headers.items()}
        self.got.append(Got(headers, body, door.path, time.monotonic()))
        answer = self.answers.pop(0) if self.answers else self.always
        if answer == "hang":
            self._closing.wait(30)
            door.close_connection = True
        elif answer == "reset":
            linger = struct.pack("ii", 1, 0)
            door.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            door.connection.close()
            door.close_connection = True
            door.wfile = door.rfile = _Nothing()  # type: ignore[assignment]
        elif answer == "drip":
            self._drip(door)
        else:
            status, more = answer if isinstance(answer, tuple) else (answer, {})
            door.send_response(status)
            for name, value in more.items():
                door.send_header(name, value)
            door.end_headers()

    def _drip(self, door: BaseHTTPRequestHandler) -> None:
        """One byte of an answer's head every tenth of a second."""
        door.close_connection = True
        with contextlib.suppress(OSError):
            for char in b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 500:
                door.connection.sendall(bytes([char]))
                if self._closing.wait(0.1):
                    return

    def ids(self) -> list[str]:
        """The webhook-ids of all requests, in their order."""
        return [got.id for got in self.got]

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Nothing:
    closed = True

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture
def receivers() -> Iterator[Callable[[], Receiver]]:
    """Makes receivers."""
    made: list[Receiver] = []

    def make() -> Receiver:
        made.append(Receiver())
        return made[-1]

    yield make
    for receiver in made:
        receiver.close()


@pytest.fixture
def receiver(receivers: Callable[[], Receiver]) -> Receiver:
    return receivers()


class World:
    """One process's parts around a site `blog`, without a model, with local receivers allowed."""

    def __init__(self, redis_url: str) -> None:
        self.parts = Services(
            Settings(outgoing_networks=(LOCAL,)), redis_url, Secrets(SECRET), Scorer(None)
        )
        self.store = self.parts.store
        self._deliverers: list[Deliverer] = []
        self.site: Site
        self.version = 0

    async def hook(
        self, url: str, *events: str, site: str = "blog", **more: Any
    ) -> Endpoint:  # fmt: skip
        endpoint = Endpoint(
            id=random_id(9),
            url=url,
            events=events or ("comment.approved",),
            secret=webhooks.new_secret(),
            created_at=self.parts.now(),
            **more,
        )
        await self.store.webhooks.add(site, endpoint)
        return endpoint

    async def approved(self, count: int = 1, **fields: Any) -> list[Comment]:
        """New approved comments: each is two events, submitted and approved."""
        made = [build(self.site, **fields) for _ in range(count)]
        for comment in made:
            await put(self.store, comment, self.version, "approved")
        return made

    def deliverer(self, **more: Any) -> Deliverer:
        self._deliverers.append(Deliverer(self.parts, **({"schedule": FAST} | more)))
        return self._deliverers[-1]

    async def run(
        self, done: Callable[[], Any], *deliverers: Deliverer, timeout_s: float = 20.0
    ) -> None:
        """Lets deliverers sweep until `done`."""
        working = deliverers or (self.deliverer(),)
        async with asyncio.timeout(timeout_s):
            while not done():
                await asyncio.gather(*(deliverer.sweep() for deliverer in working))
                await asyncio.sleep(0.01)

    async def settled(self, *deliverers: Deliverer) -> None:
        """Returns when no attempt is under way."""
        for deliverer in deliverers or self._deliverers:
            while deliverer._attempts:
                await asyncio.wait(deliverer._attempts)

    async def log(self, endpoint: Endpoint, *states: Any) -> list[Logged]:
        wanted = states or ("waiting", "delivered", "dead")
        return await self.store.deliveries.page("blog", endpoint.id, wanted, limit=500, after=None)

    async def close(self) -> None:
        for deliverer in self._deliverers:
            await deliverer.finish(0)
        await self.store.close()


@pytest.fixture
async def world(redis_url: str) -> AsyncIterator[World]:
    made = World(redis_url)
    await made.store.open()
    made.site, made.version = await make_site(made.store)
    yield made
    await made.close()
