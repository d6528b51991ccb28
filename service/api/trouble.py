"""A line in the log for each request that failed or was slow; all others are only counted.

A line per request would cost more than the request's own code. In an outage, when every request
fails, ten lines a second are enough: the rest is counted in the next line.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from service import log, metrics, tracing

SLOW_S: Final = 1.0
"""A request that takes longer is slow."""
LINES: Final = 10
"""Lines of one process in one second."""

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Trouble:
    """Tells of failed and slow requests, not too often."""

    def __init__(self) -> None:
        self._second = 0
        self._lines = 0
        self._left_out = 0

    def tell(self, scope: Scope, status: int, seconds: float, now_s: float) -> None:
        """One request that ended; `now_s` is on any steady clock."""
        route = scope.get("path_template") or "unmatched"
        if seconds > SLOW_S:
            metrics.SLOW.labels(route).inc()
        if status < 500 and seconds <= SLOW_S:
            return
        if int(now_s) != self._second:
            self._second, self._lines = int(now_s), 0
        if self._lines >= LINES:
            self._left_out += 1
            return
        self._lines += 1
        log.get("request").warning(
            "request_failed" if status >= 500 else "request_slow",
            method=scope["method"],
            route=route,
            status=status,
            dur_ms=round(seconds * 1000),
            request_id=scope.get("request_id", ""),
            **({"left_out": self._left_out} if self._left_out else {}),
        )
        self._left_out = 0


async def traced(app: App, scope: Scope, receive: Receive, send: Send) -> None:
    """`app` as one span, below the caller's own if `traceparent` names it."""
    status = 500

    async def sending(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        await send(message)

    with tracing.Span("request", parent=_traceparent(scope), kind="server") as span:
        log.about(trace_id=tracing.trace_id())
        try:
            await app(scope, receive, sending)
        finally:
            route, method = scope.get("path_template") or "unmatched", scope["method"]
            span.rename(f"{method} {route}")
            span.tell(
                {
                    "http.request.method": method,
                    "http.route": route,
                    "http.response.status_code": status,
                    "winnow.request_id": scope.get("request_id", ""),
                }
            )
            if status >= 500:
                span.failed(str(status))


def _traceparent(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"traceparent":
            return str(value.decode("latin-1"))[:64]
    return ""
