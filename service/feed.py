"""Fan-out of events inside one process: one reader per site, any number of listeners."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from service import log
from service.errors import Unavailable
from service.store.connect import RedisError
from service.store.events import Event, Events

BACKLOG: Final = 1000
"""Events a slow listener may be behind before it is sent away to resume."""

Listener = asyncio.Queue[Event | None]


class Feeds:
    """Follows the outbox of every site somebody listens to."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._listeners: dict[str, set[Listener]] = {}
        self._readers: dict[str, asyncio.Task[None]] = {}

    @asynccontextmanager
    async def listen(self, site: str) -> AsyncIterator[Listener]:
        """New events of a site, from now on; None ends the stream."""
        listener: Listener = asyncio.Queue(BACKLOG)
        start = await self._events.newest(site)
        self._listeners.setdefault(site, set()).add(listener)
        if site not in self._readers:
            self._readers[site] = asyncio.create_task(self._read(site, start))
        try:
            yield listener
        finally:
            await self._leave(site, listener)

    async def _leave(self, site: str, listener: Listener) -> None:
        waiting = self._listeners.get(site, set())
        waiting.discard(listener)
        if not waiting and (reader := self._readers.pop(site, None)):
            reader.cancel()

    async def _read(self, site: str, cursor: str) -> None:
        try:
            async for events in self._events.follow(site, cursor):
                for event in events:
                    self._tell(site, event)
        except (RedisError, Unavailable, OSError) as error:
            log.get("feed").warning("feed_lost", site=site, error=type(error).__name__)
        finally:
            # Cancelled ones were already removed; the next reader's listeners are not ours to end.
            if self._readers.get(site) is asyncio.current_task():
                del self._readers[site]
                self._tell(site, None)

    def _tell(self, site: str, event: Event | None) -> None:
        for listener in list(self._listeners.get(site, ())):
            if listener.full():
                # Too slow: it alone is ended, and comes back with Last-Event-ID.
                self._listeners[site].discard(listener)
                # What it has not read is dropped whole, so that it resumes behind what it has.
                while not listener.empty():
                    listener.get_nowait()
                listener.put_nowait(None)
            else:
                listener.put_nowait(event)

    def close(self) -> None:
        """Ends every stream."""
        for site in list(self._listeners):
            self._tell(site, None)
        for reader in list(self._readers.values()):
            reader.cancel()
