"""The outermost layer of every request: its id, its headers, its count.

One plain ASGI wrapper (about 1 µs) instead of a stack of middlewares (tens of µs each).
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from service import metrics

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

STREAM: Final = "/v1/events"
"""The one GET whose answer has no end, and so no HEAD."""

_GIVEN = re.compile(rb"[A-Za-z0-9_-]{1,64}")
_SECURITY: Final = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
]
_API: Final = [
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; sandbox"),
    (b"cross-origin-resource-policy", b"cross-origin"),
]
_OPEN: Final = ("/v1/", "/v1alpha1/")
"""What pages of any origin may ask: our API, and Perspective's, which pages call too."""
CORS: Final = [
    (b"access-control-allow-origin", b"*"),
    (
        b"access-control-expose-headers",
        b"ETag, Idempotent-Replayed, Link, Location, RateLimit, RateLimit-Policy, Retry-After, "
        b"X-Request-Id",
    ),
]
"""Keys travel in a header, never in a cookie, so any origin may ask; whose page may use which key
is checked per site (`auth.check_origin`)."""
_PREFLIGHT: Final = [
    *CORS[:1],
    (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE"),
    (
        b"access-control-allow-headers",
        b"Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, "
        b"X-Goog-Api-Key",
    ),
    (b"access-control-max-age", b"7200"),
    (b"content-length", b"0"),
]


def edge(app: App) -> App:
    """`app` with a request id, security and CORS headers, and metrics around it."""

    async def outermost(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        request_id = _request_id(scope["headers"])
        scope["request_id"] = request_id
        api = scope["path"].startswith(_OPEN)
        added = [(b"x-request-id", request_id.encode()), *_SECURITY, *(CORS if api else ())]
        if api and scope["method"] == "OPTIONS":
            await _preflight(added, send)
            return
        head = scope["method"] == "HEAD" and scope["path"] != STREAM
        if head:
            # Every GET answers HEAD; only the body is left out. A copy, since the server reads
            # its own scope to know that no body follows: told GET, it would break the connection.
            scope = {**scope, "method": "GET"}
        started, status = time.perf_counter(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = list(message["headers"])
                if not any(name == b"content-security-policy" for name, _ in headers):
                    headers.extend(_API)
                message["headers"] = [*headers, *added]
            elif head:
                message["body"] = b""
            await send(message)

        try:
            await app(scope, receive, sending)
        finally:
            _count(scope, status, time.perf_counter() - started)

    return outermost


def _request_id(headers: list[tuple[bytes, bytes]]) -> str:
    """The caller's own request id where it is harmless, else a new one."""
    for name, value in headers:
        if name == b"x-request-id" and _GIVEN.fullmatch(value):
            return value.decode()
    return secrets.token_urlsafe(12)


async def _preflight(added: list[tuple[bytes, bytes]], send: Send) -> None:
    headers = [*_PREFLIGHT, added[0]]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _count(scope: Scope, status: int, seconds: float) -> None:
    route = scope.get("path_template") or "unmatched"
    metrics.REQUESTS.labels(route, scope["method"], status).inc()
    metrics.REQUEST_SECONDS.labels(route).observe(seconds)
