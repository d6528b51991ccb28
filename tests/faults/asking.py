"""Asking until the answer is known: what a careful website's client does.

A broken connection, a 503 and a 429 leave the outcome open; the same request is sent again under
the same Idempotency-Key until there is one answer. Anything else that a fault must not cause (a
500, a 503 that names no time to come back) is written down as wrong.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx

AGAIN_S, LONGEST_S = 0.03, 0.5
"""A client's pauses before it asks again, doubling; real ones wait for Retry-After, which would
only be kinder."""
PATIENCE_S = 400.0
"""How long one request may stay without an answer before the run counts it as stuck."""


class Asked:
    """What all clients of a load have seen together."""

    def __init__(self) -> None:
        self.requests = 0
        self.broken: Counter[str] = Counter()
        """Attempts whose outcome stayed unknown, by what happened."""
        self.refused = 0
        """Attempts answered 503 or 429."""
        self.slowest_s = 0.0
        """The slowest answer, whatever it was."""
        self.wrong: list[str] = []


class Asker:
    """One client's way to the service; `url` may change between two attempts."""

    def __init__(self, url: str, seen: Asked, *, timeout_s: float = 15.0) -> None:
        self.url = url
        self.route: Callable[[], str] | None = None
        """Names the service each request goes to, where there are several."""
        self._seen = seen
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
        self.http = httpx.AsyncClient(timeout=timeout_s, limits=limits)

    async def ask(self, method: str, path: str, key: str = "", **more: Any) -> httpx.Response:
        """The answer to one request, however often it has to be asked.

        Raises:
            TimeoutError: there was none within PATIENCE_S.
        """
        headers = dict(more.pop("headers", {}))
        if key:
            headers["Authorization"] = f"Bearer {key}"
        pause = AGAIN_S
        async with asyncio.timeout(PATIENCE_S):
            while True:
                answer = await self._once(method, path, headers, more)
                if answer is not None:
                    return answer
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_S)

    async def _once(
        self, method: str, path: str, headers: dict[str, str], more: dict[str, Any]
    ) -> httpx.Response | None:
        self._seen.requests += 1
        began = time.monotonic()
        try:
            url = self.route() if self.route is not None else self.url
            answer = await self.http.request(method, url + path, headers=headers, **more)
        except httpx.HTTPError as error:
            self._seen.broken[type(error).__name__] += 1
            return None
        self._seen.slowest_s = max(self._seen.slowest_s, time.monotonic() - began)
        if answer.status_code in (429, 503):
            self._seen.refused += 1
            if not answer.headers.get("retry-after"):
                self._wrong(f"{answer.status_code} without Retry-After: {method} {path}")
            return None
        if answer.status_code >= 500:
            self._wrong(f"{answer.status_code}: {method} {path}: {answer.text[:200]}")
            return None
        return answer

    def _wrong(self, what: str) -> None:
        if len(self._seen.wrong) < 100:
            self._seen.wrong.append(what)

    async def close(self) -> None:
        """Closes the connections."""
        await self.http.aclose()
