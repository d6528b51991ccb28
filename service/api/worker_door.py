"""A worker's own door, where one runs alone: whether it lives, and its metrics."""

from __future__ import annotations

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST

from service import __version__
from service.api.edge import App, Receive, Scope, Send
from service.api.health import LiveOut, metrics_text
from service.services import Services

_JSON = b"application/json"


def worker_door(parts: Services) -> App:
    """Answers `/livez` and `/metrics`, as a web process does."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        status, media, body = 200, _JSON, msgspec.json.encode(LiveOut("alive", __version__))
        if scope["path"] == "/metrics":
            media, body = CONTENT_TYPE_LATEST.encode(), await metrics_text(parts)
        elif scope["path"] != "/livez":
            status, body = 404, b"{}"
        headers = [(b"content-type", media), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app
