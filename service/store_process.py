"""The embedded server, as the supervisor keeps it: replaced when it ends, watched while it runs."""

import asyncio
import time
from contextlib import suppress

from service import log
from service.beats import Board
from service.children import SHORTEST_PAUSE_S, Pauses
from service.settings import Settings
from service.store import embedded
from service.store.disk import Ballast
from service.store.launching import EmbeddedServerError

LOOK_S = 5.0
"""Seconds between two questions whether the server answers."""
SILENT_S = 30
"""For how long it may not answer before the log says so. It is never killed for it: it may be
waiting for a slow disk or loading, and what it then does is done; killed, it would begin anew."""

_log = log.get("supervise")


class StoreProcess:
    """The embedded server, kept running."""

    def __init__(self, settings: Settings, board: Board) -> None:
        self._settings = settings
        self._board = board
        self._ballast = Ballast(settings.data_dir.absolute())
        self._dropped = False
        self._starting: asyncio.Future[embedded.EmbeddedServer] | None = None
        self._server: embedded.EmbeddedServer | None = None

    async def open(self) -> embedded.EmbeddedServer:
        """Start or adopt the server and wait until it serves; raises EmbeddedServerError."""
        self._make_room()
        # Shielded: what a thread started must be known to `close`, even if nobody waits any more.
        self._starting = asyncio.ensure_future(asyncio.to_thread(embedded.start, self._settings))
        self._server = await asyncio.shield(self._starting)
        try:
            await asyncio.to_thread(self._server.wait_ready)
        except EmbeddedServerError:
            await self.close()
            raise
        return self._server

    async def keep(self, server: embedded.EmbeddedServer) -> None:
        """Replace the server whenever it ends, for ever."""
        pauses = Pauses()
        while True:
            began = time.monotonic()
            await _gone(server)
            pause = pauses.after(time.monotonic() - began)
            _log.error("embedded server ended", pid=server.pid, pause_s=pause)
            self._board.count("store_restarts")
            await self.close()
            server = await self._reopen(pauses, pause)
            _log.info("embedded server runs again", pid=server.pid)

    async def _reopen(self, pauses: Pauses, pause: float) -> embedded.EmbeddedServer:
        while True:
            await asyncio.sleep(pause)
            try:
                return await self.open()
            except EmbeddedServerError as error:
                pause = pauses.after(0)
                _log.error("embedded server does not start", problem=str(error), pause_s=pause)

    async def watch(self) -> None:
        """Ask the server now and then whether it answers, and keep the ballast; for ever."""
        silent_since: float | None = None
        while True:
            await asyncio.sleep(LOOK_S)
            server, now = self._server, time.monotonic()
            if server is None or await asyncio.to_thread(server.answers):
                if silent_since is not None and now - silent_since >= SILENT_S:
                    _log.info("embedded server answers again")
                silent_since = None
            else:
                silent_since = self._count_silence(silent_since, now, server.pid)
            self._board.tell("store_silent_s", int(now - silent_since) if silent_since else 0)
            await asyncio.to_thread(self._keep_ballast)

    def _count_silence(self, since: float | None, now: float, pid: int) -> float:
        if since is None:
            return now
        if now - since >= SILENT_S > now - since - LOOK_S:
            _log.error("embedded server does not answer", pid=pid, silent_s=int(now - since))
        return since

    def _keep_ballast(self) -> None:
        with suppress(OSError):
            if self._ballast.restore(self._settings.disk_reserve):
                # The first one of a start is no news; one that comes back is.
                say = _log.info if self._dropped else _log.debug
                say("ballast kept", size=self._ballast.size())
                self._dropped = False
        self._board.tell("ballast", int(self._ballast.kept))

    def _make_room(self) -> None:
        """On a disk without room for anything, a server could not even start."""
        with suppress(OSError):
            if self._ballast.drop():
                _log.error("ballast dropped: the disk is full")
                self._dropped = True
                self._board.tell("ballast", 0)

    async def close(self, *, for_good: bool = False) -> None:
        """Stop the server, however far its start has come; `for_good` gives the ballast back."""
        if self._starting is not None:
            with suppress(EmbeddedServerError):
                self._server = await self._starting
            self._starting = None
        if self._server is not None:
            server, self._server = self._server, None
            await asyncio.to_thread(server.stop)
        if for_good:
            self._ballast.remove()


async def _gone(server: embedded.EmbeddedServer) -> None:
    """Return when the server has ended: an idle connection tells at once, adopted or not."""
    while server.alive():
        try:
            reader, writer = await asyncio.open_unix_connection(server.socket)
            await reader.read()
            writer.close()
        except OSError:
            await asyncio.sleep(SHORTEST_PAUSE_S)
