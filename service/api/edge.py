"""The outermost layer of every request: its id, its headers, its count, and whether it may enter.

One plain ASGI wrapper (about 1 µs) instead of a stack of middlewares (tens of µs each).
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct

from service import log, metrics, tracing, vitals
from service.api import problems
from service.api.arriving import Arriving
from service.api.crowd import Places
from service.api.trouble import Trouble, traced
from service.errors import (
    Misdirected,
    Throttled,
    UnsupportedMediaType,
    WinnowError,
    spread,
)
from service.setting_kinds import Network
from service.settings import Settings
from service.throttle import CALLER, FORGOTTEN_S, client_ip, network

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

STREAM: Final = "/v1/events"
"""The one GET whose answer has no end, and so no HEAD."""
_STREAMS: Final = (STREAM, "/console/events")
_PROBES: Final = ("/livez", "/readyz")
"""What a supervisor asks: answered however much is under way, and under whatever name."""
_REMEMBERED: Final = 10_000
"""Refusals remembered; beyond, all are forgotten and found again."""
LARGE: Final = 65_536
"""Bytes of a body that are rather cut off than read to their end once its request is refused."""

_GIVEN = re.compile(rb"[A-Za-z0-9_-]{1,64}")
_SECURITY: Final = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
]
_API: Final = [
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; sandbox"),
    (b"cross-origin-resource-policy", b"cross-origin"),
]
_HTTPS: Final = [(b"strict-transport-security", b"max-age=31536000; includeSubDomains")]
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


def edge(app: App, settings: Settings) -> App:
    """`app` with a request id, security and CORS headers, bounds and metrics around it."""
    trouble, door = Trouble(), _Door(settings)

    async def outermost(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        asked = _asked(scope, door.proxies)
        scope["request_id"] = asked.id
        CALLER.set(asked.ip)
        log.about(request_id=asked.id)
        api = scope["path"].startswith(_OPEN)
        added = [(b"x-request-id", asked.id.encode()), *door.security, *(CORS if api else ())]
        if api and scope["method"] == "OPTIONS":
            await _preflight(added, send)
            return
        head = scope["method"] == "HEAD" and scope["path"] != STREAM
        if head:
            # Every GET answers HEAD; only the body is left out. A copy, since the server reads
            # its own scope to know that no body follows: told GET, it would break the connection.
            scope = {**scope, "method": "GET"}
        body = Arriving(receive, expected=asked.has_body)
        started, status = time.perf_counter(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    *_missing(message["headers"], asked, cut=_cut(status, asked, body)),
                    *added,
                ]
            elif head:
                message["body"] = b""
            await send(message)

        vitals.REQUESTS.now += 1
        try:
            door.check_shut(scope["path"], asked)
            with door.admitted(scope["path"], asked):
                if tracing.on():
                    await traced(app, scope, body.receive, sending)
                else:
                    await app(scope, body.receive, sending)
        except _Refused as refused:
            await _refuse(refused.error, scope, sending)
        else:
            if status == 429 and "throttled" in scope:
                door.shut(scope["path"], asked, scope["throttled"])
        finally:
            vitals.REQUESTS.now -= 1
            ended = time.perf_counter()
            _count(scope, status, ended - started)
            if scope["path"] != STREAM:
                trouble.tell(scope, status, ended - started, ended)

    return outermost


class _Asked(Struct):
    """What the outermost layer reads of a request's head."""

    id: str
    ip: str
    host: bytes = b""
    encoding: bytes = b""
    length: bytes = b""
    chunked: bool = False
    key: bytes = b""
    personal: bool = False
    """Whether it says who asks: its answer is for nobody else."""

    @property
    def has_body(self) -> bool:
        """Whether a body is to come."""
        return self.chunked or self.length not in (b"", b"0")

    @property
    def large(self) -> bool:
        """Whether its body is longer than is read of a refused request."""
        return self.chunked or (self.length.isdigit() and int(self.length[:20]) > LARGE)


def _asked(scope: Scope, proxies: Sequence[Network]) -> _Asked:
    """A request's head; its id is the caller's own where it is harmless, else a new one."""
    found = _Asked("", client_ip(scope, proxies))
    for name, value in scope["headers"]:
        if name == b"host":
            found.host = value.lower()
        elif name == b"authorization":
            found.key, found.personal = value, True
        elif name in (b"cookie", b"x-goog-api-key"):
            found.personal = True
        elif name == b"content-length":
            found.length = value
        elif name == b"transfer-encoding":
            found.chunked = True
        elif name == b"content-encoding":
            found.encoding = value.strip().lower()
        elif name == b"x-request-id" and _GIVEN.fullmatch(value):
            found.id = value.decode()
    found.id = found.id or secrets.token_urlsafe(12)
    return found


class _Refused(Exception):
    """A request that does not get in."""

    def __init__(self, error: WinnowError) -> None:
        super().__init__(error.code)
        self.error = error


class _Door:
    """Whether a request may enter, and what every answer of this installation carries."""

    def __init__(self, settings: Settings) -> None:
        self.proxies = settings.proxy_networks
        own = urlsplit(settings.public_url)
        self.security = [*_SECURITY, *(_HTTPS if own.scheme == "https" else ())]
        self._hosts = {host.lower().encode() for host in (*settings.hosts, own.netloc)}
        self._any_host = not settings.hosts
        self._shut: dict[tuple[str, bytes, str], Throttled] = {}
        self._requests = Places("requests", settings.requests_max)
        self._streams = Places("streams", settings.streams_max)

    @contextmanager
    def admitted(self, path: str, asked: _Asked) -> Iterator[None]:
        """A place for one request, for as long as it lasts.

        Raises:
            _Refused.
        """
        if path in _PROBES:
            yield
            return
        places, place = self._places(path), network(asked.ip)
        try:
            self._check(asked)
            places.take(place)
        except WinnowError as error:
            raise _Refused(error) from None
        try:
            yield
        finally:
            places.give_back(place)

    def shut(self, path: str, asked: _Asked, refusal: Throttled) -> None:
        """Remembers a refusal that follows from key and network: the next one costs a look here."""
        if asked.key:
            if len(self._shut) >= _REMEMBERED:
                self._shut.clear()
            self._shut[path, asked.key, asked.ip] = refusal

    def check_shut(self, path: str, asked: _Asked) -> None:
        """Refuses what was refused a moment ago, until one more is allowed.

        Raises:
            _Refused.
        """
        if not self._shut:
            return
        earlier = self._shut.get((path, asked.key, asked.ip))
        if earlier is None:
            return
        left = earlier.until - time.monotonic()
        if left < -FORGOTTEN_S:
            del self._shut[path, asked.key, asked.ip]
            return
        if left <= 0:
            earlier.until = time.monotonic() + earlier.probing_s
            return
        metrics.THROTTLED.labels(earlier.limit).inc()
        earlier.headers["Retry-After"] = spread(left)
        raise _Refused(earlier)

    def _check(self, asked: _Asked) -> None:
        if not self._any_host and asked.host not in self._hosts:
            raise Misdirected("This host is not served here.")
        if asked.encoding not in (b"", b"identity"):
            raise UnsupportedMediaType("Send the body as it is, without a Content-Encoding.")

    def _places(self, path: str) -> Places:
        lasting = path in _STREAMS or (path.startswith("/v1/sites/") and path.endswith("/export"))
        return self._streams if lasting else self._requests


def _cut(status: int, asked: _Asked, body: Arriving) -> bool:
    """Whether the connection ends with this answer: the rest of the body is not worth reading."""
    return body.late or (status >= 400 and not body.complete and asked.large)


def _missing(
    headers: list[tuple[bytes, bytes]], asked: _Asked, *, cut: bool
) -> Iterator[tuple[bytes, bytes]]:
    """The headers an answer needs and does not have."""
    there = {name for name, _ in headers}
    if b"content-security-policy" not in there:
        yield from _API
    if asked.personal and b"cache-control" not in there:
        yield b"cache-control", b"no-store"
    if cut:
        yield b"connection", b"close"


async def _refuse(error: WinnowError, scope: Scope, send: Send) -> None:
    content = problems.body(error, scope["path"], scope["request_id"])
    headers = [
        (b"content-type", problems.MEDIA_TYPE.encode()),
        (b"content-length", str(len(content)).encode()),
        *((name.lower().encode(), value.encode()) for name, value in error.headers.items()),
    ]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


async def _preflight(added: list[tuple[bytes, bytes]], send: Send) -> None:
    headers = [*_PREFLIGHT, added[0]]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _count(scope: Scope, status: int, seconds: float) -> None:
    route = scope.get("path_template") or "unmatched"
    metrics.of(metrics.REQUESTS, route, scope["method"], status).inc()
    metrics.of(metrics.REQUEST_SECONDS, route).observe(seconds)
